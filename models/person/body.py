"""Measures a body in a photo: the frame, the outline and the limbs that garments are draped on.

Everything is in px of the photo; index 0 is the picture's left, 1 its right. Lengths that do not depend on the
size of the picture are given in *units*: the distance of the shoulder joints, but at least half the trunk
(a person who turns away has a short shoulder line and an unchanged trunk).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.errors import BodyNotVisible
from models.person.limbs import (
    ARM_NEAR,
    ARM_OUTLINE_TO,
    ARM_RADII,
    LEG_OUTLINE_TO,
    LEG_RADII,
    Arm,
    Leg,
    across,
    arm_coordinates,
    cloth_end,
    first,
    limb_outline,
    limb_radius,
    look_up,
    outward_normals,
    sleeve_ends,
    usual_radius,
)
from models.types import BoolArray, FloatArray, Label, LabelMap, PersonParse, Pose

SHOULDERS, ELBOWS, WRISTS, FINGERS, HIPS, KNEES = (11, 12), (13, 14), (15, 16), (19, 20), (23, 24), (25, 26)
ANKLES, TOES = (27, 28), (31, 32)
NOSE, MOUTH = 0, (9, 10)

ROW_COUNT = 146
"""Rows on which the outline of trunk and legs is measured ..."""
ROW_SPAN = 4.6
"""... from the shoulder line down to this many units (the ankles of a person who stands)."""
TRUNK_ROWS = 96
"""So many of them (3 units) may be covered by a top, a tunic included."""
TOP_COUNT = 33
TOP_FROM, TOP_TO = 0.14, 0.78
"""Distances from the middle, in units, between which the height of the shoulder is measured."""
WAIST_COUNT = 65
WAIST_TO = 0.62
"""The waist line is measured to this many units on either side of the trunk's axis."""

ELBOW_VISIBLE, HIDDEN_FROM = 0.5, 0.6
"""MediaPipe's visibility from which an elbow is seen; of an arm whose elbow is not, the rest from here on is ignored."""
SIDE_FROM, SIDE_TO, SIDE_USUAL = 0.25, 0.95, 0.55
"""The trunk's outline is looked for between these distances from the axis; where none is found it is the usual one."""
ARM_STARTS_AT = 0.38
"""Nearer to the axis than this a hand or forearm lies in front of the trunk and is not its edge."""
SLEEVE_SLACK = 0.15
"""A worn sleeve may end this much further along the arm (0..2) than it was found to."""
SKIN_NEXT = 8
"""... but where skin is seen within so many hundredths of a unit beyond it, it is the trunk's."""
CAP_END, SKIN_NEXT_BARE = 0.30, 20
"""An arm whose sleeve ends before the first (places on the arm) is bare or nearly so: cloth on it is the trunk's if skin is seen within
so many hundredths."""
CLOTH_BEHIND_ARM = 0.03
"""A sleeved arm beside the trunk hides this much of the trunk's own edge."""
TAPER, TAPER_TO = 0.35, 0.36
"""Upwards from a gap between arm and trunk, which is seen, a trunk grows wider by at most so much for each px, from at least
so many units from the axis on."""
KNEE_VISIBLE = 0.5
"""MediaPipe's visibility from which a knee inside the picture is seen."""
THIGH_USUAL, SHIN_USUAL, THIGH_LEAST = 0.82, 0.80, 0.45
"""Bones of a leg that is not in the picture, in trunk lengths, when MediaPipe's guess of its thigh is shorter than the last."""
EDGE_OFF, EDGE_STEP, EDGE_CORNER = 0.10, 0.02, 0.12
"""The lower garment's upper edge is followed to this far (units) from the waist line; where it falls by more than the second
between neighbours (a side, a hand before it) it is not followed; its corner lies within the third of the waistband's end."""
TUCK_ROUND, TUCK_MOST = 0.03, 0.2
"""Beside the corner a tucked top rounds off with this radius, up to this far above it (units)."""
HIGH_BAND = 0.25
"""Under a top that hangs out the lower garment's waistband lies at most so far above the hips (trunk lengths)."""
BAND_ROWS = (0.04, 0.12)
"""The waistband's width is that of the lower garment between so many units below the waist line."""
LEGS_FROM, LEGS_TO = 0.25, 1.6
"""From this far below the hips (units) the legs' silhouette bounds the outline too; it reaches at most so far from the axis."""
LEGS_BEND = 0.3
"""The axis turns from the trunk's to the legs' direction over this many units round the hips."""
STANDING = 0.5
"""The axis follows thighs that run down at least this many trunk lengths; those of a seated person tell no direction."""
TIP_OUT, TIP_UP = 0.025, 0.012
"""A set-in sleeve's seam lies this much outside and above where the joint's vertical leaves the body."""
TIP_HEIGHT = (0.06, 0.18)
BARE_COUNT, BARE_FROM, BARE_TO = 17, 0.25, -0.55
"""The armhole of a worn top without sleeves is measured at so many heights over the shoulder joints' line (units) ..."""
BARE_RUNS = (0.06, 0.04)
"""... where a run of its cloth, of at least the first length (units), meets one of skin, of at least the second."""
TOP_USUAL = ((0.22, 0.29), (0.50, 0.10))
"""Usual height of the shoulder above the joint line at two distances from the middle; used where hair hides it."""


