"""Blends draped garments into plates: torch over a batch, fixed shapes, nothing read back from the device.

Order from back to front: the inside of the garment's back, the neck, the torso, bare or covered arms, the sleeves,
hair, chin and hands. All pictures are (B, C, H, W) float32 0..255, all masks (B, 1, H, W) 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import torch
import torch.nn.functional as nn
from torch import Tensor

from models.compose.front import CLOTH_CATCHES
from models.compose.plate import Plate
from models.compose.remove import ARM_FROM
from models.compose.trim import torso_zone, trim
from models.drape.targets import GOES_ON
from models.types import FloatArray, Picture

TORSO_ROUND = 0.10
"""Darkening at the torso's outline: the body is round."""
SLEEVE_ROUND = 0.20
CONTACT_REACH = 0.03
"""Contact shadows on the skin reach this many units ..."""
CONTACT_DEPTH = 0.22
"""... and darken it by at most this share."""
SLEEVE_SHADOW_REACH, SLEEVE_SHADOW_DEPTH = 0.045, 0.14
"""Shadow of an arm or sleeve on the torso beside it."""
WAIST_SHADOW = 0.26
"""Darkening on both sides of a waist line, and the px over which it fades, in units."""
WAIST_FADE = 0.04
FLARE_LEAST_PX = 1.5
"""Where a sleeve may not stand off at all it still covers the silhouette's own soft edge."""
SHADOW_FULL = 1.3
"""Blurred shadows are this much stronger than the share of shade they were blurred from: full before the edge's very middle."""
WAIST_SHADOW_ABOVE = 0.8
"""A tucked top is darkened this much of what the waistband below it is."""
SLEEVE_FLARE = (0.05, 0.3)
"""From this place on the arm on a sleeve may stand off the silhouette, by so many units for each place (0..2) further."""
TRIM = 0.05
"""What stands out over the silhouette by up to twice this (units) is cut along it, see `trim`."""
LEAVES = (-0.4, -0.25)
"""A sleeve that goes on past the worn one leaves its silhouette before its end: it is not trimmed from there on (places on the
arm from the worn sleeve's end), fading out."""
TRIM_TO = (0.1, 0.3)
"""Trimming ends between these places on the legs (0 hip joint, 1 knee)."""
BAND_AT_WAIST, BAND_FADE = 0.16, 0.04
"""The worn lower garment's edge is the waist's within this of the waist line (units), fading out over the second."""
BAND_SLACK = 0.02
"""Where a lower garment is seen, a tucked top may reach this far (units) below the waist line: down to its edge."""
GAP_REACH, GAP_STEP, GAP_STEEP = 0.025, 4, 4.0
"""Slits between sleeve and torso up to twice this wide (units) are closed where the old top had none; found at a reduced
size, where a pixel is closed in full from one part in `GAP_STEEP` on."""
SEAM_PX = 5
"""A sleeve sets in over half so many px: its grid ends at the armhole, in steps of whole pixels."""
UNDER_ARM = (0.75, 1.1)
"""The torso becomes round, and lies in the arm's shade, between these places (0 shoulder line, 1 armpits): above them its
edge is the armhole, where the sleeve goes on."""
BACK_SHADE = 0.88
"""Light on the inside of a garment's back: the collar's or the waistband's shade lies on it."""
BACK_OFF = 0.02
"""Over the ground the inside of the back shows only between neck and front: in gaps up to twice this wide (units)."""
END_FADE = 0.05
"""Limbs come out of a sleeve over this share of a bone."""
INNER_WAIST, INNER_LAP = 0.10, 0.03
"""A tucked top of an outfit runs on the second (units) below the lowest of the new waistband's upper corners and middle, or, where it is
not known where that lies, the first below the old waist line."""
LEG_ROUND = 0.20
"""Darkening at a leg's outline; cloth on legs is flatter than a sleeve, so it sets in later."""
CROTCH = (0.30, 0.55)
"""Places on the leg between which a trouser leg becomes round on its inner side too."""
BEHIND_DEPTH, BEHIND_REACH = 0.45, 0.035
"""The leg behind is this much darker near the edge of the one before it, over this reach (units)."""
HEM_SHADOW, HEM_REACH = 0.25, 0.025
"""Shadow of an untucked top on the trousers below its hem: depth, and reach in units."""
DROP, DROP_REACH, DROP_DEPTH = 0.05, 0.04, 0.42
"""A skirt or trouser leg shades what is below its hem: so far down (units), softly over the second, by this share at most."""
SHADOW_STEP = 8
"""Shadows are soft: they are computed at a size this many times smaller."""
NOWHERE = -1.99
"""`Layers` say -2 where there is no garment."""
UNKNOWN = -5e3
"""Px below the waist line under which it is not known, see `Plate.below_waist`."""
VISIBLE = 1.5 / 255
"""An alpha or shadow under this changes nothing and stays outside the edit mask."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A plate on the device; see `Plate`. All (B, C, H, W)."""

    photo: Tensor
    """uint8."""
    plate: Tensor
    """uint8."""
    removed: Tensor
    front_torso: Tensor
    front_sleeves: Tensor
    hands: Tensor
    front_arms: Tensor
    arm_cover: Tensor
    arm_place: Tensor
    arm_in_front: Tensor
    """(B, 2, 1, 1)."""
    below_waist: Tensor
    wrinkles: Tensor
    skin: Tensor
    catches: Tensor
    overhang: Tensor
    ground: Tensor
    lower: Tensor
    clothed: Tensor
    arm_side: Tensor
    worn_end: Tensor
    away: Tensor
    leg_side: Tensor
    leg_place: Tensor
    edited: Tensor
    """Bool: what inner garments of an outfit have changed already."""
    inner: Tensor
    """0..1 the inner garments of an outfit."""
    band_below: Tensor
    """(B, 1, 1, 1) px below the waist line to which a tucked top runs: 0, or down to an outfit's own waistband (negative: it is higher)."""

    @classmethod
    def of(cls, photo: Picture, plate: Plate, in_front: tuple[bool, bool], device: torch.device) -> Scene:
        def planes(array: FloatArray) -> Tensor:
            flat = array if array.ndim == 3 else array[None]
            return torch.from_numpy(np.ascontiguousarray(flat, np.float32))[None].to(device)

        def colour(picture: Picture) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].to(device)

        return cls(
            photo=colour(photo),
            plate=colour(plate.plate),
            removed=planes(plate.removed),
            front_torso=planes(plate.front_torso),
            front_sleeves=planes(plate.front_sleeves),
            hands=planes(plate.hands),
            front_arms=planes(plate.front_arms),
            arm_cover=planes(plate.arm_cover),
            arm_place=planes(plate.arm_place),
            arm_in_front=torch.tensor(in_front, dtype=torch.float32, device=device)[None, :, None, None],
            below_waist=planes(plate.below_waist),
            wrinkles=planes(plate.wrinkles),
            skin=planes(plate.skin),
            catches=planes(plate.catches),
            overhang=planes(plate.overhang),
            ground=planes(plate.ground),
            lower=planes(plate.lower),
            clothed=planes(plate.clothed),
            arm_side=planes(plate.arm_side),
            worn_end=planes(plate.worn_end),
            away=planes(plate.away),
            leg_side=planes(plate.leg_side),
            leg_place=planes(plate.leg_place),
            edited=torch.zeros((1, 1, *photo.shape[:2]), dtype=torch.bool, device=device),
            inner=torch.zeros((1, 1, *photo.shape[:2]), device=device),
            band_below=torch.zeros((1, 1, 1, 1), device=device),
        )

    def after(self, inner: Blend, unit_px: float, waistband: Tensor | None) -> Self:
        """The scene for the next, outer garment of an outfit: it is drawn onto the finished picture of the `inner` one.

        The outer garment's shadow falls on the inner one, and what the inner one has changed belongs to the edit mask. unit_px: the
        bodies' unit; waistband: `Placement.waistband` of the inner one.
        """
        band_below = INNER_WAIST * unit_px * inner.alpha.amax((1, 2, 3), keepdim=True)
        if waistband is None:
            band_below = torch.where(self.band_below != 0, self.band_below, band_below)
        else:
            height, width = self.below_waist.shape[-2:]
            x, y = waistband[..., 0].round().clamp(0, width - 1), waistband[..., 1].round().clamp(0, height - 1)
            found = self.below_waist.flatten(1).gather(1, (y * width + x).to(torch.int64)).amax(1)[:, None, None, None]
            # without a waist line there is nothing to measure from
            band_below = torch.where(found > UNKNOWN, found + INNER_LAP * unit_px, band_below)
        return replace(
            self,
            plate=inner.picture,
            catches=torch.maximum(self.catches, CLOTH_CATCHES * inner.alpha),
            edited=self.edited | inner.edit,
            inner=torch.maximum(self.inner, inner.alpha),
            band_below=band_below,
        )

    @classmethod
    def stack(cls, items: list[Self]) -> Self:
        return cls(*(torch.cat([getattr(i, f.name) for i in items]) for f in fields(cls)))


