"""Dresses a list of cases, reading every photo and every garment once.

Cases of the same photo are drawn one after the other, so that one read person at a time is held; a garment is
dropped after the last case that wears it. A row or a case that fails says so in its report and stops nothing.
"""

from __future__ import annotations

import csv
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from models.errors import MuslinError
from models.images import GARMENT_LONG_SIDE_PX, Decoded, decode
from models.interface import EngineProtocol, Fitting, G, P
from models.types import Category, Notice, Tuck
from service.categories import parse_categories
from service.errors import ServiceError
from service.explain import at_picture_size, write_error, write_result
from service.outfits import draw

logger = logging.getLogger(__name__)

R = TypeVar("R")
COLUMNS = ("id", "photo", "garment", "category")
NEEDED = COLUMNS[:3]
LONGEST_ID_BYTES = 200
"""File systems take names of 255."""


class ManifestError(Exception):
    """The list of cases cannot be used at all; the message is one sentence."""


class CaseFailed(Exception):
    """Why one case gave no picture."""

    def __init__(self, slug: str, detail: str, path: Path | None = None) -> None:
        """`slug`: of `models.errors`, or outfit-not-wearable, invalid-id, invalid-row, invalid-category, unreadable-file,
        unwritable-folder; `path`: of the file that is to blame.
        """
        super().__init__(detail)
        self.slug = slug
        self.detail = detail
        self.path = path


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
    line: int
    """Of the manifest."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row of the manifest that names no case."""

    id: str
    """The folder of its report: what the row calls itself, or line-N where that cannot be used."""
    line: int
    failure: CaseFailed


@dataclass(frozen=True, slots=True)
class Manifest:
    cases: tuple[Case, ...]
    bad_rows: tuple[BadRow, ...]


def read_manifest(path: Path) -> Manifest:
    """Columns id, photo, garment, category; others are ignored. Several garments, inner to outer, are separated by semicolons,
    and so are their categories (or one is meant for all; empty or auto: found from the outline). Paths are relative to the manifest.

    Raises ManifestError when there are no rows to be read, OSError.
    """
    try:
        rows = _rows(path)
    except UnicodeDecodeError:
        raise ManifestError(f"{path}: this is no text in UTF-8; save the list as a CSV file in UTF-8.") from None
    except csv.Error as error:
        raise ManifestError(f"{path}: this is no CSV file ({error}).") from None
    if not rows:
        raise ManifestError(f"{path} names no case.")
    cases: list[Case] = []
    bad: list[tuple[int, str, CaseFailed]] = []
    seen: dict[str, int] = {}
    for line, row in rows:
        name = row["id"]
        try:
            _check_id(name, seen)
        except CaseFailed as failure:
            bad.append((line, f"line-{line}", failure))
            continue
        seen[name] = line
        try:
            cases.append(_case(row, path.parent, line))
        except CaseFailed as failure:
            bad.append((line, name, failure))
    return Manifest(tuple(cases), tuple(BadRow(_free(name, line, seen), line, failure) for line, name, failure in bad))


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Every row with its line; rows in which nothing stands are left out, and so are values without a column."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        rows.fieldnames = names = [(name or "").strip() for name in rows.fieldnames or ()]
        missing = [column for column in NEEDED if column not in names]
        if missing:
            raise ManifestError(f"{path}: the first line must name the columns {', '.join(COLUMNS)}; {missing[0]} is missing.")
        found = []
        for row in rows:
            values = {key: (value or "").strip() for key, value in row.items() if isinstance(value, str | None)}
            if any(values.values()):
                found.append((rows.line_num, values))
        return found


def _check_id(name: str, seen: Mapping[str, int]) -> None:
    if name in seen:
        raise CaseFailed("invalid-id", f"The id {name!r} stands in line {seen[name]} already.")
    usable = name not in ("", ".", "..") and "/" not in name and "\\" not in name and name.isprintable()
    if not usable or len(name.encode()) > LONGEST_ID_BYTES:
        shown = name if len(name) <= 40 else f"{name[:40]}…"
        raise CaseFailed("invalid-id", f"The id {shown!r} cannot be the name of a folder.")


def _free(name: str, line: int, seen: Mapping[str, int]) -> str:
    """`name`, unless it was made up and a later row is called so."""
    while seen.get(name, line) != line:
        name += "-bad"
    return name


def _case(row: Mapping[str, str], folder: Path, line: int) -> Case:
    garments = [part.strip() for part in row["garment"].split(";") if part.strip()]
    if not row["photo"] or not garments:
        raise CaseFailed("invalid-row", f"Line {line} needs a photo and a garment.")
    try:
        categories = parse_categories(row.get("category", "").split(";"), len(garments))
    except ValueError as error:
        raise CaseFailed("invalid-category", str(error)) from None
    files = (GarmentFile(folder / garment, category) for garment, category in zip(garments, categories, strict=True))
    return Case(row["id"], folder / row["photo"], tuple(files), line)