@dataclass(frozen=True, slots=True)
class Body:
    """A measured body. `up` (along the trunk's axis), `right` and `over` are unit vectors of the picture."""

    unit_px: float
    trunk_px: float
    middle: FloatArray
    """(2,) between the shoulder joints."""
    hip_middle: FloatArray
    up: FloatArray
    right: FloatArray
    """(2,) along the shoulder line, towards the picture's right."""
    over: FloatArray
    """(2,) square to the shoulder line, upwards: the shoulders' own vertical, which leans when one is raised."""
    shoulder_px: float
    """Distance of the shoulder joints."""
    chin: FloatArray
    face_px: float
    """Distance from the nose to the chin."""
    nose: FloatArray
    arms: tuple[Arm, Arm]
    legs: tuple[Leg, Leg]
    tip: FloatArray
    """(2, 2) top of the shoulders where a set-in sleeve begins."""
    top: FloatArray
    """(2, TOP_COUNT) px height of the shoulder over the joint line at distances TOP_FROM..TOP_TO from the middle."""
    armhole: FloatArray
    """(2, BARE_COUNT) px from the middle, along the shoulder line, to the edge of a worn top without sleeves, at heights BARE_FROM to
    BARE_TO over the shoulder joints' line; negative where that is not seen."""
    row_middle: FloatArray
    """(ROW_COUNT, 2) the trunk's axis, and from the hips on the legs'."""
    row_right: FloatArray
    """(ROW_COUNT, 2) unit vectors across the trunk."""
    side: FloatArray
    """(2, ROW_COUNT) px from the axis to the outline of trunk and legs as worn."""
    waist: FloatArray
    """(WAIST_COUNT,) px below the shoulder line (along the axis) where the lower garment begins."""
    band_line: FloatArray
    """(WAIST_COUNT,) the same, following the lower garment's edge as it is seen: `waist` is its smooth likeness."""
    waist_known: bool
    waist_spread: float
    """Median deviation of the waist line's points from it, in units: small for a clear straight edge."""
    band: FloatArray
    """(2,) px from the axis to the lower garment's outline just below the waist line; negative where it is not seen."""
    hem_ratio: float
    """Width of the worn top just above the waist line against the lower garment's just below."""


