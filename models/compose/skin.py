"""Bare skin and the under-layer as they would look where the old top was: the wearer's tone, lit like the rest of them."""

from __future__ import annotations

import cv2
import numpy as np

from models.compose.coordinates import Coordinates
from models.compose.pull_push import pull_push
from models.masks import blur, larger, nearer, ramp, shrink, strongest
from models.person.body import Body
from models.types import BoolArray, FloatArray, Label, LabelMap

SKIN_TONE_BLEND = (0.65, 0.35)
"""Tone of filled skin: neck and hands, face."""
SKIN_LEAST_PX = 20
"""Fewer pixels of trusted skin than this (at the reduced size) say nothing of the light."""
TONE_NEAR = 70.0
"""Skin further (0..255) off the wearer's tone is a shadow, a highlight or no skin, and tells nothing of the light."""
CHROMA_NEAR = 20.0
"""What is further (a, b) off the wearer's tone was taken for skin by mistake."""
LOCAL_SHARE = 0.45
"""Share of the light that is seen nearby; the rest is the wearer's tone."""
LIMB_AT, HAND_AT, FOOT_AT = 0.05, 1.9, 2.1
"""A limb's own light is measured between these places: not on the trunk, nor on hand or foot."""
LIMB_LEAST_PX, LIMB_FACTOR = 40, (0.8, 1.3)
"""A limb of which so many px (at the reduced size) are seen bare has its own light, this much off the rest at most."""
TOLD_LEAST = 0.15
"""Of a limb that shows less of itself, what is seen is carried on by so much less, but at least by this share."""
ARM_CLEAR = 1.6
"""Nearer to an arm's bones than so many half widths, skin is the arm's."""
PROFILE_BINS, PROFILE_ALONG, PROFILE_LEAST_PX = 9, 0.35, 3
"""A limb's light is measured at so many places across it, over this share of a bone beside the cloth, each from so many px."""
PROFILE_LIMITS, PROFILE_FADE, PROFILE_KEPT = (0.4, 1.5), 1.2, 0.35
"""It differs from the usual by these factors at most, fades over so many bones, and never below this share."""
JOIN_LIMIT, JOIN_REACH, JOIN_BLUR_PX = 0.5, 0.16, 1.0
"""Fills take the colour of seen skin beside them unless it is off by more than the first (logarithm), fading over the second (units)."""
ARM_FROM = (0.0, 0.25)
"""Between these places an arm parts from the trunk's light, ..."""
LEG_FROM = (0.02, 0.17)
"""... between these a thigh."""
UNDER_LAYER = (206.0, 202.0, 197.0)
"""Colour of the neutral under-layer before the scene's light."""


