"""The command line with the fake engine: what it writes, what it says, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from models.assets import PersonAssets
from models.errors import AssetError, GarmentNotIsolated, MuslinError, NoPerson
from models.images import decode, encode
from models.interface import EngineProtocol
from service.cli import main
from service.settings import Settings
from tests.fakes import FakeEngine, FakeGarment, FakePerson, marked
from tests.service.conftest import drawn
from tests.service.servers import free_port

EXPLAINED = {"result.png", "parse.png", "garment_mask.png", "garment_alpha.png", "garment_map.npy", "edit_mask.png", "report.json"}


def run(engine: FakeEngine, *arguments: object) -> int:
    def make(_: Settings) -> EngineProtocol[FakePerson, FakeGarment]:
        return engine

    return main([str(argument) for argument in arguments], make)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos a, b (b has nobody) and c (no picture at all), garments x, y and z (z is not isolated)."""
    for name, picture in {"a": drawn(1), "b": marked(drawn(2), NoPerson), "x": drawn(3, 60, 50), "y": drawn(4, 150, 70)}.items():
        (tmp_path / f"{name}.png").write_bytes(encode(picture, "png"))
    (tmp_path / "z.png").write_bytes(encode(marked(drawn(5), GarmentNotIsolated), "png"))
    (tmp_path / "c.png").write_bytes(b"not a picture")
    return tmp_path


