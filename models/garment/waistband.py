"""The front's upper edge of a waistband, and the inside of the back that shows above it.

A packshot's back waistband stands a little over the front one. Both meet at the waist's corners, so the front's edge is
a curve that hangs from corner to corner: stripes and seams of a waistband run beside its edge, not into its corners. It
is believed where it is seen nearly all the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from models.garment.maskops import blurred, contrast_lab
from models.types import BoolArray, FloatArray, Picture

COLUMNS: Final = 121
DEPTHS: Final = 180
ABOVE: Final = 0.12
BELOW: Final = 0.26
"""Waist widths over and under the line between the corners within which the edge is looked for."""
DIPS: Final = np.arange(-0.01, 0.2, 0.005)
POWERS: Final = (1.6, 2.0, 2.5, 3.2)
"""The edge hangs by a dip (waist widths) times 1 - |x| ** power, x from -1 at one corner to 1 at the other."""
BLUR: Final = 0.003
"""Waist widths by which the picture is blurred."""
REACH: Final = 0.012
"""Waist widths over which lightness is averaged on both sides of the edge."""
SHADE: Final = 2.5
"""Units of logarithmic lightness (55 ln(L + 14), as at necklines) by which the inside must be darker for a column to count."""
TINT: Final = 6.0
"""Or differ in colour by, Lab units."""
SEEN_SHARE: Final = 0.72
"""Share of the columns in which the edge must be seen, in each third of the curve too but for ..."""
THIRD_SHARE: Final = 0.55
LEAST_BACK: Final = 0.028
"""Waist widths of back that must show at its highest."""
EVEN: Final = 1.2
"""The step from the back's inside to the front's band is so many times what the inside itself varies by down a column."""
DARKER_WEIGHT: Final = 0.35
"""What a step to a darker front counts: dark cloth with a light lining."""
BAND: Final = 0.06
"""Waist widths of front under the edge that are compared with the back above it."""
FOLLOW: Final = 0.02
"""Waist widths by which the true edge may stray from the curve."""


@dataclass(frozen=True, slots=True)
class Waistband:
    curve: FloatArray
    """(M, 2) xy the front's upper edge from the left to the right corner."""
    shows_back: bool
    clear: float
    """0..1: how surely the front's edge was seen under the back; 1 where no back shows."""


def find_waistband(picture: Picture, mask: BoolArray, corners: FloatArray) -> Waistband:
    """The front's upper edge between the waist's `corners` (2, 2) of the upright `picture` (h, w, 3)."""
    width = float(corners[1, 0] - corners[0, 0])
    across = np.linspace(-1, 1, COLUMNS, dtype=np.float32)
    share = (across + 1) / 2
    x = corners[0, 0] + share * (corners[1, 0] - corners[0, 0])
    chord = corners[0, 1] + share * (corners[1, 1] - corners[0, 1])
    top = _tops(mask, x, chord, width)
    radius = max(0.8, BLUR * width)
    rows = np.s_[max(0, int(chord.min() - ABOVE * width - 8 * radius)) : int(chord.max() + BELOW * width + 8 * radius)]
    lab = contrast_lab(picture, radius, np.s_[rows, :])
    offsets = np.linspace(-ABOVE, BELOW, DEPTHS, dtype=np.float32) * width
    ys = chord[None] + offsets[:, None]
    strip = np.asarray(cv2.remap(lab, np.broadcast_to(x, ys.shape).astype(np.float32), ys.astype(np.float32), cv2.INTER_LINEAR), np.float32)
    # means over a reach just above and just below each sample
    step = float(offsets[1] - offsets[0])
    reach = max(2, round(max(REACH * width, 2.0) / step))
    total = np.cumsum(np.pad(strip, ((1, 0), (0, 0), (0, 0))), 0)
    upper, lower = np.zeros_like(strip), np.zeros_like(strip)
    upper[2 * reach : -2 * reach] = _window(total, reach, -2 * reach, -reach)
    lower[2 * reach : -2 * reach] = _window(total, reach, reach, 2 * reach)
    change = lower - upper
    inside = ys - 2 * reach * step > top[None] + 1
    lighter = np.where(inside, change[..., 0], 0.0)
    tint = np.where(inside, np.hypot(change[..., 1], change[..., 2]), 0.0)
    counts = (lighter > SHADE) | (tint > TINT)
    strength = np.where(counts, np.minimum(np.maximum(lighter, 0) + 0.5 * tint, 24.0), 0.0).astype(np.float32)
    best = _best_curve(strength, counts, across, offsets / width, (top - chord) / width)
    outline = np.stack([x, np.maximum(top, chord - ABOVE * width)], -1).astype(np.float32)
    outline[0], outline[-1] = corners
    if best is None:
        return Waistband(outline, shows_back=False, clear=1.0)
    dip, power, score = best
    base = dip * (1 - np.abs(across) ** power)
    own = _followed(strength, base, offsets / width)
    curve = np.stack([x, chord + own * width], -1).astype(np.float32)
    curve[0], curve[-1] = corners
    if not _is_back(strip, (top - chord) / width, own, offsets / width):
        return Waistband(outline, shows_back=False, clear=1.0)
    return Waistband(curve, shows_back=True, clear=score)


