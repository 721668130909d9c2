"""The `muslin` command.

Exit codes: 0 all went well; 1 some cases of a batch failed (each has its report; a list of them ends on stderr);
2 nothing could be done, for the reason in one sentence on stderr; 130 interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from models.assets import PersonAssets, fetch, find
from models.errors import AssetError, MuslinError
from models.images import Encoding, encode
from models.interface import EngineProtocol, Fitting
from models.types import Category, Tuck
from service.batch import Batch, CaseFailed, GarmentFile, ManifestError, read_manifest, write_failure
from service.categories import parse_categories
from service.errors import ServiceError
from service.explain import at_picture_size, write_result
from service.names import NAME_MOST, plain_name
from service.outfits import draw
from service.settings import Settings, SettingsError, read_settings
from service.version import muslin_version

if TYPE_CHECKING:
    from service.access import ApiKeys

T = TypeVar("T")
MakeEngine = Callable[[Settings], EngineProtocol[Any, Any]]

OUTPUT_FORMATS: dict[str, Encoding] = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp", ".avif": "avif"}
TENANT = re.compile(r"[\w.-]{1,40}")
SOME_FAILED, USAGE_ERROR, INTERRUPTED = 1, 2, 130
TUCK_HELP = "tops inside or over what is worn below; auto keeps the wearer's way (auto)"


class CommandError(Exception):
    """A sentence for the one at the keyboard."""


def make_engine(settings: Settings) -> EngineProtocol[Any, Any]:
    """The real engine, with its model files fetched first where they are missing."""
    from models.engine import Engine  # noqa: PLC0415 (torch takes seconds to import: not for --help)

    if settings.device != "cpu" and not _has(settings.device):
        raise SettingsError(f"MUSLIN_DEVICE={settings.device}: torch sees no such device here.")
    fetch_assets(settings)
    return Engine(assets_dir=settings.assets_path, device=settings.device, threads=settings.threads)


def _has(device: str) -> bool:
    import torch  # noqa: PLC0415

    return torch.cuda.is_available() and (torch.device(device).index or 0) < torch.cuda.device_count()


def main(arguments: Sequence[str] | None = None, engine: MakeEngine = make_engine) -> int:
    """`arguments`: those of the process by default; `engine`: what makes the engine. Returns the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    warnings.filterwarnings("ignore", module=r"PIL\.")  # about files of strangers: a picture or a typed error says all
    try:
        code: int = options.run(options, read_settings(), engine)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (CommandError, SettingsError, MuslinError, ServiceError) as error:
        print(f"muslin: {error}", file=sys.stderr)
        return USAGE_ERROR
    except OSError as error:
        print(f"muslin: {error.filename or 'error'}: {error.strerror or error}", file=sys.stderr)
        return USAGE_ERROR
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="muslin",
        description="Virtual try-on: the garment picture is warped onto the person's photo, never repainted.",
        epilog="Settings come from environment variables such as MUSLIN_PORT or MUSLIN_REDIS_URL; service/settings.py lists them. "
        "Exit code: 0 all went well, 1 some cases of a batch failed, 2 nothing could be done (one sentence says why), 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"muslin {muslin_version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    categories, tucks = ("auto", *(c.value for c in Category)), [t.value for t in Tuck]

    serve = commands.add_parser("serve", help="the HTTP service with its demo page")
    serve.add_argument("--host", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=port_number, help="port to listen on (8000; 0 takes a free one)")
    serve.set_defaults(run=_serve)

    try_on = commands.add_parser("try-on", help="dress one person")
    try_on.add_argument("photo", type=Path)
    try_on.add_argument("garment", type=Path, nargs="+", help="several make an outfit, inner to outer")
    try_on.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help=f"picture to write ({', '.join(OUTPUT_FORMATS)})")
    try_on.add_argument("--category", action="append", default=[], choices=categories, help="one for all garments, or repeated (auto)")
    try_on.add_argument("--tuck", choices=tucks, default=Tuck.AUTO.value, help=TUCK_HELP)
    try_on.add_argument("--explain", type=Path, metavar="DIR", help="write there how the picture came about")
    try_on.set_defaults(run=_try_on)

    batch = commands.add_parser(
        "batch",
        help="dress everyone in a list",
        epilog="Writes OUT_DIR/ID/ for every row: result.png and report.json, or report.json alone that says what failed. "
        "One bad row stops nothing. "
        "Exit code: 0 all dressed, 1 some failed (listed at the end), 2 the list cannot be read or nothing can be drawn.",
    )
    batch.add_argument(
        "manifest",
        type=Path,
        help="CSV file with the columns id, photo, garment, category; paths relative to it; an outfit's garments, inner to outer, and "
        "their categories are separated by semicolons",
    )
    batch.add_argument("out", type=Path, metavar="OUT_DIR")
    batch.add_argument("--tuck", choices=tucks, default=Tuck.AUTO.value, help=TUCK_HELP)
    batch.add_argument("--explain", action="store_true", help="write how each picture came about")
    batch.set_defaults(run=_batch)

    keys = commands.add_parser("keys", help="API keys for servers that call the service")
    what = keys.add_subparsers(required=True, metavar="WHAT")
    create = what.add_parser("create", help="make a key; it is shown once")
    create.add_argument("name", help="what it is for, such as the shop's name")
    create.add_argument("--tenant", help="keys of one tenant share garments and photos (a tenant of its own)")
    create.set_defaults(run=_create_key)
    what.add_parser("list", help="all keys, without the keys themselves").set_defaults(run=_list_keys)
    revoke = what.add_parser("revoke", help="end a key and the tokens made with it; within seconds nothing accepts them")
    revoke.add_argument("id", help="as `muslin keys list` shows it")
    revoke.set_defaults(run=_revoke_key)
    what.add_parser("secret", help="make a value for MUSLIN_SECRET").set_defaults(run=_new_secret)

    assets = commands.add_parser("assets", help="fetch and verify MediaPipe's model files")
    assets.add_argument("--multiclass", action="store_true", help="the six-class segmenter too (needs MUSLIN_MODEL_STORE_URL)")
    assets.set_defaults(run=_assets)
    return parser


