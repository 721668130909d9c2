"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from models.person.observe import Observer
from models.types import Picture


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("cuda") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("torch sees no CUDA device")


@pytest.fixture(scope="session")
def person_photo() -> Picture:
    """(512, 512, 3): an astronaut, to the waist (public domain, shipped with scikit-image)."""
    from skimage import data

    return np.ascontiguousarray(data.astronaut())


@pytest.fixture(scope="session")
def observer() -> Iterator[Observer]:
    """Reads people with the model files in the user's cache; `make setup` puts them there."""
    with Observer() as shared:
        yield shared
