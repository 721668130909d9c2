"""Draws on CUDA by replaying: the warm core is recorded once for each set of shapes, as a CUDA graph, and from then on launched whole.

One by one its few hundred small operations would take longer to launch than to run. A recording reads from tensors of its own,
which the fittings are copied into, and leaves its pictures in others. Where recording fails the core is launched one by one, and
the log says why.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.core import Core, Fittings, stacked, tensors
from models.drape.warp import Topology

RECORD_AT = 2
"""Shapes are recorded when they come for this time: a photo of its own size may never be seen again."""
RECORDED_SHARE = 0.25
"""Of the device's memory that recordings may hold for what goes into them: up to 100 MB a fitting at 768×1024. The one that was not
used for longest goes."""
SHAPES_KEPT = 1024
"""Sets of shapes that are remembered to have come."""
WARM_UPS = 2
"""Runs before a recording, as CUDA asks for: libraries choose their algorithms and reserve memory."""

Outputs = tuple[Tensor, Tensor, Tensor]
"""`models.core.Finished`'s picture, edit mask and edges."""
Recorder = Callable[[Core, Sequence[Tensor]], Callable[[], Outputs]]
"""Records a core that reads the given tensors; what it returns runs it on what they then hold."""

_log = logging.getLogger(__name__)


class CudaRecorder:
    """Records CUDA graphs. They share memory for what is in between, so only one may run at a time.

    compiled: small operations are fused by `torch.compile` first, which takes minutes for each set of shapes.
    """

    def __init__(self, compiled: bool = False) -> None:
        self._compiled = compiled
        self._pool: Any = None

    def __call__(self, core: Core, inputs: Sequence[Tensor]) -> Callable[[], Outputs]:
        """Raises RuntimeError where CUDA cannot."""
        with torch.cuda.device(inputs[0].device):  # streams and graphs are of the current device, whatever the tensors are of
            return self._recorded(core, inputs)

    def _recorded(self, core: Core, inputs: Sequence[Tensor]) -> Callable[[], Outputs]:
        device = inputs[0].device
        run = torch.compile(core, fullgraph=True, dynamic=False) if self._compiled else core
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                run(*inputs)
        torch.cuda.current_stream().wait_stream(aside)
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        # other threads read people meanwhile, which does not concern this one's recording
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            outputs: Outputs = run(*inputs)

        def replay() -> Outputs:
            with torch.cuda.device(device):
                graph.replay()
            return outputs

        return replay


@dataclass(frozen=True, slots=True)
class _Recording:
    inputs: list[Tensor]
    replay: Callable[[], Outputs]

    @property
    def nbytes(self) -> int:
        return _nbytes(self.inputs)


class Replayer:
    """Draws fittings of equal sizes and kinds; one call at a time.

    recorder: what makes recordings; most_bytes: that they may hold (None: RECORDED_SHARE of the device's memory).
    """

    def __init__(self, topology: Topology, recorder: Recorder | None = None, most_bytes: int | None = None) -> None:
        self._topology = topology
        self._recorder = recorder or CudaRecorder()
        if most_bytes is None:
            most_bytes = int(RECORDED_SHARE * torch.cuda.get_device_properties(topology.torso.device).total_memory)
        self._most_bytes = most_bytes
        self._came: OrderedDict[object, int] = OrderedDict()
        self._refused: set[object] = set()
        self._recordings: OrderedDict[object, _Recording] = OrderedDict()
        self._left: list[Tensor] = []

    def draw(self, fittings: Sequence[Fittings], unit_px: float) -> Outputs:
        """Draws `fittings`, each a batch of one, as `models.core.draw` does. What it returns holds until the next call, or `forget`.

        Batches are filled up to the next power of two, so that there are few shapes.
        """
        padded = [*fittings, *[fittings[-1]] * ((1 << (len(fittings) - 1).bit_length()) - len(fittings))]
        key = self._key(padded, unit_px)
        # what alone is too large is not worth forgetting all others for
        if key in self._refused or self._comes(key) < RECORD_AT or self._needed(padded) > self._most_bytes:
            outputs = self._core(fittings, unit_px)(*tensors(stacked(fittings)))
        else:
            if key not in self._recordings and not self._record(key, padded, unit_px):
                return self.draw(fittings, unit_px)
            self._recordings.move_to_end(key)
            recording = self._recordings[key]
            _fill(recording.inputs, padded)
            outputs = recording.replay()
            self._left = [*recording.inputs, *outputs]
        picture, edit, edges = outputs
        return picture[: len(fittings)], edit[: len(fittings)], edges[: len(fittings)]

    def forget(self) -> None:
        """Overwrites what the last call has left in a recording: photos are personal. Nobody waits for it."""
        left, self._left = self._left, []
        for kind in {tensor.dtype for tensor in left}:
            torch._foreach_zero_([tensor for tensor in left if tensor.dtype is kind])

    def _key(self, padded: Sequence[Fittings], unit_px: float) -> object:
        """All that a recording is fixed to."""
        kinds = tuple(type(step.measures) for step in padded[0].steps)
        return unit_px, len(padded), kinds, tuple((tensor.shape, tensor.dtype) for tensor in tensors(padded[0]))

    def _needed(self, padded: Sequence[Fittings]) -> int:
        return len(padded) * _nbytes(tensors(padded[0]))

    def _comes(self, key: object) -> int:
        """How often these shapes have come."""
        self._came[key] = self._came.pop(key, 0) + 1
        if len(self._came) > SHAPES_KEPT:
            forgotten, _ = self._came.popitem(last=False)
            self._refused.discard(forgotten)
        return self._came[key]

    @property
    def counts(self) -> tuple[int, int]:
        """Sets of shapes that are recorded, and that could not be."""
        return len(self._recordings), len(self._refused)

    def _core(self, fittings: Sequence[Fittings], unit_px: float) -> Core:
        return Core(fittings[0], self._topology, unit_px)

    def _record(self, key: object, padded: Sequence[Fittings], unit_px: float) -> bool:
        """Whether there is a recording now."""
        while self._recordings and self._needed(padded) + sum(kept.nbytes for kept in self._recordings.values()) > self._most_bytes:
            self._recordings.popitem(last=False)
        try:
            inputs = [tensor.clone() for tensor in tensors(stacked(padded))]
            self._recordings[key] = _Recording(inputs, self._recorder(self._core(padded, unit_px), inputs))
        except RuntimeError as error:
            self._refused.add(key)
            _log.warning("A batch of %d is drawn without a CUDA graph, which could not be recorded: %s", len(padded), error)
            return False
        return True


def on_host(*found: Tensor) -> list[Any]:
    """Arrays of tensors, which are waited for once; on a CPU they share the tensors' memory."""
    if found[0].device.type != "cuda":
        return [tensor.cpu().numpy() for tensor in found]
    copies = [torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor, non_blocking=True) for tensor in found]
    torch.cuda.current_stream(found[0].device).synchronize()
    return [copy.numpy() for copy in copies]


def _nbytes(given: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in given)


def _fill(inputs: Sequence[Tensor], fittings: Sequence[Fittings]) -> None:
    """Copies the tensors of each of `fittings`, (1, ...), into its row of `inputs`."""
    if len(fittings) == 1:
        torch._foreach_copy_(list(inputs), list(tensors(fittings[0])))  # one launch, not one for each
        return
    for target, *rows in zip(inputs, *(tensors(one) for one in fittings), strict=True):
        torch.cat(rows, out=target)
