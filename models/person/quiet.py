"""Keeps MediaPipe's native chatter off stderr: it writes to the file descriptor and has no switch but the environment."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CHATTER = re.compile(
    rb"^(?:[IW]\d{4} .*|INFO: Created TensorFlow Lite .*|WARNING: All log messages before absl::InitializeLog\(\).*)\n?", re.MULTILINE
)
_one_at_a_time = threading.Lock()


@contextmanager
def quiet_stderr(wanted: bool = True) -> Iterator[None]:
    """Holds back what is written to stderr meanwhile, by any thread, and then writes all of it but the known chatter."""
    if not wanted or sys.stderr is None:  # a daemon without stderr has nothing to keep quiet
        yield
        return
    with _one_at_a_time, tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        before = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)
            held.seek(0)
            rest = CHATTER.sub(b"", held.read())
            if rest:
                os.write(2, rest)
