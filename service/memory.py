"""Gives memory back to the system.

Reading and drawing free hundreds of megabytes in pieces that glibc keeps for later, in an arena for each thread: after two
photos of 49 megapixels 1.2 GB of 2.4 were nobody's. Nothing leaks; somebody has to ask.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from typing import Final

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Of glibc's malloc.h."""
MAPPED_FROM: Final = 32 << 20
"""Bytes from which a piece is mapped by itself; the most that glibc takes."""
KEPT_BYTES: Final = 1 << 30
"""Free memory at the heap's end that is kept for the next plane: whoever gives it back after each has it zeroed by the system each time,
an eighth of the time that reading a photo takes (benchmarks/results/reading.md). `give_back` ends it."""


def set_up_malloc() -> None:
    """To be called before there are threads: glibc gives back what lies free at the end of its first arena only, and a deleted photo
    would stay readable in another one's. The threads here ask for few, large pieces: they do not wait for one another.
    """
    mallopt = _of_libc("mallopt")
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, MAPPED_FROM)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


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


SCRUB_BYTES: Final = (65_536, 4096, 512)
SCRUB_TURN: Final = 64


class _Heap(ctypes.Structure):
    """glibc's struct mallinfo2."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    ]


def wipe() -> None:
    """`give_back`, and zeros over what is free but cannot be given back: the first and last page of every free piece keep their content,
    a scrap of a deleted photo. All of the heap's free pieces are taken, large ones first, overwritten and freed; what they take is
    bounded by what the heap has had. Costs about a tenth of a second; for erasures.
    """
    give_back()
    libc = ctypes.CDLL(None)
    if not all(hasattr(libc, name) for name in ("malloc", "free", "mallinfo2")):
        return
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.restype, libc.free.argtypes = None, [ctypes.c_void_p]
    libc.mallinfo2.restype = _Heap
    taken: list[int] = []
    for size in SCRUB_BYTES:
        before = libc.mallinfo2().arena
        while libc.mallinfo2().arena <= before:  # until the heap has to grow: then nothing of this size is free
            for _ in range(SCRUB_TURN):
                place = libc.malloc(size)
                if not place:
                    break
                ctypes.memset(place, 0, size)
                taken.append(place)
    for place in taken:
        libc.free(place)
    libc.malloc_trim(0)
