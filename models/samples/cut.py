"""Cuts an upper garment: style in, outlines and true landmarks out, in the garment's own units.

The origin is midway between the side neck points, y grows downwards, and 1 is half the torso width of the
ordinary cut. Everything is built for the right half and mirrored; small seeded differences between the halves
keep it from looking stamped.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin, tan

import numpy as np

from models.samples.curves import FLIP, Line, bezier, mirrored, offset, points, resample, rows
from models.samples.styles import NeckStyle, SleeveStyle, UpperStyle

NECKS: dict[NeckStyle, tuple[float, float, float]] = {
    "crew": (0.43, 0.33, 0.085),
    "v": (0.43, 0.74, 0.085),
    "scoop": (0.56, 0.62, 0.07),
    "boat": (0.66, 0.17, 0.06),
    "polo": (0.55, 0.32, 0.09),
    "turtle": (0.42, 0.05, 0.05),
}
"""Half width of the neck, depth of the front neckline, depth of the back neckline."""

SLEEVES: dict[SleeveStyle, tuple[float, float, float]] = {
    "short": (30.0, 0.42, 0.84),
    "three_quarter": (20.0, 1.28, 0.60),
    "long": (13.0, 1.95, 0.42),
}
"""Angle from the vertical in degrees, length of the lower outline, cuff width over upper arm width."""

SHOULDER_SLOPE_DEG = 23.0
BAND = 0.085
"""Width of a neck rib."""
SEAM_OVERLAP = 0.07
"""A sleeve reaches this far under the torso, so that no ground shows through the seam."""
SIDE_ROWS = 24
SLEEVE_POINTS = 24


@dataclass(frozen=True, slots=True)
class SleeveCut:
    """One sleeve; lines run from the body to the cuff."""

    outer: Line
    inner: Line
    cuff: Line
    """From the outer to the inner corner."""
    panel: Line
    """Closed outline of the cloth, the part under the torso included."""
    angle: float
    """Mean direction in radians from the vertical, positive to the picture's right."""


@dataclass(frozen=True, slots=True)
class UpperCut:
    """All lines of one upper garment; pairs are (picture's left, picture's right)."""

    neck: Line
    shoulder: Line
    armpit: Line
    hem: Line
    sides: tuple[Line, Line]
    neckline: Line
    """From neck[0] to neck[1]; runs over a standing collar's top corners."""
    back_neckline: Line
    armholes: tuple[Line, Line]
    """From shoulder tip to armpit."""
    sleeves: tuple[SleeveCut, SleeveCut] | None
    collar: Line | None
    hemline: Line
    """From hem[0] to hem[1]."""
    torso: Line
    inner_back: Line
    """Closed outline; its lower part lies under the front."""
    straps: bool


def cut_upper(style: UpperStyle, waist_y: float | None = None) -> UpperCut:
    """Outlines and landmarks of a style; `waist_y` (garment units) puts the waist there, with the flare below it."""
    rng = np.random.default_rng(style.seed)
    half_neck, depth, back_depth = NECKS[style.neck]
    depth *= style.neck_depth
    width = style.fit
    half_shoulder = {"none": 0.60 + 0.24 * width, "strap": half_neck + 0.20}.get(style.sleeve, 0.42 + 0.52 * width)
    half_shoulder = max(half_shoulder, half_neck + 0.19)
    if style.sleeve == "strap":
        depth, back_depth = max(depth, 0.62), 0.34
    strap_width = half_shoulder - half_neck
    slope = tan(radians(SHOULDER_SLOPE_DEG)) * (0.45 if style.sleeve == "strap" else 1.0)

    neck = points((-half_neck, 0.0), (half_neck, 0.0))
    shoulder = points((-half_shoulder, strap_width * slope), (half_shoulder, strap_width * slope))
    armpit_y = 0.50 + 0.46 * width + (0.08 if style.sleeve in {"none", "strap"} else 0.0)
    hem_y = 3.12 * style.length
    sides, armholes = [], []
    for sign in (-1.0, 1.0):
        wobble = 1.0 + 0.008 * float(rng.standard_normal())
        side = _side(width, armpit_y, hem_y * (1 + 0.002 * float(rng.standard_normal())), style.waist, style.flare * wobble, waist_y)
        sides.append(side * [sign, 1.0])
        armholes.append(_armhole(shoulder[1], side[0], style.sleeve) * [sign, 1.0])
    armpit = np.stack([side[0] for side in sides])
    hem = np.stack([side[-1] for side in sides])
    hemline = _hemline(hem, style.flare)

    collar: Line | None = None
    neckline = _neckline(style.neck, half_neck, depth)
    back = _back_neckline(neckline, half_neck, back_depth)
    if style.neck == "polo":
        collar, neckline, back = _polo(half_neck, depth)
    elif style.neck == "turtle":
        collar, neckline, back = _turtle(half_neck)
    torso = np.vstack([neckline, armholes[1], sides[1], hemline[::-1], sides[0][::-1], armholes[0][::-1]])
    return UpperCut(
        neck=neck,
        shoulder=shoulder,
        armpit=armpit,
        hem=hem,
        sides=(sides[0], sides[1]),
        neckline=neckline,
        back_neckline=back,
        armholes=(armholes[0], armholes[1]),
        sleeves=None if style.sleeve in {"none", "strap"} else _sleeves(style, shoulder, armholes, rng),
        collar=collar,
        hemline=hemline,
        torso=torso,
        inner_back=np.vstack([back, neckline[::-1] + points((0.0, 0.02))]),
        straps=style.sleeve in {"none", "strap"} and strap_width < 2 * width / 7,
    )


