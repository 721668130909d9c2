"""The passes over a picture's own pixels: what `models.drape.warp.layers` and `models.compose.blend.blend` say, row by row.

Planes of a picture lie in one array each; `work` holds those of the box in which something happens. Rows come in bands of
`BAND`, of which only a span of columns is looked at: `spans` (bands, 2) columns of the box, whole bands wide but at its end.
Reduced planes hold sums over cells until whoever filters them divides.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.kernels.compiled import compiled
from models.types import BoolArray, FloatArray, IntArray, LabelMap, Picture

F = np.float32
ZERO, ONE, TWO, HALF, QUARTER = F(0), F(1), F(2), F(0.5), F(0.25)
LEVEL, LEVELS = F(1 / 255), F(255)
WHOLE = F(0.99)
"""Sums of shares are not quite 1."""
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


@compiled
def _clamp(value: np.float32) -> np.float32:
    return min(max(value, ZERO), ONE)


@compiled
def _texels(
    texture: IntArray,
    stride: int,
    taps: IntArray,
    index: IntArray,
    across: FloatArray,
    down: FloatArray,
    colour: FloatArray,
    alpha: FloatArray,
) -> None:
    """Bilinear samples at `index` and so far `across` and `down` of it, 0..1: colour (3, n) 0..255 and alpha (n) 0..1.

    taps (4, at least n): for use here. Fetched first and mixed then: only what does not fetch becomes vector code.
    """
    n = alpha.shape[0]
    low, next_row = np.uint64(1), np.uint64(stride)
    p, q, r, s = taps[0, :n], taps[1, :n], taps[2, :n], taps[3, :n]
    for x in range(n):
        at = np.uint64(index[x])
        p[x], q[x], r[x], s[x] = texture[at], texture[at + low], texture[at + next_row], texture[at + next_row + low]
    byte = np.uint32(255)
    for channel in range(4):
        shift = np.uint32(8 * channel)
        out = alpha if channel == 3 else colour[channel]
        for x in range(n):
            d = across[x] * down[x]
            b, c = across[x] - d, down[x] - d
            a = ONE - across[x] - c
            upper = F(np.int32((p[x] >> shift) & byte)) * a + F(np.int32((q[x] >> shift) & byte)) * b
            out[x] = upper + F(np.int32((r[x] >> shift) & byte)) * c + F(np.int32((s[x] >> shift) & byte)) * d
    for x in range(n):
        alpha[x] *= LEVEL


@compiled
def sample(
    work: FloatArray,
    alpha: int,
    second: int,
    place: int,
    colour: int,
    ids: IntArray,
    maps: FloatArray,
    texture: IntArray,
    behind: LabelMap,
    behind_to: int,
    scale: np.float32,
    step: int,
    spans: IntArray,
    top: int,
    left: int,
) -> None:
    """A garment's layer on the box's pixels: its alpha, a second one from `behind` (unless negative), place and colour.

    ids (H / step, W / step) and maps (T, 4, 3) of its triangles; texture (h + 3, w + 3), behind and the row that this goes down to: see
    `scene.PackedTexture`.
    """
    height, width = F(texture.shape[0] - 2), F(texture.shape[1] - 2)
    stride = texture.shape[1]
    texels, others = texture.reshape(-1), behind.reshape(-1)
    low, next_row = np.uint64(1), np.uint64(stride)
    # pixel centres at whole numbers in the picture and in the rimmed texture
    shift = HALF * scale + HALF
    us, vs = np.empty(work.shape[2], np.float32), np.empty(work.shape[2], np.float32)
    overs, alongs = np.empty(work.shape[2], np.float32), np.empty(work.shape[2], np.float32)
    index, taps = np.empty(work.shape[2], np.uint32), np.empty((4, work.shape[2]), np.uint32)
    one = np.uint64(1)
    for y in range(work.shape[1]):
        x0, x1 = spans[y // BAND, 0], spans[y // BAND, 1]
        row = ids[(y + top) // step]
        fy = F(y + top)
        work[alpha, y, x0:x1] = ZERO
        work[place, y, x0:x1] = -TWO
        work[place + 1, y, x0:x1] = -TWO
        if second >= 0:
            work[second, y, x0:x1] = ZERO
        x = x0 + left
        while x < x1 + left:
            cell = x // step
            if row[cell] < 0:
                x = (cell + 1) * step
                continue
            # a run of covered pixels
            begin, k = x, np.uint64(0)
            while x < x1 + left and row[cell] >= 0:
                m = maps[row[cell]]
                u0, v0 = m[0, 1] * fy + m[0, 2], m[1, 1] * fy + m[1, 2]
                s0, t0 = m[2, 1] * fy + m[2, 2], m[3, 1] * fy + m[3, 2]
                cell += 1
                end = min(cell * step, x1 + left)
                for i in range(x, end):
                    fx = F(i)
                    us[k], vs[k] = m[0, 0] * fx + u0, m[1, 0] * fx + v0
                    overs[k], alongs[k] = m[2, 0] * fx + s0, m[3, 0] * fx + t0
                    k += one
                x = end
            a, n = begin - left, x - begin
            across, down = work[place, y, a : a + n], work[place + 1, y, a : a + n]
            for i in range(n):
                across[i] = min(max(overs[i], -TWO), TWO)
            for i in range(n):
                down[i] = min(max(alongs[i], -TWO), TWO)
            highest = height
            for i in range(n):
                # beside the texture there is its empty rim
                u, v = min(max(us[i] * scale + shift, ZERO), width), min(max(vs[i] * scale + shift, ZERO), height)
                c, r = np.int32(u), np.int32(v)
                us[i], vs[i] = u - F(c), v - F(r)
                highest = min(highest, v)
                index[i] = np.uint32(r * stride + c)
            _texels(texels, stride, taps, index, us, vs, work[colour : colour + 3, y, a : a + n], work[alpha, y, a : a + n])
            if second >= 0 and highest < F(behind_to):  # it is nothing but a strip along the neck
                back = work[second, y, a : a + n]
                for i in range(n):
                    at = np.uint64(index[i])
                    above = F(others[at]) + (F(others[at + low]) - F(others[at])) * us[i]
                    below = F(others[at + next_row]) + (F(others[at + next_row + low]) - F(others[at + next_row])) * us[i]
                    back[i] = (above + (below - above) * vs[i]) * LEVEL


@compiled
def _pool(row: FloatArray, sums: FloatArray, size: int, count: int) -> None:
    """Adds the first `count` of `row` to the cells of `size` px of `sums`."""
    whole = count // size
    for cell in range(whole):
        total = ZERO
        own = row[cell * size : (cell + 1) * size]
        for k in range(size):
            total += own[k]
        sums[cell] += total
    for x in range(whole * size, count):
        sums[whole] += row[x]


@compiled
def _enlarged(small: FloatArray, size: int, y: int, line: FloatArray, out: FloatArray, x0: int, x1: int) -> None:
    """Row `y` from x0 to x1 of a plane enlarged `size` times, bilinearly."""
    height, width = small.shape
    at = max((F(y) + HALF) / F(size) - HALF, ZERO)
    upper = int(at)
    share = at - F(upper)
    # the cells whose values are wanted, one more to either side, held beyond the plane's edges
    low, high = x0 // size, (x1 - 1) // size + 1
    n = high - low
    a, b, inner = small[upper, low:high], small[min(upper + 1, height - 1), low:high], line[1 : n + 1]
    for j in range(n):
        inner[j] = a[j] + (b[j] - a[j]) * share
    before, after = max(low - 1, 0), min(high, width - 1)
    line[0] = small[upper, before] + (small[min(upper + 1, height - 1), before] - small[upper, before]) * share
    line[n + 1] = small[upper, after] + (small[min(upper + 1, height - 1), after] - small[upper, after]) * share
    half = size // 2
    by = ONE / F(size)
    whole = (x1 - x0) // size
    for j in range(whole):
        part = out[j * size : (j + 1) * size]
        p, q, r = line[j], line[j + 1], line[j + 2]
        left, right = (q - p) * by, (r - q) * by
        p += (F(half) + HALF) * left
        q += HALF * right
        for k in range(half):
            part[k] = p + left * F(k)
            part[k + half] = q + right * F(k)
    for x in range(whole * size, x1 - x0):
        k = x - whole * size
        p, q, r = line[whole], line[whole + 1], line[whole + 2]
        out[x] = p + (q - p) * by * (F(k + half) + HALF) if k < half else q + (r - q) * by * (F(k - half) + HALF)


@compiled
def _doubled(small: FloatArray, y: int, line: FloatArray, out: FloatArray, x0: int, x1: int) -> None:
    """`_enlarged` twice as large."""
    height, width = small.shape
    near, far = F(0.75), F(0.25)
    own, other = small[y // 2], small[max(y // 2 - 1, 0)] if y % 2 == 0 else small[min(y // 2 + 1, height - 1)]
    low, high = x0 // 2, (x1 - 1) // 2 + 1
    n = high - low
    a, b, inner = own[low:high], other[low:high], line[1 : n + 1]
    for j in range(n):
        inner[j] = near * a[j] + far * b[j]
    before, after = max(low - 1, 0), min(high, width - 1)
    line[0] = near * own[before] + far * other[before]
    line[n + 1] = near * own[after] + far * other[after]
    for j in range((x1 - x0) // 2):
        out[2 * j] = far * line[j] + near * line[j + 1]
        out[2 * j + 1] = near * line[j + 1] + far * line[j + 2]
    if (x1 - x0) % 2:
        out[x1 - x0 - 1] = far * line[n - 1] + near * line[n]


@compiled
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
    at_waist, beyond = np.empty(width, np.float32), np.empty(width, np.float32)
    count = np.empty(width + 2 * seam, np.float32)
    by_end, by_band = ONE / look.end_fade, ONE / look.band_fade
    by_trim, by_leaves = ONE / (look.trim_to - look.trim_from), ONE / (look.leaves_to - look.leaves_from)
    by_crotch = ONE / (look.crotch_to - look.crotch_from)
    lower, half = look.lower > HALF, seam // 2
    waisted = look.tuck > ZERO or look.hem_kept > ZERO
    for y in range(height):
        x0, x1 = spans[y // BAND, 0], spans[y // BAND, 1]
        if x0 >= x1:
            continue
        r, a, b, n = y + top, x0 + left, x1 + left, x1 - x0
        flag = flags[r, a:b]
        for x in range(n):
            filled[x], seen[x] = ZERO, ZERO
        for k in range(2):
            bare, ahead = (look.bare_right, look.arm_right) if k else (look.bare_left, look.arm_left)
            place = places[ARM_PLACE + k, r, a:b]
            cover = masks[ARM_COVER + k, r, a:b]
            arm = masks[FRONT_ARMS + k, r, a:b]
            for x in range(n):
                bared = _clamp((place[x] - bare) * by_end) * LEVEL
                filled[x] = max(filled[x], F(cover[x]) * bared * ahead)
                seen[x] = max(seen[x], F(arm[x]) * bared)
        skin = masks[SKIN, r, a:b]
        before = masks[FRONT_TORSO, r, a:b]
        front = work[FRONT, y, x0:x1]
        for x in range(n):
            arm_filled = min(filled[x], F(skin[x]) * LEVEL if (flag[x] & REMOVED) != 0 else ZERO)
            front[x] = max(F(before[x]) * LEVEL, arm_filled, seen[x])
        own = work[SLEEVE_ALPHA, y, x0:x1]
        cover, other = masks[ARM_COVER, r, a:b], masks[ARM_COVER + 1, r, a:b]
        for x in range(n):
            beside[x] = max(own[x], front[x] * F(max(cover[x], other[x])) * LEVEL)
        _pool(beside, eighths[BESIDE, y // 8, x0 // 8 :], 8, n)
        inside = work[INSIDE, y, x0:x1]
        ground = masks[GROUND, r, a:b]
        worn = masks[LOWER, r, a:b]
        if waisted:
            below = places[BELOW_WAIST, r, a:b]
            inner = masks[INNER, r, a:b]
            for x in range(n):
                at_waist[x] = _clamp((look.band_at - abs(below[x])) * by_band) * look.hem_kept
                down = below[x] - look.waist_shift
                inside[x] = (
                    (ONE - look.tuck * _clamp((down - look.slack) * HALF + HALF))
                    * (ONE - look.tuck * F(inner[x]) * LEVEL)
                    * (ONE - F(worn[x]) * LEVEL * at_waist[x])
                    * (ONE - look.tuck * F(ground[x]) * LEVEL * _clamp(down * HALF + HALF))
                )
        else:
            for x in range(n):
                at_waist[x], inside[x] = ZERO, ONE
        if lower:
            leg, hung = places[LEG_PLACE, r, a:b], masks[OVERHANG, r, a:b]
            for x in range(n):
                nearer = look.leg_right if (flag[x] & RIGHT_LEG) != 0 else look.leg_left
                beside[x] = own[x] * nearer * look.split * _clamp((leg[x] - look.crotch_from) * by_crotch)
                seen[x] = F(hung[x]) * LEVEL
            _pool(beside, eighths[BEHIND, y // 8, x0 // 8 :], 8, n)
            _pool(seen, eighths[HUNG, y // 8, x0 // 8 :], 8, n)
            set_in = work[SET_IN, y, x0:x1]
            _set_in(count, set_in, ids, step, half, r, a, b, photo_height, photo_width)
            continue
        torso = work[TORSO_ALPHA, y, x0:x1]
        if look.tuck > ZERO:
            _pool(torso, eighths[RAW_TORSO, y // 8, x0 // 8 :], 8, n)
        set_in = work[SET_IN, y, x0:x1]
        _set_in(count, set_in, ids, step, half, r, a, b, photo_height, photo_width)
        across, down_ = work[ACROSS, y, x0:x1], work[DOWN, y, x0:x1]
        cut = work[TORSO_CUT, y, x0:x1]
        leg = places[LEG_PLACE, r, a:b]
        for x in range(n):
            torso[x] = max(torso[x], own[x] if set_in[x] < WHOLE and across[x] > look.nowhere else ZERO)
        for x in range(n):
            beyond[x] = max(F(ground[x]) * LEVEL, F(worn[x]) * LEVEL * at_waist[x])
        for x in range(n):
            sides = max(ONE if abs(across[x]) > look.sides_from else ZERO, ONE if down_[x] < ONE else ZERO)
            sides = sides if down_[x] < look.skirt_from else ZERO
            cut[x] = beyond[x] * max(sides, at_waist[x]) * _clamp((look.trim_to - leg[x]) * by_trim)
        for x in range(n):
            beyond[x] *= torso[x]
        _mark(beyond, over_torso[y // 2, x0 // 2 :], n)
        cut = work[SLEEVE_CUT, y, x0:x1]
        near, end = masks[CLOTHED, r, a:b], places[WORN_END, r, a:b]
        left_arm, right_arm = places[ARM_PLACE, r, a:b], places[ARM_PLACE + 1, r, a:b]
        for x in range(n):
            is_right = (flag[x] & RIGHT_ARM) != 0
            sleeve_end, along = look.end_right if is_right else look.end_left, right_arm[x] if is_right else left_arm[x]
            leaves = _clamp((along - end[x] - look.leaves_from) * by_leaves)
            leaves = leaves if sleeve_end - end[x] > look.goes_on else ZERO
            cut[x] = F(ground[x]) * F(near[x]) * LEVEL * LEVEL * (ONE - leaves)
        for x in range(n):
            beyond[x] = F(ground[x]) * own[x] * LEVEL
        _mark(beyond, over_strips[y // 2, x0 // 2 :], n)


@compiled
def _set_in(
    count: FloatArray, out: FloatArray, ids: IntArray, step: int, half: int, r: int, a: int, b: int, height: int, width: int
) -> None:
    """0 at the end of the strips' grids to 1 inside them: twice the share of the neighbourhood that is inside, less one.

    Of row `r` of the photo (height, width) from a to b.
    """
    first, last = max(r - half, 0), min(r + half, height - 1)
    low, high = max(a - half, 0) // step, (min(b + half, width) - 1) // step + 1
    n = b - a
    any_inside = False
    for k in range(first // step, last // step + 1):
        row = ids[k, low:high]
        for cell in range(high - low):
            any_inside |= row[cell] >= 0
    if not any_inside:
        out[:n] = ZERO
        return
    count[: n + 2 * half] = ZERO
    for k in range(first // step, last // step + 1):
        times = F(min((k + 1) * step, last + 1) - max(k * step, first))
        for cell in range(low, high):
            if ids[k, cell] >= 0:
                for x in range(max(cell * step, a - half, 0), min((cell + 1) * step, b + half, width)):
                    count[x - a + half] += times
    out[:n] = ZERO
    for k in range(2 * half + 1):
        part = count[k : k + n]
        for x in range(n):
            out[x] += part[x]
    share = TWO / F((last - first + 1) * (2 * half + 1))
    for x in range(n):
        out[x] = _clamp(out[x] * share - ONE)
    for x in range(n):
        # at the photo's edges there are fewer neighbours
        columns = min(x + a + half, width - 1) - max(x + a - half, 0) + 1
        if columns < 2 * half + 1:
            total = ZERO
            for k in range(2 * half + 1):
                total += count[x + k]
            out[x] = _clamp(TWO * total / F((last - first + 1) * columns) - ONE)


@compiled
def _mark(values: FloatArray, cells: FloatArray, n: int) -> None:
    """Sets those cells of two px to 1 where one of the n `values` is over a half."""
    for cell in range(n // 2):
        if max(values[2 * cell], values[2 * cell + 1]) > HALF:
            cells[cell] = ONE
    if n % 2 and values[n - 1] > HALF:
        cells[n // 2] = ONE


@compiled
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
    line, stays, other = np.empty(width + 2, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    by_end = ONE / look.end_fade
    lower = look.lower > HALF
    casts = lower or look.skirt_from < TWO
    for y in range(height):
        x0, x1 = spans[y // BAND, 0], spans[y // BAND, 1]
        if x0 >= x1:
            continue
        r, a, b, n = y + top, x0 + left, x1 + left, x1 - x0
        torso, sleeve, front = work[TORSO_ALPHA, y, x0:x1], work[SLEEVE_ALPHA, y, x0:x1], work[FRONT, y, x0:x1]
        inside, set_in = work[INSIDE, y, x0:x1], work[SET_IN, y, x0:x1]
        strips = work[FRONT_STRIPS, y, x0:x1]
        before = masks[FRONT_SLEEVES, r, a:b]
        if not lower:
            _doubled(stays_torso, y, line, stays, x0, x1)
            cut = work[TORSO_CUT, y, x0:x1]
            for x in range(n):
                torso[x] = torso[x] * (ONE - cut[x] * (ONE - stays[x])) * inside[x] * (ONE - front[x])
        for x in range(n):
            strips[x] = F(before[x]) * LEVEL
        if lower:
            for x in range(n):
                sleeve[x] = sleeve[x] * set_in[x] * (ONE - strips[x])
        else:
            for k in range(2):
                end = look.end_right if k else look.end_left
                place, hand = places[ARM_PLACE + k, r, a:b], masks[HANDS + k, r, a:b]
                for x in range(n):
                    strips[x] = max(strips[x], F(hand[x]) * LEVEL * _clamp((place[x] - end) * by_end))
            _doubled(stays_strips, y, line, stays, x0, x1)
            cut, away = work[SLEEVE_CUT, y, x0:x1], places[AWAY, r, a:b]
            left_arm, right_arm = places[ARM_PLACE, r, a:b], places[ARM_PLACE + 1, r, a:b]
            for x in range(n):
                flare = max(min(left_arm[x], right_arm[x]) - look.flare_from, ZERO) * look.flare_by
                off_arm = _clamp(flare - away[x] + look.flare_least)
                sleeve[x] = sleeve[x] * (ONE - cut[x] * (ONE - stays[x])) * off_arm * set_in[x] * (ONE - strips[x])
            _pool(torso, eighths[RIM_TORSO, y // 8, x0 // 8 :], 8, n)
        _pool(sleeve, eighths[RIM_STRIPS, y // 8, x0 // 8 :], 8, n)
        skin = masks[SKIN, r, a:b]
        for x in range(n):
            other[x] = max(torso[x], front[x], F(skin[x]) * LEVEL)
            stays[x] = max(torso[x], sleeve[x])
        _pool(other, quarters[BETWEEN, y // 4, x0 // 4 :], 4, n)
        _pool(stays, quarters[CLOTH, y // 4, x0 // 4 :], 4, n)
        if casts and y + drop < height:
            down = work[DOWN, y, x0:x1]
            for x in range(n):
                other[x] = max(sleeve[x] * look.lower, torso[x] if down[x] > look.skirt_from else ZERO)
            _pool(other, eighths[CAST, (y + drop) // 8, x0 // 8 :], 8, n)


@compiled
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

    eighths, between, closed, share: the reduced planes, filtered; picture and plate (H, 3 W), edit, alpha (H, W): what is seen outside the
    spans is in them.
    """
    height, width = work.shape[1], work.shape[2]
    line = np.empty(width + 2, np.float32)
    rows = np.empty((14, width), np.float32)
    rim_torso, rim_strips, cast, shaded, soft, under, torso_light, strip_light, keeps, rims, gap, one, faint, value = (
        rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6], rows[7], rows[8], rows[9], rows[10], rows[11], rows[12], rows[13],
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
        r, a, b, n = y + top, x0 + left, x1 + left, x1 - x0
        torso, back, sleeve = work[TORSO_ALPHA, y, x0:x1], work[BACK_ALPHA, y, x0:x1], work[SLEEVE_ALPHA, y, x0:x1]
        across, down, front, strips = work[ACROSS, y, x0:x1], work[DOWN, y, x0:x1], work[FRONT, y, x0:x1], work[FRONT_STRIPS, y, x0:x1]
        over, along, inside = work[OVER, y, x0:x1], work[ALONG, y, x0:x1], work[INSIDE, y, x0:x1]
        flag = flags[r, a:b]
        caught = masks[CATCHES, r, a:b]
        wrinkles, leg = places[WRINKLES, r, a:b], places[LEG_PLACE, r, a:b]
        # the inside of the back
        skin, ground = masks[SKIN, r, a:b], masks[GROUND, r, a:b]
        if not lower:
            _enlarged(between, 4, y, line, one, x0, x1)
            for x in range(n):
                shown = max(one[x], ONE - F(ground[x]) * LEVEL)
                back[x] = back[x] * (ONE - max(front[x], F(skin[x]) * LEVEL)) * shown
        # shadows
        for x in range(n):
            under[x] = ZERO
        if not lower:
            _enlarged(eighths[RIM_TORSO], 8, y, line, rim_torso, x0, x1)
            for x in range(n):
                rim_torso[x] = look.contact_depth * rim_torso[x] * F(caught[x]) * LEVEL * (ONE - front[x])
        else:
            for x in range(n):
                rim_torso[x] = ZERO
        if tucked:
            below = places[BELOW_WAIST, r, a:b]
            inner = masks[INNER, r, a:b]
            _enlarged(eighths[RAW_TORSO], 8, y, line, soft, x0, x1)
            for x in range(n):
                deep = abs(below[x] - look.waist_shift) * by_fade
                faint[x] = np.exp(deep) if deep > F(-14) else ZERO
            for x in range(n):
                onto = min(F(caught[x]) * LEVEL * by_catches, ONE) * (ONE - F(inner[x]) * LEVEL)
                onto = onto if below[x] > look.waist_shift else ZERO
                under[x] = look.tuck * look.waist_shadow * faint[x] * soft[x] * (ONE - front[x]) * onto
        _enlarged(eighths[RIM_STRIPS], 8, y, line, rim_strips, x0, x1)
        if casts:
            _enlarged(eighths[CAST], 8, y, line, cast, x0, x1)
            for x in range(n):
                rim_strips[x] = max(look.contact_depth * rim_strips[x], look.drop_depth * cast[x])
        else:
            for x in range(n):
                rim_strips[x] = look.contact_depth * rim_strips[x]
        for x in range(n):
            rim_strips[x] = rim_strips[x] * F(caught[x]) * LEVEL * (ONE - strips[x])
        for x in range(n):
            keeps[x] = (ONE - under[x]) * (ONE - rim_torso[x] * (ONE - torso[x]))
            rims[x] = ONE - rim_strips[x] * (ONE - max(torso[x], sleeve[x]))
            under[x] = max(under[x], rim_torso[x], rim_strips[x])
        # light on the torso
        if not lower:
            _enlarged(eighths[BESIDE], 8, y, line, shaded, x0, x1)
            for x in range(n):
                under_arm = _clamp((down[x] - look.round_from) * by_round)
                off = min(abs(across[x]), F(1.1))
                light = ONE - look.torso_round * under_arm * off * off * off
                light *= ONE - look.sleeve_shadow * under_arm * min(shaded[x] * look.shadow_full, ONE)
                torso_light[x] = light * wrinkles[x]
            if tucked:
                below = places[BELOW_WAIST, r, a:b]
                for x in range(n):
                    shade = ONE if below[x] >= look.waist_shift else faint[x]
                    torso_light[x] *= ONE - look.tuck * look.waist_above * look.waist_shadow * shade
            for x in range(n):
                at = min(max(over[x], -ONE), ONE)
                sleeve_round = _clamp(along[x] * TWO - F(0.2)) if at > ZERO else _clamp(along[x] * F(4))
                strip_light[x] = (ONE - look.sleeve_round * sleeve_round * at * at) * wrinkles[x]
        else:
            _enlarged(eighths[BEHIND], 8, y, line, shaded, x0, x1)
            _enlarged(eighths[HUNG], 8, y, line, soft, x0, x1)
            for x in range(n):
                apart = look.split * _clamp((leg[x] - look.crotch_from) * by_crotch)
                at = min(max(over[x], -ONE), ONE)
                leg_round = ONE - look.leg_round * (apart if at > ZERO else ONE) * abs(at * at * at)
                nearer = look.leg_right if (flag[x] & RIGHT_LEG) != 0 else look.leg_left
                behind = look.behind_depth * one_nearer * (ONE - nearer) * apart * min(TWO * shaded[x], ONE)
                hem = look.hem_shadow * min(soft[x] * look.shadow_full, ONE)
                strip_light[x] = leg_round * (ONE - behind) * (ONE - hem) * wrinkles[x]
        # slits
        _enlarged(closed, 4, y, line, gap, x0, x1)
        _enlarged(share, 4, y, line, soft, x0, x1)
        row_gaps = gaps[y, x0:x1]
        for x in range(n):
            cloth = max(torso[x], sleeve[x])
            shut = ONE - look.lower * look.split * _clamp((leg[x] - look.crotch_from) * by_crotch)
            found = _clamp(gap[x] - cloth) * soft[x] * (ONE - max(front[x], strips[x])) * inside[x] * shut
            gap[x] = found if (flag[x] & MOSTLY_REMOVED) != 0 else ZERO
        for x in range(n):
            row_gaps[x] = gap[x]
            gap_count += gap[x] > ZERO
        own_alpha, own_edit = alpha[r, a:b], edit[r, a:b]
        for x in range(n):
            value[x] = ONE - (ONE - torso[x]) * (ONE - sleeve[x]) * (ONE - back[x]) * (ONE - gap[x])
        for x in range(n):
            seen = max(value[x] - look.visible, under[x] - TWO * look.visible)
            own_edit[x] = (seen > ZERO) | ((flag[x] & (REMOVED | EDITED)) != 0)
        for x in range(n):
            own_alpha[x] = value[x] if own_edit[x] else ZERO
        source, out = plate[r, 3 * a : 3 * b], picture[r, 3 * a : 3 * b]
        for c in range(3):
            cloth, strip = work[TORSO + c, y, x0:x1], work[SLEEVES + c, y, x0:x1]
            for x in range(n):
                value[x] = F(source[3 * x + c]) * keeps[x]
            if not lower:
                for x in range(n):
                    value[x] += (cloth[x] * look.back_shade - value[x]) * back[x]
                for x in range(n):
                    value[x] += min(max(cloth[x] * torso_light[x] - value[x], -LEVELS), LEVELS) * torso[x]
            for x in range(n):
                value[x] *= rims[x]
                value[x] += (strip[x] * strip_light[x] - value[x]) * sleeve[x]
            for x in range(n):
                level = np.uint8(np.int32(min(max(value[x], ZERO), LEVELS) + HALF))
                out[3 * x + c] = level if own_edit[x] else source[3 * x + c]
    return gap_count


