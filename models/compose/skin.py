"""Bare skin and the under-layer as they would look where the old top was: the wearer's tone, lit like the rest of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from models.compose.coordinates import Coordinates
from models.compose.pull_push import pull_push
from models.masks import EVERYWHERE, AnyMask, Box, blur, box_of, enlarge, nearer, ramp, shrink, strongest
from models.person.body import Body
from models.person.limbs import ARM_RADII, PLACES, Arm, usual_radius
from models.types import BoolArray, FloatArray, Label, LabelMap, Picture

Spread = Callable[[FloatArray, AnyMask], FloatArray]
"""Spreads the pixels of a picture (h, w, 3) that have weight (h, w) over the others."""
SKIN_TONE_BLEND = (0.65, 0.35)
"""Tone of filled skin: neck and hands, face."""
TONE_FROM = 35
"""The darkest skin, so many percent of it, lies in shadow."""
SKIN_LEAST_PX = 20
"""Fewer pixels of trusted skin than this (at the reduced size) say nothing of the light."""
TONE_NEAR = 55.0
"""Skin further (0..255) off the wearer's tone is a shadow, a highlight or no skin, and tells nothing of the light."""
CHROMA_NEAR = 20.0
"""What is further (a, b) off the wearer's tone was taken for skin by mistake."""
LOCAL_SHARE = 0.3
"""Share of the light that is seen nearby; the rest is the wearer's tone."""
ANKLE_FROM, ANKLE_TO, SHADOW_FROM = 1.5, 2.12, -0.12
"""Between these places on a leg, skin whose lightness is by this logarithm under the fill's lies in a hem's or a shoe's shadow."""
NEAR_PX = 8
"""Skin is lit this far (reduced px) beyond what is wanted of it."""
LIMB_AT, HAND_AT, FOOT_AT = 0.05, 1.9, 1.97
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
ANKLE_REACH, ANKLE_LIMITS = 0.24, (-0.5, 0.3)
"""Fills above a shoe, where skin lies in shadow, do so over more, within these limits (logarithms): the shadow runs out up the shin."""
LIMB_ROUND = (0.24, 0.14)
"""A limb's light falls off to its edges by the first, and close to them by the second more; measured on bare arms that were hidden ..."""
ARM_LIGHT = (1.03, 0.97)
"""... and drawn again. Arms catch less light than a face and a chest: at the shoulder as much as those, from mid upper arm on less."""
SHADED_SKIN = np.array([0.8, 1.05, 1.15], np.float32)
"""Light falls through skin: its shaded sides are redder."""
DARKER_SKIN = np.array([0.75, 1.05, 1.2], np.float32)
"""Skin that is darker is so least in red."""
BOTH_DARK = (-0.22, 0.0)
"""Legs both of whose ankles are darker than the fill are darker themselves, within these limits (logarithms)."""
JOIN_LIMIT, JOIN_REACH, JOIN_BLUR_PX = 0.5, 0.16, 1.0
"""Fills take the colour of seen skin beside them unless it is off by more than the first (logarithm), fading over the second (units)."""
ARM_FROM = (0.0, 0.25)
"""Between these places an arm parts from the trunk's light, ..."""
LEG_FROM = (0.02, 0.17)
"""... between these a thigh."""
KNEE_TINT = np.array([0.01, -0.03, -0.035], np.float32)
"""Blood shows through the thin skin of a knee: its colour there is off by these shares."""
BONE_AT = (0.06, 0.135)
"""Height of the collarbones over the shoulder joints beside the notch and at their outer ends, units."""
LIGHT_MOST, LIGHTNESS_POWER = 0.14, 1.6
"""Sides of a limb differ from its middle by at most this logarithm; L* to sRGB's logarithm."""
TORSO_TURN, FACE_TURN = 0.5, 5.0
"""A chest is turned this much as far aside as a limb is; a face's sides are turned by so much a unit."""
COLOUR_LEVELS, COLOUR_SHARE = (20.0, 96.0, 4.0), 0.6
"""The wearer's own colours are measured at these lightnesses (from, to, step), and taken for so much."""
HAND_REACH, WIDTH_FADE, WIDTH_STEP, WIDTH_TO, WIDTH_BIN = 1.35, 0.5, 0.03, 2.6, 0.1
"""Coordinates count a hand this much wider than the wrist; what is measured at a sleeve's end fades over so many bones;
it is measured in bands so long, out to so many half widths, in steps of so many."""
WIDTH_BANDS, WRIST_FROM, WRIST_BANDS = (1, 5), 1.8, (0, 3)
"""The first of these bands past the sleeve's end (a cuff's shade and slant are left out) and their number; a sleeve that ends
past the second place ends at the wrist, beyond which the hand soon grows wider: the first few bands tell."""
HIDDEN_BANDS, HIDDEN_TIGHT = 13, 0.2
"""Skin is looked for in so many bands; where there is none the person's outline in all of them tells, at this quantile of the tightest."""
WHOLE_LEAST, MIDDLE_TO = 0.8, 1.5
"""Beside cloth skin is a whole arm from this share of the usual half width on; an arm's own skin begins within so many of the bones."""
END_FROM = 1.995
"""Hand and foot begin here: at the joint itself."""
SLEEVE_FROM = 0.25
"""What ends before this place on the arm is a shoulder or a strap, and its edge on the arm no sleeve's end."""
WIDTH_LEAST_PX, WIDTH_LIMITS, SHIFT_MOST = 4, (0.6, 1.9), 1.2
"""Bands that show fewer px of skin tell nothing; an arm is by these factors off the measured one, and so far aside, at most."""
ARM_SHAPE = ((0.0, 0.25, 0.6, 0.95, 1.2, 1.6, 2.0), (0.98, 1.03, 0.96, 0.94, 1.02, 1.0, 1.0))
"""Deltoid, elbow and the belly of the forearm: factors of the straight taper, by place."""
SKIN_RIM_PX = 3
"""Skin this near to its outline is not asked for its grain."""
GRAIN_PX, FINE_GRAIN, COARSE_GRAIN = 0.6, (0.6, 3.0), (0.002, 0.0045)
"""Grain's size; limits of the grain (grey levels) and of the mottling (share) of seen skin."""
MOTTLE, MOTTLE_SHARE = (0.025, 0.10), (0.4, 0.55)
"""Coarser mottling: sizes in units and strength against the finest."""
UNDER_LAYER = (206.0, 202.0, 197.0)
"""Colour of the neutral under-layer before the scene's light."""


