"""Landmarks of trousers, shorts and skirts, and the map of their halves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from models.errors import GarmentNotReadable
from models.garment.axis import Frame
from models.garment.halves import Half, half_between, resample, to_frame, turning
from models.garment.legs import Parting, find_parting
from models.garment.scale import points_to_picture
from models.garment.upper import PARTS
from models.garment.waistband import Waistband
from models.types import BoolArray, FloatArray, LabelMap, LowerLandmarks

ROWS: Final = 25
"""Points of each of the curves: sides, inseams, centre."""
CORNER_WAIST: Final = (0.35, -0.94)
"""Direction in which the waist's corner lies furthest: more up than out, since skirts flare from there."""
CORNER_HEM: Final = (0.7, 0.7)
CORNER_INNER: Final = (-0.7, 0.7)
WAIST_ROWS: Final = 0.16
"""Share of the height within which the waist's corners lie ..."""
WAIST_DEPTH: Final = 0.3
"""... and share of the width."""
HEM_ROWS: Final = 0.5
"""Hem corners lie in this lower share of a half's height."""
SHARP: Final = 1.2
"""Radians: corners sharper than this count the same."""
SHARP_WORTH: Final = 0.07
"""Garment widths that a radian of sharpness is worth against lying further out."""
CORNER_REACH: Final = 0.05
"""Garment widths over which the outline's turn is measured at corners."""
SLENDEREST: Final = 0.12
"""Share of the height the waist measures at least: what is narrower is no garment laid out flat."""


@dataclass(frozen=True, slots=True)
class LowerMarks:
    """Landmarks of both halves of an upright lower garment."""

    halves: tuple[Half, Half]
    """Each from the middle of the waist round its side and hem to the crotch (skirts: to the middle of the hem)."""
    waist: tuple[int, int]
    """Index of the waist's corner on each half."""
    hem: tuple[int, int]
    """Of the outer hem corner."""
    inner: tuple[int, int] | None
    """Of the inner hem corner; None for skirts."""
    parting: Parting
    top_y: int

    def waist_corners(self, axis_x: float) -> FloatArray:
        """(2, 2) xy in the frame."""
        return np.stack([to_frame(half.points[i], axis_x, k) for k, (half, i) in enumerate(zip(self.halves, self.waist, strict=True))])


def find_lower_marks(mask: BoolArray, axis_x: float) -> LowerMarks:
    """Landmarks of the lower garment `mask` (h, w), upright about `axis_x`.

    Raises GarmentNotReadable when the outline is not that of a lower garment laid out flat.
    """
    parting = find_parting(mask, axis_x)
    columns = np.arange(mask.shape[1], dtype=np.float32)[None]
    rows = np.flatnonzero(mask.any(1))
    sides = (mask & (columns < parting.x_of[:, None] - 0.5), mask & (columns > parting.x_of[:, None] + 0.5))
    top = _row_of_cloth(mask, parting.x_of, first=True)
    end = parting.crotch_y if parting.crotch_y is not None else _row_of_cloth(mask, parting.x_of, first=False)
    if top is None or end is None or end - top < 0.05 * len(rows):
        raise GarmentNotReadable("The garment has no cloth along its middle: lay it out flat, front up.")
    start, stop = (np.array([parting.x_of[y], y], np.float32) for y in (top, end))
    left, right = (half_between(side, start, stop, axis_x, sign) for side, sign in zip(sides, (-1.0, 1.0), strict=True))
    width = float(left.u.max() + right.u.max())
    tall = int(rows[-1] - rows[0] + 1)
    waist, hem, inner = [], [], []
    for half in (left, right):
        waist.append(_waist_corner(half, width, tall))
        hem.append(
            _corner(half, CORNER_HEM, width, waist[-1] + 2, len(half.points), float(half.y.max()) - HEM_ROWS * float(np.ptp(half.y)))
        )
        if parting.crotch_y is not None:
            inner.append(_corner(half, CORNER_INNER, width, hem[-1] + 1, len(half.points), (end + float(half.y.max())) / 2))
    across = float(left.u[waist[0]] + right.u[waist[1]])
    if across < SLENDEREST * tall or min(h - w for h, w in zip(hem, waist, strict=True)) < 0.1 * tall:
        raise GarmentNotReadable("Waistband and hems were not found: lay the garment out flat and straight, front up.")
    return LowerMarks((left, right), (waist[0], waist[1]), (hem[0], hem[1]), (inner[0], inner[1]) if inner else None, parting, int(rows[0]))


