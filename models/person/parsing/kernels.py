"""The neighbourhood operations of the parse: means, blurs, extremes and resampling of planes.

On a GPU they are torch's; on a CPU OpenCV does the same arithmetic on the same memory three to ten times as fast. Both give the same
numbers within rounding. Planes are float32 (..., h, w), any number of leading axes; edges are repeated.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import torch
import torch.nn.functional as nnf
from torch import Tensor

from models.types import FloatArray

ALL_LABELS = 6
LABEL_ROUNDS = 24
"""Rounds in which a GPU finds components; each doubles what a pixel knows, so that even a hair's course is followed."""


def _each(planes: Tensor, size: tuple[int, int], do: Callable[[FloatArray, FloatArray], object]) -> Tensor:
    """Calls `do(plane, result)` for each plane of a CPU tensor."""
    flat = planes.reshape(-1, *planes.shape[-2:]).contiguous()
    out = torch.empty((flat.shape[0], *size), dtype=torch.float32)
    for source, target in zip(flat.numpy(), out.numpy(), strict=True):
        do(source, target)
    return out.view(*planes.shape[:-2], *size)


def on_host(planes: Tensor) -> bool:
    return planes.device.type == "cpu"


def resize(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, without antialiasing, the borders of both grids in the same place."""
    if planes.shape[-2:] == size:
        return planes
    if on_host(planes):
        return _each(planes, size, lambda plane, out: cv2.resize(plane, (size[1], size[0]), dst=out, interpolation=cv2.INTER_LINEAR))
    flat = planes.reshape(1, -1, *planes.shape[-2:])
    return nnf.interpolate(flat, size=size, mode="bilinear", align_corners=False).view(*planes.shape[:-2], *size)


def halve(planes: Tensor) -> Tensor:
    """The mean of each 2 × 2 pixels; sides are even."""
    if on_host(planes):
        size = (planes.shape[-2] // 2, planes.shape[-1] // 2)
        return _each(planes, size, lambda plane, out: cv2.resize(plane, (size[1], size[0]), dst=out, interpolation=cv2.INTER_AREA))
    rows = planes[..., 0::2, :] + planes[..., 1::2, :]
    return 0.25 * (rows[..., 0::2] + rows[..., 1::2])


def double(planes: Tensor) -> Tensor:
    """Each pixel four times; any dtype."""
    return planes.repeat_interleave(2, -2).repeat_interleave(2, -1)


def box(planes: Tensor, radius_px: int) -> Tensor:
    """Mean over a square of 2·radius + 1."""
    size = 2 * radius_px + 1
    if on_host(planes):
        return _each(
            planes, (planes.shape[-2], planes.shape[-1]), lambda p, out: cv2.blur(p, (size, size), dst=out, borderType=cv2.BORDER_REPLICATE)
        )
    return _filtered(planes, [1 / size] * (radius_px + 1))


def blur(planes: Tensor, sigma_px: float) -> Tensor:
    """Gaussian blur, cut off at three sigmas."""
    radius = max(1, round(3 * sigma_px))
    weights = [math.exp(-0.5 * (step / sigma_px) ** 2) for step in range(radius + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    half = [weight / total for weight in weights]
    if on_host(planes):
        kernel = np.array([*half[:0:-1], *half], np.float32)
        return _each(
            planes,
            (planes.shape[-2], planes.shape[-1]),
            lambda plane, out: cv2.sepFilter2D(plane, cv2.CV_32F, kernel, kernel, dst=out, borderType=cv2.BORDER_REPLICATE),
        )
    return _filtered(planes, half)


def _filtered(planes: Tensor, half: list[float]) -> Tensor:
    """A separable symmetric filter, given from its middle outwards, as sums of shifted planes."""
    radius = len(half) - 1
    flat = planes.reshape(1, -1, *planes.shape[-2:])
    for axis in (3, 2):
        size = flat.shape[axis]
        padded = nnf.pad(flat, (radius, radius, 0, 0) if axis == 3 else (0, 0, radius, radius), mode="replicate")
        flat = flat * half[0]
        for step in range(1, radius + 1):
            flat = flat + half[step] * (padded.narrow(axis, radius - step, size) + padded.narrow(axis, radius + step, size))
    return flat.view(planes.shape)


def dilate(planes: Tensor, radius_px: int) -> Tensor:
    """Maximum over a square; what lies outside the frame does not count."""
    size = 2 * radius_px + 1
    if on_host(planes):
        square = np.ones((size, size), np.uint8)
        return _each(planes, (planes.shape[-2], planes.shape[-1]), lambda plane, out: cv2.dilate(plane, square, dst=out))
    flat = planes.reshape(1, -1, *planes.shape[-2:])
    return nnf.max_pool2d(flat, size, stride=1, padding=radius_px).view(planes.shape)


def erode(planes: Tensor, radius_px: int) -> Tensor:
    """Minimum over a square; what lies outside the frame does not count."""
    return -dilate(-planes, radius_px)


def best_label(planes: Tensor) -> Tensor:
    """Argmax over the first axis of (C, ...) -> uint8 (...); the first of equals. On a CPU `argmax` takes ten times as long."""
    if not on_host(planes):
        return planes.argmax(0).to(torch.uint8)
    best, label = planes[0].clone(), torch.zeros(planes.shape[1:], dtype=torch.uint8)
    for k in range(1, planes.shape[0]):
        better = torch.gt(planes[k], best).view(torch.uint8)
        torch.maximum(label, better.mul_(k), out=label)
        torch.maximum(best, planes[k], out=best)
    return label


def components(labels: Tensor) -> Tensor:
    """(B, h, w) labels 0..5 -> int64 (B, h, w): one number for each connected part (8 neighbours) of equal label, 0..B·h·w-1."""
    return _components_host(labels) if on_host(labels) else components_by_rounds(labels)


def _components_host(labels: Tensor) -> Tensor:
    out = np.empty(tuple(labels.shape), np.int64)
    height, width = labels.shape[-2:]
    for number, (one, target) in enumerate(zip(labels.numpy().astype(np.uint8), out, strict=True)):
        first = number * height * width
        for label in range(ALL_LABELS):
            mask = (one == label).view(np.uint8)
            count, parts = cv2.connectedComponents(mask, connectivity=8)
            if count > 1:
                np.copyto(target, parts + (first - 1), where=mask.view(np.bool_))
                first += count - 1
    return torch.from_numpy(out)


def components_by_rounds(labels: Tensor) -> Tensor:
    """The same by fixed rounds of "the least number among equal neighbours" and "the number of that number", for a GPU."""
    batch, height, width = labels.shape
    ids = torch.arange(batch * height * width, device=labels.device).view(labels.shape)
    around = nnf.pad(labels[:, None].float(), (1, 1, 1, 1), value=-1.0)[:, 0]
    steps = [(dy, dx) for dy in range(3) for dx in range(3) if (dy, dx) != (1, 1)]
    alike = [around[:, dy : dy + height, dx : dx + width] == labels for dy, dx in steps]
    for _ in range(LABEL_ROUNDS):
        padded = nnf.pad(ids, (1, 1, 1, 1))
        least = ids
        for (dy, dx), same in zip(steps, alike, strict=True):
            least = torch.where(same, torch.minimum(least, padded[:, dy : dy + height, dx : dx + width]), least)
        flat = least.reshape(-1)
        # what the root of a pixel has learnt is passed on to all that name it
        flat = ids.reshape(-1).scatter_reduce(0, ids.reshape(-1), flat, "amin")[flat]
        ids = flat[flat].view(labels.shape)
    return ids
