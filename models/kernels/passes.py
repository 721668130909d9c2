"""The passes over a picture's own pixels: what `models.drape.warp.layers` and `models.compose.blend.blend` say, row by row.

Planes of a picture lie in one array each; `work` holds those of the box in which something happens. Rows come in bands of
`BAND`, of which only a span of columns is looked at: `spans` (bands, 2) columns of the box, whole bands wide but at its end.
Reduced planes hold sums over cells until whoever filters them divides.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from models.types import BoolArray, FloatArray, IntArray, LabelMap, Picture

F = np.float32
ZERO, ONE, TWO, HALF, QUARTER = F(0), F(1), F(2), F(0.5), F(0.25)
LEVEL, LEVELS = F(1 / 255), F(255)
BAND = 8
"""Rows of a band, px: cells of every reduced size are whole in it."""

# masks (M, H, W) uint8 0..255
FRONT_TORSO, FRONT_SLEEVES, HANDS, FRONT_ARMS, ARM_COVER, SKIN, CATCHES, OVERHANG, GROUND, LOWER, CLOTHED, INNER = (
    0,
    1,
    2,
    4,
    6,
    8,
    9,
    10,
    11,
    12,
    13,
    14,
)
MASK_COUNT = 15
# places (P, H, W) float32
ARM_PLACE, BELOW_WAIST, WRINKLES, WORN_END, AWAY, LEG_PLACE = 0, 2, 3, 4, 5, 6
PLACE_COUNT = 7
# flags (H, W) uint8
REMOVED, MOSTLY_REMOVED, EDITED, RIGHT_ARM, RIGHT_LEG = 1, 2, 4, 8, 16
# work (N, h, w) float32
TORSO_ALPHA, BACK_ALPHA, SLEEVE_ALPHA, ACROSS, DOWN, OVER, ALONG, TORSO, SLEEVES, FRONT, INSIDE, TORSO_CUT, SLEEVE_CUT, SET_IN = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    10,
    13,
    14,
    15,
    16,
    17,
)
FRONT_STRIPS = TORSO_CUT
"""Where the one is needed the other is not any more."""
WORK_COUNT = 18
# eighths (E, h / 8, w / 8) float32
BESIDE, RAW_TORSO, BEHIND, HUNG, RIM_TORSO, RIM_STRIPS, CAST = 0, 1, 2, 3, 4, 5, 6
EIGHTHS_COUNT = 7
# quarters (Q, h / 4, w / 4) float32
BETWEEN, CLOTH = 0, 1
QUARTERS_COUNT = 2


class Look(NamedTuple):
    """The numbers of one picture, all float32: garment and body as in `Placement`, `Layers`, `Legs`; the rest from `models.compose`."""

    tuck: np.float32
    hem_kept: np.float32
    lower: np.float32
    split: np.float32
    skirt_from: np.float32
    end_left: np.float32
    end_right: np.float32
    bare_left: np.float32
    bare_right: np.float32
    arm_left: np.float32
    arm_right: np.float32
    leg_left: np.float32
    leg_right: np.float32
    waist_shift: np.float32
    slack: np.float32
    band_at: np.float32
    band_fade: np.float32
    end_fade: np.float32
    trim_from: np.float32
    trim_to: np.float32
    sides_from: np.float32
    nowhere: np.float32
    flare_from: np.float32
    flare_by: np.float32
    flare_least: np.float32
    leaves_from: np.float32
    leaves_to: np.float32
    goes_on: np.float32
    waist_fade: np.float32
    waist_shadow: np.float32
    waist_above: np.float32
    contact_depth: np.float32
    cloth_catches: np.float32
    back_shade: np.float32
    round_from: np.float32
    round_to: np.float32
    torso_round: np.float32
    sleeve_shadow: np.float32
    shadow_full: np.float32
    sleeve_round: np.float32
    leg_round: np.float32
    crotch_from: np.float32
    crotch_to: np.float32
    behind_depth: np.float32
    hem_shadow: np.float32
    drop_depth: np.float32
    gap_steep: np.float32
    visible: np.float32


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def _clamp(value: np.float32) -> np.float32:
    return min(max(value, ZERO), ONE)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def sample(
    work: FloatArray,
    alpha: int,
    second: int,
    place: int,
    colour: int,
    alpha_channel: int,
    ids: IntArray,
    maps: FloatArray,
    texture: Picture,
    scale: np.float32,
    step: int,
    spans: IntArray,
    top: int,
    left: int,
) -> None:
    """A garment's layer on the box's pixels: its alpha, a second one from the next channel (unless negative), place and colour.

    ids (H / step, W / step) and maps (T, 4, 3) of its triangles; texture (h + 2, w + 2, 8) with an empty rim.
    """
    height, width = F(texture.shape[0] - 1), F(texture.shape[1] - 1)
    # pixel centres at whole numbers in the picture and in the rimmed texture
    shift = HALF * scale + HALF
    for y in range(work.shape[1]):
        x0, x1 = spans[y // BAND, 0] + left, spans[y // BAND, 1] + left
        row = ids[(y + top) // step]
        fy = F(y + top)
        x = x0
        while x < x1:
            cell = x // step
            end = min((cell + 1) * step, x1)
            number = row[cell]
            if number < 0:
                for i in range(x - left, end - left):
                    work[alpha, y, i] = ZERO
                    if second >= 0:
                        work[second, y, i] = ZERO
                    work[place, y, i] = -TWO
                    work[place + 1, y, i] = -TWO
                x = end
                continue
            m = maps[number]
            u0, v0 = m[0, 1] * fy + m[0, 2], m[1, 1] * fy + m[1, 2]
            s0, t0 = m[2, 1] * fy + m[2, 2], m[3, 1] * fy + m[3, 2]
            while x < end:
                fx = F(x)
                i = x - left
                x += 1
                work[place, y, i] = min(max(m[2, 0] * fx + s0, -TWO), TWO)
                work[place + 1, y, i] = min(max(m[3, 0] * fx + t0, -TWO), TWO)
                u, v = (m[0, 0] * fx + u0) * scale + shift, (m[1, 0] * fx + v0) * scale + shift
                if not (u >= ZERO and v >= ZERO and u < width and v < height):
                    work[alpha, y, i] = ZERO
                    if second >= 0:
                        work[second, y, i] = ZERO
                    continue
                c, r = int(u), int(v)
                du, dv = u - F(c), v - F(r)
                d = du * dv
                b, g = du - d, dv - d
                a = ONE - du - g
                t00, t01, t10, t11 = texture[r, c], texture[r, c + 1], texture[r + 1, c], texture[r + 1, c + 1]
                k = alpha_channel
                work[alpha, y, i] = (F(t00[k]) * a + F(t01[k]) * b + F(t10[k]) * g + F(t11[k]) * d) * LEVEL
                if second >= 0:
                    k += 1
                    work[second, y, i] = (F(t00[k]) * a + F(t01[k]) * b + F(t10[k]) * g + F(t11[k]) * d) * LEVEL
                for k in range(3):
                    work[colour + k, y, i] = F(t00[k]) * a + F(t01[k]) * b + F(t10[k]) * g + F(t11[k]) * d


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def _pool(row: FloatArray, sums: FloatArray, size: int, x0: int, x1: int) -> None:
    """Adds `row` from x0 to x1 to the cells of `size` px that `sums` has."""
    whole = x1 // size
    for cell in range(x0 // size, whole):
        total = ZERO
        for k in range(size):
            total += row[cell * size + k]
        sums[cell] += total
    if whole * size < x1:
        for x in range(whole * size, x1):
            sums[whole] += row[x]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def _enlarged(small: FloatArray, size: int, y: int, line: FloatArray, out: FloatArray, x0: int, x1: int) -> None:
    """Row `y` from x0 to x1 of a plane enlarged `size` times, bilinearly."""
    height, width = small.shape
    at = max((F(y) + HALF) / F(size) - HALF, ZERO)
    upper = int(at)
    share = at - F(upper)
    a, b = small[upper], small[min(upper + 1, height - 1)]
    for j in range(max(x0 // size - 1, 0), min((x1 - 1) // size + 2, width)):
        line[j] = a[j] + (b[j] - a[j]) * share
    half = size // 2
    by = ONE / F(size)
    for j in range((x0 - half) // size, (x1 - 1 - half) // size + 1):
        p, q = line[max(j, 0)], line[min(j + 1, width - 1)]
        rise = (q - p) * by
        p += HALF * rise
        base = j * size + half
        if base >= x0 and base + size <= x1:
            for k in range(size):
                out[base + k] = p + rise * F(k)
        else:
            for x in range(max(base, x0), min(base + size, x1)):
                out[x] = p + rise * F(x - base)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def prepare(
    work: FloatArray,
    eighths: FloatArray,
    over_torso: FloatArray,
    over_strips: FloatArray,
    masks: LabelMap,
    places: FloatArray,
    flags: LabelMap,
    ids: IntArray,
    step: int,
    seam: int,
    look: Look,
    spans: IntArray,
    top: int,
    left: int,
) -> None:
    """What lies before the torso, where it may be trimmed, and sums for the shadows that raw alphas cast.

    ids: of the strips; seam: width (px, odd) over which they set in.
    """
    height, width = work.shape[1], work.shape[2]
    photo_height, photo_width = flags.shape
    filled, seen, beside = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    at_waist = np.empty(width, np.float32)
    count = np.zeros(width + 2 * seam, np.float32)
    by_end, by_band = ONE / look.end_fade, ONE / look.band_fade
    by_trim, by_leaves = ONE / (look.trim_to - look.trim_from), ONE / (look.leaves_to - look.leaves_from)
    by_crotch = ONE / (look.crotch_to - look.crotch_from)
    lower, half = look.lower > HALF, seam // 2
    waisted = look.tuck > ZERO or look.hem_kept > ZERO
    for y in range(height):
        x0, x1 = spans[y // BAND, 0], spans[y // BAND, 1]
        if x0 >= x1:
            continue
        r = y + top
        flag = flags[r, left : left + width]
        for x in range(x0, x1):
            filled[x], seen[x] = ZERO, ZERO
        for k in range(2):
            bare, ahead = (look.bare_right, look.arm_right) if k else (look.bare_left, look.arm_left)
            place = places[ARM_PLACE + k, r, left : left + width]
            cover = masks[ARM_COVER + k, r, left : left + width]
            arm = masks[FRONT_ARMS + k, r, left : left + width]
            for x in range(x0, x1):
                beyond = _clamp((place[x] - bare) * by_end) * LEVEL
                filled[x] = max(filled[x], F(cover[x]) * beyond * ahead)
                seen[x] = max(seen[x], F(arm[x]) * beyond)
        skin = masks[SKIN, r, left : left + width]
        before = masks[FRONT_TORSO, r, left : left + width]
        front = work[FRONT, y]
        for x in range(x0, x1):
            arm_filled = min(filled[x], F(skin[x]) * LEVEL) if flag[x] & REMOVED else ZERO
            front[x] = max(F(before[x]) * LEVEL, arm_filled, seen[x])
        own = work[SLEEVE_ALPHA, y]
        cover, other = masks[ARM_COVER, r, left : left + width], masks[ARM_COVER + 1, r, left : left + width]
        for x in range(x0, x1):
            beside[x] = max(own[x], front[x] * F(max(cover[x], other[x])) * LEVEL)
        _pool(beside, eighths[BESIDE, y // 8], 8, x0, x1)
        inside = work[INSIDE, y]
        ground = masks[GROUND, r, left : left + width]
        worn = masks[LOWER, r, left : left + width]
        if waisted:
            below = places[BELOW_WAIST, r, left : left + width]
            inner = masks[INNER, r, left : left + width]
            for x in range(x0, x1):
                at_waist[x] = _clamp((look.band_at - abs(below[x])) * by_band) * look.hem_kept
                down = below[x] - look.waist_shift
                inside[x] = (
                    (ONE - look.tuck * _clamp((down - look.slack) * HALF + HALF))
                    * (ONE - look.tuck * F(inner[x]) * LEVEL)
                    * (ONE - F(worn[x]) * LEVEL * at_waist[x])
                    * (ONE - look.tuck * F(ground[x]) * LEVEL * _clamp(down * HALF + HALF))
                )
        else:
            for x in range(x0, x1):
                at_waist[x], inside[x] = ZERO, ONE
        if lower:
            leg, hung = places[LEG_PLACE, r, left : left + width], masks[OVERHANG, r, left : left + width]
            for x in range(x0, x1):
                nearer = look.leg_right if flag[x] & RIGHT_LEG else look.leg_left
                beside[x] = own[x] * nearer * look.split * _clamp((leg[x] - look.crotch_from) * by_crotch)
                seen[x] = F(hung[x]) * LEVEL
            _pool(beside, eighths[BEHIND, y // 8], 8, x0, x1)
            _pool(seen, eighths[HUNG, y // 8], 8, x0, x1)
            set_in = work[SET_IN, y]
            _set_in(count, set_in, ids, step, half, r, left, x0, x1, photo_height, photo_width)
            continue
        torso = work[TORSO_ALPHA, y]
        if look.tuck > ZERO:
            _pool(torso, eighths[RAW_TORSO, y // 8], 8, x0, x1)
        set_in = work[SET_IN, y]
        _set_in(count, set_in, ids, step, half, r, left, x0, x1, photo_height, photo_width)
        across, down_ = work[ACROSS, y], work[DOWN, y]
        cut = work[TORSO_CUT, y]
        leg = places[LEG_PLACE, r, left : left + width]
        for x in range(x0, x1):
            if set_in[x] < ONE and across[x] > look.nowhere:
                torso[x] = max(torso[x], own[x])
            sides = ONE if (abs(across[x]) > look.sides_from or down_[x] < ONE) and down_[x] < look.skirt_from else ZERO
            beyond = max(F(ground[x]) * LEVEL, F(worn[x]) * LEVEL * at_waist[x])
            if torso[x] * beyond > HALF:
                over_torso[y // 2, x // 2] = ONE
            cut[x] = beyond * max(sides, at_waist[x]) * _clamp((look.trim_to - leg[x]) * by_trim)
        cut = work[SLEEVE_CUT, y]
        near, end = masks[CLOTHED, r, left : left + width], places[WORN_END, r, left : left + width]
        left_arm, right_arm = places[ARM_PLACE, r, left : left + width], places[ARM_PLACE + 1, r, left : left + width]
        for x in range(x0, x1):
            if own[x] == ZERO:
                continue
            is_right = flag[x] & RIGHT_ARM
            sleeve_end, along = (look.end_right, right_arm[x]) if is_right else (look.end_left, left_arm[x])
            leaves = _clamp((along - end[x] - look.leaves_from) * by_leaves) if sleeve_end - end[x] > look.goes_on else ZERO
            beyond = F(ground[x]) * LEVEL
            if own[x] * beyond > HALF:
                over_strips[y // 2, x // 2] = ONE
            cut[x] = beyond * F(near[x]) * LEVEL * (ONE - leaves)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def _set_in(
    count: FloatArray, out: FloatArray, ids: IntArray, step: int, half: int, r: int, left: int, x0: int, x1: int, height: int, width: int
) -> None:
    """0 at the end of the strips' grids to 1 inside them: twice the share of the neighbourhood that is inside, less one."""
    first, last = max(r - half, 0), min(r + half, height - 1)
    begin, end = max(x0 + left - half, 0), min(x1 + left + half, width)
    for cell in range(begin // step, (end - 1) // step + 1):
        total = ZERO
        for k in range(first, last + 1):
            if ids[k // step, cell] >= 0:
                total += ONE
        for x in range(max(cell * step, begin), min((cell + 1) * step, end)):
            count[x - begin] = total
    rows = F(last - first + 1)
    for x in range(x0, x1):
        low, high = max(x + left - half, 0), min(x + left + half, width - 1)
        total = ZERO
        for k in range(low, high + 1):
            total += count[k - begin]
        out[x] = _clamp(TWO * total / (rows * F(high - low + 1)) - ONE)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def cut_out(
    work: FloatArray,
    eighths: FloatArray,
    quarters: FloatArray,
    stays_torso: FloatArray,
    stays_strips: FloatArray,
    masks: LabelMap,
    places: FloatArray,
    drop: int,
    look: Look,
    spans: IntArray,
    top: int,
    left: int,
) -> None:
    """The alphas of torso and strips as they will be seen, and sums for the shadows that they cast; drop: px that those fall down."""
    height, width = work.shape[1], work.shape[2]
    line, stays, other = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    by_end = ONE / look.end_fade
    lower = look.lower > HALF
    casts = lower or look.skirt_from < TWO
    for y in range(height):
        x0, x1 = spans[y // BAND, 0], spans[y // BAND, 1]
        if x0 >= x1:
            continue
        r = y + top
        torso, sleeve, front = work[TORSO_ALPHA, y], work[SLEEVE_ALPHA, y], work[FRONT, y]
        inside, set_in = work[INSIDE, y], work[SET_IN, y]
        strips = work[FRONT_STRIPS, y]
        before = masks[FRONT_SLEEVES, r, left : left + width]
        if not lower:
            _enlarged(stays_torso, 2, y, line, stays, x0, x1)
            cut = work[TORSO_CUT, y]
            for x in range(x0, x1):
                torso[x] = torso[x] * (ONE - cut[x] * (ONE - stays[x])) * inside[x] * (ONE - front[x])
        for x in range(x0, x1):
            strips[x] = F(before[x]) * LEVEL
        if lower:
            for x in range(x0, x1):
                sleeve[x] = sleeve[x] * set_in[x] * (ONE - strips[x])
        else:
            for k in range(2):
                end = look.end_right if k else look.end_left
                place, hand = places[ARM_PLACE + k, r, left : left + width], masks[HANDS + k, r, left : left + width]
                for x in range(x0, x1):
                    strips[x] = max(strips[x], F(hand[x]) * LEVEL * _clamp((place[x] - end) * by_end))
            _enlarged(stays_strips, 2, y, line, stays, x0, x1)
            cut, away = work[SLEEVE_CUT, y], places[AWAY, r, left : left + width]
            left_arm, right_arm = places[ARM_PLACE, r, left : left + width], places[ARM_PLACE + 1, r, left : left + width]
            for x in range(x0, x1):
                if sleeve[x] > ZERO:
                    flare = max(min(left_arm[x], right_arm[x]) - look.flare_from, ZERO) * look.flare_by
                    off_arm = _clamp(flare - away[x] + look.flare_least)
                    sleeve[x] = sleeve[x] * (ONE - cut[x] * (ONE - stays[x])) * off_arm * set_in[x] * (ONE - strips[x])
            _pool(torso, eighths[RIM_TORSO, y // 8], 8, x0, x1)
        _pool(sleeve, eighths[RIM_STRIPS, y // 8], 8, x0, x1)
        skin = masks[SKIN, r, left : left + width]
        for x in range(x0, x1):
            other[x] = max(torso[x], front[x], F(skin[x]) * LEVEL)
            stays[x] = max(torso[x], sleeve[x])
        _pool(other, quarters[BETWEEN, y // 4], 4, x0, x1)
        _pool(stays, quarters[CLOTH, y // 4], 4, x0, x1)
        if casts and y + drop < height:
            down = work[DOWN, y]
            for x in range(x0, x1):
                other[x] = max(sleeve[x] * look.lower, torso[x] if down[x] > look.skirt_from else ZERO)
            _pool(other, eighths[CAST, (y + drop) // 8], 8, x0, x1)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def compose(
    picture: Picture,
    edit: BoolArray,
    alpha: FloatArray,
    gaps: FloatArray,
    work: FloatArray,
    eighths: FloatArray,
    between: FloatArray,
    closed: FloatArray,
    share: FloatArray,
    plate: Picture,
    masks: LabelMap,
    places: FloatArray,
    flags: LabelMap,
    look: Look,
    spans: IntArray,
    top: int,
    left: int,
) -> int:
    """The picture, but for slits that are closed, which `close_gaps` colours: `gaps` (h, w) says how much. Returns how many there are.

    eighths, between, closed, share: the reduced planes, filtered; picture, edit, alpha (H, W, ...) hold what is seen outside the spans.
    """
    height, width = work.shape[1], work.shape[2]
    line = np.empty(width, np.float32)
    rows = np.empty((12, width), np.float32)
    rim_torso, rim_strips, cast, shaded, soft, under, torso_light, strip_light, keeps, rims, gap, one = (
        rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6], rows[7], rows[8], rows[9], rows[10], rows[11],
    )  # fmt: skip
    by_round, by_crotch = ONE / (look.round_to - look.round_from), ONE / (look.crotch_to - look.crotch_from)
    by_fade, by_catches = -ONE / look.waist_fade, ONE / look.cloth_catches
    lower = look.lower > HALF
    casts = lower or look.skirt_from < TWO
    tucked = look.tuck > ZERO
    one_nearer = abs(look.leg_left - look.leg_right)
    gap_count = 0
    for y in range(height):
        x0, x1 = spans[y // BAND, 0], spans[y // BAND, 1]
        if x0 >= x1:
            continue
        r = y + top
        torso, back, sleeve = work[TORSO_ALPHA, y], work[BACK_ALPHA, y], work[SLEEVE_ALPHA, y]
        across, down, front, strips = work[ACROSS, y], work[DOWN, y], work[FRONT, y], work[FRONT_STRIPS, y]
        over, along, inside = work[OVER, y], work[ALONG, y], work[INSIDE, y]
        flag = flags[r, left : left + width]
        caught = masks[CATCHES, r, left : left + width]
        wrinkles, leg = places[WRINKLES, r, left : left + width], places[LEG_PLACE, r, left : left + width]
        # the inside of the back
        skin, ground = masks[SKIN, r, left : left + width], masks[GROUND, r, left : left + width]
        if not lower:
            _enlarged(between, 4, y, line, one, x0, x1)
            for x in range(x0, x1):
                shown = max(one[x], ONE - F(ground[x]) * LEVEL)
                back[x] = back[x] * (ONE - max(front[x], F(skin[x]) * LEVEL)) * shown
        # shadows
        for x in range(x0, x1):
            under[x] = ZERO
        if not lower:
            _enlarged(eighths[RIM_TORSO], 8, y, line, rim_torso, x0, x1)
            for x in range(x0, x1):
                rim_torso[x] = look.contact_depth * rim_torso[x] * F(caught[x]) * LEVEL * (ONE - front[x])
        else:
            for x in range(x0, x1):
                rim_torso[x] = ZERO
        if tucked:
            below = places[BELOW_WAIST, r, left : left + width]
            inner = masks[INNER, r, left : left + width]
            _enlarged(eighths[RAW_TORSO], 8, y, line, soft, x0, x1)
            for x in range(x0, x1):
                under[x] = ZERO
                deep = (below[x] - look.waist_shift) * by_fade
                if deep < ZERO and deep > F(-14):
                    onto = min(F(caught[x]) * LEVEL * by_catches, ONE) * (ONE - F(inner[x]) * LEVEL)
                    under[x] = look.tuck * look.waist_shadow * np.exp(deep) * soft[x] * (ONE - front[x]) * onto
        _enlarged(eighths[RIM_STRIPS], 8, y, line, rim_strips, x0, x1)
        if casts:
            _enlarged(eighths[CAST], 8, y, line, cast, x0, x1)
            for x in range(x0, x1):
                rim_strips[x] = max(look.contact_depth * rim_strips[x], look.drop_depth * cast[x])
        else:
            for x in range(x0, x1):
                rim_strips[x] = look.contact_depth * rim_strips[x]
        for x in range(x0, x1):
            rim_strips[x] = rim_strips[x] * F(caught[x]) * LEVEL * (ONE - strips[x])
        for x in range(x0, x1):
            keeps[x] = (ONE - under[x]) * (ONE - rim_torso[x] * (ONE - torso[x]))
            rims[x] = ONE - rim_strips[x] * (ONE - max(torso[x], sleeve[x]))
            under[x] = max(under[x], rim_torso[x], rim_strips[x])
        # light on the torso
        if not lower:
            _enlarged(eighths[BESIDE], 8, y, line, shaded, x0, x1)
            for x in range(x0, x1):
                under_arm = _clamp((down[x] - look.round_from) * by_round)
                off = min(abs(across[x]), F(1.1))
                light = ONE - look.torso_round * under_arm * off * off * off
                light *= ONE - look.sleeve_shadow * under_arm * min(shaded[x] * look.shadow_full, ONE)
                torso_light[x] = light * wrinkles[x]
            if tucked:
                below = places[BELOW_WAIST, r, left : left + width]
                for x in range(x0, x1):
                    high = (look.waist_shift - below[x]) * by_fade
                    if high > F(-14):
                        torso_light[x] *= ONE - look.tuck * look.waist_above * look.waist_shadow * np.exp(min(high, ZERO))
            for x in range(x0, x1):
                at = min(max(over[x], -ONE), ONE)
                sleeve_round = _clamp(along[x] * TWO - F(0.2)) if at > ZERO else _clamp(along[x] * F(4))
                strip_light[x] = (ONE - look.sleeve_round * sleeve_round * at * at) * wrinkles[x]
        else:
            _enlarged(eighths[BEHIND], 8, y, line, shaded, x0, x1)
            _enlarged(eighths[HUNG], 8, y, line, soft, x0, x1)
            for x in range(x0, x1):
                apart = look.split * _clamp((leg[x] - look.crotch_from) * by_crotch)
                at = min(max(over[x], -ONE), ONE)
                leg_round = ONE - look.leg_round * (apart if at > ZERO else ONE) * abs(at * at * at)
                nearer = look.leg_right if flag[x] & RIGHT_LEG else look.leg_left
                behind = look.behind_depth * one_nearer * (ONE - nearer) * apart * min(TWO * shaded[x], ONE)
                hem = look.hem_shadow * min(soft[x] * look.shadow_full, ONE)
                strip_light[x] = leg_round * (ONE - behind) * (ONE - hem) * wrinkles[x]
        # slits
        _enlarged(closed, 4, y, line, gap, x0, x1)
        _enlarged(share, 4, y, line, soft, x0, x1)
        row_gaps = gaps[y]
        for x in range(x0, x1):
            cloth = max(torso[x], sleeve[x])
            shut = ONE - look.lower * look.split * _clamp((leg[x] - look.crotch_from) * by_crotch)
            found = _clamp(gap[x] - cloth) * soft[x] * (ONE - max(front[x], strips[x])) * inside[x] * shut
            gap[x] = found if flag[x] & MOSTLY_REMOVED else ZERO
            row_gaps[x] = gap[x]
        own_alpha, own_edit = alpha[r, left : left + width], edit[r, left : left + width]
        for x in range(x0, x1):
            value = ONE - (ONE - torso[x]) * (ONE - sleeve[x]) * (ONE - back[x]) * (ONE - gap[x])
            changed = value > look.visible or under[x] > TWO * look.visible or (flag[x] & (REMOVED | EDITED)) != 0
            own_edit[x] = changed
            own_alpha[x] = value if changed else ZERO
            if gap[x] > ZERO:
                gap_count += 1
        source, out = plate[r, left : left + width], picture[r, left : left + width]
        reds, greens, blues = work[TORSO, y], work[TORSO + 1, y], work[TORSO + 2, y]
        strip_reds, strip_greens, strip_blues = work[SLEEVES, y], work[SLEEVES + 1, y], work[SLEEVES + 2, y]
        for x in range(x0, x1):
            if not own_edit[x] or (own_alpha[x] == ZERO and under[x] == ZERO):
                continue
            t, b, s = torso[x], back[x], sleeve[x]
            for c in range(3):
                if c == 0:
                    front_cloth, strip_cloth = reds[x], strip_reds[x]
                elif c == 1:
                    front_cloth, strip_cloth = greens[x], strip_greens[x]
                else:
                    front_cloth, strip_cloth = blues[x], strip_blues[x]
                value = F(source[x, c]) * keeps[x]
                if b > ZERO:
                    value += (front_cloth * look.back_shade - value) * b
                if t > ZERO:
                    value += min(max(front_cloth * torso_light[x] - value, -LEVELS), LEVELS) * t
                value *= rims[x]
                if s > ZERO:
                    value += (strip_cloth * strip_light[x] - value) * s
                out[x, c] = np.uint8(np.rint(min(max(value, ZERO), LEVELS)))
    return gap_count


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def close_gaps(picture: Picture, gaps: FloatArray, work: FloatArray, spans: IntArray, top: int, left: int) -> None:
    """Gives closed slits the mean colour of the cloth around them."""
    height, width = work.shape[1], work.shape[2]
    low_y, high_y, low_x, high_x = height, -1, width, -1
    for y in range(height):
        for x in range(spans[y // BAND, 0], spans[y // BAND, 1]):
            if gaps[y, x] > ZERO:
                low_y, high_y, low_x, high_x = min(low_y, y), max(high_y, y), min(low_x, x), max(high_x, x)
    # two means over five cells reach four, and the enlargement one more
    first, last = max(low_y // 4 - 6, 0), min(high_y // 4 + 7, (height + 3) // 4)
    begin, end = max(low_x // 4 - 6, 0), min(high_x // 4 + 7, (width + 3) // 4)
    total = np.zeros((4, last - first, end - begin), np.float32)
    for y in range(first * 4, min(last * 4, height)):
        row = y // 4 - first
        for x in range(max(spans[y // BAND, 0], begin * 4), min(spans[y // BAND, 1], end * 4)):
            if max(work[TORSO_ALPHA, y, x], work[SLEEVE_ALPHA, y, x]) > F(0.9):
                column = x // 4 - begin
                total[3, row, column] += ONE
                for c in range(3):
                    total[c, row, column] += F(picture[y + top, x + left, c])
    rows, columns = total.shape[1], total.shape[2]
    other = np.zeros_like(total)
    for _ in range(2):
        for c in range(4):
            for i in range(rows):
                for j in range(columns):
                    value = ZERO
                    for k in range(max(j - 2, 0), min(j + 3, columns)):
                        value += total[c, i, k]
                    other[c, i, j] = value
            for i in range(rows):
                for j in range(columns):
                    value = ZERO
                    for k in range(max(i - 2, 0), min(i + 3, rows)):
                        value += other[c, k, j]
                    total[c, i, j] = value
    # the first plane's denominators are used up by then
    least = F(1e-4 * 16 * 625)
    for c in range(3):
        for i in range(rows):
            for j in range(columns):
                total[c, i, j] /= max(total[3, i, j], least)
    for y in range(low_y, high_y + 1):
        at = max((F(y) + HALF) * QUARTER - HALF, ZERO)
        i = int(at)
        v = at - F(i)
        i -= first
        below = min(i + 1, rows - 1)
        for x in range(max(spans[y // BAND, 0], low_x), min(spans[y // BAND, 1], high_x + 1)):
            gap = gaps[y, x]
            if gap <= ZERO:
                continue
            at = max((F(x) + HALF) * QUARTER - HALF, ZERO)
            j = int(at)
            u = at - F(j)
            j -= begin
            beside = min(j + 1, columns - 1)
            for c in range(3):
                plane = total[c]
                upper = plane[i, j] + (plane[i, beside] - plane[i, j]) * u
                under = plane[below, j] + (plane[below, beside] - plane[below, j]) * u
                value = F(picture[y + top, x + left, c])
                value += (upper + (under - upper) * v - value) * gap
                picture[y + top, x + left, c] = np.uint8(np.rint(min(max(value, ZERO), LEVELS)))
