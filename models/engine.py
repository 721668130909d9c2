"""The engine: reads people and garments once, then draws try-ons in batches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.compose.blend import Blend, Scene, blend
from models.compose.plate import make_plate
from models.drape.cut import Garment, Measures, cut
from models.drape.targets import Frame, Placement, place, tuck_code
from models.drape.warp import Topology, Warp, layers, warp
from models.errors import CategoryNotSupported, GarmentError, GarmentNotIsolated, PersonError
from models.garment.worn import worn_upper
from models.interface import Explanation, Fitting, TryOn
from models.person.body import Body, measure_body
from models.resizing import resize_labels, resize_picture, resize_plane
from models.types import BoolArray, Category, LabelMap, Notice, PersonParse, Picture, Pose

if TYPE_CHECKING:
    from models.person.observe import Observation, Observer

VERSION = "0.1.0"
WARM_UP_SIZE = (384, 512)
"""(width, height) px of the garment drawn to warm up."""
WORK_LONG_SIDE_PX = 2048
"""Larger photos are reduced to this for work, and composed back at their own size."""


@dataclass(frozen=True, slots=True)
class Person:
    """A photo read: everything a try-on needs, on the engine's device. Personal data."""

    photo: Picture
    """The photo at its own size."""
    work_size: tuple[int, int]
    """(height, width) px at which it is dressed."""
    pose: Pose
    """In work px."""
    labels: LabelMap
    """(H, W) at work size."""
    body: Body
    frame: Frame
    scene: Scene
    confidence: float
    notices: tuple[Notice, ...]

    @property
    def size(self) -> tuple[int, int]:
        return self.photo.shape[0], self.photo.shape[1]


