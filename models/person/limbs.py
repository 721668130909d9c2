"""Arms and legs as chains of two bones: how thick they are, where their silhouette runs, where the cloth on them ends.

A limb is sampled at `LIMB_COUNT` places from 0 (shoulder or hip) over 1 (elbow or knee) to 2 (wrist or ankle). Positions
are px of the photo; lengths written as plain numbers are units of the body (`body.Body.unit_px`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.types import BoolArray, FloatArray, Label, LabelMap

LIMB_COUNT = 49
PLACES = np.linspace(0, 2, LIMB_COUNT)
ARM_RADII = ((0.0, 1.0, 2.0), (0.122, 0.098, 0.062))
"""Usual half widths of a bare arm at shoulder, elbow and wrist."""
LEG_RADII = ((0.0, 0.25, 1.0, 1.3, 1.75, 2.0), (0.30, 0.29, 0.175, 0.175, 0.115, 0.105))
"""Usual half widths of a bare leg from the hip joint to the ankle."""
STEADY = 3
"""Outlines of limbs are running medians over this many samples to either side."""
RADIUS_FACTOR = (0.75, 1.6)
"""Limbs differ from the usual by at most these factors."""
ARM_OUTLINE_TO, LEG_OUTLINE_TO = 0.46, 0.75
"""The silhouette beside a limb is looked for up to this far from the bone."""
HAND_REACH, HAND_END = 1.35, 1.6
"""A hand is this much wider than the wrist, and this much longer than the way to the finger's base."""
ARM_NEAR = 1.2
"""Closer to an arm's bones than this many of its half widths, what is seen is the arm, not the leg behind it."""
SLEEVES_APART = 0.35
"""Sleeves of one garment end no further apart than this (places on the arm), ..."""
SLEEVE_ROOT, SLEEVE_STEP, SLEEVE_BARE, SLEEVE_TOLD = 0.15, 0.05, 0.6, 0.7
"""... where from the first to the second before its end the shorter one is cloth, and from there to the third past it skin: so
much of either at least."""
FINE_PLACES = 512
"""Half widths looked up along one bone."""
END_FINE = 6
"""The end of the cloth on a limb is looked for at so many times as many places."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm: shoulder, elbow, wrist."""

    joints: FloatArray
    """(4, 2) shoulder, elbow, wrist, finger base."""
    radius: FloatArray
    """(LIMB_COUNT,) px half width of the bare arm, fitted to visible skin."""
    outline: FloatArray
    """(2, LIMB_COUNT) px from the bone to the silhouette, away from the trunk and towards it; negative where unseen."""
    sleeve_end: float
    """0..2: where the worn sleeve ends on the arm; 0 without sleeve."""
    in_front: bool
    """True when the forearm is nearer to the camera than the trunk."""
    visible: bool
    """False where the elbow is hidden, mostly behind the trunk."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg: hip joint, knee, ankle. Of people cut off above the knees it is a guess (`visible` False)."""

    joints: FloatArray
    """(4, 2) hip joint, knee, ankle, toes."""
    radius: FloatArray
    """(LIMB_COUNT,) px half width of the bare leg, fitted to visible skin."""
    outline: FloatArray
    """(2, LIMB_COUNT) px from the bone to the silhouette, away from the other leg and towards it; negative where unseen."""
    cloth_end: float
    """0..2: where the worn trousers or skirt end on the leg; 0 for a bare leg."""
    in_front: bool
    """True for the leg whose knee and ankle are nearer to the camera."""
    visible: bool
    """False where the knee is not in the picture."""


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


def limb_coordinates(points: FloatArray, joints: FloatArray, radius: FloatArray, ends: float) -> tuple[FloatArray, FloatArray]:
    """Where `points` (..., 2) lie on a limb.

    `ends`: how far beyond the last joint hand or foot reach, in distances to `joints[3]`. Returns the distance from the
    bones in half widths (1 is the skin) and the place along the limb: 0, 1, 2 at the joints, up to 2.5 at its end; both (...).
    """
    x, y = (np.ascontiguousarray(points[..., k], np.float32) for k in (0, 1))
    start, bend, end, tip = joints
    hand = end + (tip - end) * ends
    half = LIMB_COUNT // 2
    reach, where = _along_bone(x, y, start, bend, radius[: half + 1])
    for a, b, radii, base, length in ((bend, end, radius[half:], 1.0, 1.0), (end, hand, radius[-1:] * HAND_REACH, 2.0, 0.5)):
        distance, place = _along_bone(x, y, a, b, radii)
        place *= np.float32(length)
        place += np.float32(base)
        np.copyto(where, place, where=distance < reach)
        np.minimum(reach, distance, out=reach)
    return reach, where


