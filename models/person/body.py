"""Measures a body in a photo: the frame, the outline and the arms that garments are draped on.

Everything is in px of the photo; index 0 is the picture's left, 1 its right. Lengths that do not depend on the
size of the picture are given in *units*: the distance of the shoulder joints, but at least half the trunk
(a person who turns away has a short shoulder line and an unchanged trunk).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.errors import BodyNotVisible
from models.types import FloatArray, Label, LabelMap, PersonParse, Pose

SHOULDERS, ELBOWS, WRISTS, FINGERS, HIPS, KNEES = (11, 12), (13, 14), (15, 16), (19, 20), (23, 24), (25, 26)
NOSE, MOUTH = 0, (9, 10)

ROW_COUNT = 96
"""Rows on which the outline of the trunk is measured ..."""
ROW_SPAN = 3.0
"""... from the shoulder line down to this many units (a tunic's hem)."""
TOP_COUNT = 33
TOP_FROM, TOP_TO = 0.14, 0.78
"""Distances from the middle, in units, between which the height of the shoulder is measured."""
ARM_COUNT = 49
"""Samples along an arm, from the shoulder joint (0) over the elbow (1) to the wrist (2)."""
WAIST_COUNT = 65
WAIST_TO = 0.62
"""The waist line is measured to this many units on either side of the trunk's axis."""

ARM_RADII = (0.122, 0.098, 0.062)
"""Usual half widths of a bare arm at shoulder, elbow and wrist, in units."""
STEADY = 3
"""Outlines of arms are running medians over this many samples to either side."""
ARM_FACTOR = (0.75, 1.6)
"""Arms differ from the usual by at most these factors."""
OUTLINE_TO = 0.46
"""The silhouette beside an arm is looked for up to this far from the bone."""
ELBOW_VISIBLE, HIDDEN_FROM = 0.5, 0.6
"""MediaPipe's visibility from which an elbow is seen; of an arm whose elbow is not, the rest from here on is ignored."""
SIDE_FROM, SIDE_TO, SIDE_USUAL = 0.25, 0.95, 0.55
"""The trunk's outline is looked for between these distances from the axis; where none is found it is the usual one."""
ARM_STARTS_AT = 0.38
"""Nearer to the axis than this a hand or forearm lies in front of the trunk and is not its edge."""
CLOTH_BEHIND_ARM = 0.03
"""A sleeved arm beside the trunk hides this much of the trunk's own edge."""
TIP_OUT, TIP_UP = 0.025, 0.012
"""A set-in sleeve's seam lies this much outside and above where the joint's vertical leaves the body."""
TIP_HEIGHT = (0.06, 0.18)
TOP_USUAL = ((0.22, 0.29), (0.50, 0.10))
"""Usual height of the shoulder above the joint line at two distances from the middle; used where hair hides it."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm as a chain shoulder - elbow - wrist, sampled at `ARM_COUNT` places from 0 (shoulder) to 2 (wrist)."""

    joints: FloatArray
    """(4, 2) shoulder, elbow, wrist, finger base."""
    radius: FloatArray
    """(ARM_COUNT,) px half width of the bare arm, fitted to visible skin."""
    outline: FloatArray
    """(2, ARM_COUNT) px from the bone to the silhouette, away from the trunk and towards it; negative where unseen."""
    sleeve_end: float
    """0..2: where the worn sleeve ends on the arm; 0 without sleeve."""
    in_front: bool
    """True when the forearm is nearer to the camera than the trunk."""
    visible: bool
    """False where the elbow is hidden, mostly behind the trunk."""


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
    tip: FloatArray
    """(2, 2) top of the shoulders where a set-in sleeve begins."""
    top: FloatArray
    """(2, TOP_COUNT) px height of the shoulder over the joint line at distances TOP_FROM..TOP_TO from the middle."""
    row_middle: FloatArray
    """(ROW_COUNT, 2) the trunk's axis."""
    row_right: FloatArray
    """(ROW_COUNT, 2) unit vectors across the trunk."""
    side: FloatArray
    """(2, ROW_COUNT) px from the axis to the trunk's outline as worn."""
    waist: FloatArray
    """(WAIST_COUNT,) px below the shoulder line (along the axis) where the lower garment begins."""
    waist_known: bool
    waist_spread: float
    """Median deviation of the waist line's points from it, in units: small for a clear straight edge."""
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
    for k in (0, 1):
        joints = np.stack([shoulder[k], elbow[k], wrist[k], finger[k]])
        index = (SHOULDERS[order[k]], ELBOWS[order[k]], WRISTS[order[k]])
        radius = _arm_radius(labels, joints, unit)
        arms.append(
            Arm(
                joints=joints,
                radius=radius,
                outline=_arm_outline(labels, joints, (-1, 1)[k] * right, unit),
                sleeve_end=_sleeve_end(labels, joints, radius),
                in_front=bool(pose.depth[index[2]] < depth),
                visible=bool(pose.visibility[index[1]] > ELBOW_VISIBLE),
            )
        )
    both = (arms[0], arms[1])
    row_middle, row_right = _rows(middle, hip_middle, right, hip, unit)
    tip = np.stack([_tip(labels, shoulder[k], (-1, 1)[k] * right, over, unit) for k in (0, 1)])
    top = np.stack([_top(labels, middle, (-1, 1)[k] * right, over, unit) for k in (0, 1)])
    for k in (0, 1):  # the tip lies on the shoulder's measured top
        x = float((tip[k] - middle) @ right) * (-1, 1)[k] / unit
        height = float(np.interp(x, np.linspace(TOP_FROM, TOP_TO, TOP_COUNT), top[k])) + TIP_UP * unit
        own = float((tip[k] - middle) @ over)
        tip[k] += over * (np.clip(height, TIP_HEIGHT[0] * unit, TIP_HEIGHT[1] * unit) - own)
    side = np.stack([_side(labels, row_middle, (-1, 1)[k] * row_right, both[k], unit) for k in (0, 1)])
    waist, waist_known, spread, ratio = _waist(labels, both, row_middle, row_right, trunk_px, unit)
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
        tip=tip.astype(np.float32),
        top=top.astype(np.float32),
        row_middle=row_middle,
        row_right=row_right,
        side=side.astype(np.float32),
        waist=waist,
        waist_known=waist_known,
        waist_spread=spread,
        hem_ratio=ratio,
    )


