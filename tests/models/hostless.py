"""Proves that tensors are computed with nothing from the host: on `device="meta"`, where there is no data to wait for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WAITS = frozenset(("_local_scalar_dense", "equal", "is_nonzero", "item", "masked_select", "nonzero", "nonzero_static", "_unique2"))
"""Operations whose result's value or size the host has to know."""
BRINGS = frozenset(("as_tensor", "asarray", "from_numpy", "new_tensor", "tensor"))
"""Functions that bring values of the host to a device."""


class _Operations(TorchDispatchMode):
    """Fails on operations that make the host wait for a device, or that take tensors of the host."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        name = func._schema.name.partition("::")[2]
        assert name not in WAITS, f"the host waits for {name}"
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        assert all(tensor.device.type == "meta" for tensor in given), f"{name} is given a tensor of the host"
        if name in {"index", "index_put", "index_put_"}:
            assert all(tensor.dtype is not torch.bool for tensor in tree_leaves(args[1]) if tensor is not None), "indexed by a mask"
        result = func(*args, **(kwargs or {}))
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        assert all(tensor.device.type == "meta" for tensor in made), f"{name} leaves the device"
        return result


class _Functions(TorchFunctionMode):
    """Fails on functions that bring values of the host, which are no operations yet."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        assert name not in BRINGS, f"{name} brings a constant of the host to the device"
        return func(*args, **(kwargs or {}))


@contextmanager
def nothing_from_the_host() -> Iterator[_Operations]:
    operations = _Operations()
    with operations, _Functions():
        yield operations
