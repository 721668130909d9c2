"""What to hold the core's time against, timed in the same run on the same machine.

The floor is what any warp costs here: one OpenCV remap of four channels and one JPEG of the same picture. The networks are torchvision's
`lraspp_mobilenet_v3_large` with random weights, the smallest there is for pictures: what one small network costs before it does anything
of use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
import simplejpeg
import torch

from benchmarks.pairs import at_size
from models.samples.person import sample_person
from models.types import Picture

NETWORK_SIZES: Final = ((192, 256), (768, 1024))
"""(width, height) px."""
QUALITY: Final = 90
SMALL_OPERATIONS: Final = 200
"""Rounds of seven small torch operations in the kernel: about a quarter of its time."""
PLANES: Final = 8
"""Rounds of three passes over float planes in the kernel: about a sixth of its time."""


def floor(size: tuple[int, int]) -> Callable[[], object]:
    """One remap of four channels and one JPEG of a sample person's photo at `size` (width, height).

    As cheap as these two can be had: the JPEG is made of the four channels as they lie, and has full chroma, as the service's have.
    """
    width, height = size
    photo = np.dstack([at_size(sample_person("woman").picture, size), np.full((height, width), 255, np.uint8)])
    y, x = np.mgrid[:height, :width].astype(np.float32)
    along, down = x + 8 * np.sin(y / 40, dtype=np.float32), y + 8 * np.cos(x / 50, dtype=np.float32)

    def call() -> object:
        return simplejpeg.encode_jpeg(cv2.remap(photo, along, down, cv2.INTER_LINEAR), QUALITY, "RGBX", "444")

    return call


def kernel(size: tuple[int, int]) -> Callable[[], None]:
    """What the gate holds the core against at `size` (width, height): nothing of ours, and of each kind of work that the core has.

    Vector code on pictures (the floor), a chain of small torch operations as curves and grids are (the interpreter and torch's dispatch),
    and whole float planes (memory). What slows a machine down slows these by different factors: together they follow the core's.
    """
    one, (width, height) = floor(size), size
    torch.manual_seed(0)
    curves, steps = torch.rand(1, 2, 40, 2), torch.rand(1, 2, 40, 2)
    rng = np.random.default_rng(0)
    left, right = rng.random((height, width), np.float32), rng.random((height, width), np.float32)
    out = np.empty_like(left)

    @torch.inference_mode()
    def call() -> None:
        one()
        moved = curves
        for _ in range(SMALL_OPERATIONS):
            moved = torch.where(moved > 0.5, moved * steps, moved + steps).clamp(0, 1)
            moved = moved - moved.mean(2, keepdim=True)
        for _ in range(PLANES):
            np.multiply(left, right, out=out)
            np.add(out, left, out=out)
            np.minimum(out, right, out=out)

    return call


def network(size: tuple[int, int], device: str) -> Callable[[], object]:
    """One small segmentation network on one picture of `size` (width, height)."""
    from torchvision.models.segmentation import lraspp_mobilenet_v3_large  # noqa: PLC0415 (after models.vision_ops has mended it)

    torch.manual_seed(0)
    model = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None).eval().to(device)
    picture = torch.rand(1, 3, size[1], size[0], device=device)

    @torch.inference_mode()
    def call() -> object:
        return model(picture)["out"]

    return call


def phone_photo(picture: Picture, megapixels: float = 12.0) -> bytes:
    """`picture` as a phone would send it: so large, as a JPEG."""
    scale = (megapixels * 1e6 / (picture.shape[0] * picture.shape[1])) ** 0.5
    large = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(large), QUALITY, "RGB", "420"))
