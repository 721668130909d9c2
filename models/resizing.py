"""Resizing pictures and masks with torchvision's transforms: antialiased, the same on every device."""

from __future__ import annotations

import numpy as np
import torch

from models.types import BoolArray, FloatArray, LabelMap, Picture
from models.vision_ops import import_torchvision


def resize_picture(picture: Picture, size: tuple[int, int]) -> Picture:
    """A picture (H, W, 3) at `size` (height, width), bicubic, antialiased when it shrinks."""
    return np.ascontiguousarray(_resize(torch.from_numpy(picture).permute(2, 0, 1), size, "BICUBIC").permute(1, 2, 0).numpy())


def resize_labels(labels: LabelMap, size: tuple[int, int]) -> LabelMap:
    """Labels (H, W) at `size`: every pixel takes the nearest one's."""
    return np.ascontiguousarray(_resize(torch.from_numpy(labels)[None], size, "NEAREST_EXACT")[0].numpy())


def resize_plane(plane: FloatArray | BoolArray, size: tuple[int, int]) -> FloatArray:
    """A mask or plane (H, W) at `size`, bilinear, float32."""
    values = torch.from_numpy(np.asarray(plane, np.float32))[None]
    return np.asarray(_resize(values, size, "BILINEAR")[0].numpy(), np.float32)


def _resize(planes: torch.Tensor, size: tuple[int, int], how: str) -> torch.Tensor:
    import_torchvision()
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2 import functional as transforms

    resized: torch.Tensor = transforms.resize(planes, list(size), interpolation=InterpolationMode[how], antialias=True)
    return resized
