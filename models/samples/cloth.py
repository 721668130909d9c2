"""Draws cloth: a panel is an outline with a dye, folds and roundness; light and weave make a picture of it.

Lengths come in garment units and are turned into pixels of the working picture by `Table.scale`. Heights are in
garment units too, so that slopes, and with them the shading, do not depend on the size of the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from models.samples.curves import Line

Plane = npt.NDArray[np.float32]
Dye = Callable[[Plane, Plane], Plane]
"""(u, v) in garment units across and along the cloth, both (H, W) -> linear RGB (H, W, 3), 0..1."""

SUBPIXEL_BITS = 4
LIGHT = np.array([-0.36, -0.42, 0.83], dtype=np.float32)
"""Towards the lamp: from above, a little from the left, mostly from the camera."""
DIFFUSE = 0.88
"""How much of the brightness follows the slope; the rest is light from all around."""
SHOULDER = 0.78
"""Linear brightness above which tones are compressed, as film does, so that white cloth keeps its folds."""
EDGE_ROLL = 0.035
"""Width over which cloth rolls away at an outline."""
DRIFT = 0.035
"""How far a pattern is carried sideways by a slope: garment units for a slope of 1."""


@dataclass(frozen=True, slots=True)
class Fold:
    """A soft ridge from `start` to `end`; steeper on one side by `skew`."""

    start: tuple[float, float]
    end: tuple[float, float]
    width: float
    height: float
    bend: float = 0.0
    """Sideways bow at the middle, part of the length."""
    skew: float = 0.0
    """-1..1: how much broader one flank is than the other."""
    fade_in: float = 0.5
    """Part of the length over which the ridge rises at its start; 0 starts at once."""
    fade_out: float = 0.5


@dataclass(frozen=True, slots=True)
class Panel:
    """One piece of cloth."""

    outline: Line
    dye: Dye
    angle: float = 0.0
    """Direction of `v` (the grain), radians from downwards towards the picture's right."""
    origin: tuple[float, float] = (0.0, 0.0)
    folds: Sequence[Fold] = ()
    creases: Sequence[tuple[Line, float, float]] = ()
    """Grooves: line, width, depth (negative: a ridge)."""
    bulge: float = 0.0
    """Height of the middle over the edge."""
    bulge_radius: float = 0.5
    body: Plane | None = None
    """(H, W) 0..1: the shape whose edge the bulge keeps away from, where it is more than the panel (sewn pieces bulge together)."""
    ripple: float = 0.0
    """Height of the unruly part of the cloth."""
    brightness: float = 1.0
    lift: float = 0.0
    """Strength of the shadow it throws on what lies below, 0..1."""
    clip: Line | None = None
    """Second outline: only what is inside both is drawn."""
    seed: int = 0
    sheen: float = 0.02
    """Brightness that even black cloth shows where it faces the lamp."""


