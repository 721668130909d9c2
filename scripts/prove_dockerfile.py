#!/usr/bin/env python3
"""Carries out the Dockerfile's steps in a chroot of the same Debian, where no container engine can be had, and tries the result.

    sudo scripts/prove_dockerfile.py [--arg TORCH_INDEX=] [--pip-conf FILE] [--bind DIR]... [--folder DIR] [--keep]

Every FROM of an image is a debootstrap of Debian bookworm (python:3.11-slim-bookworm is that with its own Python: here the
Dockerfile's step for bases without Python is proved instead), every other FROM a copy of the earlier stage. RUN, COPY, ENV, ARG,
WORKDIR, USER are carried out; then HEALTHCHECK, ENTRYPOINT and CMD serve for real: the health check must pass, a try-on must give
a picture, and SIGTERM must end it. The mounts live in a namespace of their own and vanish with the script.

--pip-conf and --bind let steps use a package index, certificates or wheels of this machine; nothing of them stays in the result. Behind a
proxy with an authority of its own: `cert = /etc/ssl/certs` in FILE, and --bind that folder and those that its links lead to.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field, replace
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"
BASE_PACKAGES = "ca-certificates"
PLAIN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PIP_CONF = "/run/prove-pip.conf"
READY_WITHIN_S, STOPS_WITHIN_S = 180.0, 20.0
IN_NAMESPACE = "--in-namespace"

SAMPLES = """
import sys
from models.images import encode
from models.samples import packshots, sample_people
open(sys.argv[1] + "/photo.png", "wb").write(encode(sample_people()[0].picture, "png"))
open(sys.argv[1] + "/garment.png", "wb").write(encode(packshots()[0].picture, "png"))
"""


@dataclass(frozen=True)
class Step:
    """One instruction of a Dockerfile."""

    word: str
    rest: str


@dataclass(frozen=True)
class Stage:
    """A root folder and what later steps in it inherit."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "root"


@dataclass(frozen=True)
class Command:
    """What an image runs; each a list of words."""

    health: list[str]
    entrypoint: list[str]
    command: list[str]


def parse(text: str) -> list[Step]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [Step(*line.split(None, 1)) for line in joined.splitlines() if line.strip()]


def filled(text: str, values: dict[str, str]) -> str:
    """With $NAME and ${NAME} of `values`; unknown ones are empty, as Docker has it."""
    return re.sub(r"\$\{(\w+)\}|\$(\w+)", lambda match: values.get(match[1] or match[2], ""), text)


def say(text: str) -> None:
    print(f"\033[1m[prove]\033[0m {text}", flush=True)


def run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True)


