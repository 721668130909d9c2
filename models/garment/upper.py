"""What is known of an upper garment's outline, put into the picture: landmarks and the map of its parts."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.garment.axis import Frame
from models.garment.halves import to_frame
from models.garment.landmarks import SIDE_ROWS, UpperMarks, side_line
from models.garment.neckline import Neckline
from models.garment.scale import points_to_picture
from models.garment.sleeves import sleeve_curves
from models.types import BoolArray, FloatArray, LabelMap, Sleeve, UpperLandmarks

PARTS = (2, 3)
"""Values of the left and the right sleeve in the map of parts; the torso is 1."""


@dataclass(frozen=True, slots=True)
class UpperOutline:
    """The landmarks `marks`, found in the upright `frame` of a working picture of `work_shape`."""

    frame: Frame
    marks: UpperMarks
    work_shape: tuple[int, ...]
    picture_shape: tuple[int, ...]
    rows: int = SIDE_ROWS
    """Rows of the landmarks' `side`."""

    def upright(self, name: str) -> FloatArray:
        """(2, 2) xy in the frame of the landmark `name` of `SideMarks`, left and right."""
        pairs = zip(self.marks.halves, self.marks.sides, strict=True)
        return np.stack([to_frame(half.points[getattr(side, name)], self.frame.axis_x, k) for k, (half, side) in enumerate(pairs)])

    @property
    def collar(self) -> FloatArray | None:
        """(2, 2) xy in the frame of the top corners of a collar, if there is one."""
        return None if any(side.collar is None for side in self.marks.sides) else self.upright("collar")

    def _place(self, points: FloatArray) -> FloatArray:
        return points_to_picture(self.frame.to_picture(points), self.work_shape, self.picture_shape)

    def _place_half(self, points: FloatArray, side: int) -> FloatArray:
        return self._place(to_frame(points, self.frame.axis_x, side))

    def landmarks(self, neckline: Neckline, waist_share: float | None = None) -> UpperLandmarks:
        """All landmarks, px of the picture; `waist_share` of a dress, by height from armpit to hem."""
        pairs = list(enumerate(zip(self.marks.halves, self.marks.sides, strict=True)))
        sleeves = None
        if self.marks.sleeved:
            curves = [(k, sleeve_curves(half, side.shoulder, side.armpit)) for k, (half, side) in pairs]
            left, right = (Sleeve(self._place_half(outer, k), self._place_half(inner, k)) for k, (outer, inner) in curves)
            sleeves = (left, right)
        collar = self.collar
        return UpperLandmarks(
            neck=self._place(neckline.neck),
            shoulder=self._place(self.upright("shoulder")),
            armpit=self._place(self.upright("armpit")),
            hem=self._place(self.upright("hem")),
            side=np.stack([self._place_half(side_line(half, side.armpit, side.hem, self.rows), k) for k, (half, side) in pairs]),
            neckline=self._place(neckline.curve),
            sleeves=sleeves,
            collar=None if collar is None else self._place(collar),
            straps=self.marks.straps,
            axis_x=float(self._place(np.array([self.frame.centre], np.float32))[0, 0]),
            waist_share=waist_share,
        )

    def parts(self, mask: BoolArray) -> LabelMap:
        """(H, W) 0 none, 1 torso, 2 left sleeve, 3 right sleeve of the picture's `mask`; an outline and a cut enclose a sleeve."""
        part = mask.astype(np.uint8)
        if not self.marks.sleeved:
            return part
        for k, (half, side) in enumerate(zip(self.marks.halves, self.marks.sides, strict=True)):
            polygon = self._place_half(half.points[side.shoulder : side.armpit + 1], k)
            inside = np.zeros(mask.shape, np.uint8)
            cv2.fillPoly(inside, [np.round(polygon * 16).astype(np.int32)], 1, shift=4)
            # the antialiased rim of the outline belongs to it
            part[mask & (cv2.dilate(inside, np.ones((3, 3), np.uint8)) > 0)] = PARTS[k]
        return part
