"""Draws trousers, shorts and skirts as packshots, with their true masks, landmarks and the inside of the waistband."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.samples.cloth import Fold, Panel, Plane, Table
from models.samples.curves import FLIP, Line, bezier, mirrored, offset, points, resample, smooth
from models.samples.dyes import patterned, plain
from models.samples.folds import FOLD_HEIGHT, fold, hanging_folds
from models.samples.studio import Packshot, Stage, shoot
from models.samples.styles import RGB, PatternStyle
from models.samples.trimmings import button, label, seam, stitch
from models.types import Category, LowerLandmarks

WAIST, HIP, HIP_Y = 0.60, 0.80, 0.78
CROTCH_Y = 1.16
WAISTBAND = 0.155
ORDINARY_LENGTH = 4.25
ORDINARY_SKIRT = 2.35
FRONT_DIP, BACK_RISE = 0.06, 0.05
"""The front waist hangs this far under the corners; the back rises this far over them: the inside shows between."""
HEM_HEIGHT = 0.075
THIGH_HALF, THIGH_INNER = 0.37, 0.10
"""Half width at the hem and the hem's inner corner of the shortest shorts, garment units."""
CURVE_POINTS = 25
"""Points of each curve among the landmarks."""


@dataclass(frozen=True, slots=True)
class TrouserStyle:
    """One pair of trousers; ratios are 1 for the ordinary cut."""

    length: float = 1.0
    """Waist to hem over the ordinary, 0.4 (shorts) to 1.1."""
    leg: float = 1.0
    """Width at the hem over the ordinary, 0.7..2.2."""
    colour: RGB = (196, 178, 148)
    accent: RGB = (120, 104, 82)
    pattern: PatternStyle = "plain"
    crumple: float = 1.0
    ground: RGB = (244, 244, 244)
    size: tuple[int, int] = (768, 1024)
    """(width, height), px."""
    fill: float = 0.88
    rotation_deg: float = 0.0
    mirrored: bool = False
    seed: int = 1


@dataclass(frozen=True, slots=True)
class SkirtStyle:
    """One skirt; ratios are 1 for the ordinary cut."""

    length: float = 1.0
    """Waist to hem over the ordinary (to the knee), 0.5 to 1.6."""
    hem: float = 1.0
    """Width at the hem over the hips', 0.75 (pencil) to 2.4 (a circle)."""
    pleats: int = 0
    """Pressed folds that hang from the waistband, 0 to 15."""
    colour: RGB = (120, 62, 70)
    accent: RGB = (236, 226, 208)
    pattern: PatternStyle = "plain"
    pattern_size: float = 1.0
    crumple: float = 1.0
    ground: RGB = (244, 244, 244)
    size: tuple[int, int] = (768, 1024)
    """(width, height), px."""
    fill: float = 0.82
    rotation_deg: float = 0.0
    mirrored: bool = False
    seed: int = 1


@dataclass(frozen=True, slots=True)
class _Leg:
    """The right leg's cloth."""

    panel: Line
    """Closed: waist, outer seam, hem, inner seam, fly."""
    outer: Line
    """From the waist's corner to the hem."""
    inner: Line
    """From the crotch to the hem."""


