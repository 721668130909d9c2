"""The engine: reads people and garments once, then draws try-ons in batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.compose.blend import Blend, Scene
from models.compose.plate import make_plate
from models.compose.worn import Off
from models.confidence import CODES, PersonSigns, Verdict, judge, look_at_drape, look_at_person
from models.core import Clock, Finished, Fittings, Step, draw, stacked
from models.device_jpeg import DeviceJpeg
from models.drape.cut import Garment, Measures, cut
from models.drape.cut_lower import LowerMeasures
from models.drape.frame import Frame, Placement
from models.drape.targets import tuck_code
from models.drape.warp import Topology, layers, warp
from models.errors import CategoryNotSupported, GarmentError, GarmentNotIsolated, PersonError
from models.garment.worn import worn_upper
from models.interface import Explanation, Fitting, TryOn
from models.packing import Packer, PackingError, eight_bit
from models.person.body import Body, measure_body
from models.person.limbs import Arm, Leg
from models.replay import CudaRecorder, Replayer, on_host
from models.resizing import resize_labels, resize_picture, resize_plane
from models.types import (
    BoolArray,
    Category,
    FloatArray,
    LabelMap,
    LowerLandmarks,
    Notice,
    PersonParse,
    Picture,
    Pose,
    Sleeve,
    Tuck,
    UpperLandmarks,
)

if TYPE_CHECKING:
    from models.kernels.draw import Painter
    from models.kernels.lay import Laid
    from models.kernels.scene import PackedScene
    from models.person.observe import Observation, Observer

VERSION = "0.5.1"
WARM_UP_SIZE = (384, 512)
"""(width, height) px of the garment drawn to warm up."""
OUTFIT_MOST = 4
"""Garments in one picture at most."""
NUMBERS_KEPT = 256
"""Scales of textures and ways of wearing that stay on the device: each would have to be waited for."""
BAND_ROWS = 256
"""Rows of a large photo that are blended at a time: float32 copies of all of it would take gigabytes."""
SEEK_WEARER_PX = 1024
"""A wearer of a garment is looked for in a picture reduced to this."""
WORK_LONG_SIDE_PX = 1536
"""Larger photos are reduced to this for work, and composed back at their own size."""


@dataclass(frozen=True, slots=True)
class Person:
    """A photo read: everything a try-on needs, on the engine's device. Personal data."""

    photo: Picture
    """The photo at its own size."""
    work: Picture
    """The photo at the size at which it is dressed."""
    pose: Pose
    """In work px."""
    parse: PersonParse
    """At work size."""
    body: Body
    frame: Frame
    signs: PersonSigns
    confidence: float
    """For an upper garment, before one is drawn."""
    notices: tuple[Notice, ...]
    device: torch.device
    scenes: dict[tuple[Category, Off], Scene] = field(default_factory=dict)
    """What was made of the photo so far, by `scene`."""
    packed_scenes: dict[tuple[Category, Off], PackedScene] = field(default_factory=dict)
    """... and by `packed_scene`."""

    @property
    def size(self) -> tuple[int, int]:
        return self.photo.shape[0], self.photo.shape[1]

    @property
    def work_size(self) -> tuple[int, int]:
        """(height, width) px at which the photo is dressed."""
        return self.work.shape[0], self.work.shape[1]

    def scene(self, drawn: Category, off: Off) -> Scene:
        """The photo without the old clothes that come `off`, prepared for drawing a garment; made once, kept."""
        key = (drawn, off)
        if key not in self.scenes:
            plate = make_plate(self.work, self.parse, self.body, drawn, off)
            self.scenes[key] = Scene.of(self.work, plate, self._arms_in_front(), self.device)
        return self.scenes[key]

    def packed_scene(self, drawn: Category, off: Off) -> PackedScene:
        """The same for compiled code."""
        from models.kernels.scene import PackedScene

        key = (drawn, off)
        if key not in self.packed_scenes:
            plate = make_plate(self.work, self.parse, self.body, drawn, off)
            self.packed_scenes[key] = PackedScene.of(plate, self._arms_in_front())
        return self.packed_scenes[key]

    def _arms_in_front(self) -> tuple[bool, bool]:
        left, right = (arm.in_front and arm.visible for arm in self.body.arms)
        return left, right