@dataclass(frozen=True, slots=True)
class Reading(Generic[R]):
    """What was read once, or why it could not be."""

    value: R | None
    failure: CaseFailed | None
    ms: float
    notices: tuple[Notice, ...] = ()
    size: tuple[int, int] = (0, 0)
    """(height, width) px of the picture in the file."""

    def get(self) -> R:
        if self.value is None:
            raise self.failure or RuntimeError("Nothing was read.")
        return self.value


class Batch(Generic[P, G]):
    """Reads and draws with one engine. Not for several threads."""

    def __init__(self, engine: EngineProtocol[P, G], tuck: Tuck = Tuck.AUTO, *, explain: bool = False) -> None:
        self._engine = engine
        self._tuck = tuck
        self._explain = explain

    def run(self, cases: Sequence[Case], out: Path) -> Iterator[tuple[Case, CaseFailed | None]]:
        """Writes OUT/<id>/ for each case; yields the case and why it failed, or None, as soon as it is done."""
        uses = Counter(garment for case in cases for garment in case.garments)
        garments: dict[GarmentFile, Reading[G]] = {}
        by_photo: dict[str, list[Case]] = {}
        for case in cases:
            by_photo.setdefault(os.path.abspath(case.photo), []).append(case)  # noqa: PTH100 (Path.resolve fails on impossible names)
        for same in by_photo.values():
            person = self.read_person(same[0].photo)
            for case in same:
                for garment in case.garments:
                    if garment not in garments:
                        garments[garment] = self.read_garment(garment)
                yield case, self._try(person, [garments[garment] for garment in case.garments], out / case.id)
                for garment in case.garments:
                    uses[garment] -= 1
                    if uses[garment] == 0:
                        garments.pop(garment, None)

    def read_person(self, path: Path) -> Reading[P]:
        return _read(path, lambda decoded: self._engine.read_person(decoded.picture))

    def read_garment(self, garment: GarmentFile) -> Reading[G]:
        def read(decoded: Decoded) -> G:
            return self._engine.read_garment(decoded.picture, garment.category, decoded.alpha)

        return _read(garment.path, read, GARMENT_LONG_SIDE_PX)

    def _try(self, person: Reading[P], garments: Sequence[Reading[G]], folder: Path) -> CaseFailed | None:
        try:
            self._draw(person, garments, folder)
        except CaseFailed as failure:
            return write_failure(folder, failure)
        except (MuslinError, ServiceError) as error:
            return write_failure(folder, CaseFailed(error.slug, error.detail))
        except OSError as error:
            return write_failure(folder, _unwritable(folder, error))
        except Exception as error:
            logger.exception("%s failed", folder.name)
            return write_failure(folder, _bug(error))
        return None

    def _draw(self, person: Reading[P], garments: Sequence[Reading[G]], folder: Path) -> None:
        fitting = Fitting(person.get(), tuple(garment.get() for garment in garments), self._tuck)
        begin = time.perf_counter()
        result = draw(self._engine, fitting)
        timings = {
            "read_person": person.ms,
            "read_garment": sum(garment.ms for garment in garments),
            "try_on": 1000 * (time.perf_counter() - begin),
        }
        explanation = at_picture_size(self._engine.explain(fitting), garments[-1].size) if self._explain else None
        notices = (*person.notices, *(notice for garment in garments for notice in garment.notices))
        write_result(folder, fitting, result, explanation, timings, notices)


def write_failure(folder: Path, failure: CaseFailed) -> CaseFailed:
    """Writes the report of a failed case; returns what failed, which is the writing when that fails too."""
    try:
        write_error(folder, failure.slug, failure.detail, failure.path)
    except OSError as error:
        return _unwritable(folder, error)
    return failure


def _unwritable(folder: Path, error: OSError) -> CaseFailed:
    return CaseFailed("unwritable-folder", f"Nothing can be written there: {error.strerror or error}.", folder)


def _bug(error: Exception, path: Path | None = None) -> CaseFailed:
    failure = CaseFailed(MuslinError.slug, f"{type(error).__name__}: {error}", path)
    failure.__cause__ = error
    return failure


def _read(path: Path, read: Callable[[Decoded], R], longest_px: int | None = None) -> Reading[R]:
    begin = time.perf_counter()
    try:
        decoded = decode(_bytes(path), longest_px=longest_px)
        value = read(decoded)
    except CaseFailed as failed:
        failure = failed
    except MuslinError as error:
        failure = CaseFailed(error.slug, error.detail, path)
    except Exception as error:
        logger.exception("%s cannot be read", path)
        failure = _bug(error, path)
    else:
        return Reading(value, None, 1000 * (time.perf_counter() - begin), decoded.notices, decoded.size)
    return Reading(None, failure, 1000 * (time.perf_counter() - begin))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise CaseFailed("unreadable-file", "There is no such file.", path) from None
    except OSError as error:
        raise CaseFailed("unreadable-file", f"The file cannot be read: {error.strerror or error}.", path) from None
    except ValueError:  # a NUL
        raise CaseFailed("unreadable-file", "No file can have this name.", path) from None
