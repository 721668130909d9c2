"""Torch operations on small tensors, recorded once and played back as NumPy code.

Placing a garment's curves is a thousand operations on some tens of numbers each: torch spends ten times as long on calling them as on
computing. A tape holds what a function of tensors did, for good shapes: what does not depend on what was given is computed while
recording, what is computed twice is computed once, what nobody asks for is left out, and the rest becomes one function of NumPy arrays.
The torch code stays the one statement of the method.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

Array = np.ndarray[Any, Any]
Played = Callable[..., tuple[Array, ...]]

ELEMENTWISE = {
    "__and__": "logical_and",
    "__invert__": "logical_not",
    "__or__": "logical_or",
    "abs": "absolute",
    "add": "add",
    "div": "divide",
    "exp": "exp",
    "floor": "floor",
    "ge": "greater_equal",
    "gt": "greater",
    "le": "less_equal",
    "log": "log",
    "lt": "less",
    "maximum": "maximum",
    "minimum": "minimum",
    "mul": "multiply",
    "neg": "negative",
    "sqrt": "sqrt",
    "sub": "subtract",
    "where": "where",
}
"""Functions of torch and those of NumPy that do the same with the same arguments. `&`, `|` and `~` of numbers are not meant."""
FILLED = frozenset({"zeros_like", "ones_like", "full_like"})
"""Functions whose result knows of its tensor only the shape."""
ASKS = frozenset({"__get__", "__len__", "dim", "size", "is_floating_point"})
"""What may be asked of a tensor without looking at its numbers; `__get__` is of properties."""
OTHER_NUMBERS, RELATIVE, ABSOLUTE = 1.01, 1e-3, 1e-2
"""A tape is tried on given numbers times the first: within the others of the greatest number of a result it has to play what torch does."""
_DTYPES: dict[torch.dtype, np.dtype[Any]] = {
    torch.float32: np.dtype(np.float32),
    torch.int64: np.dtype(np.int64),
    torch.bool: np.dtype(np.bool_),
}


class TapeError(Exception):
    """A function cannot be played back: it does something that has no counterpart here, or looks at the numbers."""


def record(function: Callable[..., Sequence[Tensor]], given: Sequence[Tensor]) -> Played:
    """What `function` does with tensors of the shapes and types `given`, as a function of arrays like them.

    The result takes arrays in the order of `given` and returns arrays in the order of what `function` returns, some of which may share
    memory with what it took or with one another. Numbers differ from torch's by rounding. Raises TapeError for what cannot be recorded:
    operations that are not in this module, changes in place, whatever reads a number back, and a tape that, tried on other numbers, does
    not play what `function` does.
    """
    if len({id(tensor) for tensor in given}) < len(given):
        raise TapeError("A tensor is given twice: which of the two is meant could not be told.")
    tape = _Tape()
    with tape:
        names = tape.name(given)
        results = function(*given)
    played = tape.compiled(names, results)
    others = [tensor * OTHER_NUMBERS if tensor.is_floating_point() else tensor for tensor in given]
    for expected, found in zip(function(*others), played(*(tensor.numpy() for tensor in others)), strict=True):
        wanted = expected.numpy()
        tolerance = ABSOLUTE + RELATIVE * float(np.abs(wanted, dtype=np.float64).max(initial=0.0))
        if found.shape != wanted.shape or found.dtype != wanted.dtype or not np.allclose(found, wanted, 0, tolerance, equal_nan=True):
            raise TapeError("Played with other numbers, the tape differs from what was recorded.")
    return played


@dataclass(frozen=True, slots=True)
class _Value:
    """A variable of the code. Its array may be smaller than the tensor it stands for: it is spread out only for those who need it."""

    name: str
    actual: tuple[int, ...]
    """Shape of the array, which broadcasts to that of the tensor."""
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class _Tape(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self._values: dict[int, _Value] = {}
        self._kept: list[Tensor] = []  # a tensor that is gone could give its id to another
        self._lines: dict[str, tuple[_Value, tuple[_Value, ...]]] = {}
        """Expressions, and which variable holds them and which they need."""
        self._names: dict[str, Any] = {}
        self._constants: dict[tuple[object, ...], _Value] = {}

    def name(self, given: Sequence[Tensor]) -> list[str]:
        """Takes tensors for what is given."""
        return [self._keep(tensor, _Value(f"given_{k}", *_form(tensor))).name for k, tensor in enumerate(given)]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if not any(id(tensor) in self._values for tensor in _tensors((args, kwargs))):
            return result
        name = func.__name__
        if name == "__setitem__" or (name.endswith("_") and not name.endswith("__")):
            raise TapeError(f"A tensor is changed in place by {name}.")
        if not any(True for _ in _tensors(result)):
            if name not in ASKS:
                raise TapeError(f"A number is read back by {name}.")
        elif name in FILLED:
            if any(id(tensor) in self._values for tensor in _tensors((args[1:], kwargs))):
                raise TapeError(f"What {name} fills with has to be a number.")
        else:
            try:
                self._write(name, args, kwargs, result)
            except (TypeError, AttributeError) as error:  # arguments in another form than here
                raise TapeError(f"This form of {name} is not known here: {error}") from error
        return result

    def compiled(self, given: Sequence[str], results: Sequence[Tensor]) -> Played:
        """The function that plays what was recorded."""
        returned = [self._own(self._whole(self._value(tensor))) for tensor in results]
        needed, lines = {value.name for value in returned}, []
        for expression, (value, operands) in reversed(self._lines.items()):
            if value.name in needed:
                needed.update(operand.name for operand in operands)
                lines.append(f"    {value.name} = {expression}\n")
        body = "".join(reversed(lines))
        code = f"def played({', '.join(given)}):\n{body}    return ({', '.join(value.name for value in returned)},)\n"
        names: dict[str, Any] = {**self._names, **{name: getattr(np, name) for name in (*ELEMENTWISE.values(), "concatenate")}}
        exec(compile(code, "<tape>", "exec"), names)  # noqa: S102 - the code was made above, of names and whole numbers only
        return names["played"]  # type: ignore[no-any-return]

    # --- values ---------------------------------------------------------------------------------------------------------------------

    def _keep(self, tensor: Tensor, value: _Value) -> _Value:
        self._kept.append(tensor)
        self._values[id(tensor)] = value
        return value

    def _value(self, tensor: Tensor) -> _Value:
        """Of a tensor that was recorded, else a constant."""
        return self._values.get(id(tensor)) or self._constant(tensor.detach().numpy().copy())

    def _constant(self, array: Array) -> _Value:
        key = (array.dtype, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self._names[name] = array
            self._constants[key] = _Value(name, array.shape, array.shape, array.dtype)
        return self._constants[key]

    def _operand(self, argument: Tensor | float | bool, dtype: np.dtype[Any]) -> _Value:
        return self._value(argument) if isinstance(argument, Tensor) else self._constant(np.asarray(argument, dtype))

    def _line(self, expression: str, operands: Sequence[_Value], actual: tuple[int, ...], dtype: np.dtype[Any]) -> _Value:
        """The variable for an expression, of which there is one."""
        if expression not in self._lines:
            value = _Value(f"value_{len(self._lines)}", actual, actual, dtype)
            self._lines[expression] = value, tuple(operands)
        return self._lines[expression][0]

    def _whole(self, value: _Value) -> _Value:
        """A value in its tensor's full shape."""
        if value.actual == value.shape:
            return value
        combine = "logical_or" if value.dtype == np.bool_ else "add"
        nothing = self._constant(np.zeros(value.shape, value.dtype))
        return self._line(f"{combine}({value.name}, {nothing.name})", (value, nothing), value.shape, value.dtype)

    def _own(self, value: _Value) -> _Value:
        """A value that nobody shares with the next call."""
        if value not in self._constants.values():
            return value
        return self._line(f"{value.name}.copy()", (value,), value.actual, value.dtype)

    # --- operations -----------------------------------------------------------------------------------------------------------------

    def _write(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
        how = getattr(self, f"_write_{name.strip('_')}", None)
        if name in ELEMENTWISE:
            if kwargs:
                raise TapeError(f"{name} with {', '.join(kwargs)} is not known here.")
            self._give(result, self._elementwise(name, args, result))
        elif how is not None:
            how(result, *args, **kwargs)
        else:
            raise TapeError(f"{name} is not known here.")

    def _give(self, result: Tensor, value: _Value) -> None:
        """`result` is what the variable of `value` holds."""
        _, shape, dtype = _form(result)
        value = self._as(value, dtype)
        self._keep(result, _Value(value.name, value.actual, shape, dtype))

    def _type(self, dtype: np.dtype[Any]) -> str:
        self._names[f"type_{dtype}"] = dtype
        return f"type_{dtype}"

    def _elementwise(self, name: str, args: Sequence[Any], result: Tensor) -> _Value:
        dtype = _form(result)[2]
        if name in {"__and__", "__or__", "__invert__"}:
            if dtype != np.bool_:
                raise TapeError(f"{name} of numbers is not known here.")
            return self._call(ELEMENTWISE[name], [self._operand(argument, dtype) for argument in args], dtype)
        reckoned = dtype if dtype != np.bool_ else _common(args)
        operands = [self._operand(argument, reckoned) for argument in args]
        # NumPy goes on in float64 from float32 and whole numbers, torch in float32
        return self._call(ELEMENTWISE[name], [self._as(o, reckoned) if o.dtype == np.int64 else o for o in operands], dtype)

    def _as(self, value: _Value, dtype: np.dtype[Any]) -> _Value:
        if value.dtype == dtype:
            return value
        return self._line(f"{value.name}.astype({self._type(dtype)})", (value,), value.actual, dtype)

    def _call(self, function: str, operands: Sequence[_Value], dtype: np.dtype[Any]) -> _Value:
        actual = np.broadcast_shapes(*(operand.actual for operand in operands))
        return self._line(f"{function}({', '.join(o.name for o in operands)})", operands, actual, dtype)

    def _index(self, value: _Value, index: str, actual: tuple[int, ...]) -> _Value:
        return self._line(f"{value.name}[{index}]", (value,), actual, value.dtype)

    def _write_rsub(self, result: Tensor, subtracted: Tensor, from_: Tensor | float) -> None:
        self._give(result, self._elementwise("sub", (from_, subtracted), result))

    def _write_clamp(self, result: Tensor, of: Tensor, min: float | None = None, max: float | None = None) -> None:  # noqa: A002 - torch's names
        dtype = _form(result)[2]
        value = self._as(self._value(of), dtype)
        for function, limit in (("maximum", min), ("minimum", max)):
            if limit is not None:
                value = self._call(function, [value, self._operand(limit, dtype)], dtype)
        self._give(result, value)

    def _write_clamp_min(self, result: Tensor, of: Tensor, min: float) -> None:  # noqa: A002 - torch's name
        self._write_clamp(result, of, min)

    def _write_pow(self, result: Tensor, base: Tensor, exponent: object) -> None:
        if not isinstance(exponent, int) or exponent not in (2, 3):
            raise TapeError(f"A power of {exponent} is not known here.")
        value, dtype = self._value(base), _form(result)[2]
        power = self._call("multiply", [value, value], dtype)
        self._give(result, power if exponent == 2 else self._call("multiply", [power, value], dtype))

    def _write_lerp(self, result: Tensor, start: Tensor, end: Tensor, weight: Tensor) -> None:
        first, last, share, dtype = self._value(start), self._value(end), self._value(weight), _form(result)[2]
        way = self._call("multiply", [share, self._call("subtract", [last, first], dtype)], dtype)
        self._give(result, self._call("add", [first, way], dtype))

    def _write_to(self, result: Tensor, of: Tensor, _: torch.dtype) -> None:
        self._give(result, self._value(of))

    def _write_sum(self, result: Tensor, of: Tensor, dim: int, keepdim: bool = False) -> None:
        self._give(result, self._sum(self._whole(self._value(of)), dim % of.dim(), keepdim, result))

    def _write_mean(self, result: Tensor, of: Tensor, dim: int, keepdim: bool = False) -> None:
        dtype = _form(result)[2]
        total = self._sum(self._whole(self._value(of)), dim % of.dim(), keepdim, result)
        self._give(result, self._call("divide", [total, self._constant(np.asarray(of.shape[dim], dtype))], dtype))

    def _write_norm(self, result: Tensor, of: Tensor, p: object, dim: int, keepdim: bool, dtype: None) -> None:
        if p != "fro" or dtype is not None:
            raise TapeError(f"The norm {p} as {dtype} is not known here.")
        value, kind = self._whole(self._value(of)), _form(result)[2]
        squares = self._sum(self._call("multiply", [value, value], kind), dim % of.dim(), keepdim, result)
        self._give(result, self._call("sqrt", [squares], kind))

    def _sum(self, value: _Value, axis: int, keepdim: bool, result: Tensor) -> _Value:
        shape, dtype = tuple(result.shape), _form(result)[2]
        value = self._as(value, dtype)
        if value.shape[axis] == 2:  # of x and y: a reduction costs three times a sum
            first, second = (self._index(value, ", ".join([":"] * axis + [f"{k}:{k + 1}" if keepdim else f"{k}"]), shape) for k in (0, 1))
            return self._call("add", [first, second], dtype)
        return self._line(f"{value.name}.sum({axis}, keepdims={keepdim})", (value,), shape, dtype)

    def _write_amax(self, result: Tensor, of: Tensor, dim: int) -> None:
        value = self._whole(self._value(of))
        self._give(result, self._line(f"{value.name}.max({dim})", (value,), tuple(result.shape), value.dtype))

    def _write_max(self, result: Any, of: Tensor, dim: int) -> None:
        value, shape = self._whole(self._value(of)), tuple(result.values.shape)
        self._give(result.values, self._line(f"{value.name}.max({dim})", (value,), shape, value.dtype))
        self._give(result.indices, self._line(f"{value.name}.argmax({dim})", (value,), shape, np.dtype(np.int64)))

    def _write_gather(self, result: Tensor, of: Tensor, dim: int, index: Tensor) -> None:
        if dim % of.dim() != of.dim() - 1 or of.shape[:-1] != index.shape[:-1]:
            raise TapeError("Gathering is known along the last dimension only.")
        value, at = self._value(of), self._whole(self._value(index))
        if value.actual[-1:] != value.shape[-1:]:
            value = self._whole(value)
        # where each row begins in the array laid out flat; rows that were spread out are one and the same
        numbers = np.broadcast_to(np.arange(np.prod(value.actual)).reshape(value.actual), value.shape)[..., :1]
        flat = self._line(f"{value.name}.reshape(-1)", (value,), (int(np.prod(value.actual)),), value.dtype)
        place = self._call("add", [at, self._constant(np.ascontiguousarray(numbers))], at.dtype)
        self._give(result, self._line(f"{flat.name}[{place.name}]", (flat, place), tuple(result.shape), value.dtype))

    def _write_getitem(self, result: Tensor, of: Tensor, index: Any) -> None:
        value, shape = self._whole(self._value(of)), tuple(result.shape)
        if isinstance(index, Tensor):
            if index.dtype != torch.int64:
                raise TapeError("What a mask chooses has no shape of its own.")
            at = self._whole(self._value(index))
            self._give(result, self._line(f"{value.name}[{at.name}]", (value, at), shape, value.dtype))
        else:
            self._give(result, self._index(value, _written(index), shape))

    def _write_flip(self, result: Tensor, of: Tensor, dim: int) -> None:
        value = self._whole(self._value(of))
        self._give(result, self._index(value, ", ".join([":"] * (dim % of.dim()) + ["::-1"]), value.shape))

    def _write_expand(self, result: Tensor, of: Tensor, *_: int) -> None:
        self._give(result, self._value(of))

    def _write_transpose(self, result: Tensor, of: Tensor, one: int, other: int) -> None:
        value = self._whole(self._value(of))
        self._give(result, self._line(f"{value.name}.swapaxes({one}, {other})", (value,), tuple(result.shape), value.dtype))

    def _write_reshape(self, result: Tensor, of: Tensor, *_: object) -> None:
        value, shaped = self._whole(self._value(of)), tuple(result.shape)
        self._give(result, self._line(f"{value.name}.reshape({shaped})", (value,), shaped, value.dtype))

    _write_flatten = _write_reshape

    def _write_cat(self, result: Tensor, parts: Sequence[Tensor], dim: int = 0) -> None:
        self._join(result, [self._whole(self._value(part)) for part in parts], dim % result.dim())

    def _write_stack(self, result: Tensor, parts: Sequence[Tensor], dim: int = 0) -> None:
        axis = dim % result.dim()
        shape = (*result.shape[:axis], 1, *result.shape[axis + 1 :])
        index = ", ".join([":"] * axis + ["None"])
        self._join(result, [self._index(self._whole(self._value(part)), index, shape) for part in parts], axis)

    def _join(self, result: Tensor, values: Sequence[_Value], axis: int) -> None:
        values = [self._as(value, _form(result)[2]) for value in values]
        together = f"concatenate(({', '.join(value.name for value in values)},), {axis})"
        self._give(result, self._line(together, values, tuple(result.shape), values[0].dtype))


def _form(tensor: Tensor) -> tuple[tuple[int, ...], tuple[int, ...], np.dtype[Any]]:
    """What a `_Value` needs to know of a tensor."""
    shape = tuple(tensor.shape)
    if tensor.dtype not in _DTYPES:
        raise TapeError(f"Tensors of {tensor.dtype} are not known here.")
    return shape, shape, _DTYPES[tensor.dtype]


def _common(args: Sequence[Any]) -> np.dtype[Any]:
    """The type in which torch compares or chooses."""
    known = [argument for argument in args if isinstance(argument, Tensor)]
    kind = known[0].dtype
    for argument in args:
        kind = torch.result_type(torch.empty(1, dtype=kind), argument)
    return _DTYPES[kind]


def _tensors(value: Any) -> Any:
    """The tensors in nested tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, slice):
        yield from _tensors((value.start, value.stop, value.step))
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)


def _written(index: Any) -> str:
    """An index of whole numbers, slices, None and ... as code."""
    if isinstance(index, tuple):
        return ", ".join(_written(part) for part in index)
    if index is None or index is Ellipsis:
        return "None" if index is None else "..."
    if isinstance(index, slice) and not any(isinstance(part, Tensor) for part in (index.start, index.stop, index.step)):
        return ":".join("" if part is None else str(int(part)) for part in (index.start, index.stop, index.step))
    if isinstance(index, int) and not isinstance(index, bool):
        return str(index)
    raise TapeError(f"An index of {type(index).__name__} is not known here.")