def measure_body(pose: Pose, parse: PersonParse) -> Body:
    """Measures the person of `pose` in the parsed photo.

    Raises BodyNotVisible when the shoulders cannot be told apart.
    """
    labels = parse.labels
    order = (1, 0) if pose.xy[SHOULDERS[1], 0] <= pose.xy[SHOULDERS[0], 0] else (0, 1)

    def pair(indices: tuple[int, int]) -> FloatArray:
        return pose.xy[[indices[order[0]], indices[order[1]]]].astype(np.float32)

    shoulder, hip, elbow, wrist, finger = pair(SHOULDERS), pair(HIPS), pair(ELBOWS), pair(WRISTS), pair(FINGERS)
    middle, hip_middle = shoulder.mean(0), hip.mean(0)
    trunk_px = float(np.linalg.norm(middle - hip_middle))
    shoulder_px = float(np.linalg.norm(shoulder[1] - shoulder[0]))
    if max(trunk_px, shoulder_px) < 4:
        raise BodyNotVisible("The shoulders cannot be seen; use a photo that shows the upper body from the front.")
    up = (middle - hip_middle) / max(trunk_px, 1e-3)
    right = (shoulder[1] - shoulder[0]) / max(shoulder_px, 1e-3)
    over = np.array([right[1], -right[0]], np.float32)
    unit = max(shoulder_px, 0.5 * trunk_px)
    depth = pose.depth[[SHOULDERS[order[0]], SHOULDERS[order[1]]]].mean()
    arms = []
    arm_joints = [np.stack([shoulder[k], elbow[k], wrist[k], finger[k]]) for k in (0, 1)]
    radii = [limb_radius(labels, joints, usual_radius(ARM_RADII, unit), unit) for joints in arm_joints]
    ends = sleeve_ends(labels, arm_joints, radii)
    for k in (0, 1):
        joints, radius = arm_joints[k], radii[k]
        index = (SHOULDERS[order[k]], ELBOWS[order[k]], WRISTS[order[k]])
        own_labels = (Label.SKIN, Label.UPPER)
        arms.append(
            Arm(
                joints=joints,
                radius=radius,
                outline=limb_outline(labels, joints, (-1, 1)[k] * right, own_labels, ARM_OUTLINE_TO * unit, 0.006 * unit, None),
                sleeve_end=ends[k],
                in_front=bool(pose.depth[index[2]] < depth),
                visible=bool(pose.visibility[index[1]] > ELBOW_VISIBLE),
            )
        )
    both = (arms[0], arms[1])
    knee, ankle, toes = pair(KNEES), pair(ANKLES), pair(TOES)
    legs = _legs(labels, pose, order, np.stack([hip, knee, ankle, toes], 1), both, -up * trunk_px, unit)
    row_middle, row_right = _rows(middle, hip_middle, right, hip, np.mean([leg.joints[1] for leg in legs], axis=0), unit)
    tip = np.stack([_tip(labels, shoulder[k], (-1, 1)[k] * right, over, unit) for k in (0, 1)])
    top = np.stack([_top(labels, middle, (-1, 1)[k] * right, over, unit) for k in (0, 1)])
    for k in (0, 1):  # the tip lies on the shoulder's measured top
        x = float((tip[k] - middle) @ right) * (-1, 1)[k] / unit
        height = float(np.interp(x, np.linspace(TOP_FROM, TOP_TO, TOP_COUNT), top[k])) + TIP_UP * unit
        own = float((tip[k] - middle) @ over)
        tip[k] += over * (np.clip(height, TIP_HEIGHT[0] * unit, TIP_HEIGHT[1] * unit) - own)
    armhole = np.stack([_armhole(labels, middle, (-1, 1)[k] * right, over, unit) for k in (0, 1)])
    side = np.stack([_side(labels, row_middle, (-1, 1)[k] * row_right, both[k], unit) for k in (0, 1)])
    side = _with_legs(side, legs, row_middle, row_right, hip_middle, right, unit)
    waist, band_line, waist_known, spread, ratio, band = _waist(labels, both, row_middle, row_right, trunk_px, unit)
    mouth = pose.xy[list(MOUTH)].mean(0)
    chin = pose.xy[NOSE] + (mouth - pose.xy[NOSE]) * 2.2
    return Body(
        unit_px=unit,
        trunk_px=trunk_px,
        middle=middle,
        hip_middle=hip_middle,
        up=up.astype(np.float32),
        right=right.astype(np.float32),
        over=over,
        shoulder_px=shoulder_px,
        chin=chin.astype(np.float32),
        face_px=max(float(np.linalg.norm(chin - pose.xy[NOSE])), 0.18 * unit),
        nose=pose.xy[NOSE].astype(np.float32),
        arms=both,
        legs=legs,
        tip=tip.astype(np.float32),
        top=top.astype(np.float32),
        armhole=armhole,
        row_middle=row_middle,
        row_right=row_right,
        side=side.astype(np.float32),
        waist=waist,
        band_line=band_line,
        waist_known=waist_known,
        waist_spread=spread,
        hem_ratio=ratio,
        band=band,
    )


