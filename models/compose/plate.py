"""The plate: the photo with the old top off, and everything else of a person that a try-on blends with.

Made once, when the person is read. Where the new garment will not cover it, the old top is replaced by what was most
likely there: skin on arms, neck and upper chest (the wearer's own tone and light), the lower garment below the waist
line, the background outside the body, and elsewhere on the trunk a plain neutral under-layer, never invented nudity.
Fills are smooth, so they are computed at a reduced size.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.compose.fill import limb_shade, pull_push, ramp, torso_shade
from models.person.body import ROW_COUNT, ROW_SPAN, WAIST_COUNT, WAIST_TO, Body, arm_coordinates
from models.types import FloatArray, Label, PersonParse, Picture

FILL_LONG_SIDE_PX = 512
SKIN_TONE_BLEND = (0.65, 0.35)
"""Tone of filled skin: neck and hands, face."""
CHEST_DEPTH, CHEST_HALF = 0.44, 0.44
"""Skin is filled down to this far below the shoulder line (units), a little less at the sides: the height of a bandeau."""
AXILLA = (1.45, 1.75)
"""Round the upper arm, out to this many arm half widths, the fill is skin too: a raised arm has no cloth under it."""
LOWER_CLOSE = 0.10
"""Gaps in the seen lower garment (a hand, a belt) up to twice this wide are filled with it."""
UNDER_LAYER = (206.0, 202.0, 197.0)
"""Colour of the neutral under-layer before the scene's light."""
FACE_KEEP = 1.05
"""Inside this many nose-to-chin distances of the nose nothing is ever removed."""
ARM_FROM = 0.38
"""From this place on the arm (0 shoulder, 1 elbow) visible skin lies in front of a torso; above it a top's edge does."""
SHARPEN = 3.0
"""Soft masks of hair and skin are steepened this much about one half, or what is below shines through."""
WRINKLE_STRENGTH, WRINKLE_LIMITS = 0.5, (-0.28, 0.22)
REST_REACH = 0.30
"""Cloth that the parse took for background is looked for this far (units) from the old top: beyond an arm."""
FAR_FROM_CLOTH, FAR_TRUST = 0.10, 0.97
"""Background nearer to the old top than this (units) counts this much less where hidden background is filled in: it may
be cloth that the parse left out, or lie in its shadow."""
MOTTLED = (2.5, 4.5)
"""Deviation between neighbouring pixels of the worn top (grey levels): plain cloth is under the first; from the second
on it is patterned all over and none of its lightness is carried over."""
GRAIN = 2.2


@dataclass(frozen=True, slots=True)
class Plate:
    """Everything of a person that composing needs; all (H, W) float32 unless said."""

    plate: Picture
    """(H, W, 3) the photo without the old top."""
    removed: FloatArray
    """0..1 share of the plate that is fill; 0 exactly where plate equals photo."""
    front_torso: FloatArray
    """0..1 what lies before a torso: hair, face, hands and bare forearms."""
    front_sleeves: FloatArray
    """0..1 what lies before a sleeve: hair, face, hands."""
    arm_cover: FloatArray
    """(2, H, W) 0..1 the bare arms."""
    arm_place: FloatArray
    """(2, H, W) place along the arms, 0 shoulder to 2 wrist and 2.5 fingers."""
    below_waist: FloatArray
    """px below the waist line along the trunk (negative above); -1e4 where the waist is not known."""
    wrinkles: FloatArray
    """Factor about 1: the worn top's folds and light, without its pattern."""
    skin: FloatArray
    """0..1 visible or filled skin: receives contact shadows."""


