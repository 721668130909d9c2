"""What no body has leaves the parse: islands, hair away from the head, skin in the middle of a garment, pinholes.

Connected components are found on the host; a component that cannot be is given to the label around it, and keeps its margin.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch import Tensor

from models.person.parsing.anatomy import Anatomy
from models.types import BoolArray, FloatArray, Label, LabelMap

SMALLEST_SHARE = {Label.HAIR: 0.02, Label.SKIN: 0.0, Label.UPPER: 0.02, Label.LOWER: 0.02, Label.OTHER: 0.0, Label.BACKGROUND: 0.0}
"""An island under this share of its label's largest part goes."""
SMALLEST_PX = {Label.HAIR: 20, Label.SKIN: 14, Label.UPPER: 20, Label.LOWER: 20, Label.OTHER: 30, Label.BACKGROUND: 10}
"""... and so does one under this many working pixels."""
TEMPLES = 0.3
"""`head_down` above which hair grows."""
ON_SKULL_PX = 8
"""Hair needs so many pixels of its component on the skull."""
BESIDE_NECK, BRAID_REACH = 0.5, 1.6
"""A braid or a tail that shows behind the neck, apart from the skull, has at least this mean of `flank` no farther than this from
the middle (`head_across`); farther out it is a stripe on a shoulder."""
HIP = 0.25
"""The legs' zone begins here along the thigh: above it is the trunk."""
BARE_SHARE = 0.15
"""Share of a skin component in or at the face, the neck or a limb; less is a skin-coloured print."""
THIN = 0.04
"""A held thing or a shoe is thicker than twice this, in body widths, and touches a hand or a foot: else it is trim."""
PINHOLE = 0.5
"""A hole that the mask covers more than this was made by colour alone, and is filled."""
SPECK_SHARE = 2e-4
"""Specks under this share of the photo, left by the way to full size, go."""


def _parts(mask: BoolArray) -> Iterator[tuple[BoolArray, tuple[slice, slice], int]]:
    """Components of a mask: (mask within its box grown by 2 px, the box, area)."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    height, width = mask.shape
    for i in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[i])
        box = np.s_[max(0, y - 2) : min(height, y + h + 2), max(0, x - 2) : min(width, x + w + 2)]
        yield parts[box] == i, box, area


def _ring(part: BoolArray) -> BoolArray:
    """The pixels around a component."""
    around: BoolArray = (cv2.dilate(part.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~part
    return around


def _surrounding(part: BoolArray, labels: LabelMap, own: int) -> int:
    """The commonest label around a component, other than its own."""
    counts = np.bincount(labels[_ring(part)], minlength=len(Label))
    counts[own] = 0
    return int(counts.argmax()) if counts.sum() else own


def _give(probabilities: FloatArray, labels: LabelMap, part: BoolArray, box: tuple[slice, slice], new: int) -> None:
    """Swaps a component's own label with another, in place."""
    old = int(labels[box][part][0])
    if old == new:
        return
    window = probabilities[:, box[0], box[1]]
    window[old][part], window[new][part] = window[new][part], window[old][part].copy()
    labels[box][part] = new


def clean(probabilities: Tensor, anatomy: Anatomy, foreground: Tensor) -> Tensor:
    """(6, h, w) -> (6, h, w) whose argmax is a possible person; `foreground` (h, w) is the person mask."""
    q: FloatArray = probabilities.cpu().numpy().copy()
    labels = q.argmax(0).astype(np.uint8)
    _drop_loose_hair(q, labels, anatomy)
    _drop_skin_prints(q, labels, anatomy)
    _fill_pinholes(q, labels, foreground)
    _drop_trim(q, labels, anatomy)
    _drop_islands(q, labels)
    return torch.from_numpy(q).to(probabilities)