@compiled
def around_gaps(
    picture: Picture, gaps: FloatArray, work: FloatArray, spans: IntArray, own_spans: IntArray, top: int, left: int
) -> tuple[BoolArray, FloatArray]:
    """The cells of four px with slits (`gaps` (h, w) of what closes them) in `own_spans`, and the mean colour of the cloth around them."""
    height, width = gaps.shape
    rows, columns = (height + 3) // 4, (width + 3) // 4
    # cells of four px that the mean of a slit's own is made of: two means over five cells reach four, and the enlargement one more
    reach = 6
    near = np.zeros((rows + 2 * reach, columns + 2 * reach), np.bool_)
    for y in range(height):
        x0, x1 = own_spans[y // BAND, 0], own_spans[y // BAND, 1]
        row = gaps[y, x0:x1]
        for cell in range((x1 - x0 + 3) // 4):
            most = ZERO
            own = row[4 * cell : 4 * cell + 4]
            for k in range(own.shape[0]):
                most = max(most, own[k])
            if most > ZERO:
                near[y // 4 + reach, x0 // 4 + cell + reach] = True
    wanted = np.zeros((rows, columns), np.bool_)
    meant = np.zeros((rows, columns), np.bool_)
    for i in range(rows):
        for j in range(columns):
            if near[i + reach, j + reach]:
                wanted[max(i - reach, 0) : i + reach + 1, max(j - reach, 0) : j + reach + 1] = True
                meant[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2] = True
    total = np.zeros((rows, columns, 4), np.float32)
    for i in range(rows):
        for j in range(columns):
            if not wanted[i, j]:
                continue
            cell = total[i, j]
            for y in range(4 * i, min(4 * i + 4, height)):
                for x in range(max(4 * j, spans[y // BAND, 0]), min(4 * j + 4, spans[y // BAND, 1])):
                    if max(work[TORSO_ALPHA, y, x], work[SLEEVE_ALPHA, y, x]) > F(0.9):
                        cell[3] += ONE
                        for c in range(3):
                            cell[c] += F(picture[y + top, x + left, c])
    # two means over five are one over nine, weighted so
    weights = np.array([1, 2, 3, 4, 5, 4, 3, 2, 1], np.float32)
    along = np.zeros((rows, columns, 4), np.float32)
    for i in range(rows):
        for j in range(columns):
            if wanted[i, j]:
                for k in range(max(j - 4, 0), min(j + 5, columns)):
                    for c in range(4):
                        along[i, j, c] += weights[k - j + 4] * total[i, k, c]
    mean = np.zeros((rows, columns, 3), np.float32)
    least = F(1e-4 * 16 * 625)
    for i in range(rows):
        for j in range(columns):
            if meant[i, j]:
                reds, greens, blues, count = ZERO, ZERO, ZERO, ZERO
                for k in range(max(i - 4, 0), min(i + 5, rows)):
                    weight = weights[k - i + 4]
                    reds += weight * along[k, j, 0]
                    greens += weight * along[k, j, 1]
                    blues += weight * along[k, j, 2]
                    count += weight * along[k, j, 3]
                share = ONE / max(count, least)
                mean[i, j, 0], mean[i, j, 1], mean[i, j, 2] = reds * share, greens * share, blues * share
    return near[reach : rows + reach, reach : columns + reach].copy(), mean


@compiled
def close_gaps(picture: Picture, gaps: FloatArray, near: BoolArray, mean: FloatArray, spans: IntArray, top: int, left: int) -> None:
    """Gives closed slits the colour of the cloth around them; near and mean: see `around_gaps`."""
    height = gaps.shape[0]
    rows, columns = near.shape
    for i in range(rows):
        for j in range(columns):
            if not near[i, j]:
                continue
            for y in range(4 * i, min(4 * i + 4, height)):
                for x in range(max(4 * j, spans[y // BAND, 0]), min(4 * j + 4, spans[y // BAND, 1])):
                    gap = gaps[y, x]
                    if gap <= ZERO:
                        continue
                    at_y, at_x = max((F(y) + HALF) * QUARTER - HALF, ZERO), max((F(x) + HALF) * QUARTER - HALF, ZERO)
                    p, q = int(at_y), int(at_x)
                    v, u = at_y - F(p), at_x - F(q)
                    below, beside = min(p + 1, rows - 1), min(q + 1, columns - 1)
                    for c in range(3):
                        upper = mean[p, q, c] + (mean[p, beside, c] - mean[p, q, c]) * u
                        under = mean[below, q, c] + (mean[below, beside, c] - mean[below, q, c]) * u
                        value = F(picture[y + top, x + left, c])
                        value += (upper + (under - upper) * v - value) * gap
                        picture[y + top, x + left, c] = np.uint8(np.int32(min(max(value, ZERO), LEVELS) + HALF))
