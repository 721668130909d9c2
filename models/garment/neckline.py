"""The front neckline of a garment, and the inside of the back that shows above it.

Seen from the neck's centre the neckline is a closed half circle of sorts: one radius for each angle below the
horizontal. A dynamic programme finds the coherent edge, left and right read together (necklines are symmetric,
prints and labels are not).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from models.types import BoolArray, FloatArray, Picture

ANGLES: Final = 61
RADII: Final = 112
RADIUS_RANGE: Final = (0.06, 1.15)
"""Radii tried, in neck widths."""
STEP_COST: Final = 0.15
"""What one radius step between neighbouring angles costs, in units of edge strength."""
AXIS_WEIGHT: Final = 0.5
LABEL_ANGLE: Final = 1.2
"""Radians from the horizontal beyond which labels and plackets hang: edges count `AXIS_WEIGHT` there."""
EDGE_STRONG: Final = 14.0
EDGE_WEAK: Final = 1.2
LEAST_COVER: Final = 0.72
"""Share of the angles along which a neckline shows an edge."""
NARROWEST: Final = 0.12
"""Necks narrower than this share of the torso have no neckline to find."""


@dataclass(frozen=True, slots=True)
class Neckline:
    curve: FloatArray
    """(M, 2) xy from the left to the right neck point."""
    clear: float
    """0..1: how surely it was seen; 0 when it is only assumed."""
    shows_back: bool
    """False when the garment's own outline is the neckline: nothing of the back shows."""


def find_neckline(picture: Picture, mask: BoolArray, neck: FloatArray, torso_width: float, standing: bool) -> Neckline:
    """The front neckline of the upright `picture` (h, w, 3) between the side neck points `neck` (2, 2) xy."""
    centre = neck.mean(0)
    width = float(neck[1, 0] - neck[0, 0])
    if width < NARROWEST * torso_width:
        return Neckline(_outline_between(mask, neck), 0.0, False)
    theta = np.linspace(0.0, np.pi / 2, ANGLES, dtype=np.float32)
    radius = np.linspace(RADIUS_RANGE[0] * width, RADIUS_RANGE[1] * width, RADII, dtype=np.float32)
    step = float(radius[1] - radius[0])
    lab = _contrast_lab(picture, width)
    dx, dy = np.cos(theta)[:, None] * radius, np.sin(theta)[:, None] * radius
    sides = [_sample(lab, mask, centre[0] + sign * dx, centre[1] + dy) for sign in (1, -1)]
    reach = max(2, round(0.022 * width / step))
    grads = [_radial_gradient(values, reach) for values, _ in sides]
    ok = cv2.erode((sides[0][1] & sides[1][1]).astype(np.uint8), np.ones((1, 2 * reach + 3), np.uint8)).astype(bool)
    both = (grads[0] + grads[1]) / 2
    unlike = np.linalg.norm(grads[0] - grads[1], axis=-1) / 2
    strength = np.clip(np.linalg.norm(both, axis=-1) - 0.5 * unlike, 0, 22) * ok
    strength = strength / (1 + strength / EDGE_STRONG)
    strength[theta > LABEL_ANGLE] *= AXIS_WEIGHT
    top = _top_at(mask, float(centre[0]))
    back = max(0.0, (top - float(centre[1])) / width)
    ea, eb = 0.40 * width, (back + (0.085 if standing else 0.155)) * width
    ellipse = ea * eb / np.sqrt((eb * np.cos(theta)) ** 2 + (ea * np.sin(theta)) ** 2)
    strength = np.where(radius[None] < np.minimum(ellipse, 0.47 * width)[:, None], -3.0, strength)
    start = np.abs(radius - 0.5 * width) < 0.09 * width
    total, origin = _programme(strength, start)
    candidates = _candidates(strength, both, total, origin, radius, width, back)
    if not candidates:
        if standing or back > 0.25:
            return Neckline(_outline_between(mask, neck), 0.0, False)
        depth = max(back + 0.22, 0.30) * width
        r = 0.5 * width * depth / np.sqrt((depth * np.cos(theta)) ** 2 + (0.5 * width * np.sin(theta)) ** 2)
        clear = 0.0
    else:
        best = max(c.score for c in candidates)
        coherent = max(c.coherence for c in candidates if c.score >= 0.45 * best)
        pick = next(c for c in candidates if c.score >= 0.45 * best and c.coherence >= 0.8 * coherent)
        r = cv2.GaussianBlur(radius[pick.path][None], (0, 0), 1.5)[0]
        clear = float(np.clip(pick.score / 6, 0.2, 1.0))
    half = np.stack([np.cos(theta) * r, np.sin(theta) * r], -1)
    right = centre + half
    left = centre + half * (-1, 1)
    curve = np.concatenate([left, right[-2::-1]])
    return Neckline(curve.astype(np.float32), clear, True)