def _legs(
    labels: LabelMap, pose: Pose, order: tuple[int, int], chain: FloatArray, arms: tuple[Arm, Arm], down: FloatArray, unit: float
) -> tuple[Leg, Leg]:
    """Both legs; `chain` (2, 4, 2) hip, knee, ankle, toes; `down` (2,) px from the shoulders to the hips."""
    height, width = labels.shape
    trunk = float(np.linalg.norm(down))
    joints = chain.astype(np.float32).copy()
    seen = []
    for k in (0, 1):
        x, y = joints[k, 1]
        seen.append(bool(pose.visibility[KNEES[order[k]]] > KNEE_VISIBLE and 0 <= x < width and 0 <= y < height))
        if not seen[k] and (joints[k, 1] - joints[k, 0]) @ down < THIGH_LEAST * trunk * trunk:
            joints[k, 1] = joints[k, 0] + THIGH_USUAL * down
            joints[k, 2] = joints[k, 1] + SHIN_USUAL * down
            joints[k, 3] = joints[k, 2] + 0.15 * down
    box = _box(joints, LEG_OUTLINE_TO * unit, (height, width))
    blocked = _on_arms(arms, box, (height, width))
    near = [float(pose.depth[KNEES[order[k]]] + pose.depth[ANKLES[order[k]]]) for k in (0, 1)]
    outward = joints[0, 0] - joints[1, 0]
    bones = [across(joints[k])[0] for k in (0, 1)]
    legs = []
    for k in (0, 1):
        apart = np.linalg.norm(bones[k][:, None] - bones[1 - k][None], axis=2).min(1)
        radius = limb_radius(labels, joints[k], usual_radius(LEG_RADII, unit), unit)
        own = (Label.SKIN, Label.LOWER, Label.UPPER)
        sign = 1 if k == 0 else -1
        outline = limb_outline(labels, joints[k], sign * outward, own, LEG_OUTLINE_TO * unit, 0.008 * unit, blocked)
        # beyond the middle between the legs it is the other one's, or a skirt's
        outline[1] = np.where(outline[1] > 0.6 * apart, -1, outline[1])
        legs.append(
            Leg(
                joints=joints[k],
                radius=radius,
                outline=outline,
                cloth_end=cloth_end(labels, joints[k], radius, (Label.LOWER, Label.UPPER)),
                in_front=near[k] <= near[1 - k],
                visible=seen[k],
            )
        )
    return legs[0], legs[1]