@dataclass(frozen=True, slots=True)
class Layers:
    """A garment sampled onto the photo's pixels."""

    torso: Tensor
    """(B, 3, H, W) colour 0..255."""
    torso_alpha: Tensor
    back_alpha: Tensor
    torso_place: Tensor
    """(B, 2, H, W) across: -1 at the left outline, 1 at the right; down: 0 shoulder line, 1 armpits, 2 hem."""
    skirt_from: Tensor
    """(B,) how far down (as in `torso_place`) the skirt of a dress begins; beyond the hem for tops."""
    sleeves: Tensor
    sleeve_alpha: Tensor
    sleeve_place: Tensor
    """(B, 2, H, W) across: -1 at the outer edge, 1 at the inner; along: 0 armhole, 1 cuff. Of a lower garment the legs or
    halves: 0 waist, 1 hem."""


@dataclass(frozen=True, slots=True)
class Blend:
    picture: Tensor
    """uint8 (B, 3, H, W), equal to the photo outside `edit`."""
    alpha: Tensor
    """(B, 1, H, W) what of the result is the new garment, the inner back included."""
    edit: Tensor
    """bool (B, 1, H, W)."""


def soft(mask: Tensor, sigma_px: float) -> Tensor:
    """Blurs (B, C, H, W) widely: at a reduced size, by three box filters (their sum of variances is sigma's)."""
    height, width = mask.shape[-2:]
    small = nn.avg_pool2d(mask, SHADOW_STEP, ceil_mode=True, count_include_pad=False)
    radius = max(1, round(((4 * (sigma_px / SHADOW_STEP) ** 2 + 1) ** 0.5 - 1) / 2))
    for _ in range(3):
        small = nn.avg_pool2d(small, 2 * radius + 1, stride=1, padding=radius, count_include_pad=False)
    large = nn.interpolate(small, scale_factor=SHADOW_STEP, mode="bilinear", align_corners=False)
    return large[..., :height, :width]


