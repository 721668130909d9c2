"""How functions are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compiles a function when it is first called, and keeps the code on disk for the next start.

    Numbers are finite here, so sums may be reordered. Compiled code lies beside the source, else in NUMBA_CACHE_DIR or the user's
    cache; where none can be written to, every start compiles anew (some 20 s).
    """
    try:
        return njit(nogil=True, error_model="numpy", fastmath=True, cache=True)(function)
    except RuntimeError:
        return njit(nogil=True, error_model="numpy", fastmath=True)(function)
