"""Lays garments on bodies on a CPU: the curves, the grids they span and the edges, played from a tape (`models.kernels.tape`)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.core import T, edges, placed, tensors, with_tensors
from models.drape.cut import Garment, Measures
from models.drape.cut_lower import LowerMeasures
from models.drape.frame import Frame, Placement
from models.drape.warp import Topology, meshes
from models.kernels.tape import Played, TapeError, record
from models.types import FloatArray, IntArray

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mesh:
    """A grid on the photo."""

    vertices: FloatArray
    """(V, 2) px of the photo."""
    attributes: FloatArray
    """(V, 4) x and y on the garment picture, across and down or along, as in `models.drape.warp.Warp`."""
    triangles: IntArray
    """(T, 3)."""


@dataclass(frozen=True, slots=True)
class Laid:
    """A garment on a body; tensors of a batch of one."""

    placement: Placement
    torso: Mesh
    strips: Mesh
    edges: Tensor
    """As in `models.core.Finished`."""


@dataclass(frozen=True, slots=True)
class _Recording:
    play: Played
    like: Placement
    """One of the kind that the tape makes, its tensors empty: a body's measures are personal."""


class Layer:
    """Lays one garment after another; the first of a kind is recorded, which takes some 50 ms. Where that fails torch does it."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._torso, self._strips = topology.torso.numpy(), topology.sleeves.numpy()
        self._recordings: dict[tuple[object, ...], _Recording] = {}
        self._recording = threading.Lock()

    def lay(self, frame: Frame, garment: Garment, tuck: Tensor) -> Laid:
        """frame: of one body; tuck (1,): see `models.drape.targets.tuck_code`."""
        given = frame, garment.measures, garment.torso, garment.sleeves, tuck
        kind = type(garment.measures), *(tensor.shape for tensor in tensors(given))
        with self._recording:
            recording = self._recordings.get(kind)
            if recording is None:
                recording = self._recordings[kind] = self._recorded(given)
        with np.errstate(all="ignore"):  # torch says nothing either; a degenerate body's confidence tells
            found = recording.play(*(tensor.numpy() for tensor in tensors(given)))
        torso, torso_attributes, strips, strips_attributes, both_edges = found[-5:]
        return Laid(
            placement=with_tensors(recording.like, [torch.from_numpy(array) for array in found[:-5]]),
            torso=Mesh(torso[0], torso_attributes[0], self._torso),
            strips=Mesh(strips[0], strips_attributes[0], self._strips),
            edges=torch.from_numpy(both_edges),
        )

    def _recorded(self, given: tuple[Frame, Measures | LowerMeasures, Tensor, Tensor, Tensor]) -> _Recording:
        form, like = _emptied(given), list[Placement]()

        def lay(*parts: Tensor) -> Sequence[Tensor]:
            frame, measures, torso, strips, tuck = with_tensors(form, parts)
            placement = placed(frame, measures, tuck)
            like[:] = [_emptied(placement)]
            grids = meshes(placement, torso, strips, self._topology)
            return *tensors(placement), *(part for grid in grids for part in grid[:2]), edges(placement, torso, strips)

        parts = list(tensors(given))
        try:
            play = record(lay, parts)
        except TapeError as error:  # another torch may go other ways
            _log.warning(
                "curves are placed by torch, which takes five times as long: %s", str(error)
            )  # not the error: its frames hold a body
            lay(*parts)

            def play(*arrays: NDArray[Any]) -> tuple[NDArray[Any], ...]:
                return tuple(tensor.numpy() for tensor in lay(*map(torch.from_numpy, arrays)))

        return _Recording(play, like[0])


def _emptied(value: T) -> T:
    """The same with nothing in its tensors."""
    return with_tensors(value, [torch.empty(0) for _ in tensors(value)])
