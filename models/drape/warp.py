"""The warp: from placed curves to a garment sampled on the photo's pixels. Torch over a batch, fixed shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as nn
from torch import Tensor

from models.compose.blend import Layers
from models.drape.cut_lower import NOWHERE
from models.drape.frame import Placement
from models.drape.grids import (
    ARMPIT_ROW,
    BODY_ROWS,
    COLUMNS,
    LEG_MARGIN,
    SHOULDER_ROW,
    SLEEVE_COLUMNS,
    SLEEVE_MARGIN,
    SLEEVE_ROWS,
    SLEEVE_SHAPE,
    TORSO_SHAPE,
    WAIST_ROW,
    YOKE_ROWS,
    sleeve_grid,
    torso_grid,
    triangles,
)
from models.drape.raster import affine_maps, evaluate, needed_tile, triangle_ids
from models.drape.texture import BACK, RGB, SLEEVES, TORSO

RASTER_LONG_SIDE = 512
"""Triangles are rasterised at most at this size, which bounds their extent in reduced pixels."""
OUTSIDE = -1e4


@dataclass(frozen=True, slots=True)
class Warp:
    """Garment places for every photo pixel: (B, 4, H, W) x, y in px of the garment picture, then across (-1..1) and
    down (torso: 0 shoulder line, 1 armpits, 2 hem; sleeves: 0 armhole, 1 cuff)."""

    torso: Tensor
    sleeves: Tensor


@dataclass(frozen=True, slots=True)
class Topology:
    """Constant tables of the grids on a device."""

    torso: Tensor
    """(T, 3)."""
    sleeves: Tensor
    """(2 T', 3) of both sleeves' vertices in one list."""
    torso_place: Tensor
    """(V, 2) across and down."""
    sleeve_place: Tensor
    """(2 V', 2)."""

    @classmethod
    def on(cls, device: torch.device) -> Topology:
        count = SLEEVE_SHAPE[0] * SLEEVE_SHAPE[1]
        # where two strips meet, cloth lies over the other's margin: of several triangles on a pixel the last one wins
        margin, cloth = (torch.from_numpy(part) for part in _margin_and_cloth())
        step, narrow = 2 / COLUMNS, 2 / SLEEVE_COLUMNS
        across = torch.linspace(-1 - step, 1 + step, COLUMNS + 3).expand(TORSO_SHAPE)
        yoke, body = (torch.arange(TORSO_SHAPE[0]) - SHOULDER_ROW) / YOKE_ROWS, (torch.arange(TORSO_SHAPE[0]) - ARMPIT_ROW) / BODY_ROWS
        down = torch.where(yoke < 1, yoke, 1 + body)[:, None].expand(TORSO_SHAPE)
        over = torch.linspace(-1 - narrow, 1 + narrow, SLEEVE_COLUMNS + 3).expand(SLEEVE_SHAPE)
        along = (torch.arange(SLEEVE_SHAPE[0]) / SLEEVE_ROWS)[:, None].expand(SLEEVE_SHAPE)
        return cls(
            torso=torch.from_numpy(triangles(TORSO_SHAPE)).to(device),
            sleeves=torch.cat([margin, margin + count, cloth, cloth + count]).to(device),
            torso_place=torch.stack([across, down], -1).reshape(-1, 2).to(device),
            sleeve_place=torch.stack([over, along], -1).reshape(-1, 2).repeat(2, 1).to(device),
        )


def _margin_and_cloth() -> tuple[np.ndarray, np.ndarray]:
    """Triangles (T, 3) of a strip's grid: those of the margin beyond its outline, and the others."""
    table = triangles(SLEEVE_SHAPE)
    row, column = table // SLEEVE_SHAPE[1], table % SLEEVE_SHAPE[1]
    outside = (column == 0) | (column == SLEEVE_SHAPE[1] - 1) | (row > SLEEVE_ROWS)
    margin = outside.any(1)
    return table[margin], table[~margin]


def warp(placement: Placement, torso: Tensor, sleeves: Tensor, topology: Topology, size: tuple[int, int], fixed: bool = True) -> Warp:
    """Lays the grids on the body and inverts them; arguments as of `meshes`; size (H, W) px; fixed: False for `needed_tile`."""
    step = raster_step(size)
    padded = tuple(-(-s // step) * step for s in size)
    maps = []
    for vertices, attributes, triangle in meshes(placement, torso, sleeves, topology):
        tile = None if fixed else needed_tile(vertices, triangle, step)
        ids = triangle_ids(vertices, triangle, (padded[0], padded[1]), step, tile)
        values = evaluate(ids, affine_maps(vertices, attributes, triangle), step, OUTSIDE)
        maps.append(values[..., : size[0], : size[1]])
    return Warp(maps[0], maps[1])


def raster_step(size: tuple[int, int]) -> int:
    """Px of a photo of `size` (H, W) to a reduced pixel."""
    return max(1, -(-max(size) // RASTER_LONG_SIDE))


def meshes(placement: Placement, torso: Tensor, sleeves: Tensor, topology: Topology) -> tuple[tuple[Tensor, Tensor, Tensor], ...]:
    """The grids on the body, torso and strips: vertices (B, V, 2) px, attributes (B, V, 4) as in `Warp`, triangles (T, 3).

    torso (B, *TORSO_SHAPE, 2) and sleeves (B, 2, *SLEEVE_SHAPE, 2): the grids on the garment picture.
    """
    on_body = torch.full_like(torso, NOWHERE) if placement.torso is None else torso_grid(placement.torso)
    # of two pixels' triangles the later one wins: the strip in front comes last
    order = (placement.left_on_top > 0.5)[:, None, None, None, None]
    strips = sleeve_grid(placement.sleeves, LEG_MARGIN if placement.torso is None else SLEEVE_MARGIN)
    strips, sleeves = torch.where(order, strips.flip(1), strips), torch.where(order, sleeves.flip(1), sleeves)
    found = []
    for target, source, triangle, inside in (
        (on_body, torso, topology.torso, topology.torso_place),
        (strips, sleeves, topology.sleeves, topology.sleeve_place),
    ):
        vertices, places = target.flatten(1, -2), source.flatten(1, -2)
        found.append((vertices, torch.cat([places, inside[None].expand(len(vertices), -1, -1)], -1), triangle))
    return tuple(found)


def sample(texture: Tensor, place: Tensor, scale: Tensor) -> Tensor:
    """Texture (B, C, h, w) at garment places (B, 2, H, W) px -> (B, C, H, W); zero outside. scale (B,) texture px a picture px."""
    # pixel centres at whole numbers in the picture; align_corners=False wants edges
    edges = (place + 0.5) * scale[:, None, None, None]
    grid = torch.stack([edges[:, 0] / texture.shape[-1], edges[:, 1] / texture.shape[-2]], -1) * 2 - 1
    return nn.grid_sample(texture, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def layers(texture: Tensor, scale: Tensor, warped: Warp, sleeved: Tensor, dress: Tensor) -> Layers:
    """Samples a garment through its warp; sleeved and dress (B,) 0 or 1."""
    torso = sample(texture[:, : BACK + 1], warped.torso[:, :2], scale)
    cloth = sample(torch.cat([texture[:, RGB], texture[:, SLEEVES : SLEEVES + 1]], 1), warped.sleeves[:, :2], scale)
    return Layers(
        torso=torso[:, RGB] * 255,
        torso_alpha=torso[:, TORSO : TORSO + 1],
        back_alpha=torso[:, BACK : BACK + 1],
        torso_place=warped.torso[:, 2:].clamp(-2, 2),
        skirt_from=torch.where(dress > 0.5, 1 + WAIST_ROW / BODY_ROWS, 3.0),
        sleeves=cloth[:, RGB] * 255,
        sleeve_alpha=cloth[:, 3:] * sleeved[:, None, None, None],
        sleeve_place=warped.sleeves[:, 2:].clamp(-2, 2),
    )
