"""The front neckline of a garment, and the inside of the back that shows above it.

Seen from the middle of the neck the neckline is one radius for each angle below the horizontal. First its shape is
sought, left and right read together (necklines are symmetric, prints and labels are not); then a dynamic programme
follows each side's own edge near it. Coming from inside, the edge of the front is where it gets *brighter*: the inside of
the back lies in the front's shade, while the lower edge of the back's own rib gets darker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.garment.maskops import blurred, components, contrast_lab, disk, distance_to, opened
from models.garment.neckshape import (
    ANGLES,
    LABEL_ANGLE,
    LABEL_WEIGHT,
    LEAF_DEPTH,
    LEAF_POWER,
    RADII,
    RADIUS_RANGE,
    Edges,
    Shape,
    angles,
    common_strength,
    find_shape,
    radii,
)
from models.types import BoolArray, FloatArray, Picture

STEPS: Final = 4
STEP_COST: Final = 0.12
"""Most radius steps between neighbouring angles, and what k of them cost, times k^1.5, in units of edge strength."""
DARKER_WEIGHT: Final = 0.35
"""What an edge that gets darker outwards counts against one that gets brighter."""
COLOUR_WEIGHT: Final = 0.8
EDGE_CAP: Final = 30.0
EDGE_STRONG: Final = 14.0
"""Edges saturate: a print's contrast must not outweigh a whole weak neckline."""
FLAT_DIP: Final = 0.04
FLAT_SHIFTS: Final = (0.0, -0.2, -0.15, -0.1, -0.05, 0.05, 0.1, 0.15, 0.2)
FLAT_ACROSS: Final = 0.39
"""Where the outline dips by less than the first (neck widths) between the neck points they may have been taken too far out,
on a flat shoulder line: the neck's middle is then tried so many neck widths to the side, and a shape with a smaller half
width than the last moves the neck points."""
STRAY_COST: Final = 4.0
"""Edge strength that straying from the common shape as far as allowed costs."""
LABEL_DEPTH: Final = 0.5
BARE_ANGLE: Final = 1.5
"""Necklines deeper than this many neck widths lie below any label: their edge is followed up to this angle."""
BLUR: Final = 0.012
SAMPLED: Final = RADIUS_RANGE[1] + max(FLAT_SHIFTS) + 8 * BLUR
"""Neck widths by which the picture is blurred, and so far from the neck's middle that it is looked at."""
NARROWEST: Final = 0.10
"""Necks narrower than this share of the torso have no neckline to find."""
ASSUMED_DIP: Final = 0.14
ASSUMED_DEPTH: Final = 0.22
"""Without any edge: if the outline dips by less than the first (neck widths) the front is assumed to lie so much lower."""
CORNER_DEPTH: Final = 0.08
"""Neck widths under a collar's corners within which its opening is no wider than they are apart."""
LEAF_OVERHANG: Final = 0.04
"""Torso widths, about two centimetres, that the leaves of a shirt's collar hang out over the neck's seam."""
SLIVER: Final = (0.015, 0.05, 0.09)
SLIVER_BLUR: Final = 0.006
SLIVER_REACH: Final = 0.03
SLIVER_STEP: Final = 10.0
SLIVER_SHARE: Final = 0.6
SLIVER_EVEN: Final = 1.3
"""Neck widths inside the edge from which cloth shows the back, up to which slivers of the back may lie outside the edge found, and
up to which both sides are looked at; blur and reach of that look; their least difference, units of the contrast Lab; the share
of the way from the front's colour to the back's from which a pixel is of the back; and the least difference over the front's spread."""
CLEAR_SCORE: Final = 6.0
"""Score of a neckline that is wholly clear."""


@dataclass(frozen=True, slots=True)
class Neckline:
    curve: FloatArray
    """(M, 2) xy from the left to the right neck point."""
    opening: FloatArray
    """(N, 2) xy the part of it above which the back shows: without the outer edges of a collar; empty when nothing of it shows."""
    neck: FloatArray
    """(2, 2) xy the side neck points."""
    clear: float
    """0..1: how surely it was seen; 0 when it is only assumed."""