def make_plate(photo: Picture, parse: PersonParse, body: Body) -> Plate:
    """Removes the old top from `photo` (H, W, 3) and measures what lies before it."""
    height, width = photo.shape[:2]
    q, labels, unit = parse.probabilities, parse.labels, body.unit_px
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    points = np.stack([x, y], -1)
    coordinates = [arm_coordinates(points, arm) for arm in body.arms]
    reach, place = np.stack([c[0] for c in coordinates]), np.stack([c[1] for c in coordinates])
    from_nose = np.linalg.norm(points - body.nose, axis=-1) / body.face_px
    trunk_y = (points - body.middle) @ body.up / unit
    below = _below_waist(body, points)
    removed = _removed(photo, q, labels, body, reach, place, from_nose, trunk_y)
    fill, skin_fill = _fill(photo, q, labels, body, removed, from_nose, below, reach, place)
    plate = photo.astype(np.float32)
    plate += (fill - plate) * removed[..., None]
    plate_u8 = np.where(removed[..., None] > 0, np.clip(np.rint(plate), 0, 255), photo).astype(np.uint8)

    def steep(c: Label) -> FloatArray:
        return np.clip((q[c] - 0.5) * SHARPEN + 0.5, 0, 1)

    hands = np.zeros((height, width), np.float32)
    forearms = np.zeros_like(hands)
    for k in (0, 1):
        hands = np.maximum(hands, ramp(place[k], 1.75, 1.9) * ramp(reach[k], 1.9, 1.6))
        forearms = np.maximum(forearms, ((place[k] > ARM_FROM) & (reach[k] < 1.45)).astype(np.float32))
    hair = steep(Label.HAIR) * (trunk_y > -0.75)
    face = ramp(from_nose, 1.11, 1.06) * np.clip((q[Label.SKIN] + q[Label.HAIR] - 0.5) * SHARPEN + 0.5, 0, 1)
    skin = steep(Label.SKIN)
    near = np.maximum(hair, np.maximum(face, hands * skin))
    return Plate(
        plate=np.ascontiguousarray(plate_u8),
        removed=removed,
        front_torso=np.maximum(near, cv2.GaussianBlur(forearms, (0, 0), 2) * skin),
        front_sleeves=near,
        arm_cover=ramp(reach, 1.0 + 1.0 / (0.1 * unit), 1.0 - 1.0 / (0.1 * unit)).astype(np.float32),
        arm_place=place,
        below_waist=below,
        wrinkles=_wrinkles(photo, q, unit),
        skin=np.maximum(skin, skin_fill * removed).astype(np.float32),
    )


def _below_waist(body: Body, points: FloatArray) -> FloatArray:
    if not body.waist_known:
        return np.full(points.shape[:2], -1e4, np.float32)
    offset = points - body.middle
    down = -(offset @ body.up)
    # the axis and the rows across it: the same directions the waist line was measured in
    at = np.clip(down / (ROW_SPAN * body.unit_px) * (ROW_COUNT - 1), 0, ROW_COUNT - 1)
    index = np.arange(ROW_COUNT)
    across = np.stack([np.interp(at, index, body.row_right[:, c]) for c in (0, 1)], -1)
    axis = np.stack([np.interp(at, index, body.row_middle[:, c]) for c in (0, 1)], -1)
    lateral = ((points - axis) * across).sum(-1)
    # a point beside the axis lies on a row that may be slanted
    square = np.array([-body.up[1], body.up[0]], np.float32)
    slant = (across @ -body.up) / np.maximum(np.abs(across @ square), 0.2)
    down = down - lateral * slant
    line = np.interp(lateral / body.unit_px, np.linspace(-WAIST_TO, WAIST_TO, WAIST_COUNT), body.waist)
    return (down - line).astype(np.float32)


def _grow(mask: np.ndarray, px: float) -> np.ndarray:
    size = 2 * max(1, round(px)) + 1
    return cv2.dilate(mask.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))


def _shrink(mask: np.ndarray, px: float) -> np.ndarray:
    size = 2 * max(1, round(px)) + 1
    return cv2.erode(mask.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))


def _soft(mask: np.ndarray, sigma_px: float) -> FloatArray:
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma_px)


