"""An engine with the real interface that needs no model: deterministic, in numpy, quick.

It paints the garment's mean colour as a box over the middle of the photo. What a test wants to go wrong is
written into the pictures' first pixel: `marked(photo, NoPerson)` makes a photo that the fake refuses so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models import errors
from models.errors import MuslinError
from models.images import JpegCodec
from models.interface import Explanation, Fitting, TryOn
from models.packing import Packer
from models.types import Category, Label, LabelMap, Notice, Picture

MARKS: tuple[type[Exception], ...] = (
    errors.NoPerson,
    errors.SeveralPeople,
    errors.BodyNotVisible,
    errors.PhotoTooSmall,
    errors.GarmentNotIsolated,
    errors.GarmentNotReadable,
    errors.CategoryNotSupported,
    errors.AssetError,
    RuntimeError,
)


def marked(picture: Picture, error: type[Exception]) -> Picture:
    """A copy at whose sight the fake raises `error`. Survives lossless encoding only."""
    picture = picture.copy()
    picture[0, 0] = (1, 2, MARKS.index(error))
    return picture


def look(picture: Picture) -> None:
    first = picture[0, 0].tolist()
    if first[:2] == [1, 2] and first[2] < len(MARKS):
        error = MARKS[first[2]]
        raise error(f"The fake was asked for {error.__name__}.")


def _noted(picture: Picture, notice: Notice) -> tuple[Notice, ...]:
    """`notice` where the picture's first pixel asks for one."""
    return (notice,) if picture[0, 0].tolist() == [9, 9, 9] else ()


@dataclass(frozen=True, slots=True)
class FakePerson:
    photo: Picture
    confidence: float = 0.9
    notices: tuple[Notice, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        return self.photo.shape[0], self.photo.shape[1]


@dataclass(frozen=True, slots=True)
class FakeGarment:
    picture: Picture
    category: Category
    confidence: float = 0.8
    notices: tuple[Notice, ...] = ()


PACKER = Packer((FakePerson, FakeGarment, Notice, Category))


@dataclass
class FakeEngine:
    """`delay_s` slows every try-on; `gate`, when given, holds them until it is set; `calls` tells what was asked."""

    delay_s: float = 0.0
    gate: threading.Event | None = None
    warm_up_error: MuslinError | None = None
    version: str = "fake-1"
    device: str = "cpu"
    jpeg: JpegCodec | None = None
    calls: list[str] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    """Names of the threads that called."""

    def _called(self, what: str) -> None:
        self.calls.append(what)
        self.threads.add(threading.current_thread().name)

    def warm_up(self) -> None:
        self._called("warm_up")
        if self.warm_up_error is not None:
            raise self.warm_up_error

    def read_person(self, photo: Picture) -> FakePerson:
        self._called("read_person")
        look(photo)
        return FakePerson(photo, notices=_noted(photo, Notice("several-people", "The largest person was dressed.")))

    def read_garment(self, picture: Picture, category: Category | None, alpha: LabelMap | None = None) -> FakeGarment:
        self._called("read_garment" if alpha is None else "read_garment by alpha")
        look(picture)
        tall = picture.shape[0] > 2 * picture.shape[1]
        found = category or (Category.LOWER if tall else Category.UPPER)
        notices = _noted(picture, Notice("faint-ground", "The ground is hardly seen."))
        return FakeGarment(picture, found, notices=(*notices, *_noted(picture, Notice("not-worn", "No result repeats this."))))

    def pack_person(self, person: FakePerson) -> bytes:
        return PACKER.pack(person)

    def unpack_person(self, data: bytes) -> FakePerson:
        self._called("unpack_person")
        person = PACKER.unpack(data)
        assert isinstance(person, FakePerson)
        return person

    def pack_garment(self, garment: FakeGarment) -> bytes:
        return PACKER.pack(garment)

    def unpack_garment(self, data: bytes) -> FakeGarment:
        self._called("unpack_garment")
        garment = PACKER.unpack(data)
        assert isinstance(garment, FakeGarment)
        return garment

    def try_on(self, batch: Sequence[Fitting[FakePerson, FakeGarment]]) -> list[TryOn]:
        self._called("try_on")
        if self.gate is not None:
            self.gate.wait(20)
        time.sleep(self.delay_s)
        return [self._draw(fitting) for fitting in batch]

    def explain(self, fitting: Fitting[FakePerson, FakeGarment]) -> Explanation:
        self._called("explain")
        height, width = fitting.person.size
        top, left = self._box(fitting)
        edit = np.zeros((height, width), np.bool_)
        edit[top : height - top, left : width - left] = True
        y, x = np.mgrid[:height, :width].astype(np.float32)
        garment = fitting.garments[-1].picture
        place = np.where(edit[..., None], np.stack([x - left, y - top], -1), np.float32(np.nan))
        return Explanation(
            parse=np.where(edit, np.uint8(Label.UPPER), np.uint8(Label.BACKGROUND)),
            garment_mask=np.full(garment.shape[:2], 255, np.uint8),
            garment_alpha=np.where(edit, np.uint8(255), np.uint8(0)),
            garment_map=place.astype(np.float32),
            edit_mask=edit,
            landmarks={"neck": [[float(left), float(top)]]},
        )

    def close(self) -> None:
        self._called("close")

    @staticmethod
    def _box(fitting: Fitting[FakePerson, FakeGarment]) -> tuple[int, int]:
        height, width = fitting.person.size
        return height // 4, width // 4

    def _draw(self, fitting: Fitting[FakePerson, FakeGarment]) -> TryOn:
        worn = [garment.category for garment in fitting.garments]
        if max(worn.count(Category.LOWER), worn.count(Category.DRESS)) > 1:
            raise errors.CategoryNotSupported("The fake wears one lower garment and one dress at most.")
        picture = fitting.person.photo.copy()
        top, left = self._box(fitting)
        height, width = fitting.person.size
        for inset, garment in enumerate(fitting.garments):
            colour = garment.picture.reshape(-1, 3).mean(0).round()
            step = 4 * inset
            picture[top + step : height - top - step, left + step : width - left - step] = colour
        garments = fitting.garments
        return TryOn(
            picture=picture,
            confidence=min(fitting.person.confidence, *(g.confidence for g in garments)),
            notices=(*fitting.person.notices, *(n for garment in garments for n in garment.notices if n.code != "not-worn")),
            timings_ms={"drape": 1.0, "compose": 2.0},
        )
