"""How far colours are apart, in one pass over a picture."""

from __future__ import annotations

import numpy as np
from numba import njit

from models.types import FloatArray, Picture

F = np.float32


@njit(cache=True, nogil=True, error_model="numpy")
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
