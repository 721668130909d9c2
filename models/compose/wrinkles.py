"""The worn garment's folds and light, without its pattern."""

from __future__ import annotations

import cv2
import numpy as np

from models.masks import LEVELS, Box, blur, box_of, enlarge, grow, median_colour, opened, reduce, shrink
from models.types import FloatArray, Label, PersonParse, Picture

FINEST_PX = 3.5
WIDEST = 0.16
"""Folds are lightness between these scales: px, and units of the body."""
STRENGTH, LIMITS = 0.5, (-0.28, 0.22)
"""Share of the folds' contrast that is carried over, and bounds of the logarithm of their factor."""
CHROMA_LIKE, LIGHT_LIKE = 9.0, 0.55
"""Pixels off the garment's median by this much in a, b or in log lightness count for a third: print, not folds."""
PRINT_RIM = 0.008
"""So near (units) to what is print for sure its soft edge lies, which has all tones between print and cloth: no folds either."""
DARK = (45.0, 70.0)
"""Dark cloth hides its folds in noise: none is carried over at the first grey level, all at the sum of both."""
MOTTLED = (2.5, 4.5)
"""Deviation between neighbouring pixels of the worn cloth (grey levels): plain cloth is under the first; from the second
on it is patterned all over and none of its lightness is carried over."""
DENSE_PX = 6
"""Folds fade out where less cloth is trusted within about so many px."""
LEAST_PX = 2000
"""Garments that show fewer pixels than this tell nothing."""


def wrinkles(photo: Picture, parse: PersonParse, label: Label, unit_px: float) -> FloatArray:
    """(H, W) factor about 1: folds as a band-pass of log lightness, faded out where the garment of that `label` is patterned."""
    sure = shrink(parse.probabilities[label] > 0.6, 4)
    factor: FloatArray = np.ones(sure.shape, np.float32)
    box = box_of(sure, 4 * DENSE_PX)
    if box is None or cv2.countNonZero(sure) < LEAST_PX:
        return factor
    sure = np.ascontiguousarray(sure[box])
    cloth, inside = sure.view(np.bool_), sure.astype(np.float32)
    lab = np.asarray(cv2.cvtColor(np.ascontiguousarray(photo[box]), cv2.COLOR_RGB2LAB), np.uint8)
    centre = median_colour(lab, cloth)
    levels = np.arange(LEVELS, dtype=np.float32)[:, None]
    lightness = np.log(levels + 12)
    middle = float(np.log(centre[0] + 12))
    off = np.concatenate([(lightness - middle) / LIGHT_LIKE, (levels - centre[1:]) / CHROMA_LIKE], 1) ** 2
    light = np.asarray(cv2.LUT(np.ascontiguousarray(lab[..., 0]), lightness), np.float32)
    unlike = np.asarray(cv2.transform(cv2.LUT(lab, off[None]), np.ones((1, 3), np.float32)), np.float32)
    printed = opened((unlike > 1) & cloth, 1)
    trust = inside * cv2.exp(-unlike)
    trust[grow(printed, PRINT_RIM * unit_px) > 0] = 0
    known = blur(trust, FINEST_PX)
    base = blur(light * trust, FINEST_PX) / np.maximum(known, 1e-3)
    band = base - _wide_mean(light * trust, trust, box, factor.shape, WIDEST * unit_px)
    # mottled and knitted cloth has as much contrast from pixel to pixel as from fold to fold: that is its pattern
    close_by = blur(light * inside, 1.0) / np.maximum(blur(inside, 1.0), 1e-3)
    deviation = np.abs(close_by - base)[cloth]
    fine = float(np.median(deviation) * 1.48 * np.exp(middle))
    smooth = float(np.clip((MOTTLED[1] - fine) / (MOTTLED[1] - MOTTLED[0]), 0, 1))
    plain = float(trust.sum() / inside.sum())
    seen = float(np.clip((np.exp(middle) - DARK[0]) / DARK[1], 0.15, 1))
    dense = np.clip(blur(trust, DENSE_PX) * 1.5 - 0.3, 0, 1)
    factor[box] = cv2.exp(np.clip(band * np.float32(STRENGTH * plain * smooth * seen) * dense, *LIMITS))
    return factor


def _wide_mean(weighted: FloatArray, weight: FloatArray, box: Box, size: tuple[int, ...], sigma_px: float) -> FloatArray:
    """Of the `box` of a picture of `size` (H, W): mean of what was `weighted` by `weight`, over so much that a reduced size will do."""
    step = max(1, int(sigma_px / 6))
    full = (size[1], size[0])
    small = (max(1, full[0] // step), max(1, full[1] // step))
    plane = np.zeros(size, np.float32)
    sums = []
    for part in (weighted, weight):
        plane[box] = part
        sums.append(blur(reduce(plane, small), sigma_px / step))
    return enlarge(sums[0] / np.maximum(sums[1], 1e-3), full)[box]