def _removed(
    photo: Picture,
    q: FloatArray,
    labels: np.ndarray,
    body: Body,
    reach: FloatArray,
    place: FloatArray,
    from_nose: FloatArray,
    trunk_y: FloatArray,
) -> FloatArray:
    """Where the old top is (and a rim around it, where its edge still shows), 0..1."""
    unit = body.unit_px
    rim = max(2.0, 0.02 * unit)
    upper = q[Label.UPPER]
    count, components, stats, _ = cv2.connectedComponentsWithStats(_grow(upper > 0.5, 2))
    keep = np.zeros(count, bool)
    if count > 1:
        keep[1:] = stats[1:, cv2.CC_STAT_AREA] > 0.04 * stats[1:, cv2.CC_STAT_AREA].max()
    main = keep[components]
    old = _soft(_grow((upper > 0.3) & main, rim), 0.35 * rim)
    hair = np.where(trunk_y < 0.4, q[Label.HAIR], 0)
    old *= np.clip(1 - hair * 1.2, 0, 1)
    # skin beside an old sleeve: its shadow and the cloth's rim are redrawn with the arm
    on_arm = (reach.min(0) < 1.15) & (labels == Label.SKIN)
    beside = _soft(_grow((upper > 0.5) & main, 2.2 * rim), rim) * on_arm
    for k in (0, 1):
        beside *= 1 - ramp(place[k], 1.75, 1.85) * (reach[k] < 1.3)
    old = np.maximum(old, beside)
    # cloth that the parse left to the background: near the top and of its colour
    if main.any():
        background = _shrink(q[Label.BACKGROUND] > 0.9, rim)
        small = cv2.resize(photo, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA).astype(np.float32)
        far = 1 - FAR_TRUST * _grow(upper > 0.5, FAR_FROM_CLOTH * unit)
        weight = cv2.resize(background * far, (small.shape[1], small.shape[0]), interpolation=cv2.INTER_AREA)
        ground = cv2.resize(pull_push(small, weight.astype(np.float32)), (photo.shape[1], photo.shape[0]))
        colour = np.median(photo[(labels == Label.UPPER) & main], 0) if ((labels == Label.UPPER) & main).any() else np.zeros(3)
        differs = _soft(np.abs(photo - ground).max(-1), 1.0) > 7
        alike = np.abs(photo - colour).max(-1) < 40
        rest = (labels == Label.BACKGROUND) & (_grow(main & (upper > 0.5), REST_REACH * unit) > 0) & differs & alike
        rest = cv2.morphologyEx(cv2.morphologyEx(rest.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9))), cv2.MORPH_OPEN, np.ones((3, 3)))
        old = np.maximum(old, _soft(_grow(rest, 3), 1.5) * (labels != Label.SKIN) * (labels != Label.HAIR))
    old *= from_nose > FACE_KEEP
    old[old < 0.02] = 0
    return np.clip(old, 0, 1).astype(np.float32)


