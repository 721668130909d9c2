"""Pattern pieces as curvilinear grids: the torso and two strips, laid alike on the garment picture and on the body.
The strips are the sleeves of tops and dresses, and the legs or halves of lower garments.

A grid is spanned by the piece's outline curves. Because garment and body use the same construction, the warp is the
identity when the curves are equal, neighbouring pieces share their seam exactly, and the topology (which vertices make
a triangle) is a constant for all garments: a batch of drapes needs no per-garment tables. All grids are (B, R, C, 2)
float32 px, row 0 at the top, column 0 at the picture's left for the torso and at the outer edge for sleeves.

Torso rows: COLLAR_ROWS above the shoulder line, the shoulder line, YOKE_ROWS down to the armpits, BODY_ROWS down to
the hem, one row of margin. Torso columns: parameter u from -1 (left outline) to 1 (right), one column of margin on
either side; the neck points lie on the columns u = -NECK_U and u = NECK_U.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

COLLAR_ROWS = 4
YOKE_ROWS = 10
BODY_ROWS = 18
COLUMNS = 20
NECK_U = 0.4
"""|u| of the neck points; a multiple of 2 / COLUMNS so that they are vertices."""
LIFT_U = 0.6
"""|u| up to which the yoke is lifted."""
RIDGE_COLUMNS = round((1 - NECK_U) * COLUMNS / 2)
"""Columns from a neck point to the shoulder tip."""
TIP_RISE = 0.2
"""Height of the strip above the shoulder tips as a share of its height above the neck points."""
SLEEVE_INSET = 0.06
"""A sleeve's grid ends this share of its width inside the inner edge, which then lies in the margin: of a wide sleeve laid over
the torso the inner edge is short and ragged, and its rows must end on cloth."""
SLEEVE_ROWS = 16
SLEEVE_COLUMNS = 6

WAIST_ROW = 6
"""Row of the body, counted from the armpits, at which the waist of a dress lies."""
CROTCH_ROW = 6
"""Row of a strip at which the crotch of trousers lies."""
SLEEVE_MARGIN = 0.45
"""Width of a sleeve's inner margin, in columns: it holds what `SLEEVE_INSET` cuts off. Wider, its rows would cross where they
fan out from a short inner edge."""
FAN = 0.5
"""A sleeve fans out when its inner edge is shorter than this share of the outer one."""
LEG_MARGIN = 0.25
"""Inner margin of the strips of lower garments: at the crotch, where legs that hang side by side in the picture are spread, a
wide one would show ragged bits of it far from the leg."""
CUFF_MARGIN = 3
"""Rows' lengths of margin beyond the cuff: the rows of a cap sleeve are short, and its opening bulges."""

TORSO_SHAPE = (COLLAR_ROWS + YOKE_ROWS + BODY_ROWS + 2, COLUMNS + 3)
SLEEVE_SHAPE = (SLEEVE_ROWS + 2, SLEEVE_COLUMNS + 3)
SHOULDER_ROW = COLLAR_ROWS
ARMPIT_ROW = COLLAR_ROWS + YOKE_ROWS
HEM_ROW = COLLAR_ROWS + YOKE_ROWS + BODY_ROWS


@dataclass(frozen=True, slots=True)
class TorsoCurves:
    """Outline of a torso. All (B, ...) float32 px; axis 1 is left, right."""

    neck: Tensor
    """(B, 2, 2) side neck points."""
    shoulder: Tensor
    """(B, 2, 2) shoulder tips."""
    ridge: Tensor
    """(B, 2, RIDGE_COLUMNS - 1, 2) top of the shoulder between the neck point and the tip, in that order, at even
    distances across."""
    armpit: Tensor
    """(B, 2, 2)."""
    armhole: Tensor
    """(B, 2, 2) the armhole's edge halfway between shoulder tip and armpit."""
    side: Tensor
    """(B, 2, BODY_ROWS + 1, 2) from the armpits to the hem corners."""
    collar: Tensor
    """(B, 2, 2) offset from the neck points to the top of what stands above them."""
    lift: Tensor
    """(B, 2) px by which the middle of the yoke, where the neckline is, is moved."""
    middle: Tensor
    """(B, YOKE_ROWS + BODY_ROWS + 1) slope of the row at its middle against its mean slope: 1 spaces columns evenly,
    less keeps the middle (where prints are) smaller than a stretched outline would make it."""


@dataclass(frozen=True, slots=True)
class SleeveCurves:
    """Outlines of both sleeves, (B, 2, SLEEVE_ROWS + 1, 2) px each: from shoulder tip and from armpit to the cuff."""

    outer: Tensor
    inner: Tensor


