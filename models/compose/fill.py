"""Filling what was hidden: pull-push pyramids and the shading of bare skin."""

from __future__ import annotations

import cv2
import numpy as np

from models.types import FloatArray

LEVELS = 10


def pull_push(picture: FloatArray, weight: FloatArray) -> FloatArray:
    """Spreads the pixels of `picture` (H, W, C) that have `weight` (H, W) smoothly over those that have none.

    Gortler et al., "The Lumigraph" (1996), section 3.5: averages weighted pixels down a pyramid, then fills back up.
    """
    pictures, weights = [picture * weight[..., None]], [weight]
    for _ in range(LEVELS):
        if min(weights[-1].shape) < 4:
            break
        pictures.append(cv2.pyrDown(pictures[-1]))
        weights.append(cv2.pyrDown(weights[-1]))
    current = pictures[-1] / np.maximum(weights[-1], 1e-6)[..., None]
    for level in range(len(pictures) - 2, -1, -1):
        height, width = weights[level].shape
        coarse = cv2.resize(current, (width, height), interpolation=cv2.INTER_LINEAR)
        own = pictures[level] / np.maximum(weights[level], 1e-6)[..., None]
        share = np.clip(weights[level] * 4, 0, 1)[..., None]
        current = coarse * (1 - share) + own * share
    return current.astype(np.float32)


def bump(distance: FloatArray, width: float) -> FloatArray:
    """A Gaussian of `distance` with standard deviation `width`."""
    return np.exp(-0.5 * (distance / width) ** 2)


def ramp(value: FloatArray, start: float, stop: float) -> FloatArray:
    """0 at `start`, 1 at `stop`, linear between and held beyond; `stop` may be the smaller."""
    return np.clip((value - start) / (stop - start), 0, 1)


def torso_shade(x: FloatArray, y: FloatArray, chin_y: float) -> FloatArray:
    """Light on a bare neck and chest, about 0.7 to 1.08; x outward, y up from the shoulder joints' middle, in units.

    A wide cylinder for the chest, a narrow one for the neck, the chin's shadow, collarbones and the notch between them.
    """
    across = np.abs(x)
    shade = 1 - 0.16 * np.clip(across / 0.55, 0, 1.1) ** 3
    shade -= ramp(y, 0.16, 0.24) * 0.16 * np.clip(across / 0.24, 0, 1.2) ** 2
    shade -= 0.16 * bump(y - (chin_y - 0.03), 0.07) * np.clip(1 - across / 0.26, 0, 1)
    t = ramp(across, 0.05, 0.38)
    bone = 0.10 + 0.10 * t - 0.02 * np.sin(np.pi * t)
    weight = ramp(across, 0.03, 0.08) * ramp(across, 0.42, 0.30)
    shade += weight * (0.085 * bump(y - bone, 0.018) - 0.13 * bump(y - bone - 0.045, 0.024) - 0.07 * bump(y - bone + 0.045, 0.025))
    shade -= 0.12 * bump(x, 0.035) * bump(y - 0.11, 0.03)
    shade -= 0.05 * ramp(y, 0.05, -0.45)
    return shade.astype(np.float32)


def limb_shade(reach: FloatArray) -> FloatArray:
    """Light across a bare limb: `reach` 0 at the bone, 1 at the skin's edge."""
    return (1 - 0.36 * np.clip(reach, 0, 1) ** 2.5).astype(np.float32)
