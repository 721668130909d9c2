"""Rebuilds a TensorFlow Lite graph as a torch module: float32, batched, on any device.

Covers what MediaPipe's pose detector, pose landmark and person segmentation graphs are made of, among it half-precision and sparse
weights and MediaPipe's own transposed convolution. Half precision is widened when a graph is read: computed in bfloat16 the
landmarks would be tens of pixels off. Pictures go in and come out as TensorFlow Lite has them, (B, H, W, C); in between they are
(B, C, H, W).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as nn
from torch import Tensor

from models.errors import AssetError

TFLITE_IDENTIFIER = b"TFL3"
BATCH_ONE = 1
"""The graphs are written for one picture; a leading size of one is read as the batch's."""
Operation = Callable[..., Tensor]
_NUMPY_TYPES = {"FLOAT32": np.float32, "FLOAT16": np.float16, "INT32": np.int32, "INT64": np.int64}


@dataclass(frozen=True, slots=True)
class _Step:
    operation: Operation
    inputs: tuple[int, ...]
    output: int
    done_with: tuple[int, ...]
    """Tensors that nobody needs afterwards."""


class Graph(torch.nn.Module):
    """A graph with one picture as its input.

    data: the `.tflite` file's bytes. Raises AssetError where it is no such file or holds what is not rebuilt here.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__()
        if data[4:8] != TFLITE_IDENTIFIER:
            raise AssetError("A model file is not a TFLite graph.")
        reader = _Reader(data)
        self._input = reader.input
        self.input_size = reader.shape(reader.input)[1], reader.shape(reader.input)[2]
        """(height, width) of the picture."""
        self._outputs = reader.outputs
        self._steps = reader.steps()
        for number, constant in reader.constants.items():
            self.register_buffer(f"constant_{number}", constant, persistent=False)
        self._constants = tuple(reader.constants)
        self._is_picture = {number: len(reader.shape(number)) == 4 for number in reader.outputs}

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """The outputs of `pictures` (B, H, W, 3) float32 in the file's order, each with the batch first."""
        known: dict[int, Tensor] = {number: getattr(self, f"constant_{number}") for number in self._constants}
        known[self._input] = pictures.permute(0, 3, 1, 2)
        for step in self._steps:
            known[step.output] = step.operation(*(known[i] for i in step.inputs))
            for number in step.done_with:
                del known[number]
        return tuple(known[i].permute(0, 2, 3, 1) if self._is_picture[i] else known[i] for i in self._outputs)


class _Reader:
    """Turns a flatbuffer's operators into steps; constants are laid out for torch as their operators want them."""

    def __init__(self, data: bytes) -> None:
        from mediapipe.tasks.metadata import schema_py_generated as schema

        self._schema = schema
        self._model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))
        self._graph = self._model.subgraphs[0]
        self._names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
        self._types = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
        self.input = int(self._graph.inputs[0])
        self.outputs = tuple(int(i) for i in self._graph.outputs)
        self.constants: dict[int, Tensor] = {}

    def shape(self, number: int) -> tuple[int, ...]:
        return tuple(int(size) for size in self._graph.tensors[number].shape)

    def steps(self) -> tuple[_Step, ...]:
        found: list[tuple[Operation, tuple[int, ...], int]] = []
        folded: dict[int, np.ndarray] = {}
        for operator in self._graph.operators:
            name = self._name(operator)
            inputs, output = [int(i) for i in operator.inputs], int(operator.outputs[0])
            if name in {"DEQUANTIZE", "DENSIFY"}:  # weights: done once, here
                value = folded[inputs[0]] if inputs[0] in folded else self._value(inputs[0])
                folded[output] = value.astype(np.float32) if name == "DEQUANTIZE" else value
                continue
            build = _BUILDERS.get(name)
            if build is None:
                raise AssetError(f"A model file holds the operation {name}, which cannot be rebuilt in torch.")
            constants = {
                i: folded[i] if i in folded else self._value(i) for i in inputs if i >= 0 and (i in folded or self._is_constant(i))
            }
            operation, used = build(_Node(self, operator, inputs, output, constants))
            found.append((operation, used, output))
        last = {number: k for k, (_, used, _) in enumerate(found) for number in used}
        keep = {*self.outputs, *self.constants}
        return tuple(
            _Step(operation, used, output, tuple({i for i in used if last[i] == k and i not in keep}))
            for k, (operation, used, output) in enumerate(found)
        )

    def _name(self, operator: Any) -> str:
        code = self._model.operatorCodes[operator.opcodeIndex]
        name = self._names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        return name if name != "CUSTOM" else str(code.customCode, "ascii")

    def _is_constant(self, number: int) -> bool:
        data = self._model.buffers[self._graph.tensors[number].buffer].data
        return data is not None and len(data) > 0

    def _value(self, number: int) -> np.ndarray:
        tensor = self._graph.tensors[number]
        kind = self._types[tensor.type]
        if kind not in _NUMPY_TYPES or not self._is_constant(number):
            raise AssetError(f"A model file holds a tensor of {kind}, which cannot be rebuilt in torch.")
        flat = np.frombuffer(np.asarray(self._model.buffers[tensor.buffer].data, np.uint8).tobytes(), _NUMPY_TYPES[kind])
        return flat.reshape(self.shape(number)) if tensor.sparsity is None else self._dense(flat, number)

    def _dense(self, values: np.ndarray, number: int) -> np.ndarray:
        """A sparse tensor's values put where they belong, zero elsewhere.

        TensorFlow Lite's format (`SparsityParameters` of its schema): dimensions are traversed in an order of their own, blocks of some
        of them come as further dimensions at the end, and each is either dense or compressed into segments and indices.
        """
        shape, sparsity = self.shape(number), self._graph.tensors[number].sparsity
        order = [int(i) for i in sparsity.traversalOrder]
        blocked = [] if sparsity.blockMap is None else [int(i) for i in sparsity.blockMap]
        rank = len(shape)
        block_of = {
            blocked[dimension - rank]: int(level.denseSize)
            for dimension, level in zip(order, sparsity.dimMetadata, strict=True)
            if dimension >= rank
        }
        at, positions = np.zeros((1, 0), np.int64), np.zeros(1, np.int64)
        for level in sparsity.dimMetadata:
            if level.format == self._schema.DimensionType.DENSE:
                counts = np.full(len(positions), int(level.denseSize))
                begin = positions * int(level.denseSize)
            else:
                segments = np.asarray(level.arraySegments.values, np.int64)
                counts, begin = segments[positions + 1] - segments[positions], segments[positions]
            within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            positions = np.repeat(begin, counts) + within
            place = (
                within if level.format == self._schema.DimensionType.DENSE else np.asarray(level.arrayIndices.values, np.int64)[positions]
            )
            at = np.concatenate([np.repeat(at, counts, 0), place[:, None]], 1)
        index = np.zeros((len(at), rank), np.int64)
        for k, dimension in enumerate(order):
            if dimension < rank:
                index[:, dimension] += at[:, k] * block_of.get(dimension, 1)
            else:
                index[:, blocked[dimension - rank]] += at[:, k]
        dense = np.zeros(shape, values.dtype)
        dense[tuple(index.T)] = values[positions]
        return dense


