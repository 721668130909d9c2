"""Draws on CUDA by replaying: the warm core is recorded once for each set of shapes, as a CUDA graph, and from then on launched whole.

One by one its few hundred small operations would take longer to launch than to run. A recording reads from tensors of its own,
which the fittings are copied into, and leaves its pictures in others. Where recording fails the core is launched one by one, and
the log says why.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from models.core import Core, Fittings, stacked, tensors
from models.drape.warp import Topology

RECORD_AT = 2
"""Shapes are recorded when they come for this time: a photo of its own size may never be seen again."""
RECORDINGS_MOST = 16
"""Recordings that are kept; the one not used for longest goes. Each holds a batch's fittings, up to 100 MB a fitting at 768×1024."""
WARM_UPS = 2
"""Runs before a recording, as CUDA asks for: libraries choose their algorithms and reserve memory."""

Outputs = tuple[Tensor, Tensor, Tensor]
"""`models.core.Finished`'s picture, edit mask and edges."""
Recorder = Callable[[Core, Sequence[Tensor]], Callable[[], Outputs]]
"""Records a core that reads the given tensors; what it returns runs it on what they then hold."""

_log = logging.getLogger(__name__)


def record(core: Core, inputs: Sequence[Tensor]) -> Callable[[], Outputs]:
    """Records `core` as a CUDA graph. Raises RuntimeError where CUDA cannot."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UPS):
            core(*inputs)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    # other threads read people meanwhile, which does not concern this one's recording
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        outputs: Outputs = core(*inputs)

    def replay() -> Outputs:
        graph.replay()
        return outputs

    return replay


class Replayer:
    """Draws fittings of equal sizes and kinds; one call at a time. recorder: what makes recordings."""

    def __init__(self, topology: Topology, recorder: Recorder = record) -> None:
        self._topology = topology
        self._recorder = recorder
        self._came: Counter[object] = Counter()
        self._refused: set[object] = set()
        self._recordings: OrderedDict[object, tuple[list[Tensor], Callable[[], Outputs]]] = OrderedDict()

    def draw(self, fittings: Sequence[Fittings], unit_px: float) -> Outputs:
        """Draws `fittings`, each a batch of one, as `models.core.draw` does. What it returns holds until the next call.

        Batches are filled up to the next power of two, so that there are few shapes.
        """
        padded = [*fittings, *[fittings[-1]] * ((1 << (len(fittings) - 1).bit_length()) - len(fittings))]
        flat = [list(tensors(one)) for one in padded]
        kinds = tuple(type(step.measures) for step in fittings[0].steps)
        key = (unit_px, len(padded), kinds, tuple((tensor.shape, tensor.dtype) for tensor in flat[0]))
        self._came[key] += 1
        if key in self._refused or self._came[key] < RECORD_AT:
            outputs = self._core(fittings, unit_px)(*tensors(stacked(fittings)))
        else:
            if key not in self._recordings and not self._record(key, padded, unit_px):
                return self.draw(fittings, unit_px)
            self._recordings.move_to_end(key)
            inputs, replay = self._recordings[key]
            _fill(inputs, flat)
            outputs = replay()
        picture, edit, edges = outputs
        return picture[: len(fittings)], edit[: len(fittings)], edges[: len(fittings)]

    @property
    def counts(self) -> tuple[int, int]:
        """Sets of shapes that are recorded, and that could not be."""
        return len(self._recordings), len(self._refused)

    def _core(self, fittings: Sequence[Fittings], unit_px: float) -> Core:
        return Core(fittings[0], self._topology, unit_px)

    def _record(self, key: object, padded: Sequence[Fittings], unit_px: float) -> bool:
        """Whether there is a recording now."""
        while len(self._recordings) >= RECORDINGS_MOST:
            self._recordings.popitem(last=False)
        inputs = [tensor.clone() for tensor in tensors(stacked(padded))]
        try:
            self._recordings[key] = inputs, self._recorder(self._core(padded, unit_px), inputs)
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


def _fill(inputs: Sequence[Tensor], flat: Sequence[Sequence[Tensor]]) -> None:
    """Copies the tensors of each fitting, (1, ...), into its row of `inputs`."""
    if len(flat) == 1:
        torch._foreach_copy_(list(inputs), list(flat[0]))  # one launch, not one for each
        return
    for number, target in enumerate(inputs):
        torch.cat([tensors_of_one[number] for tensors_of_one in flat], out=target)
