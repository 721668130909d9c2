"""The ground of a packshot as a smooth surface of colour, and how far each pixel is from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from models.errors import GarmentNotIsolated
from models.garment.maskops import local_max, product
from models.types import BoolArray, FloatArray, Picture

SOFTEN_PX: Final = 0.7
"""Blur radius before colours are compared."""
RING_SHARE: Final = 0.015
"""Width of the border ring the ground is first read from, share of the shorter side."""
RING_STEP: Final = 3
"""Every so many pixels of the ring are used."""
WIDE_STEP: Final = 8
"""And every so many pixels of all of the ground."""
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
UNIT: Final = (np.arange(256) / 255).astype(np.float32)
"""0..1 of 8-bit values."""

F = TypeVar("F", np.float32, np.float64)


@dataclass(frozen=True, slots=True)
class Ground:
    """Distances of each pixel (h, w) from the ground's surface, Lab units."""

    distance: FloatArray
    difference: FloatArray
    """(3, h, w) Lab of the pixel less that of the ground."""
    chroma: FloatArray
    """Length of the difference's a and b."""
    noise: float
    """95th percentile of the ground's own distances."""
    threshold: float
    """Distance up to which a pixel may be ground."""
    jpeg_reach: int
    """How far, px, JPEG spreads an edge of lightness; an edge of colour, which it keeps at half the size, twice as far."""
    _largest: dict[tuple[str, int], FloatArray] = field(default_factory=dict)

    def light_within(self, reach: int) -> FloatArray:
        """(h, w) the largest difference of lightness within `reach` px to each side."""
        return self._within("light", reach)

    def chroma_within(self, reach: int) -> FloatArray:
        """(h, w) the largest `chroma` within `reach` px to each side."""
        return self._within("chroma", reach)

    def _within(self, name: str, reach: int) -> FloatArray:
        """Grown from the widest that is known: the largest of what is the largest nearby."""
        known = max((r for n, r in self._largest if n == name and r <= reach), default=0)
        if known < reach:
            nearer = self._largest[name, known] if known else (self.chroma if name == "chroma" else np.abs(self.difference[0]))
            self._largest[name, reach] = local_max(nearer, reach - known)
        return self._largest[name, reach]


def ground_of(picture: Picture, factor: float = 1.0) -> Ground:
    """Fits the ground to the border of `picture` (h, w, 3), then to all that agrees with it.

    `factor`: px of `picture` for each px it had when it was compressed.

    Raises GarmentNotIsolated when the ground is not plain.
    """
    height, width = picture.shape[:2]
    soft = cv2.LUT(cv2.GaussianBlur(picture, (0, 0), SOFTEN_PX), UNIT)
    lab = np.asarray(cv2.cvtColor(soft, cv2.COLOR_RGB2LAB), np.float32)
    ring = max(3, round(RING_SHARE * min(height, width)))
    where = np.zeros((height, width), bool)
    where[:ring] = where[-ring:] = True
    where[:, :ring] = where[:, -ring:] = True
    sample = np.zeros_like(where)
    sample[::RING_STEP, ::RING_STEP] = True
    sample &= where
    coefficients, residual = _fit(lab, sample, degree=1)
    scale = 1.4826 * float(np.median(residual))
    near = residual < max(3.0, 3 * scale)
    if near.mean() < RING_AGREES or scale > BUSY:
        raise GarmentNotIsolated("The ground is not plain: send a picture of the garment on a plain, even ground.")
    # the whole ground, not its border only: gradients bend
    coarse = np.s_[::WIDE_STEP, ::WIDE_STEP]
    surface = _surface(coefficients, (height, width), 1, WIDE_STEP)
    sample[coarse] |= _distance(*(np.moveaxis(lab[coarse], 2, 0) - surface)) < max(6.0, 4 * scale)
    coefficients, _ = _fit(lab, sample, degree=2)
    difference = _surface(coefficients, (height, width), 2)
    for plane, values in zip(difference, cv2.split(lab), strict=True):
        np.subtract(values, plane, out=plane)
    distance = _distance(*difference)
    border = distance[where]
    spread = float(np.percentile(border[border < max(3.0, 4 * 1.4826 * float(np.median(border)))], 95))
    return Ground(
        distance=distance,
        difference=difference,
        chroma=np.asarray(cv2.magnitude(difference[1], difference[2]), np.float32),
        noise=spread,
        threshold=max(THRESHOLD_FLOOR, THRESHOLD_NOISE * spread),
        jpeg_reach=int(np.clip(round(JPEG_REACH * factor), *JPEG_REACHES)),
    )


def _distance(lightness: npt.NDArray[F], a: npt.NDArray[F], b: npt.NDArray[F]) -> npt.NDArray[F]:
    """Length of differences of colour."""
    squares = a * a
    squares += b * b
    squares *= CHROMA_WEIGHT
    squares += lightness * lightness
    result: npt.NDArray[F] = np.sqrt(squares, out=squares)
    return result


def _powers(degree: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]


def _fit(lab: FloatArray, sample: BoolArray, degree: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Coefficients (terms, 3) of a robust polynomial surface through the sampled pixels, and their (n,) distances from it."""
    height, width = lab.shape[:2]
    ys, xs = np.divmod(np.flatnonzero(sample), width)
    values = np.ascontiguousarray(lab[ys, xs].T, np.float64)
    x, y = xs / width * 2 - 1, ys / height * 2 - 1
    basis = np.stack([x**i * y**j for i, j in _powers(degree)])
    residual: npt.NDArray[np.float64] = _distance(*(values - np.median(values, 1, keepdims=True)))
    coefficients: npt.NDArray[np.float64] = np.zeros((len(basis), 3))
    for _ in range(FIT_ROUNDS):
        scale = max(0.7, 1.4826 * float(np.median(residual)))
        weighted = basis / (1.0 + (residual / (2 * scale)) ** 2) ** 2
        normal, right = product(weighted, basis.T) + 1e-3 * np.eye(len(basis)), product(weighted, values.T)
        coefficients = np.asarray(np.linalg.solve(normal, right), np.float64)
        residual = _distance(*(values - product(coefficients.T, basis)))
    return coefficients, residual


def _surface(coefficients: npt.NDArray[np.float64], shape: tuple[int, int], degree: int, step: int = 1) -> FloatArray:
    """(3, h, w) a polynomial of x and y in a picture of `shape`, at every `step`th pixel."""
    across, down = (np.linspace(-1, 1, n)[::step] for n in (shape[1], shape[0]))
    of_x = np.zeros((degree + 1, 3, len(down), 1))
    for (i, j), terms in zip(_powers(degree), coefficients, strict=True):
        of_x[i] += (terms[:, None] * down**j)[..., None]
    rows, x = of_x.astype(np.float32), across.astype(np.float32)
    surface = np.empty((3, len(down), len(x)), np.float32)
    for k in range(3):
        plane = surface[k]
        np.multiply(rows[degree, k], x, out=plane)
        for i in range(degree - 1, 0, -1):
            plane += rows[i, k]
            plane *= x
        plane += rows[0, k]
    return surface