def look_up(labels: LabelMap, points: FloatArray) -> LabelMap:
    """Labels at `points` (..., 2); beyond the picture the nearest pixel's."""
    height, width = labels.shape
    x = np.clip(np.rint(points[..., 0]), 0, width - 1).astype(np.intp)
    y = np.clip(np.rint(points[..., 1]), 0, height - 1).astype(np.intp)
    found: LabelMap = labels[y, x]
    return found


def first(hits: np.ndarray, otherwise: int) -> np.ndarray:
    """Index of the first True along the last axis, `otherwise` where there is none."""
    return np.where(hits.any(-1), hits.argmax(-1), otherwise)


def _rows(middle: FloatArray, hip_middle: FloatArray, right: FloatArray, hip: FloatArray, unit: float) -> tuple[FloatArray, FloatArray]:
    """The trunk's axis and its directions across: the shoulder line's at the top, turning to the hips' at the hips."""
    trunk = float(np.linalg.norm(hip_middle - middle))
    distance = np.linspace(0, ROW_SPAN * unit, ROW_COUNT)[:, None]
    down = (hip_middle - middle) / max(trunk, 1e-3)
    across_hips = (hip[1] - hip[0]) / max(float(np.linalg.norm(hip[1] - hip[0])), 1e-3)
    square = np.array([-down[1], down[0]])
    square = square if square @ right > 0 else -square
    # hips seen from the side have no direction of their own
    across_hips = across_hips if across_hips @ square > 0.8 else square
    share = np.clip(distance / max(trunk, 1e-3), 0, 1)
    across = right * (1 - share) + (0.5 * across_hips + 0.5 * square) * share
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    return (middle + down * distance).astype(np.float32), across.astype(np.float32)


