"""Discs laid over packed masks give what OpenCV gives."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.bits import BitMask
from models.garment.maskops import disk
from models.types import BoolArray


@st.composite
def masks(draw: st.DrawFn) -> BoolArray:
    shape = draw(st.integers(1, 90)), draw(st.integers(1, 150))
    share = draw(st.sampled_from((0.0, 0.002, 0.1, 0.5, 0.9, 0.998, 1.0)))
    return np.random.default_rng(draw(st.integers(0, 2**16))).random(shape) < share


@given(masks(), st.integers(1, 75))
def test_discs_are_opencv_s(mask: BoolArray, size: int) -> None:
    kernel = disk(size)
    reach, pixels = kernel.shape[1] // 2, mask.view(np.uint8)
    found = {
        "grown": BitMask(mask, reach).grow(kernel),
        "shrunk": BitMask(mask, reach).shrink(kernel),
        "opened": BitMask(mask, reach).shrink(kernel).grow(kernel),
        "closed": BitMask(mask, reach).grow(kernel).shrink(kernel),
    }
    expected = {
        "grown": cv2.dilate(pixels, kernel),
        "shrunk": cv2.erode(pixels, kernel),
        "opened": cv2.morphologyEx(pixels, cv2.MORPH_OPEN, kernel),
        "closed": cv2.morphologyEx(pixels, cv2.MORPH_CLOSE, kernel),
    }
    for name, result in found.items():
        np.testing.assert_array_equal(result.mask.view(np.uint8), expected[name], name)