def _side(width: float, top: float, bottom: float, waist: float, flare: float, waist_y: float | None) -> Line:
    """Right side seam from armpit to hem corner."""
    t = np.linspace(0.0, 1.0, 96)
    middle = 0.43 if waist_y is None else (waist_y - top) / (bottom - top)
    end = min(1.0, 2.1 * middle)
    bump = np.where(t < middle, np.sin(0.5 * np.pi * t / middle), np.cos(0.5 * np.pi * np.clip((t - middle) / (end - middle), 0, 1))) ** 2
    start = 0.12 if waist_y is None else middle
    widening = flare * np.clip((t - start) / (1 - start), 0, 1) ** (1.35 if waist_y is None else 0.9)
    narrowing = waist * min(1.0, (bottom - top) / 1.8) * bump
    return np.stack([width * (1.0 - narrowing + widening), top + t * (bottom - top)], axis=1)


def _armhole(tip: Line, armpit: Line, sleeve: SleeveStyle) -> Line:
    """Right armhole from shoulder tip to armpit, hollow towards the body; deeper where it is an edge and not a seam."""
    height = armpit[1] - tip[1]
    hollow = {"none": 0.10, "strap": 0.02}.get(sleeve, 0.085)
    # the last stretch runs almost level into the armpit, longer where it is an edge
    level = (armpit[0] - tip[0]) * 0.55 + (0.16 if sleeve in {"none", "strap"} else 0.10)
    return bezier(tip, (tip[0] - hollow, tip[1] + 0.42 * height), (armpit[0] - level, armpit[1] - 0.09 * height), armpit)


def _hemline(hem: Line, flare: float) -> Line:
    """Slightly hanging line between the hem corners."""
    sag = 0.035 + 0.12 * max(flare, 0.0)
    span = hem[1] - hem[0]
    down = np.array([0.0, sag])
    return bezier(hem[0], hem[0] + 0.3 * span + down, hem[0] + 0.7 * span + down, hem[1], 80)


def _neckline(neck: NeckStyle, half: float, depth: float) -> Line:
    """Front neckline from the left to the right neck point."""
    if neck == "v":
        right = bezier((half, 0.0), (half * 0.86, depth * 0.22), (half * 0.34, depth * 0.72), (0.0, depth), 40)
        return np.vstack([right * FLIP, right[::-1][1:]])
    angle = np.linspace(np.pi, 0.0, 81)
    # a superellipse: rounder than a circle for a scoop, close to a circle for a crew neck
    power = {"scoop": 0.80, "boat": 0.95}.get(neck, 0.88)
    return np.stack([half * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power, depth * np.sin(angle) ** power], axis=1)


def _back_neckline(front: Line, half: float, depth: float) -> Line:
    """Back neckline; stays above the front's everywhere."""
    angle = np.linspace(np.pi, 0.0, 61)
    x, y = half * np.cos(angle), depth * np.sin(angle) ** 0.8
    return np.stack([x, np.minimum(y, 0.7 * np.interp(x, front[:, 0], front[:, 1]))], axis=1)


def _polo(half: float, depth: float) -> tuple[Line, Line, Line]:
    """Top corners, front line and back line of a turned-down collar that stands about the neck."""
    corner = np.array([half * 0.70, -0.235])
    right = np.vstack(
        [
            bezier((0.0, depth), (0.10, depth * 0.62), (corner[0] * 0.92, depth * 0.05), corner, 32),
            bezier(corner, (corner[0] + 0.04, corner[1] + 0.01), (half - 0.03, -0.13), (half, 0.0), 16)[1:],
        ]
    )
    back = bezier((-corner[0], corner[1]), (-corner[0] * 0.5, corner[1] - 0.065), (corner[0] * 0.5, corner[1] - 0.065), corner, 40)
    return np.stack([corner * FLIP, corner]), np.vstack([mirrored(right), right[1:]]), back


