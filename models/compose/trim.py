"""Trims what stands out over the person's silhouette by next to nothing.

A garment whose edge comes to lie within a few pixels of the worn one's is meant to lie on it. It is draped a little
too large and cut along the photo's own soft silhouette: the edge is then the photo's, with nothing to fill beside it.
Where a garment really stands off (more than twice the reach), it is left alone.
"""

from __future__ import annotations

import torch
import torch.nn.functional as nn
from torch import Tensor

SIDES_FROM = 0.6
"""From here across (0 the middle, 1 the outline) on a torso's side may be trimmed."""
STEP = 2
"""The width of slivers is found at a picture reduced so much."""


def trim(alpha: Tensor, beyond: Tensor, zone: Tensor, reach_px: float) -> Tensor:
    """`alpha` (B, 1, H, W) 0..1 without slivers over `beyond` (B, 1, H, W) 0..1 that are at most twice `reach_px` wide.

    zone (B, 1, H, W) 0..1: where slivers may be; elsewhere (the gap between legs under a skirt) nothing is trimmed.
    """
    over = nn.max_pool2d(alpha * beyond, STEP, ceil_mode=True)
    radius = max(1, round(reach_px / STEP))
    eroded = -_widest(-(over > 0.5).to(alpha.dtype), radius)
    # a little more than it was, so that the soft rim of what stays is not cut; and where slivers grow wide, no step
    wide = _rounded(_widest(eroded, radius + 2), radius)
    stays = nn.interpolate(wide, scale_factor=STEP, mode="bilinear", align_corners=False)[..., : alpha.shape[-2], : alpha.shape[-1]]
    return alpha * (1 - beyond * zone * (1 - stays))


def _widest(mask: Tensor, radius: int) -> Tensor:
    rows = nn.max_pool2d(mask, (2 * radius + 1, 1), stride=1, padding=(radius, 0))
    return nn.max_pool2d(rows, (1, 2 * radius + 1), stride=1, padding=(0, radius))


def _rounded(mask: Tensor, radius: int) -> Tensor:
    """`mask` with its corners rounded to about `radius`, and an edge of about two pixels."""
    for _ in range(2):
        mask = nn.avg_pool2d(mask, 2 * radius + 1, stride=1, padding=radius, count_include_pad=False)
    return ((mask - 0.5) * 2 * radius + 0.5).clamp(0, 1)


def torso_zone(place: Tensor, skirt_from: Tensor) -> Tensor:
    """Where a torso may be trimmed: along its sides and shoulders; `place` (B, 2, H, W) across and down.

    skirt_from (B,): how far down a dress's skirt begins, which falls as it will.
    """
    across, down = place[:, :1], place[:, 1:]
    sides = torch.maximum((across.abs() > SIDES_FROM).to(place.dtype), (down < 1).to(place.dtype))
    return sides * (down < skirt_from[:, None, None, None])
