"""Gives memory back to the system.

Reading and drawing free hundreds of megabytes in pieces that glibc keeps for later, in an arena for each thread: after two
photos of 49 megapixels 1.2 GB of 2.4 were nobody's. Nothing leaks; somebody has to ask.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from typing import Final

M_ARENA_MAX: Final = -8
"""Of glibc's malloc.h."""


def use_one_arena() -> None:
    """To be called before there are threads: glibc gives back what lies free at the end of its first arena only, and a deleted photo
    would stay readable in another one's. The threads here ask for few, large pieces: they do not wait for one another.
    """
    mallopt = _of_libc("mallopt")
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)


def settle() -> None:
    """To be called once all is loaded: what is there now stays, and is not looked through by every collection."""
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Frees what only cycles hold (a refused picture, in the frames of its error's traceback), then what is free already."""
    gc.collect()
    trim = _of_libc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_libc(name: str) -> Callable[..., int] | None:
    """glibc's; other C libraries have none and need none."""
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
    return found
