"""A body as tensors, what is laid on it, and the small functions that both share. Torch over a batch, nothing read back."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from torch import Tensor

from models.drape.grids import SleeveCurves, TorsoCurves
from models.person.body import ROW_COUNT, ROW_SPAN, Body


@dataclass(frozen=True, slots=True)
class Frame:
    """A body's measures as tensors (B, ...), px of the photo; see `Body`."""

    unit: Tensor
    trunk: Tensor
    shoulder_px: Tensor
    middle: Tensor
    up: Tensor
    right: Tensor
    over: Tensor
    tip: Tensor
    top: Tensor
    armhole: Tensor
    """(B, 2, BARE_COUNT) px from the middle to the edge of a worn top without sleeves, see `Body.armhole`."""
    row_middle: Tensor
    row_right: Tensor
    side: Tensor
    joints: Tensor
    """(B, 2, 4, 2)."""
    radius: Tensor
    """(B, 2, LIMB_COUNT)."""
    arm_outline: Tensor
    """(B, 2, 2, LIMB_COUNT) px from the bones to the silhouette, outward and inward, negative where unseen."""
    sleeve_end: Tensor
    """(B, 2)."""
    hip_middle: Tensor
    leg_joints: Tensor
    """(B, 2, 4, 2)."""
    leg_radius: Tensor
    """(B, 2, LIMB_COUNT)."""
    leg_outline: Tensor
    """(B, 2, 2, LIMB_COUNT) px from the bones to the silhouette, outward and inward, negative where unseen."""
    leg_front: Tensor
    """(B, 2) 1 for the leg nearer to the camera."""
    waist_line: Tensor
    """(B, WAIST_COUNT) px below the shoulder line where the lower garment begins, see `Body.waist`."""
    band_line: Tensor
    """(B, WAIST_COUNT) the same as it is seen, see `Body.band_line`."""
    waist: Tensor
    """(B,) px below the shoulder line, at the axis."""
    waist_known: Tensor
    band: Tensor
    """(B, 2) px from the axis to the waistband's outline, negative where it is not seen."""
    hem_ratio: Tensor

    @classmethod
    def of(cls, body: Body, device: torch.device) -> Frame:
        def one(value: object) -> Tensor:
            return torch.as_tensor(np.asarray(value, np.float32), device=device)[None]

        return cls(
            unit=one(body.unit_px),
            trunk=one(body.trunk_px),
            shoulder_px=one(body.shoulder_px),
            middle=one(body.middle),
            up=one(body.up),
            right=one(body.right),
            over=one(body.over),
            tip=one(body.tip),
            top=one(body.top),
            armhole=one(body.armhole),
            row_middle=one(body.row_middle),
            row_right=one(body.row_right),
            side=one(body.side),
            joints=one(np.stack([a.joints for a in body.arms])),
            radius=one(np.stack([a.radius for a in body.arms])),
            arm_outline=one(np.stack([a.outline for a in body.arms])),
            sleeve_end=one([a.sleeve_end for a in body.arms]),
            hip_middle=one(body.hip_middle),
            leg_joints=one(np.stack([leg.joints for leg in body.legs])),
            leg_radius=one(np.stack([leg.radius for leg in body.legs])),
            leg_outline=one(np.stack([leg.outline for leg in body.legs])),
            leg_front=one([leg.in_front for leg in body.legs]),
            waist_line=one(body.waist),
            band_line=one(body.band_line),
            waist=one(body.waist[len(body.waist) // 2]),
            waist_known=one(float(body.waist_known)),
            band=one(body.band),
            hem_ratio=one(body.hem_ratio),
        )

    @classmethod
    def stack(cls, items: list[Self]) -> Self:
        return cls(*(torch.cat([getattr(i, f.name) for i in items]) for f in fields(cls)))


@dataclass(frozen=True, slots=True)
class Placement:
    """Curves on the body and what the composer needs to know of them."""

    torso: TorsoCurves | None
    """None for lower garments."""
    sleeves: SleeveCurves
    """The sleeves, or the halves of a lower garment."""
    scale: Tensor
    """(B,) photo px a garment px."""
    tucked: Tensor
    """(B,) 1 where the garment is cut off at the waist line."""
    hem_kept: Tensor
    """(B,) 1 where the garment ends where the worn one does, at the lower garment's edge: tucked, or of about its length."""
    sleeve_end: Tensor
    """(B, 2) 0..2 where the new sleeves end on the arms; 0 without sleeves."""
    left_on_top: Tensor
    """(B,) 1 where the left strip lies before the right one."""
    stripped: Tensor
    """(B,) 1 where there are strips: sleeves, or a lower garment."""
    dress: Tensor
    """(B,) 1 for dresses."""
    split: Tensor
    """(B,) 1 where the strips are the legs of trousers, 0 for halves of a skirt and for sleeves."""

    @property
    def waistband(self) -> Tensor | None:
        """(B, 4, 2) px: the upper ends of a lower garment's strips, outer ones first; None for other garments."""
        return torch.cat([self.sleeves.outer[:, :, 0], self.sleeves.inner[:, :, 0]], 1) if self.torso is None else None

    def landmarks(self) -> dict[str, list[list[float]]]:
        """Where the landmarks of the batch's first garment came to lie, px of the photo."""
        outer, inner = self.sleeves.outer[0], self.sleeves.inner[0]
        found = {"strip_ends": torch.cat([outer[:, -1], inner[:, -1]]).tolist()} if float(self.stripped[0]) > 0 else {}
        if self.torso is None:
            return {**found, "waist": outer[:, 0].tolist(), "middle": inner[0].tolist()}
        torso = self.torso
        return {**found, "neck": torso.neck[0].tolist(), "armpits": torso.armpit[0].tolist(), "hem": torso.side[0, :, -1].tolist()}


def sample(profile: Tensor, at: Tensor) -> Tensor:
    """Linear interpolation along the last axis: profile (..., N), at (..., M) in index units -> (..., M); clamped."""
    last = profile.shape[-1] - 1
    at = at.clamp(0, last)
    low = at.floor().clamp(max=last - 1).to(torch.int64)
    share = at - low
    return profile.gather(-1, low) * (1 - share) + profile.gather(-1, low + 1) * share


def clip(value: Tensor, limits: tuple[float, float], unit: Tensor) -> Tensor:
    unit = unit.reshape(-1, *[1] * (value.dim() - 1))
    return torch.minimum(torch.maximum(value, limits[0] * unit), limits[1] * unit)


def row_at(frame: Frame, distance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Axis points, directions across and outlines of the trunk at `distance` (B, 2, N) px below the shoulder line.

    Returns (B, 2, N, 2), (B, 2, N, 2) pointing outward, (B, 2, N).
    """
    at = distance / (ROW_SPAN * frame.unit[:, None, None]) * (ROW_COUNT - 1)
    pick = at[:, :, None].expand(-1, -1, 2, -1)
    middle, across = (
        sample(p.transpose(1, 2)[:, None].expand(-1, 2, -1, -1), pick).transpose(2, 3) for p in (frame.row_middle, frame.row_right)
    )
    return middle, across * both_sides(at)[None, :, None, None], sample(frame.side, at)


def both_sides(like: Tensor) -> Tensor:
    """(2,) -1 for the left and 1 for the right, made on the device: a constant of the host would have to be copied there."""
    return torch.arange(-1, 2, 2, device=like.device, dtype=like.dtype)


def unit_vector(v: Tensor) -> tuple[Tensor, Tensor]:
    length = v.norm(dim=-1, keepdim=True).clamp_min(1e-3)
    return v / length, length[..., 0]


def piecewise(x: Tensor, table: tuple[tuple[float, ...], tuple[float, ...]]) -> Tensor:
    """Piecewise linear function given by its knots, held beyond them."""
    xs, ys = table
    result = torch.full_like(x, ys[0])
    for x0, x1, y0, y1 in zip(xs[:-1], xs[1:], ys[:-1], ys[1:], strict=True):
        result = result + (y1 - y0) * ((x - x0) / (x1 - x0)).clamp(0, 1)
    return result


def smooth(curve: Tensor) -> Tensor:
    inside = (curve[:, :, :-2] + 2 * curve[:, :, 1:-1] + curve[:, :, 2:]) / 4
    return torch.cat([curve[:, :, :1], inside, curve[:, :, -1:]], 2)