def _skin_tone(photo: FloatArray, labels: np.ndarray, from_nose: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Median lit skin colour (3,), and the weight (H, W) of pixels that show trustworthy skin beyond the face."""
    lab = cv2.cvtColor(photo / 255, cv2.COLOR_RGB2LAB)
    skin = _shrink(labels == Label.SKIN, 2) > 0
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


def _fill(
    photo: Picture,
    q: FloatArray,
    labels: np.ndarray,
    body: Body,
    removed: FloatArray,
    from_nose: FloatArray,
    below: FloatArray,
    reach: FloatArray,
    place: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """What to show where the old top was: (H, W, 3) 0..255, and where of it is skin, (H, W) 0..1.

    Colours are smooth and come from a reduced size, the outlines between them from the photo's own.
    """
    height, width = labels.shape
    scale = min(1.0, FILL_LONG_SIDE_PX / max(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    small_labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
    background = cv2.resize(q[Label.BACKGROUND], size, interpolation=cv2.INTER_AREA)
    clean = cv2.resize(removed, size, interpolation=cv2.INTER_AREA) < 0.05
    y, x = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32)
    points = np.stack([(x + 0.5) * width / size[0] - 0.5, (y + 0.5) * height / size[1] - 0.5], -1)
    nose_small = cv2.resize(from_nose, size, interpolation=cv2.INTER_AREA)

    def large(picture: FloatArray) -> FloatArray:
        return cv2.resize(picture.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)

    cloth = cv2.resize(q[Label.UPPER], size, interpolation=cv2.INTER_AREA) > 0.5
    far = 1 - FAR_TRUST * _grow(cloth, FAR_FROM_CLOTH * body.unit_px * scale)
    ground = large(pull_push(small, (_shrink(background > 0.9, 2) * clean * far).astype(np.float32)))
    bare, layer = (large(p) for p in _bare_and_layer(small, small_labels, body, points, nose_small, clean, scale))
    unit = body.unit_px
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    offset = np.stack([x, y], -1) - body.middle
    across, over = (offset @ body.right) / unit, (offset @ body.over) / unit
    edge_px = 1.0 / (0.1 * unit)
    arms = ramp(reach.min(0), 1.0 + edge_px, 1.0 - edge_px)
    trunk = _trunk_mask(body, (width, height))
    edge = -CHEST_DEPTH * np.clip(1.15 - (np.abs(across) / CHEST_HALF) ** 4, 0.6, 1)
    shoulder = np.maximum(*(ramp(reach[k], AXILLA[1], AXILLA[0]) * ramp(place[k], 0.75, 0.55) for k in (0, 1)))
    chest = np.maximum(ramp(over, edge - 0.006, edge + 0.006), np.maximum(arms * (1 - trunk), shoulder))
    on_body = bare * chest[..., None] + layer * (1 - chest[..., None])
    # below the waist line the lower garment goes on, as wide as it is seen to be
    lower = _shrink(small_labels == Label.LOWER, 2) * clean
    if lower.sum() > 100:
        cloth = cv2.morphologyEx(
            (small_labels == Label.LOWER).astype(np.uint8),
            cv2.MORPH_CLOSE,
            cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * max(1, round(LOWER_CLOSE * unit * scale)) + 1,) * 2),
        )
        share = ramp(below, -1.5, 1.5) * (1 - arms)
        wide = large(_soft(cloth, 1.0))
        on_body = on_body * (1 - share[..., None]) + large(pull_push(small, lower.astype(np.float32))) * share[..., None]
        chest = chest * (1 - share)
        trunk = trunk * (1 - share) + np.minimum(trunk, ramp(wide, 0.4, 0.6)) * share
    neck = ((np.abs(across) < 0.27) & (over > 0) & (over < 0.6)).astype(np.float32)
    inside = np.clip((1 - q[Label.BACKGROUND]) * 2.5 - 0.6, 0, 1)
    body_share = np.maximum(np.maximum(arms, trunk), neck) * inside
    fill = ground + (on_body - ground) * body_share[..., None]
    grain = _soft(np.random.default_rng(0).normal(0, 1, (height, width)), 1.0) * GRAIN
    return (fill + grain[..., None]).astype(np.float32), (chest * body_share).astype(np.float32)


def _bare_and_layer(
    small: FloatArray, labels: np.ndarray, body: Body, points: FloatArray, from_nose: FloatArray, clean: np.ndarray, scale: float
) -> tuple[FloatArray, FloatArray]:
    """Lit skin and the lit under-layer everywhere, (h, w, 3) 0..255 at the reduced size; points (h, w, 2) photo px."""
    unit = body.unit_px
    offset = points - body.middle
    across, over = (offset @ body.right) / unit, (offset @ body.over) / unit
    coordinates = [arm_coordinates(points, arm) for arm in body.arms]
    reach = np.minimum(coordinates[0][0], coordinates[1][0])
    # the wearer's tone, with the light of the skin that is seen nearby
    tone, weight = _skin_tone(small, labels, from_nose)
    weight = weight * (np.linalg.norm(small - tone, axis=-1) < 70) * clean
    local = pull_push(small, weight.astype(np.float32)) if weight.sum() > 20 else np.broadcast_to(tone, small.shape).copy()
    skin = cv2.GaussianBlur(local, (0, 0), max(1.0, 0.05 * unit * scale)) * 0.45 + tone * 0.55
    chin_y = float((body.chin - body.middle) @ body.over / unit)
    shade = np.clip(torso_shade(across, over, chin_y), 0.72, 1.08)
    on_arm = ramp(reach, 1.06, 0.94) * ramp(np.abs(across), 0.38, 0.48)
    light = np.where(on_arm > 0.3, limb_shade(reach), shade)
    light = cv2.GaussianBlur(light.astype(np.float32), (0, 0), max(0.6, 0.012 * unit * scale))[..., None]
    for arm_reach, place in coordinates:  # each arm has its own light: scaled by its own visible skin
        seen = (arm_reach < 0.8) & (labels == Label.SKIN) & clean & (place > 0.05) & (place < 1.9)
        if seen.sum() > 40:
            factor = np.median(small[seen], 0) / np.maximum(np.median((skin * light)[arm_reach < 0.8], 0), 1)
            share = ramp(arm_reach, 1.35, 1.05) * ramp(place, 0.0, 0.25)
            share = cv2.GaussianBlur(share.astype(np.float32), (0, 0), max(0.6, 0.02 * unit * scale))[..., None]
            skin = skin * (1 + share * (np.clip(factor, 0.8, 1.3) - 1))
    bare = skin * np.concatenate([light**0.78, light, light**1.12], -1)
    luma = float(tone.mean()) / 185.0
    layer = np.array(UNDER_LAYER, np.float32) * np.clip(luma, 0.45, 1.1) * shade[..., None]
    return bare, layer.astype(np.float32)


def _trunk_mask(body: Body, size: tuple[int, int]) -> FloatArray:
    """0..1: neck, shoulders and trunk down to the end of the measured rows; size (w, h) px."""
    unit = body.unit_px
    rows = range(ROW_COUNT // 8, ROW_COUNT)
    left = [body.row_middle[i] - body.row_right[i] * body.side[0, i] * 0.97 for i in rows]
    right = [body.row_middle[i] + body.row_right[i] * body.side[1, i] * 0.97 for i in rows]

    def at(across: float, over: float) -> FloatArray:
        point: FloatArray = body.middle + body.right * across * unit + body.over * over * unit
        return point

    top = [at(-0.5, 0.10), at(-0.36, 0.19), at(-0.25, 0.26), at(-0.17, 0.42), at(0.17, 0.42), at(0.25, 0.26), at(0.36, 0.19), at(0.5, 0.10)]
    polygon = np.array([*top, *right, *left[::-1]])
    mask = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillPoly(mask, [np.rint(polygon).astype(np.int32)], 1)
    # rounded corners, an edge of about two px
    step = max(1, round(0.012 * unit))
    coarse = cv2.resize(mask.astype(np.float32), (max(2, size[0] // step), max(2, size[1] // step)), interpolation=cv2.INTER_AREA)
    smooth = cv2.resize(_soft(coarse, max(0.7, 0.025 * unit / step)), size, interpolation=cv2.INTER_LINEAR)
    return np.clip((smooth - 0.5) * 0.06 * unit + 0.5, 0, 1)


def _wrinkles(photo: Picture, q: FloatArray, unit: float) -> FloatArray:
    """Folds of the worn top as a band-pass of its log lightness, faded out where the top is patterned."""
    inside = (_shrink(q[Label.UPPER] > 0.6, 4) > 0).astype(np.float32)
    if inside.sum() < 2000:
        return np.ones(inside.shape, np.float32)
    lab = cv2.cvtColor(photo, cv2.COLOR_RGB2LAB).astype(np.float32)
    light, chroma = np.log(lab[..., 0] + 12), lab[..., 1:]
    middle = np.median(light[inside > 0])
    centre = np.median(chroma[inside > 0], 0)
    trust = inside * np.exp(-((np.linalg.norm(chroma - centre, axis=-1) / 9) ** 2)) * np.exp(-(((light - middle) / 0.55) ** 2))

    def blur(sigma: float) -> FloatArray:
        step = max(1, int(sigma / 6))
        size = (light.shape[1] // step, light.shape[0] // step)
        numerator = cv2.resize(light * trust, size, interpolation=cv2.INTER_AREA)
        denominator = cv2.resize(trust, size, interpolation=cv2.INTER_AREA)
        ratio = cv2.GaussianBlur(numerator, (0, 0), sigma / step) / np.maximum(cv2.GaussianBlur(denominator, (0, 0), sigma / step), 1e-3)
        return cv2.resize(ratio, (light.shape[1], light.shape[0]), interpolation=cv2.INTER_LINEAR)

    # mottled and knitted cloth has as much contrast from pixel to pixel as from fold to fold: that is its pattern
    near = cv2.GaussianBlur(light * inside, (0, 0), 1) / np.maximum(cv2.GaussianBlur(inside, (0, 0), 1), 1e-3)
    fine = float(np.median(np.abs(near - blur(3.5))[inside > 0]) * 1.48 * np.exp(middle))
    smooth = float(np.clip((MOTTLED[1] - fine) / (MOTTLED[1] - MOTTLED[0]), 0, 1))
    band = blur(3.5) - blur(0.16 * unit)
    plain = float(trust.sum() / inside.sum())
    dense = np.clip(cv2.GaussianBlur(trust, (0, 0), 6) * 1.5 - 0.3, 0, 1)
    # dark cloth hides its folds in noise
    strength = WRINKLE_STRENGTH * plain * smooth * float(np.clip((np.exp(middle) - 45) / 70, 0.15, 1))
    return np.exp(np.clip(band * strength * dense, *WRINKLE_LIMITS)).astype(np.float32)