def _along_bone(x: FloatArray, y: FloatArray, a: FloatArray, b: FloatArray, radii: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Distance of the points `x`, `y` (...) from the bone from `a` to `b` (2,), over its half width there, one of the evenly placed
    `radii`, and the place 0..1 along it.
    """
    bone = b - a
    step = bone / max(float(bone @ bone), 1e-3)
    place = x * np.float32(step[0])
    place += y * np.float32(step[1])
    place -= np.float32(a @ step)
    np.clip(place, 0, 1, out=place)
    off_x, off_y = place * np.float32(-bone[0]), place * np.float32(-bone[1])
    off_x += x
    off_x -= np.float32(a[0])
    off_y += y
    off_y -= np.float32(a[1])
    distance = np.sqrt(off_x * off_x + off_y * off_y)
    if len(radii) == 1:
        distance /= np.float32(radii[0])
    else:
        # the half widths run straight from one to the next: a table so fine that it is off by a thousandth at most
        table = np.interp(np.arange(FINE_PLACES) + 0.5, np.linspace(0, FINE_PLACES, len(radii)), 1 / radii).astype(np.float32)
        distance *= table.take((place * np.float32(FINE_PLACES - 0.01)).astype(np.int16))
    return distance, place


def arm_coordinates(points: FloatArray, arm: Arm) -> tuple[FloatArray, FloatArray]:
    """`limb_coordinates` of an arm, the hand included."""
    return limb_coordinates(points, arm.joints, arm.radius, HAND_END)


def across(joints: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Points on the bones at the limb's samples and the unit normals there, (LIMB_COUNT, 2) each."""
    lower = (PLACES > 1)[:, None]
    start, end = np.where(lower, joints[1], joints[0]), np.where(lower, joints[2], joints[1])
    bone = end - start
    share = (PLACES - lower[:, 0])[:, None]
    length = np.maximum(np.linalg.norm(bone, axis=1, keepdims=True), 1e-3)
    normal = np.stack([-bone[:, 1], bone[:, 0]], 1) / length
    return (start + bone * share).astype(np.float32), normal.astype(np.float32)


def usual_radius(table: tuple[tuple[float, ...], tuple[float, ...]], unit: float) -> FloatArray:
    """(LIMB_COUNT,) px of `ARM_RADII` or `LEG_RADII`."""
    return (np.interp(PLACES, *table) * unit).astype(np.float32)


def limb_radius(labels: LabelMap, joints: FloatArray, usual: FloatArray, unit: float) -> FloatArray:
    """Usual taper (LIMB_COUNT,) px, scaled to the skin that is seen between two stretches of background."""
    points, normal = across(joints)
    steps = np.arange(0, 1.8 * float(usual.max()) / unit, 0.006) * unit
    widths = []
    for sign in (-1, 1):
        seen = look_up(labels, points[:, None] + sign * normal[:, None] * steps[None, :, None])
        end = first(seen != Label.SKIN, len(steps) - 1)
        open_end = seen[np.arange(LIMB_COUNT), end] == Label.BACKGROUND
        widths.append(np.where(open_end, steps[end], np.nan))
    both = (widths[0] + widths[1]) / 2
    ratio = np.where(np.minimum(widths[0], widths[1]) > 0.02 * unit, both / usual, np.nan)
    ratio[:3] = ratio[-3:] = np.nan
    steady = steadied(ratio)
    known = steady > 0
    if known.sum() < 5:
        return usual
    # what is seen nearest tells how strong the limb is where cloth hides it
    place = np.arange(LIMB_COUNT)
    factor = np.clip(np.interp(place, place[known], steady[known]), *RADIUS_FACTOR)
    return (usual * np.convolve(np.pad(factor, 4, mode="edge"), np.full(9, 1 / 9), "valid")).astype(np.float32)


def outward_normals(joints: FloatArray, outward: FloatArray) -> FloatArray:
    """(LIMB_COUNT, 2) unit normals of the bones that point `outward` at the first bone, and stay on that side."""
    _, normal = across(joints)
    upper, lower = joints[1] - joints[0], joints[2] - joints[1]
    n1, n2 = normal[0], normal[-1]
    sign1 = 1.0 if n1 @ outward >= 0 else -1.0
    same = (upper[0] * n1[1] - upper[1] * n1[0]) * (lower[0] * n2[1] - lower[1] * n2[0]) > 0
    sign = np.where(PLACES > 1, sign1 if same else -sign1, sign1)
    flipped: FloatArray = (normal * sign[:, None]).astype(np.float32)
    return flipped


def limb_outline(
    labels: LabelMap, joints: FloatArray, outward: FloatArray, own: Sequence[Label], to_px: float, step_px: float, blocked: BoolArray | None
) -> FloatArray:
    """(2, LIMB_COUNT) px from the bones to the silhouette, outward and inward; -1 where it is not seen.

    A ray must run over `own` labels alone up to the background: hair, another garment, a bag or `blocked` pixels (H, W) end it.
    Where a limb is cut off by the picture's edge, that is its silhouette.
    """
    points, _ = across(joints)
    normal = outward_normals(joints, outward)
    steps = np.arange(0, to_px, step_px)
    is_own = np.zeros(256, np.bool_)
    is_own[list(own)] = True
    edges = []
    for sign in (1, -1):
        rays = points[:, None] + sign * normal[:, None] * steps[None, :, None]
        x, y = rays[..., 0], rays[..., 1]
        seen = look_up(labels, rays)
        outside = (x < -0.5) | (y < -0.5) | (x > labels.shape[1] - 0.5) | (y > labels.shape[0] - 0.5)
        ground = (seen == Label.BACKGROUND) | outside
        end = first(ground, -1)
        free = is_own[seen] | ground
        if blocked is not None:
            free &= look_up(blocked.astype(np.uint8), rays) == 0
        clear = np.cumprod(free, -1, dtype=bool)[np.arange(len(end)), np.maximum(end, 0)]
        edges.append(steadied(np.where((end > 0) & clear, steps[np.maximum(end, 0)], np.nan)))
    return np.stack(edges).astype(np.float32)


def steadied(profile: FloatArray) -> FloatArray:
    """A running median of a profile; short gaps (NaN) are bridged, others become -1."""
    padded = np.pad(profile, STEADY, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * STEADY + 1)
    seen = np.isfinite(windows).sum(1) > STEADY
    ordered = np.sort(np.where(np.isfinite(windows), windows, np.inf), 1)
    middle = ordered[np.arange(len(profile)), np.maximum(np.isfinite(windows).sum(1) - 1, 0) // 2]
    return np.where(seen, middle, -1.0).astype(np.float32)


def sleeve_ends(labels: LabelMap, joints: Sequence[FloatArray], radius: Sequence[FloatArray]) -> list[float]:
    """`cloth_end` of both arms. Where they are far apart the longer one is the other's: there the arm lies behind the trunk, and
    the cloth on its bones is the trunk's, as long as the shorter one's arm is seen bare from its sleeve on.
    """
    ends = [cloth_end(labels, *arm, (Label.UPPER,)) for arm in zip(joints, radius, strict=True)]
    short, long = (0, 1) if ends[0] < ends[1] else (1, 0)
    points, _ = across(joints[short])
    on_sleeve = (PLACES > SLEEVE_ROOT) & (ends[short] - SLEEVE_STEP > PLACES)
    bare = (ends[short] + SLEEVE_STEP < PLACES) & (ends[short] + SLEEVE_BARE > PLACES)
    seen = look_up(labels, points)
    if ends[long] - ends[short] > SLEEVES_APART and on_sleeve.any() and bare.any():
        told = (seen[on_sleeve] == Label.UPPER).mean(), (seen[bare] == Label.SKIN).mean()
        if min(told) > SLEEVE_TOLD:
            ends[long] = ends[short]
    return ends


def cloth_end(labels: LabelMap, joints: FloatArray, radius: FloatArray, cloth: Sequence[Label]) -> float:
    """The place on the limb (0..2) that best parts cloth above from skin below."""
    fine = np.linspace(0, 2, END_FINE * (LIMB_COUNT - 1) + 1)
    points, normal = (np.stack([np.interp(fine, PLACES, v) for v in values.T], -1) for values in across(joints))
    reach = np.linspace(-0.6, 0.6, 7)[None] * np.interp(fine, PLACES, radius)[:, None]
    seen = look_up(labels, points[:, None] + normal[:, None] * reach[..., None])
    gain = np.isin(seen, cloth).sum(1) - (seen == Label.SKIN).sum(1)
    balance = np.concatenate([[0.0], np.cumsum(gain.astype(float))])
    # best split: cloth before, skin after
    score = balance - (balance[-1] - balance)
    return float(np.linspace(0, 2, len(score))[int(score.argmax())])
