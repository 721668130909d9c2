"""Pull-push: smooth filling of what is not known."""

from __future__ import annotations

import cv2
import numpy as np

from models.kernels.colours import laid_over, weighted
from models.types import FloatArray

LEVELS = 10
STEEP = 4.0
"""From one part in so many of full weight on, a level's own colours are taken in full."""


def pull_push(picture: FloatArray, weight: FloatArray) -> FloatArray:
    """Spreads the pixels of `picture` (H, W, 3) that have `weight` (H, W) smoothly over those that have none.

    Gortler et al., "The Lumigraph" (1996), section 3.5: averages weighted pixels down a pyramid, then fills back up.
    """
    pictures: list[FloatArray] = [weighted(picture, weight)]
    weights: list[FloatArray] = [weight]
    for _ in range(LEVELS):
        if min(weights[-1].shape) < 4:
            break
        pictures.append(np.asarray(cv2.pyrDown(pictures[-1]), np.float32))
        weights.append(np.asarray(cv2.pyrDown(weights[-1]), np.float32))
    current: FloatArray = pictures[-1] / np.maximum(weights[-1], 1e-6)[..., None]
    for level in range(len(pictures) - 2, -1, -1):
        height, width = weights[level].shape
        current = np.asarray(cv2.resize(current, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        laid_over(current, pictures[level], weights[level], STEEP)
    return np.asarray(current, np.float32)
