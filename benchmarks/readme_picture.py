"""Draws the README's picture: sample people in our own drawn garments, by the engine as it stands.

python -m benchmarks.readme_picture [OUT]
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from models.engine import Engine
from models.images import encode
from models.interface import Fitting
from models.samples import packshot, sample_people
from models.types import Category, Picture

HEIGHT = 640
SHIRTS = ("print-tee", "breton", "navy-dots", "polo")
OUT = Path(__file__).parent / "results" / "picture.jpg"


def fitted(picture: Picture, height: int) -> Picture:
    width = round(picture.shape[1] * height / picture.shape[0])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def with_inset(picture: Picture, garment: Picture) -> Picture:
    """The garment's picture in the upper left corner, on a thin border."""
    small = fitted(garment, picture.shape[0] // 4)
    framed = cv2.copyMakeBorder(small, 3, 3, 3, 3, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    result = picture.copy()
    result[8 : 8 + framed.shape[0], 8 : 8 + framed.shape[1]] = framed
    return result


def main() -> None:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    engine = Engine()
    people = [p for p in sample_people() if p.name != "astronaut"] or list(sample_people())
    garments = {name: packshot(name) for name in SHIRTS}
    read = {name: engine.read_garment(g.picture, Category.UPPER) for name, g in garments.items()}
    columns = []
    for i, sample in enumerate(people[:2]):
        person = engine.read_person(sample.picture)
        columns.append(fitted(sample.picture, HEIGHT))
        for name in SHIRTS[2 * i : 2 * i + 2]:
            drawn = engine.try_on([Fitting(person, (read[name],))])[0]
            columns.append(with_inset(fitted(drawn.picture, HEIGHT), garments[name].picture))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(encode(np.hstack(columns), "jpeg", 88))
    print(out)


if __name__ == "__main__":
    main()
