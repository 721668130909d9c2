"""The house around the code: what is shipped, what is pinned, what must not be in it, what setup says."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from models.engine import VERSION

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Pieced together, so that this file does not hold what it looks for.
WORKPLACE = re.compile(
    "|".join((r"(?<![\w.])/(?:wo" + r"rk|fa" + r"rm)/", r"\.\./sha" + r"red", r"/tmp/d" + r"ev\b", r"/opt/whe" + r"els"))
)
KNOWS_THE_WORKPLACE = {".ci/run"}
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb"}


def tracked() -> list[str]:
    """All files of the repository, as git knows them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_wheel_holds_both_packages_with_their_data(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = tmp_path.glob("muslin-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        shipped = set(archive.namelist())
        (points,) = (name for name in shipped if name.endswith("entry_points.txt"))
        assert "muslin = service.cli:main" in archive.read(points).decode()
    assert {name for name in tracked() if name.startswith(("models/", "service/"))} <= shipped
    assert not [name for name in shipped if not name.startswith(("models/", "service/", "muslin-"))]


def test_all_that_is_asked_for_is_pinned() -> None:
    """Every requirement has one exact version in constraints.txt, and that version is in the asked range."""
    pins = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            (only,) = pin.specifier
            assert only.operator == "=="
            pins[pin.name.lower().replace("_", "-")] = only.version
    for text in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]):
        asked = Requirement(text)
        assert pins[asked.name.lower()] in asked.specifier, text


def test_nothing_names_a_workplace() -> None:
    for name in tracked():
        if name in KNOWS_THE_WORKPLACE:
            continue
        text = (ROOT / name).read_bytes().decode("utf-8", "replace")
        assert not (found := WORKPLACE.search(text)), f"{name} names {found}"


def test_no_model_file_is_committed() -> None:
    assert not [name for name in tracked() if name.endswith((".task", ".tflite", ".pth", ".onnx", ".safetensors"))]


def test_models_never_read_the_environment() -> None:
    for path in sorted((ROOT / "models").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(), str(path))):
            names = (
                [node.attr]
                if isinstance(node, ast.Attribute)
                else [alias.name for alias in node.names]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            assert not ENVIRONMENT & set(names), f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def test_importing_loads_nothing_heavy() -> None:
    """The service's errors and contracts, and `muslin --help`, do without torch and MediaPipe."""
    loaded = run_python(
        "import sys, models.interface, models.assets, models.person.observe, service.settings\n"
        "print([name for name in ('torch', 'mediapipe') if name in sys.modules])"
    )
    assert loaded.strip() == "[]"


def test_the_core_needs_no_mediapipe() -> None:
    """A GPU host without mediapipe drapes people who were read elsewhere."""
    run_python("import sys\nsys.modules['mediapipe'] = None\nimport models.engine")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of a fresh clone as setup looks at before it installs anything."""
    for name in ("pyproject.toml", "constraints.txt", "scripts/setup", "models/assets.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def setup(checkout: Path, goal: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHON", "TORCH")}
    command = [str(checkout / "scripts" / "setup"), goal]
    return subprocess.run(command, env=clean | environment, capture_output=True, text=True, timeout=60, check=False)


def test_setup_says_which_python_it_needs(checkout: Path) -> None:
    done = setup(checkout, "serve", PYTHON="false")
    assert done.returncode == 1
    assert "Python 3.11 to 3.14 with venv and pip is needed" in done.stderr
    assert "none was found under false" in done.stderr


@pytest.mark.parametrize("goal, environment", [("bake", {}), ("serve", {"TORCH": "rocm"})])
def test_setup_refuses_what_it_does_not_know(checkout: Path, goal: str, environment: dict[str, str]) -> None:
    done = setup(checkout, goal, **environment)
    assert done.returncode == 1
    assert "known" in done.stderr or "unknown" in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_second_setup_installs_nothing(checkout: Path) -> None:
    """With the stamps of a finished setup it returns at once, without having looked for a Python."""
    parts = b"".join((checkout / name).read_bytes() for name in ("pyproject.toml", "constraints.txt", "scripts/setup", "models/assets.py"))
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to("/bin/false")
    for goal in ("serve", "tests"):
        (checkout / ".venv" / f".{goal}-stamp").write_text(f"{hashlib.sha256(parts).hexdigest()} {checkout.resolve()} ")
    began = time.monotonic()
    done = setup(checkout, "tests", PYTHON="false")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - began < 5
    (checkout / "constraints.txt").write_text("")
    assert setup(checkout, "tests", PYTHON="false").returncode == 1  # something changed: it sets up again


def test_the_package_is_of_the_engines_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
