"""The installed distribution's version."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def muslin_version() -> str:
    try:
        return version("muslin")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+source"