def _box(points: FloatArray, margin: float, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a picture of `size` (H, W) that hold all `points` (..., 2) and `margin` px around them."""
    flat = points.reshape(-1, 2)
    low, high = flat.min(0) - margin, flat.max(0) + margin
    x0, y0 = (int(np.clip(v, 0, n - 1)) for v, n in zip(low, size[::-1], strict=True))
    x1, y1 = (int(np.clip(v, 0, n - 1)) + 1 for v, n in zip(high, size[::-1], strict=True))
    return slice(y0, y1), slice(x0, x1)


def _on_arms(arms: tuple[Arm, Arm], box: tuple[slice, slice], size: tuple[int, int]) -> BoolArray:
    """(H, W) True on the arms, inside `box` only."""
    step = 4
    y, x = np.mgrid[box[0].start : box[0].stop : step, box[1].start : box[1].stop : step].astype(np.float32)
    points = np.stack([x, y], -1)
    coarse = np.minimum(*(arm_coordinates(points, arm)[0] for arm in arms)) < ARM_NEAR
    fine = coarse.repeat(step, 0).repeat(step, 1)[: box[0].stop - box[0].start, : box[1].stop - box[1].start]
    mask = np.zeros(size, np.bool_)
    mask[box] = fine
    return mask


def _rows(
    middle: FloatArray, hip_middle: FloatArray, right: FloatArray, hip: FloatArray, knees: FloatArray, unit: float
) -> tuple[FloatArray, FloatArray]:
    """The axis and the directions across it: the shoulder line's at the top, turning to the hips' at the hips.

    From the hips on the axis runs towards `knees` (2,), the middle between them.
    """
    trunk = float(np.linalg.norm(hip_middle - middle))
    distance = np.linspace(0, ROW_SPAN * unit, ROW_COUNT)[:, None]
    down = (hip_middle - middle) / max(trunk, 1e-3)
    across_hips = (hip[1] - hip[0]) / max(float(np.linalg.norm(hip[1] - hip[0])), 1e-3)
    square = np.array([-down[1], down[0]])
    square = square if square @ right > 0 else -square
    # hips seen from the side have no direction of their own
    across_hips = across_hips if across_hips @ square > 0.8 else square
    share = np.clip(distance / max(trunk, 1e-3), 0, 1)
    across_rows = right * (1 - share) + (0.5 * across_hips + 0.5 * square) * share
    thigh = knees - hip_middle
    if thigh @ down > STANDING * trunk:
        turned = thigh / np.linalg.norm(thigh)
        bend = np.clip((distance - trunk) / (LEGS_BEND * unit) + 0.5, 0, 1)
        direction = down * (1 - bend) + turned * bend
        step = ROW_SPAN * unit / (ROW_COUNT - 1)
        points = middle + np.concatenate([np.zeros((1, 2)), np.cumsum((direction[1:] + direction[:-1]) / 2 * step, 0)])
        square_legs = np.array([-turned[1], turned[0]])
        square_legs = square_legs if square_legs @ right > 0 else -square_legs
        across_rows = across_rows * (1 - bend) + (0.3 * across_rows + 0.7 * square_legs) * bend
    else:
        points = middle + down * distance
    across_rows /= np.linalg.norm(across_rows, axis=1, keepdims=True)
    return points.astype(np.float32), across_rows.astype(np.float32)


def _with_legs(
    side: FloatArray,
    legs: tuple[Leg, Leg],
    row_middle: FloatArray,
    row_right: FloatArray,
    hip_middle: FloatArray,
    right: FloatArray,
    unit: float,
) -> FloatArray:
    """`side` (2, ROW_COUNT) widened, below the hips, to the legs' silhouette: a stance may be wider than a ray starts."""
    distance = np.linspace(0, ROW_SPAN * unit, ROW_COUNT)
    hips = float(distance[np.linalg.norm(row_middle - hip_middle, axis=1).argmin()])
    result = side.copy()
    below = distance > hips + LEGS_FROM * unit
    for k in (0, 1):
        sign = (-1, 1)[k]
        hull = np.zeros(ROW_COUNT)
        for j, leg in enumerate(legs):
            points, _ = across(leg.joints)
            normal = outward_normals(leg.joints, (-1, 1)[j] * right)
            edge = leg.outline[0] if j == k else np.full(len(points), -1.0)
            reach = np.where(edge > 0.5 * leg.radius, edge, leg.radius)
            outer = points + normal * ((1 if j == k else -1) * reach)[:, None]
            row = np.linalg.norm(outer[:, None] - row_middle[None], axis=2).argmin(1)
            lateral = ((outer - row_middle[row]) * row_right[row]).sum(1) * sign
            order = np.argsort(row, kind="stable")
            hull = np.maximum(hull, np.interp(np.arange(ROW_COUNT), row[order], lateral[order]))
        result[k] = np.where(below, np.clip(np.maximum(side[k], hull), 0, LEGS_TO * unit), side[k])
        result[k] = np.where(below, np.convolve(np.pad(result[k], 3, mode="edge"), np.full(7, 1 / 7), "valid"), side[k])
    return result


def _tip(labels: LabelMap, joint: FloatArray, outward: FloatArray, up: FloatArray, unit: float) -> FloatArray:
    base = joint + outward * TIP_OUT * unit
    steps = np.arange(0, 0.4, 0.01) * unit
    seen = look_up(labels, base + up * steps[:, None])
    end = first((seen == Label.HAIR) | (seen == Label.BACKGROUND), -1)
    rise = 0.17 * unit if end < 0 else (0.15 * unit if seen[end] == Label.HAIR else float(steps[end]))
    tip = base + up * float(np.clip(rise + TIP_UP * unit, TIP_HEIGHT[0] * unit, TIP_HEIGHT[1] * unit))
    # a bare shoulder may reach further out than the joint says: the seam lies on it
    steps = np.arange(0, 0.16, 0.006) * unit
    seen = look_up(labels, tip - up * 0.07 * unit + outward * steps[:, None])
    edge = int(first(seen == Label.BACKGROUND, len(steps)))
    bare = seen[:edge] == Label.SKIN
    far = float(steps[edge - 1]) if 0 < edge < len(steps) and bare[-1] else 0.0
    result: FloatArray = (tip + outward * 0.6 * far).astype(np.float32)
    return result


def _top(labels: LabelMap, middle: FloatArray, outward: FloatArray, up: FloatArray, unit: float) -> FloatArray:
    """Height of the shoulder over the joint line at TOP_COUNT distances from the middle, px."""
    lateral = np.linspace(TOP_FROM, TOP_TO, TOP_COUNT)
    steps = np.arange(-0.1, 0.42, 0.006) * unit
    start = middle + outward * (lateral * unit)[:, None]
    seen = look_up(labels, start[:, None] + up * steps[None, :, None])
    open_ = (seen == Label.BACKGROUND) & (steps > -0.05 * unit)[None]
    hidden = (seen == Label.HAIR) | (seen == Label.OTHER)
    ground, hair = first(open_, -1), first(hidden, 10**6)
    found = (ground >= 0) & (ground < hair)
    usual = np.interp(lateral, [t[0] for t in TOP_USUAL], [t[1] for t in TOP_USUAL]) * unit
    height = np.where(found, steps[np.maximum(ground, 0)], np.nan)
    if found.sum() >= 3:
        # what hair hides runs on parallel to the usual slope from what is seen
        shift = np.interp(lateral, lateral[found], (height - usual)[found])
        height = np.where(found, height, usual + shift)
    else:
        height = usual
    return np.convolve(np.pad(height, 1, mode="edge"), (0.25, 0.5, 0.25), "valid")


def _armhole(labels: LabelMap, middle: FloatArray, outward: FloatArray, up: FloatArray, unit: float) -> FloatArray:
    """`Body.armhole` of one side."""
    step = 0.01
    lateral = np.arange(TOP_FROM, TOP_TO, step)
    cloth_run, skin_run = (round(run / step) for run in BARE_RUNS)
    height = np.linspace(BARE_FROM, BARE_TO, BARE_COUNT)
    seen = look_up(labels, middle + outward * (lateral * unit)[None, :, None] + up * (height * unit)[:, None, None])

    def runs(label: Label, count: int) -> BoolArray:
        """(BARE_COUNT, N) where `count` samples from here on show the label."""
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(seen == label, ((0, 0), (0, count - 1))), count, axis=1)
        return np.asarray(windows.all(-1), np.bool_)

    edge = np.zeros(seen.shape, np.bool_)
    edge[:, cloth_run:] = runs(Label.UPPER, cloth_run)[:, :-cloth_run] & runs(Label.SKIN, skin_run)[:, cloth_run:]
    last = len(lateral) - 1 - edge[:, ::-1].argmax(1)
    return np.where(edge.any(1), (lateral[last] - step / 2) * unit, -1.0).astype(np.float32)


