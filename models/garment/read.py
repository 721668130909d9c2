"""From a garment picture to a `GarmentReading`: isolate, category, landmarks, neckline, recoloured edge."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.errors import CategoryNotSupported
from models.garment.axis import find_frame
from models.garment.category import find_category
from models.garment.edge import recolour_edge
from models.garment.halves import halves, open_gaps
from models.garment.isolate import MASK_FROM, Isolated, isolate_work
from models.garment.landmarks import find_marks
from models.garment.neckline import find_neckline, inner_back_of
from models.garment.scale import to_picture, to_work
from models.garment.upper import UpperOutline
from models.types import Category, GarmentReading, LabelMap, Notice, Picture

UNSURE_CATEGORY: Final = 0.6
"""A found category under this score is told to the caller."""
NAMES: Final = {Category.UPPER: "an upper garment", Category.LOWER: "a lower garment", Category.DRESS: "a dress"}


def read_garment_picture(picture: Picture, category: Category | None = None, alpha: LabelMap | None = None) -> GarmentReading:
    """What the garment picture (H, W, 3) shows; `category` None is found from the outline.

    `alpha` (H, W) 0..255 is the picture's own transparency, or tells where the cloth is when somebody wears it there.
    Raises GarmentNotIsolated, GarmentNotReadable, and CategoryNotSupported for lower garments and dresses.
    """
    work = to_work(picture)
    isolated = isolate_work(work, alpha)
    found, score = (category, 1.0) if category is not None else find_category(isolated.mask)
    if found is not Category.UPPER:
        raise CategoryNotSupported(f"The picture shows {NAMES[found]}; only upper garments (tops, shirts, sweaters) are supported yet.")
    return _read_upper(picture, work, isolated, score)


def _read_upper(picture: Picture, work: Picture, isolated: Isolated, category_score: float) -> GarmentReading:
    shape = picture.shape[:2]
    frame = find_frame(isolated.mask)
    soft = frame.upright(isolated.alpha)
    mask = open_gaps(soft > 0.5)
    outline = UpperOutline(frame, find_marks(mask, frame.axis_x, halves(mask, frame.axis_x)), work.shape[:2], shape)
    neckline = find_neckline(frame.upright_picture(work), mask, outline.upright("neck"), outline.collar, outline.marks.torso_width)
    inner_back = to_picture(frame.back(inner_back_of(soft, neckline)), shape)
    alpha = to_picture(isolated.alpha, shape)
    full = alpha >= MASK_FROM
    notices = []
    if category_score < UNSURE_CATEGORY:
        notices.append(Notice("category-unsure", "Taken for an upper garment with little certainty: say which category it is."))
    return GarmentReading(
        rgb=recolour_edge(picture, full),
        mask=full,
        alpha=alpha,
        inner_back=np.minimum(inner_back, alpha),
        part=outline.parts(full),
        category=Category.UPPER,
        category_score=category_score,
        landmarks=outline.landmarks(neckline),
        confidence=float(frame.symmetry * isolated.clearness),
        notices=tuple(notices),
    )
