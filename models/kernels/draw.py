"""Draws a garment on a person with compiled code: what `drape.warp` and `compose.blend` do, on a CPU in a tenth of the time.

The torch code is the plain statement of the same and what runs on other devices; the tests hold the two together. Here only
those rows and columns are looked at where the garment lies or casts a shadow.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar

import numpy as np
import torch

from models.compose import blend, trim
from models.compose.blend import Blend
from models.compose.front import CLOTH_CATCHES
from models.compose.remove import ARM_FROM
from models.drape.frame import Placement
from models.drape.grids import BODY_ROWS, WAIST_ROW
from models.drape.raster import TILE_MOST
from models.drape.targets import GOES_ON
from models.drape.warp import Topology, raster_step
from models.kernels import passes
from models.kernels.lay import Layer, Mesh
from models.kernels.passes import Look
from models.kernels.planes import box_mean, closed, wide_only
from models.kernels.raster import affine_maps, band_spans, rasterise
from models.kernels.scene import PackedScene, PackedTexture
from models.types import BoolArray, FloatArray, IntArray, Picture

Clock = Callable[[str], AbstractContextManager[None]]
"""Times a stage."""
Found = TypeVar("Found")
KEPT_MB = 96
"""Memory for planes that is kept from one picture to the next, at most: fresh pages cost as much as the work on them."""


@dataclass(frozen=True, slots=True)
class Cloth:
    """A garment's texture."""

    texture: PackedTexture
    scale: float
    """Its px a px of the garment picture."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How a garment lies, as in `models.drape.frame.Placement` and `models.compose.blend.Legs`."""

    tucked: bool
    hem_kept: bool
    sleeve_end: tuple[float, float]
    stripped: bool
    lower: bool
    split: bool
    leg_front: tuple[float, float]
    skirt_from: float

    @classmethod
    def of(cls, placement: Placement, leg_front: torch.Tensor) -> Self:
        """Of a placement of one garment; leg_front (1, 2)."""
        ends, front = placement.sleeve_end[0].tolist(), leg_front[0].tolist()
        return cls(
            tucked=bool(placement.tucked[0] > 0.5),
            hem_kept=bool(placement.hem_kept[0] > 0.5),
            sleeve_end=(ends[0], ends[1]),
            stripped=bool(placement.stripped[0] > 0.5),
            lower=placement.torso is None,
            split=bool(placement.split[0] > 0.5),
            leg_front=(front[0], front[1]),
            skirt_from=1 + WAIST_ROW / BODY_ROWS if bool(placement.dress[0] > 0.5) else 3.0,
        )


@dataclass(frozen=True, slots=True)
class _Canvas:
    """A picture being drawn."""

    picture: Picture
    """(H, W, 3)."""
    alpha: FloatArray
    """(H, W)."""
    edit: BoolArray
    """(H, W)."""

    def as_blend(self) -> Blend:
        """The same as tensors that share the memory."""
        picture, alpha, edit = (torch.from_numpy(array) for array in (self.picture, self.alpha, self.edit))
        return Blend(picture.permute(2, 0, 1)[None], alpha[None, None], edit[None, None])


@dataclass(frozen=True, slots=True)
class _Layer:
    """A mesh on a photo's pixels."""

    ids: IntArray
    """Reduced pixels (h, w)."""
    rows: IntArray
    """(h, 2) the first and one past the last covered one of every row."""
    maps: FloatArray
    """(T, 4, 3)."""


@dataclass(frozen=True, slots=True)
class _Box:
    """Where something happens: the box from top, left on, and of its bands the `spans` of columns."""

    top: int
    left: int
    size: tuple[int, int]
    spans: IntArray