def arm_coordinates(points: FloatArray, arm: Arm) -> tuple[FloatArray, FloatArray]:
    """Where `points` (..., 2) lie on an arm.

    Returns the distance from the bones in arm half widths (1 is the skin) and the place along the arm:
    0 shoulder, 1 elbow, 2 wrist, up to 2.5 on the hand; both (...).
    """
    place = np.linspace(0, 2, ARM_COUNT)
    reach = np.full(points.shape[:-1], np.inf, np.float32)
    where = np.zeros(points.shape[:-1], np.float32)
    shoulder, elbow, wrist, finger = arm.joints
    hand_end = wrist + (finger - wrist) * 1.6
    for start, end, base, length in ((shoulder, elbow, 0.0, 1.0), (elbow, wrist, 1.0, 1.0), (wrist, hand_end, 2.0, 0.5)):
        bone = end - start
        t = ((points - start) @ bone) / max(float(bone @ bone), 1e-3)
        held = np.clip(t, 0, 1).astype(np.float32)
        offset = points - (start + held[..., None] * bone)
        along = base + held * length
        radius = np.interp(along, place, arm.radius).astype(np.float32)
        if base == 2.0:
            radius = radius * 1.35  # a hand is wider than the wrist
        distance = np.sqrt((offset**2).sum(-1)) / radius
        nearer = distance < reach
        reach, where = np.where(nearer, distance, reach), np.where(nearer, along, where)
    return reach.astype(np.float32), where.astype(np.float32)


def _usual_radius(unit: float) -> FloatArray:
    place = np.linspace(0, 2, ARM_COUNT)
    return (np.interp(place, (0, 1, 2), ARM_RADII) * unit).astype(np.float32)