def _turtle(half: float) -> tuple[Line, Line, Line]:
    """Top corners, front line and back line of a tube about the neck."""
    corner = np.array([half * 0.83, -0.40])
    top = bezier((-corner[0], corner[1]), (-corner[0] * 0.5, corner[1] + 0.085), (corner[0] * 0.5, corner[1] + 0.085), corner, 40)
    wall = bezier(corner, (corner[0] + 0.005, corner[1] * 0.6), (half - 0.035, -0.09), (half, 0.0), 16)
    back = bezier((-corner[0], corner[1]), (-corner[0] * 0.5, corner[1] - 0.045), (corner[0] * 0.5, corner[1] - 0.045), corner, 40)
    return np.stack([corner * FLIP, corner]), np.vstack([mirrored(wall), top[1:-1], wall]), back


def _sleeves(style: UpperStyle, shoulder: Line, armholes: list[Line], rng: np.random.Generator) -> tuple[SleeveCut, SleeveCut]:
    """Both sleeves; each hangs a degree or so differently."""
    usual_deg, reach, taper = SLEEVES[style.sleeve]
    angle_deg = usual_deg if style.sleeve_angle_deg is None else style.sleeve_angle_deg
    cuts = []
    for sign, hole in zip((-1.0, 1.0), armholes, strict=True):
        angle = radians(angle_deg + 1.2 * float(rng.standard_normal()))
        right = _sleeve(shoulder[1], hole * [sign, 1.0], angle, reach * style.sleeve_length, taper)
        outer, inner, cuff, panel = (line * [sign, 1.0] for line in right)
        cuts.append(SleeveCut(outer, inner, cuff, panel, angle * sign))
    return cuts[0], cuts[1]


def _sleeve(tip: Line, armhole: Line, angle: float, reach: float, taper: float) -> tuple[Line, Line, Line, Line]:
    """Right sleeve: outer line, inner line, cuff and panel.

    The lower line leaves the armpit at `angle` and hangs a little steeper towards the cuff; the upper line runs at
    the sleeve's width beside it and bends over the shoulder into the shoulder tip.
    """
    armpit = armhole[-1]
    hole_height = float(np.hypot(*(armpit - tip)))
    upper_width = hole_height * (0.51 + 0.36 * sin(angle))
    along = np.linspace(0.0, 1.0, 40)
    bent = angle * (1.0 - 0.42 * along) if reach > 0.9 else angle * (1.0 + 0.12 * (1 - along))
    heading = np.stack([np.sin(bent), np.cos(bent)], axis=1)
    steps = heading[:-1] * (reach / (len(along) - 1))
    inner = armpit + np.vstack([[0.0, 0.0], np.cumsum(steps, axis=0)])
    widths = upper_width * (1.0 + (taper - 1.0) * along**0.8)
    outside = np.stack([np.cos(bent), -np.sin(bent)], axis=1)
    beside = inner + outside * widths[:, None]
    join = int(np.searchsorted(along, min(0.30, 0.16 / reach)))
    gap = float(np.hypot(*(beside[join] - tip)))
    onward = beside[join + 1] - beside[join]
    onward /= np.hypot(*onward)
    start = np.array([cos(radians(SHOULDER_SLOPE_DEG + 5)), sin(radians(SHOULDER_SLOPE_DEG + 5))])
    cap = bezier(tip, tip + start * 0.34 * gap, beside[join] - onward * 0.42 * gap, beside[join], 32)
    outer = np.vstack([cap, beside[join + 1 :]])
    bow = heading[-1] * 0.03 * widths[-1]
    third = (inner[-1] - outer[-1]) / 3
    cuff = bezier(outer[-1], outer[-1] + third + bow, outer[-1] + 2 * third + bow, inner[-1], 24)
    under = offset(armhole, SEAM_OVERLAP)
    panel = np.vstack([outer, cuff[1:-1], inner[::-1], under[::-1]])
    return outer, inner, cuff, panel


def sample_sleeve(cut: SleeveCut) -> tuple[Line, Line]:
    """Outer and inner line, evenly spaced by arc length."""
    return resample(cut.outer, SLEEVE_POINTS), resample(cut.inner, SLEEVE_POINTS)


def sample_side(side: Line) -> Line:
    """A side seam at evenly spaced rows."""
    return rows(side, SIDE_ROWS)
