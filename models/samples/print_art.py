"""The print of the sample T-shirt: a tailor's dummy and the word "muslin", written with a threaded needle."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from models.samples.cloth import Plane
from models.samples.curves import Line, points, smooth
from models.samples.dyes import linear
from models.samples.styles import RGB

Canvas = npt.NDArray[np.uint8]

SLANT = 0.20
WORD: tuple[tuple[float, float], ...] = (
    (-0.34, 0.10), (-0.10, 0.42), (0.10, 0.92), (0.24, 0.92), (0.27, 0.50), (0.27, 0.02),
    (0.32, 0.50), (0.50, 0.93), (0.66, 0.90), (0.70, 0.50), (0.70, 0.02),
    (0.75, 0.50), (0.93, 0.93), (1.09, 0.90), (1.13, 0.50), (1.16, 0.14), (1.30, 0.00), (1.46, 0.22),
    (1.62, 0.96), (1.62, 0.50), (1.67, 0.12), (1.83, 0.00), (2.02, 0.16), (2.12, 0.55), (2.15, 0.96),
    (2.15, 0.50), (2.20, 0.12), (2.34, 0.00), (2.50, 0.22),
    (2.80, 1.08), (2.84, 0.84), (3.00, 0.46), (2.98, 0.14), (2.80, 0.00), (2.64, 0.10), (2.84, 0.00), (3.10, 0.06), (3.28, 0.34),
    (3.54, 1.20), (3.58, 1.95), (3.46, 2.18), (3.35, 1.90), (3.34, 1.00), (3.37, 0.28), (3.52, 0.00), (3.68, 0.18),
    (3.86, 0.96), (3.86, 0.50), (3.91, 0.12), (4.05, 0.00), (4.20, 0.22), (4.34, 0.62),
    (4.42, 0.92), (4.50, 0.80), (4.50, 0.40), (4.50, 0.02), (4.56, 0.50), (4.74, 0.93), (4.90, 0.90), (4.94, 0.50),
    (4.98, 0.12), (5.14, 0.00), (5.36, 0.12),
)  # fmt: skip
"""One stroke, x-height 1, baseline 0, y upwards; stems repeat points so that the curve turns sharply."""
TAIL: tuple[tuple[float, float], ...] = (
    (5.36, 0.12), (5.68, 0.30), (6.02, 0.20), (6.34, 0.24), (6.62, 0.46),
)  # fmt: skip
"""The thread between the last letter and the needle's eye."""
DOT = (4.05, 1.42)

DUMMY_RIGHT: tuple[tuple[float, float], ...] = (
    (0.00, 0.00), (0.17, 0.02), (0.19, 0.12), (0.22, 0.30), (0.44, 0.42), (0.66, 0.52), (0.70, 0.72), (0.63, 1.00), (0.60, 1.22),
    (0.52, 1.52), (0.44, 1.82), (0.48, 2.12), (0.62, 2.46), (0.68, 2.74), (0.64, 2.92), (0.00, 2.98),
)  # fmt: skip
"""Right half of the dummy, y downwards from the neck cap."""


def word(height: float = 1.0) -> tuple[Line, Line]:
    """The word and its thread as lines, y downwards, baseline at 0, x-height `height`."""
    stroke, tail = smooth(points(*WORD), 10), smooth(points(*TAIL), 14)
    return _slanted(stroke) * height, _slanted(tail) * height


def _slanted(line: Line) -> Line:
    return np.stack([line[:, 0] + SLANT * line[:, 1], -line[:, 1]], axis=1)


def artwork(ink: RGB, thread: RGB, width_px: int = 900) -> Plane:
    """(h, w, 4) linear RGB premultiplied by alpha; h is 0.92 of w."""
    height_px = round(0.92 * width_px)
    unit = width_px / 8.3
    lines = np.zeros((height_px * 2, width_px * 2), np.uint8)
    threads = np.zeros_like(lines)

    def stroke(canvas: Canvas, line: Line, at: tuple[float, float], size: float, width: float, closed: bool = False) -> None:
        placed = np.round((line * size + np.array(at)) * unit * 2 * 16).astype(np.int32)
        cv2.polylines(canvas, [placed], closed, 255, max(1, round(width * unit * 2)), cv2.LINE_AA, 4)

    stem, tail = word()
    at = (0.55, 6.95)
    stroke(threads, np.vstack([stem, tail]), at, 1.0, 0.115)
    cv2.circle(threads, tuple(int((p + o) * unit * 2) for p, o in zip((DOT[0] + SLANT * DOT[1], -DOT[1]), at, strict=True)),
               round(0.115 * unit * 2), 255, -1, cv2.LINE_AA)  # fmt: skip
    eye = _slanted(points(TAIL[-1]))[0] + at
    _needle(lines, eye, unit * 2)

    half = smooth(points(*DUMMY_RIGHT), 8)
    body = np.vstack([half, (half * [-1, 1])[::-1]])
    place, size = (3.75, 0.42), 1.18
    stroke(lines, body, place, size, 0.075, closed=True)
    for y, bow in ((1.22, 0.14), (1.80, 0.10), (2.52, 0.16)):
        reach = float(np.interp(y, half[:, 1], half[:, 0]))
        stroke(lines, smooth(points((-reach, y), (0, y + bow), (reach, y))), place, size, 0.04)
    for x in (0.0, 0.30, -0.30):
        seam = smooth(points((0.55 * x, 0.36 if x else 0.02), (x, 1.1), (0.8 * x, 1.82), (1.1 * x, 2.95)))
        stroke(lines, seam, place, size, 0.04)
    stroke(lines, points((0, -0.22), (0, 0)), place, size, 0.11)
    stroke(lines, points((0, 2.98), (0, 3.52)), place, size, 0.075)
    stroke(lines, smooth(points((-0.46, 3.62), (-0.2, 3.53), (0.2, 3.53), (0.46, 3.62))), place, size, 0.075)

    picture = np.zeros((height_px, width_px, 4), np.float32)
    for canvas, colour in ((lines, ink), (threads, thread)):
        alpha = cv2.resize(canvas, (width_px, height_px), interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / np.float32(255)
        painted = np.concatenate([np.asarray(linear(colour), np.float32) * alpha, alpha], axis=2)
        picture = picture * (1 - alpha) + painted
    return picture


def _needle(canvas: Canvas, eye: Line, unit: float) -> None:
    """A needle whose eye holds the thread, pointing up to the right."""
    heading = np.array([0.80, -0.60])
    side = np.array([0.60, 0.80])
    back, tip = eye - 0.22 * heading, eye + 1.05 * heading
    body = np.array([tip, eye + 0.18 * heading + 0.055 * side, eye + 0.085 * side, back + 0.03 * side,
                     back - 0.03 * side, eye - 0.085 * side, eye + 0.18 * heading - 0.055 * side])  # fmt: skip
    cv2.fillPoly(canvas, [np.round(body * unit * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    slot = np.array([eye - 0.12 * heading, eye + 0.12 * heading])
    cv2.polylines(canvas, [np.round(slot * unit * 16).astype(np.int32)], False, 0, max(1, round(0.06 * unit)), cv2.LINE_AA, 4)
