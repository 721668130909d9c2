"""Reading a person contacts nobody: a shopper's photo stays on the machine, and so does the fact that it was read."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

READS_A_PERSON = """
from skimage import data
from models.person.observe import Observer
with Observer() as observer:  # closing is where newer releases of mediapipe send usage metrics
    observer.observe(data.astronaut())
print("read")
"""
OPENS_A_SOCKET = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 9))"
LOCAL = re.compile(r"\b(socket|socketpair)\(AF_UNIX\b|\{sa_family=AF_UNIX\b")
SOCKET_CALL = re.compile(r"\b(socket|socketpair|connect|sendto|sendmsg|sendmmsg|bind|getsockopt)\(")


def network_calls(code: str, trace: Path) -> list[str]:
    """The system calls by which a Python process (and its threads and children) reached for anything beyond this machine."""
    command = ["strace", "-f", "-qq", "-e", "trace=%network", "-o", str(trace), sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    if "ptrace" in done.stderr and not trace.stat().st_size:
        pytest.skip(f"strace may not trace here: {done.stderr.strip()[:200]}")
    assert done.returncode == 0, done.stderr[-2000:]
    return [line for line in trace.read_text().splitlines() if SOCKET_CALL.search(line) and not LOCAL.search(line)]


pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed (make setup installs it where it may)")


def test_the_trace_sees_a_socket(tmp_path: Path) -> None:
    calls = network_calls(OPENS_A_SOCKET, tmp_path / "trace")
    assert any("AF_INET" in call for call in calls)


def test_reading_a_person_opens_no_socket(tmp_path: Path) -> None:
    assert network_calls(READS_A_PERSON, tmp_path / "trace") == []
