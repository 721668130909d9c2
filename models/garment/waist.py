"""Where the waist of a dress is: at its narrowest, at a seam or a belt, else where waists usually are."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from models.garment.landmarks import UpperMarks, side_line
from models.types import FloatArray, Picture

ROWS: Final = 160
"""Rows between armpit and hem that are looked at."""
SOUGHT: Final = (0.12, 0.85)
"""Armpit widths under the armpits within which waists lie: empire to drop waist."""
USUAL: Final = 0.48
"""Armpit widths under the armpits of the natural waist."""
UNUSUAL: Final = 0.25
"""Armpit widths off the usual at which evidence counts for 1 / e."""
NARROW: Final = 0.03
"""Armpit widths by which the narrowest row is narrower than the rows above and below, to count alone."""
SEAM_REACH_PX: Final = 5
SEAM_INSIDE: Final = 0.85
"""A seam is looked for over this share of the width."""
SEAM_STEP: Final = 1.5
"""Units of logarithmic lightness (55 ln(L + 14)) by which it changes along most of a seam, at least."""
SEAM_OVER: Final = 2.5
"""A seam stands out from the other rows so many times."""
NEAR: Final = 0.1
"""Armpit widths within which a seam moves the narrowest row."""


def find_waist(picture: Picture, marks: UpperMarks, axis_x: float) -> float:
    """Share of the way, by height, from armpits to hem corners at which the waist of the upright `picture` (h, w, 3) is."""
    lines = [side_line(half, side.armpit, side.hem, ROWS) for half, side in zip(marks.halves, marks.sides, strict=True)]
    width = float(lines[0][0, 0] + lines[1][0, 0])
    height = float(np.mean([line[-1, 1] - line[0, 1] for line in lines]))
    below = np.linspace(0, 1, ROWS) * height / width
    sought = np.flatnonzero((below > SOUGHT[0]) & (below < SOUGHT[1]))
    if sought.size < 5:
        return float(np.clip(USUAL * width / max(height, 1.0), 0.1, 0.9))
    prior = np.exp(-(((below - USUAL) / UNUSUAL) ** 2))
    seams = _seams(picture, lines, axis_x) * prior
    across = lines[0][:, 0] + lines[1][:, 0]
    at = int(sought[across[sought].argmin()])
    over = min(float(across[:at].max(initial=0.0)), float(across[at : at + ROWS // 3].max())) - float(across[at])
    seam = int(sought[seams[sought].argmax()])
    clear = seams[seam] > max(SEAM_STEP, SEAM_OVER * float(np.median(seams[sought])))
    if over > NARROW * width:
        # a narrow stretch: its middle, or the seam in it
        flat = np.flatnonzero(across[sought] < across[at] + 0.2 * over)
        at = int(sought[flat].mean())
        row = seam if clear and abs(below[seam] - below[at]) < NEAR else at
    elif clear:
        row = seam
    else:
        row = int(np.abs(below - USUAL).argmin())
    return float(row / (ROWS - 1))


def _seams(picture: Picture, lines: list[FloatArray], axis_x: float) -> FloatArray:
    """(ROWS,) how much lightness and colour change, the same way along the whole row, at each row of the side `lines`."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.float32)
    lab[..., 0] = 55 * np.log(lab[..., 0] + 14)
    lab = np.asarray(cv2.blur(lab, (1, SEAM_REACH_PX)), np.float32)
    t = np.linspace(-SEAM_INSIDE, SEAM_INSIDE, 91, dtype=np.float32)[None]
    x = axis_x + np.where(t < 0, t * lines[0][:, :1], t * lines[1][:, :1])
    y = np.where(t < 0, lines[0][:, 1:], lines[1][:, 1:]) + np.zeros_like(x)

    def sample(shift: float) -> FloatArray:
        return np.asarray(cv2.remap(lab, x.astype(np.float32), (y + shift).astype(np.float32), cv2.INTER_LINEAR), np.float32)

    change = sample(SEAM_REACH_PX / 2 + 0.5) - sample(-SEAM_REACH_PX / 2 - 0.5)
    steady = np.abs(np.median(change, 1))
    return np.asarray(np.hypot(steady[:, 0], np.hypot(steady[:, 1], steady[:, 2])), np.float32)