@dataclass(slots=True)
class Table:
    """The working picture: linear RGB premultiplied by cover. Panels are laid on it from below upwards."""

    height: int
    width: int
    scale: float
    """Pixels of the working picture per garment unit."""
    shift: tuple[float, float]
    """Pixel of the garment's origin."""
    unit: float
    """Pixels of the working picture per pixel of a 768 by 1024 picture: for threads, which have no garment scale."""
    rgb: Plane = field(init=False)
    cover: Plane = field(init=False)

    def __post_init__(self) -> None:
        self.rgb = np.zeros((self.height, self.width, 3), np.float32)
        self.cover = np.zeros((self.height, self.width), np.float32)

    def pixels(self, line: Line) -> Line:
        """Garment units to pixel positions, (N, 2)."""
        placed: Line = np.asarray(line, dtype=np.float64) * self.scale + np.asarray(self.shift)
        return placed

    def fill(self, line: Line) -> Plane:
        """(H, W) 0..1: the inside of a closed line, antialiased."""
        canvas = np.zeros((self.height, self.width), np.uint8)
        fixed = np.round(self.pixels(line) * (1 << SUBPIXEL_BITS)).astype(np.int32)
        cv2.fillPoly(canvas, [fixed], 255, cv2.LINE_AA, SUBPIXEL_BITS)
        return canvas.astype(np.float32) / np.float32(255)

    def stroke(self, line: Line, width_px: float) -> Plane:
        """(H, W) 0..1: a line `width_px` pixels of the working picture wide."""
        canvas = np.zeros((self.height, self.width), np.uint8)
        fixed = np.round(self.pixels(line) * (1 << SUBPIXEL_BITS)).astype(np.int32)
        cv2.polylines(canvas, [fixed], False, 255, max(1, round(width_px)), cv2.LINE_AA, SUBPIXEL_BITS)
        return canvas.astype(np.float32) / np.float32(255)

    def lay(self, panel: Panel) -> Plane:
        """Draws a panel; returns its cover."""
        inside = self.fill(panel.outline)
        if panel.clip is not None:
            inside = inside * self.fill(panel.clip)
        rows, columns = _window(inside, margin=round(0.08 * self.scale))
        cover = inside[rows, columns]
        relief = self._relief(panel, cover, rows, columns)
        slope_x = cv2.Scharr(relief, cv2.CV_32F, 1, 0) * np.float32(self.scale / 32)
        slope_y = cv2.Scharr(relief, cv2.CV_32F, 0, 1) * np.float32(self.scale / 32)
        u, v = self._grain(panel, rows, columns)
        calm = blur(relief, 0.02 * self.scale)
        drift_x = np.clip(cv2.Scharr(calm, cv2.CV_32F, 1, 0) * np.float32(self.scale / 32), -0.3, 0.3)
        drift_y = np.clip(cv2.Scharr(calm, cv2.CV_32F, 0, 1) * np.float32(self.scale / 32), -0.3, 0.3)
        colour = panel.dye(u + DRIFT * drift_x, v + DRIFT * drift_y)
        light = self._light(relief, slope_x, slope_y) * np.float32(panel.brightness)
        light = light * self._weave(cover.shape, panel.seed)
        shaded = colour * light[..., None] + np.float32(panel.sheen) * np.clip(light - 0.72, 0, None)[..., None]
        if panel.lift:
            soft = blur(cover, 0.030 * self.scale)
            shade = 1 - np.float32(panel.lift) * np.clip(soft * 1.3, 0, 1)
            self.rgb[rows, columns] *= shade[..., None]
        shaded = np.where(shaded > SHOULDER, SHOULDER + (1 - SHOULDER) * np.tanh((shaded - SHOULDER) / (1 - SHOULDER)), shaded)
        keep = (1 - cover)[..., None]
        self.rgb[rows, columns] = self.rgb[rows, columns] * keep + np.maximum(shaded, 0) * cover[..., None]
        self.cover[rows, columns] = np.maximum(self.cover[rows, columns], cover)
        return inside

    def tint(self, where: Plane, colour: tuple[float, float, float], strength: float = 1.0) -> None:
        """Paints a linear colour on the cloth that is there; never outside it."""
        rows, columns = _window(where, margin=1)
        weight = (where[rows, columns] * np.float32(strength))[..., None]
        below = self.rgb[rows, columns]
        self.rgb[rows, columns] = below * (1 - weight) + np.asarray(colour, np.float32) * weight * self.cover[rows, columns, None]

    def shade(self, where: Plane, factor: float) -> None:
        """Multiplies the cloth's light by `factor` where `where` is 1."""
        rows, columns = _window(where, margin=1)
        self.rgb[rows, columns] *= (1 + (factor - 1) * where[rows, columns])[..., None]

    def _grain(self, panel: Panel, rows: slice, columns: slice) -> tuple[Plane, Plane]:
        y, x = np.mgrid[rows, columns].astype(np.float32)
        x = (x - self.shift[0]) / self.scale - panel.origin[0]
        y = (y - self.shift[1]) / self.scale - panel.origin[1]
        c, s = np.float32(np.cos(panel.angle)), np.float32(np.sin(panel.angle))
        return x * c - y * s, x * s + y * c

    def _relief(self, panel: Panel, cover: Plane, rows: slice, columns: slice) -> Plane:
        """Height of the cloth, garment units."""
        solid = (cover > 0.5).astype(np.uint8)
        inward = cv2.distanceTransform(solid, cv2.DIST_L2, 5) / np.float32(self.scale)
        relief = np.zeros(cover.shape, np.float32)
        if panel.bulge:
            far = inward
            if panel.body is not None:
                far = cv2.distanceTransform((panel.body[rows, columns] > 0.5).astype(np.uint8), cv2.DIST_L2, 5) / np.float32(self.scale)
            depth = np.clip(far / panel.bulge_radius, 0, 1)
            relief += blur(panel.bulge * np.sqrt(1 - (1 - depth) ** 2), 0.045 * self.scale)
        roll = np.clip(inward / EDGE_ROLL, 0, 1)
        relief += np.float32(0.006) * blur(np.sqrt(1 - (1 - roll) ** 2), 0.006 * self.scale)
        u, v = self._grain(panel, rows, columns)
        if panel.ripple:
            relief += np.float32(panel.ripple) * _ripple(u, v, panel.seed)
        y, x = np.mgrid[rows, columns].astype(np.float32)
        x = (x - self.shift[0]) / self.scale
        y = (y - self.shift[1]) / self.scale
        for fold in panel.folds:
            _add_fold(relief, x, y, fold)
        for line, width, depth in panel.creases:
            groove = blur(self.stroke(line, 0.7 * width * self.scale)[rows, columns], 0.5 * width * self.scale)
            relief -= np.float32(depth) * groove
        return relief

    def _light(self, relief: Plane, slope_x: Plane, slope_y: Plane) -> Plane:
        """Brightness relative to flat cloth that faces the camera; valleys see less of the surroundings."""
        length = np.sqrt(slope_x**2 + slope_y**2 + 1)
        facing = (-slope_x * LIGHT[0] - slope_y * LIGHT[1] + LIGHT[2]) / (length * LIGHT[2])
        valley = np.clip(blur(relief, 0.05 * self.scale) - relief, 0, None)
        turned = 0.35 + 0.65 / length
        light: Plane = ((1 - DIFFUSE) * turned + DIFFUSE * np.clip(facing, 0.05, None)) * (1 - np.clip(9 * valley, 0, 0.35))
        return np.clip(light, 0.2, 1.35)

    def _weave(self, shape: tuple[int, ...], seed: int) -> Plane:
        """Fine grain of jersey: thread noise with a slight upright run."""
        rng = np.random.default_rng(seed + 7919)
        noise = rng.standard_normal(shape[:2], dtype=np.float32)
        grain = cv2.GaussianBlur(noise, (0, 0), 0.55 * self.unit) * np.float32(0.55 * self.unit)
        run = cv2.GaussianBlur(noise, (0, 0), sigmaX=0.5 * self.unit, sigmaY=2.4 * self.unit) * np.float32(1.1 * self.unit)
        return 1 + np.float32(0.016) * grain + np.float32(0.014) * run


