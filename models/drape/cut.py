"""Cuts a garment reading into pattern pieces: texture, grids over the picture, and the measures draping needs.

Done once, when the garment is read. Everything a try-on needs is on the device afterwards, with fixed shapes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor

from models.drape.cut_lower import LowerMeasures, cut_lower
from models.drape.grids import (
    BODY_ROWS,
    RIDGE_COLUMNS,
    SLEEVE_INSET,
    SLEEVE_ROWS,
    WAIST_ROW,
    YOKE_ROWS,
    SleeveCurves,
    TorsoCurves,
    resample,
    sleeve_grid,
    torso_grid,
)
from models.drape.texture import EDGE_SOFTNESS_PX, grown, packed
from models.masks import blur, shrink
from models.types import BoolArray, Category, FloatArray, GarmentReading, LabelMap, LowerLandmarks, Notice, UpperLandmarks

if TYPE_CHECKING:
    from models.kernels.scene import PackedTexture

SEAM_OVERLAP = 0.03
"""The torso runs this far (in armpit widths) under the sleeves, so that no gap opens at the seam ..."""
SLEEVE_OVERLAP = 0.012
"""... and the sleeves this far over the torso."""
RIDGE_SLACK = 0.35
"""The shoulder's outline may leave the chord from neck point to tip by this share of its width."""
SEAM_FULL_FROM = 0.4
"""... but at the shoulder tip it does not: the overlap reaches its width at this share of the way to the armpit."""
SEAM_TIP_PX = 3
FORWARD_SHARE, FORWARD_LENGTH = 0.8, 0.08
"""A sleeve's inner edge runs with the outer one over at least this share of it, or is replaced by so short a piece of it."""
BACK_RIM_PX = 4
ARMHOLE_ROWS = 0.34
"""The rows of a sleeve's first so much slant along the armhole: there it is as wide as its widest row."""
COLLAR_LEAST = 0.14
"""Height of the strip above the neck points that is carried along, in armpit widths: holds the back of the collar."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What draping needs to know of a garment's shape; (B, ...) float32, lengths in px of its picture."""

    armpit: Tensor
    """(B,) distance of the armpits: the yardstick of all others."""
    neck_half: Tensor
    """(B,)."""
    shoulder_half: Tensor
    """(B,)."""
    armpit_drop: Tensor
    """(B, 2) from the shoulder tip down to the armpit."""
    armhole: Tensor
    """(B, 2) from the middle between shoulder tip and armpit inward to the cloth's edge; 0 with sleeves."""
    side_half: Tensor
    """(B, 2, BODY_ROWS + 1) half widths from the armpit to the hem."""
    length: Tensor
    """(B,) from the armpits to the hem."""
    full_length: Tensor
    """(B,) from the neck points to the hem."""
    collar: Tensor
    """(B, 2, 2) offset from neck point to collar top, x outward, y upward."""
    sleeve: Tensor
    """(B, 2, 3) lengths of the outer and the inner edge and the width of the cuff; 0 without sleeves."""
    sleeve_half: Tensor
    """(B, SLEEVE_ROWS + 1) half widths of a flat sleeve from the armhole to the cuff, of both sleeves together's mean; 0 without."""
    sleeve_reach: Tensor
    """(B,) straight distance from shoulder tip to cuff, of both sleeves together's mean, in armpit widths."""
    sleeved: Tensor
    """(B,) 1 with sleeves, else 0."""
    straps: Tensor
    """(B,) 1 for straps, else 0."""
    neck_depth: Tensor
    """(B,) from the neck points down to the neckline's lowest point."""
    hem_drop: Tensor
    """(B,) how much lower the hem's middle is than its corners; negative where it is higher."""
    dress: Tensor
    """(B,) 1 for dresses, else 0."""
    waist_at: Tensor
    """(B,) from the neck points to the waist of a dress; 0 for tops."""

    @classmethod
    def stack(cls, items: list[Self]) -> Self:
        return cls(*(torch.cat([getattr(i, f.name) for i in items]) for f in fields(cls)))


