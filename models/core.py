"""The warm core as a function of tensors: read people and garments in, finished pictures out.

Shapes are fixed, nothing is read back from the device and nothing is taken there on the way: the core can run on no device at all
(`device="meta"`), be exported by `torch.export`, and be recorded once as a CUDA graph and replayed (`models.replay`). On CPUs compiled
loops draw the same (`models.kernels`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from models.compose.blend import Blend, Legs, Scene, blend
from models.drape.cut import Measures
from models.drape.cut_lower import LowerMeasures
from models.drape.frame import Frame, Placement
from models.drape.grids import ARMPIT_ROW, HEM_ROW, SLEEVE_ROWS
from models.drape.lower import place_lower
from models.drape.targets import place
from models.drape.warp import Topology, layers, warp

T = TypeVar("T")
Clock = Callable[[str], AbstractContextManager[None]]
"""Times a stage."""


@dataclass(frozen=True, slots=True)
class Step:
    """One garment of every fitting, from the innermost on; all (B, ...)."""

    scene: Scene
    """The photo without what comes off, before any garment is drawn."""
    measures: Measures | LowerMeasures
    torso: Tensor
    """(B, *TORSO_SHAPE, 2) and below (B, 2, *SLEEVE_SHAPE, 2): the grids, px of the garment picture."""
    strips: Tensor
    texture: Tensor
    """(B, 6, h, w)."""
    scale: Tensor
    """(B,) texture px a picture px."""
    tuck: Tensor
    """(B,) see `models.drape.targets.tuck_code`."""


@dataclass(frozen=True, slots=True)
class Fittings:
    """Fittings of equal sizes and kinds, as tensors on the engine's device."""

    frame: Frame
    steps: tuple[Step, ...]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) px."""
        height, width = self.steps[0].scene.photo.shape[-2:]
        return height, width


@dataclass(frozen=True, slots=True)
class Finished:
    """What becomes of them; (B, ...)."""

    picture: Tensor
    """uint8 (B, H, W, 3)."""
    edit: Tensor
    """bool (B, H, W): outside it the picture is the photo."""
    edges: Tensor
    """(B, 2, P, 2, R, 2) the outermost garment's pieces, the left and right edge of each at R rows: on the body, px of the photo, and on
    the garment's picture."""
    blend: Blend
    placement: Placement
    """Of the outermost garment."""


def draw(fittings: Fittings, topology: Topology, unit_px: float, fixed: bool = True, clock: Clock | None = None) -> Finished:
    """Draws garment after garment from the innermost.

    unit_px: the bodies' unit (`Body.unit_px`) in whole px, for the reach of shadows; fixed: False lets the rasteriser look at
    the data for the size of its tiles, which is faster on a CPU and impossible elsewhere; clock: of the stages.
    """
    clock = clock or (lambda _: nullcontext())
    inner: Blend | None = None
    waistband: Tensor | None = None
    band_below: Tensor | None = None
    for step in fittings.steps:
        scene = step.scene if band_below is None else replace(step.scene, band_below=band_below)
        if inner is not None:
            scene = scene.after(inner, unit_px, waistband)
            band_below = scene.band_below
        with clock("drape"):
            placement = placed(fittings.frame, step.measures, step.tuck)
            warped = warp(placement, step.torso, step.strips, topology, fittings.size, fixed)
        with clock("sample"):
            sampled = layers(step.texture, step.scale, warped, placement.stripped, placement.dress)
        with clock("compose"):
            legs = None if placement.torso is not None else Legs(placement.stripped, placement.split, fittings.frame.leg_front)
            waistband = placement.waistband
            inner = blend(scene, sampled, placement.tucked, placement.hem_kept, placement.sleeve_end, unit_px, legs)
    assert inner is not None, "a fitting has a garment"  # noqa: S101 - the engine has checked it
    return Finished(
        picture=inner.picture.permute(0, 2, 3, 1).contiguous(),
        edit=inner.edit[:, 0],
        edges=edges(placement, step.torso, step.strips),
        blend=inner,
        placement=placement,
    )


def placed(frame: Frame, measures: Measures | LowerMeasures, tuck: Tensor) -> Placement:
    """Target curves of garments that are all upper ones and dresses, or all lower ones."""
    if isinstance(measures, LowerMeasures):
        return place_lower(frame, measures)
    return place(frame, measures, tuck)


def edges(placement: Placement, torso: Tensor, strips: Tensor) -> Tensor:
    """`Finished.edges` of garments whose grids are `torso` and `strips`."""
    if placement.torso is None:
        on_body = torch.stack([placement.sleeves.outer, placement.sleeves.inner], 2)
        grid = strips[:, :, : SLEEVE_ROWS + 1]
    else:
        on_body = placement.torso.side[:, None]
        grid = torso[:, None, ARMPIT_ROW : HEM_ROW + 1]
    return torch.stack([on_body, torch.stack([grid[..., 1, :], grid[..., -2, :]], 2)], 1)


# --- nested tensors -------------------------------------------------------------------------------------------------------


def tensors(value: object) -> Iterator[Tensor]:
    """The tensors of nested dataclasses and tuples, in a fixed order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from tensors(item)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from tensors(getattr(value, field.name))


def with_tensors(value: T, replacements: Sequence[Tensor]) -> T:
    """The same with other tensors, in the order of `tensors`."""
    remaining = iter(replacements)

    def build(part: object) -> object:
        if isinstance(part, Tensor):
            return next(remaining)
        if isinstance(part, tuple):
            return tuple(build(item) for item in part)
        if dataclasses.is_dataclass(part) and not isinstance(part, type):
            return type(part)(**{field.name: build(getattr(part, field.name)) for field in dataclasses.fields(part)})
        return part

    return build(value)  # type: ignore[return-value]  # of the same type, part by part


def stacked(fittings: Sequence[Fittings]) -> Fittings:
    """One batch of several, in their order; a single one is not copied."""
    if len(fittings) == 1:
        return fittings[0]
    return with_tensors(fittings[0], [torch.cat(same) for same in zip(*(tensors(one) for one in fittings), strict=True)])


class Core(torch.nn.Module):
    """`draw` for fittings like one given, as a module of tensors only: what `torch.export` takes."""

    def __init__(self, like: Fittings, topology: Topology, unit_px: float) -> None:
        super().__init__()
        self._like = like
        self._topology = topology
        self._unit_px = unit_px
        for number, table in enumerate(tensors(topology)):
            self.register_buffer(f"table_{number}", table, persistent=False)
        self._tables = len(list(tensors(topology)))

    def forward(self, *given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`Finished`'s picture, edit mask and edges of the fittings made of the tensors `given`."""
        topology = with_tensors(self._topology, [getattr(self, f"table_{k}") for k in range(self._tables)])
        finished = draw(with_tensors(self._like, given), topology, self._unit_px)
        return finished.picture, finished.edit, finished.edges