def _window(where: Plane, margin: int) -> tuple[slice, slice]:
    """Rows and columns that hold everything above zero, grown by `margin`."""
    ys, xs = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    if not len(ys):
        return slice(0, 1), slice(0, 1)
    return (
        slice(max(int(ys[0]) - margin, 0), min(int(ys[-1]) + margin + 1, where.shape[0])),
        slice(max(int(xs[0]) - margin, 0), min(int(xs[-1]) + margin + 1, where.shape[1])),
    )


def blur(plane: Plane, sigma_px: float) -> Plane:
    """Gaussian blur; a broad one at reduced size, where nothing is lost by it."""
    if sigma_px < 0.3:
        return plane
    if sigma_px < 6:
        return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma_px), np.float32)
    step = int(sigma_px / 3)
    small = cv2.resize(plane, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px / step)
    grown = cv2.resize(small, plane.shape[::-1], interpolation=cv2.INTER_CUBIC)
    # slopes are taken of this: without a last smoothing the small picture's grid would show in the light
    return np.asarray(cv2.GaussianBlur(grown, (0, 0), 0.8 * step), np.float32)


def _add_fold(relief: Plane, x: Plane, y: Plane, fold: Fold) -> None:
    """Adds one ridge in place; looks only at the pixels it can reach."""
    (x0, y0), (x1, y1) = fold.start, fold.end
    length = float(np.hypot(x1 - x0, y1 - y0))
    reach = 3.5 * fold.width * (1 + abs(fold.skew)) + abs(fold.bend) * length
    left = int(np.searchsorted(x[0], min(x0, x1) - reach))
    right = int(np.searchsorted(x[0], max(x0, x1) + reach))
    top = int(np.searchsorted(y[:, 0], min(y0, y1) - reach))
    bottom = int(np.searchsorted(y[:, 0], max(y0, y1) + reach))
    if left >= right or top >= bottom:
        return
    dx, dy = (x1 - x0) / length, (y1 - y0) / length
    px, py = x[top:bottom, left:right] - x0, y[top:bottom, left:right] - y0
    along = (px * dx + py * dy) / length
    across = (py * dx - px * dy) / length - 4 * fold.bend * along * (1 - along)
    width = fold.width / length * np.where(across > 0, 1 + fold.skew, 1 - fold.skew)
    # wider where it fades, as a real fold runs out
    width = width * (1 + 0.5 * np.abs(2 * along - 1) ** 2)
    rise = _step(along / max(fold.fade_in, 1e-3)) * _step((1 - along) / max(fold.fade_out, 1e-3))
    relief[top:bottom, left:right] += np.float32(fold.height) * rise * np.exp(-0.5 * (across / width) ** 2)


def _step(t: npt.NDArray[np.floating]) -> Plane:
    t = np.clip(t, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _ripple(u: Plane, v: Plane, seed: int) -> Plane:
    """Smooth noise of about -1..1, longer along the grain than across, bent by a second noise."""
    rng = np.random.default_rng(seed)
    bend = _noise(rng, u, v, 0.9, 1.1)
    broad = _noise(rng, u + 0.10 * bend, v, 0.42, 1.3)
    fine = _noise(rng, u + 0.08 * bend, v + 0.08 * bend, 0.16, 0.42)
    return 0.8 * broad + 0.28 * fine


def _noise(rng: np.random.Generator, u: Plane, v: Plane, cell_u: float, cell_v: float) -> Plane:
    """Cubic interpolation of a grid of random heights; cells of `cell_u` by `cell_v` garment units."""
    grid = rng.standard_normal((48, 64)).astype(np.float32)
    at_u = (u / np.float32(cell_u) + 32).astype(np.float32)
    at_v = (v / np.float32(cell_v) + 16).astype(np.float32)
    return np.asarray(cv2.remap(grid, at_u, at_v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101), np.float32)
