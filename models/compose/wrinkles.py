"""The worn garment's folds and light, without its pattern."""

from __future__ import annotations

import cv2
import numpy as np

from models.masks import blur, enlarge, grow, opened, reduce, shrink
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
LEAST_PX = 2000
"""Garments that show fewer pixels than this tell nothing."""


def wrinkles(photo: Picture, parse: PersonParse, label: Label, unit_px: float) -> FloatArray:
    """(H, W) factor about 1: folds as a band-pass of log lightness, faded out where the garment of that `label` is patterned."""
    inside = (shrink(parse.probabilities[label] > 0.6, 4) > 0).astype(np.float32)
    if inside.sum() < LEAST_PX:
        return np.ones(inside.shape, np.float32)
    lab = np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2LAB), np.float32)
    light, chroma = np.log(lab[..., 0] + 12), lab[..., 1:]
    middle, centre = float(np.median(light[inside > 0])), np.median(chroma[inside > 0], 0)
    off = np.linalg.norm(chroma - centre, axis=-1) / CHROMA_LIKE
    unlike = off**2 + ((light - middle) / LIGHT_LIKE) ** 2
    printed = opened((unlike > 1) & (inside > 0), 1)
    trust = inside * np.exp(-unlike) * (1 - grow(printed, PRINT_RIM * unit_px))
    base = _masked_blur(light, trust, FINEST_PX)
    band = base - _masked_blur(light, trust, WIDEST * unit_px)
    # mottled and knitted cloth has as much contrast from pixel to pixel as from fold to fold: that is its pattern
    deviation = np.abs(_masked_blur(light, inside, 1.0) - base)[inside > 0]
    fine = float(np.median(deviation) * 1.48 * np.exp(middle))
    smooth = float(np.clip((MOTTLED[1] - fine) / (MOTTLED[1] - MOTTLED[0]), 0, 1))
    plain = float(trust.sum() / inside.sum())
    seen = float(np.clip((np.exp(middle) - DARK[0]) / DARK[1], 0.15, 1))
    dense = np.clip(blur(trust, 6) * 1.5 - 0.3, 0, 1)
    return np.asarray(np.exp(np.clip(band * (STRENGTH * plain * smooth * seen) * dense, *LIMITS)), np.float32)


def _masked_blur(picture: FloatArray, weight: FloatArray, sigma_px: float) -> FloatArray:
    """Blur of (H, W) where `weight` (H, W) is; wide ones at a reduced size."""
    step = max(1, int(sigma_px / 6))
    full = (picture.shape[1], picture.shape[0])
    size = (max(1, full[0] // step), max(1, full[1] // step))
    ratio = blur(reduce(picture * weight, size), sigma_px / step) / np.maximum(blur(reduce(weight, size), sigma_px / step), 1e-3)
    return enlarge(ratio, full)