def find_neckline(picture: Picture, mask: BoolArray, neck: FloatArray, collar: FloatArray | None, torso_width: float) -> Neckline:
    """The front neckline of the upright `picture` (h, w, 3).

    `neck` (2, 2) xy are the side neck points, `collar` (2, 2) the top corners of a collar that stands: then the
    neckline runs up to them and between them.
    """
    ends = neck if collar is None else collar
    width = float(ends[1, 0] - ends[0, 0])
    if width < NARROWEST * torso_width:
        return Neckline(_outline_between(mask, neck, ends), np.zeros((0, 2), np.float32), neck, 0.0)
    centre = np.asarray(ends.mean(0), np.float32)
    dip = max(0.0, (_top_at(mask, float(centre[0])) - float(centre[1])) / width)
    flat = collar is None and dip < FLAT_DIP
    x, y, reach = float(centre[0]), float(centre[1]), SAMPLED * width
    part = np.s_[max(0, int(y - reach)) : int(y + reach), max(0, int(x - reach)) : int(x + reach)]
    lab = contrast_lab(picture, max(1.0, BLUR * width), part)
    centre, sides, shape = _look(lab, mask, centre, width, dip, standing=collar is not None, flat=flat)
    if shape is None:
        if collar is not None or dip > ASSUMED_DIP:
            return Neckline(_outline_between(mask, neck, ends), np.zeros((0, 2), np.float32), neck, 0.0)
        shape = Shape(0.49, dip + ASSUMED_DEPTH, 2.0, 0.0)
    elif flat and shape.across < FLAT_ACROSS:
        xs = centre[0] + np.array([-1, 1], np.float32) * shape.across * width
        neck = np.stack([xs, [_top_at(mask, float(x)) for x in xs]], -1).astype(np.float32)
    if collar is not None and shape.power <= LEAF_POWER and shape.depth > LEAF_DEPTH:
        neck = neck + np.array([[LEAF_OVERHANG], [-LEAF_OVERHANG]], np.float32) * torso_width * np.array([1, 0], np.float32)
    left, right = (_placed(r * width, centre, sign) for r, sign in zip(_follow(sides, shape), (-1, 1), strict=True))
    opening = np.concatenate([left, right[-2::-1]]).astype(np.float32)
    if collar is not None:
        # the leaves bulge below their corners, not beside them
        beside = (opening[:, 1] < centre[1] + CORNER_DEPTH * width) & (np.abs(opening[:, 0] - centre[0]) > 0.5 * width)
        opening = np.concatenate([collar[:1], opening[~beside], collar[1:]]).astype(np.float32)
    curve = np.concatenate([neck[:1], opening, neck[1:]]).astype(np.float32)
    return Neckline(curve, opening, neck, float(np.clip(shape.score / CLEAR_SCORE, 0.0, 1.0)))