@dataclass(frozen=True, slots=True)
class Garment:
    """A garment picture read and cut, on the engine's device."""

    category: Category
    confidence: float
    notices: tuple[Notice, ...]
    mask: LabelMap
    """uint8 (H, W), 255 where the picture shows garment."""
    texture: Tensor
    """(6, h, w) float32 0..1, see RGB, TORSO, BACK, SLEEVES."""
    texture_scale: float
    """Texture px a picture px."""
    torso: Tensor
    """(1, *TORSO_SHAPE, 2) vertices in px of the garment picture."""
    sleeves: Tensor
    """(1, 2, *SLEEVE_SHAPE, 2) the sleeves, or the two halves of a lower garment."""
    shift: float
    """The right half of a lower garment lies this many px further right in texture and grid than in the picture."""
    shift_from: float
    """x from which on they do, px."""
    measures: Measures | LowerMeasures
    landmarks: UpperLandmarks | LowerLandmarks
    packed_textures: list[PackedTexture] = field(default_factory=list)
    """What `packed_texture` has made."""

    def packed_texture(self) -> PackedTexture:
        """The texture for compiled code; made once, kept."""
        from models.kernels.scene import PackedTexture

        if not self.packed_textures:
            self.packed_textures.append(PackedTexture.of(self.texture.numpy()))
        return self.packed_textures[0]


def cut(reading: GarmentReading, device: torch.device) -> Garment:
    """Lays grids over a garment and packs its texture."""
    marks = reading.landmarks
    if isinstance(marks, LowerLandmarks):
        return _lower(reading, marks, device)
    torso_curves, sleeve_curves = _curves(marks, reading.mask)
    width = float(np.linalg.norm(marks.armpit[1] - marks.armpit[0]))
    texture, scale = _texture(reading, marks, width)
    return Garment(
        category=reading.category,
        confidence=reading.confidence,
        notices=reading.notices,
        mask=reading.mask.astype(np.uint8) * 255,
        texture=texture.to(device),
        texture_scale=scale,
        torso=torso_grid(torso_curves).to(device),
        sleeves=sleeve_grid(sleeve_curves).to(device),
        shift=0.0,
        shift_from=0.0,
        measures=_measures(marks, reading.mask, width, device),
        landmarks=marks,
    )


def _lower(reading: GarmentReading, marks: LowerLandmarks, device: torch.device) -> Garment:
    pieces = cut_lower(reading, marks, device)
    return Garment(
        category=reading.category,
        confidence=reading.confidence,
        notices=reading.notices,
        mask=reading.mask.astype(np.uint8) * 255,
        texture=pieces.texture,
        texture_scale=pieces.scale,
        torso=pieces.torso,
        sleeves=pieces.strips,
        shift=pieces.shift,
        shift_from=pieces.shift_from,
        measures=pieces.measures,
        landmarks=marks,
    )


def _row(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))[None]


def _forward(upper: FloatArray, lower: FloatArray) -> FloatArray:
    """`lower` (N, 2), or a short stretch along the sleeve in its place where it runs back: rows may fan out, but not cross.

    So it is where a sleeve hangs over the torso in the picture and its cuff ends above the armpit.
    """
    row, down = (lower - upper)[:-1], np.diff(lower, axis=0)
    along = np.diff(upper, axis=0)
    turn = row[:, 0] * down[:, 1] - row[:, 1] * down[:, 0]
    sense = np.sign(np.median(row[:, 0] * along[:, 1] - row[:, 1] * along[:, 0]))
    if (turn * sense > 0).mean() > FORWARD_SHARE:
        return lower
    share = np.linspace(0, 1, len(lower))[:, None]
    forward: FloatArray = (lower[0] + FORWARD_LENGTH * share * (upper[-1] - upper[0])).astype(np.float32)
    return forward


def _side(marks: UpperLandmarks) -> FloatArray:
    """(2, BODY_ROWS + 1, 2) the sides at the grid's rows, even by height; of a dress row WAIST_ROW lies at its waist."""
    sides = []
    for k, line in enumerate(marks.side):
        curve = np.concatenate([marks.armpit[k][None], line[1:-1], marks.hem[k][None]])
        if marks.waist_share is None:
            sides.append(_rows(curve, BODY_ROWS + 1))
            continue
        at = float(np.clip(marks.waist_share, 0.05, 0.95)) * (len(line) - 1)
        low = int(at)
        waist = (curve[low] + (curve[low + 1] - curve[low]) * (at - low))[None]
        above = _rows(np.concatenate([curve[: low + 1], waist]), WAIST_ROW + 1)
        below = _rows(np.concatenate([waist, curve[low + 1 :]]), BODY_ROWS - WAIST_ROW + 1)
        sides.append(np.concatenate([above, below[1:]]))
    return np.stack(sides).astype(np.float32)


