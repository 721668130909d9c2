"""The pictures stay as they are: our own sample people in our own garments, against small references in `pictures/`.

A change to the engine that is meant to change pictures makes the references anew with one command, and the new ones are
looked at before they are committed:

    python -m tests.models.test_pictures

Compared is what an eye would notice at 192×256: the mean colour of patches, and how alike their patterns are. Another machine's
rounding is far below the limits; a sleeve that is twisted or a garment that is missing is far above.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.drape.cut import Garment
from models.engine import Engine, Person
from models.images import decode, encode
from models.interface import Fitting
from models.samples import packshot, sample_person
from models.types import FloatArray, Picture

FOLDER = Path(__file__).parent / "pictures"
SIZE = (192, 256)
"""(width, height) px of the references; the pictures are drawn at the photos' own size."""
GARMENT_SIZE = (384, 512)
CASES = {
    "woman-print-tee": ("woman", ("print-tee",)),
    "woman-breton": ("woman", ("breton",)),
    "woman-skirt": ("woman", ("skirt",)),
    "woman-dress": ("woman", ("dotted-dress",)),
    "man-breton": ("man", ("breton",)),
    "man-chinos": ("man", ("chinos",)),
    "man-dress": ("man", ("dotted-dress",)),
    "man-chinos-print-tee": ("man", ("chinos", "print-tee")),
}
"""Who wears what, inner to outer. Few garments in all: to draw and to read them takes most of the time."""

PATCH_PX = 9
MEAN_MOST = 3.5
"""Mean difference of colour over the picture, grey levels."""
ODD_COLOUR = 16.0
"""A patch is odd if its mean colour differs by more than so many grey levels,"""
ODD_PATTERN = 0.4
"""or its pattern is less alike than that (1 the same, 0 unlike)."""
ODD_MOST = 0.0025
"""Share of odd patches."""
FLAT = 6.0
"""A pattern is what varies by more than so many grey levels; flat patches are alike."""


def seen_small(picture: Picture) -> Picture:
    return np.asarray(cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA), np.uint8)


def _mean(values: FloatArray) -> FloatArray:
    return np.asarray(cv2.boxFilter(values, -1, (PATCH_PX, PATCH_PX)), np.float32)


def differences(picture: Picture, reference: Picture) -> tuple[float, float]:
    """Mean difference of colour, and the share of odd patches."""
    a, b = (p.astype(np.float32) for p in (picture, reference))
    colour = np.abs(_mean(a) - _mean(b)).max(-1)
    a, b = (p.mean(-1) for p in (a, b))
    a, b = a - _mean(a), b - _mean(b)
    alike = (2 * _mean(a * b) + FLAT**2) / (_mean(a * a) + _mean(b * b) + FLAT**2)
    whole = np.abs(picture.astype(np.float32) - reference).mean()
    return float(whole), float(((colour > ODD_COLOUR) | (alike < ODD_PATTERN)).mean())


class Studio:
    """Reads every person and every garment once."""

    def __init__(self) -> None:
        self.engine = Engine()
        self._people: dict[str, Person] = {}
        self._garments: dict[str, Garment] = {}

    def draw(self, case: str) -> Picture:
        who, names = CASES[case]
        if who not in self._people:
            self._people[who] = self.engine.read_person(sample_person(who).picture)
        for name in names:
            if name not in self._garments:
                shot = packshot(name, GARMENT_SIZE)
                self._garments[name] = self.engine.read_garment(shot.picture, shot.category)
        return self.engine.try_on([Fitting(self._people[who], tuple(self._garments[name] for name in names))])[0].picture


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    studio = Studio()
    yield studio
    studio.engine.close()


@pytest.mark.parametrize("case", CASES)
def test_a_picture_is_as_it_was(studio: Studio, case: str) -> None:
    reference = decode((FOLDER / f"{case}.png").read_bytes()).picture
    whole, odd = differences(seen_small(studio.draw(case)), reference)
    same = whole < MEAN_MOST and odd < ODD_MOST
    assert same, f"{told(whole, odd)}: if that is meant, see this file's head."


def told(whole: float, odd: float) -> str:
    return f"{whole:.2f} levels, {odd:.2%} of the patches odd"


def remake() -> None:
    """Draws the references anew, and says how far each is from what was."""
    FOLDER.mkdir(exist_ok=True)
    studio = Studio()
    for case in CASES:
        path = FOLDER / f"{case}.png"
        picture = seen_small(studio.draw(case))
        before = decode(path.read_bytes()).picture if path.exists() else None
        path.write_bytes(encode(picture, "png"))
        print(f"{case}: {'new' if before is None else told(*differences(picture, before))}")
    for path in FOLDER.glob("*.png"):
        if path.stem not in CASES:
            path.unlink()
    studio.engine.close()


if __name__ == "__main__":
    remake()
