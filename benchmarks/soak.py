"""Thousands of try-ons in one process: does its memory grow?

    python -m benchmarks.soak [--tries 10000] [--json FILE]

Two people in all kinds of garments and in an outfit, on small pictures; every so often a person and a garment are read anew, and what was
read of them before is dropped. Memory is what is resident once cycles are collected and free memory is given back to the system,
after a warm-up and every tenth of the way. Ends with 1 when it grew by more than `GROWTH_MOST_MB`.
"""

from __future__ import annotations

import argparse
import gc
import time
from itertools import product
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.measure import Machine, at_least, command, resident_mb, tell
from benchmarks.pairs import at_size
from models.drape.cut import Garment
from models.engine import VERSION, Engine, Person
from models.interface import Fitting
from models.samples import packshot
from models.samples.person import sample_person
from service.memory import give_back, set_up_malloc

SIZE: Final = (180, 240)
"""(width, height) px: what leaks, leaks at any size, and small pictures are drawn four times as fast."""
PEOPLE: Final = ("woman", "man")
GARMENTS: Final = ("print-tee", "breton", "chinos", "skirt", "dotted-dress")
OUTFIT: Final = ("chinos", "print-tee")
WARM_UP: Final = 100
"""Try-ons before memory is first looked at, everybody and everything in all combinations: by then all is loaded and sized."""
ANEW_EVERY: Final = 250
"""Try-ons after which a person and a garment are read anew."""
LOOKS: Final = 10
GROWTH_MOST_MB: Final = 5.0
"""Allowed from after the warm-up to the end: 500 bytes a try-on in 10,000. A kept picture has 130,000."""


class Report(msgspec.Struct, frozen=True):
    engine: str
    machine: Machine
    width: int
    height: int
    tries: int
    readings: int
    """Of people and of garments after the warm-up, each."""
    seconds: float
    warm_mb: float
    """Resident after the warm-up."""
    resident_mb: list[float]
    """Every tenth of the way."""
    growth_mb: float
    allowed_mb: float
    objects_growth: int
    """Python objects at the end, less those after the warm-up."""
    passed: bool


class Wardrobe:
    """Read people and garments, replaced one by one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._photos = {name: at_size(sample_person(name).picture, SIZE) for name in PEOPLE}
        self._shots = {name: packshot(name, SIZE) for name in GARMENTS}
        self.readings = 0
        self.people: dict[str, Person] = {}
        self.garments: dict[str, Garment] = {}
        for _ in range(len(GARMENTS)):
            self.anew()

    def anew(self) -> None:
        """Reads the next person and the next garment."""
        who, what = PEOPLE[self.readings % len(PEOPLE)], GARMENTS[self.readings % len(GARMENTS)]
        self.people[who] = self._engine.read_person(self._photos[who])
        shot = self._shots[what]
        self.garments[what] = self._engine.read_garment(shot.picture, shot.category)
        self.readings += 1

    def draw(self, number: int) -> None:
        """One of all pairs and outfits, in turn."""
        looks = [*((name,) for name in GARMENTS), OUTFIT]
        who, look = list(product(PEOPLE, looks))[number % (len(PEOPLE) * len(looks))]
        self._engine.try_on([Fitting(self.people[who], tuple(self.garments[name] for name in look))])


def _settled() -> tuple[float, int]:
    """Resident MB and Python objects, once all that is free is given back."""
    give_back()
    return resident_mb(), len(gc.get_objects())


def soak(tries: int) -> Report:
    """Raises ValueError for fewer tries than looks at the memory."""
    if tries < LOOKS:
        raise ValueError(f"{tries} try-ons are too few to look {LOOKS} times")
    engine = Engine()
    wardrobe = Wardrobe(engine)
    for number in range(WARM_UP):
        wardrobe.draw(number)
    warm_mb, warm_objects = _settled()
    machine, begin, before = Machine.here("cpu"), time.perf_counter(), wardrobe.readings
    seen = []
    for number in range(1, tries + 1):
        wardrobe.draw(number)
        if number * LOOKS // tries > (number - 1) * LOOKS // tries:
            seen.append(_settled())
        if number % ANEW_EVERY == ANEW_EVERY // 2:  # never shortly before a look: who was just read has no plates yet
            wardrobe.anew()
    grown = round(seen[-1][0] - warm_mb, 1)
    return Report(
        engine=VERSION,
        machine=machine,
        width=SIZE[0],
        height=SIZE[1],
        tries=tries,
        readings=wardrobe.readings - before,
        seconds=round(time.perf_counter() - begin, 1),
        warm_mb=warm_mb,
        resident_mb=[mb for mb, _ in seen],
        growth_mb=grown,
        allowed_mb=GROWTH_MOST_MB,
        objects_growth=seen[-1][1] - warm_objects,
        passed=grown <= GROWTH_MOST_MB,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=at_least(LOOKS), default=10_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    set_up_malloc()
    report = soak(options.tries)
    tell(report, options.json)
    return int(not report.passed)


if __name__ == "__main__":
    command(main)
