"""Cuts lower garments into two strips: the legs of trousers, or the halves of a skirt, which meet along the centre.

The strips use the same grid as sleeves, so that one topology serves all garments. Row `CROTCH_ROW` of trousers lies at
the crotch; above it both strips share the centre line, below it each has its inseam.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from torch import Tensor

from models.drape.grids import CROTCH_ROW, LEG_MARGIN, SLEEVE_ROWS, TORSO_SHAPE, SleeveCurves, resample, sleeve_grid
from models.drape.texture import EDGE_SOFTNESS_PX, grown, packed
from models.masks import blur
from models.types import FloatArray, GarmentReading, LowerLandmarks

NOWHERE = -1e4
"""Vertices of the torso, which a lower garment has not, lie here: outside every photo and without extent."""
SEAM_OVERLAP = 0.012
"""Each half's texture runs this far (in widths of the waist) over the seam, so that no gap opens there."""
APART_PX = 4
"""Left free between the halves in the texture, so that no sample mixes the two."""


@dataclass(frozen=True, slots=True)
class LowerMeasures:
    """What draping needs to know of a lower garment's shape; (B, ...) float32, lengths in px of its picture."""

    waist: Tensor
    """(B,) width of the waistband: the yardstick."""
    hips: Tensor
    """(B,) widest row between waist and crotch; of a skirt over its upper third."""
    rise: Tensor
    """(B,) from the waistband's middle to the crotch; 0 for skirts."""
    leg: Tensor
    """(B,) from the crotch to the hems, the mean of both; 0 for skirts."""
    length: Tensor
    """(B,) from the waistband's middle to the hem, along the middle of the halves."""
    half: Tensor
    """(B, 2, SLEEVE_ROWS + 1) widths of the halves at the grid's rows."""
    split: Tensor
    """(B,) 1 for trousers and shorts, 0 for skirts."""

    @classmethod
    def stack(cls, items: list[Self]) -> Self:
        return cls(*(torch.cat([getattr(i, f.name) for i in items]) for f in fields(cls)))


@dataclass(frozen=True, slots=True)
class LowerPieces:
    """A lower garment cut."""

    texture: Tensor
    """(6, h, w): the halves side by side, `shift` px further apart than in the picture."""
    scale: float
    torso: Tensor
    strips: Tensor
    """(1, 2, *SLEEVE_SHAPE, 2) vertices, in px of the picture whose right half is moved by `shift`."""
    shift: float
    shift_from: float
    """x from which on the texture shows the right half, px."""
    measures: LowerMeasures


def cut_lower(reading: GarmentReading, marks: LowerLandmarks, device: torch.device) -> LowerPieces:
    """Lays the strips over a lower garment and packs its texture."""
    outer, inner = _curves(marks)
    width = float(np.linalg.norm(marks.waist[1] - marks.waist[0]))
    texture, scale, shift, cut_at = _texture(reading, width)
    moved = np.array([[[0.0, 0.0]], [[shift, 0.0]]], np.float32)
    curves = SleeveCurves(torch.from_numpy(outer + moved)[None], torch.from_numpy(inner + moved)[None])
    return LowerPieces(
        texture=texture.to(device),
        scale=scale,
        torso=torch.full((1, *TORSO_SHAPE, 2), NOWHERE, device=device),
        strips=sleeve_grid(curves, LEG_MARGIN).to(device),
        shift=shift,
        shift_from=cut_at,
        measures=_measures(marks, outer, inner, width, device),
    )


def _curves(marks: LowerLandmarks) -> tuple[FloatArray, FloatArray]:
    """Outer and inner edges (2, SLEEVE_ROWS + 1, 2) of both halves."""
    if marks.inseam is None:
        outer = np.stack([resample(marks.side[k], SLEEVE_ROWS + 1) for k in (0, 1)])
        return outer, np.stack([resample(marks.centre, SLEEVE_ROWS + 1)] * 2)
    crotch = marks.centre[-1]
    outers, inners = [], []
    for k in (0, 1):
        # the sides are cut at the crotch's height, across the hips
        at = _nearest_level(marks.side[k], crotch, marks.waist)
        above, below = marks.side[k][: at + 1], marks.side[k][at:]
        outers.append(_joined(above, below))
        inners.append(_joined(marks.centre, marks.inseam[k]))
    return np.stack(outers), np.stack(inners)


def _nearest_level(side: FloatArray, crotch: FloatArray, waist: FloatArray) -> int:
    """Index of the point of `side` at the crotch's height, measured square to the waistband."""
    band = waist[1] - waist[0]
    down = np.array([-band[1], band[0]]) / max(float(np.linalg.norm(band)), 1e-3)
    down = down if down[1] > 0 else -down
    return int(np.clip(np.abs((side - crotch) @ down).argmin(), 1, len(side) - 2))


def _joined(above: FloatArray, below: FloatArray) -> FloatArray:
    """(SLEEVE_ROWS + 1, 2): CROTCH_ROW rows over `above`, the others over `below`, which begins where it ends."""
    return np.concatenate([resample(above, CROTCH_ROW + 1), resample(below, SLEEVE_ROWS - CROTCH_ROW + 1)[1:]]).astype(np.float32)


def _arc(curve: FloatArray) -> float:
    return float(np.linalg.norm(np.diff(curve, axis=0), axis=1).sum())


def _measures(marks: LowerLandmarks, outer: FloatArray, inner: FloatArray, width: float, device: torch.device) -> LowerMeasures:
    def one(value: object) -> Tensor:
        return torch.as_tensor(np.asarray(value, np.float32), device=device)[None]

    half = np.linalg.norm(outer - inner, axis=2)
    split = marks.inseam is not None
    hips = half.sum(0)[: CROTCH_ROW if split else SLEEVE_ROWS // 3 + 1].max()
    middle = (outer + inner) / 2
    return LowerMeasures(
        waist=one(width),
        hips=one(hips),
        rise=one(_arc(marks.centre) if split else 0.0),
        leg=one(np.mean([_arc(middle[k, CROTCH_ROW:]) for k in (0, 1)]) if split else 0.0),
        length=one(np.mean([_arc(middle[k]) for k in (0, 1)])),
        half=one(half),
        split=one(float(split)),
    )


def _texture(reading: GarmentReading, width: float) -> tuple[Tensor, float, float, float]:
    """Colour and the strips' alpha, halves moved apart; returns it, its scale, the shift and where it begins, px of the picture."""
    part = reading.part
    alpha = blur(reading.alpha, EDGE_SOFTNESS_PX)
    reach = SEAM_OVERLAP * width
    shares = [np.minimum(grown(part == k, reach), 1) for k in (2, 3)]
    columns = [np.flatnonzero((share > 0).any(0)) for share in shares]
    end, start = int(columns[0][-1]) + 1, int(columns[1][0])
    shift = max(0, end - start + APART_PX)
    height, breadth = alpha.shape
    colour = np.empty((height, breadth + shift, 3), np.float32)
    strips = np.zeros((height, breadth + shift), np.float32)
    cut_at = end + APART_PX // 2
    back = np.clip(1 - reading.inner_back, 0, 1)
    colour[:, :cut_at] = reading.rgb[:, :cut_at]
    colour[:, cut_at:] = reading.rgb[:, cut_at - shift :]
    strips[:, :end] = (alpha * shares[0] * back)[:, :end]
    strips[:, start + shift :] = (alpha * shares[1] * back)[:, start:]
    nothing = np.zeros_like(strips)
    texture, scale = packed(colour, np.stack([nothing, nothing, strips], -1))
    return texture, scale, float(shift), float(cut_at)
