"""The legs below the cloth: as wide, and as far to the side of the bones, as the skin that is seen at the old hem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.person.limbs import PLACES, Leg, first, look_up
from models.types import FloatArray, Label, LabelMap

HEM_SAMPLES, HEM_STEP = 6, 0.025
"""The hem's skin is measured at this many places below the hem, so many bones apart, ..."""
HEM_LEAST = 3
"""... at least so many of which must show skin between two other things."""
FADE = 0.75
"""What is measured at the hem fades over this share of a bone."""
WIDTH_FACTOR = (0.6, 1.6)
"""The skin at a hem differs from the measured leg by at most these factors; more is no leg."""
SHIFT_MOST = 0.9
"""The skin's middle lies at most so many half widths off the bone."""
UNDER_CLOTH = 0.93
"""A leg is at most this wide in its trousers."""
CREASE = 5
"""Where a crease notches the silhouette within so many samples, the leg is as narrow as in it."""
SMOOTH = 7
"""Its outline is smoothed over so many samples: creases at the knee are the cloth's."""
LOOK_TO, LOOK_STEP = 2.2, 0.02
"""How far from the bone, in half widths, the edges of the skin are looked for, and in which steps."""


@dataclass(frozen=True, slots=True)
class BareLeg:
    """One leg without cloth."""

    joints: FloatArray
    """(4, 2) px hip joint, knee, ankle, toes; moved sideways to the middle of the skin."""
    radius: FloatArray
    """(LIMB_COUNT,) px half width."""


def bare_leg(labels: LabelMap, leg: Leg) -> BareLeg:
    """`leg` as it goes on under its cloth."""
    radius = _within(leg)
    plain = BareLeg(leg.joints, radius)
    if not leg.visible or leg.cloth_end <= 0 or leg.cloth_end >= PLACES[-1]:
        return plain
    a = min(int(leg.cloth_end), 1)
    places = leg.cloth_end + HEM_STEP * np.arange(1, HEM_SAMPLES + 1)
    bone = leg.joints[a + 1] - leg.joints[a]
    normal = np.array([-bone[1], bone[0]], np.float32) / max(float(np.linalg.norm(bone)), 1e-3)
    points = leg.joints[a] + bone * (places - a)[:, None]
    usual = np.interp(places, PLACES, radius)
    steps = np.arange(0, LOOK_TO, LOOK_STEP)[None] * usual[:, None]
    edges = []
    for sign in (-1, 1):
        seen = look_up(labels, points[:, None] + sign * normal * steps[..., None])
        start = first(seen == Label.SKIN, -1)
        past = (seen != Label.SKIN) & (np.arange(seen.shape[1]) > start[:, None]) & (start >= 0)[:, None]
        end = first(past, -1)
        edges.append(np.where(end > 0, sign * steps[np.arange(len(places)), end], np.nan))
    found = np.isfinite(edges[0]) & np.isfinite(edges[1])
    if found.sum() < HEM_LEAST:
        return plain
    half = float(np.median((edges[1] - edges[0])[found] / 2 / usual[found]))
    shift = float(np.median((edges[1] + edges[0])[found] / 2))
    if not WIDTH_FACTOR[0] < half < WIDTH_FACTOR[1] or abs(shift) > SHIFT_MOST * float(usual[0]):
        return plain
    near = np.clip(1 - np.abs(PLACES - leg.cloth_end) / FADE, 0, 1)
    near = near * near * (3 - 2 * near)
    # the two joints beside the hem move so that the bone between them passes through the skin's middle
    share = leg.cloth_end - a
    weight = np.clip(np.array([1 - share / FADE, 1 - (1 - share) / FADE]), 0.0, 1.0)
    weight /= max(float(weight @ np.array([1 - share, share])), 1e-3)
    joints = leg.joints.copy()
    joints[a : a + 2] += weight[:, None] * shift * normal
    if a + 1 == 2:
        joints[3] += weight[1] * shift * normal
    return BareLeg(joints.astype(np.float32), (radius * (1 + (half - 1) * near)).astype(np.float32))


def _within(leg: Leg) -> FloatArray:
    """(LIMB_COUNT,) px the leg's half width, inside the silhouette where that is seen on both sides."""
    seen = (leg.outline > 0).all(0)
    if not seen.any():
        return leg.radius
    half = np.interp(PLACES, PLACES[seen], leg.outline.mean(0)[seen])
    radius = np.where(seen, np.minimum(leg.radius, UNDER_CLOTH * half), leg.radius)
    radius = np.lib.stride_tricks.sliding_window_view(np.pad(radius, CREASE // 2, mode="edge"), CREASE).min(-1)
    return np.convolve(np.pad(radius, SMOOTH // 2, mode="edge"), np.full(SMOOTH, 1 / SMOOTH), "valid").astype(np.float32)
