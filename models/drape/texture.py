"""Packs a garment's colour and the alphas of its pieces into one texture."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from models.masks import blur, grow
from models.types import BoolArray, FloatArray

EDGE_SOFTNESS_PX = 0.8
"""Garment pictures are mostly shown reduced: without this their edges would be stairs."""
TEXTURE_LIMIT_PX = 1280
"""Longer garment pictures are reduced to this for draping; their maps stay in the picture's own pixels."""
RGB, TORSO, BACK, SLEEVES = slice(0, 3), 3, 4, 5
"""Channels of a texture: colour, then the alpha of the torso's front, of the inner back and of the strips (sleeves or legs)."""


def packed(colour: FloatArray, alphas: FloatArray) -> tuple[Tensor, float]:
    """The texture (6, h, w) float32 0..1 of `colour` (H, W, 3) 0..255 and `alphas` (H, W, 3) 0..1, and its px a picture px."""
    stack = np.concatenate([colour.astype(np.float32) / 255, alphas], -1).astype(np.float32)
    scale = min(1.0, TEXTURE_LIMIT_PX / max(stack.shape[:2]))
    if scale < 1:
        size = (max(1, round(stack.shape[1] * scale)), max(1, round(stack.shape[0] * scale)))
        halves = [cv2.resize(half, size, interpolation=cv2.INTER_AREA) for half in (stack[..., :3], stack[..., 3:])]
        stack = np.asarray(np.concatenate(halves, -1), np.float32)
    return torch.from_numpy(np.ascontiguousarray(stack.transpose(2, 0, 1))), scale


def grown(mask: BoolArray, px: float) -> FloatArray:
    """`mask` (H, W) widened by `px` with an antialiased edge, 0..1."""
    return blur(grow(mask, px), 1.0)
