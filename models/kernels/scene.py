"""What the passes read: a person's planes and a garment's texture, in few bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from torch import Tensor

from models.compose.blend import INNER_LAP, INNER_WAIST, UNKNOWN, Blend
from models.compose.front import CLOTH_CATCHES
from models.compose.plate import Plate
from models.drape.texture import BACK, RGB, SLEEVES, TORSO
from models.kernels import passes
from models.types import BoolArray, FloatArray, IntArray, LabelMap, Picture


@dataclass(frozen=True, slots=True)
class PackedScene:
    """A plate as the passes want it: like `models.compose.blend.Scene`, in a third of its memory."""

    plate: Picture
    """(H, W, 3); the photo where nothing was removed."""
    masks: LabelMap
    """(M, H, W), see `passes`."""
    places: FloatArray
    """(P, H, W) float32."""
    flags: LabelMap
    """(H, W)."""
    edited: BoolArray
    """(H, W) what differs from the photo before anything is drawn."""
    in_front: tuple[bool, bool]
    """Which arms lie before the trunk."""
    has_lower: float
    """The most of the worn lower garment that stays, 0..1."""
    band_below: float
    """As in `models.compose.blend.Scene`."""

    @classmethod
    def of(cls, plate: Plate, in_front: tuple[bool, bool]) -> Self:
        size = plate.removed.shape
        masks, places = np.zeros((passes.MASK_COUNT, *size), np.uint8), np.empty((passes.PLACE_COUNT, *size), np.float32)
        for index, mask in (
            (passes.FRONT_TORSO, plate.front_torso),
            (passes.FRONT_SLEEVES, plate.front_sleeves),
            (passes.HANDS, plate.hands[0]),
            (passes.HANDS + 1, plate.hands[1]),
            (passes.FRONT_ARMS, plate.front_arms[0]),
            (passes.FRONT_ARMS + 1, plate.front_arms[1]),
            (passes.ARM_COVER, plate.arm_cover[0]),
            (passes.ARM_COVER + 1, plate.arm_cover[1]),
            (passes.SKIN, plate.skin),
            (passes.CATCHES, plate.catches),
            (passes.OVERHANG, plate.overhang),
            (passes.GROUND, plate.ground),
            (passes.LOWER, plate.lower),
            (passes.CLOTHED, plate.clothed),
        ):
            masks[index] = _levels(mask)
        places[passes.ARM_PLACE : passes.ARM_PLACE + 2] = plate.arm_place
        for index, place in (
            (passes.BELOW_WAIST, plate.below_waist),
            (passes.WRINKLES, plate.wrinkles),
            (passes.WORN_END, plate.worn_end),
            (passes.AWAY, plate.away),
            (passes.LEG_PLACE, plate.leg_place),
        ):
            places[index] = place
        flags = (plate.removed > 0) * np.uint8(passes.REMOVED) | (plate.removed > 0.5) * np.uint8(passes.MOSTLY_REMOVED)
        flags |= (plate.arm_side > 0.5) * np.uint8(passes.RIGHT_ARM) | (plate.leg_side > 0.5) * np.uint8(passes.RIGHT_LEG)
        return cls(plate.plate, masks, places, flags, plate.removed > 0, in_front, float(plate.lower.max()), 0.0)

    @property
    def size(self) -> tuple[int, int]:
        return self.flags.shape[0], self.flags.shape[1]

    def after(self, inner: Blend, unit_px: float, waistband: Tensor | None) -> Self:
        """The scene for the next, outer garment of an outfit; see `models.compose.blend.Scene.after`."""
        picture, alpha, edit = inner.picture[0].permute(1, 2, 0).numpy(), inner.alpha[0, 0].numpy(), inner.edit[0, 0].numpy()
        masks, drawn = self.masks.copy(), _levels(alpha)
        masks[passes.INNER] = np.maximum(masks[passes.INNER], drawn)
        masks[passes.CATCHES] = np.maximum(masks[passes.CATCHES], _levels(CLOTH_CATCHES * alpha))
        flags = self.flags | edit * np.uint8(passes.EDITED)
        band_below = INNER_WAIST * unit_px * float(alpha.max())
        if waistband is None:
            band_below = self.band_below or band_below
        else:
            x, y = np.rint(waistband[0].numpy()).astype(np.int64).T
            below = self.places[passes.BELOW_WAIST]
            found = float(below[np.clip(y, 0, below.shape[0] - 1), np.clip(x, 0, below.shape[1] - 1)].max())
            band_below = found + INNER_LAP * unit_px if found > UNKNOWN else band_below
        return replace(self, plate=picture, masks=masks, flags=flags, edited=edit, band_below=band_below)


def _levels(mask: FloatArray) -> LabelMap:
    return np.asarray(np.rint(mask * 255), np.uint8)


@dataclass(frozen=True, slots=True)
class PackedTexture:
    """A garment's texture; beside it an empty rim, of one texel before and two behind."""

    torso: IntArray
    """(h + 3, w + 3) uint32: red, green, blue and the alpha of the torso's front, from the lowest byte on."""
    strips: IntArray
    """The same with the alpha of the strips."""
    back: LabelMap
    """(h + 3, w + 3) the alpha of the inner back."""
    back_to: int
    """Its first row from which on there is none."""

    @classmethod
    def of(cls, texture: FloatArray) -> Self:
        """Of a texture (6, h, w) 0..1 in whole levels, see `models.drape.texture`."""
        levels = np.rint(texture * 255).astype(np.uint8)
        both = np.zeros((2, levels.shape[1] + 3, levels.shape[2] + 3, 4), np.uint8)
        for packed, alpha in zip(both, (TORSO, SLEEVES), strict=True):
            packed[1:-2, 1:-2] = np.stack([*levels[RGB], levels[alpha]], -1)
        torso, strips = both.view(np.uint32)[..., 0]
        back = np.pad(levels[BACK], ((1, 2), (1, 2)))
        used = np.flatnonzero(back.any(1))
        return cls(torso, strips, back, int(used[-1]) + 1 if used.size else 0)