def _is_back(strip: FloatArray, top: FloatArray, edge: FloatArray, offsets: FloatArray) -> bool:
    """Whether the cloth between `top` and `edge` (n,) is even, in the front's shade, and unlike the band under the edge."""
    steps, within = [], []
    for k in np.flatnonzero(edge - top > 0.7 * LEAST_BACK):
        column = strip[:, k]
        # clear of both edges' own blur
        above = column[(offsets > top[k] + REACH / 2) & (offsets < edge[k] - REACH / 2)]
        below = column[(offsets > edge[k] + REACH / 2) & (offsets < edge[k] + BAND)]
        if len(above) > 1 and len(below) > 1:
            steps.append(below.mean(0) - above.mean(0))
            within.append(float(np.hypot(*np.r_[above[:, :1].std(0), np.hypot(*above[:, 1:].std(0))])))
    if len(steps) < 8:
        return False
    light, a, b = np.median(np.array(steps), 0)
    step = float(np.hypot(light if light > 0 else DARKER_WEIGHT * light, np.hypot(a, b)))
    return step > max(SHADE, EVEN * float(np.median(within)))


def _window(total: FloatArray, reach: int, first: int, last: int) -> FloatArray:
    """Means of the samples `first` to `last` beside each sample that has 2 `reach` of them on both sides; `total` are running sums."""
    n = len(total) - 1
    at = np.arange(2 * reach, n - 2 * reach)
    return np.asarray((total[at + last] - total[at + first]) / (last - first), np.float32)


def _tops(mask: BoolArray, x: FloatArray, chord: FloatArray, width: float) -> FloatArray:
    """(n,) y of the first cloth in each column near the waist."""
    columns = np.clip(np.round(x).astype(int), 0, mask.shape[1] - 1)
    first = max(0, int(chord.min() - ABOVE * width))
    block = mask[first : int(chord.max() + BELOW * width) + 2, columns]
    return np.where(block.any(0), first + block.argmax(0), chord).astype(np.float32)


def _best_curve(
    strength: FloatArray, counts: BoolArray, across: FloatArray, offsets: FloatArray, top: FloatArray
) -> tuple[float, float, float] | None:
    """Dip, power and 0..1 clearness of the curve best seen, or None when none is seen all the way."""
    columns = np.arange(len(across))
    inner = np.abs(across) < 0.94
    third = np.clip(((across[inner] + 1) * 1.5).astype(int), 0, 2)
    best, found = 0.0, None
    # within a hair of the curve
    hair = np.ones((5, 1), np.uint8)
    near = np.asarray(cv2.dilate(counts.astype(np.uint8), hair), np.uint8) > 0
    strongest = np.asarray(cv2.dilate(strength, hair), np.float32)
    for power in POWERS:
        for dip in DIPS:
            curve = dip * (1 - np.abs(across) ** power)
            if (curve - top)[len(top) // 2 - 6 : len(top) // 2 + 7].max() < LEAST_BACK:
                continue
            at = np.clip(np.round((curve - offsets[0]) / (offsets[1] - offsets[0])).astype(int), 0, len(offsets) - 1)
            seen = near[at, columns][inner]
            # near the corners too little back shows to be measured
            room = (curve - top)[inner] > 0.5 * LEAST_BACK
            if room.sum() < 0.5 * room.size:
                continue
            shares = [float(seen[(third == k) & room].mean()) if ((third == k) & room).any() else 0.0 for k in range(3)]
            share = float(seen[room].mean())
            if share < SEEN_SHARE or min(shares) < THIRD_SHARE:
                continue
            worth = float(strongest[at, columns][inner][room].mean()) * share
            if worth > best:
                best, found = worth, (float(dip), float(power), share)
    return found


def _followed(strength: FloatArray, base: FloatArray, offsets: FloatArray) -> FloatArray:
    """(n,) the edge's own way near the curve `base`, waist widths under the chord."""
    step = float(offsets[1] - offsets[0])
    away = np.abs(offsets[:, None] - base[None])
    worth = np.where(away < FOLLOW, strength * (1 - 0.5 * (away / FOLLOW) ** 2), 0.0)
    total = worth.sum(0)
    centre = (worth * offsets[:, None]).sum(0) / np.maximum(total, 1e-6)
    own = np.where(total > 0, centre - base, 0.0).astype(np.float32)
    smooth = blurred(own[None], 0.02 / step / 2 + 3.0)[0]
    return np.asarray(base + np.clip(smooth, -FOLLOW, FOLLOW), np.float32)


def inner_back_over(alpha: FloatArray, band: Waistband) -> FloatArray:
    """(h, w) 0..1: the garment `alpha` above the front's upper edge."""
    if not band.shows_back:
        return np.zeros(alpha.shape, np.float32)
    polygon = np.concatenate([band.curve, [[band.curve[-1, 0], -8.0], [band.curve[0, 0], -8.0]]])
    shape = np.zeros(alpha.shape, np.uint8)
    cv2.fillPoly(shape, [np.round(polygon * 16).astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=4)
    return (shape.astype(np.float32) / 255.0 * alpha).astype(np.float32)
