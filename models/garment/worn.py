"""A garment that somebody wears in its picture: the person's parse tells where the cloth is."""

from __future__ import annotations

import cv2
import numpy as np

from models.garment.maskops import components, dilated, disk, opened
from models.masks import blur
from models.types import FloatArray, Label, LabelMap, PersonParse, Picture, Pose

HIPS, SHOULDERS = (23, 24), (11, 12)
LEAST = 0.02
"""A worn garment must fill this share of its picture."""
STEEP = 2.0
"""The parse's soft edge is steepened by this much: an outline, not a halo."""
WAIST_FROM, WAIST_TO = 0.5, 0.1
"""Between these heights over and below the hips (trunk lengths) a waistband is looked for ..."""
WAIST_HALF = 0.4
"""... this far to either side of the trunk's axis (trunk lengths) ..."""
WAIST_CLEAR = 2.5
"""... and is found when its edge is this much stronger than the usual row's."""
STEP_PX = 6
SHARD = 0.1
"""What hangs under such an edge is no cloth of the top when it is less than this share of it."""
SLIVER = 0.04
"""Share of the garment's width: thinner parts of the parse are no cloth."""
SOFT_PX = 5
"""Diameter px of the soft edge that is kept round the rest."""


def worn_upper(picture: Picture, pose: Pose, parse: PersonParse) -> LabelMap | None:
    """The worn upper garment's alpha (H, W) 0..255; None when there is none, or it cannot be told from what is worn below.

    Where the parse takes top and trousers for one piece (dark on dark), it is cut at the waistband's edge.
    """
    alpha: FloatArray = np.clip((parse.probabilities[Label.UPPER] - 0.5) * STEEP + 0.5, 0, 1)
    if (alpha > 0.5).mean() < LEAST:
        return None
    row = _waistband(picture, pose, alpha)
    if (alpha[-3:] > 0.5).any():
        if row is None:
            return None
        alpha = alpha.copy()
        alpha[row:] = 0
    elif row is not None and float(alpha[row:].sum()) < SHARD * float(alpha.sum()):
        alpha = alpha.copy()
        alpha[row:] = 0
    return np.asarray(np.rint(_without_slivers(alpha) * 255), np.uint8)


def _without_slivers(alpha: FloatArray) -> FloatArray:
    """`alpha` (H, W) of the largest piece, without what is thinner than cloth: rims of skin and trousers that the parse let in."""
    mask = alpha > 0.5
    width = round(SLIVER * float(np.ptp(np.flatnonzero(mask.any(0))) + 1))
    kept = opened(mask, disk(width))
    count, labels, stats = components(kept)
    if count < 2:
        return alpha
    kept = labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    near: FloatArray = np.where(dilated(kept, disk(SOFT_PX)), alpha, 0).astype(np.float32)
    return near


def _waistband(picture: Picture, pose: Pose, alpha: FloatArray) -> int | None:
    """The row of the strongest edge across the trunk round the waist."""
    hip, shoulder = pose.xy[list(HIPS)].mean(0), pose.xy[list(SHOULDERS)].mean(0)
    trunk = float(np.linalg.norm(hip - shoulder))
    top, bottom = int(hip[1] - WAIST_FROM * trunk), int(min(hip[1] + WAIST_TO * trunk, len(alpha) - 2 * STEP_PX))
    left, right = (int(np.clip(hip[0] + k * WAIST_HALF * trunk, 0, alpha.shape[1])) for k in (-1, 1))
    if bottom - top < 4 * STEP_PX or right - left < 4 * STEP_PX or top < STEP_PX:
        return None
    light = np.log(np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32) + 8)
    inside = (alpha > 0.5)[:, left:right]
    smooth = blur(light, 1.0)[:, left:right]
    rows = np.arange(top, bottom)
    # along a waistband most columns step the same way in the same row; folds and prints do not
    step = np.stack([smooth[y + 2 : y + STEP_PX].mean(0) - smooth[y - STEP_PX : y - 2].mean(0) for y in rows])
    weight = np.stack([inside[y] & inside[y - STEP_PX] for y in rows])
    seen = weight.sum(1)
    score = np.where(seen > 0.4 * (right - left), np.abs((np.clip(step, -0.5, 0.5) * weight).sum(1)) / np.maximum(seen, 1), 0)
    best = int(score.argmax())
    return int(rows[best]) if score[best] > WAIST_CLEAR * max(float(np.median(score[score > 0])), 1e-3) else None