def draw_trousers(style: TrouserStyle, name: str = "trousers") -> Packshot:
    """Draws a style: about a second at 768 by 1024 on one core."""
    rng = np.random.default_rng(style.seed)
    cuts = (_leg(style, rng), _leg(style, rng))
    legs = tuple(cut.panel * [sign, 1.0] for cut, sign in zip(cuts, (-1.0, 1.0), strict=True))
    front, back = _waist_edges()
    inside = np.vstack([back, front[::-1] + points((0.0, 0.02))])
    stage = Stage.around(np.vstack([*legs, inside]), style.size, style.fill, style.rotation_deg, mirrored=style.mirrored)
    table = stage.table()
    inner = _inside(table, inside, back, style.colour)
    body = np.maximum(table.fill(legs[0]), table.fill(legs[1]))
    for side, leg in enumerate(legs):
        _lay_leg(table, leg, -1.0 if side == 0 else 1.0, style, body, rng)
    fly = smooth(points((0.0, WAISTBAND + FRONT_DIP), (0.012, 0.6), (0.0, CROTCH_Y)))
    seam(table, fly, 0.35)
    stitch(table, smooth(points((0.16, WAISTBAND + FRONT_DIP), (0.155, 0.62), (0.12, 0.80), (0.015, 0.93))), double=0.02, strength=0.22)
    band = np.vstack([front, offset(front, WAISTBAND)[::-1]])
    hips = np.vstack(_outline(legs, front))
    waist = table.lay(Panel(band, plain(style.colour), clip=hips, lift=0.2, ripple=0.002, bulge=0.06, bulge_radius=0.3, body=body, seed=71))
    seam(table, offset(front, WAISTBAND), 0.3)
    stitch(table, offset(front, 0.02), strength=0.18)
    stitch(table, offset(front, WAISTBAND - 0.02), strength=0.18)
    for x in (-0.40, 0.40):
        _loop(table, x, float(np.interp(x, front[:, 0], front[:, 1])), style)
    button(table, 0.045, FRONT_DIP + 0.5 * WAISTBAND, 0.036, (86, 78, 68))
    picture, mask, turned = shoot(stage, table, style.ground)
    inner_back = turned(inner * (1 - np.maximum(body, waist))) >= 0.5
    outer = [cut.outer * [sign, 1.0] for cut, sign in zip(cuts, (-1.0, 1.0), strict=True)]
    inseam = [cut.inner * [sign, 1.0] for cut, sign in zip(cuts, (-1.0, 1.0), strict=True)]
    landmarks = _landmarks(stage, front, outer, CROTCH_Y, inseam)
    return Packshot(name, picture, mask, inner_back & mask, Category.LOWER, landmarks)


def draw_skirt(style: SkirtStyle, name: str = "skirt") -> Packshot:
    """Draws a style: about a second at 768 by 1024 on one core."""
    rng = np.random.default_rng(style.seed)
    front, back = _waist_edges()
    hem_y = ORDINARY_SKIRT * style.length
    foot = HIP * style.hem
    # a flared skirt leaves the waist at the slope it keeps
    hip_y = min(HIP_Y, 0.4 * hem_y)
    hip = max(HIP * 0.97, WAIST + (foot - WAIST) * hip_y / hem_y)
    right = smooth(points((WAIST, 0.0), (WAIST + 0.45 * (hip - WAIST), 0.38 * hip_y), (hip, hip_y), (foot, hem_y)))
    sag = 0.06 + 0.10 * max(0.0, style.hem - 1.0)
    hem = bezier((-foot, hem_y), (-0.5 * foot, hem_y + 1.3 * sag), (0.5 * foot, hem_y + 1.3 * sag), (foot, hem_y), 60)
    panel = np.vstack([front, right[1:], hem[::-1][1:], mirrored(right)[1:]])
    inside = np.vstack([back, front[::-1] + points((0.0, 0.02))])
    stage = Stage.around(np.vstack([panel, inside]), style.size, style.fill, style.rotation_deg, mirrored=style.mirrored)
    table = stage.table()
    inner = _inside(table, inside, back, style.colour)
    height = FOLD_HEIGHT * style.crumple
    folds = hanging_folds(hem[[0, -1]], 0.6 * hip_y, 9, height, rng, depth=1.2 + style.hem)
    creases: list[tuple[Line, float, float]] = [(offset(hem, -HEM_HEIGHT), 0.012, 0.004)]
    places = np.linspace(-0.9, 0.9, style.pleats)
    creases += [(points((x * WAIST, WAISTBAND), (x * hip, hip_y), (x * foot, hem_y + 0.2)), 0.022, 0.020) for x in places]
    body = table.fill(panel)
    dye = patterned(style.pattern, style.colour, style.accent, style.pattern_size)
    cover = table.lay(
        Panel(panel, dye, folds=folds, creases=creases, bulge=0.14, bulge_radius=0.5, ripple=0.010 * style.crumple, seed=style.seed + 83)
    )
    band = np.vstack([front, offset(front, WAISTBAND)[::-1]])
    waist = table.lay(
        Panel(band, plain(style.colour), clip=panel, lift=0.2, ripple=0.002, bulge=0.06, bulge_radius=0.3, body=body, seed=71)
    )
    seam(table, offset(front, WAISTBAND), 0.3)
    stitch(table, offset(front, 0.02), strength=0.18)
    stitch(table, offset(hem, -HEM_HEIGHT), strength=0.18)
    picture, mask, turned = shoot(stage, table, style.ground)
    inner_back = turned(inner * (1 - np.maximum(cover, waist))) >= 0.5
    landmarks = _landmarks(stage, front, [right * FLIP, right], float(hem[:, 1].max()), None)
    return Packshot(name, picture, mask, inner_back & mask, Category.LOWER, landmarks)