def test_try_on_writes_the_picture(folder: Path, engine: FakeEngine, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(engine, "try-on", folder / "a.png", folder / "x.png", "-o", folder / "out.png") == 0
    result = np.asarray(Image.open(folder / "out.png"))
    assert (result[:10] == drawn(1)[:10]).all()
    assert (result[48, 32] == drawn(3, 60, 50).reshape(-1, 3).mean(0).round()).all()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "confidence 0.80" in captured.err
    assert engine.calls[-1] == "close"


@pytest.mark.parametrize("name,kind", [("o.jpg", "jpeg"), ("o.JPEG", "jpeg"), ("o.webp", "webp")])
def test_the_names_ending_chooses_the_format(folder: Path, engine: FakeEngine, name: str, kind: str) -> None:
    assert run(engine, "try-on", folder / "a.png", folder / "x.png", "-o", folder / name) == 0
    assert decode((folder / name).read_bytes()).format == kind


def test_try_on_explains(folder: Path, engine: FakeEngine) -> None:
    arguments = ("try-on", folder / "a.png", folder / "x.png", folder / "y.png", "-o", folder / "o.png", "--explain", folder / "why")
    assert run(engine, *arguments, "--category", "upper", "--category", "dress") == 0
    assert {path.name for path in (folder / "why").iterdir()} == EXPLAINED
    report = json.loads((folder / "why/report.json").read_text())
    assert [garment["category"] for garment in report["garments"]] == ["upper", "dress"]


@pytest.mark.parametrize(
    "arguments,sentence",
    [
        (("nowhere.png", "x.png", "-o", "o.png"), "nowhere.png: No such file"),
        (("b.png", "x.png", "-o", "o.png"), "b.png: The fake was asked for NoPerson."),
        (("a.png", "z.png", "-o", "o.png"), "z.png: The fake was asked for GarmentNotIsolated."),
        (("c.png", "x.png", "-o", "o.png"), "c.png: This is not a picture"),
        (("a.png", "x.png", "-o", "o.bmp"), "o.bmp: the picture's name must end in"),
        (("a.png", "x.png", "-o", "no/such/o.png"), "no/such: there is no such folder."),
        (
            ("a.png", "x.png", "-o", "o.png", "--category", "upper", "--category", "lower"),
            "For 1 garment came 2 categories: give one for each garment, or one for all.",
        ),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    folder: Path,
    engine: FakeEngine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    monkeypatch.chdir(folder)
    assert run(engine, "try-on", *arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("muslin: ")
    assert captured.err.count("\n") == 1
    assert sentence in captured.err


def test_try_on_says_what_the_garments_were_taken_for(folder: Path, engine: FakeEngine, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("try-on", folder / "a.png", folder / "y.png", folder / "x.png", "-o", folder / "o.png")
    assert run(engine, *arguments) == 0
    assert "o.png: lower, upper; confidence 0.80" in capsys.readouterr().err
    assert run(engine, *arguments, "--category", "lower") == 2
    assert capsys.readouterr().err.endswith("What came, inner to outer, is lower and lower.\n")


def manifest(folder: Path, *rows: str, head: str = "id,photo,garment,category,parse") -> Path:
    path = folder / "cases.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def test_batch_goes_on_after_errors_and_reads_everything_once(folder: Path, engine: FakeEngine, capsys: pytest.CaptureFixture[str]) -> None:
    cases = manifest(
        folder,
        "one,a.png,x.png,upper,ignored",
        "nobody,b.png,x.png,,",
        "two,a.png,y.png,auto,",
        "torn,c.png,x.png,,",
        "gone,missing.png,x.png,,",
        "bad-garment,a.png,z.png,,",
        "outfit,a.png,y.png;x.png,auto;upper,",
        "again,a.png,x.png,upper,",
        "two-lower,a.png,y.png;x.png,lower,",
        "rest-found,a.png,x.png;y.png,upper;,",
    )
    assert run(engine, "batch", cases, folder / "out", "--explain") == 1
    reports = {path.parent.name: json.loads(path.read_text()) for path in (folder / "out").glob("*/report.json")}
    assert {name: report.get("error") for name, report in reports.items()} == {
        "one": None,
        "two": None,
        "outfit": None,
        "again": None,
        "rest-found": None,
        "two-lower": "outfit-not-wearable",
        "nobody": "no-person",
        "torn": "unsupported-image",
        "gone": "unreadable-file",
        "bad-garment": "garment-not-isolated",
    }
    assert reports["nobody"] == {"error": "no-person", "detail": "The fake was asked for NoPerson.", "path": str(folder / "b.png")}
    assert {path.name for path in (folder / "out/nobody").iterdir()} == {"report.json"}
    assert engine.calls.count("read_person") == 2
    assert engine.calls.count("read_garment") == 6  # x as upper, x and y as auto, z, x and y as lower
    told = capsys.readouterr().err
    assert (
        "5 of 10 dressed; no-person: 1; unsupported-image: 1; unreadable-file: 1; garment-not-isolated: 1; outfit-not-wearable: 1.\n"
        in told
    )
    assert f"  line 6, gone: unreadable-file: There is no such file. ({str(folder / 'missing.png')!r})\n" in told


def test_bad_rows_fail_alone(folder: Path, engine: FakeEngine, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "out/blocked").mkdir(parents=True)
    (folder / "out/blocked/report.json").mkdir()
    cases = manifest(
        folder,
        "good,a.png,x.png,,",
        "../up,a.png,x.png,,",
        f"{'i' * 300},a.png,x.png,,",
        "good,a.png,y.png,,",
        "short",
        "hat,a.png,x.png,hat,",
        "many,a.png,x.png,upper;lower,",
        "nul,a\0.png,x.png,,",
        f"long,a.png,{'n' * 300}.png,,",
        "folder,a.png,out,,",
        "blocked,a.png,x.png,,",
        ",,,,",
        ",a.png,x.png,,",
        "line-3,b.png,x.png,,",
        "last,a.png,x.png,,",
    )
    assert run(engine, "batch", cases, folder / "out") == 1
    reports = {path.parent.name: json.loads(path.read_text()) for path in (folder / "out").glob("*/report.json") if path.is_file()}
    assert {name: report.get("error") for name, report in reports.items()} == {
        "good": None,
        "last": None,
        "line-3": "no-person",
        "line-3-bad": "invalid-id",
        "line-4": "invalid-id",
        "line-5": "invalid-id",
        "short": "invalid-row",
        "hat": "invalid-category",
        "many": "invalid-category",
        "nul": "unreadable-file",
        "long": "unreadable-file",
        "folder": "unreadable-file",
        "line-14": "invalid-id",
    }
    assert reports["nul"]["path"] == str(folder / "a\0.png")
    assert all(report["detail"].endswith(".") for report in reports.values() if "error" in report)
    told = capsys.readouterr().err
    assert told.startswith("2 of 14 dressed; ")
    assert "line 12, blocked: unwritable-folder: " in told
    assert "internal-error" not in told
    assert "Traceback" not in told
    assert [line.split(",")[0] for line in told.splitlines()[1:]] == [f"  line {k}" for k in (3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15)]


@pytest.mark.parametrize(
    "content,words",
    [
        ("id,photo,garment\none,é.png,x.png\n".encode("latin-1"), "no text in UTF-8"),
        ("id,photo,garment\none,a.png,x.png\n".encode("utf-16"), "no text in UTF-8"),
        (encode(drawn(1), "png"), "no text in UTF-8"),
        (bytes(500), "the first line must name the columns"),
        (b"", "the first line must name the columns"),
        (b"id,photo,garment\none,a.png," + b"x" * 200_000, "no CSV file"),
    ],
)
def test_a_manifest_that_cannot_be_read(
    folder: Path, engine: FakeEngine, capsys: pytest.CaptureFixture[str], content: bytes, words: str
) -> None:
    (folder / "cases.csv").write_bytes(content)
    assert run(engine, "batch", folder / "cases.csv", folder / "out") == 2
    told = capsys.readouterr().err
    assert told.startswith("muslin: ")
    assert told.count("\n") == 1
    assert words in told
    assert engine.calls == []


def test_a_large_garment_is_read_smaller_and_explained_at_its_own_size(folder: Path, engine: FakeEngine) -> None:
    (folder / "x.png").write_bytes(encode(drawn(3, 4000, 3000), "png"))
    assert run(engine, "batch", manifest(folder, "one,a.png,x.png,,"), folder / "out", "--explain") == 0
    assert np.asarray(Image.open(folder / "out/one/garment_mask.png")).shape == (4000, 3000)
    place = np.load(folder / "out/one/garment_map.npy")
    assert place[24, 16].tolist() == pytest.approx([0.5 * 3000 / 1536 - 0.5, 0.5 * 4000 / 2048 - 0.5])


def test_explanations_are_as_promised(folder: Path, engine: FakeEngine) -> None:
    assert run(engine, "batch", manifest(folder, "one,a.png,x.png,,"), folder / "out", "--explain") == 0
    case = folder / "out/one"
    assert {path.name for path in case.iterdir()} == EXPLAINED
    pictures = {name: np.asarray(Image.open(case / f"{name}.png")) for name in ("parse", "garment_mask", "garment_alpha", "edit_mask")}
    assert {name: picture.shape for name, picture in pictures.items()} == {
        "parse": (96, 64),
        "garment_mask": (60, 50),
        "garment_alpha": (96, 64),
        "edit_mask": (96, 64),
    }
    assert set(np.unique(pictures["edit_mask"])) == {0, 255}
    place = np.load(case / "garment_map.npy")
    assert (place.shape, place.dtype) == ((96, 64, 2), np.float32)
    result, photo = np.asarray(Image.open(case / "result.png")), drawn(1)
    assert (result == photo)[pictures["edit_mask"] == 0].all()
    report = json.loads((case / "report.json").read_text())
    assert report["confidence"] == 0.8
    assert report["timings_ms"].keys() >= {"read_person", "read_garment", "try_on", "drape", "compose"}
    assert report["landmarks"]["neck"] == [[16.0, 24.0]]
    assert report["warnings"] == []


def test_without_explain_only_result_and_report(folder: Path, engine: FakeEngine) -> None:
    assert run(engine, "batch", manifest(folder, "one,a.png,x.png,,"), folder / "out") == 0
    assert {path.name for path in (folder / "out/one").iterdir()} == {"result.png", "report.json"}
    assert "explain" not in engine.calls


def test_an_error_removes_what_an_earlier_run_left(folder: Path, engine: FakeEngine) -> None:
    cases = manifest(folder, "one,a.png,x.png,,")
    run(engine, "batch", cases, folder / "out", "--explain")
    (folder / "a.png").write_bytes(b"")
    run(engine, "batch", cases, folder / "out", "--explain")
    assert {path.name for path in (folder / "out/one").iterdir()} == {"report.json"}


@pytest.mark.parametrize(
    "rows,head,sentence",
    [
        ((), "id,photo,garment,category", "names no case"),
        (("a,b",), "id,photo", "garment is missing"),
    ],
)
def test_a_manifest_that_cannot_be_used(
    folder: Path, engine: FakeEngine, capsys: pytest.CaptureFixture[str], rows: tuple[str, ...], head: str, sentence: str
) -> None:
    assert run(engine, "batch", manifest(folder, *rows, head=head), folder / "out") == 2
    assert sentence in capsys.readouterr().err
    assert engine.calls == []


def test_an_engine_that_cannot_be_made(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(_: Settings) -> EngineProtocol[FakePerson, FakeGarment]:
        raise MuslinError("There is no engine.")

    assert main(["try-on", str(folder / "a.png"), str(folder / "x.png"), "-o", str(folder / "o.png")], broken) == 2
    assert capsys.readouterr().err == "muslin: There is no engine.\n"


def test_ctrl_c_ends_quietly(folder: Path, engine: FakeEngine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> FakePerson:
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "read_person", interrupted)
    assert run(engine, "batch", manifest(folder, "one,a.png,x.png,,"), folder / "out") == 130
    assert capsys.readouterr().err == ""
    assert engine.calls == ["close"]


SERVE = """
import sys
from service.cli import main
from tests.fakes import FakeEngine
sys.exit(main(sys.argv[1:], lambda settings: FakeEngine()))
"""


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", SERVE, "serve", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2], env=os.environ | environment)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_serve_listens_and_stops_when_told(stop: signal.Signals) -> None:
    port = free_port()
    with start("--port", str(port)) as process:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        process.send_signal(stop)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == (0 if stop == signal.SIGINT else -signal.SIGTERM)
    assert f"http://127.0.0.1:{port}" in errors
    assert "Traceback" not in errors


def test_serve_says_when_the_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start(MUSLIN_PORT=str(port)) as process:
            _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert errors == f"muslin: Cannot listen on 127.0.0.1 port {port}: Address already in use.\n"


@pytest.mark.parametrize(
    "settings,words",
    [
        ({"MUSLIN_DATABASE_URL": "postgresql://u:x@127.0.0.1:1/x"}, "The database cannot be used"),
        ({"MUSLIN_DATABASE_URL": "postgresql://u:p@h:notaport/x"}, "MUSLIN_DATABASE_URL must begin with"),
        ({"REDIS_URL": "http://127.0.0.1:1"}, "must begin with one of redis://"),
    ],
)
def test_serve_says_what_it_cannot_use(settings: dict[str, str], words: str) -> None:
    with start(**settings) as process:
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert errors.startswith("muslin: ")
    assert errors.count("\n") == 1, "one sentence, and no word that it serves"
    assert words in errors


def test_a_device_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("MUSLIN_DEVICE", "cuda:99")
    assert main(["try-on", str(folder / "a.png"), str(folder / "x.png"), "-o", str(folder / "o.png")]) == 2
    assert capsys.readouterr().err == "muslin: MUSLIN_DEVICE=cuda:99: torch sees no such device here.\n"


@pytest.mark.parametrize("name", ["", "a\nb", "\x1b[31m", "x" * 300])
def test_what_is_no_name_for_a_key(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSLIN_DATA_DIR", str(tmp_path))
    assert main(["keys", "create", name]) == 2
    assert main(["keys", "create", "shop", "--tenant", name]) == 2


def test_assets_fetches_what_is_missing_and_says_where_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def missing(_: Path | None) -> PersonAssets:
        raise AssetError("Nothing there.")

    def fetched(folder: Path | None, *, store_url: str | None, multiclass: bool, progress: Callable[[str, int, int], None]) -> PersonAssets:
        for done in (0, 50, 100):
            progress("pose", done, 100)
        assert (folder, store_url, multiclass) == (Path("/models"), "https://mirror.example/m", False)
        return PersonAssets(Path("/models/pose.task"), Path("/models/selfie.tflite"))

    monkeypatch.setattr("service.cli.find", missing)
    monkeypatch.setattr("service.cli.fetch", fetched)
    monkeypatch.setenv("MUSLIN_ASSETS_DIR", "/models")
    monkeypatch.setenv("MUSLIN_MODEL_STORE_URL", "https://mirror.example/m")
    assert main(["assets"]) == 0
    assert capsys.readouterr().out == "/models/pose.task\n/models/selfie.tflite\n"


def test_assets_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(*_: object, **__: object) -> PersonAssets:
        raise AssetError("The disk is full.")

    monkeypatch.setattr("service.cli.find", fails)
    monkeypatch.setattr("service.cli.fetch", fails)
    assert main(["assets"]) == 2
    assert capsys.readouterr().err.endswith("muslin: The disk is full.\n")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.startswith("muslin ")