def bare_and_layer(
    small: FloatArray, labels: LabelMap, body: Body, where: Coordinates, clean: BoolArray, scale: float
) -> tuple[FloatArray, FloatArray]:
    """Lit skin and the lit under-layer everywhere, (h, w, 3) 0..255.

    All at the reduced size: the photo `small` (h, w, 3) 0..255, its `labels`, the pixels' coordinates, `clean` where
    nothing was removed; `scale` is small px a photo px.
    """
    unit = body.unit_px * scale
    # the wearer's tone, with the light of the skin that is seen nearby
    tone, weight = _skin_tone(small, labels, where.from_nose)
    lab, own = _lab(small), _lab(tone[None, None])[0, 0]
    own_skin = (labels == Label.SKIN) & (np.linalg.norm(lab[..., 1:] - own[1:], axis=-1) < CHROMA_NEAR)
    weight = weight * (np.linalg.norm(small - tone, axis=-1) < TONE_NEAR) * clean
    local = np.broadcast_to(tone, small.shape)
    if weight.sum() > SKIN_LEAST_PX:
        local = pull_push(small, weight.astype(np.float32))
    skin: FloatArray = blur(local, max(1.0, 0.05 * unit)) * LOCAL_SHARE + tone * (1 - LOCAL_SHARE)
    chin_y = float((body.chin - body.middle) @ body.over / body.unit_px)
    shade = np.clip(torso_shade(where.across, where.over, chin_y), 0.72, 1.08)
    reach, leg_reach = nearer(where.reach), nearer(where.leg_reach)
    on_arm = ramp(reach, 1.06, 0.94) * ramp(np.abs(where.across), 0.38, 0.48) * ramp(larger(where.place), *ARM_FROM)
    on_leg = ramp(leg_reach, 1.06, 0.94) * ramp(larger(where.leg_place), *LEG_FROM)
    light: FloatArray = shade + (leg_shade(leg_reach) - shade) * on_leg
    light = blur(light + (limb_shade(reach) - light) * on_arm, max(0.6, 0.012 * unit))[..., None]
    bare = skin * np.concatenate([light**0.78, light, light**1.12], -1)
    on_legs = own_skin & clean & (reach > ARM_CLEAR)  # an arm before a leg tells nothing of the leg
    limbs = [(*limb, own_skin & clean, HAND_AT) for limb in zip(where.lateral, where.place, strict=True)]
    limbs += [(*limb, on_legs, FOOT_AT) for limb in zip(where.leg_lateral, where.leg_place, strict=True)]
    for lateral, place, trusted, end in limbs:  # each limb goes on as its own visible skin is lit
        seen = (np.abs(lateral) < 1) & trusted & (place > LIMB_AT) & (place < end)
        if seen.sum() > LIMB_LEAST_PX:
            share = blur(ramp(np.abs(lateral), 1.35, 1.05) * ramp(place, 0.0, 0.25), max(0.6, 0.02 * unit))[..., None]
            bare = bare * np.exp(share * _limb_light(small, bare, lateral, place, seen))
    bare = _joined(small, bare, own_skin & clean, unit)
    luma = float(tone.mean()) / 185.0
    below = shade + (light[..., 0] - shade) * on_leg
    layer = np.array(UNDER_LAYER, np.float32) * np.clip(luma, 0.45, 1.1) * below[..., None]
    return bare, layer.astype(np.float32)


