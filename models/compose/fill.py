"""What to show where the old clothes were."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from models.compose.coordinates import Coordinates
from models.compose.pull_push import pull_push
from models.compose.remove import NEAR_CLOTH, background_weight
from models.compose.skin import END_FROM, HAND_REACH, SLEEVE_FROM, bare_and_layer, bare_arms, mottling
from models.compose.worn import Off, Worn
from models.masks import (
    AnyMask,
    Box,
    blur,
    box_of,
    close,
    common,
    enlarge,
    larger,
    nearer,
    ramp,
    reduce,
    seen_from,
    shrink,
    steep,
    strongest,
)
from models.person.body import HIGH_BAND, ROW_COUNT, ROW_SPAN, TOP_COUNT, TOP_FROM, TOP_TO, TRUNK_ROWS, WAIST_COUNT, WAIST_TO, Body
from models.types import BoolArray, FloatArray, Label, LabelMap, Picture

FILL_LONG_SIDE_PX = 512
"""Colours are smooth: they are filled at this size."""
CHEST_DEPTH = 0.44
"""Skin is filled down to this far below the shoulder line (units), the height of a bandeau; at the sides too: under a raised arm, between
sleeve and torso, an armpit may show."""
AXILLA, AXILLA_TO = (1.2, 1.5), (0.6, 0.35)
"""Round the upper arm, out to this many arm half widths, the fill is skin too: a raised arm has no cloth under it."""
BEHIND_FROM = (1.3, 1.1)
"""From here on an arm that does not lie before the trunk lies behind it."""
SEEN_ARM = (1.2, 1.5)
"""Skin within so many half widths of an arm's bones is the arm's: in full, not any more."""
LOWER_CLOSE, LOWER_LEAST_PX = 0.04, 100
"""Gaps in the seen lower garment (a hand, a belt) up to twice the first (units) are filled with it, if that much is seen."""
LOWER_OVER = (-0.03, -0.015)
"""It begins this far (units) above the waist line: under a hem that ends at the old one no light may shine through."""
RIM_FROM, RIM_OVER = 0.01, 0.03
"""Of the lower garment that stays, what is this much inside its outline (units) has none of the old top's edge in it, and goes
on over that edge, up to the second above it."""
RIM_REACH_PX = 64
"""What lies further than this from what is filled tells nothing of its colours; the grids of a pyramid repeat after so many px."""
LOWER_UP, LOWER_SMOOTH = 0.06, 0.02
"""Its upper edge may lie this far (units) below the waist line, where a belt dips; its sides are smoothed over the second."""
OUT_HEM, OUT_RATIO = 0.22, 0.9
"""A top hangs out that ends at most the first (trunk lengths) above the hips, and is at least the second as wide as what is
worn below it; see WORN_OUT in `drape/targets.py`. What a shorter top uncovers is no skin, but ..."""
RAISED_EDGE, RUN_IN = 0.01, 0.85
"""... the lower garment, up to HIGH_BAND over a soft edge (trunk lengths); up there it is this share as wide as at the hem."""
NOTCH, NOTCH_AT, NOTCH_STEP = 0.10, 0.3, 4
"""Notches up to twice the first (units) are filled where a bare shoulder goes over into its arm: within so many units of the shoulder
line, and places on the arm; found at a picture reduced so much."""
HANGS_FROM = 0.2
"""Cloth this much (places on the arm) beyond a sleeve's end is not the sleeve's."""
GROUND_LIKE = 14.0
"""What differs by less (0..255) from the ground further off is ground too, beside a fill, ..."""
CLOTH_UNLIKE = 0.6
"""... if it differs by less than this share of its difference from the old cloth."""
SIDE_SHARE = 0.97
"""The bare trunk is this much narrower than the clothed outline."""
BARE_SIDE = ((0.3, 0.62, 0.92, 1.1), (0.48, 0.46, 0.56, 0.61))
"""Half widths (units) of a bare trunk (trunk lengths below the shoulders): a loose top's or a skirt's flare is no body."""
COVERED_SHARE, COVERED_FROM, COVERED_TO = 0.78, (0.55, 0.75), (0.4, 0.25)
"""What will lie under a new lower garment is this much narrower still, fully from the second's end on (trunk lengths below the shoulders)
down to the third's (places on the leg): the garment's own side is the body's there, and beside a slimmer one no under-layer may show."""
HIPS_TO = 0.12
"""The trunk ends this far (units) below the hip joints; from there on there are two thighs."""
LAYER_TO, LAYER_EDGE = 0.25, 0.012
"""The under-layer ends at this share of the thigh, over this soft edge."""
ABOVE_FROM, ABOVE_TO, ARM_CLEAR = 0.25, (0.12, 0.06), 1.5
"""The top (or the midriff) within the first (units) above the waist line goes on down to the second below it, so that no
gap opens above a new waistband; what is nearer to an arm than the third (half widths) is not taken for it."""
EDGE = 10.0
"""A limb's outline is so many half widths soft, divided by the unit in px: about two px."""
SHOULDER_FROM, SHOULDER_TO, SHOULDER_POINTS = 0.24, 0.55, 9
"""Between these distances from the middle (units) a bare shoulder runs ..."""
SHOULDER_CLOTH = 0.012
"""... so far below the clothed one."""
BARE_SHOULDER = ((0.24, 0.34, 0.42, 0.48, 0.52, 0.55), (0.31, 0.23, 0.18, 0.135, 0.09, 0.04))
"""A bare shoulder's height over the joints (units) at these distances from the middle, at most."""
NECK_HALF, NECK_TO = 0.17, 0.42
"""A neck's half width and its height over the shoulder line, units."""
INSIDE_FROM, INSIDE_SMOOTH = 0.36, 0.012
"""Fills of the body end where the background's complement falls under the first, smoothed over the second (units)."""
GRAIN = 2.2
"""Grey levels of noise on fills, or they look painted."""
MOTTLED = np.array([0.75, 1.05, 1.1], np.float32)
"""Blood under the skin takes less red away than green and blue."""


