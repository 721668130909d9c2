"""The outline of a cut-out garment: leaks stopped, edges smooth and antialiased."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from models.garment.maskops import blurred, box, closed, components, dilated, disk, distance_to, fill_holes, reachable_by
from models.types import BoolArray, FloatArray

PASSAGE: Final = 9
CREEP: Final = 16
"""px: the ground reaches through gaps so wide, and so far into narrower ones."""
BESIDE: Final = (4.0, 6.0)
"""px beside a gap at which the cloth that frames it is looked at ..."""
STANDS_OFF: Final = 2.5
FRAMED: Final = 0.8
"""... and stands off the ground by so many thresholds over this share of the way round. White cloth that passes through the
ground's colour does so gradually."""
BITE: Final = 21
BITE_AREA: Final = 40
"""Inlets up to so many px wide, and from so many px of area, are bites ..."""
BITE_ARMPIT: Final = 1.5
"""One that stands, opens downwards and is no higher than so many times that width is the tip of an armpit."""
BITE_BESIDE: Final = (2.0, 12.0)
BITE_FAINT: Final = 6.0
"""... where the cloth so many px beside them differs from the ground by no more than so many Lab units, in the median."""
SMOOTH_CLEAR: Final = 1.0
SMOOTH_FAINT: Final = 6.0
"""Blur radius px of the outline where it is clear, and where garment and ground hardly differ."""
SIDES: Final = 3.0
"""Blur radius px over which the two sides of the outline are compared."""
FAINT: Final = (0.7, 1.6)
"""How much further from the ground the inner side is, Lab units, where an outline is wholly faint and wholly clear."""
FAR: Final = 10.0
"""Distances from the ground beyond this count the same."""
FRINGE: Final = 32
"""px round the garment within which its outline and what is blurred to find it lie."""
EDGE_PX: Final = 1.6
"""Width of the antialiased edge."""


def fill_pockets(mask: BoolArray, stands_off: BoolArray | None = None) -> BoolArray:
    """`mask` with everything that cannot be reached from the border through passages at least `PASSAGE` px wide.

    `stands_off` (h, w) tells cloth that is clearly not ground: only between such cloth narrow gaps stay open.
    Light cloth that differs too little from the ground is cut off from it by its seams but for narrow leaks along them.
    """
    free = ~mask
    outside = reachable_by(free, disk(PASSAGE)) & free
    # into corners, but not along a leak
    for _ in range(CREEP // 2):
        outside = dilated(outside, box(5, 5)) & free
    holes = fill_holes(mask)
    result: BoolArray = holes | ~outside
    # the narrow end of a gap beside the torso is no pocket
    count, labels, stats = components(result & ~holes)
    for i in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[i])
        if h > w and area < (PASSAGE + 2) * h:
            part = np.s_[y : y + h, x : x + w]
            piece = labels[part] == i
            if stands_off is None or framed(stands_off, labels == i, (x, y, w, h)):
                result[part][piece] = False
    return result


def without_bites(mask: BoolArray, distance: FloatArray) -> BoolArray:
    """`mask` (h, w) with its narrow inlets filled where the cloth beside them hardly differs from the ground, by `distance`.

    Seams of white cloth look like shadow that reaches in from the ground, and some of it has the ground's very colour.
    """
    count, labels, stats = components(closed(mask, disk(BITE)) & ~mask)
    result = mask.copy()
    for i in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[i])
        if area < BITE_AREA:
            continue
        margin = int(BITE_BESIDE[1]) + 2
        part = np.s_[max(0, y - margin) : y + h + margin, max(0, x - margin) : x + w + margin]
        piece = labels[part] == i
        away = distance_to(piece)
        mouth = np.flatnonzero(((away < 2) & ~piece & ~mask[part]).any(1))
        if w < h < BITE_ARMPIT * BITE and mouth.size and mouth.mean() > np.flatnonzero(piece.any(1)).mean():
            continue
        beside = (away > BITE_BESIDE[0]) & (away < BITE_BESIDE[1]) & mask[part]
        if beside.any() and float(np.median(distance[part][beside])) < BITE_FAINT:
            result[part] |= piece
    return result


def framed(stands_off: BoolArray, piece: BoolArray, around: tuple[int, int, int, int], share: float = FRAMED) -> bool:
    """Whether the island `piece` (h, w), in the box `around` (x, y, width, height), is framed by cloth that is clearly not ground."""
    x, y, w, h = around
    margin = int(BESIDE[1]) + 2
    part = np.s_[max(0, y - margin) : y + h + margin, max(0, x - margin) : x + w + margin]
    away = distance_to(piece[part])
    frame = (away >= BESIDE[0]) & (away < BESIDE[1])
    return bool(stands_off[part][frame].mean() > share)


def antialias(mask: BoolArray, distance: FloatArray, noise: float) -> FloatArray:
    """(h, w) 0..1: a smooth outline at sub-pixel position, smoother where `distance` from the ground changes little across it."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    part = np.s_[max(0, y - FRINGE) : y + height + FRINGE, max(0, x - FRINGE) : x + width + FRINGE]
    result = np.zeros(mask.shape, np.float32)
    if width:
        result[part] = _antialiased(mask[part].astype(np.float32), distance[part], noise)
    return result


def _antialiased(hard: FloatArray, distance: FloatArray, noise: float) -> FloatArray:
    share = blurred(hard, SIDES)
    near = np.minimum(distance, FAR)
    inside = blurred(near * hard, SIDES)
    outside = blurred(near, SIDES) - inside
    contrast = (inside / np.maximum(share, 1e-2) - outside / np.maximum(1 - share, 1e-2)) / max(1.0, 0.7 * noise)
    clear = blurred(np.clip((contrast - FAINT[0]) / (FAINT[1] - FAINT[0]), 0, 1), SIDES)
    fine, coarse = (_sharpened(blurred(hard, radius), radius) for radius in (SMOOTH_CLEAR, SMOOTH_FAINT))
    result: FloatArray = clear * fine + (1 - clear) * coarse
    return result


def _sharpened(edge: FloatArray, radius: float) -> FloatArray:
    """A mask blurred by `radius` whose edge is `EDGE_PX` wide again: the blurred one's slope is 1 / (radius sqrt(2 pi))."""
    return np.asarray(np.clip((edge - 0.5) * (radius * np.sqrt(2 * np.pi) / EDGE_PX) + 0.5, 0, 1), np.float32)
