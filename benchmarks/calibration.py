"""Does the confidence rank pictures as truth does? Over a folder of evaluation cases, and the same photos made worse.

    python -m benchmarks.calibration FOLDER [--only STEM,STEM] [--worse] [--pictures DIR] [--json FILE]

FOLDER holds `manifest.csv` (id, photo, garment, category, parse, worn; see its `score.py` for the columns), `score.py` (label table `LIP`)
and `variants.py` (`NAMES`, `PHOTOS`, `render`, `geometry`, `make`: the photos as a shopper might have taken them). For every case, and
for every variant of the photos that `variants.py` names or that show a worn garment drawn by hand, it prints confidence, signs, reasons and
    outline    IoU of what is drawn with the worn garment, where the garment is the worn one; for variants carried through their geometry
    parse      mean IoU of upper and lower garment: with the truth where there is one (each photo once), for variants with the parse of
               the untouched photo carried through their geometry
Variants of photos with a worn garment are dressed in it, others in the one garment that `variants.py` gives all: its reading is then no
part of the ranks by parse. Then Spearman's rank correlations of the confidence with both, which must be 0.5 at least. `--worse` adds
variants of our own, down to photos nobody can use: the usual ones differ little, so that their ranks are half noise. `covered` (a grey
board held before the trunk) is left out of one line: the signs cannot know a thing in plain colours from a garment's panel. Photos that
are refused with an error are counted, not ranked. `--pictures` writes photo and result side by side, named by confidence: **look at both
ends**. Every photo is read once; some minutes for all.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from benchmarks.measure import command
from models.drape.cut import Garment
from models.engine import Engine, Person
from models.errors import MuslinError
from models.interface import Fitting
from models.types import BoolArray, Category, Label, LabelMap, Picture

LEAST_SHARE = 0.01
"""A garment on less of the photo than this is not judged, as in `variants.py`."""
UNJUDGED = 255
BOARD = ((0.38, 0.62), (0.30, 0.56))
"""Rows and columns, as shares of the photo, that the board of `covered` hides."""
BOARD_COLOUR = (120, 110, 100)
Affine = npt.NDArray[np.float32]


def _gamma(exponent: float) -> Callable[[Picture], Picture]:
    return lambda photo: (255 * (photo / 255.0) ** exponent).astype(np.uint8)


def _blurred(share: float) -> Callable[[Picture], Picture]:
    return lambda photo: np.asarray(cv2.GaussianBlur(photo, (0, 0), share * photo.shape[0]), np.uint8)


def _grainy(photo: Picture) -> Picture:
    return np.clip(photo + np.random.default_rng(0).normal(0, 40, photo.shape), 0, 255).astype(np.uint8)


def _compressed(photo: Picture) -> Picture:
    coded = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 5])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def _covered(photo: Picture) -> Picture:
    result = photo.copy()
    result[_board(photo.shape)] = BOARD_COLOUR
    return result


def _board(shape: tuple[int, ...]) -> tuple[slice, slice]:
    (top, bottom), (left, right) = BOARD
    return slice(int(top * shape[0]), int(bottom * shape[0])), slice(int(left * shape[1]), int(right * shape[1]))


WORSE_LOOKS: dict[str, Callable[[Picture], Picture]] = {
    "darker": _gamma(4),
    "darkest": _gamma(7),
    "blurred": _blurred(1 / 128),
    "smeared": _blurred(1 / 51),
    "grainy": _grainy,
    "compressed": _compressed,
    "covered": _covered,
}
WORSE_SHAPES = ("tiny", "tilted", "tight", "halved")


def _worse_geometry(name: str, width: int, height: int) -> tuple[Affine, tuple[int, int]]:
    """2x3 map from the photo to the variant, and the variant's size (w, h)."""
    if name == "tiny":
        scale = 200 / height
        return np.array([[scale, 0, 0], [0, scale, 0]], np.float32), (round(width * scale), 200)
    if name == "tilted":
        return cv2.getRotationMatrix2D((width / 2, height / 2), 25, 1.0).astype(np.float32), (width, height)
    if name == "tight":
        return np.array([[1, 0, -0.2 * width], [0, 1, 0]], np.float32), (int(0.6 * width), int(0.5 * height))
    if name == "halved":
        return np.array([[1, 0, -0.48 * width], [0, 1, 0]], np.float32), (width - int(0.48 * width), height)
    return np.eye(2, 3, dtype=np.float32), (width, height)


