"""The proof sees what it is there to see."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.models.hostless import nothing_from_the_host

OFFENCES: dict[str, Callable[[Tensor], object]] = {
    "a value": lambda x: float(x.sum()),
    "a branch": lambda x: 1 if x.max() > 0 else 0,
    "a mask's size": lambda x: x[x > 0],
    "a dynamic box": lambda x: x[: int(x.argmax())],
    "places": lambda x: x.nonzero(),
    "a mask written to": lambda x: x.masked_fill(x > 0, 1)[x > 0],
    "a constant of the host": lambda x: x * torch.tensor([1.0, -1.0], device=x.device)[0],
    "a tensor of the host": lambda x: x + torch.ones(1)[0],
    "values of the host": lambda x: x.new_tensor([1.0, -1.0]),
    "a copy to the host": lambda x: x.to("cpu"),
    "an array": lambda x: x.numpy(),
}


@pytest.mark.parametrize("offence", OFFENCES)
def test_the_proof_proves(offence: str) -> None:
    with pytest.raises((AssertionError, RuntimeError, NotImplementedError, TypeError)), nothing_from_the_host():
        OFFENCES[offence](torch.ones(8, device="meta"))
