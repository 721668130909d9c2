"""Threads for blocking work, and the bound on the memory of uploads.

One thread a device draws; a few more read and run the codecs beside it. Work whose request has given up leaves the queue
before it starts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from service.errors import Overloaded

T = TypeVar("T")


class Worker:
    """`threads` threads that run blocking calls in the order they were asked."""

    def __init__(self, name: str, threads: int = 1) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, work: Callable[[], T]) -> T:
        """Waits for its turn, then for the result; when cancelled before its turn, `work` is never called."""
        return await asyncio.wrap_future(self._threads.submit(work))

    def close(self) -> None:
        """Waits for what runs; drops what waits."""
        self._threads.shutdown(wait=True, cancel_futures=True)


class UploadMemory:
    """The bytes of all uploads in memory together, bounded."""

    def __init__(self, max_bytes: int) -> None:
        self._free = max_bytes

    @property
    def free(self) -> int:
        return self._free

    @contextmanager
    def lease(self) -> Iterator[Callable[[int], None]]:
        """Gives a function that takes so many bytes more; all are given back at the end. It raises Overloaded when none are left."""
        taken = 0

        def take(count: int) -> None:
            nonlocal taken
            if count > self._free:
                raise Overloaded("Too many pictures arrive at once just now; try again in a moment.", retry_after_s=2)
            self._free -= count
            taken += count

        try:
            yield take
        finally:
            self._free += taken