def _waist_edges() -> tuple[Line, Line]:
    """The upper edges of the front and of the back, from the left to the right corner of the waist."""
    corner = np.array([WAIST, 0.0])
    front = bezier(corner * FLIP, (-WAIST * 0.5, FRONT_DIP * 1.3), (WAIST * 0.5, FRONT_DIP * 1.3), corner, 60)
    back = bezier(corner * FLIP, (-WAIST * 0.7, -BACK_RISE * 1.3), (WAIST * 0.7, -BACK_RISE * 1.3), corner, 60)
    return front, back


def _landmarks(stage: Stage, front: Line, outer: list[Line], foot_y: float, inseam: list[Line] | None) -> LowerLandmarks:
    """Landmarks in px of the picture, of lines in garment units from left to right; a mirrored picture swaps left and right."""
    order = [1, 0] if stage.mirrored else [0, 1]
    edge = front[::-1] if stage.mirrored else front
    centre = points((0.0, float(front[:, 1].max())), (0.0, foot_y))
    return LowerLandmarks(
        waist=stage.place(edge[[0, -1]]),
        waistline=stage.place(resample(edge, 65)),
        side=np.stack([stage.place(resample(outer[i], CURVE_POINTS)) for i in order]),
        centre=stage.place(resample(centre, CURVE_POINTS)),
        inseam=None if inseam is None else np.stack([stage.place(resample(inseam[i], CURVE_POINTS)) for i in order]),
        axis_x=float(stage.place(centre)[:, 0].mean()),
    )


def _outline(legs: tuple[Line, ...], front: Line) -> list[Line]:
    """A rough closed shape about the hips, for what must not reach over the sides."""
    right = legs[1][(legs[1][:, 1] < HIP_Y) & (legs[1][:, 0] > 0.3)]
    return [front, right[np.argsort(right[:, 1])], mirrored(right[np.argsort(right[:, 1])])]


def _leg(style: TrouserStyle, rng: np.random.Generator) -> _Leg:
    hem_y = ORDINARY_LENGTH * style.length * (1 + 0.003 * float(rng.standard_normal()))
    inseam = hem_y - CROTCH_Y
    knee_y = CROTCH_Y + 0.48 * inseam
    # shorts end at the thigh, where legs are wide and close to each other
    short = float(np.clip((0.85 - style.length) / 0.4, 0, 1))
    half = (0.235 * (1 - short) + THIGH_HALF * short) * style.leg
    foot = (0.52 + 0.10 * (style.leg - 1)) * (1 - short) + (half + THIGH_INNER) * short + 0.01 * float(rng.standard_normal())
    corners = np.array([[foot + half, hem_y], [foot - half, hem_y + 0.01]])
    knee = (0.5 * (HIP + foot + half) + 0.01, knee_y)
    outer = smooth(points((WAIST, 0.0), (WAIST + 0.10, 0.32), (HIP, HIP_Y), (HIP + 0.01, CROTCH_Y), knee, (foot + half, hem_y)))
    hem = bezier(corners[0], (foot + 0.3 * half, hem_y + 0.035), (foot - 0.3 * half, hem_y + 0.035), corners[1], 24)
    thigh = (0.055 * (1 - 0.6 * short), CROTCH_Y + min(0.22, 0.3 * inseam))
    inner = smooth(points((foot - half, hem_y + 0.01), (0.5 * (foot - half) + 0.075 * (1 - 0.8 * short), knee_y), thigh, (0.0, CROTCH_Y)))
    waist = bezier((0.0, FRONT_DIP), (WAIST * 0.4, FRONT_DIP), (WAIST * 0.8, FRONT_DIP * 0.5), (WAIST, 0.0), 24)
    return _Leg(np.vstack([waist, outer[1:], hem[1:], inner[1:]]), outer, inner[::-1])