def _joined(small: FloatArray, bare: FloatArray, seen: BoolArray, unit: float) -> FloatArray:
    """The fill `bare` (h, w, 3), brought to the colour of the `seen` skin beside it: no step where the old cloth ended."""
    off = np.log((small + 4) / (bare + 4))
    trusted = shrink(seen & (strongest(off) < JOIN_LIMIT), 1)
    if trusted.sum() < SKIN_LEAST_PX:
        return bare
    carried = pull_push(off.astype(np.float32), trusted.astype(np.float32))
    away = cv2.distanceTransform((trusted == 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    near = np.exp(-away / (JOIN_REACH * unit))[..., None]
    return np.asarray(bare * np.exp(blur(carried * near, JOIN_BLUR_PX)), np.float32)


def _limb_light(small: FloatArray, bare: FloatArray, lateral: FloatArray, place: FloatArray, seen: BoolArray) -> FloatArray:
    """(h, w, 3) logarithm of what the fill `bare` of a limb is to be multiplied by, to go on from its `seen` skin.

    What is seen across the limb near the cloth's end is carried along it, and fades into the limb's mean light.
    """
    ratio = np.log((small[seen] + 4) / (bare[seen] + 4))
    across, along = lateral[seen], place[seen]
    start = float(np.quantile(along, 0.02))
    near = along < start + PROFILE_ALONG
    # an ankle in the hem's shade tells little of the leg
    told = float(np.clip((np.quantile(along, 0.98) - start) / PROFILE_ALONG, TOLD_LEAST, 1))
    mean = np.clip(np.median(ratio, 0), *np.log(LIMB_FACTOR)) * told
    bins = np.linspace(-1, 1, PROFILE_BINS)
    profile = np.full((PROFILE_BINS, 3), np.nan)
    for i, middle in enumerate(bins):
        inside = near & (np.abs(across - middle) < 1.5 / PROFILE_BINS)
        if inside.sum() >= PROFILE_LEAST_PX:
            profile[i] = np.median(ratio[inside], 0)
    known = np.isfinite(profile[:, 0])
    if known.sum() < 3:
        return np.broadcast_to(mean, small.shape).astype(np.float32)
    profile = np.clip(profile, *np.log(PROFILE_LIMITS))
    carried = np.stack([np.interp(lateral, bins[known], profile[known, c]) for c in range(3)], -1)
    share = np.clip(1 - (start - place) / (PROFILE_FADE * told), PROFILE_KEPT * told, 1)[..., None]
    return np.asarray(mean + (carried - mean) * share, np.float32)


def _skin_tone(photo: FloatArray, labels: LabelMap, from_nose: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Median lit skin colour (3,), and the weight (H, W) of pixels that show trustworthy skin beyond the face."""
    lab = _lab(photo)
    skin = shrink(labels == Label.SKIN, 2) > 0
    face = skin & (from_nose < 0.75)
    rest = skin & (from_nose > 1.0)
    if not skin.any():
        return np.array([196.0, 160.0, 140.0], np.float32), np.zeros(labels.shape, np.float32)
    seed = face if face.sum() > 50 else skin
    centre = np.median(lab[seed], 0)
    alike = rest & (np.linalg.norm(lab[..., 1:] - centre[1:], axis=-1) < 14) & (np.abs(lab[..., 0] - centre[0]) < 27)
    use = alike if alike.sum() > 100 else seed
    bright = lab[..., 0][use]
    tone = np.median(photo[use][bright >= np.percentile(bright, 45)], 0)
    own = np.median(photo[seed], 0)
    return (SKIN_TONE_BLEND[0] * tone + SKIN_TONE_BLEND[1] * own).astype(np.float32), use.astype(np.float32)


def _lab(picture: FloatArray) -> FloatArray:
    """(H, W, 3) RGB 0..255 to CIE Lab."""
    return np.asarray(cv2.cvtColor((picture / 255).astype(np.float32), cv2.COLOR_RGB2LAB), np.float32)


def torso_shade(x: FloatArray, y: FloatArray, chin_y: float) -> FloatArray:
    """Light on a bare neck and chest, about 0.7 to 1.08; x outward, y up from the shoulder joints' middle, in units.

    A wide cylinder for the chest, a narrow one for the neck, the chin's shadow, collarbones and the notch between them.
    """
    across = np.abs(x)
    shade = 1 - 0.16 * np.clip(across / 0.55, 0, 1.1) ** 3
    shade -= ramp(y, 0.16, 0.24) * 0.16 * np.clip(across / 0.24, 0, 1.2) ** 2
    shade -= 0.16 * bump(y - (chin_y - 0.03), 0.07) * np.clip(1 - across / 0.26, 0, 1)
    t = ramp(across, 0.05, 0.38)
    bone = 0.10 + 0.10 * t - 0.02 * np.sin(np.pi * t)
    weight = ramp(across, 0.03, 0.08) * ramp(across, 0.42, 0.30)
    shade += weight * (0.085 * bump(y - bone, 0.018) - 0.13 * bump(y - bone - 0.045, 0.024) - 0.07 * bump(y - bone + 0.045, 0.025))
    shade -= 0.12 * bump(x, 0.035) * bump(y - 0.11, 0.03)
    shade -= 0.05 * ramp(y, 0.05, -0.45)
    return shade.astype(np.float32)


def limb_shade(reach: FloatArray) -> FloatArray:
    """Light across a bare limb: `reach` 0 at the bone, 1 at the skin's edge."""
    return (1 - 0.36 * np.clip(reach, 0, 1) ** 2.5).astype(np.float32)


def leg_shade(reach: FloatArray) -> FloatArray:
    """Light across a bare leg; it is flatter than an arm."""
    return (1 - 0.30 * np.clip(reach, 0, 1) ** 2.2).astype(np.float32)


def bump(distance: FloatArray, width: float) -> FloatArray:
    """A Gaussian of `distance` with standard deviation `width`."""
    value: FloatArray = np.exp(-0.5 * (distance / width) ** 2)
    return value