def _row_of_cloth(mask: BoolArray, x_of: FloatArray, *, first: bool) -> int | None:
    """The first or the last row whose pixel on the parting line is cloth."""
    columns = np.clip(np.round(x_of).astype(int), 0, mask.shape[1] - 1)
    rows = np.flatnonzero(mask[np.arange(len(mask)), columns])
    return int(rows[0 if first else -1]) if rows.size else None


def _waist_corner(half: Half, width: float, tall: int) -> int:
    depth = min(WAIST_ROWS * tall, WAIST_DEPTH * width)
    low = np.flatnonzero(half.y > half.y.min() + depth)
    return _corner(half, CORNER_WAIST, width, 0, int(low[0]) if low.size else len(half.points), 0.0)


def _corner(half: Half, direction: tuple[float, float], width: float, first: int, last: int, from_y: float) -> int:
    """Index of the sharp convex point among `first` to `last`, under `from_y`, that lies furthest in `direction`."""
    span = half.points[first:last]
    if len(span) < 3:
        return min(first, len(half.points) - 1)
    turn = np.clip(turning(half, max(3, round(CORNER_REACH * width)))[first:last], 0, SHARP)
    worth = span @ np.asarray(direction, np.float32) / width + SHARP_WORTH * turn
    inside = span[:, 1] >= from_y
    return first + int(np.where(inside, worth, -np.inf).argmax() if inside.any() else worth.argmax())


@dataclass(frozen=True, slots=True)
class LowerOutline:
    """The landmarks `marks`, found in the upright `frame` of a working picture of `work_shape`."""

    frame: Frame
    marks: LowerMarks
    work_shape: tuple[int, ...]
    picture_shape: tuple[int, ...]

    def _place(self, points: FloatArray) -> FloatArray:
        return points_to_picture(self.frame.to_picture(points), self.work_shape, self.picture_shape)

    def _arcs(self, starts: tuple[int, int], ends: tuple[int, int]) -> FloatArray:
        """(2, ROWS, 2) both halves' outlines from `starts` to `ends`, px of the picture."""
        arcs = zip(self.marks.halves, starts, ends, strict=True)
        curves = [to_frame(resample(half.points[i : j + 1], count=ROWS), self.frame.axis_x, k) for k, (half, i, j) in enumerate(arcs)]
        return self._place(np.stack(curves))

    def landmarks(self, band: Waistband) -> LowerLandmarks:
        """All landmarks, px of the picture."""
        marks, axis_x = self.marks, self.frame.axis_x
        ends = (len(marks.halves[0].points) - 1, len(marks.halves[1].points) - 1)
        inseam = None if marks.inner is None else self._arcs(marks.inner, ends)[:, ::-1]
        middle = band.curve[len(band.curve) // 2]
        foot = to_frame(np.stack([half.points[-1] for half in marks.halves]), axis_x, 0)
        foot = np.array([foot_x(marks.parting, marks.halves), foot[:, 1].mean()], np.float32)
        return LowerLandmarks(
            waist=self._place(band.curve[[0, -1]]),
            waistline=self._place(band.curve),
            side=self._arcs(marks.waist, marks.hem),
            centre=self._place(resample(np.stack([middle, foot]), count=ROWS)),
            inseam=inseam,
            axis_x=float(self._place(np.array([self.frame.centre], np.float32))[0, 0]),
        )

    def parts(self, mask: BoolArray) -> LabelMap:
        """(H, W) 0 none, 2 left half, 3 right half of the picture's `mask`."""
        x_of = self.marks.parting.x_of
        rows = np.arange(len(x_of), dtype=np.float32)
        line = np.stack([x_of, rows], -1)
        far = np.array([[-9 * len(x_of), rows[-1] + 9], [-9 * len(x_of), -9]], np.float32)
        line = np.concatenate([[[x_of[0], -9]], line, [[x_of[-1], rows[-1] + 9]]])
        left = np.zeros(mask.shape, np.uint8)
        cv2.fillPoly(left, [np.round(self._place(np.concatenate([line, far]).astype(np.float32)) * 16).astype(np.int32)], 1, shift=4)
        return np.where(mask, np.where(left > 0, PARTS[0], PARTS[1]), 0).astype(np.uint8)


def foot_x(parting: Parting, halves: tuple[Half, Half]) -> float:
    """x of the parting line at the lower end of the halves."""
    y = int(np.clip(round(float(np.mean([half.y[-1] for half in halves]))), 0, len(parting.x_of) - 1))
    return float(parting.x_of[y])
