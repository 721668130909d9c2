"""Filters of small planes: box means and box extremes, whose windows end at the plane's edges."""

from __future__ import annotations

import numpy as np

from models.kernels.compiled import compiled
from models.types import FloatArray

F = np.float32


@compiled
def box_mean(plane: FloatArray, radius: int, times: int) -> None:
    """Replaces `plane` (h, w) by the mean of its (2 radius + 1)² neighbourhood, `times` times over."""
    height, width = plane.shape
    rows = np.empty((height, width), np.float32)
    column = np.empty(width, np.float32)
    padded = np.zeros(width + 2 * radius, np.float32)
    share = np.empty(width, np.float32)
    for x in range(width):
        share[x] = F(1) / F(min(x + radius, width - 1) - max(x - radius, 0) + 1)
    for _ in range(times):
        column[:] = F(0)
        for y in range(min(radius, height)):
            own = plane[y]
            for x in range(width):
                column[x] += own[x]
        for y in range(height):
            if y + radius < height:
                own = plane[y + radius]
                for x in range(width):
                    column[x] += own[x]
            if y > radius:
                own = plane[y - radius - 1]
                for x in range(width):
                    column[x] -= own[x]
            part = F(1) / F(min(y + radius, height - 1) - max(y - radius, 0) + 1)
            inner, out = padded[radius : radius + width], rows[y]
            for x in range(width):
                inner[x] = column[x] * part
                out[x] = F(0)
            for k in range(2 * radius + 1):
                shifted = padded[k : k + width]
                for x in range(width):
                    out[x] += shifted[x]
            for x in range(width):
                out[x] *= share[x]
        plane[:] = rows


@compiled
def closed(plane: FloatArray, radius: int) -> FloatArray:
    """Grey closing of `plane` (h, w) by a square of 2 radius + 1."""
    height, width = plane.shape
    far = F(3e38)
    source = plane
    rows = np.empty((height, width), np.float32)
    padded = np.empty(width + 2 * radius, np.float32)
    for sign in (1, -1):
        turn = F(sign)
        result = np.empty((height, width), np.float32)
        padded[:] = -far
        for y in range(height):
            inner = padded[radius : radius + width]
            own, out = source[y], rows[y]
            for x in range(width):
                inner[x] = turn * own[x]
                out[x] = -far
            for k in range(2 * radius + 1):
                shifted = padded[k : k + width]
                for x in range(width):
                    out[x] = max(out[x], shifted[x])
        for y in range(height):
            out = result[y]
            out[:] = -far
            for k in range(max(0, y - radius), min(height, y + radius + 1)):
                own = rows[k]
                for x in range(width):
                    out[x] = max(out[x], own[x])
            for x in range(width):
                out[x] *= turn
        source = result
    return source


@compiled
def wide_only(over: FloatArray, radius: int) -> None:
    """Of a plane `over` (h, w) of 0 and 1 what is wider than 2 radius, a little more than it was and rounded; see `compose.trim`."""
    height, width = over.shape
    enough = F(1e-4)
    box_mean(over, radius, 1)
    for y in range(height):
        for x in range(width):
            over[y, x] = F(1) if over[y, x] > F(1) - enough else F(0)
    box_mean(over, radius + 2, 1)
    for y in range(height):
        for x in range(width):
            over[y, x] = F(1) if over[y, x] > enough else F(0)
    box_mean(over, radius, 2)
    steep = F(2 * radius)
    for y in range(height):
        for x in range(width):
            over[y, x] = min(max((over[y, x] - F(0.5)) * steep + F(0.5), F(0)), F(1))