def bare_arms(where: Coordinates, labels: LabelMap, body: Body) -> Coordinates:
    """`where` with each arm as wide, and as far beside its bones, as its skin is where the sleeve ends; round as arms are.

    where: at the size of `labels` (h, w). Further up, and where no end of a sleeve is seen, the usual arm's shape.
    """
    lateral = np.copysign(where.reach, where.lateral)
    for k, arm in enumerate(body.arms):
        # where the sides meet beyond the shoulder `lateral` was interpolated through 0
        own, place = np.copysign(where.reach[k], where.lateral[k]), where.place[k]
        if arm.sleeve_end <= SLEEVE_FROM:
            continue
        wide = own * np.where(place > END_FROM, HAND_REACH, 1.0)
        strength = float(np.interp(arm.sleeve_end, PLACES, arm.radius / usual_radius(ARM_RADII, body.unit_px)))
        half, shift = _seen_width(wide, place, labels, arm, strength)
        near = np.clip(1 - np.abs(PLACES - arm.sleeve_end) / WIDTH_FADE, 0, 1)
        near = near * near * (3 - 2 * near)
        shape = np.interp(PLACES, *ARM_SHAPE)
        shape = shape + (1 - shape) * np.clip((PLACES - arm.sleeve_end) / 0.05 + 1, 0, 1)
        factor, beside = shape + (half - shape) * near, shift * near
        past = (place > END_FROM) & (arm.sleeve_end > 1.7)
        value = np.where(past, wide, own)
        lateral[k] = (value - np.interp(place, PLACES, beside)) / np.interp(place, PLACES, factor)
    return replace(where, lateral=lateral.astype(np.float32), reach=np.abs(lateral).astype(np.float32))


