"""Filters that let labels follow the picture: a guided filter and a mean field."""

from __future__ import annotations

import torch
import torch.nn.functional as nnf
from torch import Tensor

OFFSETS = tuple((radius * dy, radius * dx) for radius in (1, 2, 4) for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)))
"""Half of the neighbours of a pixel; the other half are their opposites."""
REACH_PX = 4
ROUNDS = 2
PAIR_WEIGHT = 4.4
"""Nats that neighbours of one mind add to a label."""
PAIR_SIGMA = 11.0
"""Feature distance at which neighbours stop agreeing."""
NEARNESS = 0.3
"""A neighbour at d px counts 1 / (1 + NEARNESS·d)."""


PLANES_IN_CACHE = 6


def _padded(planes: Tensor) -> Tensor:
    return nnf.pad(planes[None], (REACH_PX,) * 4, mode="replicate")[0]


def mean_field(probabilities: Tensor, features: Tensor) -> Tensor:
    """(C, h, w) -> (C, h, w): a sparse dense-CRF; `features` (D, h, w) in the colour models' units."""
    height, width = features.shape[-2:]
    offsets = (*OFFSETS, *((-dy, -dx) for dy, dx in OFFSETS))
    windows = [(..., slice(REACH_PX + dy, REACH_PX + dy + height), slice(REACH_PX + dx, REACH_PX + dx + width)) for dy, dx in offsets]
    around = _padded(features)
    distance = torch.stack([((features - around[window]) ** 2).sum(0) for window in windows])
    nearness = torch.tensor([1 / (1 + NEARNESS * (dy * dy + dx * dx) ** 0.5) for dy, dx in offsets], device=features.device)
    agreement = torch.exp(distance * (-0.5 / PAIR_SIGMA**2)) * nearness[:, None, None]
    agreement = agreement * (PAIR_WEIGHT / (agreement.sum(0) + 1e-3))
    unary = probabilities.clamp_min(1e-6).log()
    belief = probabilities
    for _ in range(ROUNDS):
        around = _padded(belief)
        message = unary.clone()
        for weight, window in zip(agreement, windows, strict=True):
            message.addcmul_(weight, around[window])
        belief = torch.softmax(message, 0)
    return belief


def box(planes: Tensor, radius_px: int) -> Tensor:
    """Mean over a square of (C, h, w), edges repeated.

    Sums of shifted planes, a few planes at a time so that they stay in the cache: pooling takes five times as long on a CPU.
    """
    size = 2 * radius_px + 1
    done = []
    for part in planes.split(PLANES_IN_CACHE):
        summed = part
        for axis, sides in ((2, (radius_px, radius_px, 0, 0)), (1, (0, 0, radius_px, radius_px))):
            padded = nnf.pad(summed[None], sides, mode="replicate")[0]
            length = summed.shape[axis]
            summed = padded.narrow(axis, 0, length).clone()
            for shift in range(1, size):
                summed.add_(padded.narrow(axis, shift, length))
        done.append(summed.mul_(1 / size**2))
    return torch.cat(done)


def guide_coefficients(guide: Tensor, planes: Tensor, radius_px: int, epsilon: float) -> tuple[Tensor, Tensor]:
    """He, Sun, Tang 2013: the planes (C, h, w) as local linear functions of a guide (3, h, w).

    Returns slopes (C, 3, h, w) and offsets (C, h, w), averaged over the window. Keep the guide near zero: its variances are rounded.
    """
    classes, height, width = planes.shape
    mean_guide, mean_planes = box(guide, radius_px), box(planes, radius_px)
    cross = box((planes[:, None] * guide[None]).flatten(0, 1), radius_px).view(classes, 3, height, width)
    cross = cross - mean_planes[:, None] * mean_guide[None]
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    second = box(torch.stack([guide[i] * guide[j] for i, j in pairs]), radius_px)
    xx, xy, xz, yy, yz, zz = (second[k] - mean_guide[i] * mean_guide[j] for k, (i, j) in enumerate(pairs))
    xx, yy, zz = xx + epsilon, yy + epsilon, zz + epsilon
    # inverse of the symmetric 3 × 3 by cofactors
    c_xx, c_xy, c_xz = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    c_yy, c_yz, c_zz = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    det = (xx * c_xx + xy * c_xy + xz * c_xz).clamp_min(epsilon**3)
    p, q, r = cross[:, 0], cross[:, 1], cross[:, 2]
    slopes = torch.stack((c_xx * p + c_xy * q + c_xz * r, c_xy * p + c_yy * q + c_yz * r, c_xz * p + c_yz * q + c_zz * r), 1) / det
    offsets = mean_planes - (slopes * mean_guide[None]).sum(1)
    both = box(torch.cat((slopes.flatten(0, 1), offsets)), radius_px)
    return both[: 3 * classes].view(classes, 3, height, width), both[3 * classes :]


def guided(guide: Tensor, planes: Tensor, radius_px: int, epsilon: float) -> Tensor:
    """The planes (C, h, w), redrawn along the edges of the guide (3, h, w)."""
    slopes, offsets = guide_coefficients(guide, planes, radius_px, epsilon)
    return (slopes * guide[None]).sum(1) + offsets
