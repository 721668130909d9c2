"""Times the engine on a GPU against its budget: the warm core alone and in batches, and a first try-on from file to file.

    python -m benchmarks.gpu [--quick] [--compile] [--device cuda]

`python -m benchmarks.core --device cuda` does this after everything else. The warm core is timed from a read person and a read garment
to the picture on the host, after the shapes were recorded; no pair was drawn alone before. Beside it stands the whole of
`Engine.try_on`, which judges the picture too. Cold begins with a photo's bytes and ends with those of the picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

import msgspec
import torch

from benchmarks.measure import Spread, Stopwatch, command, device
from benchmarks.pairs import at_size, pairs, photos
from models.engine import Engine, alike
from models.images import decode, encode
from models.interface import Fitting, TryOn
from models.replay import RECORD_AT
from models.samples import packshot
from models.types import Category

SIZE: Final = (768, 1024)
"""(width, height) px of photos and garments."""
BATCH: Final = 64
WARM_MS, BATCH_MS, COLD_MS = 0.5, 0.1, 15.0
"""The most that the 95th percentile of a try-on may take on an H200: alone, as one of BATCH, and cold."""


class Timed(msgspec.Struct, frozen=True):
    most_ms: float
    spread: Spread
    met: bool

    @classmethod
    def of(cls, spread: Spread, most_ms: float) -> Timed:
        return cls(most_ms, spread, spread.p95_ms <= most_ms)


class Gpu(msgspec.Struct, frozen=True):
    """Milliseconds a picture."""

    device: str
    torch: str
    measured: str
    """ISO date."""
    warm: Timed
    batch: Timed
    try_on: Spread
    try_on_batch: Spread
    """The same with what `Engine.try_on` does around the core."""
    cold: Timed
    recordings: int
    refused: int
    """Sets of shapes that could be recorded, and that could not."""
    jpeg_on_device: bool


def measure(engine: Engine, quick: bool = False, size: tuple[int, int] = SIZE, batch: int = BATCH) -> Gpu:
    """size: (width, height) px."""
    device = engine.device
    fittings = [pair.fitting for pair in pairs(engine, size)]
    half = len(fittings) // 2
    first, fresh = fittings[:half], fittings[half:]
    for _ in range(RECORD_AT):
        for fitting in first:
            engine.try_on([fitting])
    alone = Stopwatch(device)
    core = [_core_ms(alone(partial(engine.try_on, [fitting]))) for fitting in fresh]
    # those that are drawn as one, repeated to a full batch
    group = max(alike(fittings), key=len)
    full = [fittings[group[k % len(group)]] for k in range(batch)]
    for _ in range(RECORD_AT):
        engine.try_on(full)
    together = Stopwatch(device)
    cores = [_core_ms(together(partial(engine.try_on, full))) / batch for _ in range(4 if quick else 20)]
    recordings, refused = engine.recorded
    return Gpu(
        device=torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        torch=str(torch.__version__),
        measured=datetime.now(UTC).date().isoformat(),
        warm=Timed.of(Spread.of(core, core), WARM_MS),
        batch=Timed.of(Spread.of(cores, cores), BATCH_MS),
        try_on=alone.spread(),
        try_on_batch=Spread.of(*([ms / batch for ms in times] for times in (together.wall_ms, together.cpu_ms))),
        cold=Timed.of(cold(engine, 4 if quick else 40, size), COLD_MS),
        recordings=recordings,
        refused=refused,
        jpeg_on_device=engine.jpeg is not None,
    )


def cold(engine: Engine, repeats: int, size: tuple[int, int]) -> Spread:
    """A photo's JPEG to the JPEG of its picture, the garment being known."""
    files = [encode(at_size(picture, size), "jpeg") for _, picture in photos(size)]
    shirt = engine.read_garment(packshot("print-tee", size).picture, Category.UPPER)
    watch = Stopwatch(engine.device)

    def call(file: bytes) -> bytes:
        person = engine.read_person(decode(file, codec=engine.jpeg).picture)
        return encode(engine.try_on([Fitting(person, (shirt,))])[0].picture, "jpeg", codec=engine.jpeg)

    for file in files * RECORD_AT:
        call(file)
    for k in range(repeats):
        watch(partial(call, files[k % len(files)]))
    return watch.spread()


def _core_ms(results: Sequence[TryOn]) -> float:
    """From read people and garments to the pictures on the host; what was drawn together shares its times."""
    shared = {id(result.timings_ms): result.timings_ms for result in results}
    return sum(ms for timings_ms in shared.values() for ms in timings_ms.values())


def show(found: Gpu) -> None:
    print(f"on {found.device}, torch {found.torch}, {found.measured}:")
    for name, timed in (("warm, alone", found.warm), (f"warm, one of {BATCH}", found.batch), ("cold, JPEG to JPEG", found.cold)):
        verdict = "met" if timed.met else "missed"
        print(f"  {name:22} p50 {timed.spread.p50_ms:9.3f} p95 {timed.spread.p95_ms:9.3f} ms, at most {timed.most_ms:g}: {verdict}")
    print(f"  with its verdict p95 {found.try_on.p95_ms:.3f} ms alone, {found.try_on_batch.p95_ms:.3f} ms together")
    codec = "device" if found.jpeg_on_device else "CPU"
    print(f"  {found.recordings} sets of shapes recorded, {found.refused} refused; JPEG on the {codec}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few repeats")
    parser.add_argument("--compile", action="store_true", help="fuse the core by torch.compile first: minutes for each set of shapes")
    parser.add_argument("--device", type=device, default="cuda")
    parser.add_argument("--size", type=int, nargs=2, default=SIZE, metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--batch", type=int, default=BATCH)
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("torch sees no CUDA device here")
    found = measure(Engine(device=options.device, compiled=options.compile), options.quick, tuple(options.size), options.batch)
    show(found)
    print(msgspec.json.encode(found).decode())


if __name__ == "__main__":
    command(main)
