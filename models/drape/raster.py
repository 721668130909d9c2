"""Rasterises grids: which triangle covers which pixel, then each triangle's affine map at pixel centres.

Only triangle numbers are rasterised (at a reduced resolution); what a pixel shows is then computed from its triangle's
affine map at full resolution, which is sharper and cheaper than rasterising coordinates. Shapes are fixed, nothing is
read back from the device.
"""

from __future__ import annotations

import torch
from torch import Tensor

TILE = 32
TILE_MOST = 96
"""Largest extent of a triangle in reduced pixels that is covered: of most, and of the LARGE largest; larger ones would leave holes."""
LARGE = 128
"""Beyond a cuff and where somebody fills a small photo triangles are large, but never many."""


def needed_tile(vertices: Tensor, triangles: Tensor, step: int) -> int:
    """The smallest tile that holds every triangle. Reads back from the device: for the CPU only, where small tiles pay."""
    corners = vertices[:, triangles]
    extent = float((corners.amax(2) - corners.amin(2)).max()) / step
    return min(TILE_MOST, int(extent) + 2)


def triangle_ids(vertices: Tensor, triangles: Tensor, size: tuple[int, int], step: int, tile: int | None = None) -> Tensor:
    """Which triangle covers each reduced pixel.

    vertices (B, V, 2) px; triangles (T, 3); size (H, W) px, multiples of `step`; tile: extent in reduced pixels up to which triangles
    are covered, None: TILE, and TILE_MOST for the LARGE largest. Returns (B, H/step, W/step) int64, -1 where there is none; where
    several cover a pixel the one with the highest number wins.
    """
    height, width = size[0] // step, size[1] // step
    corners = (vertices[:, triangles] + 0.5) / step  # (B, T, 3, 2), pixel edges at whole numbers
    batch, count = corners.shape[:2]
    ids = torch.full((batch, height * width + 1), -1, device=vertices.device, dtype=torch.int64)
    number = torch.arange(count, device=vertices.device).expand(batch, -1)
    _cover(ids, corners, number, (height, width), TILE if tile is None else tile)
    if tile is None:
        low, high = corners.amin(2), corners.amax(2)
        seen = (high > 0).all(-1) & (low[..., 0] < width) & (low[..., 1] < height)
        large = torch.where(seen, (high - low).amax(-1), 0.0).topk(min(LARGE, count), 1).indices
        chosen = corners.gather(1, large[:, :, None, None].expand(-1, -1, 3, 2))
        _cover(ids, chosen, large, (height, width), TILE_MOST)
    return ids[:, : height * width].reshape(batch, height, width)


def _cover(ids: Tensor, corners: Tensor, number: Tensor, size: tuple[int, int], tile: int) -> None:
    """Writes into `ids` (B, H * W + 1) the `number` (B, T) of the last triangle of `corners` (B, T, 3, 2) that covers a pixel.

    The last place of `ids` takes what covers none.
    """
    height, width = size
    low = corners.amin(2).floor()
    span = torch.arange(tile, device=corners.device, dtype=corners.dtype)
    px = low[..., 0, None, None] + span[None, None, None, :]  # (B, T, 1, S)
    py = low[..., 1, None, None] + span[None, None, :, None]  # (B, T, S, 1)
    a, b, c = corners[:, :, 0], corners[:, :, 1], corners[:, :, 2]

    def edge(p: Tensor, q: Tensor) -> Tensor:
        dx, dy = (q - p)[..., 0, None, None], (q - p)[..., 1, None, None]
        return dx * (py + 0.5 - p[..., 1, None, None]) - dy * (px + 0.5 - p[..., 0, None, None])

    ab, bc, ca = edge(a, b), edge(b, c), edge(c, a)
    slack = 1e-3
    covers = ((ab >= -slack) & (bc >= -slack) & (ca >= -slack)) | ((ab <= slack) & (bc <= slack) & (ca <= slack))
    covers = covers & (px >= 0) & (px < width) & (py >= 0) & (py < height)
    index = torch.where(covers, (py * width + px).to(torch.int64), height * width)
    numbers = number[:, :, None, None].expand_as(index)
    ids.scatter_reduce_(1, index.flatten(1), numbers.flatten(1), "amax")


def affine_maps(vertices: Tensor, attributes: Tensor, triangles: Tensor) -> Tensor:
    """Per triangle the affine map from place to attributes.

    vertices (B, V, 2) px, attributes (B, V, C), triangles (T, 3). Returns (B, T, C, 3): value = m0 * x + m1 * y + m2.
    """
    p, f = vertices[:, triangles], attributes[:, triangles]
    e1, e2 = p[:, :, 1] - p[:, :, 0], p[:, :, 2] - p[:, :, 0]
    det = e1[..., 0] * e2[..., 1] - e1[..., 1] * e2[..., 0]
    det = torch.where(det.abs() < 1e-6, torch.full_like(det, 1e-6), det)[..., None]
    f1, f2 = f[:, :, 1] - f[:, :, 0], f[:, :, 2] - f[:, :, 0]
    gx = (f1 * e2[..., 1, None] - f2 * e1[..., 1, None]) / det
    gy = (f2 * e1[..., 0, None] - f1 * e2[..., 0, None]) / det
    base = f[:, :, 0] - gx * p[:, :, 0, 0, None] - gy * p[:, :, 0, 1, None]
    return torch.stack([gx, gy, base], -1)


def evaluate(ids: Tensor, maps: Tensor, step: int, outside: float) -> Tensor:
    """Attributes at full resolution.

    ids (B, h, w), maps (B, T, C, 3). Returns (B, C, h * step, w * step); `outside` where no triangle covers a pixel.
    """
    batch, height, width = ids.shape
    count, channels = maps.shape[1:3]
    flat = ids.reshape(batch, -1, 1).clamp_min(0).expand(-1, -1, channels * 3)
    chosen = maps.reshape(batch, count, channels * 3).gather(1, flat).reshape(batch, height, width, channels, 3)
    chosen = chosen.permute(4, 0, 3, 1, 2)  # (3, B, C, h, w)
    device, dtype = maps.device, maps.dtype
    x = torch.arange(width * step, device=device, dtype=dtype).reshape(width, step)
    y = torch.arange(height * step, device=device, dtype=dtype).reshape(height, step)
    value = chosen[0][:, :, :, None, :, None] * x[None, None, None, None] + (
        chosen[1][:, :, :, None, :, None] * y[None, None, :, :, None, None] + chosen[2][:, :, :, None, :, None]
    )
    value = torch.where((ids >= 0)[:, None, :, None, :, None], value, torch.full_like(value, outside))
    return value.reshape(batch, channels, height * step, width * step)
