"""Recolours the outline ring of a garment and everything outside it from inside, so that sampling there shows no ground."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from models.garment.maskops import dilated, disk, eroded
from models.garment.scale import WORK_SIDE, to_work
from models.types import BoolArray, FloatArray, Picture

RING_PX: Final = 3
"""Width of the ring inside the outline that shows mixed colours (antialiasing, JPEG), px of 1024."""
LARGE: Final = 1.5
"""Pictures longer than this many working sizes are filled at the working size."""


def recolour_edge(picture: Picture, mask: BoolArray, ring_px: int = RING_PX) -> Picture:
    """`picture` (H, W, 3) whose pixels outside `mask`, or within `ring_px` (px of 1024) of its outline, are filled from inside.

    The fill is smooth: of large pictures it is found at the working size.
    """
    if max(mask.shape) <= LARGE * WORK_SIDE:
        return _recoloured(picture, _core(mask, ring_px))
    small = to_work(picture)
    core = _core(to_work(mask.astype(np.float32)) > 0.5, ring_px)
    size = (mask.shape[1], mask.shape[0])
    filled = np.asarray(cv2.resize(_recoloured(small, core), size, interpolation=cv2.INTER_LINEAR), np.uint8)
    full = np.asarray(cv2.resize(core.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST), np.uint8)
    return np.asarray(cv2.copyTo(picture, full, filled), np.uint8)


def _core(mask: BoolArray, ring_px: int) -> BoolArray:
    """(H, W) the cloth that shows no ground."""
    inner = eroded(mask, disk(2 * ring_px + 1))
    # parts thinner than the ring (straps, lace) keep their middle
    thin = mask & ~dilated(inner, disk(2 * ring_px + 3))
    return inner | eroded(thin, disk(3))


def _recoloured(picture: Picture, core: BoolArray) -> Picture:
    """`picture` (H, W, 3) outside `core` filled smoothly: what is filled is as smooth at half the size."""
    known = core.view(np.uint8)
    inside = cv2.copyTo(picture, known, np.zeros_like(picture))
    filled = _pushed(_halved(inside.astype(np.float32), known.astype(np.float32)))
    full = cv2.resize(np.rint(filled).astype(np.uint8), (core.shape[1], core.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.copyTo(picture, known, full), np.uint8)


def pull_push(values: FloatArray, known: BoolArray) -> FloatArray:
    """`values` (H, W, C) with the unknown pixels filled smoothly from the known ones, near before far."""
    weight = known.astype(np.float32)
    return _pushed((values * weight[..., None], weight))


def _halved(values: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Values (H, W, C), times their weights (H, W), and these, at half the size: a coarse pixel that saw any known colour knows it."""
    size = ((weight.shape[1] + 1) // 2, (weight.shape[0] + 1) // 2)
    v, w = (np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32) for plane in (values, weight))
    gain = np.minimum(1.0, 2.0 * w) / np.maximum(w, 1e-6)
    return v * gain[..., None], w * gain


def _pushed(known: tuple[FloatArray, FloatArray]) -> FloatArray:
    """`known` values (H, W, C), times their weights (H, W), filled where these are less than one."""
    levels = [known]
    while min(levels[-1][1].shape) > 2:
        levels.append(_halved(*levels[-1]))
    v, w = levels[-1]
    # what even the coarsest level did not see is filled with the mean of what it saw
    filled = (v + (1 - w)[..., None] * (v.sum((0, 1)) / max(float(w.sum()), 1e-6))).astype(np.float32)
    for v, w in reversed(levels[:-1]):
        up = cv2.resize(filled, (w.shape[1], w.shape[0]), interpolation=cv2.INTER_LINEAR)
        filled = v + (1 - w)[..., None] * up
    return np.asarray(filled, np.float32)