def _drop_loose_hair(q: FloatArray, labels: LabelMap, anatomy: Anatomy) -> None:
    """Hair that touches neither the skull nor the neck's side becomes what it would be without hair."""
    skull = ((anatomy.skull > 0.5) & (anatomy.face < 0.5) & (anatomy.head_down < TEMPLES)).cpu().numpy()
    beside = (anatomy.flank * (anatomy.head_across.abs() < BRAID_REACH)).cpu().numpy()
    for part, box, _ in list(_parts(labels == Label.HAIR)):
        if (skull[box] & part).sum() >= ON_SKULL_PX or beside[box][part].mean() > BESIDE_NECK:
            continue
        window = q[:, box[0], box[1]]
        rest = window[:, part].copy()
        rest[Label.HAIR] = 0
        window[:, part] = rest / np.maximum(rest.sum(0), 1e-9)
        labels[box][part] = rest.argmax(0)


def _drop_skin_prints(q: FloatArray, labels: LabelMap, anatomy: Anatomy) -> None:
    """Skin in the middle of one garment, where no bare part of the body is, becomes that garment."""
    limbs = torch.minimum(anatomy.arms[0].radius, anatomy.arms[1].radius) < 1
    for leg in anatomy.legs:
        limbs = limbs | ((leg.radius < 1) & (leg.course > HIP))
    bare = (limbs | (anatomy.face > 0.5) | (anatomy.neck > 0.5)).cpu().numpy()
    for part, box, area in list(_parts(labels == Label.SKIN)):
        around = labels[box][_ring(part)]
        upper, lower = (around == Label.UPPER).sum(), (around == Label.LOWER).sum()
        # a midriff lies between two garments
        if (bare[box] & part).sum() < BARE_SHARE * area and max(upper, lower) > 0.9 * len(around) and min(upper, lower) == 0:
            _give(q, labels, part, box, int(Label.UPPER if upper else Label.LOWER))


def _fill_pinholes(q: FloatArray, labels: LabelMap, foreground: Tensor) -> None:
    person = foreground.cpu().numpy()
    for part, box, _ in list(_parts(labels == Label.BACKGROUND)):
        if person[box][part].mean() > PINHOLE:
            _give(q, labels, part, box, _surrounding(part, labels[box], Label.BACKGROUND))


def _drop_trim(q: FloatArray, labels: LabelMap, anatomy: Anatomy) -> None:
    """Other things that are thin or touch neither hand nor foot are trim of the cloth around them."""
    thick = np.ones((2 * max(1, round(THIN * anatomy.width_px)) + 1,) * 2, np.uint8)
    ends = torch.stack([limb.end for limb in (*anatomy.arms, *anatomy.legs)]).amax(0).cpu().numpy() > 0.5
    ends = cv2.dilate(cv2.dilate(ends.astype(np.uint8), thick), thick) > 0
    for part, box, _ in list(_parts(labels == Label.OTHER)):
        if not (part & ends[box]).any() or not cv2.erode(part.astype(np.uint8), thick, borderValue=0).any():
            _give(q, labels, part, box, _surrounding(part, labels[box], Label.OTHER))


def _drop_islands(q: FloatArray, labels: LabelMap) -> None:
    for label in (Label.OTHER, Label.SKIN, Label.UPPER, Label.LOWER, Label.HAIR, Label.BACKGROUND):
        parts = list(_parts(labels == label))
        largest = max((area for _, _, area in parts), default=0)
        for part, box, area in parts:
            if area < max(SMALLEST_PX[label], SMALLEST_SHARE[label] * largest) and area < largest:
                _give(q, labels, part, box, _surrounding(part, labels[box], label))


def without_specks(labels: LabelMap, box: tuple[slice, slice]) -> LabelMap:
    """The full-size label map without specks; all of the person lies in `box`."""
    limit = SPECK_SHARE * labels.size
    cleaned = labels.copy()
    window = cleaned[box]
    for label in Label:
        for part, at, area in _parts(window == label):
            if area < limit:
                window[at][part] = _surrounding(part, window[at], label)
    return cleaned