def bare_where(worn: Worn, body: Body) -> Coordinates:
    """Coordinates of arms as wide as they are bare, at the reduced size that colours are filled at."""
    labels = _reduced(worn.parse.labels)
    return bare_arms(worn.where.resized((labels.shape[0], labels.shape[1])), labels, body)


def _reduced(labels: LabelMap) -> LabelMap:
    height, width = labels.shape
    scale = min(1.0, FILL_LONG_SIDE_PX / max(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    return np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def fill_in(
    photo: Picture, worn: Worn, small_where: Coordinates, beyond: FloatArray, body: Body, removed: FloatArray, box: Box, off: Off
) -> tuple[FloatArray, FloatArray]:
    """Skin, under-layer, the clothes that stay, or ground: (h, w, 3) 0..255, and where of it is skin, (h, w) 0..1; both in the `box` only.

    small_where: `bare_where`; beyond: `beyond_arms`. The outlines between them are the photo's own size.
    """
    parse = worn.parse
    height, width = parse.labels.shape
    scale = min(1.0, FILL_LONG_SIDE_PX / max(height, width))
    labels = _reduced(parse.labels)
    size = (labels.shape[1], labels.shape[0])
    unit = body.unit_px * scale
    small = reduce(photo, size)
    clean = reduce(removed, size) < 0.05
    where, q = worn.where.within(box), parse.probabilities[:, box[0], box[1]]

    def full(picture: AnyMask) -> FloatArray:
        return enlarge(picture, (width, height))[box]

    def filled(weight: AnyMask) -> FloatArray:
        return full(pull_push(small, (weight * clean).astype(np.float32)))

    def trunk_mask(end: int, bare: bool, least: FloatArray | None = None) -> FloatArray:
        return _trunk_mask(body, (width, height), box, end, bare, least, covered=off.bottom)

    wanted = (
        slice(int(box[0].start * scale), int(box[0].stop * scale) + 1),
        slice(int(box[1].start * scale), int(box[1].stop * scale) + 1),
    )
    ground = full(_ground(small, worn, clean, unit, off))
    bare, layer = (full(p) for p in bare_and_layer(small, labels, body, small_where, clean, scale, wanted))
    edge = EDGE / body.unit_px
    # arms were under the old top only: a hand in a pocket stays hidden
    arms, arms_before = (
        on * (1 - steep(q[Label.LOWER])) * off.top
        for on in _arms(where, [full(own) for own in small_where.reach], body, q[Label.SKIN] * (1 - beyond[box]))
    )
    trunk = trunk_mask(TRUNK_ROWS, bare=True)
    # an ankle is no wider than the shin: the foot below it is seen
    covered = 1 + (1 / COVERED_SHARE - 1) * ramp(where.leg_place, *COVERED_TO)
    legs = larger(ramp(where.leg_reach * np.where(where.leg_place > END_FROM, HAND_REACH, covered), 1.0 + edge, 1.0 - edge))
    hips = trunk_mask(_hip_row(body), bare=True) if off.bottom else trunk
    if off.bottom:
        trunk = np.maximum(hips, legs)
    along = np.where(where.leg_reach[1] < where.leg_reach[0], where.leg_place[1], where.leg_place[0])
    thighs = ramp(along, LAYER_TO, LAYER_TO + LAYER_EDGE) * legs * (1 - hips)
    chest = np.maximum(np.maximum(arms * (1 - trunk), arms_before), _chest(where) * off.top)
    skin = np.maximum(chest, thighs)
    on_body = layer + (bare - layer) * skin[..., None]
    if off is Off.UPPER:
        # below the waist line the lower garment goes on, as wide as it is seen to be
        lower = shrink(labels == Label.LOWER, 2)
        if (lower * clean).sum() > LOWER_LEAST_PX:
            share = ramp(where.below_waist / body.unit_px, *LOWER_OVER) * (1 - arms)
            # what a hanging top has hidden of it too
            raised = _raised(where, body)
            # from the width that is seen below the hem it runs in to the waist's
            raised_trunk = raised * trunk_mask(TRUNK_ROWS, bare=True, least=_run_in(body)) if raised.any() else raised
            trunk, arms = np.maximum(trunk, raised_trunk), arms * (1 - raised_trunk * _hangs_before(where, body, q[Label.UPPER]))
            with_hidden = np.maximum(share, raised * (1 - arms))
            on_body += (filled(lower) - on_body) * with_hidden[..., None]
            skin = skin * (1 - with_hidden)
            clothed = trunk_mask(TRUNK_ROWS, bare=False)
            wide = ramp(full(_wide_lower(labels, small_where, body.unit_px, scale)), 0.4, 0.6)
            trunk = trunk * (1 - share) + np.minimum(clothed, wide) * share
    elif off is Off.LOWER:
        # what is seen above the waist line goes on a little below it
        small_below = small_where.below_waist / body.unit_px
        above = (labels != Label.LOWER) & (labels != Label.BACKGROUND) & (small_below > -ABOVE_FROM) & (small_below < 0)
        above &= (nearer(small_where.reach) > ARM_CLEAR) & ((labels == Label.UPPER) | (labels == Label.SKIN))
        if (above * clean).sum() > LOWER_LEAST_PX:
            share = ramp(where.below_waist / body.unit_px, *ABOVE_TO) * (1 - arms)
            on_body += (filled(shrink(above, 1)) - on_body) * share[..., None]
            skin = skin * (1 - share)
    neck = (np.abs(where.across) < 0.27) & (where.over > 0) & (where.over < 0.6)
    # white cloth before a white wall has a frayed outline, which no skin has
    sigma = max(0.7, INSIDE_SMOOTH * body.unit_px)
    inside = np.clip((blur(1 - q[Label.BACKGROUND], sigma) - INSIDE_FROM) * max(2.5, 1.5 * sigma) + 0.5, 0, 1)
    body_share = np.maximum(_rounded_off(np.maximum(arms, trunk), worn.where, box, body.unit_px), neck) * inside
    fill = ground + (on_body - ground) * body_share[..., None]
    on_skin = skin * body_share
    return _textured(fill, photo, parse.probabilities[Label.SKIN], on_skin, box, scale, body.unit_px), on_skin.astype(np.float32)


def _ground(small: FloatArray, worn: Worn, clean: BoolArray, unit: float, off: Off) -> FloatArray:
    """(h, w, 3) what lies behind a person, at the size of the photo `small`; clean: where nothing is removed."""
    size = (small.shape[1], small.shape[0])
    seen = shrink(reduce(worn.parse.probabilities[Label.BACKGROUND], size) > 0.9, 2)
    cloth = reduce(worn.cloth(off), size) > 0.5
    ground = pull_push(small, (background_weight(seen, cloth, NEAR_CLOTH * unit) * clean).astype(np.float32))
    # right beside the hole the ground is taken as it is, unless it may be cloth: no ghost of the old outline
    step = small - ground
    joins = (seen > 0) & clean & (strongest(step) < GROUND_LIKE)
    if cloth.any():
        joins &= strongest(step) < CLOTH_UNLIKE * strongest(small - np.median(small[cloth], 0))
    if joins.any():
        ground = ground + pull_push(step, joins.astype(np.float32))
    return ground


def band_rim(photo: Picture, fill: FloatArray, lower: FloatArray, where: Coordinates, box: Box, unit_px: float) -> FloatArray:
    """`fill` (h, w, 3) of the `box` with the rim of the `lower` garment (H, W) 0..1 in the colours right inside it, at full size.

    A smooth fill shines through along a tucked top's edge, lighter or darker than the waistband beside it.
    """
    over = max(1, round(RIM_OVER * unit_px))
    seen = box_of(lower > 0)
    if seen is None:
        return fill
    garment = (slice(max(0, seen[0].start - 2 * over), seen[0].stop), slice(max(0, seen[1].start - over), seen[1].stop + over))
    # of the garment no more than what its rim in the box is made of
    rows, columns = (
        slice(own.start + max(0, (part.start - own.start) // RIM_REACH_PX - 1) * RIM_REACH_PX, min(own.stop, part.stop + RIM_REACH_PX))
        for own, part in zip(garment, box, strict=True)
    )
    near = (rows, columns)
    inside = shrink(lower[near] > 0.5, max(1.0, RIM_FROM * unit_px))
    if inside.sum() <= LOWER_LEAST_PX:
        return fill
    up = cv2.dilate(lower[near], np.ones((over, 1), np.uint8), anchor=(0, 0))
    below = where.below_waist[near]
    share = np.maximum(lower[near], up * ramp(below, -2.0 * over, -over) * ramp(below, 2.0 * over, over))
    local = pull_push(photo[near].astype(np.float32), inside.astype(np.float32))
    both = common(near, box)
    if both is None:
        return fill
    in_fill, in_near = seen_from(both, box), seen_from(both, near)
    result = fill.copy()
    result[in_fill] += (local[in_near] - fill[in_fill]) * share[in_near][..., None]
    return result


def _arms(where: Coordinates, bare: Sequence[FloatArray], body: Body, skin: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(H, W) 0..1 the bare arms, and what of them lies before the trunk; `bare`: distances (H, W) from each arm's bones, 1 at its skin.

    Where its `skin` is seen beside the old cloth an arm is as wide as that, wherever the pose has its bones.
    """
    seen = steep(skin) * ramp(nearer(where.reach), SEEN_ARM[1], SEEN_ARM[0])
    edge = EDGE / body.unit_px
    beside = [ramp(own, 1.0 + edge, 1.0 - edge) for own in bare]
    # a forearm that is not known to be before the trunk may be behind it
    first, second = (
        own * (1.0 if arm.in_front else ramp(place, *BEHIND_FROM)) * arm.visible
        for own, place, arm in zip(beside, where.place, body.arms, strict=True)
    )
    return np.maximum(np.maximum(beside[0], beside[1]), seen), np.maximum(np.maximum(first, second), seen)


def _wide_lower(labels: AnyMask, small: Coordinates, unit_px: float, scale: float) -> FloatArray:
    """(h, w) 0..1: the lower garment as wide as it is seen to be, up to a little over its edge."""
    unit = unit_px * scale
    wide = close(labels == Label.LOWER, LOWER_CLOSE * unit)
    up = np.ones((max(1, round(LOWER_UP * unit)), 1), np.uint8)
    # the sides, which slant, are not to grow wider
    wide |= np.asarray(cv2.dilate(wide, up, anchor=(0, 0)), np.uint8) & (small.below_waist < LOWER_UP * unit_px)
    return blur(wide, max(1.0, LOWER_SMOOTH * unit))


def _raised(where: Coordinates, body: Body) -> FloatArray:
    """(H, W) 0..1: where the lower garment goes on above the hem of a top that hangs over it, up to its own waistband."""
    hem = 1 - float(np.median(body.waist)) / body.trunk_px
    if not body.waist_known or hem > OUT_HEM or body.hem_ratio < OUT_RATIO:
        return np.zeros_like(where.below_waist)
    return ramp(where.below_shoulders / body.trunk_px, 1 - HIGH_BAND, 1 - HIGH_BAND + RAISED_EDGE)


def _hangs_before(where: Coordinates, body: Body, top: FloatArray) -> FloatArray:
    """(H, W) 0..1: the worn `top` beyond its own sleeves: it hangs before the arm."""
    beyond = [place > arm.sleeve_end + HANGS_FROM for place, arm in zip(where.place, body.arms, strict=True)]
    return np.asarray(steep(top) * np.where(where.reach[1] < where.reach[0], beyond[1], beyond[0]), np.float32)


def _run_in(body: Body) -> FloatArray:
    """(2, ROW_COUNT) px: the least half widths of a lower garment above the hem that hangs over it, as wide at that as it is seen."""
    unit, high = body.unit_px, (1 - HIGH_BAND) * body.trunk_px
    down = np.linspace(0, ROW_SPAN * unit, ROW_COUNT, dtype=np.float32)
    hem = np.interp(body.band * (-1, 1) / unit, np.linspace(-WAIST_TO, WAIST_TO, WAIST_COUNT), body.band_line)
    shares = [ramp(down, high, max(float(own), high + 1)) for own in hem]
    narrower = RUN_IN + (1 - RUN_IN) * np.stack(shares)
    return np.asarray(body.band[:, None] / SIDE_SHARE * narrower * (down >= high), np.float32)


@lru_cache(maxsize=2)
def _noise(height: int, width: int) -> FloatArray:
    """The same for every photo of a size; not to be written to."""
    noise = np.random.default_rng(0).standard_normal((height, width), np.float32)
    noise.flags.writeable = False
    return noise


def _textured(
    fill: FloatArray, photo: Picture, seen: FloatArray, on_skin: FloatArray, box: Box, scale: float, unit_px: float
) -> FloatArray:
    """`fill` (h, w, 3) of the `box` with grain, and where it is skin (`on_skin` 0..1) with that of the `seen` skin and its mottling."""
    noise = _noise(seen.shape[0], seen.shape[1])
    texture, mottled = mottling(photo, seen, noise, scale, unit_px, box)
    grain = blur(noise[box], 1.0) * np.float32(GRAIN)
    added = grain + (texture - grain) * on_skin
    mottled *= on_skin
    result = np.empty_like(fill)
    for channel, share in enumerate(MOTTLED):
        result[..., channel] = (fill[..., channel] + added) * (1 + mottled * share)
    return result


def _rounded_off(on_body: FloatArray, where: Coordinates, box: Box, unit_px: float) -> FloatArray:
    """`on_body` (h, w) 0..1 of the `box` without the notch between a shoulder and the round of its upper arm; where: of the photo."""
    reach = NOTCH * unit_px
    rows = box_of(np.abs(where.over) < NOTCH_AT)
    if rows is None or reach < NOTCH_STEP:
        return on_body
    at = np.zeros(where.over.shape, np.bool_)
    at[rows] = (np.abs(where.over[rows]) < NOTCH_AT) & (nearer(where.place[:, rows[0], rows[1]]) < NOTCH_AT)
    near = box_of(at, round(2 * reach))
    if near is None:
        return on_body
    both = common(near, box)
    if both is None:
        return on_body
    in_body, in_near = seen_from(both, box), seen_from(both, near)
    size = (near[1].stop - near[1].start, near[0].stop - near[0].start)
    plane = np.zeros(size[::-1], np.float32)
    plane[in_near] = on_body[in_body]
    small = reduce(plane, (max(2, size[0] // NOTCH_STEP), max(2, size[1] // NOTCH_STEP)))
    closed = enlarge(blur(close(small > 0.5, reach / NOTCH_STEP), 1.5), size)[in_near]
    result = on_body.copy()
    result[in_body] = np.maximum(on_body[in_body], ramp(closed, 0.45, 0.65) * blur(at[near], 0.2 * reach)[in_near])
    return result


def _hip_row(body: Body) -> int:
    """How many measured rows lie above the thighs: the trunk ends a little below the hip joints."""
    down = (body.trunk_px + HIPS_TO * body.unit_px) / (ROW_SPAN * body.unit_px)
    return int(np.clip(round(down * (ROW_COUNT - 1)), TRUNK_ROWS // 4, TRUNK_ROWS))


def _chest(where: Coordinates) -> FloatArray:
    """(H, W) 0..1: where a trunk is bare: above a bandeau's upper edge, and round raised upper arms."""
    shoulders = ramp(where.reach, AXILLA[1], AXILLA[0]) * ramp(where.place, *AXILLA_TO)
    bare: FloatArray = np.maximum(ramp(where.over, -CHEST_DEPTH - 0.006, -CHEST_DEPTH + 0.006), larger(shoulders))
    return bare


def _trunk_mask(
    body: Body, size: tuple[int, int], box: Box, end: int, bare: bool, least: FloatArray | None = None, covered: bool = False
) -> FloatArray:
    """Of the `box` of a photo of `size` (W, H) px, 0..1: neck, shoulders and trunk down to the measured row `end`.

    Not `bare`: as wide as worn; covered: a lower garment will lie over it.

    least (2, ROW_COUNT): px from the axis to the sides, which are no nearer than that.
    """
    unit = body.unit_px
    rows = slice(TRUNK_ROWS // 8, end)
    side = body.side[:, rows]
    if bare:
        down = np.linspace(0, ROW_SPAN * unit, ROW_COUNT)[rows] / body.trunk_px
        side = np.minimum(side, np.interp(down, *BARE_SIDE, left=np.inf) * unit)
        if covered:
            side = side * (1 - (1 - COVERED_SHARE) * ramp(np.asarray(down, np.float32), *COVERED_FROM))
    if least is not None:
        side = np.maximum(side, least[:, rows])
    reach = side[..., None] * SIDE_SHARE
    left = body.row_middle[rows] - body.row_right[rows] * reach[0]
    right = body.row_middle[rows] + body.row_right[rows] * reach[1]
    out = np.linspace(SHOULDER_FROM, SHOULDER_TO, SHOULDER_POINTS)
    heights = [np.interp(out, np.linspace(TOP_FROM, TOP_TO, TOP_COUNT), own / unit) - SHOULDER_CLOTH for own in body.top]
    if bare:  # pads and gathers are no shoulder, and over the joint it is the upper arm's round
        usual = np.interp(out, *BARE_SHOULDER)
        # what has no sleeve lies on the shoulder as it is
        heights = [np.minimum(own, usual) if arm.sleeve_end > SLEEVE_FROM else own for own, arm in zip(heights, body.arms, strict=True)]
    across = np.concatenate([-out[::-1], [-NECK_HALF, NECK_HALF], out])
    over = np.concatenate([heights[0][::-1], [NECK_TO, NECK_TO], heights[1]])
    top = body.middle + (across[:, None] * body.right + over[:, None] * body.over) * unit
    mask = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillPoly(mask, [np.rint(np.concatenate([top, right, left[::-1]])).astype(np.int32)], 1)
    # rounded corners, an edge of about two px
    step = max(1, round(0.012 * unit))
    coarse = reduce(mask, (max(2, size[0] // step), max(2, size[1] // step)))
    smooth = enlarge(blur(coarse, max(0.7, 0.025 * unit / step)), size)[box]
    return np.asarray(np.clip((smooth - 0.5) * 0.06 * unit + 0.5, 0, 1), np.float32)