def worsened(name: str, photo: Picture) -> Picture:
    """A variant of our own of `photo` (H, W, 3)."""
    if name in WORSE_LOOKS:
        return np.ascontiguousarray(WORSE_LOOKS[name](photo))
    matrix, size = _worse_geometry(name, photo.shape[1], photo.shape[0])
    return np.asarray(cv2.warpAffine(photo, matrix, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE), np.uint8)


@dataclass(frozen=True, slots=True)
class Row:
    """One picture's confidence and what truth says of it."""

    id: str
    kind: str
    """eval, variant or worse."""
    confidence: float
    outline: float | None
    parse: float | None
    reasons: tuple[str, ...]
    signs: dict[str, Any]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Folder:
    """The evaluation folder, opened."""

    root: Path
    cases: list[dict[str, str]]
    score: ModuleType
    variants: ModuleType

    @classmethod
    def open(cls, root: Path) -> Folder:
        with (root / "manifest.csv").open() as handle:
            cases = list(csv.DictReader(handle))
        return cls(root, cases, _module(root / "score.py"), _module(root / "variants.py"))

    def picture(self, path: str) -> Picture:
        return np.array(ImageOps.exif_transpose(Image.open(self.root / path)).convert("RGB"))

    def labels(self, path: str) -> LabelMap:
        table = np.array([self.score.LIP.get(i, UNJUDGED) for i in range(256)], np.uint8)
        return np.asarray(table[np.asarray(Image.open(self.root / path))], np.uint8)

    def worn(self, path: str) -> LabelMap:
        return np.array(Image.open(self.root / path).convert("L"))

    def usual(self) -> dict[str, str]:
        """Garment and category in which `variants.py` dresses everybody."""
        with tempfile.TemporaryDirectory() as made:
            self.variants.make(Path(made))
            with (Path(made) / "manifest.csv").open() as handle:
                return next(csv.DictReader(handle))

    def has_variants(self, case: dict[str, str]) -> bool:
        stem = Path(case["photo"]).stem
        return bool(case["worn"]) or any(f"{stem}_".startswith(p.rstrip("_") + "_") for p in self.variants.PHOTOS)


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _iou(a: BoolArray, b: BoolArray) -> float:
    return float((a & b).sum() / max(1, int((a | b).sum())))


def _parse_iou(labels: LabelMap, truth: LabelMap) -> float | None:
    """Mean IoU of upper and lower garment where `truth` is not UNJUDGED."""
    judged = truth != UNJUDGED
    found = [_iou((labels == k) & judged, truth == k) for k in (Label.UPPER, Label.LOWER) if (truth == k).mean() > LEAST_SHARE]
    return float(np.mean(found)) if found else None