def _seen_width(lateral: FloatArray, place: FloatArray, labels: LabelMap, arm: Arm, strength: float) -> tuple[float, float]:
    """Half width and middle (arm half widths) of the skin just past the sleeve's end on an arm; (1, 0) where it is not told.

    Against the ground an edge is the arm's own; against cloth it is so where the arm lies before it and is not too narrow to be
    all of an arm of `strength` (1 is usual); else cloth hides a part of an arm that is as wide as arms are. An arm that is not
    seen at all lies within the silhouette.
    """
    end = arm.sleeve_end
    first, count = WRIST_BANDS if end > WRIST_FROM else WIDTH_BANDS
    skin: list[tuple[float, float, bool, bool]] = []
    hidden: list[tuple[float, float, bool, bool]] = []
    for start in end + WIDTH_STEP * np.arange(first, HIDDEN_BANDS):
        band = (np.abs(lateral) < WIDTH_TO) & (place >= start) & (place < start + WIDTH_STEP)
        bare, edges = _edges(lateral[band], labels[band])
        if edges is not None:
            (skin if bare else hidden).append(edges)
    half, shift = 1.0, 0.0
    if len(skin) >= 2:
        low, high, left, right = np.median(skin[:count], 0)
        half, shift = (high - low) / 2, (high + low) / 2
        if min(left, right) < 0.5 and not (arm.in_front and half * strength > WHOLE_LEAST):
            if max(left, right) < 0.5:
                return 1.0, 0.0
            half = max(half, 1.0)
            shift = high - half if right > left else low + half
    elif len(hidden) >= 2:
        (_, high, left, right), low = np.quantile(hidden, HIDDEN_TIGHT, 0), np.quantile(hidden, 1 - HIDDEN_TIGHT, 0)[0]
        shift = min(high - 1, 0) * (right > 0.5) + max(low + 1, 0) * (left > 0.5)
    if not WIDTH_LIMITS[0] < half < WIDTH_LIMITS[1] or abs(shift) > SHIFT_MOST:
        return 1.0, 0.0
    return float(half), float(shift)


