"""The hanger a garment hangs on: a hook above the neck, and thin arms inside it. It is no cloth."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from models.garment.maskops import components, dilated, disk, opened, sized
from models.types import BoolArray

HOOK: Final = (0.15, 0.035)
"""A hook is narrower than the first share of the garment's width over at least the second of its height, at its upper end."""
MIDDLE: Final = 0.12
"""It stands so near to the garment's middle, share of the width."""
ARMS: Final = (0.2, 0.35)
"""Its arms lie so far under it, share of the height, and so far to its sides, share of the width ..."""
STROKE: Final = 0.035
"""... and are thinner than this share of the width."""


def find_hanger(cloth: BoolArray, clear: BoolArray) -> BoolArray | None:
    """(h, w) the hook that stands above `cloth`, and the strokes of `clear`, the part of it that is seen, that hang together with it."""
    labels, sizes = sized(cloth)
    if len(sizes) < 2:
        return None
    main = labels == 1 + int(np.argmax(sizes[1:]))
    x, y, width, height = cv2.boundingRect(main.view(np.uint8))
    rows = main[y : y + height, x : x + width]
    extents = width - rows.argmax(1) - rows[:, ::-1].argmax(1)
    high = int(np.argmax(extents > HOOK[0] * width))
    middle = x + float(np.nonzero(rows[:high])[1].mean()) if high else 0.0
    if high < HOOK[1] * height or abs(middle - x - width / 2) > MIDDLE * width:
        return None
    part = np.s_[y : y + high + int(ARMS[0] * height), max(0, int(middle - ARMS[1] * width)) : int(middle + ARMS[1] * width)]
    near = clear[part]
    thin = near & ~opened(near, disk(round(STROKE * width)))
    thin[:high] |= near[:high]
    # where its arms meet they are thicker
    _, labels, _ = components(dilated(thin, disk(round(STROKE * width))))
    left = near & ~(thin & np.isin(labels, np.setdiff1d(labels[:high], 0)))
    _, labels, _ = components(left)
    result = np.zeros_like(cloth)
    result[part] = near & ~(left & np.isin(labels, np.setdiff1d(labels[-1], 0)))
    return result