class Bench:
    """Dresses people and keeps what was read."""

    def __init__(self, folder: Folder, pictures: Path | None) -> None:
        self.folder, self.pictures, self.engine = folder, pictures, Engine()
        self._garments: dict[tuple[str, str], Garment] = {}
        if pictures:
            pictures.mkdir(parents=True, exist_ok=True)

    def garments(self, case: dict[str, str]) -> tuple[Garment, ...]:
        keys = list(zip(case["garment"].split(";"), case["category"].split(";"), strict=True))
        for path, category in keys:
            if (path, category) not in self._garments:
                known = None if category == "auto" else Category(category)
                self._garments[path, category] = self.engine.read_garment(self.folder.picture(path), known)
        return tuple(self._garments[key] for key in keys)

    def row(self, name: str, kind: str, person: Person, garments: tuple[Garment, ...], worn: BoolArray | None, parse: float | None) -> Row:
        fitting = Fitting(person, garments)
        result = self.engine.try_on([fitting])[0]
        outline = None if worn is None else _iou(self.engine.explain(fitting).garment_alpha > 127, worn)
        if self.pictures:
            both = Image.fromarray(np.hstack([person.photo, result.picture]))
            both.save(self.pictures / f"{result.confidence:.3f}-{name}.jpg", quality=85)
        codes = tuple(n.code for n in result.notices)
        return Row(name, kind, result.confidence, outline, parse, codes, asdict(person.signs))

    def rows(self, only: tuple[str, ...], worse: bool) -> Iterator[Row]:
        people: dict[str, Person] = {}
        judged: set[str] = set()
        cases = [c for c in self.folder.cases if not only or Path(c["photo"]).stem in only]
        for case in cases:
            if case["photo"] not in people:
                people[case["photo"]] = self.engine.read_person(self.folder.picture(case["photo"]))
            person, parse = people[case["photo"]], None
            if case["parse"] and case["photo"] not in judged:
                parse = _parse_iou(person.parse.labels, self.folder.labels(case["parse"]))
                judged.add(case["photo"])
            worn = self.folder.worn(case["worn"]) > 127 if case["worn"] else None
            yield self.row(case["id"], "eval", person, self.garments(case), worn, parse)
        varied: set[str] = set()
        usual = self.garments(self.folder.usual())
        for case in sorted(cases, key=lambda c: not c["worn"]):
            if case["photo"] not in varied and self.folder.has_variants(case):
                varied.add(case["photo"])
                garments = self.garments(case) if case["worn"] else usual
                yield from self._variants(case, people[case["photo"]], garments, worse)

    def _variants(self, case: dict[str, str], base: Person, garments: tuple[Garment, ...], worse: bool) -> Iterator[Row]:
        height, width = base.size
        worn = self.folder.worn(case["worn"]) if case["worn"] else None
        usual = [("variant", n) for n in self.folder.variants.NAMES if n != "same"]
        own = [("worse", n) for n in (*WORSE_LOOKS, *WORSE_SHAPES)] if worse else []
        for kind, name in usual + own:
            label = f"{Path(case['photo']).stem}~{name}"
            if kind == "variant":
                photo = self.folder.variants.render(name, base.photo)
                if name == "jpeg40":  # made where it is saved, there
                    photo = cv2.imdecode(cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)
                matrix, size = self.folder.variants.geometry(name, width, height)
            else:
                photo, (matrix, size) = worsened(name, base.photo), _worse_geometry(name, width, height)
            truth = cv2.warpAffine(base.parse.labels, matrix, size, flags=cv2.INTER_NEAREST, borderValue=UNJUDGED)
            there = None if worn is None else cv2.warpAffine(worn, matrix, size) > 127
            if name == "covered":
                truth[_board(truth.shape)] = Label.BACKGROUND
                if there is not None:
                    there[_board(there.shape)] = False
            try:
                person = self.engine.read_person(np.ascontiguousarray(photo))
            except MuslinError as error:
                yield Row(label, kind, 0.0, None, None, (), {}, type(error).__name__)
                continue
            parse = _parse_iou(person.parse.labels, np.asarray(truth, np.uint8))
            yield self.row(label, kind, person, garments, there, parse)


def spearman(a: list[float], b: list[float]) -> float:
    """Rank correlation; ties share their mean rank."""
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: list[float]) -> npt.NDArray[np.float64]:
    _, index, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[index], np.float64)


def correlations(rows: list[Row]) -> dict[str, dict[str, float]]:
    """Of the confidence with outline and parse, and how many pictures are behind each."""
    drawn = [r for r in rows if not r.error]
    sets = {"eval and variants": [r for r in drawn if r.kind != "worse"]}
    if any(r.kind == "worse" for r in drawn):
        sets["with worse ones"] = drawn
        sets["with worse ones but covered"] = [r for r in drawn if not r.id.endswith("~covered")]
    result: dict[str, dict[str, float]] = {}
    for name, members in sets.items():
        result[name] = {}
        for truth in ("outline", "parse"):
            pairs = [(r.confidence, float(getattr(r, truth))) for r in members if getattr(r, truth) is not None]
            if len(pairs) > 2:
                result[name] |= {truth: round(spearman(*map(list, zip(*pairs, strict=True))), 3), f"{truth}_n": len(pairs)}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="photos by their file names without ending, separated by commas")
    parser.add_argument("--worse", action="store_true")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    bench = Bench(Folder.open(options.folder), options.pictures)
    rows = []
    for row in bench.rows(tuple(filter(None, options.only.split(","))), options.worse):
        rows.append(row)
        print(f"{row.id:28} {row.error or f'{row.confidence:.3f}'}", flush=True)
    print(f"\n{'id':28}{'confidence':>11}{'outline':>9}{'parse':>8}  signs; reasons")
    for row in sorted((r for r in rows if not r.error), key=lambda r: r.confidence):
        truth = "".join(f"{'' if v is None else f'{v:.3f}':>{w}}" for v, w in ((row.outline, 9), (row.parse, 8)))
        signs = " ".join(f"{k}={v:.2f}" for k, v in row.signs.items())
        print(f"{row.id:28}{row.confidence:11.3f}{truth}  {signs}; {' '.join(row.reasons)}")
    refused = [r for r in rows if r.error]
    print(f"\nrefused: {', '.join(f'{r.id} {r.error}' for r in refused) or 'none'}")
    report = {"correlations": correlations(rows), "refused": len(refused)}
    if options.json:
        options.json.write_text(json.dumps(report | {"rows": [asdict(r) for r in rows]}, indent=1))
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    command(main)