def _cast(hanging: Tensor, unit_px: float) -> Tensor:
    """Shade (B, 1, H, W) below what is `hanging` 0..1: light comes from above, so there is more of it below a hem than beside it."""
    lowered = nn.pad(hanging, (0, 0, max(1, round(DROP * unit_px)), 0))[..., : hanging.shape[-2], :]
    return DROP_DEPTH * soft(lowered, DROP_REACH * unit_px)


def _gaps(alpha: Tensor, reach_px: float) -> Tensor:
    """Slits between pieces that are narrower than twice `reach_px` (a morphological closing), 0..1."""
    small = nn.avg_pool2d(alpha, GAP_STEP, ceil_mode=True, count_include_pad=False)
    closed = _closed(small, max(1, round(reach_px / GAP_STEP)))
    # plain edges are blurred by the reduction, and no gaps
    both = torch.cat([closed, ((closed - small) * GAP_STEEP).clamp(max=1)], 1)
    large = nn.interpolate(both, scale_factor=GAP_STEP, mode="bilinear", align_corners=False)[..., : alpha.shape[-2], : alpha.shape[-1]]
    return (large[:, :1] - alpha).clamp(0, 1) * large[:, 1:]


def _closed(mask: Tensor, radius: int) -> Tensor:
    grown = nn.max_pool2d(mask, 2 * radius + 1, stride=1, padding=radius)
    closed: Tensor = -nn.max_pool2d(-grown, 2 * radius + 1, stride=1, padding=radius)
    return closed


