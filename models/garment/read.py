"""From a garment picture to a `GarmentReading`: isolate, category, landmarks, neckline, recoloured edge."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from models.errors import GarmentNotReadable
from models.garment.axis import Frame, find_frame
from models.garment.category import find_category
from models.garment.cutout import mended
from models.garment.edge import recolour_edge
from models.garment.halves import halves, open_gaps
from models.garment.isolate import MASK_FROM, Isolated, is_cut_out, isolate_work
from models.garment.lace import thread_coloured
from models.garment.landmarks import DRESS_ROWS, SIDE_ROWS, find_marks
from models.garment.lie import HALVES_UNLIKE, check_lie
from models.garment.lower import LowerOutline, find_lower_marks
from models.garment.neckline import find_neckline, inner_back_of
from models.garment.puffed import with_open_seams
from models.garment.scale import to_picture, to_work, work_factor
from models.garment.shade import without_shade
from models.garment.upper import UpperOutline
from models.garment.waist import find_waist
from models.garment.waistband import find_waistband, inner_back_over
from models.types import BoolArray, Category, GarmentReading, LabelMap, LowerLandmarks, Notice, Picture, UpperLandmarks

UNSURE_CATEGORY: Final = 0.6
"""A found category under this score is told to the caller."""
SURE_CATEGORY: Final = 0.9
DOUBTFUL: Final = 0.6
"""When the outline shows another category than the given one this surely, the caller is told, and the confidence is so much less."""
LEAST_SYMMETRY: Final = 0.87
LOWER_SYMMETRY: Final = 0.8
"""Lower garments are less alike: wrapped skirts, legs laid apart."""
FULL_SYMMETRY: Final = 0.96
"""Share of a garment that its mirror image covers: below the first it lies folded or askew, from the second all is well."""
FOLDED: Final = 0.94
FOLDED_LOWER: Final = 0.97
"""Share of its bounding box that only a folded garment fills: a top or dress, a straight skirt."""
LEAST_PX: Final = 80
SMALL_PX: Final = 220
"""Under so many px of height or width, of the picture as it was sent, a garment is not read; under so many it is drawn blurred."""
SHORT: Final = (1.1, 1.45)
"""Armpit widths from the neck to the hem: a top under the first is half a top, or a very short one; from the second none is half."""
CUT_SHORT: Final = "The top is hardly longer than it is wide. If it is folded or cut off in the picture, send one of the whole garment."
RECTANGLE: Final = "A rectangle is seen, folded cloth or a picture in the picture: send a picture of one garment only, laid out flat."
NAMES: Final = {Category.UPPER: "an upper garment", Category.LOWER: "a lower garment", Category.DRESS: "a dress"}


def read_garment_picture(picture: Picture, category: Category | None = None, alpha: LabelMap | None = None) -> GarmentReading:
    """What the garment picture (H, W, 3) shows; `category` None is found from the outline.

    `alpha` (H, W) 0..255 tells where the garment is: the picture's own transparency, or, for a garment that somebody
    wears in it, what the person's parse found (`worn.worn_upper`). An alpha that cuts nothing out is ignored.
    Raises GarmentNotIsolated and GarmentNotReadable.
    """
    if alpha is not None and is_cut_out(alpha):
        picture, alpha = mended(picture, alpha)
    work = to_work(picture)
    isolated = isolate_work(work, alpha, work_factor(*picture.shape[:2]))
    frame = find_frame(isolated.mask)
    seen, score = find_category(isolated.mask, frame)
    size = max(isolated.mask.any(axis).sum() for axis in (0, 1)) / work_factor(*picture.shape[:2])
    if size < LEAST_PX:
        raise GarmentNotReadable(f"The garment is only {size:.0f} pixels long: send a larger picture, of {SMALL_PX} pixels at least.")
    check_lie(isolated.mask, seen, category, frame)
    found = seen if category is None else category
    if found is Category.LOWER:
        read = _read_lower(picture, work, isolated, score)
    else:
        read = _read_upper(picture, work, isolated, frame, found, score)
    if size < SMALL_PX:
        read = replace(read, confidence=read.confidence * float(size) / SMALL_PX)
    told: tuple[Notice, ...] = (
        () if size >= SMALL_PX else (Notice("garment-small", f"The garment is only {size:.0f} pixels long: a larger picture shows more."),)
    )
    whole = 1.0 if isinstance(read.landmarks, LowerLandmarks) or found is Category.DRESS else _whole(read.landmarks)
    if whole < 1:
        read = replace(read, confidence=read.confidence * (DOUBTFUL + (1 - DOUBTFUL) * whole))
        told = (*told, Notice("garment-short", CUT_SHORT)) if whole == 0 else told
    if category is None:
        sure = float(np.clip((score - 0.5) / (UNSURE_CATEGORY - 0.5), 0, 1))
        return replace(read, confidence=read.confidence * (DOUBTFUL + (1 - DOUBTFUL) * sure), notices=(*read.notices, *told))
    if category is seen or score < SURE_CATEGORY:
        return replace(read, category_score=1.0, notices=told)
    doubt = Notice("category-doubtful", f"Read as {NAMES[category]} as asked, but it looks like {NAMES[seen]}: check the category.")
    return replace(read, category_score=1.0, confidence=read.confidence * DOUBTFUL, notices=(doubt, *told))


def _read_lower(picture: Picture, work: Picture, isolated: Isolated, category_score: float) -> GarmentReading:
    shape = picture.shape[:2]
    cloth = without_shade(work, isolated.alpha)
    frame = find_frame(cloth >= MASK_FROM)
    if frame.symmetry < LOWER_SYMMETRY:
        raise GarmentNotReadable(HALVES_UNLIKE)
    soft = frame.upright(cloth)
    mask = soft > 0.5
    outline = LowerOutline(frame, find_lower_marks(mask, frame.axis_x), work.shape[:2], shape)
    band = find_waistband(frame.upright_picture(work), mask, outline.marks.waist_corners(frame.axis_x))
    alpha = to_picture(cloth, shape)
    full = alpha >= MASK_FROM
    if fullness(mask) > FOLDED_LOWER:
        raise GarmentNotReadable(RECTANGLE)
    inner_back = to_picture(frame.back(inner_back_over(soft, band)), shape)
    return GarmentReading(
        rgb=recolour_edge(picture, full),
        mask=full,
        alpha=alpha,
        inner_back=np.minimum(inner_back, alpha),
        part=outline.parts(full),
        category=Category.LOWER,
        category_score=category_score,
        landmarks=outline.landmarks(band),
        confidence=_confidence(frame.symmetry, isolated.clearness, band.clear),
        notices=_category_notices(Category.LOWER, category_score),
    )


def _read_upper(
    picture: Picture, work: Picture, isolated: Isolated, frame: Frame, category: Category, category_score: float
) -> GarmentReading:
    """Reads a top or a dress: a dress is a top whose sides are long and have a waist."""
    shape = picture.shape[:2]
    if frame.symmetry < LEAST_SYMMETRY:
        raise GarmentNotReadable(HALVES_UNLIKE)
    soft = frame.upright(isolated.alpha)
    mask = open_gaps(soft > 0.5)
    dress = category is Category.DRESS
    marks = find_marks(mask, frame.axis_x, halves(mask, frame.axis_x), dress=dress)
    opened = with_open_seams(mask, marks, frame.axis_x) if dress else None
    if opened is not None:
        marks = find_marks(opened, frame.axis_x, halves(opened, frame.axis_x), dress=dress)
    outline = UpperOutline(frame, marks, work.shape[:2], shape, DRESS_ROWS if dress else SIDE_ROWS)
    upright = frame.upright_picture(work)
    waist = find_waist(upright, marks, frame.axis_x) if dress else None
    neckline = find_neckline(upright, mask, outline.upright("neck"), outline.collar, outline.marks.torso_width)
    inner_back = to_picture(frame.back(inner_back_of(soft, neckline, upright)), shape)
    alpha = to_picture(isolated.alpha, shape)
    full = alpha >= MASK_FROM
    if fullness(full) > FOLDED:
        raise GarmentNotReadable(RECTANGLE)
    rgb, see_through = recolour_edge(picture, full), alpha
    if isolated.lace is not None:
        lace = np.clip(to_picture(isolated.lace.alpha, shape), 0, 1)
        rgb, see_through = thread_coloured(rgb, lace, isolated.lace.thread), alpha * lace
    return GarmentReading(
        rgb=rgb,
        mask=full,
        alpha=see_through,
        inner_back=np.minimum(inner_back, see_through),
        part=outline.parts(full),
        category=category,
        category_score=category_score,
        landmarks=outline.landmarks(neckline, waist),
        confidence=_confidence(frame.symmetry, isolated.clearness, neckline.clear),
        notices=_category_notices(category, category_score),
    )


def _category_notices(category: Category, score: float) -> tuple[Notice, ...]:
    if score >= UNSURE_CATEGORY:
        return ()
    return (Notice("category-unsure", f"Taken for {NAMES[category]} with little certainty: say which category it is."),)


def _whole(marks: UpperLandmarks) -> float:
    """0..1: how surely a top is seen down to its hem, and not folded or cut across; a very short one is doubted too."""
    wide = float(np.hypot(*(marks.armpit[0] - marks.armpit[1])))
    long = float(np.hypot(*(marks.hem.mean(0) - marks.neck.mean(0))))
    return float(np.clip((long / wide - SHORT[0]) / (SHORT[1] - SHORT[0]), 0, 1))


def fullness(mask: BoolArray) -> float:
    """Share of its bounding box that `mask` (H, W) fills."""
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return float(mask.sum()) / float((ys[-1] - ys[0] + 1) * (xs[-1] - xs[0] + 1)) if ys.size else 0.0


def _confidence(symmetry: float, clearness: float, neckline: float) -> float:
    """0..1: an unlike half, an outline lost in the ground and an assumed neckline each lower it."""
    alike = float(np.clip((symmetry - LEAST_SYMMETRY) / (FULL_SYMMETRY - LEAST_SYMMETRY), 0, 1))
    return (0.3 + 0.7 * alike) * (0.4 + 0.6 * clearness) * (0.8 + 0.2 * neckline)