def _across(joints: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Points on the bones at the arm's samples and the unit normals there, (ARM_COUNT, 2) each."""
    place = np.linspace(0, 2, ARM_COUNT)
    lower = (place > 1)[:, None]
    start, end = np.where(lower, joints[1], joints[0]), np.where(lower, joints[2], joints[1])
    bone = end - start
    share = (place - lower[:, 0])[:, None]
    length = np.maximum(np.linalg.norm(bone, axis=1, keepdims=True), 1e-3)
    normal = np.stack([-bone[:, 1], bone[:, 0]], 1) / length
    return (start + bone * share).astype(np.float32), normal.astype(np.float32)


def _arm_radius(labels: LabelMap, joints: FloatArray, unit: float) -> FloatArray:
    """Usual taper, scaled to the skin that is seen between two stretches of background."""
    usual = _usual_radius(unit)
    points, normal = _across(joints)
    steps = np.arange(0, 0.22, 0.006) * unit
    widths = []
    for sign in (-1, 1):
        seen = look_up(labels, points[:, None] + sign * normal[:, None] * steps[None, :, None])
        end = first(seen != Label.SKIN, len(steps) - 1)
        open_end = seen[np.arange(ARM_COUNT), end] == Label.BACKGROUND
        widths.append(np.where(open_end, steps[end], np.nan))
    both = (widths[0] + widths[1]) / 2
    ratio = np.where(np.minimum(widths[0], widths[1]) > 0.02 * unit, both / usual, np.nan)
    ratio[:3] = ratio[-3:] = np.nan
    steady = _steady(ratio)
    known = steady > 0
    if known.sum() < 5:
        return usual
    # what is seen nearest tells how strong the arm is where cloth hides it
    place = np.arange(ARM_COUNT)
    factor = np.clip(np.interp(place, place[known], steady[known]), *ARM_FACTOR)
    return (usual * np.convolve(np.pad(factor, 4, mode="edge"), np.full(9, 1 / 9), "valid")).astype(np.float32)


def outward_normals(joints: FloatArray, outward: FloatArray) -> FloatArray:
    """(ARM_COUNT, 2) unit normals of the bones that point away from the trunk at the upper arm, and stay on that side."""
    _, normal = _across(joints)
    upper, fore = joints[1] - joints[0], joints[2] - joints[1]
    n1, n2 = normal[0], normal[-1]
    sign1 = 1.0 if n1 @ outward >= 0 else -1.0
    same = (upper[0] * n1[1] - upper[1] * n1[0]) * (fore[0] * n2[1] - fore[1] * n2[0]) > 0
    sign = np.where(np.linspace(0, 2, ARM_COUNT) > 1, sign1 if same else -sign1, sign1)
    flipped: FloatArray = (normal * sign[:, None]).astype(np.float32)
    return flipped


def _arm_outline(labels: LabelMap, joints: FloatArray, outward: FloatArray, unit: float) -> FloatArray:
    points, _ = _across(joints)
    normal = outward_normals(joints, outward)
    steps = np.arange(0, OUTLINE_TO, 0.006) * unit
    edges = []
    for sign in (1, -1):
        seen = look_up(labels, points[:, None] + sign * normal[:, None] * steps[None, :, None])
        end = first(seen == Label.BACKGROUND, -1)
        own = (seen == Label.SKIN) | (seen == Label.UPPER)
        # the ray must run over the arm alone: hair, the other garment or a bag end it
        clear = np.cumprod(own | (seen == Label.BACKGROUND), -1, dtype=bool)[np.arange(len(end)), np.maximum(end, 0)]
        edges.append(_steady(np.where((end > 0) & clear, steps[np.maximum(end, 0)], np.nan)))
    return np.stack(edges).astype(np.float32)


def _steady(profile: FloatArray) -> FloatArray:
    """A running median of a profile; short gaps (NaN) are bridged, others become -1."""
    padded = np.pad(profile, STEADY, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * STEADY + 1)
    seen = np.isfinite(windows).sum(1) > STEADY
    ordered = np.sort(np.where(np.isfinite(windows), windows, np.inf), 1)
    middle = ordered[np.arange(len(profile)), np.maximum(np.isfinite(windows).sum(1) - 1, 0) // 2]
    return np.where(seen, middle, -1.0).astype(np.float32)


def _sleeve_end(labels: LabelMap, joints: FloatArray, radius: FloatArray) -> float:
    """The place on the arm (0..2) that best parts cloth above from skin below."""
    points, normal = _across(joints)
    offsets = np.linspace(-0.6, 0.6, 7)
    seen = look_up(labels, points[:, None] + normal[:, None] * (offsets[None, :] * radius[:, None])[..., None])
    skin, cloth = (seen == Label.SKIN).sum(1), (seen == Label.UPPER).sum(1)
    balance = np.concatenate([[0.0], np.cumsum((cloth - skin).astype(float))])
    # best split: cloth before, skin after
    score = balance - (balance[-1] - balance)
    return float(np.linspace(0, 2, ARM_COUNT + 1)[int(score.argmax())])


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


def _side(labels: LabelMap, row_middle: FloatArray, outward: FloatArray, arm: Arm, unit: float) -> FloatArray:
    steps = np.arange(SIDE_FROM, SIDE_TO, 0.01) * unit
    points = row_middle[:, None] + outward[:, None] * steps[None, :, None]
    seen = look_up(labels, points)
    reach, place = arm_coordinates(points, arm)
    ground = seen == Label.BACKGROUND
    on_arm = (reach < 1.05) & (steps > ARM_STARTS_AT * unit)[None]
    if not arm.visible:  # hidden behind the trunk from the elbow on: no edge of it there
        on_arm &= place < HIDDEN_FROM
    end = first(ground | on_arm, -1)
    rows = np.arange(len(end))
    width = steps[end].copy()
    sleeved = ~ground[rows, end] & (seen[rows, end] != Label.SKIN)
    width = np.where(sleeved, width + CLOTH_BEHIND_ARM * unit, width)
    width = np.where(end < 0, SIDE_USUAL * unit, width)
    return np.convolve(np.pad(width, 2, mode="edge"), (0.1, 0.2, 0.4, 0.2, 0.1), "valid")


def _waist(
    labels: LabelMap, arms: tuple[Arm, Arm], row_middle: FloatArray, row_right: FloatArray, trunk_px: float, unit: float
) -> tuple[FloatArray, bool, float, float]:
    """A robust parabola through the first lower-garment pixels below the old top, column by column."""
    lateral = np.linspace(-WAIST_TO, WAIST_TO, WAIST_COUNT)
    step_px = ROW_SPAN * unit / (ROW_COUNT - 1)
    fine = 4
    distance = np.linspace(0, ROW_SPAN * unit, (ROW_COUNT - 1) * fine + 1)
    index = np.arange(len(distance)) / fine
    middle = np.stack([np.interp(index, np.arange(ROW_COUNT), row_middle[:, c]) for c in (0, 1)], -1)
    across = np.stack([np.interp(index, np.arange(ROW_COUNT), row_right[:, c]) for c in (0, 1)], -1)
    points = (middle[:, None] + across[:, None] * (lateral * unit)[None, :, None]).astype(np.float32)
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
        return np.full(WAIST_COUNT, 1.02 * trunk_px, np.float32), False, 1.0, 1.0
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
    return waist.astype(np.float32), True, float(np.median(np.abs(residual)) / unit), float(ratio)