class Engine:
    """Reads people and garments and draws try-ons; see `models.interface.EngineProtocol`.

    assets_dir: folder of MediaPipe's model files (None: the default cache); device: a torch device;
    threads: torch's intra-op threads (None: torch's default). One by default: the operations are small, and two OpenMP
    threads that wait for each other on a busy machine cost more than they save. Not thread-safe but for `read_garment`.
    """

    def __init__(self, assets_dir: Path | None = None, device: str = "cpu", threads: int | None = 1) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._device = torch.device(device)
        self._assets_dir = assets_dir
        self._observer: Observer | None = None
        self._topology = Topology.on(self._device)

    @property
    def version(self) -> str:
        return VERSION

    @property
    def device(self) -> str:
        return str(self._device)

    def close(self) -> None:
        """Frees MediaPipe's graphs."""
        if self._observer is not None:
            self._observer.close()
            self._observer = None

    def warm_up(self) -> None:
        """Loads MediaPipe's graphs and draws one sample, so that the first request is not slow."""
        from models.samples import packshot, sample_people

        person = self.read_person(sample_people()[0].picture)
        shirt = packshot("print-tee", WARM_UP_SIZE).picture
        self.try_on([Fitting(person, (self.read_garment(shirt, Category.UPPER),))])

    def read_person(self, photo: Picture) -> Person:
        """Reads a photo (H, W, 3) uint8.

        Raises NoPerson, SeveralPeople, BodyNotVisible, PhotoTooSmall.
        """
        photo = np.require(photo, np.uint8, ["C", "W"])  # torch shares its memory
        scale = min(1.0, WORK_LONG_SIDE_PX / max(photo.shape[:2]))
        work: Picture = photo
        if scale < 1:
            work = resize_picture(photo, (round(photo.shape[0] * scale), round(photo.shape[1] * scale)))
        seen, parse = self._look(work)
        body = measure_body(seen.pose, parse)
        plate = make_plate(work, parse, body)
        return Person(
            photo=photo,
            work_size=(work.shape[0], work.shape[1]),
            pose=seen.pose,
            labels=parse.labels,
            body=body,
            frame=Frame.of(body, self._device),
            scene=Scene.of(
                work, plate, (body.arms[0].in_front and body.arms[0].visible, body.arms[1].in_front and body.arms[1].visible), self._device
            ),
            confidence=parse.certainty,
            notices=(*seen.notices, *parse.notices),
        )

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
        return cut(reading, self._device)

    def _worn_upper(self, picture: Picture) -> LabelMap | None:
        """Alpha of the upper garment that a person wears in a garment picture; None without one."""
        try:
            seen, parse = self._look(picture)
        except PersonError:
            return None
        return worn_upper(picture, seen.pose, parse)

    def _look(self, picture: Picture) -> tuple[Observation, PersonParse]:
        from models.person.observe import Observer
        from models.person.parsing import parse_person

        if self._observer is None:
            self._observer = Observer(self._assets_dir)
        seen = self._observer.observe(picture)
        return seen, parse_person(picture, seen.pose, seen.pose_mask, seen.selfie_mask)

    @torch.inference_mode()
    def try_on(self, batch: Sequence[Fitting[Person, Garment]]) -> list[TryOn]:
        """Draws every fitting of a batch; results in the batch's order.

        Fittings of equal sizes are drawn together. Raises CategoryNotSupported for outfits of several garments.
        """
        results: dict[int, TryOn] = {}
        for members in _same_shapes(batch):
            drawn = self._draw([batch[i] for i in members])
            pictures = drawn.blend.picture.permute(0, 2, 3, 1).contiguous().cpu().numpy()
            edits = drawn.blend.edit[:, 0].cpu().numpy()
            for i, picture, edit in zip(members, pictures, edits, strict=True):
                fitting = batch[i]
                garment = fitting.garments[-1]
                results[i] = TryOn(
                    picture=_at_full_size(fitting.person, picture, edit),
                    confidence=min(fitting.person.confidence, garment.confidence),
                    notices=(*fitting.person.notices, *garment.notices),
                    timings_ms=drawn.timings_ms,
                )
        return [results[i] for i in range(len(batch))]

    @torch.inference_mode()
    def explain(self, fitting: Fitting[Person, Garment]) -> Explanation:
        """Draws one fitting and tells where every pixel came from."""
        drawn = self._draw([fitting])
        person, garment = fitting.person, fitting.garments[-1]
        height, width = person.size
        alpha = drawn.blend.alpha[0, 0].cpu().numpy()
        edit = drawn.blend.edit[0, 0].cpu().numpy()
        on_sleeve = (drawn.sleeve_alpha[0, 0] > 0.5).cpu().numpy()
        place_ = torch.where(torch.from_numpy(on_sleeve).to(drawn.warp.torso.device), drawn.warp.sleeves[0, :2], drawn.warp.torso[0, :2])
        place_map = place_.permute(1, 2, 0).cpu().numpy()
        place_map = np.where((alpha > 0)[..., None] & (place_map > -1e3), place_map, np.nan)
        labels = person.labels
        if (height, width) != person.work_size:
            size = (height, width)
            place_map = np.stack([resize_plane(place_map[..., c], size) for c in (0, 1)], -1)
            alpha, labels, edit = resize_plane(alpha, size), resize_labels(labels, size), resize_plane(edit, size) > 0
        body = person.body
        return Explanation(
            parse=labels,
            garment_mask=garment.mask,
            garment_alpha=np.rint(alpha * 255).astype(np.uint8),
            garment_map=place_map.astype(np.float32),
            edit_mask=edit,
            landmarks={
                "pose": person.pose.xy.tolist(),
                "shoulder_tips": body.tip.tolist(),
                "neck": drawn.placement.torso.neck[0].tolist(),
                "armpits": drawn.placement.torso.armpit[0].tolist(),
                "hem": drawn.placement.torso.side[0, :, -1].tolist(),
            },
        )

    def _draw(self, batch: Sequence[Fitting[Person, Garment]]) -> _Drawn:
        clock = _Clock()
        garments = [_only_garment(f) for f in batch]
        frame = Frame.stack([f.person.frame for f in batch])
        measures = Measures.stack([g.measures for g in garments])
        scene = Scene.stack([f.person.scene for f in batch])
        texture = torch.stack([g.texture for g in garments])
        scale = torch.tensor([g.texture_scale for g in garments], device=self._device)
        tuck = torch.tensor([tuck_code(f.tuck) for f in batch], device=self._device)
        size = batch[0].person.work_size
        with clock("drape"):
            placement = place(frame, measures, tuck)
            warped = warp(placement, torch.cat([g.torso for g in garments]), torch.cat([g.sleeves for g in garments]), self._topology, size)
        with clock("sample"):
            sampled = layers(texture, scale, warped, measures.sleeved)
        with clock("compose"):
            unit = float(np.mean([f.person.body.unit_px for f in batch]))
            blended = blend(scene, sampled, placement.tucked, placement.sleeve_end, unit)
        return _Drawn(placement, warped, sampled.sleeve_alpha, blended, clock.timings_ms)


@dataclass(frozen=True, slots=True)
class _Drawn:
    placement: Placement
    warp: Warp
    sleeve_alpha: torch.Tensor
    blend: Blend
    timings_ms: Mapping[str, float]


class _Clock:
    def __init__(self) -> None:
        self.timings_ms: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.timings_ms[stage] = (time.perf_counter() - start) * 1000


def _only_garment(fitting: Fitting[Person, Garment]) -> Garment:
    if len(fitting.garments) != 1:
        raise CategoryNotSupported("Outfits of several garments are not supported yet; send one upper garment.")
    return fitting.garments[0]


def _same_shapes(batch: Sequence[Fitting[Person, Garment]]) -> list[list[int]]:
    groups: dict[tuple[object, ...], list[int]] = {}
    for i, fitting in enumerate(batch):
        key = (fitting.person.work_size, _only_garment(fitting).texture.shape, round(fitting.person.body.unit_px))
        groups.setdefault(key, []).append(i)
    return list(groups.values())


def _at_full_size(person: Person, picture: Picture, edit: BoolArray) -> Picture:
    """Puts a picture drawn at work size back into the photo: only inside the edit mask, with soft edges."""
    if person.size == person.work_size:
        return picture
    drawn = resize_picture(picture, person.size).astype(np.float32)
    share = resize_plane(edit, person.size)[..., None]
    mixed = person.photo + (drawn - person.photo) * share
    return np.where(share > 0, np.clip(np.rint(mixed), 0, 255), person.photo).astype(np.uint8)