def _rows(curve: FloatArray, count: int) -> FloatArray:
    """(count, 2) points of `curve` (N, 2) at even heights: by arc length rows would crowd where a side runs across."""
    height = np.maximum.accumulate(curve[:, 1] + np.arange(len(curve)) * 1e-3)
    at = np.linspace(height[0], height[-1], count)
    return np.stack([np.interp(at, height, curve[:, 0]), at], -1).astype(np.float32)


def _collar_offset(marks: UpperLandmarks, width: float) -> FloatArray:
    """(2, 2) px from the neck points to the top of what stands above them."""
    least = np.array([0.0, -COLLAR_LEAST * width], np.float32)
    if marks.collar is None:
        return np.stack([least, least])
    offset = marks.collar - marks.neck
    # a little above the collar's top, so that its edge lies inside the grid
    offset = offset * 1.12
    offset[:, 1] = np.minimum(offset[:, 1], least[1])
    return offset.astype(np.float32)


def _curves(marks: UpperLandmarks, mask: BoolArray) -> tuple[TorsoCurves, SleeveCurves]:
    width = float(np.linalg.norm(marks.armpit[1] - marks.armpit[0]))
    side = _side(marks)
    torso = TorsoCurves(
        neck=_row(marks.neck),
        shoulder=_row(marks.shoulder),
        ridge=_row(np.stack([_ridge(marks.neck[k], marks.shoulder[k], mask) for k in (0, 1)])),
        armpit=_row(marks.armpit),
        armhole=_row((marks.shoulder + marks.armpit) / 2),
        side=_row(side),
        collar=_row(_collar_offset(marks, width)),
        lift=torch.zeros(1, 2),
        middle=torch.ones(1, YOKE_ROWS + BODY_ROWS + 1),
    )
    if marks.sleeves is None:
        flat = torch.zeros(1, 2, SLEEVE_ROWS + 1, 2)
        return torso, SleeveCurves(flat, flat.clone())
    outer, inner = [], []
    for k, sleeve in enumerate(marks.sleeves):
        upper, lower = resample(sleeve.outer, SLEEVE_ROWS + 1), resample(sleeve.inner, SLEEVE_ROWS + 1)
        upper[0], lower[0] = marks.shoulder[k], marks.armpit[k]
        lower = _forward(upper, lower)
        outer.append(upper)
        inner.append(lower + SLEEVE_INSET * (upper - lower))
    return torso, SleeveCurves(_row(np.stack(outer)), _row(np.stack(inner)))


def _ridge(neck: FloatArray, tip: FloatArray, mask: BoolArray) -> FloatArray:
    """(RIDGE_COLUMNS - 1, 2) the outline's top between a neck point and a shoulder tip; on their chord where it strays."""
    share = np.linspace(0, 1, RIDGE_COLUMNS + 1)[1:-1, None]
    chord = neck * (1 - share) + tip * share
    x = np.clip(np.rint(chord[:, 0]), 0, mask.shape[1] - 1).astype(int)
    slack = RIDGE_SLACK * abs(float(tip[0] - neck[0]))
    top = np.where(mask[:, x].any(0), mask[:, x].argmax(0), -1e6)
    near = np.abs(top - chord[:, 1]) < slack
    return np.stack([chord[:, 0], np.where(near, top, chord[:, 1])], -1).astype(np.float32)


def _armhole(marks: UpperLandmarks, k: int, mask: BoolArray) -> float:
    """px from the middle between shoulder tip and armpit inward to the cloth's edge, negative outward; 0 with sleeves."""
    if marks.sleeves is not None:
        return 0.0
    x, y = (marks.shoulder[k] + marks.armpit[k]) / 2
    row = np.flatnonzero(mask[int(np.clip(round(float(y)), 0, mask.shape[0] - 1))])
    return float((row[0] - x, x - row[-1])[k]) if row.size else 0.0


def _hem_drop(marks: UpperLandmarks, mask: BoolArray) -> float:
    """px from the middle of the hem corners down to the cloth's end below it."""
    x, y = marks.hem.mean(0)
    rows = np.flatnonzero(mask[:, int(np.clip(round(x), 0, mask.shape[1] - 1))])
    return float(rows[-1] - y) if rows.size else 0.0


def _arc(curve: FloatArray) -> float:
    return float(np.linalg.norm(np.diff(curve, axis=0), axis=1).sum())