class Painter:
    """Draws one garment at a time."""

    def __init__(self, topology: Topology, threads: int = 1) -> None:
        """topology: on the CPU; threads: that many bands are worked on at a time."""
        self.layer = Layer(topology)
        self._drawing = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._parts = threads
        self._memory: FloatArray = np.zeros(0, np.float32)

    def close(self) -> None:
        """Ends its threads, after the picture that is being drawn."""
        with self._drawing:
            if self._threads is not None:
                self._threads.shutdown()
                self._threads = None

    def warm_up(self) -> None:
        """Compiles or loads what not every picture needs."""
        box = (passes.BAND, passes.BAND)
        with self._drawing:
            work, gaps = self._planes(passes.WORK_COUNT + 1, box)
            spans = np.zeros((1, 2), np.int64)
            picture = np.zeros((*box, 3), np.uint8)
            passes.close_gaps(picture, gaps, *passes.around_gaps(picture, gaps, work, spans, spans, 0, 0), spans, 0, 0)

    def draw(self, scene: PackedScene, cloth: Cloth, torso: Mesh | None, strips: Mesh, fit: Fit, unit_px: float, clock: Clock) -> Blend:
        """The garment of `cloth` over `scene`; clock: told the stages."""
        with self._drawing:
            return self._draw(scene, cloth, torso, strips, fit, unit_px, clock).as_blend()

    def _draw(self, scene: PackedScene, cloth: Cloth, torso: Mesh | None, strips: Mesh, fit: Fit, unit_px: float, clock: Clock) -> _Canvas:
        height, width = scene.size
        step = raster_step(scene.size)
        radii = {index: _soft_radius(reach * unit_px) for index, reach in _REACHES.items()}
        drop = max(1, round(blend.DROP * unit_px))
        with clock("drape"):
            reduced = (-(-height // step), -(-width // step))
            drawn: _Canvas
            front: _Layer
            sides: _Layer
            drawn, front, sides = self._all(
                lambda: _Canvas(scene.plate.copy(), np.zeros((height, width), np.float32), scene.edited.copy()),
                lambda: _rasterised(torso, reduced, step),
                lambda: _rasterised(strips if fit.stripped else None, reduced, step),
            )
            rows = np.stack([np.minimum(front.rows[:, 0], sides.rows[:, 0]), np.maximum(front.rows[:, 1], sides.rows[:, 1])], 1)
            reach = 8 * (3 * max(radii.values()) + 2) + (drop if fit.lower or fit.skirt_from < 2 else 0)
            box = _box(band_spans(rows, step, passes.BAND, reach, height, width), height)
        if box is None:
            return drawn
        spans, top, left = box.spans, box.top, box.left
        parts = _parts(spans, self._parts)
        work, gaps = self._planes(passes.WORK_COUNT + 1, box.size)
        with clock("sample"):
            scale, texture = np.float32(cloth.scale), cloth.texture

            def sample(part: int) -> None:
                onto = (passes.TORSO_ALPHA, passes.BACK_ALPHA, passes.ACROSS, passes.TORSO)
                passes.sample(
                    work, *onto, front.ids, front.maps, texture.torso, texture.back, texture.back_to, scale, step, parts[part], top, left
                )
                onto = (passes.SLEEVE_ALPHA, -1, passes.OVER, passes.SLEEVES)
                passes.sample(
                    work, *onto, sides.ids, sides.maps, texture.strips, texture.back, texture.back_to, scale, step, parts[part], top, left
                )

            self._each(sample)
        with clock("compose"):
            look = _look(scene, fit, unit_px)
            planes = (scene.masks, scene.places)
            # shadows that fall down reach the next part
            sums = np.zeros((len(parts), passes.EIGHTHS_COUNT, *_cells(box.size, 8)), np.float32)
            quarters = np.zeros((passes.QUARTERS_COUNT, *_cells(box.size, 4)), np.float32)
            over = np.zeros((2, *_cells(box.size, trim.STEP)), np.float32)
            flags, seam = scene.flags, blend.SEAM_PX

            def prepare(part: int) -> None:
                passes.prepare(work, sums[part], over[0], over[1], *planes, flags, sides.ids, step, seam, look, parts[part], top, left)

            self._each(prepare)
            trimmed = [pieces for pieces, there in zip(over, (torso is not None, fit.stripped and not fit.lower), strict=True) if there]
            self._all(*(partial(wide_only, pieces, max(1, round(blend.TRIM * unit_px / trim.STEP))) for pieces in trimmed))

            def cut_out(part: int) -> None:
                passes.cut_out(work, sums[part], quarters, over[0], over[1], *planes, drop, look, parts[part], top, left)

            self._each(cut_out)
            eighths = sums.sum(0) / _counts(box.size, 8)
            quarters /= _counts(box.size, 4)
            for index, radius in radii.items():
                box_mean(eighths[index], radius, 3)
            between = closed(quarters[passes.BETWEEN], max(1, round(blend.BACK_OFF * unit_px / blend.GAP_STEP)))
            box_mean(between, 1, 1)
            shut = closed(quarters[passes.CLOTH], max(1, round(blend.GAP_REACH * unit_px / blend.GAP_STEP)))
            share = np.minimum((shut - quarters[passes.CLOTH]) * np.float32(blend.GAP_STEEP), np.float32(1))
            flat = (height, 3 * width)
            onto_photo = (drawn.picture.reshape(flat), drawn.edit, drawn.alpha, gaps)
            small, plate = (eighths, between, shut, share), scene.plate.reshape(flat)

            def compose(part: int) -> int:
                return passes.compose(*onto_photo, work, *small, plate, *planes, flags, look, parts[part], top, left)

            if any(self._each(compose)):
                picture = drawn.picture
                around = self._each(lambda part: passes.around_gaps(picture, gaps, work, spans, parts[part], top, left))
                self._each(lambda part: passes.close_gaps(picture, gaps, *around[part], spans, top, left))
        return drawn

    def _each(self, call: Callable[[int], Found]) -> list[Found]:
        """What `call` returns for each part."""
        return list(self._all(*(partial(call, part) for part in range(self._parts))))

    def _all(self, *calls: Callable[[], Any]) -> tuple[Any, ...]:
        """What the calls return; side by side where there are threads, as compiled code needs no interpreter."""
        if self._parts == 1 or len(calls) == 1:
            return tuple(call() for call in calls)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._parts, "painter")
        running = [self._threads.submit(call) for call in calls]
        wait(running)  # when one fails too: the others write into what the next picture is drawn in
        return tuple(one.result() for one in running)

    def _planes(self, count: int, box: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
        """count - 1 planes of `box` (h, w) and one more, with anything finite in them."""
        needed = count * box[0] * box[1]
        memory = self._memory
        if memory.size < needed:
            memory = np.zeros(needed, np.float32)
            self._memory = memory if memory.nbytes <= KEPT_MB << 20 else np.zeros(0, np.float32)
        planes = memory[:needed].reshape(count, *box)
        return planes[:-1], planes[-1]


def _parts(spans: IntArray, count: int) -> list[IntArray]:
    """`spans` (bands, 2) in `count` parts of about the same work, each without the other parts' bands."""
    done = np.cumsum(spans[:, 1] - spans[:, 0])
    of_band = np.minimum(count * done // (done[-1] + 1), count - 1)
    return [np.where((of_band == part)[:, None], spans, 0) for part in range(count)]


def _rasterised(mesh: Mesh | None, size: tuple[int, int], step: int) -> _Layer:
    ids, rows = np.full(size, -1, np.int32), np.zeros((size[0], 2), np.int64)
    rows[:, 0] = size[1]
    if mesh is None:
        return _Layer(ids, rows, np.zeros((1, 4, 3), np.float32))
    rasterise(ids, rows, mesh.vertices, mesh.triangles, step, TILE_MOST)
    return _Layer(ids, rows, affine_maps(mesh.vertices, mesh.attributes, mesh.triangles))


def _box(spans: IntArray, height: int) -> _Box | None:
    """Where the `spans` (bands, 2) of a photo of `height` are; None where none is."""
    used = np.flatnonzero(spans[:, 1])
    if used.size == 0:
        return None
    top, bottom = int(used[0]) * passes.BAND, min(int(used[-1] + 1) * passes.BAND, height)
    spans = spans[used[0] : used[-1] + 1]
    filled = spans[:, 1] > 0
    left, right = int(spans[filled, 0].min()), int(spans[:, 1].max())
    spans[filled] -= left
    return _Box(top, left, (bottom - top, right - left), spans)


_REACHES = {
    passes.BESIDE: blend.SLEEVE_SHADOW_REACH,
    passes.RAW_TORSO: 0.5 * blend.WAIST_FADE,
    passes.BEHIND: blend.BEHIND_REACH,
    passes.HUNG: blend.HEM_REACH,
    passes.RIM_TORSO: blend.CONTACT_REACH,
    passes.RIM_STRIPS: blend.CONTACT_REACH,
    passes.CAST: blend.DROP_REACH,
}
"""How far the shadows of each reduced plane reach, units."""


def _soft_radius(sigma_px: float) -> int:
    spread = math.sqrt(4 * (sigma_px / blend.SHADOW_STEP) ** 2 + 1)
    return max(1, round((spread - 1) / 2))


def _cells(box: tuple[int, int], size: int) -> tuple[int, int]:
    return -(-box[0] // size), -(-box[1] // size)


def _counts(box: tuple[int, int], size: int) -> FloatArray:
    """Pixels of every cell of a box reduced by `size`."""
    rows, columns = (np.minimum(size, length - size * np.arange(-(-length // size))) for length in box)
    return np.asarray(rows[:, None] * columns, np.float32)


def _look(scene: PackedScene, fit: Fit, unit_px: float) -> Look:
    numbers = {
        "tuck": fit.tucked,
        "hem_kept": fit.hem_kept,
        "lower": fit.lower,
        "split": fit.lower and fit.split,
        "skirt_from": fit.skirt_from,
        "end_left": fit.sleeve_end[0],
        "end_right": fit.sleeve_end[1],
        "bare_left": max(fit.sleeve_end[0], ARM_FROM),
        "bare_right": max(fit.sleeve_end[1], ARM_FROM),
        "arm_left": scene.in_front[0],
        "arm_right": scene.in_front[1],
        "leg_left": fit.leg_front[0],
        "leg_right": fit.leg_front[1],
        "waist_shift": scene.band_below,
        "slack": blend.BAND_SLACK * unit_px * scene.has_lower,
        "band_at": blend.BAND_AT_WAIST * unit_px,
        "band_fade": blend.BAND_FADE * unit_px,
        "end_fade": blend.END_FADE,
        "trim_from": blend.TRIM_TO[0],
        "trim_to": blend.TRIM_TO[1],
        "sides_from": trim.SIDES_FROM,
        "nowhere": blend.NOWHERE,
        "flare_from": blend.SLEEVE_FLARE[0],
        "flare_by": blend.SLEEVE_FLARE[1] * unit_px,
        "flare_least": blend.FLARE_LEAST_PX,
        "leaves_from": blend.LEAVES[0],
        "leaves_to": blend.LEAVES[1],
        "goes_on": sum(GOES_ON) / 2,
        "waist_fade": blend.WAIST_FADE * unit_px,
        "waist_shadow": blend.WAIST_SHADOW,
        "waist_above": blend.WAIST_SHADOW_ABOVE,
        "contact_depth": blend.CONTACT_DEPTH,
        "cloth_catches": CLOTH_CATCHES,
        "back_shade": blend.BACK_SHADE,
        "round_from": blend.UNDER_ARM[0],
        "round_to": blend.UNDER_ARM[1],
        "torso_round": blend.TORSO_ROUND,
        "sleeve_shadow": blend.SLEEVE_SHADOW_DEPTH,
        "shadow_full": blend.SHADOW_FULL,
        "sleeve_round": blend.SLEEVE_ROUND,
        "leg_round": blend.LEG_ROUND,
        "crotch_from": blend.CROTCH[0],
        "crotch_to": blend.CROTCH[1],
        "behind_depth": blend.BEHIND_DEPTH,
        "hem_shadow": blend.HEM_SHADOW,
        "drop_depth": blend.DROP_DEPTH,
        "gap_steep": blend.GAP_STEEP,
        "visible": blend.VISIBLE,
    }
    return Look(**{name: np.float32(value) for name, value in numbers.items()})
