"""Filters that let labels follow the picture: a mean field, a guided filter, and the way to the photo's own resolution."""

from __future__ import annotations

import torch
import torch.nn.functional as nnf
from torch import Tensor

OFFSETS = tuple((radius * dy, radius * dx) for radius in (1, 2, 4) for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)))
"""Half of the neighbours of a pixel; the other half are their opposites."""
ROUNDS = 3
PAIR_WEIGHT = 4.4
"""Nats that neighbours of one mind add to a label."""
PAIR_SIGMA = 11.0
"""Feature distance at which neighbours stop agreeing."""


def _shifted(planes: Tensor, dy: int, dx: int) -> Tensor:
    """Value of the neighbour at (+dy, +dx); edges repeated. (..., h, w)."""
    height, width = planes.shape[-2:]
    rows = torch.arange(height, device=planes.device).add(dy).clamp(0, height - 1)
    columns = torch.arange(width, device=planes.device).add(dx).clamp(0, width - 1)
    return planes.index_select(-2, rows).index_select(-1, columns)


def mean_field(probabilities: Tensor, features: Tensor) -> Tensor:
    """(C, h, w) -> (C, h, w): a sparse dense-CRF; `features` (D, h, w) in the colour models' units."""
    unary = probabilities.clamp_min(1e-6).log()
    belief = probabilities
    pairs = []
    for dy, dx in (*OFFSETS, *((-dy, -dx) for dy, dx in OFFSETS)):
        distance = ((features - _shifted(features, dy, dx)) ** 2).sum(0)
        pairs.append((dy, dx, torch.exp(-distance / (2 * PAIR_SIGMA**2)) / (1 + 0.3 * (dy * dy + dx * dx) ** 0.5)))
    norm = torch.stack([weight for _, _, weight in pairs]).sum(0) + 1e-3
    for _ in range(ROUNDS):
        message = torch.zeros_like(belief)
        for dy, dx, weight in pairs:
            message += weight * _shifted(belief, dy, dx)
        belief = torch.softmax(unary + PAIR_WEIGHT * message / norm, 0)
    return belief


def box(planes: Tensor, radius_px: int) -> Tensor:
    """Mean over a square of (C, h, w), fewer pixels at the edges."""
    size = 2 * radius_px + 1
    stack = planes[None]
    stack = nnf.avg_pool2d(stack, (1, size), 1, (0, radius_px), count_include_pad=False)
    return nnf.avg_pool2d(stack, (size, 1), 1, (radius_px, 0), count_include_pad=False)[0]


def guide_coefficients(guide: Tensor, planes: Tensor, radius_px: int, epsilon: float) -> tuple[Tensor, Tensor]:
    """He, Sun, Tang 2013: the planes (C, h, w) as local linear functions of a guide (3, h, w).

    Returns slopes (C, 3, h, w) and offsets (C, h, w), already averaged over the window.
    """
    classes = planes.shape[0]
    height, width = guide.shape[-2:]
    mean_guide, mean_planes = box(guide, radius_px), box(planes, radius_px)
    cross = box((planes[:, None] * guide[None]).reshape(-1, height, width), radius_px).view(classes, 3, height, width)
    cross = cross - mean_planes[:, None] * mean_guide[None]
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    second = box(torch.stack([guide[i] * guide[j] for i, j in pairs]), radius_px)
    xx, xy, xz, yy, yz, zz = (second[k] - mean_guide[i] * mean_guide[j] for k, (i, j) in enumerate(pairs))
    xx, yy, zz = xx + epsilon, yy + epsilon, zz + epsilon
    # inverse of the symmetric 3 × 3 by cofactors
    c_xx, c_xy, c_xz = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    c_yy, c_yz, c_zz = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    det = (xx * c_xx + xy * c_xy + xz * c_xz).clamp_min(epsilon**3 * 1e-3)
    p, q, r = cross[:, 0], cross[:, 1], cross[:, 2]
    slopes = torch.stack((c_xx * p + c_xy * q + c_xz * r, c_xy * p + c_yy * q + c_yz * r, c_xz * p + c_yz * q + c_zz * r), 1) / det
    offsets = mean_planes - (slopes * mean_guide[None]).sum(1)
    slopes = box(slopes.reshape(-1, height, width), radius_px).view(classes, 3, height, width)
    return slopes, box(offsets, radius_px)


def guided(guide: Tensor, planes: Tensor, radius_px: int, epsilon: float) -> Tensor:
    """The planes (C, h, w), redrawn along the edges of the guide (3, h, w)."""
    slopes, offsets = guide_coefficients(guide, planes, radius_px, epsilon)
    return (slopes * guide[None]).sum(1) + offsets
