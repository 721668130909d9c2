"""From a garment picture to a `GarmentReading`: isolate, category, landmarks, neckline, recoloured edge."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from models.errors import CategoryNotSupported
from models.garment.axis import Frame, find_frame
from models.garment.category import find_category
from models.garment.edge import recolour_edge
from models.garment.halves import Half, halves, open_gaps, to_frame
from models.garment.isolate import isolate_work
from models.garment.landmarks import UpperMarks, find_marks, side_line
from models.garment.neckline import Neckline, find_neckline, inner_back_of
from models.garment.scale import points_to_picture, to_picture, to_work
from models.garment.sleeves import sleeve_curves
from models.types import BoolArray, Category, FloatArray, GarmentReading, LabelMap, Notice, Picture, Sleeve, UpperLandmarks

UNSURE_CATEGORY: Final = 0.6
"""A found category under this score is told to the caller."""


def read_garment_picture(
    picture: Picture, category: Category | None = None, alpha: LabelMap | None = None, worn_mask: BoolArray | None = None
) -> GarmentReading:
    """What the garment picture (H, W, 3) shows; `category` None is found from the outline.

    `alpha` (H, W) 0..255 is the picture's own transparency. `worn_mask` (H, W) tells where the cloth is when a
    person wears it in the picture; it is refined.
    Raises GarmentNotIsolated, GarmentNotReadable, and CategoryNotSupported for lower garments and dresses.
    """
    work = to_work(picture)
    isolated = isolate_work(work, alpha)
    soft = isolated.alpha
    found, score = (category, 1.0) if category is not None else find_category(isolated.mask)
    if found is not Category.UPPER:
        raise CategoryNotSupported(f"This looks like a {_NAMES[found]}: only upper garments (tops, shirts, sweaters) are supported yet.")
    frame = find_frame(isolated.mask)
    upright = np.where(open_gaps(frame.upright(soft) > 0.5), frame.upright(soft), 0.0).astype(np.float32)
    mask = upright > 0.5
    pair = halves(mask, frame.axis_x)
    marks = find_marks(mask, frame.axis_x, pair)
    view = np.asarray(frame.upright_picture(work), np.uint8)
    neck = _pair(frame, pair, marks, "neck")
    collar = _pair(frame, pair, marks, "collar") if marks.sides[0].collar is not None else None
    neckline = find_neckline(view, mask, neck, collar, marks.torso_width)
    inner_back = frame.back(inner_back_of(upright, neckline))
    shape = picture.shape[:2]
    landmarks = _landmarks(frame, pair, marks, neckline, work.shape, shape)
    full_alpha = to_picture(soft, shape)
    full_mask = full_alpha >= 0.3
    part = _parts(full_mask, landmarks, frame, pair, marks, work.shape, shape)
    rgb = recolour_edge(picture, full_mask)
    notices = (Notice("category-unsure", f"Taken for {_NAMES[found]} with little certainty."),) if score < UNSURE_CATEGORY else ()
    return GarmentReading(
        rgb=rgb,
        mask=full_mask,
        alpha=full_alpha,
        inner_back=np.minimum(to_picture(inner_back, shape), full_alpha),
        part=part,
        category=found,
        category_score=score,
        landmarks=landmarks,
        confidence=float(frame.symmetry * isolated.clearness),
        notices=notices,
    )


_NAMES: Final = {Category.UPPER: "an upper garment", Category.LOWER: "lower garment", Category.DRESS: "dress"}


def _pair(frame: Frame, pair: tuple[Half, Half], marks: UpperMarks, name: str) -> FloatArray:
    """(2, 2) xy in the frame of the landmark `name` of both halves."""
    points = [to_frame(half.points[getattr(side, name)], frame.axis_x, k) for k, (half, side) in enumerate(zip(pair, marks.sides, strict=True))]
    return np.stack(points)


def _landmarks(
    frame: Frame, pair: tuple[Half, Half], marks: UpperMarks, neckline: Neckline, work_shape: tuple[int, ...], shape: tuple[int, ...]
) -> UpperLandmarks:
    def place(points: FloatArray) -> FloatArray:
        return points_to_picture(frame.to_picture(points), work_shape, shape)

    def both(name: str) -> FloatArray:
        return place(_pair(frame, pair, marks, name))

    sides = np.stack([to_frame(side_line(h, s.armpit, s.hem), frame.axis_x, k) for k, (h, s) in enumerate(zip(pair, marks.sides, strict=True))])
    sleeves = None
    if marks.sleeved:
        curves = [sleeve_curves(h, s.shoulder, s.armpit) for h, s in zip(pair, marks.sides, strict=True)]
        left, right = (Sleeve(place(to_frame(o, frame.axis_x, k)), place(to_frame(i, frame.axis_x, k))) for k, (o, i) in enumerate(curves))
        sleeves = (left, right)
    collar = both("collar") if all(s.collar is not None for s in marks.sides) else None
    return UpperLandmarks(
        neck=place(neckline.neck),
        shoulder=both("shoulder"),
        armpit=both("armpit"),
        hem=both("hem"),
        side=place(sides),
        neckline=place(neckline.curve),
        sleeves=sleeves,
        collar=collar,
        straps=marks.straps,
        axis_x=float(place(np.array([[frame.axis_x, frame.centre[1]]], np.float32))[0, 0]),
    )


def _parts(
    mask: BoolArray,
    landmarks: UpperLandmarks,
    frame: Frame,
    pair: tuple[Half, Half],
    marks: UpperMarks,
    work_shape: tuple[int, ...],
    shape: tuple[int, ...],
) -> LabelMap:
    """(H, W) 0 none, 1 torso, 2 left sleeve, 3 right sleeve: a sleeve is what its outline and the cut enclose."""
    part = mask.astype(np.uint8)
    if landmarks.sleeves is None:
        return part
    for k, (half, side) in enumerate(zip(pair, marks.sides, strict=True)):
        arc = to_frame(half.points[side.shoulder : side.armpit + 1], frame.axis_x, k)
        polygon = points_to_picture(frame.to_picture(arc), work_shape, shape)
        inside = np.zeros(mask.shape, np.uint8)
        cv2.fillPoly(inside, [np.round(polygon * 16).astype(np.int32)], 1, shift=4)
        inside = cv2.dilate(inside, np.ones((3, 3), np.uint8)) if marks.sleeved else inside
        part[mask & (inside > 0)] = 2 + k
    return part