class Prover:
    """Carries out steps in roots below `folder`."""

    def __init__(self, folder: Path, arguments: dict[str, str], pip_conf: Path | None, binds: list[Path]) -> None:
        self.folder, self.given, self.pip_conf, self.binds = folder, arguments, pip_conf, binds
        self.stages: dict[str, Stage] = {}
        self.defaults: dict[str, str] = {}

    def carry_out(self, steps: list[Step]) -> tuple[Stage, Command]:
        """The last stage, ready to run, and what it runs."""
        stage: Stage | None = None
        health, entrypoint, command = [""], [""], [""]
        name = ""
        for number, step in enumerate(steps, 1):
            say(f"{number}/{len(steps)} {step.word} {step.rest[:110]}")
            if step.word == "FROM":
                image, _, name = filled(step.rest, self.defaults).partition(" AS ")
                stage = self.begin(image, name or "final")
            elif stage is None:
                key, _, value = step.rest.partition("=")
                self.defaults[key] = self.given.get(key, value)
            elif step.word == "HEALTHCHECK":
                health = json.loads(step.rest[step.rest.index("CMD") + 3 :])
            elif step.word == "ENTRYPOINT":
                entrypoint = json.loads(step.rest)
            elif step.word == "CMD":
                command = json.loads(step.rest)
            else:
                stage = self.apply(stage, step)
            if stage is not None:
                self.stages[name or "final"] = stage
        if stage is None:
            raise SystemExit("the Dockerfile has no FROM")
        return stage, Command(health, entrypoint, command)

    def begin(self, image: str, name: str) -> Stage:
        root = self.folder / name
        if image in self.stages:
            earlier = self.stages[image]
            self.mount(earlier.root, on=False)
            run("cp", "--archive", "--reflink=auto", earlier.root, root)
            stage = replace(earlier, root=root, arguments={})
        else:
            say(f"debootstrap {SUITE} stands in for {image}")
            run("debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", SUITE, root, MIRROR)
            for component in (f"{SUITE}-updates main", f"{SUITE}-security main"):
                host = MIRROR if "updates" in component else MIRROR + "-security"
                with (root / "etc/apt/sources.list").open("a") as sources:
                    sources.write(f"deb {host} {component}\n")
            stage = Stage(root, {"PATH": PLAIN_PATH})
        self.mount(root, on=True)
        return stage

    def mount(self, root: Path, *, on: bool) -> None:
        """The kernel's folders and what the caller lends, inside a root; off again before the root is copied."""
        lent = {Path(str(root) + str(folder)): folder for folder in self.binds}
        lent[root / "etc/resolv.conf"] = Path("/etc/resolv.conf").resolve()
        if self.pip_conf is not None:
            lent[root / PIP_CONF.lstrip("/")] = self.pip_conf
        if not on:
            if not os.path.ismount(root / "proc"):
                return
            for place in (*lent, root / "dev", root / "proc"):
                run("umount", "--recursive", place)
            return
        run("mount", "-t", "proc", "proc", root / "proc")
        run("mount", "--rbind", "/dev", root / "dev")
        for place, source in lent.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.mkdir(exist_ok=True) if source.is_dir() else place.touch()
            run("mount", "--bind", source, place)

    def apply(self, stage: Stage, step: Step) -> Stage:
        values = stage.arguments | stage.environment
        if step.word == "ARG":
            key, _, value = step.rest.partition("=")
            return replace(stage, arguments=stage.arguments | {key: self.given.get(key, value)})
        if step.word == "ENV":
            pairs = dict(word.split("=", 1) for word in shlex.split(filled(step.rest, values)))
            return replace(stage, environment=stage.environment | pairs)
        if step.word == "WORKDIR":
            workdir = filled(step.rest, values)
            self.inside(stage.root, workdir).mkdir(parents=True, exist_ok=True)
            return replace(stage, workdir=workdir)
        if step.word == "USER":
            return replace(stage, user=step.rest)
        if step.word == "COPY":
            self.copy(stage, filled(step.rest, values).split())
        elif step.word == "RUN":
            code = self.start(stage, ["/bin/sh", "-c", step.rest], values).wait()
            if code:
                raise SystemExit(f"this step failed ({code}): RUN {step.rest}")
        elif step.word not in ("EXPOSE", "VOLUME"):
            raise SystemExit(f"{step.word} is not known here: teach it to {Path(__file__).name}")
        return stage

    def copy(self, stage: Stage, words: list[str]) -> None:
        source = REPOSITORY
        if words[0].startswith("--from="):
            source = self.stages[words.pop(0).removeprefix("--from=")].root
        *names, target = words
        place = self.inside(stage.root, target if target.startswith("/") else f"{stage.workdir}/{target}")
        if source != REPOSITORY:
            (name,) = names
            run("cp", "--archive", self.inside(source, name), place)
            return
        for name in context():
            if names == ["."] or name in names:
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, place / name)

    def start(self, stage: Stage, words: list[str], environment: dict[str, str], *, quiet: bool = False) -> subprocess.Popen[bytes]:
        """Runs in the stage's root as its user with exactly this environment."""
        if self.pip_conf is not None:
            environment = environment | {"PIP_CONFIG_FILE": PIP_CONF}
        home = {"HOME": "/root"} if stage.user == "root" else {}
        assignments = [f"{key}={value}" for key, value in (home | environment).items()]
        chroot = ["chroot", f"--userspec={stage.user}", str(stage.root)]
        clean = ["/usr/bin/env", "--ignore-environment", f"--chdir={stage.workdir}", *assignments]
        return subprocess.Popen([*chroot, *clean, *words], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL if quiet else None)

    @staticmethod
    def inside(root: Path, path: str) -> Path:
        return root / path.lstrip("/")