def torso_grid(curves: TorsoCurves) -> Tensor:
    """(B, *TORSO_SHAPE, 2) vertices of the torso."""
    device, dtype = curves.neck.device, curves.neck.dtype
    u = torch.linspace(-1, 1, COLUMNS + 1, device=device, dtype=dtype)
    # rows between their two outline points
    share = torch.linspace(0, 1, YOKE_ROWS + 1, device=device, dtype=dtype)[None, None, :, None]
    yoke = curves.shoulder[:, :, None] * (1 - share) + curves.armpit[:, :, None] * share
    yoke = yoke + 4 * share * (1 - share) * (curves.armhole - (curves.shoulder + curves.armpit) / 2)[:, :, None]
    ends = torch.cat([yoke[:, :, :-1], curves.side], 2)  # (B, 2, rows, 2)
    centre, half = (ends[:, 0] + ends[:, 1]) / 2, (ends[:, 1] - ends[:, 0]) / 2
    slope = curves.middle[..., None]
    f = slope * u + (1 - slope) * u**3  # (B, rows, columns), monotone for slopes in 0..1.5
    rows = centre[:, :, None] + half[:, :, None] * f[..., None]
    # the shoulder line runs over the neck points; its departure from a straight row fades towards the armpits
    line = _shoulder_line(curves)
    bump = line - rows[:, 0]
    fade = torch.zeros(rows.shape[1], device=device, dtype=dtype)
    fade[: YOKE_ROWS + 1] = (1 - torch.linspace(0, 1, YOKE_ROWS + 1, device=device, dtype=dtype)) ** 2
    rows = rows + fade[None, :, None, None] * bump[:, None]
    t = torch.linspace(0, 1, YOKE_ROWS + 1, device=device, dtype=dtype)
    hollow = torch.zeros(rows.shape[1], device=device, dtype=dtype)
    hollow[: YOKE_ROWS + 1] = 4 * t * (1 - t)
    near = (1 - (u / LIFT_U) ** 2).clamp_min(0) ** 2
    rows = rows + (hollow[:, None] * near)[None, :, :, None] * curves.lift[:, None, None]
    # what stands above the shoulder line follows the neck points
    mix = ((u / NECK_U).clamp(-1, 1) + 1) / 2
    rise = curves.collar[:, 0, None] * (1 - mix)[None, :, None] + curves.collar[:, 1, None] * mix[None, :, None]
    # nothing stands above a shoulder tip
    low = (1 - (1 - TIP_RISE) * (u.abs() - NECK_U).clamp_min(0) / (1 - NECK_U))[None, :, None]
    step = torch.linspace(1, 1 / COLLAR_ROWS, COLLAR_ROWS, device=device, dtype=dtype)[None, :, None, None]
    margin = half[:, :, None] * (2 / COLUMNS)
    rows = torch.cat([rows[:, :, :1] - margin, rows, rows[:, :, -1:] + margin], 2)
    rise = rise * low
    rise = torch.cat([rise[:, :1], rise, rise[:, -1:]], 1)
    above = rows[:, :1] + rise[:, None] * step
    return torch.cat([above, rows, 2 * rows[:, -1:] - rows[:, -2:-1]], 1)


def sleeve_grid(curves: SleeveCurves, inner_margin: float = SLEEVE_MARGIN) -> Tensor:
    """(B, 2, *SLEEVE_SHAPE, 2) vertices of the strips; inner_margin: width of the inner margin in columns."""
    v = torch.linspace(0, 1, SLEEVE_COLUMNS + 1, device=curves.outer.device, dtype=curves.outer.dtype)[:, None]
    grid = curves.outer[..., None, :] * (1 - v) + curves.inner[..., None, :] * v
    grid = torch.cat([grid, grid[:, :, -1:] + CUFF_MARGIN * (grid[:, :, -1:] - grid[:, :, -2:-1])], 2)
    outer = 2 * grid[:, :, :, :1] - grid[:, :, :, 1:2]
    step = grid[:, :, :, -1:] - grid[:, :, :, -2:-1]
    # rows that fan out from a short inner edge would cross beyond it: there the margin is the edge, moved
    fans = _length(curves.inner) < FAN * _length(curves.outer)
    step = torch.where(fans[:, :, None, None, None], step.mean(2, keepdim=True), step)
    inner = grid[:, :, :, -1:] + inner_margin * step
    return torch.cat([outer, grid, inner], 3)


def _length(curve: Tensor) -> Tensor:
    """(B, 2) px of curves (B, 2, N, 2)."""
    length: Tensor = (curve[:, :, 1:] - curve[:, :, :-1]).norm(dim=-1).sum(-1)
    return length


def _shoulder_line(curves: TorsoCurves) -> Tensor:
    """(B, COLUMNS + 1, 2): tip, ridge, neck point, straight across, neck point, ridge, tip."""
    between = COLUMNS - 2 * RIDGE_COLUMNS
    share = torch.linspace(0, 1, between + 1, device=curves.neck.device, dtype=curves.neck.dtype)[None, :, None]
    across = curves.neck[:, :1] * (1 - share) + curves.neck[:, 1:] * share
    return torch.cat([curves.shoulder[:, :1], curves.ridge[:, 0].flip(1), across, curves.ridge[:, 1], curves.shoulder[:, 1:]], 1)


@cache
def triangles(shape: tuple[int, int]) -> np.ndarray:
    """(T, 3) int64 vertex numbers of a grid of `shape` vertices, two triangles a cell, diagonals alternating."""
    rows, columns = shape
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    a, b = i * columns + j, i * columns + j + 1
    c, d = a + columns, b + columns
    even = ((i + j) % 2 == 0)[..., None]
    first = np.where(even, np.stack([a, b, d], -1), np.stack([a, b, c], -1))
    second = np.where(even, np.stack([a, d, c], -1), np.stack([b, d, c], -1))
    return np.stack([first, second], 2).reshape(-1, 3)


def resample(curve: np.ndarray, count: int) -> np.ndarray:
    """(count, 2) points evenly spaced by arc length along a polyline (N, 2)."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    at = np.linspace(0, length[-1], count)
    return np.stack([np.interp(at, length, curve[:, c]) for c in (0, 1)], -1).astype(np.float32)