def _side(labels: LabelMap, row_middle: FloatArray, outward: FloatArray, arm: Arm, unit: float) -> FloatArray:
    steps = np.arange(SIDE_FROM, SIDE_TO, 0.01) * unit
    points = row_middle[:, None] + outward[:, None] * steps[None, :, None]
    seen = look_up(labels, points)
    reach, place = arm_coordinates(points, arm)
    ground = seen == Label.BACKGROUND
    # cloth where the arm is bare lies before it
    # and cloth that goes on to an arm's skin is the trunk's
    skin = seen == Label.SKIN
    meets = np.zeros_like(skin)
    for i in range(1, (SKIN_NEXT_BARE if arm.sleeve_end < CAP_END else SKIN_NEXT) + 1):
        meets[:, :-i] |= skin[:, i:]
    own = skin | ((place < arm.sleeve_end + SLEEVE_SLACK) & ~meets)
    on_arm = (reach < 1.05) & own
    # skin beside the cloth of a row is an arm, wherever the pose has it
    on_arm |= (seen == Label.SKIN) & (seen[:, : len(steps) // 6] == Label.UPPER).any(1)[:, None]
    on_arm &= (steps > ARM_STARTS_AT * unit)[None]
    if not arm.visible:  # hidden behind the trunk from the elbow on: no edge of it there
        on_arm &= place < HIDDEN_FROM
    end = first(ground | on_arm, -1)
    rows = np.arange(len(end))
    width = steps[end].copy()
    sleeved = ~ground[rows, end] & (seen[rows, end] != Label.SKIN)
    width = np.where(sleeved, width + CLOTH_BEHIND_ARM * unit, width)
    width = np.where(end < 0, SIDE_USUAL * unit, width)
    # a ray that slips through a speck of the parse tells of no edge
    width = np.median(np.stack([np.pad(width, 2, mode="edge")[i : i + len(width)] for i in range(5)]), 0)
    # above a gap between arm and trunk the trunk goes on as it is seen below, and the rest is the arm's
    gap = (end >= 0) & ground[rows, end]
    cap = np.inf
    for i in range(TRUNK_ROWS - 1, -1, -1):
        cap = width[i] if gap[i] else cap + TAPER * ROW_SPAN * unit / (ROW_COUNT - 1)
        width[i] = min(width[i], max(cap, TAPER_TO * unit))
    return np.convolve(np.pad(width, 2, mode="edge"), (0.1, 0.2, 0.4, 0.2, 0.1), "valid")


def _waist(
    labels: LabelMap, arms: tuple[Arm, Arm], row_middle: FloatArray, row_right: FloatArray, trunk_px: float, unit: float
) -> tuple[FloatArray, FloatArray, bool, float, float, FloatArray]:
    """A robust parabola through the first lower-garment pixels below the old top, column by column, and these themselves."""
    lateral = np.linspace(-WAIST_TO, WAIST_TO, WAIST_COUNT)
    step_px = ROW_SPAN * unit / (ROW_COUNT - 1)
    fine = 4
    distance = np.linspace(0, (TRUNK_ROWS - 1) * step_px, (TRUNK_ROWS - 1) * fine + 1)
    index = np.arange(len(distance)) / fine
    middle = np.stack([np.interp(index, np.arange(ROW_COUNT), row_middle[:, c]) for c in (0, 1)], -1)
    right = np.stack([np.interp(index, np.arange(ROW_COUNT), row_right[:, c]) for c in (0, 1)], -1)
    points = (middle[:, None] + right[:, None] * (lateral * unit)[None, :, None]).astype(np.float32)
    height, width = labels.shape
    inside = (points[..., 0] >= 0) & (points[..., 0] < width) & (points[..., 1] >= 0) & (points[..., 1] < height)
    seen = look_up(labels, points)
    lower = (seen == Label.LOWER) & inside
    run = max(2, round(0.05 * unit / (step_px / fine)))
    summed = np.cumsum(np.pad(lower, ((1, run), (0, 0))).astype(np.int32), 0)
    solid = lower & (summed[run:][: len(lower)] - summed[: len(lower)] > 0.8 * run) & (distance > 0.45 * unit)[:, None]
    row = first(solid.T, -1)
    column = np.arange(WAIST_COUNT)
    before = np.clip(row - run, 0, None)
    above = seen[before, column]
    arm_reach = np.minimum(*(arm_coordinates(points[before, column], arm)[0] for arm in arms))
    good = (row >= 0) & ((above == Label.UPPER) | ((above != Label.BACKGROUND) & (arm_reach > 1.6)))
    if good.sum() < 8:
        usual = np.full(WAIST_COUNT, 1.02 * trunk_px, np.float32)
        return usual, usual, False, 1.0, 1.0, np.full(2, -1, np.float32)
    x, y = lateral[good], distance[row[good]]
    weight = np.ones(len(x))
    powers = np.stack([np.ones_like(x), x, x**2], 1)
    fitted = np.zeros(3)
    residual = y
    for _ in range(12):
        weighted = powers * weight[:, None]
        # a mild prior keeps the parabola flat where few columns see the waist
        fitted = np.linalg.solve(weighted.T @ powers + np.diag([1e-3, 0.3, 1.0]), weighted.T @ y)
        residual = y - powers @ fitted
        weight = 1 / (1 + (residual / (0.03 * unit)) ** 2)
    waist = fitted[0] + fitted[1] * lateral + fitted[2] * lateral**2
    at = int(np.clip(fitted[0] / (step_px / fine), 0, len(distance) - 1))

    reach = np.minimum(*(arm_coordinates(points, arm)[0] for arm in arms))

    def width_of(label: Label, near: float, far: float) -> float:
        lo, hi = (np.clip(at + np.array([near, far]) * unit / (step_px / fine), 0, len(distance) - 1)).astype(int)
        rows = slice(min(lo, hi), max(lo, hi) + 1)
        band = (seen[rows] == label) & inside[rows] & (reach[rows] > 1.2)
        return float(np.median(band.sum(1)))

    ratio = width_of(Label.UPPER, -0.11, -0.05) / max(width_of(Label.LOWER, 0.06, 0.14), 1.0)
    rows = np.clip(at + np.array(BAND_ROWS) * unit / (step_px / fine), 0, len(distance) - 1).astype(int)
    ends = [_band(labels, middle[rows[0] : rows[1] + 1], side * right[rows[0] : rows[1] + 1], unit) for side in (-1, 1)]
    # behind a bag it goes on: as far as on the other side
    band = np.array([max(own, other) if covered else own for (own, covered), (other, _) in zip(ends, ends[::-1], strict=True)])
    edge = np.where(row >= 0, distance[np.maximum(row, 0)], np.inf)
    line, corner = _band_line(waist, edge, lateral, band / unit, unit)
    band = np.where(band > 0, np.minimum(band, corner * unit), band)
    return waist.astype(np.float32), line, True, float(np.median(np.abs(residual)) / unit), float(ratio), band.astype(np.float32)


def _band_line(waist: FloatArray, edge: FloatArray, lateral: FloatArray, band: FloatArray, unit: float) -> tuple[FloatArray, FloatArray]:
    """(WAIST_COUNT,) px: `edge` where it runs along `waist`; between and beside it, as far from `waist` as its neighbours are.
    And how far from the axis (units, both sides) its corners lie: at the end of `lateral` where they are not seen.

    edge: inf where there is none; lateral, band: units from the axis.
    """
    off = (edge - waist) / unit
    seen = np.abs(off) < EDGE_OFF
    middle = WAIST_COUNT // 2
    corner = [0, WAIST_COUNT - 1]
    for k, columns in enumerate((range(middle, -1, -1), range(middle, WAIST_COUNT))):
        last = -1
        for i in columns:
            if last >= 0 and seen[i] and edge[i] - edge[last] > EDGE_STEP * unit * abs(i - last):
                seen[i] = False
            if seen[i]:
                last = i
        if last >= 0 and band[k] > 0 and abs(abs(lateral[last]) - band[k]) < EDGE_CORNER:
            corner[k] = last
    if not seen.any():
        return waist.astype(np.float32), np.full(2, WAIST_TO)
    off = np.interp(lateral, lateral[seen], off[seen])
    off = np.median(np.stack([np.pad(off, 1, mode="edge")[i : i + WAIST_COUNT] for i in range(3)]), 0)
    beyond = np.maximum(np.maximum(lateral[corner[0]] - lateral, lateral - lateral[corner[1]]), 0)
    off = off - np.minimum(beyond**2 / (2 * TUCK_ROUND), TUCK_MOST)
    return np.asarray(waist + off * unit, np.float32), np.abs(lateral[corner])


def _band(labels: LabelMap, middle: FloatArray, outward: FloatArray, unit: float) -> tuple[float, bool]:
    """Median px from the axis (N, 2) `outward` (N, 2) to where the lower garment ends, and whether a bag hides its end; -1 where it is
    not seen."""
    steps = np.arange(SIDE_FROM, SIDE_TO, 0.006) * unit
    seen = look_up(labels, middle[:, None] + outward[:, None] * steps[None, :, None])
    end = first(seen != Label.LOWER, -1)
    if (end > 0).mean() <= 0.5:
        return -1.0, False
    beyond = seen[np.arange(len(end)), np.maximum(end, 0)]
    return float(np.median(steps[end[end > 0]])), bool((beyond[end > 0] == Label.OTHER).mean() > 0.5)