def context() -> list[str]:
    """What the engine would be sent: the tracked files that .dockerignore (everything but …) lets through."""
    rules = (REPOSITORY / ".dockerignore").read_text().split()
    if rules[0] != "*":
        raise SystemExit(".dockerignore must begin by leaving out everything")
    let_through = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    listed = subprocess.run(["git", "-C", REPOSITORY, "ls-files", "-z"], capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name.split("/", 1)[0] in let_through and (REPOSITORY / name).exists()]


def try_it(prover: Prover, stage: Stage, image: Command) -> None:
    """Starts the image, waits for its health check, dresses somebody, stops it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = stage.environment | {"MUSLIN_HOST": "127.0.0.1", "MUSLIN_PORT": str(port), "TINI_SUBREAPER": "1"}  # here it is not PID 1
    address = f"http://127.0.0.1:{port}"
    began = time.monotonic()
    service = prover.start(stage, [*image.entrypoint, *image.command], environment)
    try:
        while prover.start(stage, image.health, environment, quiet=True).wait() != 0:
            if service.poll() is not None or time.monotonic() - began > READY_WITHIN_S:
                raise SystemExit(f"the service is not healthy after {time.monotonic() - began:.0f} s")
            time.sleep(2)
        say(f"healthy after {time.monotonic() - began:.0f} s")
        with urllib.request.urlopen(f"{address}/health/live", timeout=5) as answer:
            say(f"/health/live: {answer.status} {answer.read(200)!r}")
        folder = tempfile.mkdtemp(dir=stage.root / "tmp")
        os.chmod(folder, 0o777)  # noqa: PTH101, S103 - the image's user writes there
        inner = "/" + str(Path(folder).relative_to(stage.root))
        if prover.start(stage, ["python3", "-c", SAMPLES, inner], stage.environment).wait() != 0:
            raise SystemExit("the samples could not be drawn in the image")
        form = {name: (Path(folder) / f"{name}.png").read_bytes() for name in ("photo", "garment")}
        picture = post(f"{address}/v1/try-ons", form)
        say(f"try-on: {len(picture)} bytes of PNG")
        service.send_signal(signal.SIGTERM)
        say(f"SIGTERM: ended with {service.wait(STOPS_WITHIN_S)}")
    finally:
        service.kill()


def post(url: str, files: dict[str, bytes]) -> bytes:
    boundary = "muslin-proof"
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}.png"\r\nContent-Type: image/png\r\n\r\n'.encode()
        + data
        + b"\r\n"
        for name, data in files.items()
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Accept": "image/png"}
    request = urllib.request.Request(url, body + f"--{boundary}--\r\n".encode(), headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        picture: bytes = answer.read()
    if not picture.startswith(b"\x89PNG"):
        raise SystemExit(f"the try-on is no PNG: {picture[:200]!r}")
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arg", action="append", default=[], metavar="NAME=VALUE", help="as docker build --build-arg")
    parser.add_argument("--pip-conf", type=Path, help="pip configuration for the steps")
    parser.add_argument("--bind", type=Path, action="append", default=[], help="folder of this machine that the steps may see")
    parser.add_argument("--folder", type=Path, help="where the roots are made (about 5 GB)")
    parser.add_argument("--keep", action="store_true", help="leave the roots there")
    parser.add_argument(IN_NAMESPACE, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("chroot and mount need root")
    if not options.in_namespace:
        again = ["unshare", "--mount", "--propagation=private", sys.executable, *sys.argv, IN_NAMESPACE]
        raise SystemExit(subprocess.run(again, check=False).returncode)
    if shutil.which("debootstrap") is None:
        run("apt-get", "install", "-y", "--no-install-recommends", "debootstrap")
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="prove-", dir=options.folder))
    pip_conf = options.pip_conf.resolve() if options.pip_conf else None
    prover = Prover(folder, dict(pair.split("=", 1) for pair in options.arg), pip_conf, [bind.resolve() for bind in options.bind])
    began = time.monotonic()
    try:
        stage, image = prover.carry_out(parse((REPOSITORY / "Dockerfile").read_text()))
        say(f"built in {time.monotonic() - began:.0f} s")
        try_it(prover, stage, image)
        say("proved")
    finally:
        for made in prover.stages.values():
            prover.mount(made.root, on=False)
        if not options.keep:
            run("rm", "--recursive", "--force", "--one-file-system", folder)


if __name__ == "__main__":
    main()
