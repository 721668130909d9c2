"""Pull-push: smooth filling of what is not known."""

from __future__ import annotations

import cv2
import numpy as np

from models.types import FloatArray

LEVELS = 10


def pull_push(picture: FloatArray, weight: FloatArray) -> FloatArray:
    """Spreads the pixels of `picture` (H, W, C) that have `weight` (H, W) smoothly over those that have none.

    Gortler et al., "The Lumigraph" (1996), section 3.5: averages weighted pixels down a pyramid, then fills back up.
    """
    pictures: list[FloatArray] = [picture * weight[..., None]]
    weights: list[FloatArray] = [weight]
    for _ in range(LEVELS):
        if min(weights[-1].shape) < 4:
            break
        pictures.append(np.asarray(cv2.pyrDown(pictures[-1]), np.float32))
        weights.append(np.asarray(cv2.pyrDown(weights[-1]), np.float32))
    current: FloatArray = pictures[-1] / np.maximum(weights[-1], 1e-6)[..., None]
    for level in range(len(pictures) - 2, -1, -1):
        height, width = weights[level].shape
        coarse = cv2.resize(current, (width, height), interpolation=cv2.INTER_LINEAR)
        own = pictures[level] / np.maximum(weights[level], 1e-6)[..., None]
        share = np.clip(weights[level] * 4, 0, 1)[..., None]
        current = coarse * (1 - share) + own * share
    return current.astype(np.float32)
