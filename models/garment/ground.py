"""The ground of a packshot as a smooth surface of colour, and how far each pixel is from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from models.errors import GarmentNotIsolated
from models.types import FloatArray, Picture

SOFTEN_PX: Final = 0.7
"""Blur radius before colours are compared."""
RING_SHARE: Final = 0.015
"""Width of the border ring the ground is first read from, share of the shorter side."""
RING_STEP: Final = 3
"""Every so many pixels of the ring are used."""
SURFACE_PX: Final = 65
"""The surface is evaluated on so many points a side and interpolated."""
FIT_ROUNDS: Final = 8
CHROMA_WEIGHT: Final = 0.6
"""Squared chroma difference against squared lightness difference: JPEG keeps chroma coarser."""
THRESHOLD_FLOOR: Final = 0.8
"""Lab units: what is closer to the ground than this is never told from it (8-bit steps and JPEG)."""
THRESHOLD_NOISE: Final = 1.35
"""The threshold over the 95th percentile of the ground's own distances."""
JPEG_REACH: Final = 7
"""JPEG spreads an edge within its blocks of 8 px."""
JPEG_REACHES: Final = (7, 11)
"""Bounds after resizing: pictures have often been resized, and compressed, before."""
BUSY: Final = 11.0
"""Lab units: a ground with more noise than this has a pattern."""
RING_AGREES: Final = 0.5
"""At least this share of the ring must lie close to the surface."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Distances of each pixel (h, w) from the ground's surface, Lab units."""

    distance: FloatArray
    difference: FloatArray
    """(h, w, 3) Lab of the pixel less that of the ground."""
    chroma: FloatArray
    """Length of the difference's a and b."""
    noise: float
    """95th percentile of the ground's own distances."""
    threshold: float
    """Distance up to which a pixel may be ground."""
    jpeg_reach: int
    """How far, px, JPEG spreads an edge of lightness; an edge of colour, which it keeps at half the size, twice as far."""


def ground_of(picture: Picture, factor: float = 1.0) -> Ground:
    """Fits the ground to the border of `picture` (h, w, 3), then to all that agrees with it.

    `factor`: px of `picture` for each px it had when it was compressed.

    Raises GarmentNotIsolated when the ground is not plain.
    """
    height, width = picture.shape[:2]
    soft = np.asarray(cv2.GaussianBlur(picture, (0, 0), SOFTEN_PX), np.float32) / np.float32(255.0)
    lab = np.asarray(cv2.cvtColor(soft, cv2.COLOR_RGB2LAB), np.float32)
    ring = max(3, round(RING_SHARE * min(height, width)))
    where = np.zeros((height, width), bool)
    where[:ring] = where[-ring:] = True
    where[:, :ring] = where[:, -ring:] = True
    grid = np.zeros_like(where)
    grid[::RING_STEP, ::RING_STEP] = True
    surface, residual = _fit(lab, where & grid, degree=1)
    scale = 1.4826 * float(np.median(residual))
    near = residual < max(3.0, 3 * scale)
    if near.mean() < RING_AGREES or scale > BUSY:
        raise GarmentNotIsolated("The ground is not plain: send a picture of the garment on a plain, even ground.")
    distance = _distance(lab, surface)
    # the whole ground, not its border only: gradients bend
    everywhere = np.zeros_like(where)
    everywhere[::8, ::8] = True
    sample = everywhere & (distance < max(6.0, 4 * scale)) | (where & grid)
    surface, residual = _fit(lab, sample, degree=2)
    border = _distance(lab, surface)[where]
    spread = float(np.percentile(border[border < max(3.0, 4 * 1.4826 * float(np.median(border)))], 95))
    difference = lab - surface
    return Ground(
        distance=_distance(lab, surface),
        difference=difference,
        chroma=np.hypot(difference[..., 1], difference[..., 2]),
        noise=spread,
        threshold=max(THRESHOLD_FLOOR, THRESHOLD_NOISE * spread),
        jpeg_reach=int(np.clip(round(JPEG_REACH * factor), *JPEG_REACHES)),
    )


def _distance(lab: FloatArray, surface: FloatArray) -> FloatArray:
    d = lab - surface
    result: FloatArray = np.sqrt(d[..., 0] ** 2 + CHROMA_WEIGHT * (d[..., 1] ** 2 + d[..., 2] ** 2))
    return result


def _basis(x: FloatArray, y: FloatArray, degree: int) -> FloatArray:
    terms = [x**i * y**j for i in range(degree + 1) for j in range(degree + 1 - i)]
    return np.stack(terms, -1)


def _fit(lab: FloatArray, sample: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], degree: int) -> tuple[FloatArray, FloatArray]:
    """Robust polynomial surface (h, w, 3) through the sampled pixels, and their (n,) distances from it."""
    height, width = lab.shape[:2]
    ys, xs = np.nonzero(sample)
    values = lab[ys, xs]
    basis = _basis(((xs / width) * 2 - 1).astype(np.float32), ((ys / height) * 2 - 1).astype(np.float32), degree)
    start = np.median(values, 0)
    residual = np.sqrt((((values - start) ** 2) * (1, CHROMA_WEIGHT, CHROMA_WEIGHT)).sum(-1))
    coefficients = np.zeros((basis.shape[1], 3), np.float32)
    for _ in range(FIT_ROUNDS):
        scale = max(0.7, 1.4826 * float(np.median(residual)))
        weight = 1.0 / (1.0 + (residual / (2 * scale)) ** 2) ** 2
        weighted = basis * weight[:, None]
        coefficients = np.linalg.solve(weighted.T @ basis + 1e-3 * np.eye(basis.shape[1]), weighted.T @ values).astype(np.float32)
        residual = np.sqrt((((values - basis @ coefficients) ** 2) * (1, CHROMA_WEIGHT, CHROMA_WEIGHT)).sum(-1))
    gx, gy = (np.linspace(-1, 1, SURFACE_PX, dtype=np.float32) for _ in range(2))
    coarse = _basis(*np.meshgrid(gx, gy), degree) @ coefficients
    # the ends of the coarse grid are the picture's ends
    columns, rows = (np.linspace(0, SURFACE_PX - 1, n, dtype=np.float32) for n in (width, height))
    surface = np.asarray(cv2.remap(coarse, *np.meshgrid(columns, rows), cv2.INTER_LINEAR), np.float32)
    return surface, residual.astype(np.float32)
