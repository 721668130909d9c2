"""People and garments to dress, from our own samples: every pair is drawn once in a process, so that nothing can have been kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from models.drape.cut import Garment
from models.engine import Engine, Person
from models.interface import Fitting
from models.samples import packshot, sample_people
from models.samples.packshots import packshot_names
from models.samples.studio import Packshot
from models.types import Category, Picture

STANDING = ("woman", "man")
WARM_UP = ("tank", "skirt", "warm-up dress")
"""Garments that everybody wears before the clock runs: the plates of a person are part of what was read of them."""


@dataclass(frozen=True, slots=True)
class Pair:
    name: str
    fitting: Fitting[Person, Garment]


def at_size(picture: Picture, size: tuple[int, int]) -> Picture:
    """size (width, height) px."""
    way = cv2.INTER_AREA if size[0] < picture.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=way), np.uint8)


def photos(size: tuple[int, int]) -> Iterator[tuple[str, Picture]]:
    """The standing sample people and their mirror images."""
    for sample in sample_people():
        if sample.name in STANDING:
            picture = at_size(sample.picture, size)
            yield sample.name, picture
            yield f"{sample.name} mirrored", np.ascontiguousarray(picture[:, ::-1])


@cache
def _shot(name: str, size: tuple[int, int]) -> Packshot:
    """Drawing one takes a second; reading it is each engine's own."""
    return packshot(name, size)


def pairs(engine: Engine, size: tuple[int, int]) -> list[Pair]:
    """All photos of `size` (width, height) in all garments of the wardrobe but those that warmed up; each photo in turn."""
    people = [(name, engine.read_person(picture)) for name, picture in photos(size)]
    clothes = []
    for name in packshot_names():
        shot = _shot(name, size)
        clothes.append((name, engine.read_garment(shot.picture, shot.category)))
        if shot.category is Category.DRESS:
            clothes.append(("warm-up dress", engine.read_garment(np.ascontiguousarray(shot.picture[:, ::-1]), shot.category)))
    for _, person in people:
        for name, garment in clothes:
            if name in WARM_UP:
                engine.try_on([Fitting(person, (garment,))])
    return [
        Pair(f"{who} in {what}", Fitting(person, (garment,))) for what, garment in clothes if what not in WARM_UP for who, person in people
    ]