class Engine:
    """Reads people and garments and draws try-ons; see `models.interface.EngineProtocol`.

    assets_dir: folder of MediaPipe's model files (None: the default cache); device: a torch device;
    threads: those that draw a picture side by side (None: as many as torch would take). One by default: a service has other
    pictures to encode and read meanwhile. Torch itself keeps to one then: the operations are small, and two OpenMP threads that wait for
    each other on a busy machine cost more than they save. People and garments may be read by several threads
    while one draws. clock: makes what times the stages of a drawing. compiled: on CUDA recordings are compiled first, which takes
    minutes for each set of shapes: for measuring.
    """

    def __init__(
        self,
        assets_dir: Path | None = None,
        device: str = "cpu",
        threads: int | None = 1,
        clock: Callable[[], StageClock] | None = None,
        compiled: bool = False,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(1)
        self._device = torch.device(device)
        self._assets_dir = assets_dir
        self._observer: Observer | None = None
        self._observing = threading.Lock()
        self._topology = Topology.on(self._device)
        self._painter = _painter(self._device, self._topology, threads or torch.get_num_threads())
        self._clock = clock or StageClock
        self._replayer = Replayer(self._topology, CudaRecorder(compiled)) if self._device.type == "cuda" else None
        self._jpeg = DeviceJpeg.of(self._device)
        self._number = lru_cache(maxsize=NUMBERS_KEPT, typed=True)(partial(_number, self._device))

    @property
    def version(self) -> str:
        return VERSION

    @property
    def device(self) -> str:
        return str(self._device)

    @property
    def jpeg(self) -> DeviceJpeg | None:
        return self._jpeg

    @property
    def recorded(self) -> tuple[int, int]:
        """Sets of shapes that are drawn by replaying a CUDA graph, and those that could not be recorded; on a CPU there are none."""
        return (0, 0) if self._replayer is None else self._replayer.counts

    def close(self) -> None:
        """Frees the networks that see people, and threads."""
        if self._observer is not None:
            self._observer.close()
            self._observer = None
        if self._painter is not None:
            self._painter.close()

    def warm_up(self) -> None:
        """Loads MediaPipe's graphs and draws one sample, so that the first request is not slow."""
        from models.samples import packshot, sample_people

        person = self.read_person(sample_people()[0].picture)
        shirt = packshot("print-tee", WARM_UP_SIZE).picture
        self.try_on([Fitting(person, (self.read_garment(shirt, Category.UPPER),))])
        if self._painter is not None:
            self._painter.warm_up()

    def read_person(self, photo: Picture) -> Person:
        """Reads a photo (H, W, 3) uint8.

        Raises NoPerson, SeveralPeople, BodyNotVisible, PhotoTooSmall.
        """
        photo = np.require(photo, np.uint8, ["C", "W"])  # torch shares its memory
        work = _at_work_size(photo)
        seen, parse = self._look(work)
        # as it will be kept: a person read now and one read an hour ago give the same pixels
        parse = replace(parse, probabilities=eight_bit(parse.probabilities))
        body = measure_body(seen.pose, parse)
        signs = look_at_person(work, seen.pose, parse, body, seen.pose_mask, seen.selfie_mask)
        verdict = judge(signs, (Category.UPPER,))
        person = Person(
            photo=photo,
            work=work,
            pose=seen.pose,
            parse=parse,
            body=body,
            frame=Frame.of(body, self._device),
            signs=signs,
            confidence=verdict.confidence,
            notices=(*seen.notices, *parse.notices, *verdict.reasons),
            device=self._device,
        )
        self._prepare(person)
        return person

    def read_garment(self, picture: Picture, category: Category | None, alpha: LabelMap | None = None) -> Garment:
        """Reads a garment picture (H, W, 3) uint8; `category` None: found from its outline; `alpha` (H, W) its own transparency.

        Raises GarmentNotIsolated, GarmentNotReadable, CategoryNotSupported.
        """
        from models.garment import read_garment_picture

        picture = np.require(picture, np.uint8, ["C", "W"])
        try:
            reading = read_garment_picture(picture, category, alpha)
        except GarmentNotIsolated as not_isolated:
            # perhaps somebody wears it: then the person's parse tells where the cloth is
            worn = self._worn_upper(picture)
            if worn is None:
                raise
            try:
                reading = read_garment_picture(picture, category or Category.UPPER, worn)
            except GarmentError:
                raise not_isolated from None
        garment = cut(reading, self._device)
        garment = replace(garment, texture=torch.from_numpy(eight_bit(garment.texture.cpu().numpy())).to(self._device))
        self._prepare_garment(garment)
        return garment

    def pack_person(self, person: Person) -> bytes:
        """What `unpack_person` makes an equal person of, in a few hundred kilobytes. Personal data."""
        return VERSION.encode() + b"\n" + PERSONS.pack(person)

    def unpack_person(self, data: bytes) -> Person:
        """Raises PackingError for what another version has packed, and for damaged bytes."""
        person = PERSONS.unpack(_of_this_version(data), {"work": None, "frame": None, "device": self._device})
        if not isinstance(person, Person):
            raise PackingError("The packed value is no person.")
        person = replace(person, work=_at_work_size(person.photo), frame=Frame.of(person.body, self._device))
        self._prepare(person)
        return person

    def _prepare(self, person: Person) -> None:
        """Makes ready what is asked for most."""
        if self._painter is None:
            person.scene(Category.UPPER, Off.UPPER)
        else:
            person.packed_scene(Category.UPPER, Off.UPPER)

    def pack_garment(self, garment: Garment) -> bytes:
        return VERSION.encode() + b"\n" + GARMENTS.pack(garment)

    def unpack_garment(self, data: bytes) -> Garment:
        """Raises PackingError like `unpack_person`."""
        garment = GARMENTS.unpack(_of_this_version(data), device=self._device)
        if not isinstance(garment, Garment):
            raise PackingError("The packed value is no garment.")
        self._prepare_garment(garment)
        return garment

    def _prepare_garment(self, garment: Garment) -> None:
        """Packs its texture now: else the first try-on would have to."""
        if self._painter is not None:
            garment.packed_texture()

    def _worn_upper(self, picture: Picture) -> LabelMap | None:
        """Alpha of the upper garment that a person wears in a garment picture; None without one."""
        size = (picture.shape[0], picture.shape[1])
        scale = min(1.0, SEEK_WEARER_PX / max(size))
        if scale < 1:
            picture = resize_picture(picture, (round(size[0] * scale), round(size[1] * scale)))
        try:
            seen, parse = self._look(picture)
        except PersonError:
            return None
        alpha = worn_upper(picture, seen.pose, parse)
        if alpha is None or scale == 1:
            return alpha
        return np.asarray(np.rint(resize_plane(alpha.astype(np.float32), size)), np.uint8)

    def _look(self, picture: Picture) -> tuple[Observation, PersonParse]:
        from models.person.observe import Observer
        from models.person.parsing import parse_person

        with self._observing:  # the networks take one photo at a time
            if self._observer is None:
                self._observer = Observer.on(self._device, self._assets_dir)
            seen = self._observer.observe(picture)
        return seen, parse_person(picture, seen.pose, seen.pose_mask, seen.selfie_mask, seen.classes, self._device)

    @torch.inference_mode()
    def try_on(self, batch: Sequence[Fitting[Person, Garment]]) -> list[TryOn]:
        """Draws every fitting of a batch; results in the batch's order.

        On a GPU fittings of equal sizes and kinds are drawn together. Raises CategoryNotSupported for what cannot be worn together.
        """
        results: dict[int, TryOn] = {}
        groups = alike(batch)
        if self._painter is not None:
            groups = [[i] for i in range(len(batch))]  # together they would only leave the caches
        for members in groups:
            fittings = [batch[i] for i in members]
            pictures, edits, edges, timings_ms = self._finish(fittings)
            verdicts = _verdicts(fittings, edges)
            for i, fitting, picture, edit, verdict in zip(members, fittings, pictures, edits, verdicts, strict=True):
                of_photo = (n for n in fitting.person.notices if n.code not in CODES)  # the verdict tells those for this garment
                results[i] = TryOn(
                    picture=_at_full_size(fitting.person, picture, edit),
                    confidence=verdict.confidence,
                    notices=(*of_photo, *(n for g in fitting.garments for n in g.notices), *verdict.reasons),
                    timings_ms=timings_ms,
                )
        return [results[i] for i in range(len(batch))]

    def _finish(self, batch: Sequence[Fitting[Person, Garment]]) -> tuple[Picture, BoolArray, FloatArray, Mapping[str, float]]:
        """Fittings of equal sizes and kinds drawn: `Finished`'s picture, edit mask and edges on the host, and the stages' times."""
        clock = self._clock()
        if self._replayer is None:
            drawn = self._draw(batch, clock)
            picture, edit, edges = on_host(drawn.picture, drawn.edit, drawn.edges)
            return picture, edit, edges, clock.timings_ms
        with clock("plate"):
            fittings = [self._tensors(fitting) for fitting in batch]
        try:
            with clock("core"):  # stages of a recording cannot be told apart, and all of it runs on while the host goes on
                picture, edit, edges = on_host(*self._replayer.draw(fittings, _unit_px(batch)))
        finally:
            self._replayer.forget()
        return picture, edit, edges, clock.timings_ms

    @torch.inference_mode()
    def explain(self, fitting: Fitting[Person, Garment]) -> Explanation:
        """Draws one fitting and tells where every pixel came from; of an outfit, the outermost garment's."""
        drawn = self._draw([fitting], self._clock())
        person, garment = fitting.person, fitting.garments[-1]
        height, width = person.size
        alpha = drawn.blend.alpha[0, 0].cpu().numpy()
        edit = drawn.blend.edit[0, 0].cpu().numpy()
        place_map = self._place_map(drawn.placement, garment, person.work_size)
        place_map = np.where((alpha > 0)[..., None] & (place_map > -1e3), place_map, np.nan)
        labels = person.parse.labels
        if (height, width) != person.work_size:
            size = (height, width)
            place_map = np.stack([resize_plane(place_map[..., c], size) for c in (0, 1)], -1)
            alpha, labels, edit = resize_plane(alpha, size), resize_labels(labels, size), resize_plane(edit, size) > 0
        return Explanation(
            parse=labels,
            garment_mask=garment.mask,
            garment_alpha=np.rint(alpha * 255).astype(np.uint8),
            garment_map=place_map.astype(np.float32),
            edit_mask=edit,
            landmarks={"pose": person.pose.xy.tolist(), "shoulder_tips": person.body.tip.tolist(), **drawn.placement.landmarks()},
        )

    def _draw(self, batch: Sequence[Fitting[Person, Garment]], clock: Clock) -> Finished:
        """Draws fittings of equal sizes and kinds, garment after garment from the innermost."""
        if self._painter is not None:
            (fitting,) = batch
            return self._paint(self._painter, fitting, clock)
        with clock("plate"):
            fittings = stacked([self._tensors(fitting) for fitting in batch])
        return draw(fittings, self._topology, _unit_px(batch), fixed=self._device.type != "cpu", clock=clock)

    def _tensors(self, fitting: Fitting[Person, Garment]) -> Fittings:
        """A fitting as the core takes it, a batch of one; nothing is copied."""
        off = _comes_off(fitting.garments)
        steps = tuple(
            Step(
                scene=fitting.person.scene(garment.category, off),
                measures=garment.measures,
                torso=garment.torso,
                strips=garment.sleeves,
                texture=garment.texture[None],
                scale=self._number(garment.texture_scale),
                tuck=self._number(tuck_code(_tuck(fitting, step))),
            )
            for step, garment in enumerate(fitting.garments)
        )
        return Fittings(fitting.person.frame, steps)

    def _paint(self, painter: Painter, fitting: Fitting[Person, Garment], clock: Clock) -> Finished:
        """Draws a fitting with compiled code."""
        scene, laid, drawn = self._paint_garment(painter, fitting, 0, None, clock)
        for step in range(1, len(fitting.garments)):
            inner = scene.band_below, laid.placement.waistband, drawn
            scene, laid, drawn = self._paint_garment(painter, fitting, step, inner, clock)
        return Finished(
            picture=drawn.picture.permute(0, 2, 3, 1).contiguous(),
            edit=drawn.edit[:, 0],
            edges=laid.edges,
            blend=drawn,
            placement=laid.placement,
        )

    def _paint_garment(
        self,
        painter: Painter,
        fitting: Fitting[Person, Garment],
        step: int,
        inner: tuple[float, torch.Tensor | None, Blend] | None,
        clock: Clock,
    ) -> tuple[PackedScene, Laid, Blend]:
        """Draws garment number `step` over the finished picture of the `inner` ones, with what the scene before knew of their
        waistband (`PackedScene.band_below`), and that of the last of them.
        """
        from models.kernels.draw import Cloth, Fit

        person, garment = fitting.person, fitting.garments[step]
        with clock("plate"):
            scene = person.packed_scene(garment.category, _comes_off(fitting.garments))
            if inner is not None:
                band_below, waistband, picture = inner
                scene = replace(scene, band_below=band_below).after(picture, _unit_px([fitting]), waistband)
            texture = garment.packed_texture()
        with clock("drape"):
            laid = painter.layer.lay(person.frame, garment, self._number(tuck_code(_tuck(fitting, step))))
            fit = Fit.of(laid.placement, person.frame.leg_front)
        cloth, unit = Cloth(texture, garment.texture_scale), _unit_px([fitting])
        return scene, laid, painter.draw(scene, cloth, None if fit.lower else laid.torso, laid.strips, fit, unit, clock)

    def _place_map(self, placement: Placement, garment: Garment, size: tuple[int, int]) -> FloatArray:
        """(H, W, 2) place on the picture of `garment`, the first of those placed, -1e4 where none."""
        warped = warp(placement, garment.torso, garment.sleeves, self._topology, size, fixed=self._device.type != "cpu")
        scale = torch.tensor([garment.texture_scale], device=self._device)
        sampled = layers(garment.texture[None], scale, warped, placement.stripped, placement.dress)
        on_strip = sampled.sleeve_alpha[0] > 0.5
        place_ = torch.where(on_strip, warped.sleeves[0, :2], warped.torso[0, :2]).permute(1, 2, 0).cpu().numpy()
        # the halves of a lower garment lie apart in its texture
        right = (place_[..., 0] >= garment.shift_from) & on_strip[0].cpu().numpy()
        place_[..., 0] -= np.where(right, garment.shift, 0)
        return np.asarray(place_, np.float32)


def _painter(device: torch.device, topology: Topology, threads: int) -> Painter | None:
    """What draws by compiled code on `device`; None where torch does it."""
    if device.type != "cpu":
        return None
    from models.kernels.draw import Painter

    return Painter(topology, threads)


def _number(device: torch.device, value: float) -> torch.Tensor:
    """(1,) on `device`."""
    return torch.tensor([value], device=device)


PERSONS = Packer(
    (Person, Pose, PersonParse, Body, Arm, Leg, PersonSigns, Notice), {Person: ("work", "frame", "device", "scenes", "packed_scenes")}
)
GARMENTS = Packer(
    (Garment, Measures, LowerMeasures, UpperLandmarks, LowerLandmarks, Sleeve, Notice, Category), {Garment: ("packed_textures",)}
)


def _of_this_version(data: bytes) -> bytes:
    version, _, packed = data.partition(b"\n")
    if version != VERSION.encode():
        raise PackingError("The packed value is of another version of the engine.")
    return packed


def _at_work_size(photo: Picture) -> Picture:
    """A photo at the size at which it is dressed."""
    scale = min(1.0, WORK_LONG_SIDE_PX / max(photo.shape[:2]))
    return photo if scale == 1 else resize_picture(photo, (round(photo.shape[0] * scale), round(photo.shape[1] * scale)))


def _unit_px(batch: Sequence[Fitting[Person, Garment]]) -> float:
    """Whole px, as those drawn together share them: a picture does not depend on its company."""
    return float(round(batch[0].person.body.unit_px))


def _verdicts(batch: Sequence[Fitting[Person, Garment]], edges: FloatArray) -> list[Verdict]:
    """What is thought of fittings drawn together; `edges` as of `Finished`."""
    return [
        judge(
            f.person.signs,
            [g.category for g in f.garments],
            [g.confidence for g in f.garments],
            look_at_drape(pieces[0], pieces[1], f.person.work_size),
        )
        for f, pieces in zip(batch, edges, strict=True)
    ]


class StageClock:
    """Times the stages of one drawing: `with clock("drape"): ...`."""

    def __init__(self) -> None:
        self.timings_ms: dict[str, float] = {}
        """By stage; what one stage takes in several pieces is added up."""

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.timings_ms[stage] = self.timings_ms.get(stage, 0.0) + (time.perf_counter() - start) * 1000


def _comes_off(garments: Sequence[Garment]) -> Off:
    """Which old clothes come off for these new ones."""
    worn = {g.category for g in garments}
    if Category.DRESS in worn or {Category.UPPER, Category.LOWER} <= worn:
        return Off.BOTH
    return Off.LOWER if Category.LOWER in worn else Off.UPPER


def _tuck(fitting: Fitting[Person, Garment], step: int) -> Tuck:
    """A top over another top or over a dress hangs out unless asked otherwise: it is a jacket."""
    inner = {g.category for g in fitting.garments[:step]}
    if fitting.tuck is Tuck.AUTO and inner & {Category.UPPER, Category.DRESS}:
        return Tuck.OUT
    return fitting.tuck


def _check_outfit(garments: Sequence[Garment]) -> None:
    worn = [g.category for g in garments]
    if not worn:
        raise CategoryNotSupported("There is no garment to draw: send at least one.")
    if worn.count(Category.LOWER) > 1 or worn.count(Category.DRESS) > 1:
        raise CategoryNotSupported("An outfit may have one lower garment and one dress at most.")
    if {Category.DRESS, Category.LOWER} <= set(worn) and worn.index(Category.DRESS) < worn.index(Category.LOWER):
        raise CategoryNotSupported("Trousers or a skirt are worn under a dress: name them before it.")
    if len(worn) > OUTFIT_MOST:
        raise CategoryNotSupported(f"An outfit may have {OUTFIT_MOST} garments at most.")


def alike(batch: Sequence[Fitting[Person, Garment]]) -> list[list[int]]:
    """Indices of the fittings that can be drawn together: equal sizes, and garments of the same kinds in the same order."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for i, fitting in enumerate(batch):
        _check_outfit(fitting.garments)
        kinds = tuple((g.texture.shape, isinstance(g.measures, LowerMeasures)) for g in fitting.garments)
        key = (fitting.person.work_size, kinds, _comes_off(fitting.garments), round(fitting.person.body.unit_px))
        groups.setdefault(key, []).append(i)
    return list(groups.values())


def _at_full_size(person: Person, picture: Picture, edit: BoolArray) -> Picture:
    """Puts a picture drawn at work size back into the photo: only inside the edit mask, with soft edges."""
    if person.size == person.work_size:
        return picture
    drawn, share = resize_picture(picture, person.size), resize_plane(edit, person.size)
    result = person.photo.copy()
    for top in range(0, len(result), BAND_ROWS):
        rows = slice(top, top + BAND_ROWS)
        columns = np.flatnonzero((share[rows] > 0).any(0))
        if columns.size == 0:
            continue
        part = (rows, slice(int(columns[0]), int(columns[-1]) + 1))
        photo = person.photo[part].astype(np.float32)
        result[part] = np.clip(np.rint(photo + (drawn[part] - photo) * share[part][..., None]), 0, 255)
    return result
