"""Filters that let labels follow the picture: a guided filter and a mean field."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as nnf
from torch import Tensor

from models.person.parsing.kernels import box

OFFSETS = tuple((radius * dy, radius * dx) for radius in (1, 2, 4) for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)))
"""Half of the neighbours of a pixel; the other half are their opposites."""
REACH_PX = 4
ROUNDS = 2
OUTSIDE = 1e4
"""A feature that nothing in a picture is near to."""
PAIR_WEIGHT = 3.6
"""Nats that neighbours of one mind add to a label."""
PAIR_SIGMA = 11.0
"""Feature distance at which neighbours stop agreeing."""
NEARNESS = 0.3
"""A neighbour at d px counts 1 / (1 + NEARNESS·d)."""


def _ribbon(planes: Tensor, value: float) -> Tensor:
    """(B, C, h, w) -> (B, C, L) in one row, with a border of `value`: neighbours of a pixel are at fixed distances from it."""
    return nnf.pad(planes, (0, REACH_PX, REACH_PX + 1, REACH_PX + 1), value=value).flatten(2)


def mean_field(probabilities: Tensor, features: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, C, h, w): a sparse dense-CRF; `features` (B, D, h, w) in the colour models' units."""
    height, width = features.shape[-2:]
    stride = width + REACH_PX
    first, count = (REACH_PX + 1) * stride, height * stride
    steps = [dy * stride + dx for dy, dx in OFFSETS]
    starts = [first + step for step in (*steps, *(-step for step in steps))]
    ribbon = _ribbon(features, OUTSIDE)
    # how alike each pixel is to the neighbours of one half; from there it is the same pairs that are seen by the other half
    length = ribbon.shape[2]
    alike = features.new_zeros((features.shape[0], len(steps), length))
    for k, step in enumerate(steps):
        alike[:, k, : length - step] = (ribbon[..., : length - step] - ribbon[..., step:]).square_().sum(1)
    nearness = torch.tensor([1 / (1 + NEARNESS * math.hypot(dy, dx)) for dy, dx in OFFSETS], device=features.device)
    alike.mul_(-0.5 / PAIR_SIGMA**2).exp_().mul_(nearness[:, None])
    weights = [plane.narrow(2, first, count) for plane in alike.split(1, 1)]
    weights += [alike[:, k, None].narrow(2, first - step, count) for k, step in enumerate(steps)]
    total = torch.full_like(weights[0], 1e-3)
    for weight in weights:
        total += weight
    gain = PAIR_WEIGHT / total
    belief = probabilities
    unary = nnf.pad(probabilities.clamp_min(1e-6).log(), (0, REACH_PX)).flatten(2)
    for _ in range(ROUNDS):
        ribbon = _ribbon(belief, 0.0)
        heard = torch.zeros_like(unary)
        for weight, start in zip(weights, starts, strict=True):
            heard.addcmul_(weight, ribbon.narrow(2, start, count))
        message = torch.addcmul(unary, heard, gain)
        belief = torch.softmax(message.unflatten(2, (height, stride))[..., :width], 1)
    return belief


def guide_coefficients(guide: Tensor, planes: Tensor, radius_px: int, epsilon: float) -> Tensor:
    """He, Sun, Tang 2013: the planes (B, C, h, w) as local linear functions of a guide (B, 3, h, w).

    Returns three slopes and an offset (B, C, 4, h, w), averaged over the window. Keep the guide near zero: its variances are rounded.
    """
    mean_guide, mean_planes = box(guide, radius_px), box(planes, radius_px)
    cross = box(planes[:, :, None] * guide[:, None], radius_px)
    cross.addcmul_(mean_planes[:, :, None], mean_guide[:, None], value=-1)
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    second = box(torch.stack([guide[:, i] * guide[:, j] for i, j in pairs], 1), radius_px)
    xx, xy, xz, yy, yz, zz = (second[:, k] - mean_guide[:, i] * mean_guide[:, j] for k, (i, j) in enumerate(pairs))
    xx, yy, zz = xx + epsilon, yy + epsilon, zz + epsilon
    # inverse of the symmetric 3 × 3 by cofactors
    c_xx, c_xy, c_xz = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    c_yy, c_yz, c_zz = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    det = (xx * c_xx + xy * c_xy + xz * c_xz).clamp_min(epsilon**3)
    rows = torch.stack((c_xx, c_xy, c_xz, c_xy, c_yy, c_yz, c_xz, c_yz, c_zz), 1) / det[:, None]
    p, q, r = (cross[:, :, k] for k in range(3))
    both = torch.empty((*planes.shape[:2], 4, *planes.shape[2:]), device=planes.device)
    both[:, :, 3] = mean_planes
    for k in range(3):
        x, y, z = (rows[:, None, 3 * k + i] for i in range(3))
        slope = both[:, :, k]
        torch.mul(p, x, out=slope).addcmul_(q, y).addcmul_(r, z)
        both[:, :, 3].addcmul_(slope, mean_guide[:, None, k], value=-1)
    return box(both, radius_px)


def guided(guide: Tensor, coefficients: Tensor) -> Tensor:
    """Coefficients (B, C, 4, h, w) met with the guide (B, 3, h, w) -> (B, C, h, w): planes that follow the guide's edges."""
    drawn = coefficients[:, :, 3].clone()
    for k in range(3):
        drawn.addcmul_(coefficients[:, :, k], guide[:, None, k])
    return drawn