def _sleeve_half(outer: FloatArray, inner: FloatArray) -> FloatArray:
    """(SLEEVE_ROWS + 1,) half widths across a sleeve that lies flat between its `outer` and `inner` edge (N, 2)."""
    upper, lower = resample(outer, SLEEVE_ROWS + 1), resample(inner, SLEEVE_ROWS + 1)
    along = (upper[-1] + lower[-1]) - (upper[0] + lower[0])
    along = along / max(float(np.linalg.norm(along)), 1e-3)
    row = upper - lower
    half = np.abs(row[:, 0] * along[1] - row[:, 1] * along[0]) / 2
    first = round(ARMHOLE_ROWS * SLEEVE_ROWS)
    half[:first] = half[: first + 1].max()
    # where a sleeve lies over the torso its edge is not seen: it is no narrower there than further down
    half = np.maximum.accumulate(half[::-1])[::-1]
    return np.asarray(half, np.float32)


def _measures(marks: UpperLandmarks, mask: BoolArray, width: float, device: torch.device) -> Measures:
    def one(value: object) -> Tensor:
        return torch.as_tensor(np.asarray(value, np.float32), device=device)[None]

    side = _side(marks)
    middle = side.mean(0)
    sleeve, reach = np.zeros((2, 3), np.float32), 0.0
    half = np.zeros(SLEEVE_ROWS + 1, np.float32)
    if marks.sleeves is not None:
        for k, s in enumerate(marks.sleeves):
            sleeve[k] = (_arc(s.outer), _arc(s.inner), np.linalg.norm(s.outer[-1] - s.inner[-1]))
            reach += float(np.linalg.norm(s.outer[-1] - marks.shoulder[k])) / width / 2
            half += _sleeve_half(s.outer, s.inner) / 2
    collar = _collar_offset(marks, width)
    return Measures(
        armpit=one(width),
        neck_half=one(np.linalg.norm(marks.neck[1] - marks.neck[0]) / 2),
        shoulder_half=one(np.linalg.norm(marks.shoulder[1] - marks.shoulder[0]) / 2),
        armpit_drop=one(np.abs(marks.armpit[:, 1] - marks.shoulder[:, 1])),
        armhole=one([_armhole(marks, k, mask) for k in (0, 1)]),
        side_half=one(np.linalg.norm(side - middle, axis=2)),
        length=one(_arc(middle)),
        full_length=one(_arc(np.concatenate([marks.neck.mean(0)[None], middle]))),
        collar=one(collar * [[-1, -1], [1, -1]]),
        sleeve=one(sleeve),
        sleeve_half=one(half),
        sleeve_reach=one(reach),
        sleeved=one(float(marks.sleeves is not None)),
        straps=one(float(marks.straps)),
        neck_depth=one(max(0.0, float(marks.neckline[:, 1].max() - marks.neck[:, 1].mean()))),
        hem_drop=one(_hem_drop(marks, mask)),
        dress=one(float(marks.waist_share is not None)),
        waist_at=one(0.0 if marks.waist_share is None else _arc(np.concatenate([marks.neck.mean(0)[None], middle[: WAIST_ROW + 1]]))),
    )


def _texture(reading: GarmentReading, marks: UpperLandmarks, width: float) -> tuple[Tensor, float]:
    """Colour and the three alphas; a piece's alpha ends a little beyond its seam, inside the neighbouring piece."""
    part = reading.part
    alpha = blur(reading.alpha, EDGE_SOFTNESS_PX)
    # without sleeves the whole garment, so that the antialiased rim outside the mask is kept
    sleeves, torso = np.zeros_like(alpha), np.ones_like(alpha)
    if (part >= 2).any():
        sleeves = np.minimum(grown(part >= 2, SLEEVE_OVERLAP * width), 1)
        torso = grown(part == 1, SEAM_OVERLAP * width)
        # at the shoulder tip the outlines of torso and sleeve meet: nothing may stick out there
        row = np.arange(alpha.shape[0])[:, None]
        tip, armpit = marks.shoulder[:, 1].mean(), marks.armpit[:, 1].mean()
        share = np.clip((row - tip) / max(armpit - tip, 1.0) / SEAM_FULL_FROM, 0, 1)
        torso = grown(part == 1, SEAM_TIP_PX) * (1 - share) + torso * share
    # the inner back goes out over its own rim, or a line of front cloth would be left round it
    back = reading.inner_back.astype(np.float32)
    rim = grown(back > 0.5, BACK_RIM_PX) * (shrink(reading.mask, 2) == 0)
    back = np.maximum(back, rim)
    alphas = np.stack([alpha * torso * (1 - back), alpha * back, alpha * sleeves], -1)
    return packed(np.asarray(reading.rgb, np.float32), alphas)