def port_number(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is not between 0 and 65535")
    return port


def _serve(options: argparse.Namespace, settings: Settings, engine: MakeEngine) -> int:
    from service.server import serve  # noqa: PLC0415 (the other commands need no HTTP)

    host = settings.host if options.host is None else options.host
    port = settings.port if options.port is None else options.port
    settings = msgspec.structs.replace(settings, host=host, port=port)  # who may ask depends on where it listens
    with suppress(KeyboardInterrupt):  # the usual way to stop it, and no failure
        serve(settings, engine, announce=_announce)
    return 0


def _announce(address: str, is_open: bool) -> None:
    who = "Open to everybody who reaches it: no keys are asked for." if is_open else "API keys are asked for: `muslin keys create NAME`."
    print(
        f"Muslin loads its models and is at {address} in a moment (the API at {address}/schema); the very first start compiles for this "
        f"processor, for up to a minute. {who} Ctrl-C stops it.",
        file=sys.stderr,
    )


def _try_on(options: argparse.Namespace, settings: Settings, engine: MakeEngine) -> int:
    encoding = OUTPUT_FORMATS.get(options.output.suffix.lower())
    if encoding is None:
        raise CommandError(f"{options.output}: the picture's name must end in one of {', '.join(OUTPUT_FORMATS)}.")
    try:
        categories = parse_categories(options.category, len(options.garment))
    except ValueError as error:
        raise CommandError(str(error)) from None
    files = [GarmentFile(path, category) for path, category in zip(options.garment, categories, strict=True)]
    if not options.output.parent.is_dir():
        raise CommandError(f"{options.output.parent}: there is no such folder.")
    for path in (options.photo, *options.garment):
        path.open("rb").close()  # a wrong name should not cost the seconds of loading the models
    with _closing(engine(settings)) as ready:
        batch = Batch(ready)
        person, garments = batch.read_person(options.photo), [batch.read_garment(file) for file in files]
        for reading in (person, *garments):
            if reading.failure is not None:
                raise reading.failure.__cause__ or CommandError(f"{reading.failure.path}: {reading.failure.detail}")
        fitting = Fitting(person.get(), tuple(garment.get() for garment in garments), Tuck(options.tuck))
        result = draw(ready, fitting)
        options.output.write_bytes(encode(result.picture, encoding))
        if options.explain is not None:
            timings = {"read_person": person.ms, "read_garment": sum(garment.ms for garment in garments)}
            notices = (*person.notices, *(notice for garment in garments for notice in garment.notices))
            explanation = at_picture_size(ready.explain(fitting), garments[-1].size)
            write_result(options.explain, fitting, result, explanation, timings, notices)
    for notice in dict.fromkeys((*person.notices, *(n for garment in garments for n in garment.notices), *result.notices)):
        print(f"note: {notice.detail}", file=sys.stderr)
    kinds = ", ".join(garment.category.value for garment in fitting.garments)
    print(f"{options.output}: {kinds}; confidence {result.confidence:.2f}", file=sys.stderr)
    return 0


def _batch(options: argparse.Namespace, settings: Settings, engine: MakeEngine) -> int:
    try:
        manifest = read_manifest(options.manifest)
    except ManifestError as error:
        raise CommandError(str(error)) from None
    options.out.mkdir(parents=True, exist_ok=True)
    failed = [(row.line, row.id, write_failure(options.out / row.id, row.failure)) for row in manifest.bad_rows]
    if manifest.cases:
        with _closing(engine(settings)) as ready, _bar() as bar:
            task = bar.add_task("dressing", total=len(manifest.cases))
            for case, failure in Batch(ready, Tuck(options.tuck), explain=options.explain).run(manifest.cases, options.out):
                if failure is not None:
                    failed.append((case.line, case.id, failure))
                bar.advance(task)
    _tell(len(manifest.cases) + len(manifest.bad_rows), sorted(failed, key=lambda row: row[0]))
    return SOME_FAILED if failed else 0


def _tell(count: int, failed: Sequence[tuple[int, str, CaseFailed]]) -> None:
    """How many, and of those that failed: which and why."""
    slugs = Counter(failure.slug for _, _, failure in failed)
    summary = "".join(f"; {slug}: {count}" for slug, count in slugs.most_common())
    print(f"{count - len(failed)} of {count} dressed{summary}.", file=sys.stderr)
    for line, name, failure in failed:
        path = "" if failure.path is None else f" ({str(failure.path)!r})"
        print(f"  line {line}, {name}: {failure.slug}: {failure.detail}{path}", file=sys.stderr)


def _assets(options: argparse.Namespace, settings: Settings, _: MakeEngine) -> int:
    found = fetch_assets(settings, multiclass=options.multiclass)
    for path in (found.pose, found.selfie, found.multiclass):
        if path is not None:
            print(path)
    return 0


def _create_key(options: argparse.Namespace, settings: Settings, _: MakeEngine) -> int:
    name = plain_name(options.name)
    if name is None:
        raise CommandError(f"A key needs a name of {NAME_MOST} printable characters at most.")
    if options.tenant is not None and not TENANT.fullmatch(options.tenant):
        raise CommandError("A tenant is named by up to 40 letters, digits, dots, dashes and underscores.")
    made, key = _with_keys(settings, lambda keys: keys.create(name, options.tenant or f"tenant_{os.urandom(8).hex()}"))
    print(f"{made.id} of {made.tenant}. The key is shown this once:", file=sys.stderr)
    print(key)
    return 0


def _list_keys(_: argparse.Namespace, settings: Settings, __: MakeEngine) -> int:
    for key in _with_keys(settings, lambda keys: keys.all()):
        made = datetime.fromtimestamp(key.created, UTC).isoformat(timespec="seconds")
        print(key.id, key.tenant, made, "revoked" if key.revoked else "good", key.name, sep="\t")
    return 0


def _revoke_key(options: argparse.Namespace, settings: Settings, _: MakeEngine) -> int:
    if not _with_keys(settings, lambda keys: keys.revoke(options.id)):
        raise CommandError(f"{options.id}: there is no such key, or it was revoked before.")
    return 0


def _new_secret(_: argparse.Namespace, __: Settings, ___: MakeEngine) -> int:
    from service.secrets import new_secret  # noqa: PLC0415 (the other commands need none)

    print(new_secret())
    return 0


def _with_keys(settings: Settings, work: Callable[[ApiKeys], Coroutine[Any, Any, T]]) -> T:
    """Does something with the keys in the database."""
    from service.access import ApiKeys  # noqa: PLC0415 (the other commands need no database)
    from service.database import DatabaseUnavailable, connect, migrate  # noqa: PLC0415

    async def run() -> T:
        database = connect(settings)
        try:
            await migrate(database)
            return await work(ApiKeys(database))
        finally:
            await database.dispose()

    try:
        return asyncio.run(run())
    except DatabaseUnavailable as error:
        raise CommandError(str(error)) from None


def fetch_assets(settings: Settings, *, multiclass: bool = False) -> PersonAssets:
    """Where the model files are; fetches what is missing, with a progress bar. Raises AssetError."""
    if not multiclass:
        try:
            return find(settings.assets_path)
        except AssetError:
            print("Fetching MediaPipe's model files, once.", file=sys.stderr)
    with _bar(DownloadColumn(), TransferSpeedColumn()) as bar:
        tasks: dict[str, TaskID] = {}

        def progress(what: str, done: int, total: int) -> None:
            task = tasks.get(what)
            if task is None:
                task = tasks[what] = bar.add_task(what, total=None)
            bar.update(task, completed=done, total=total or None)

        return fetch(settings.assets_path, store_url=settings.model_store_url, multiclass=multiclass, progress=progress)


def _bar(*columns: ProgressColumn) -> Progress:
    """On stderr; silent where that is no terminal."""
    console = Console(stderr=True)
    parts = columns or (MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    return Progress(TextColumn("{task.description}"), BarColumn(), *parts, console=console, disable=not console.is_terminal)


@contextmanager
def _closing(engine: EngineProtocol[Any, Any]) -> Iterator[EngineProtocol[Any, Any]]:
    try:
        yield engine
    finally:
        engine.close()


if __name__ == "__main__":
    sys.exit(main())
