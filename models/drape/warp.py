"""The warp: from placed curves to a garment sampled on the photo's pixels. Torch over a batch, fixed shapes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as nn
from torch import Tensor

from models.compose.blend import Layers
from models.drape.cut import BACK, RGB, SLEEVES, TORSO
from models.drape.grids import COLUMNS, SLEEVE_COLUMNS, SLEEVE_SHAPE, TORSO_SHAPE, sleeve_grid, torso_grid, triangles
from models.drape.raster import affine_maps, evaluate, triangle_ids
from models.drape.targets import Placement

RASTER_LONG_SIDE = 512
"""Triangles are rasterised at most at this size, which bounds their extent in reduced pixels."""
OUTSIDE = -1e4


@dataclass(frozen=True, slots=True)
class Warp:
    """Garment places for every photo pixel: (B, 3, H, W) x, y in px of the garment picture, then across (-1..1)."""

    torso: Tensor
    sleeves: Tensor


@dataclass(frozen=True, slots=True)
class Topology:
    """Constant tables of the grids on a device."""

    torso: Tensor
    """(T, 3)."""
    sleeves: Tensor
    """(2 T', 3) of both sleeves' vertices in one list."""
    torso_across: Tensor
    """(V,)."""
    sleeve_across: Tensor
    """(2 V',)."""

    @classmethod
    def on(cls, device: torch.device) -> Topology:
        count = SLEEVE_SHAPE[0] * SLEEVE_SHAPE[1]
        sleeve = torch.from_numpy(triangles(SLEEVE_SHAPE))
        step, narrow = 2 / COLUMNS, 2 / SLEEVE_COLUMNS
        torso_across = torch.linspace(-1 - step, 1 + step, COLUMNS + 3).expand(TORSO_SHAPE)
        sleeve_across = torch.linspace(-1 - narrow, 1 + narrow, SLEEVE_COLUMNS + 3).expand(2, *SLEEVE_SHAPE)
        return cls(
            torso=torch.from_numpy(triangles(TORSO_SHAPE)).to(device),
            sleeves=torch.cat([sleeve, sleeve + count]).to(device),
            torso_across=torso_across.reshape(-1).to(device),
            sleeve_across=sleeve_across.reshape(-1).to(device),
        )


def warp(placement: Placement, torso: Tensor, sleeves: Tensor, topology: Topology, size: tuple[int, int]) -> Warp:
    """Lays the grids on the body and inverts them.

    torso (B, *TORSO_SHAPE, 2) and sleeves (B, 2, *SLEEVE_SHAPE, 2): the grids on the garment picture; size (H, W) px.
    """
    on_body = torso_grid(placement.torso)
    step = max(1, -(-max(size) // RASTER_LONG_SIDE))
    padded = tuple(-(-s // step) * step for s in size)
    maps = []
    for target, source, triangle, across in (
        (on_body, torso, topology.torso, topology.torso_across),
        (sleeve_grid(placement.sleeves), sleeves, topology.sleeves, topology.sleeve_across),
    ):
        vertices, places = target.flatten(1, -2), source.flatten(1, -2)
        attributes = torch.cat([places, across[None, :, None].expand(len(vertices), -1, -1)], -1)
        ids = triangle_ids(vertices, triangle, (padded[0], padded[1]), step)
        values = evaluate(ids, affine_maps(vertices, attributes, triangle), step, OUTSIDE)
        maps.append(values[..., : size[0], : size[1]])
    return Warp(maps[0], maps[1])


def sample(texture: Tensor, place: Tensor, scale: Tensor) -> Tensor:
    """Texture (B, C, h, w) at garment places (B, 2, H, W) px -> (B, C, H, W); zero outside. scale (B,) texture px a picture px."""
    size = torch.tensor([texture.shape[-1], texture.shape[-2]], device=texture.device, dtype=texture.dtype)
    # pixel centres at whole numbers in the picture; align_corners=False wants edges
    grid = ((place.permute(0, 2, 3, 1) + 0.5) * scale[:, None, None, None] / size) * 2 - 1
    return nn.grid_sample(texture, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def layers(texture: Tensor, scale: Tensor, warped: Warp, sleeved: Tensor) -> Layers:
    """Samples a garment through its warp; sleeved (B,) 0 or 1."""
    torso = sample(texture[:, : BACK + 1], warped.torso[:, :2], scale)
    cloth = sample(torch.cat([texture[:, RGB], texture[:, SLEEVES : SLEEVES + 1]], 1), warped.sleeves[:, :2], scale)
    return Layers(
        torso=torso[:, RGB] * 255,
        torso_alpha=torso[:, TORSO : TORSO + 1],
        back_alpha=torso[:, BACK : BACK + 1],
        torso_across=warped.torso[:, 2:].clamp(-2, 2),
        sleeves=cloth[:, RGB] * 255,
        sleeve_alpha=cloth[:, 3:] * sleeved[:, None, None, None],
        sleeve_across=warped.sleeves[:, 2:].clamp(-2, 2),
    )
