"""Dresses a list of cases, reading every photo and every garment once.

Cases of the same photo are drawn one after the other, so that one read person at a time is held; a garment is
dropped after the last case that wears it. One case that fails says so in its report and stops nothing.
"""

from __future__ import annotations

import csv
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from models.images import Decoded, decode
from models.interface import EngineProtocol, Fitting, G, P
from models.types import Category, Notice, Tuck
from service.categories import parse_categories
from service.explain import slug_and_detail, write_error, write_result

logger = logging.getLogger(__name__)

R = TypeVar("R")
COLUMNS = ("id", "photo", "garment", "category")


class ManifestError(Exception):
    """The list of cases cannot be used; the message is one sentence with the line."""


@dataclass(frozen=True, slots=True)
class GarmentFile:
    path: Path
    category: Category | None
    """None: found from the outline."""


@dataclass(frozen=True, slots=True)
class Case:
    id: str
    photo: Path
    garments: tuple[GarmentFile, ...]
    """Inner to outer."""


def read_manifest(path: Path) -> list[Case]:
    """Columns id, photo, garment, category; others are ignored. Several garments, inner to outer, are separated by semicolons,
    and so are their categories (or one is meant for all; empty or auto: found from the outline). Paths are relative to the manifest.

    Raises ManifestError, OSError.
    """
    cases: list[Case] = []
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        missing = [column for column in ("id", "photo", "garment") if column not in (rows.fieldnames or ())]
        if missing:
            raise ManifestError(f"{path}: the first line must name the columns {', '.join(COLUMNS)}; {missing[0]} is missing.")
        for row in rows:
            case = _case({key: (value or "").strip() for key, value in row.items() if isinstance(value, str | None)}, path, rows.line_num)
            if case.id in {known.id for known in cases}:
                raise ManifestError(f"{path}, line {rows.line_num}: the id {case.id!r} comes twice.")
            cases.append(case)
    if not cases:
        raise ManifestError(f"{path} names no case.")
    return cases


def _case(row: dict[str, str], path: Path, line: int) -> Case:
    where = f"{path}, line {line}"
    name = row["id"]
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise ManifestError(f"{where}: the id {name!r} cannot be the name of a folder.")
    garments = [part.strip() for part in row["garment"].split(";") if part.strip()]
    if not row["photo"] or not garments:
        raise ManifestError(f"{where}: a photo and a garment are needed.")
    try:
        categories = parse_categories(row.get("category", "").split(";"), len(garments))
    except ValueError as error:
        raise ManifestError(f"{where}: {error}") from None
    files = (GarmentFile(path.parent / garment, category) for garment, category in zip(garments, categories, strict=True))
    return Case(name, path.parent / row["photo"], tuple(files))


@dataclass(frozen=True, slots=True)
class Reading(Generic[R]):
    """What was read once, or why it could not be."""

    value: R | None
    error: Exception | None
    ms: float
    notices: tuple[Notice, ...] = ()

    def get(self) -> R:
        if self.value is None:
            raise self.error or RuntimeError("Nothing was read.")
        return self.value


class Batch(Generic[P, G]):
    """Reads and draws with one engine. Not for several threads."""

    def __init__(self, engine: EngineProtocol[P, G], tuck: Tuck = Tuck.AUTO, *, explain: bool = False) -> None:
        self._engine = engine
        self._tuck = tuck
        self._explain = explain

    def run(self, cases: Sequence[Case], out: Path) -> Iterator[tuple[Case, str | None]]:
        """Writes OUT/<id>/ for each case; yields the case and its error's slug, or None, as soon as it is done."""
        uses = Counter(garment for case in cases for garment in case.garments)
        garments: dict[GarmentFile, Reading[G]] = {}
        by_photo: dict[Path, list[Case]] = {}
        for case in cases:
            by_photo.setdefault(case.photo.absolute(), []).append(case)
        for same in by_photo.values():
            person = self.read_person(same[0].photo)
            for case in same:
                for garment in case.garments:
                    if garment not in garments:
                        garments[garment] = self.read_garment(garment)
                yield case, self.draw(person, [garments[garment] for garment in case.garments], out / case.id)
                for garment in case.garments:
                    uses[garment] -= 1
                    if uses[garment] == 0:
                        garments.pop(garment, None)

    def read_person(self, path: Path) -> Reading[P]:
        return _read(path, lambda decoded: self._engine.read_person(decoded.picture))

    def read_garment(self, garment: GarmentFile) -> Reading[G]:
        return _read(garment.path, lambda decoded: self._engine.read_garment(decoded.picture, garment.category, decoded.alpha))

    def draw(self, person: Reading[P], garments: Sequence[Reading[G]], folder: Path) -> str | None:
        """Draws into `folder`; returns the error's slug, or None."""
        try:
            fitting = Fitting(person.get(), tuple(garment.get() for garment in garments), self._tuck)
            begin = time.perf_counter()
            (result,) = self._engine.try_on([fitting])
            timings = {
                "read_person": person.ms,
                "read_garment": sum(garment.ms for garment in garments),
                "try_on": 1000 * (time.perf_counter() - begin),
            }
            explanation = self._engine.explain(fitting) if self._explain else None
            notices = (*person.notices, *(notice for garment in garments for notice in garment.notices))
            write_result(folder, fitting, result, explanation, timings, notices)
        except Exception as error:  # whatever one case does, the others go on; a bug is logged
            slug, detail = slug_and_detail(error)
            if slug == "internal-error":
                logger.exception("%s failed", folder.name)
            write_error(folder, slug, detail)
            return slug
        return None


def _read(path: Path, read: Callable[[Decoded], R]) -> Reading[R]:
    begin = time.perf_counter()
    try:
        decoded = decode(path.read_bytes())
        value = read(decoded)
    except Exception as error:  # noqa: BLE001 (raised again for each case that needs it)
        return Reading(None, error, 1000 * (time.perf_counter() - begin))
    return Reading(value, None, 1000 * (time.perf_counter() - begin), decoded.notices)