def _lay_leg(table: Table, leg: Line, sign: float, style: TrouserStyle, body: Plane, rng: np.random.Generator) -> None:
    hem_y = float(leg[:, 1].max())
    knee_y = CROTCH_Y + 0.48 * (hem_y - CROTCH_Y)
    foot = float(leg[leg[:, 1] > hem_y - 0.06, 0].mean())
    height = 1.15 * FOLD_HEIGHT * style.crumple
    folds: list[Fold] = []
    for angle in np.array([0.10, 0.42, 0.75, 1.05]) + rng.normal(0, 0.06, 4):
        reach = float(rng.uniform(0.40, 0.72))
        end = (sign * (0.03 + reach * np.cos(angle)), CROTCH_Y - 0.03 + reach * np.sin(angle) * 0.8 - 0.12)
        ridge = 0.8 * height * rng.uniform(0.7, 1.2)
        folds.append(fold((sign * 0.03, CROTCH_Y - 0.02), end, rng.uniform(0.03, 0.045), ridge, rng, fade_in=0.5, fade_out=0.8))
    for place in (-0.34, -0.12, 0.02, 0.16, 0.40, 0.62, 0.82):
        y = knee_y + place * 0.5 * (hem_y - CROTCH_Y) + 0.05 * float(rng.standard_normal())
        if not CROTCH_Y + 0.1 < y < hem_y - 0.12:
            continue
        middle = sign * 0.44 + (foot - sign * 0.44) * (y - CROTCH_Y) / (hem_y - CROTCH_Y)
        side = float(rng.choice([-1, 1]))
        start, end = (middle + side * 0.33, y), (middle - side * rng.uniform(-0.05, 0.2), y + rng.uniform(-0.12, 0.16))
        ridge = 0.8 * height * rng.uniform(0.6, 1.2)
        folds.append(fold(start, end, rng.uniform(0.026, 0.042), ridge, rng, fade_in=0.6, fade_out=0.8, bend=0.1))
    for shift in (-0.11, 0.02, 0.13):
        top = (sign * 0.42 + shift, CROTCH_Y + rng.uniform(0.0, 0.5))
        end = (foot + 0.6 * shift, hem_y - rng.uniform(-0.05, 0.6))
        folds.append(fold(top, end, 0.06, 0.75 * height * rng.uniform(0.5, 1.2), rng, bend=0.015))
    # the pressed crease down the middle of the leg
    crease = smooth(points((sign * 0.40, 0.55), (sign * 0.44, CROTCH_Y + 0.3), (0.5 * (foot + sign * 0.45), knee_y), (foot, hem_y + 0.05)))
    hem = offset(points((foot - 0.6 * style.leg, hem_y - 0.012), (foot + 0.6 * style.leg, hem_y - 0.012)), -HEM_HEIGHT)
    cover = table.lay(
        Panel(
            leg,
            patterned(style.pattern, style.colour, style.accent),
            folds=folds,
            creases=((crease, 0.02, -0.007), (hem, 0.012, 0.004)),
            bulge=0.13,
            bulge_radius=0.30,
            body=body,
            ripple=0.010 * style.crumple,
            seed=style.seed + (61 if sign < 0 else 67),
        )
    )
    clipped = table.cover.copy()
    table.cover = np.minimum(table.cover, np.maximum(cover, 0))
    stitch(table, hem, strength=0.2)
    table.cover = clipped
    pocket = smooth(points((sign * 0.42, WAISTBAND + 0.04), (sign * 0.53, 0.44), (sign * 0.715, 0.74)))
    seam(table, pocket, 0.35)
    stitch(table, offset(pocket, 0.024 * sign), strength=0.2)


def _inside(table: Table, inside: Line, back: Line, colour: RGB) -> Plane:
    cover = table.lay(Panel(inside, plain(colour), brightness=0.58, ripple=0.003, seed=73))
    middle = len(back) // 2
    label(table, float(back[middle, 0]), float(back[middle, 1]) + 0.012, (236, 233, 226), (60, 60, 66))
    return cover


def _loop(table: Table, x: float, y: float, style: TrouserStyle) -> None:
    """A belt loop over the waistband."""
    box = points((x - 0.028, y - 0.015), (x + 0.028, y - 0.015), (x + 0.028, y + WAISTBAND + 0.03), (x - 0.028, y + WAISTBAND + 0.03))
    table.lay(Panel(box, plain(style.colour), lift=0.45, bulge=0.012, bulge_radius=0.03, seed=79))
    for edge in (-0.016, 0.016):
        stitch(table, points((x + edge, y), (x + edge, y + WAISTBAND + 0.02)), strength=0.15)
