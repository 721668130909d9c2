"""Triangles to pixels: which triangle covers which reduced pixel, and what its affine map is. Like `models.drape.raster`."""

from __future__ import annotations

import numpy as np

from models.kernels.compiled import compiled
from models.types import FloatArray, IntArray

F = np.float32
HALF, SLACK, DEGENERATE = F(0.5), F(1e-3), F(1e-6)


@compiled
def rasterise(ids: IntArray, rows: IntArray, vertices: FloatArray, triangles: IntArray, step: int, most: int) -> None:
    """Writes the number of the last triangle that covers it into every reduced pixel of `ids` (h, w), which holds -1.

    vertices (V, 2) px; triangles (T, 3); most: what of a triangle is covered, reduced px. Widens `rows` (h, 2), the first and
    one past the last covered reduced column of every row.
    """
    height, width = ids.shape
    by = F(1) / F(step)
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay = (vertices[i, 0] + HALF) * by, (vertices[i, 1] + HALF) * by
        bx, by_ = (vertices[j, 0] + HALF) * by, (vertices[j, 1] + HALF) * by
        cx, cy = (vertices[k, 0] + HALF) * by, (vertices[k, 1] + HALF) * by
        low_x, low_y = np.floor(min(ax, bx, cx)), np.floor(min(ay, by_, cy))
        high_x, high_y = max(ax, bx, cx), max(ay, by_, cy)
        if not (low_x < width and low_y < height and high_x > 0 and high_y > 0):
            continue
        x0, y0 = max(0, int(low_x)), max(0, int(low_y))
        x1 = min(width, int(low_x) + most, int(high_x) + 1)
        y1 = min(height, int(low_y) + most, int(high_y) + 1)
        for y in range(y0, y1):
            py = F(y) + HALF
            # each edge's function along the row: its value at x is start + slope * x
            ab0 = (bx - ax) * (py - ay) + (by_ - ay) * (ax - HALF)
            bc0 = (cx - bx) * (py - by_) + (cy - by_) * (bx - HALF)
            ca0 = (ax - cx) * (py - cy) + (ay - cy) * (cx - HALF)
            first, last = -1, -1
            for x in range(x0, x1):
                fx = F(x)
                ab, bc, ca = ab0 - (by_ - ay) * fx, bc0 - (cy - by_) * fx, ca0 - (ay - cy) * fx
                if (ab >= -SLACK and bc >= -SLACK and ca >= -SLACK) or (ab <= SLACK and bc <= SLACK and ca <= SLACK):
                    ids[y, x] = t
                    if first < 0:
                        first = x
                    last = x
            if first >= 0:
                rows[y, 0] = min(rows[y, 0], first)
                rows[y, 1] = max(rows[y, 1], last + 1)


@compiled
def affine_maps(vertices: FloatArray, attributes: FloatArray, triangles: IntArray) -> FloatArray:
    """(T, C, 3) per triangle the affine map from place to attributes; vertices (V, 2) px, attributes (V, C)."""
    count, channels = triangles.shape[0], attributes.shape[1]
    maps = np.empty((count, channels, 3), np.float32)
    for t in range(count):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy = vertices[j, 0] - vertices[i, 0], vertices[j, 1] - vertices[i, 1]
        vx, vy = vertices[k, 0] - vertices[i, 0], vertices[k, 1] - vertices[i, 1]
        area = ux * vy - uy * vx
        if abs(area) < DEGENERATE:
            area = DEGENERATE
        for c in range(channels):
            f1, f2 = attributes[j, c] - attributes[i, c], attributes[k, c] - attributes[i, c]
            gx, gy = (f1 * vy - f2 * uy) / area, (f2 * ux - f1 * vx) / area
            maps[t, c, 0], maps[t, c, 1] = gx, gy
            maps[t, c, 2] = attributes[i, c] - gx * vertices[i, 0] - gy * vertices[i, 1]
    return maps


@compiled
def band_spans(rows: IntArray, step: int, band: int, reach: int, height: int, width: int) -> IntArray:
    """(bands, 2) first and one past the last column, px, within `reach` px of covered `rows` (as of `rasterise`): whole bands wide.

    Of a photo of height by width px; from 0 to 0 where there is nothing.
    """
    bands = (height + band - 1) // band
    spans = np.zeros((bands, 2), np.int64)
    for b in range(bands):
        low, high = width, 0
        for r in range(max(b * band - reach, 0) // step, min((b * band + band + reach - 1) // step + 1, rows.shape[0])):
            if rows[r, 0] < rows[r, 1]:
                low, high = min(low, rows[r, 0] * step - reach), max(high, rows[r, 1] * step + reach)
        if low < high:
            spans[b, 0] = max(low, 0) // band * band
            spans[b, 1] = min((min(high, width) + band - 1) // band * band, width)
    return spans
