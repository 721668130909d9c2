"""Draws the README's picture: sample people in our own drawn garments, by the engine as it stands.

python -m benchmarks.readme_picture [OUT]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.measure import command
from models.engine import Engine
from models.images import encode
from models.interface import Fitting
from models.samples import packshot, sample_people
from models.types import Picture

HEIGHT = 640
LOOKS = {"woman": (("print-tee",), ("dotted-dress",)), "man": (("chinos", "breton"), ("shorts", "polo"))}
"""What each sample person tries on, inner to outer."""
OUT = Path(__file__).parent / "results" / "picture.jpg"


def fitted(picture: Picture, height: int) -> Picture:
    width = round(picture.shape[1] * height / picture.shape[0])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def with_insets(picture: Picture, garments: Sequence[Picture]) -> Picture:
    """The garments' pictures down the left edge, on thin borders."""
    result, top = picture.copy(), 8
    for garment in garments:
        small = fitted(garment, picture.shape[0] // 5)
        framed = cv2.copyMakeBorder(small, 3, 3, 3, 3, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        result[top : top + framed.shape[0], 8 : 8 + framed.shape[1]] = framed
        top += framed.shape[0] + 6
    return result


def main() -> None:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    engine = Engine()
    columns = []
    for sample in sample_people():
        looks = LOOKS.get(sample.name)
        if looks is None:
            continue
        person = engine.read_person(sample.picture)
        columns.append(fitted(sample.picture, HEIGHT))
        for look in looks:
            garments = [packshot(name) for name in look]
            worn = tuple(engine.read_garment(g.picture, g.category) for g in garments)
            drawn = engine.try_on([Fitting(person, worn)])[0]
            columns.append(with_insets(fitted(drawn.picture, HEIGHT), [g.picture for g in garments]))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(encode(np.hstack(columns), "jpeg", 88))
    print(out)


if __name__ == "__main__":
    command(main)