def inner_back_of(alpha: FloatArray, neckline: Neckline, picture: Picture) -> FloatArray:
    """(h, w) 0..1: the garment `alpha` of the upright `picture` (h, w, 3) above its front neckline."""
    if not len(neckline.opening):
        return np.zeros(alpha.shape, np.float32)
    opening = neckline.opening
    polygon = np.concatenate([opening, [[opening[-1, 0], -8.0], [opening[0, 0], -8.0]]])
    shape = np.zeros(alpha.shape, np.uint8)
    cv2.fillPoly(shape, [np.round(polygon * 16).astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=4)
    above = shape.astype(np.float32) / 255.0
    width = float(opening[-1, 0] - opening[0, 0])
    # round the opening only
    margin = round(0.3 * width)
    x0, y0 = (max(0, int(v) - margin) for v in opening.min(0))
    x1, y1 = (int(v) + margin for v in opening.max(0))
    part = np.s_[y0:y1, x0:x1]
    above[part] = np.maximum(above[part], _overlooked(picture[part], alpha[part] > 0.5, above[part] > 0.5, width))
    return (above * alpha).astype(np.float32)


def _overlooked(picture: Picture, mask: BoolArray, above: BoolArray, width: float) -> FloatArray:
    """(h, w) 0..1: slivers beside `above` that look like the inside of the back there, and unlike the front next to them."""
    inside, front = mask & above, mask & ~above
    if not inside.any() or not front.any():
        return np.zeros(mask.shape, np.float32)
    lab = contrast_lab(picture, 1.0)
    away, depth = distance_to(inside), distance_to(~above)
    near = inside & (depth > SLIVER[0] * width) & (depth < SLIVER[2] * width)
    beyond = front & (away > SLIVER[1] * width) & (away < SLIVER[2] * width)
    backs, fronts = _local_mean(lab, near, SLIVER_REACH * width), _local_mean(lab, beyond, SLIVER_REACH * width)
    way = backs - fronts
    length = np.linalg.norm(way, axis=-1)
    share = ((lab - fronts) * way).sum(-1) / np.maximum(length**2, 1.0)
    spread = np.sqrt(_local_mean(((lab - fronts) ** 2).sum(-1, keepdims=True), beyond, SLIVER_REACH * width)[..., 0])
    like = front & (away < SLIVER[1] * width) & (length > np.maximum(SLIVER_STEP, SLIVER_EVEN * spread)) & (share > SLIVER_SHARE)
    both = opened(like | inside | ~mask, disk(round(SLIVER[2] * width))) & mask
    _, labels, _ = components(both)
    joined = (both & np.isin(labels, np.unique(labels[inside & both]))) | inside
    smooth = np.clip((blurred((joined | ~mask).astype(np.float32), max(1.0, SLIVER_BLUR * width)) - 0.5) * 2 + 0.5, 0, 1)
    return np.where(front & (away < SLIVER[1] * width), smooth, 0.0).astype(np.float32)


def _local_mean(values: FloatArray, where: BoolArray, reach: float) -> FloatArray:
    """(h, w, c) mean of `values` over those pixels around that are in `where`."""
    weight = where.astype(np.float32)
    total = blurred(values * weight[..., None], reach).reshape(values.shape)
    return np.asarray(total / np.maximum(blurred(weight, reach), 1e-3)[..., None], np.float32)


def _look(
    lab: FloatArray, mask: BoolArray, centre: FloatArray, width: float, dip: float, *, standing: bool, flat: bool
) -> tuple[FloatArray, tuple[Edges, Edges], Shape | None]:
    """The neck's middle (2,), both sides as seen from there, and the shape found."""
    found = []
    for shift in FLAT_SHIFTS if flat else (0.0,):
        middle = centre + np.array([shift * width, 0.0], np.float32)
        sides = (_edges(lab, mask, middle, -1, width), _edges(lab, mask, middle, 1, width))
        shape = find_shape(sides, dip, standing=standing, flat=flat)
        worth = shape.score * (1 - abs(shift)) if shape is not None else 0.0
        found.append((worth, middle, sides, shape))
    _, middle, sides, shape = max(found, key=lambda f: f[0])
    return middle, sides, shape


def _placed(radius: FloatArray, centre: FloatArray, sign: int) -> FloatArray:
    """(ANGLES, 2) xy of the points at `radius` px round `centre`, to the left (sign -1) or right."""
    theta = angles()
    return np.asarray(centre + np.stack([sign * np.cos(theta) * radius, np.sin(theta) * radius], -1), np.float32)


def _edges(lab: FloatArray, mask: BoolArray, centre: FloatArray, sign: int, width: float) -> Edges:
    theta, radius = angles(), radii() * width
    x = (centre[0] + sign * np.cos(theta)[:, None] * radius).astype(np.float32)
    y = (centre[1] + np.sin(theta)[:, None] * radius).astype(np.float32)
    values = np.asarray(cv2.remap(lab, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
    inside = cv2.remap(mask.astype(np.uint8), x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    # mean of the next few samples outwards less that of the last few: about a fiftieth of the neck's width each
    reach = max(2, round(0.02 * RADII / (RADIUS_RANGE[1] - RADIUS_RANGE[0])))
    total = np.cumsum(np.pad(np.moveaxis(values, 2, 0), ((0, 0), (0, 0), (1, 0))), 2)
    beyond, change = np.zeros((3, ANGLES, RADII), np.float32), np.zeros((3, ANGLES, RADII), np.float32)
    beyond[..., reach:-reach] = (total[..., 2 * reach + 1 :] - total[..., reach + 1 : -reach]) / reach
    change[..., reach:-reach] = beyond[..., reach:-reach] - (total[..., reach : -reach - 1] - total[..., : -2 * reach - 1]) / reach
    ok = cv2.erode(np.asarray(inside, np.uint8), np.ones((1, 2 * reach + 3), np.uint8)) > 0
    light = np.where(change[0] > 0, change[0], -DARKER_WEIGHT * change[0])
    size = np.minimum(np.hypot(light, COLOUR_WEIGHT * np.hypot(change[1], change[2])), EDGE_CAP)
    strength = np.where(ok, size / (1 + size / EDGE_STRONG), 0.0)
    strength[theta > LABEL_ANGLE] *= LABEL_WEIGHT
    return Edges(np.moveaxis(change, 0, 2), np.moveaxis(beyond, 0, 2), strength.astype(np.float32))


def _follow(sides: tuple[Edges, Edges], shape: Shape) -> list[FloatArray]:
    """Two (ANGLES,) radii in neck widths, left and right: each side's own edge near `shape`, meeting on the axis."""
    theta, radius = angles(), radii()
    base = shape.radius(theta)
    if shape.score <= 0 or shape.room <= 0:
        return [base, base]
    common = common_strength(sides)
    stray = np.abs(radius[None] - base[:, None]) / shape.room
    # labels and plackets hang at the axis: there the shape counts, shifted to meet the sides
    steady = theta < (LABEL_ANGLE if shape.depth < LABEL_DEPTH else BARE_ANGLE)
    curves = []
    for edges in sides:
        worth = np.where(stray < 1, (edges.strength + common) / 2 - STRAY_COST * stray**2, -50.0).astype(np.float32)
        own = radius[_best_path(worth)] - base
        own = np.where(steady, own, own[steady][-1]).astype(np.float32)
        curves.append(base + np.asarray(cv2.GaussianBlur(own[None], (0, 0), 3.0), np.float32)[0])
    meet = (curves[0][-1] + curves[1][-1]) / 2
    fade = np.clip((theta - np.pi / 3) / (np.pi / 6), 0, 1)
    return [np.asarray(r + fade * (meet - r[-1]), np.float32) for r in curves]


def _best_path(worth: FloatArray) -> npt.NDArray[np.intp]:
    """(angles,) the path through `worth` (angles, radii) of the largest total, one radius an angle, without leaps."""
    n, m = worth.shape
    total = np.zeros((n, m), np.float32)
    origin = np.zeros((n, m), np.intp)
    total[0] = worth[0]
    index, jumps = np.arange(m), np.arange(-STEPS, STEPS + 1)
    costs = (STEP_COST * np.abs(jumps) ** 1.5)[:, None]
    padded = np.full(m + 2 * STEPS, -1e9, np.float32)
    before = np.lib.stride_tricks.sliding_window_view(padded, m)
    for t in range(1, n):
        padded[STEPS:-STEPS] = total[t - 1]
        options = before - costs
        choice = options.argmax(0)
        total[t] = options[choice, index] + worth[t]
        origin[t] = index + jumps[choice]
    path = np.zeros(n, np.intp)
    path[-1] = int(total[-1].argmax())
    for t in range(n - 1, 0, -1):
        path[t - 1] = origin[t, path[t]]
    return path


def _top_at(mask: BoolArray, x: float) -> float:
    """y of the topmost cloth around column `x`."""
    tops = [np.argmax(mask[:, c]) for c in range(max(0, int(x) - 4), min(mask.shape[1], int(x) + 5)) if mask[:, c].any()]
    return float(np.median(tops)) if tops else 0.0


def _outline_between(mask: BoolArray, neck: FloatArray, ends: FloatArray) -> FloatArray:
    """(M, 2) the garment's own upper outline between `ends`, and on to the neck points."""
    xs = np.linspace(ends[0, 0], ends[1, 0], 2 * ANGLES - 1)
    columns = np.clip(np.round(xs).astype(int), 0, mask.shape[1] - 1)
    tops = np.array([float(np.argmax(mask[:, c])) if mask[:, c].any() else float(ends[:, 1].mean()) for c in columns])
    return np.concatenate([neck[:1], np.stack([xs, tops], -1)[1:-1], neck[1:]]).astype(np.float32)