@dataclass(frozen=True, slots=True)
class _Node:
    """An operator while its step is made."""

    reader: _Reader
    operator: Any
    inputs: Sequence[int]
    output: int
    values: dict[int, np.ndarray]
    """Inputs that are constants."""

    @property
    def options(self) -> Any:
        return self.operator.builtinOptions

    def value(self, position: int) -> np.ndarray:
        return self.values[self.inputs[position]]

    def keep(self, position: int, value: np.ndarray) -> int:
        """Registers the constant input at `position` as `value`; tells its number."""
        number = self.inputs[position]
        self.reader.constants[number] = torch.from_numpy(np.array(value, np.float32, order="C"))
        return number

    def operand(self, position: int) -> int:
        """The number of an input that may be computed or constant; constants are laid out as pictures are."""
        number = self.inputs[position]
        if number not in self.values:
            return number
        value = self.values[number]
        return self.keep(position, np.moveaxis(value, -1, 1) if value.ndim == 4 else value.reshape(value.shape or (1,)))

    def shape(self, number: int) -> tuple[int, ...]:
        return self.reader.shape(number)

    def activated(self, operation: Operation) -> Operation:
        kinds = self.reader._schema.ActivationFunctionType  # noqa: SLF001 - one unit in two classes
        kind = self.options.fusedActivationFunction if self.options is not None else kinds.NONE
        if kind == kinds.NONE:
            return operation
        after = {kinds.RELU: torch.relu, kinds.RELU6: nn.relu6}.get(kind)
        if after is None:
            raise AssetError(f"A model file holds the activation number {kind}, which cannot be rebuilt in torch.")
        return lambda *given: after(operation(*given))

    def padding(self, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int, int, int]:
        """(left, right, top, bottom) of zeros: TensorFlow's SAME puts the odd one at the end."""
        if self.options.padding != self.reader._schema.Padding.SAME:  # noqa: SLF001 - one unit in two classes
            return (0, 0, 0, 0)
        sides: list[int] = []
        for size, k, s, d in zip(self.shape(self.inputs[0])[1:3], kernel, stride, dilation, strict=True):
            total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
            sides = [total // 2, total - total // 2, *sides]
        return sides[0], sides[1], sides[2], sides[3]


Built = tuple[Operation, tuple[int, ...]]


def _convolution(node: _Node, weight: np.ndarray, groups: int) -> Built:
    """weight (O, I, kH, kW)."""
    o = node.options
    stride, dilation = (o.strideH, o.strideW), (o.dilationHFactor, o.dilationWFactor)
    left, right, top, bottom = node.padding((weight.shape[2], weight.shape[3]), stride, dilation)
    number = node.keep(1, weight)
    bias = node.keep(2, node.value(2))
    even = (left, top) == (right, bottom)

    def run(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        x = x if even else nn.pad(x, (left, right, top, bottom))
        return nn.conv2d(x, w, b, stride, (top, left) if even else 0, dilation, groups)

    return node.activated(run), (node.inputs[0], number, bias)


def _conv_2d(node: _Node) -> Built:
    return _convolution(node, node.value(1).transpose(0, 3, 1, 2), 1)


def _depthwise_conv_2d(node: _Node) -> Built:
    weight = node.value(1).transpose(3, 0, 1, 2)
    return _convolution(node, weight, node.shape(node.inputs[0])[3])


def _transposed(node: _Node) -> Built:
    """MediaPipe's `Convolution2DTransposeBias`; its options are TfLiteTransposeConvParams, three little-endian int32."""
    _, across, down = np.frombuffer(bytes(node.operator.customOptions), "<i4", 3)
    weight = node.value(1).transpose(3, 0, 1, 2)
    if (int(down), int(across)) != weight.shape[2:]:
        raise AssetError("A model file holds a transposed convolution with overlaps, which cannot be rebuilt in torch.")
    used = node.inputs[0], node.keep(1, weight), node.keep(2, node.value(2))
    return (lambda x, w, b: nn.conv_transpose2d(x, w, b, (int(down), int(across)))), used


def _add(node: _Node) -> Built:
    return node.activated(torch.add), (node.operand(0), node.operand(1))


def _mul(node: _Node) -> Built:
    return node.activated(torch.mul), (node.operand(0), node.operand(1))


def _pool(average: bool) -> Callable[[_Node], Built]:
    def build(node: _Node) -> Built:
        o = node.options
        kernel, stride = (o.filterHeight, o.filterWidth), (o.strideH, o.strideW)
        if any(node.padding(kernel, stride, (1, 1))):
            raise AssetError("A model file holds a pooling with padding, which cannot be rebuilt in torch.")
        if average:
            return node.activated(lambda x: nn.avg_pool2d(x, kernel, stride)), (node.inputs[0],)
        return node.activated(lambda x: nn.max_pool2d(x, kernel, stride)), (node.inputs[0],)

    return build


def _pad(node: _Node) -> Built:
    (_, _), rows, columns, channels = (tuple(int(i) for i in pair) for pair in node.value(1))
    return (lambda x: nn.pad(x, (*columns, *rows, *channels))), (node.inputs[0],)


def _resize_bilinear(node: _Node) -> Built:
    o = node.options
    if o.alignCorners or not o.halfPixelCenters:
        raise AssetError("A model file enlarges with aligned corners, which cannot be rebuilt in torch.")
    height, width = (int(i) for i in node.value(1))
    return (lambda x: nn.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)), (node.inputs[0],)


def _depth_to_space(node: _Node) -> Built:
    size = int(node.options.blockSize)

    def run(x: Tensor) -> Tensor:
        # TensorFlow has the place in the block before the channel, torch's pixel_shuffle after it
        return nn.pixel_shuffle(x.unflatten(1, (size * size, -1)).transpose(1, 2).flatten(1, 2), size)

    return run, (node.inputs[0],)


def _reshape(node: _Node) -> Built:
    before, after = node.shape(node.inputs[0]), node.shape(node.output)
    if before[0] != BATCH_ONE or after[0] != BATCH_ONE:
        raise AssetError("A model file folds its batch into another dimension, which cannot be rebuilt in torch.")

    def run(x: Tensor) -> Tensor:
        flat = x.permute(0, 2, 3, 1) if len(before) == 4 else x
        reshaped = flat.reshape(x.shape[0], *after[1:])
        return reshaped.permute(0, 3, 1, 2) if len(after) == 4 else reshaped

    return run, (node.inputs[0],)


def _concatenation(node: _Node) -> Built:
    rank = len(node.shape(node.output))
    axis = node.options.axis % rank
    axis = {0: 0, 1: 2, 2: 3, 3: 1}[axis] if rank == 4 else axis
    return node.activated(lambda *parts: torch.cat(parts, axis)), tuple(node.operand(i) for i in range(len(node.inputs)))


def _single(function: Operation) -> Callable[[_Node], Built]:
    return lambda node: (function, (node.inputs[0],))


_BUILDERS: dict[str, Callable[[_Node], Built]] = {
    "ADD": _add,
    "AVERAGE_POOL_2D": _pool(average=True),
    "CONCATENATION": _concatenation,
    "CONV_2D": _conv_2d,
    "Convolution2DTransposeBias": _transposed,
    "DEPTH_TO_SPACE": _depth_to_space,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "HARD_SWISH": _single(nn.hardswish),
    "LOGISTIC": _single(torch.sigmoid),
    "MAX_POOL_2D": _pool(average=False),
    "MUL": _mul,
    "PAD": _pad,
    "RELU": _single(torch.relu),
    "RESHAPE": _reshape,
    "RESIZE_BILINEAR": _resize_bilinear,
}