def inner_back_of(mask: BoolArray, alpha: FloatArray, neckline: Neckline) -> FloatArray:
    """(h, w) 0..1: the garment above its front neckline."""
    if not neckline.shows_back:
        return np.zeros(mask.shape, np.float32)
    curve = neckline.curve
    polygon = np.concatenate([curve, [[curve[-1, 0], 0], [curve[0, 0], 0]]])
    shape = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(shape, [np.round(polygon * 16).astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=4)
    return (shape.astype(np.float32) / 255.0 * alpha).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Candidate:
    path: np.ndarray[tuple[int, ...], np.dtype[np.intp]]
    score: float
    coherence: float


def _contrast_lab(picture: Picture, width: float) -> FloatArray:
    """8-bit Lab with lightness on a logarithmic scale: an edge in a black garment counts as one in a white garment."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.float32)
    lab[..., 0] = 55 * np.log(lab[..., 0] + 14)
    lab[..., 1:] *= 1.5
    return np.asarray(cv2.GaussianBlur(lab, (0, 0), max(1.0, 0.016 * width)), np.float32)


def _sample(lab: FloatArray, mask: BoolArray, x: FloatArray, y: FloatArray) -> tuple[FloatArray, BoolArray]:
    x, y = x.astype(np.float32), y.astype(np.float32)
    values = cv2.remap(lab, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.remap(mask.astype(np.uint8), x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    return values, inside.astype(bool)


def _radial_gradient(values: FloatArray, reach: int) -> FloatArray:
    """Mean of the `reach` samples beyond less that of the `reach` samples before, along the radius."""
    total = np.cumsum(np.pad(values, ((0, 0), (1, 0), (0, 0))), 1)
    result = np.zeros_like(values)
    k = reach
    result[:, k:-k] = (total[:, 2 * k + 1 :] - total[:, k + 1 : -k]) / k - (total[:, k : -k - 1] - total[:, : -2 * k - 1]) / k
    return result


def _top_at(mask: BoolArray, x: float) -> float:
    """y of the topmost cloth around column `x`."""
    tops = [np.argmax(mask[:, c]) for c in range(max(0, int(x) - 4), min(mask.shape[1], int(x) + 5)) if mask[:, c].any()]
    return float(np.median(tops)) if tops else 0.0


def _programme(strength: FloatArray, start: BoolArray) -> tuple[FloatArray, np.ndarray[tuple[int, ...], np.dtype[np.intp]]]:
    """Best totals (angles, radii) of paths that begin in `start`, and where each came from."""
    n, m = strength.shape
    total = np.full((n, m), -1e9, np.float32)
    origin = np.zeros((n, m), np.intp)
    total[0] = np.where(start, strength[0], -1e9)
    index = np.arange(m)
    for t in range(1, n):
        before = total[t - 1]
        options = np.stack([np.r_[before[1:], -1e9] - STEP_COST, before, np.r_[-1e9, before[:-1]] - STEP_COST])
        choice = options.argmax(0)
        total[t] = options[choice, index] + strength[t]
        origin[t] = np.clip(index + 1 - choice, 0, m - 1)
    return total, origin


def _candidates(
    strength: FloatArray,
    gradient: FloatArray,
    total: FloatArray,
    origin: np.ndarray[tuple[int, ...], np.dtype[np.intp]],
    radius: FloatArray,
    width: float,
    back: float,
) -> list[_Candidate]:
    """Paths that end on the axis at a local best, the topmost first."""
    n, m = strength.shape
    final = total[-1] / n
    angles = np.arange(n)
    tt = np.linspace(-1, 1, n)
    found = []
    for end in range(2, m - 2):
        if radius[end] / width < back + 0.10 or final[end] < final[max(0, end - 3) : end + 4].max() - 1e-6:
            continue
        path = np.zeros(n, np.intp)
        path[-1] = end
        for t in range(n - 1, 0, -1):
            path[t - 1] = origin[t, path[t]]
        smooth = np.polynomial.Polynomial.fit(tt, path.astype(float), 3)(tt)
        path = np.clip(path, np.round(smooth) - 3, np.round(smooth) + 3).clip(0, m - 1).astype(np.intp)
        edges = gradient[angles, path]
        typical = np.median(edges, 0)
        size = float(np.linalg.norm(typical))
        coherence = size / (float(np.median(np.linalg.norm(edges - typical, axis=1))) + size + 1)
        cover = float((strength[angles, path] > EDGE_WEAK).mean())
        deep = float(np.interp(radius[end] / width, [0.7, 1.0], [1.0, 0.45]))
        score = float(strength[angles, path].mean()) * float(np.clip(2 * coherence - 0.35, 0.05, 1)) * deep
        if cover > LEAST_COVER and score > 1.0 and (coherence > 0.55 or radius[end] < 0.5 * width):
            found.append(_Candidate(path, score, coherence))
    if not found:
        return []
    best = max(c.score for c in found)
    return [c for c in found if c.score > 0.25 * best]


def _outline_between(mask: BoolArray, neck: FloatArray) -> FloatArray:
    """(M, 2) the garment's own upper outline between the neck points."""
    xs = np.linspace(neck[0, 0], neck[1, 0], 2 * ANGLES - 1)
    columns = np.clip(np.round(xs).astype(int), 0, mask.shape[1] - 1)
    tops = np.array([float(np.argmax(mask[:, c])) if mask[:, c].any() else float(neck[:, 1].mean()) for c in columns])
    curve = np.stack([xs, tops], -1).astype(np.float32)
    curve[0], curve[-1] = neck[0], neck[1]
    return curve