def _between(mask: Tensor, reach_px: float) -> Tensor:
    """`mask` (B, 1, H, W) 0..1 with gaps up to twice `reach_px` closed, and a soft edge."""
    small = nn.avg_pool2d(mask, GAP_STEP, ceil_mode=True, count_include_pad=False)
    closed = nn.avg_pool2d(_closed(small, max(1, round(reach_px / GAP_STEP))), 3, stride=1, padding=1, count_include_pad=False)
    return nn.interpolate(closed, scale_factor=GAP_STEP, mode="bilinear", align_corners=False)[..., : mask.shape[-2], : mask.shape[-1]]


def _set_in(place: Tensor) -> Tensor:
    """0 at the end of the strips' grids to 1 inside them, (B, 1, H, W); `place` as in `Layers`."""
    inside = (place[:, :1] > NOWHERE).to(place.dtype)
    mean = nn.avg_pool2d(inside, SEAM_PX, stride=1, padding=SEAM_PX // 2, count_include_pad=False)
    return (2 * mean - 1).clamp(0, 1)


def _spread(picture: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean colour of the neighbourhood, (B, 3, H, W)."""
    solid = (weight > 0.9).to(picture.dtype)
    total = nn.avg_pool2d(torch.cat([picture * solid, solid], 1), GAP_STEP, ceil_mode=True, count_include_pad=False)
    for _ in range(2):
        total = nn.avg_pool2d(total, 5, stride=1, padding=2)
    mean = total[:, :3] / total[:, 3:].clamp_min(1e-4)
    return nn.interpolate(mean, scale_factor=GAP_STEP, mode="bilinear", align_corners=False)[..., : picture.shape[-2], : picture.shape[-1]]


@dataclass(frozen=True, slots=True)
class Legs:
    """Which items of a batch have legs (or halves of a skirt) for strips instead of sleeves."""

    lower: Tensor
    """(B,) 1 for lower garments, else 0."""
    split: Tensor
    """(B,) 1 where each strip has its own inner outline below the crotch (trousers), 0 for skirts."""
    front: Tensor
    """(B, 2) 1 for the leg nearer to the camera."""

    @classmethod
    def none(cls, like: Tensor) -> Self:
        """No legs at all, for a batch (B,)."""
        zero = torch.zeros_like(like)
        return cls(zero, zero, zero[:, None].expand(-1, 2))


def blend(
    scene: Scene, layers: Layers, tucked: Tensor, hem_kept: Tensor, sleeve_end: Tensor, unit_px: float, legs: Legs | None = None
) -> Blend:
    """Puts the layers into the plates.

    tucked (B,) 0 or 1: cut the torso at the waist line; hem_kept (B,) 0 or 1: it ends where the old one did, at the edge of
    the lower garment that stays; sleeve_end (B, 2) 0..2 place on the arms where the new sleeves
    end: bare arms below it lie before the torso; unit_px: the bodies' unit, for the reach of shadows; legs: None for
    batches without lower garments.
    """
    plate, photo = scene.plate.to(torch.float32), scene.photo.to(torch.float32)
    legs = legs or Legs.none(tucked)
    tuck = tucked[:, None, None, None]
    # a tucked top ends at the waist line, or where the outfit's own waistband begins
    below = scene.below_waist - scene.band_below
    # the waistband as it is seen lies over a tucked top; the waist line is but its smooth likeness
    at_waist = ((BAND_AT_WAIST * unit_px - scene.below_waist.abs()) / (BAND_FADE * unit_px)).clamp(0, 1)
    slack = BAND_SLACK * unit_px * scene.lower.amax((1, 2, 3), keepdim=True)
    inside_waist = (
        (1 - tuck * ((below - slack) / 2 + 0.5).clamp(0, 1))
        * (1 - tuck * scene.inner)
        * (1 - hem_kept[:, None, None, None] * scene.lower * at_waist)
    )
    # beside the lower garment there is nothing to be tucked into
    inside_waist = inside_waist * (1 - tuck * scene.ground * (below / 2 + 0.5).clamp(0, 1))
    bare_from = sleeve_end.clamp_min(ARM_FROM)[:, :, None, None]
    beyond_sleeve = ((scene.arm_place - bare_from) / END_FADE).clamp(0, 1)
    filled_arm = (scene.arm_cover * beyond_sleeve * scene.arm_in_front).amax(1, keepdim=True) * (scene.removed > 0)
    # arms are bare no wider than the plate shows them
    filled_arm = torch.minimum(filled_arm, scene.skin)
    seen_arm = (scene.front_arms * beyond_sleeve).amax(1, keepdim=True)
    front = torch.maximum(scene.front_torso, torch.maximum(filled_arm, seen_arm))
    set_in = _set_in(layers.sleeve_place)
    # the torso runs on under the sleeve's first pixels
    seam = layers.sleeve_alpha * (set_in < 1) * (layers.torso_place[:, :1] > NOWHERE)
    # a hem on the old one's keeps to it
    reach, sides = TRIM * unit_px, torso_zone(layers.torso_place, layers.skirt_from)
    cloth = torch.maximum(layers.torso_alpha, seam)
    # skirts and legs have a cut of their own: where they begin to stand off, a trimmed edge would jump
    trunk = ((TRIM_TO[1] - scene.leg_place) / (TRIM_TO[1] - TRIM_TO[0])).clamp(0, 1)
    at_hem = at_waist * hem_kept[:, None, None, None]
    cloth = trim(cloth, torch.maximum(scene.ground, scene.lower * at_hem), torch.maximum(sides, at_hem) * trunk, reach)
    torso_alpha = cloth * inside_waist * (1 - front)
    behind = torch.maximum(front, scene.skin)
    shown = torch.maximum(_between(torch.maximum(torso_alpha, behind), BACK_OFF * unit_px), 1 - scene.ground)
    back_alpha = layers.back_alpha * (1 - behind) * shown.maximum(legs.lower[:, None, None, None])
    # a hand lies before the other arm's sleeve, and before its own from its end on
    ended = ((scene.arm_place - sleeve_end[:, :, None, None]) / END_FADE).clamp(0, 1)
    front_sleeves = torch.maximum(scene.front_sleeves, (scene.hands * ended).amax(1, keepdim=True))
    sleeves = (1 - legs.lower[:, None, None, None]) * scene.clothed * (1 - _leaves(scene, sleeve_end))
    # at its head a sleeve lies on the shoulder, bare or not, and stands off more and more from there on
    flare = (scene.arm_place.amin(1, keepdim=True) - SLEEVE_FLARE[0]).clamp_min(0) * SLEEVE_FLARE[1] * unit_px
    off_arm = (flare - scene.away + FLARE_LEAST_PX).clamp(0, 1).maximum(legs.lower[:, None, None, None])
    sleeve_alpha = trim(layers.sleeve_alpha, scene.ground, sleeves, reach) * off_arm * set_in * (1 - front_sleeves)

    fade = WAIST_FADE * unit_px
    under_hem = (
        tuck * WAIST_SHADOW * torch.exp(-below.clamp_min(0) / fade) * (below > 0) * soft(layers.torso_alpha, 0.5 * fade) * (1 - front)
    ) * (scene.catches / CLOTH_CATCHES).clamp(max=1)
    under_hem = under_hem * (1 - scene.inner)  # on the outfit's own trousers its contact shadow lies, right below where it ends
    contact = CONTACT_DEPTH * soft(torso_alpha, CONTACT_REACH * unit_px) * scene.catches * (1 - front)
    base = plate * (1 - under_hem) * (1 - contact * (1 - torso_alpha))
    # inside of the back: behind the neck, in the collar's shade
    base = base + (layers.torso * BACK_SHADE - base) * back_alpha

    beside = torch.maximum(layers.sleeve_alpha, front * (scene.arm_cover.amax(1, keepdim=True)))
    across, down = layers.torso_place[:, :1], layers.torso_place[:, 1:]
    # at the shoulders the torso has no outline of its own: the sleeve goes on from it
    under_arm = ((down - UNDER_ARM[0]) / (UNDER_ARM[1] - UNDER_ARM[0])).clamp(0, 1)
    shade = 1 - TORSO_ROUND * under_arm * across.abs().clamp(max=1.1) ** 3
    shade = shade * (1 - SLEEVE_SHADOW_DEPTH * under_arm * (soft(beside, SLEEVE_SHADOW_REACH * unit_px) * SHADOW_FULL).clamp(max=1))
    shade = shade * (1 - tuck * WAIST_SHADOW_ABOVE * WAIST_SHADOW * torch.exp((below / fade).clamp(-50, 0)))
    result = base + (layers.torso * shade * scene.wrinkles - base).clamp(-255, 255) * torso_alpha

    shade = _strip_shade(scene, layers, legs, unit_px) * scene.wrinkles
    rim = CONTACT_DEPTH * soft(sleeve_alpha, CONTACT_REACH * unit_px) * scene.catches * (1 - front_sleeves)
    hanging = torch.maximum(sleeve_alpha * legs.lower[:, None, None, None], torso_alpha * (down > layers.skirt_from[:, None, None, None]))
    rim = torch.maximum(rim, _cast(hanging, unit_px) * scene.catches * (1 - front_sleeves))
    result = result * (1 - rim * (1 - torch.maximum(sleeve_alpha, torso_alpha)))
    result = result + (layers.sleeves * shade - result) * sleeve_alpha

    cloth = torch.maximum(torso_alpha, sleeve_alpha)
    # legs stand apart below the crotch: what is between them is the ground
    closed = 1 - legs.lower[:, None, None, None] * _apart(scene, legs)
    gap = _gaps(cloth, GAP_REACH * unit_px) * (scene.removed > 0.5) * (1 - torch.maximum(front, front_sleeves)) * inside_waist * closed
    result = result + (_spread(result, cloth) - result) * gap

    alpha = 1 - (1 - torso_alpha) * (1 - sleeve_alpha) * (1 - back_alpha) * (1 - gap)
    shadows = torch.maximum(under_hem, torch.maximum(contact, rim))
    edit = (scene.removed > 0) | scene.edited | (alpha > VISIBLE) | (shadows > 2 * VISIBLE)
    picture = torch.where(edit, result, photo).round().clamp(0, 255).to(torch.uint8)
    return Blend(picture=picture, alpha=alpha * edit, edit=edit)


def _leaves(scene: Scene, sleeve_end: Tensor) -> Tensor:
    """(B, 1, H, W) 0..1 where a sleeve that ends at `sleeve_end` (B, 2) past the worn one has left the worn one's silhouette."""
    right = scene.arm_side > 0.5
    place, end = (torch.where(right, pair[:, 1:], pair[:, :1]) for pair in (scene.arm_place, sleeve_end[:, :, None, None]))
    # all or nothing: what is trimmed in part is a veil
    goes_on = (end - scene.worn_end > sum(GOES_ON) / 2).to(end.dtype)
    return goes_on * ((place - scene.worn_end - LEAVES[0]) / (LEAVES[1] - LEAVES[0])).clamp(0, 1)


def _apart(scene: Scene, legs: Legs) -> Tensor:
    """1 where a trouser leg has left the other one, (B, 1, H, W)."""
    return ((scene.leg_place - CROTCH[0]) / (CROTCH[1] - CROTCH[0])).clamp(0, 1) * legs.split[:, None, None, None]


def _strip_shade(scene: Scene, layers: Layers, legs: Legs, unit_px: float) -> Tensor:
    """Light on sleeves or legs, (B, 1, H, W)."""
    lower = legs.lower[:, None, None, None]
    across, along = layers.sleeve_place[:, :1].clamp(-1, 1), layers.sleeve_place[:, 1:]
    # a sleeve's inner edge is an outline only where it has left the torso; a leg's, below the crotch
    sleeve = torch.where(across > 0, (along * 2 - 0.2).clamp(0, 1), (along * 4).clamp(0, 1))
    apart = _apart(scene, legs)
    leg = torch.where(across > 0, apart, 1.0)
    sleeve_round = 1 - SLEEVE_ROUND * sleeve * across**2
    # a skirt's halves are one surface: its outline is at the outer edge only
    leg_round = 1 - LEG_ROUND * leg * across.abs() ** 3
    nearer = torch.where(scene.leg_side > 0.5, legs.front[:, 1, None, None, None], legs.front[:, 0, None, None, None])
    one_nearer = (legs.front[:, 0] - legs.front[:, 1]).abs()[:, None, None, None]
    over = soft(layers.sleeve_alpha * nearer * apart, BEHIND_REACH * unit_px)
    behind = BEHIND_DEPTH * one_nearer * (1 - nearer) * apart * (over * 2).clamp(max=1)
    hem = HEM_SHADOW * (soft(scene.overhang, HEM_REACH * unit_px) * SHADOW_FULL).clamp(max=1)
    return torch.lerp(sleeve_round, leg_round * (1 - behind) * (1 - hem), lower)
