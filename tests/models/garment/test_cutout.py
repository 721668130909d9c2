"""Garments that come cut out, with holes where their print was white."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.garment import read_garment_picture
from models.garment.cutout import mended
from models.samples import UpperStyle, draw_upper
from models.types import BoolArray, Category, Picture
from tests.models.figures import upper_marks

STYLE = UpperStyle(sleeve="long", sleeve_angle_deg=14, colour=(30, 40, 90), size=(384, 512), waist=0.16)


def holed() -> tuple[Picture, BoolArray, BoolArray]:
    """A drawn top, its mask, and a print in its middle."""
    shot = draw_upper(STYLE)
    print_ = np.zeros(shot.mask.shape, np.uint8)
    cv2.circle(print_, (192, 230), 30, 1, -1)
    return shot.picture, shot.mask, print_ > 0


@pytest.mark.parametrize("hidden", [0, 255])
def test_holes_in_print_are_white_cloth(hidden: int) -> None:
    picture, mask, print_ = holed()
    picture = picture.copy()
    picture[print_] = hidden
    alpha = np.where(mask & ~print_, 255, 0).astype(np.uint8)
    whole = read_garment_picture(*transparent(picture, mask))
    found = read_garment_picture(picture, None, alpha)
    assert found.category is Category.UPPER
    assert (found.mask[mask]).mean() > 0.99
    assert found.rgb[215:245, 180:205].min() > 250
    assert np.abs(upper_marks(found.landmarks).armpit - upper_marks(whole.landmarks).armpit).max() < 3


def transparent(picture: Picture, mask: BoolArray) -> tuple[Picture, None, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    return picture, None, np.where(mask, 255, 0).astype(np.uint8)


def test_openings_stay() -> None:
    picture, mask, _ = holed()
    gap = np.zeros(mask.shape, bool)
    columns = np.flatnonzero(mask[300])
    gap[240:340, columns[0] + 40 : columns[0] + 52] = True
    alpha = np.where(mask & ~gap, 255, 0).astype(np.uint8)
    assert (mended(picture, alpha)[1] == alpha).all()


def test_lace_stays() -> None:
    picture, mask, _ = holed()
    ys, xs = np.indices(mask.shape)
    alpha = np.where(mask & ((ys % 8 > 2) | (xs % 8 > 2)), 255, 0).astype(np.uint8)
    assert (mended(picture, alpha)[1] == alpha).all()
