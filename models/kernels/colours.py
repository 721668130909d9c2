"""How far colours are apart, and weighted ones, in one pass over a picture."""

from __future__ import annotations

import numpy as np

from models.kernels.compiled import compiled
from models.types import FloatArray, Picture

F = np.float32


@compiled
def differences(photo: Picture, others: FloatArray) -> FloatArray:
    """(h, w) the greatest difference of a pixel's channels between `photo` (h, w, 3) and `others` (h, w, 3)."""
    height, width, _ = photo.shape
    result = np.empty((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            red = abs(F(photo[y, x, 0]) - others[y, x, 0])
            green = abs(F(photo[y, x, 1]) - others[y, x, 1])
            blue = abs(F(photo[y, x, 2]) - others[y, x, 2])
            result[y, x] = max(red, green, blue)
    return result


@compiled
def weighted(picture: FloatArray, weight: FloatArray) -> FloatArray:
    """`picture` (h, w, 3) times `weight` (h, w)."""
    height, width, _ = picture.shape
    result = np.empty((height, width, 3), np.float32)
    for y in range(height):
        for x in range(width):
            for c in range(3):
                result[y, x, c] = picture[y, x, c] * weight[y, x]
    return result


@compiled
def laid_over(coarse: FloatArray, sums: FloatArray, weight: FloatArray, steep: float) -> None:
    """Lays what `sums` (h, w, 3) of colours times `weight` (h, w) tell over `coarse` (h, w, 3): in full from a weight of 1 / steep on."""
    height, width, _ = coarse.shape
    for y in range(height):
        for x in range(width):
            own = weight[y, x]
            if own > F(0):
                share = min(own * F(steep), F(1))
                part = share / max(own, F(1e-6))
                for c in range(3):
                    coarse[y, x, c] = coarse[y, x, c] * (F(1) - share) + sums[y, x, c] * part