def _edges(across: FloatArray, seen: LabelMap) -> tuple[bool, tuple[float, float, bool, bool] | None]:
    """Of a band across an arm: whether its skin is seen; and from where to where it, or else the person, is, and if ground begins there.

    None where that is not told.
    """
    count = round(2 * WIDTH_TO / WIDTH_BIN)
    column = np.clip((across + WIDTH_TO) / WIDTH_BIN, 0, count - 1).astype(np.intp)
    table = np.bincount(seen.astype(np.intp) * count + column, minlength=len(Label) * count).reshape(len(Label), count)
    known = np.flatnonzero(table.any(0))
    if len(known) < count // 4:
        return False, None
    # a bin between two pixels shows what the nearest one does
    row = table.argmax(0)[known[np.abs(known - np.arange(count)[:, None]).argmin(1)]]
    turns = np.flatnonzero(np.diff(np.concatenate([[0], row == Label.SKIN, [0]]))).reshape(-1, 2)
    near = turns[(turns[:, 0] < (1 + MIDDLE_TO / WIDTH_TO) * count / 2) & (turns[:, 1] > (1 - MIDDLE_TO / WIDTH_TO) * count / 2)]
    bare = len(near) > 0
    if bare:
        start, stop = near[np.argmax(near[:, 1] - near[:, 0])]
        own = across[(seen == Label.SKIN) & (column >= start) & (column < stop)]
        if len(own) < WIDTH_LEAST_PX:
            return bare, None
        low, high = np.quantile(own, (0.02, 0.98))
    elif row[count // 2] == Label.BACKGROUND:
        return bare, None
    else:
        ground = np.flatnonzero(row == Label.BACKGROUND)
        start, stop = ground[ground < count // 2].max(initial=-1) + 1, ground[ground > count // 2].min(initial=count)
        low, high = start * WIDTH_BIN - WIDTH_TO, stop * WIDTH_BIN - WIDTH_TO
    left = start > 0 and row[start - 1] == Label.BACKGROUND
    return bare, (float(low), float(high), bool(left), bool(stop < count and row[stop] == Label.BACKGROUND))


def mottling(
    photo: Picture, seen: FloatArray, noise: FloatArray, scale: float, unit_px: float, box: Box = EVERYWHERE
) -> tuple[FloatArray, FloatArray]:
    """Grain (h, w) in grey levels, and mottling (h, w) as a relative change, as strong as on the `seen` (0..1) skin; both in the `box`.

    noise (H, W): white; scale: small px a photo px, at which the mottling is drawn.
    """
    height, width = seen.shape
    fine, coarse = FINE_GRAIN[0], COARSE_GRAIN[0]
    sure = seen > 0.9
    told = box_of(sure, SKIN_RIM_PX)
    if told is not None:
        inside = shrink(sure[told], SKIN_RIM_PX) > 0
        if inside.sum() > 30 * SKIN_LEAST_PX:
            luma = cv2.transform(photo[told].astype(np.float32), np.array([[0.3, 0.59, 0.11]], np.float32))
            soft = blur(luma, 1.0)
            fine = float(np.clip(1.48 * np.median(np.abs(luma - soft)[inside]), *FINE_GRAIN))
            broad = blur(soft, 3.0)
            coarse = float(np.clip(1.48 * np.median((np.abs(soft - broad) / (broad + 8))[inside]), *COARSE_GRAIN))
    grain = blur(noise[box], GRAIN_PX)
    grain *= fine / max(float(grain[::4, ::4].std()), 1e-6)
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    small = cv2.resize(noise, size, interpolation=cv2.INTER_NEAREST)
    mottled = np.zeros((size[1], size[0]), np.float32)
    sizes = (1.2, *(max(2.0, own * unit_px * scale) for own in MOTTLE))
    for sigma, share in zip(sizes, (1.0, *MOTTLE_SHARE), strict=True):
        band = blur(small, sigma)
        mottled += band * (share * coarse / max(float(band.std()), 1e-6))
    return grain, enlarge(mottled, (width, height))[box]


def bare_and_layer(
    small: FloatArray, labels: LabelMap, body: Body, where: Coordinates, clean: BoolArray, scale: float, wanted: Box = EVERYWHERE
) -> tuple[FloatArray, FloatArray]:
    """Lit skin and the lit under-layer, (h, w, 3) 0..255: at least where they are `wanted`, elsewhere 0.

    All at the reduced size: the photo `small` (h, w, 3) 0..255, its `labels`, the pixels' coordinates, `clean` where
    nothing was removed; `scale` is small px a photo px.
    """
    unit = body.unit_px * scale
    to_right = _to_right(where.lateral, where.place, where.across), _to_right(where.leg_lateral, where.leg_place, where.across)
    asked = labels == Label.SKIN
    asked[wanted] = True
    box = box_of(asked, NEAR_PX)
    whole = np.zeros_like(small), np.zeros_like(small)
    if box is None:
        return whole

    def spread(picture: FloatArray, weight: AnyMask) -> FloatArray:
        """`pull_push` of the box within the whole picture: what lies far off is as it is whatever the box."""
        pictures, weights = np.zeros_like(small), np.zeros(labels.shape, np.float32)
        pictures[box], weights[box] = picture, weight
        return pull_push(pictures, weights)[box]

    turned = to_right[0][:, box[0], box[1]], to_right[1][:, box[0], box[1]]
    parts = _bare_and_layer(small[box], labels[box], body, where.within(box), clean[box], unit, turned, spread)
    for plane, part in zip(whole, parts, strict=True):
        plane[box] = part
    return whole


def _bare_and_layer(
    small: FloatArray,
    labels: LabelMap,
    body: Body,
    where: Coordinates,
    clean: BoolArray,
    unit: float,
    to_right: tuple[FloatArray, FloatArray],
    spread: Spread,
) -> tuple[FloatArray, FloatArray]:
    # the wearer's tone, with the light of the skin that is seen nearby
    tone, weight = _skin_tone(small, labels, where.from_nose)
    lab, own = _lab(small), _lab(tone[None, None])[0, 0]
    own_skin = (labels == Label.SKIN) & (_apart(lab[..., 1:], own[1:]) < CHROMA_NEAR)
    weight = weight * (_apart(small, tone) < TONE_NEAR) * clean
    local = np.broadcast_to(tone, small.shape)
    if weight.sum() > SKIN_LEAST_PX:
        local = spread(small, weight)
    skin: FloatArray = blur(local, max(1.0, 0.05 * unit)) * LOCAL_SHARE + tone * (1 - LOCAL_SHARE)
    chin_y = float((body.chin - body.middle) @ body.over / body.unit_px)
    shade = np.clip(torso_shade(where.across, where.over, chin_y), 0.72, 1.12)
    reach, leg_reach = nearer(where.reach), nearer(where.leg_reach)
    arm, leg = where.reach[1] < where.reach[0], where.leg_reach[1] < where.leg_reach[0]
    place, leg_place = _of(where.place, arm), _of(where.leg_place, leg)
    side, leg_side = _of(to_right[0], arm), _of(to_right[1], leg)
    from_side = _light_from(lab[..., 0], own_skin & clean, where, to_right)
    inner = ramp(side * np.sign(where.across), 0.1, -0.5)
    on_arm = ramp(reach, 1.06, 0.94) * ramp(np.abs(where.across), 0.38, 0.48) * ramp(place, *ARM_FROM)
    on_leg = ramp(leg_reach, 1.06, 0.94) * ramp(leg_place, *LEG_FROM)
    torso = shade * np.exp(from_side * TORSO_TURN * np.clip(where.across / 0.5, -1, 1))
    light: FloatArray = torso + (leg_shade(leg_reach, leg_place) * np.exp(from_side * np.clip(leg_side, -1, 1)) - torso) * on_leg
    arm_light = arm_shade(reach, place, inner) * np.exp(from_side * np.clip(side, -1, 1))
    light = blur(light + (arm_light - light) * on_arm, max(0.6, 0.012 * unit))[..., None]
    bare = _in_own_colours(skin * light**SHADED_SKIN, lab, own_skin & clean)
    bare = bare * (1 + (bump(leg_place - 1.0, 0.07) * bump(leg_reach, 0.5) * on_leg)[..., None] * KNEE_TINT)
    dimmer = np.log((lab[..., 0] + 4) / (_lab(np.clip(bare, 0, 255))[..., 0] + 4))
    ankles = (leg_place > ANKLE_FROM) & (leg_reach < 2)
    shadow = (dimmer < SHADOW_FROM) & ankles
    on_legs = own_skin & clean & ~shadow & (reach > ARM_CLEAR)  # an arm before a leg tells nothing of the leg
    limbs = [(*limb, own_skin & clean, HAND_AT) for limb in zip(where.lateral, where.place, strict=True)]
    limbs += [(*limb, on_legs, FOOT_AT) for limb in zip(where.leg_lateral, where.leg_place, strict=True)]
    for lateral, place, trusted, end in limbs:  # each limb goes on as its own visible skin is lit
        seen = (np.abs(lateral) < 1) & trusted & (place > LIMB_AT) & (place < end)
        if seen.sum() > LIMB_LEAST_PX:
            share, sigma = ramp(np.abs(lateral), 1.35, 1.05) * ramp(place, 0.0, 0.25), max(0.6, 0.02 * unit)
            limb = box_of(share, 4 * sigma) or EVERYWHERE
            light_of_it = _limb_light(small[limb], bare[limb], lateral[limb], place[limb], seen[limb])
            bare[limb] *= np.exp(blur(share[limb], sigma)[..., None] * light_of_it)
    seen_ankles = [ankles & own_skin & clean & (leg == k) & (leg_reach < 1) & (leg_place < ANKLE_TO) for k in (0, 1)]
    if all(one.sum() > SKIN_LEAST_PX for one in seen_ankles):
        # where both lie in the dark it is not one shoe's shadow
        darker = max(float(np.median(dimmer[one])) for one in seen_ankles)
        bare = bare * np.exp((np.clip(darker, *BOTH_DARK) * on_leg * ramp(leg_place, 0.2, 1.6))[..., None] * DARKER_SKIN)
    bare = _joined(spread, small, bare, own_skin & clean, ankles, unit * np.where(ankles, ANKLE_REACH, JOIN_REACH))
    luma = float(tone.mean()) / 185.0
    below = torso + (light[..., 0] - torso) * on_leg
    layer = np.array(UNDER_LAYER, np.float32) * np.clip(luma, 0.45, 1.1) * below[..., None]
    return bare, layer.astype(np.float32)


def _apart(picture: FloatArray, colour: FloatArray) -> FloatArray:
    """(h, w) the distance of (h, w, C) from a colour (C,)."""
    total: FloatArray = np.zeros(picture.shape[:2], np.float32)
    for channel, own in enumerate(colour):
        off = picture[..., channel] - np.float32(own)
        total += off * off
    return np.asarray(np.sqrt(total), np.float32)


def _of(pair: FloatArray, second: BoolArray) -> FloatArray:
    """(2, h, w) -> (h, w): the second where told."""
    return np.asarray(np.where(second, pair[1], pair[0]), np.float32)


def _to_right(lateral: FloatArray, place: FloatArray, across: FloatArray) -> FloatArray:
    """(2, H, W) how far a limb's surface is turned to the picture's right: -1..1 at its edges where it hangs straight down."""
    turned = np.zeros_like(lateral)
    for own, along, out in zip(lateral, place, turned, strict=True):
        for bone in (along <= 1, along > 1):
            on = bone & (np.abs(own) < 1) & (along > LIMB_AT) & (along < 2)
            if on.sum() > SKIN_LEAST_PX:
                spread = np.std(own[on]) * np.std(across[on])
                out[bone] = (own * (np.mean((own[on] - own[on].mean()) * across[on]) / max(float(spread), 1e-6)))[bone]
    return turned


def _light_from(lightness: FloatArray, seen: BoolArray, where: Coordinates, to_right: tuple[FloatArray, FloatArray]) -> float:
    """By which logarithm skin that is turned to the picture's right is lighter; fitted to `seen` skin of face and limbs."""
    value = np.log(np.maximum(lightness, 5) / 50) * LIGHTNESS_POWER
    groups = [(where.across - float(where.across[where.from_nose < 0.2].mean() if (where.from_nose < 0.2).any() else 0)) * FACE_TURN]
    inside = [seen & (where.from_nose < 0.95)]
    limbs = ((to_right[0], where.lateral, where.place), (to_right[1], where.leg_lateral, where.leg_place))
    for turned, lateral, place in (one for kind in limbs for one in zip(*kind, strict=True)):
        groups.append(turned)
        inside.append(seen & (np.abs(lateral) < 0.8) & (place > 0.2) & (place < HAND_AT))
    both, square = 0.0, 0.0
    for turned, on in zip(groups, inside, strict=True):
        if on.sum() > LIMB_LEAST_PX:
            own, tell = np.clip(turned[on], -1, 1), value[on]
            own = own - own.mean()
            both += float((own * (tell - np.median(tell)).clip(-0.4, 0.4)).sum())
            square += float((own**2).sum())
    return float(np.clip(both / max(square, 1e-3), -LIGHT_MOST, LIGHT_MOST))


def _in_own_colours(bare: FloatArray, lab: FloatArray, seen: BoolArray) -> FloatArray:
    """`bare` (h, w, 3) with the hue and chroma the wearer's `seen` skin has at the same lightness."""
    seen = shrink(seen, 1) > 0
    if seen.sum() < LIMB_LEAST_PX:
        return bare
    level, colour = lab[..., 0][seen], lab[..., 1:][seen]
    centres = np.arange(*COLOUR_LEVELS)
    known = [c for c in centres if (np.abs(level - c) < COLOUR_LEVELS[2]).sum() > SKIN_LEAST_PX]
    if len(known) < 2:
        return bare
    table = np.array([np.median(colour[np.abs(level - c) < COLOUR_LEVELS[2]], 0) for c in known])
    count = np.array([(np.abs(level - c) < COLOUR_LEVELS[2]).sum() for c in known], float)
    # rare levels are highlights and deep shadows: they follow the common ones
    share = (count / (count + 0.05 * count.max()))[:, None]
    table = table * share + (count @ table / count.sum()) * (1 - share)
    own = _lab(np.clip(bare, 0, 255))
    for c in (0, 1):
        target = np.interp(own[..., 0], known, table[:, c])
        own[..., c + 1] += (target - own[..., c + 1]) * COLOUR_SHARE
    return np.asarray(cv2.cvtColor(own, cv2.COLOR_LAB2RGB) * 255, np.float32)


def _joined(spread: Spread, small: FloatArray, bare: FloatArray, seen: BoolArray, ankles: BoolArray, reach_px: FloatArray) -> FloatArray:
    """The fill `bare` (h, w, 3), within about `reach_px` (h, w) brought to the colour of the `seen` skin beside it.

    No step where the old cloth ended; skin of `ankles` may be dark in the shadow of what was worn.
    """
    off = np.log((small + 4) / (bare + 4))
    trusted = shrink(seen & ((strongest(off) < JOIN_LIMIT) | ankles), 1)
    if trusted.sum() < SKIN_LEAST_PX:
        return bare
    off = np.where(ankles[..., None], np.clip(off, *ANKLE_LIMITS), off)
    carried = spread(off, trusted)
    away = cv2.distanceTransform((trusted == 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    near = np.exp(-away / reach_px)[..., None]
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
    alike = rest & (_apart(lab[..., 1:], centre[1:]) < 14) & (np.abs(lab[..., 0] - centre[0]) < 27)
    use = alike if alike.sum() > 100 else seed
    bright = lab[..., 0][use]
    tone = np.median(photo[use][bright >= np.percentile(bright, TONE_FROM)], 0)
    own = np.median(photo[seed], 0)
    return (SKIN_TONE_BLEND[0] * tone + SKIN_TONE_BLEND[1] * own).astype(np.float32), use.astype(np.float32)


def _lab(picture: FloatArray) -> FloatArray:
    """(H, W, 3) RGB 0..255 to CIE Lab."""
    return np.asarray(cv2.cvtColor((picture / 255).astype(np.float32), cv2.COLOR_RGB2LAB), np.float32)


def torso_shade(x: FloatArray, y: FloatArray, chin_y: float) -> FloatArray:
    """Light on a bare neck and chest, about 0.7 to 1.1; x outward, y up from the shoulder joints' middle, in units.

    A wide cylinder for the chest, a narrow one for the neck, the chin's shadow, collarbones, the notch between them and
    the breastbone's soft hollow.
    """
    across = np.abs(x)
    shade = 1.02 - 0.10 * np.clip(across / 0.55, 0, 1.1) ** 3
    shade -= ramp(y, 0.16, 0.24) * 0.16 * np.clip(across / 0.24, 0, 1.2) ** 2
    shade -= 0.16 * bump(y - (chin_y - 0.03), 0.07) * np.clip(1 - across / 0.26, 0, 1)
    t = ramp(across, 0.05, 0.38)
    bone = BONE_AT[0] + (BONE_AT[1] - BONE_AT[0]) * t - 0.018 * np.sin(np.pi * t)
    weight = ramp(across, 0.03, 0.09) * ramp(across, 0.44, 0.28)
    shade += weight * (0.075 * bump(y - bone, 0.016) - 0.10 * bump(y - bone - 0.042, 0.024) - 0.07 * bump(y - bone + 0.04, 0.026))
    shade -= 0.10 * bump(x, 0.032) * bump(y - BONE_AT[0] - 0.005, 0.03)
    shade -= 0.035 * bump(x, 0.05) * ramp(y, 0.0, -0.08) * ramp(y, -0.5, -0.25)
    shade -= 0.05 * ramp(y, 0.05, -0.45)
    return shade.astype(np.float32)


def limb_shade(reach: FloatArray) -> FloatArray:
    """Light across a bare limb: `reach` 0 at the bone, 1 at the skin's edge; flat, then falling off close to the edge."""
    held = np.clip(reach, 0, 1)
    return (1.0 - LIMB_ROUND[0] * held**2 - LIMB_ROUND[1] * held**7).astype(np.float32)


def arm_shade(reach: FloatArray, place: FloatArray, inner: FloatArray) -> FloatArray:
    """Light on a bare arm: `place` 0 shoulder, 1 elbow; `inner` 0..1 on the side of the trunk, where the armpit is dark."""
    edge = limb_shade(np.zeros(1, np.float32)) - limb_shade(reach)
    # a shoulder goes over into the chest and is lit like that: only from the armpit on is there an edge
    shade = ARM_LIGHT[0] + (ARM_LIGHT[1] - ARM_LIGHT[0]) * ramp(place, 0.0, 0.5) - edge * (1 - inner * ramp(place, 0.42, 0.15))
    shade -= 0.07 * inner * bump(place - 0.5, 0.16) * np.clip(reach, 0, 1) ** 2
    shade += 0.025 * bump(place - 0.22, 0.14) * (1 - inner) * bump(reach - 0.35, 0.4)
    held = np.clip(reach, 0, 1)
    shade -= 0.055 * bump(place - 1.0 - 0.03 * held, 0.03) * (0.35 + 0.65 * inner) * ramp(held, 1.0, 0.5)
    shade -= 0.025 * bump(place - 1.0, 0.12) - 0.02 * bump(place - 1.25, 0.12) * ramp(held, 0.9, 0.3)
    return shade.astype(np.float32)


def leg_shade(reach: FloatArray, place: FloatArray) -> FloatArray:
    """Light on a bare leg: the kneecap is lighter, what is beside and below it darker; the shin's edge catches light."""
    held = np.clip(reach, 0, 1)
    shade = 1.05 - 0.15 * held**2 - 0.17 * held**6
    cap = bump(place - 0.98, 0.05) * bump(held, 0.38)
    rim = bump(place - 1.075, 0.028) * bump(held, 0.42) + 0.6 * bump(place - 0.99, 0.07) * bump(held - 0.72, 0.14)
    above = bump(place - 0.885, 0.03) * bump(held, 0.5)
    shade += 0.07 * cap - 0.10 * rim - 0.06 * above
    shade += 0.04 * ramp(place, 1.12, 1.25) * ramp(place, 1.95, 1.7) * bump(held, 0.2)
    shade -= 0.04 * ramp(place, 1.85, 2.0)
    return np.asarray(shade, np.float32)


def bump(distance: FloatArray, width: float) -> FloatArray:
    """A Gaussian of `distance` with standard deviation `width`."""
    value: FloatArray = np.exp(-0.5 * (distance / width) ** 2)
    return value
