"""What to show where the old top was."""

from __future__ import annotations

import cv2
import numpy as np

from models.compose.coordinates import Coordinates, locate
from models.compose.pull_push import pull_push
from models.compose.remove import NEAR_CLOTH, background_weight
from models.compose.skin import bare_and_layer
from models.masks import AnyMask, blur, close, enlarge, ramp, reduce, shrink
from models.person.body import TRUNK_ROWS, Body
from models.types import FloatArray, Label, PersonParse, Picture

FILL_LONG_SIDE_PX = 512
"""Colours are smooth: they are filled at this size."""
CHEST_DEPTH, CHEST_HALF = 0.44, 0.44
"""Skin is filled down to this far below the shoulder line (units), a little less at the sides: the height of a bandeau."""
AXILLA = (1.45, 1.75)
"""Round the upper arm, out to this many arm half widths, the fill is skin too: a raised arm has no cloth under it."""
LOWER_CLOSE, LOWER_LEAST_PX = 0.10, 100
"""Gaps in the seen lower garment (a hand, a belt) up to twice the first (units) are filled with it, if that much is seen."""
SIDE_SHARE = 0.97
"""The bare trunk is this much narrower than the clothed outline."""
GRAIN = 2.2
"""Grey levels of noise on fills, or they look painted."""


def fill_in(photo: Picture, parse: PersonParse, body: Body, where: Coordinates, removed: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Skin, under-layer, lower garment or ground: (H, W, 3) 0..255, and where of it is skin, (H, W) 0..1.

    The outlines between them are the photo's own size.
    """
    height, width = parse.labels.shape
    scale = min(1.0, FILL_LONG_SIDE_PX / max(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    q = parse.probabilities
    small, small_where = reduce(photo, size), locate(body, (size[1], size[0]), (height, width))
    labels = np.asarray(cv2.resize(parse.labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    clean = reduce(removed, size) < 0.05

    def filled(weight: AnyMask) -> FloatArray:
        return enlarge(pull_push(small, (weight * clean).astype(np.float32)), (width, height))

    seen = shrink(reduce(q[Label.BACKGROUND], size) > 0.9, 2)
    ground = filled(background_weight(seen, reduce(q[Label.UPPER], size) > 0.5, NEAR_CLOTH * body.unit_px * scale))
    bare, layer = (enlarge(p, (width, height)) for p in bare_and_layer(small, labels, body, small_where, clean, scale))
    edge_px = 10.0 / body.unit_px
    arms = ramp(where.reach.min(0), 1.0 + edge_px, 1.0 - edge_px)
    trunk = _trunk_mask(body, (width, height))
    chest = np.maximum(_chest(where), arms * (1 - trunk))
    on_body = layer + (bare - layer) * chest[..., None]
    # below the waist line the lower garment goes on, as wide as it is seen to be
    lower = shrink(labels == Label.LOWER, 2)
    if (lower * clean).sum() > LOWER_LEAST_PX:
        share = ramp(where.below_waist, -1.5, 1.5) * (1 - arms)
        wide = enlarge(blur(close(labels == Label.LOWER, LOWER_CLOSE * body.unit_px * scale), 1.0), (width, height))
        on_body += (filled(lower) - on_body) * share[..., None]
        chest = chest * (1 - share)
        trunk = trunk * (1 - share) + np.minimum(trunk, ramp(wide, 0.4, 0.6)) * share
    neck = (np.abs(where.across) < 0.27) & (where.over > 0) & (where.over < 0.6)
    inside = np.clip((1 - q[Label.BACKGROUND]) * 2.5 - 0.6, 0, 1)
    body_share = np.maximum(np.maximum(arms, trunk), neck) * inside
    fill = ground + (on_body - ground) * body_share[..., None]
    grain = blur(np.random.default_rng(0).normal(0, 1, (height, width)), 1.0) * GRAIN
    return (fill + grain[..., None]).astype(np.float32), (chest * body_share).astype(np.float32)


def _chest(where: Coordinates) -> FloatArray:
    """(H, W) 0..1: where a trunk is bare: above a bandeau's upper edge, and round raised upper arms."""
    edge = -CHEST_DEPTH * np.clip(1.15 - (np.abs(where.across) / CHEST_HALF) ** 4, 0.6, 1)
    shoulders = ramp(where.reach, AXILLA[1], AXILLA[0]) * ramp(where.place, 0.75, 0.55)
    bare: FloatArray = np.maximum(ramp(where.over, edge - 0.006, edge + 0.006), shoulders.max(0))
    return bare


def _trunk_mask(body: Body, size: tuple[int, int]) -> FloatArray:
    """(H, W) 0..1: neck, shoulders and trunk down to the end of the measured rows; size (w, h) px."""
    unit = body.unit_px
    rows = slice(TRUNK_ROWS // 8, TRUNK_ROWS)
    reach = body.side[:, rows, None] * SIDE_SHARE
    left = body.row_middle[rows] - body.row_right[rows] * reach[0]
    right = body.row_middle[rows] + body.row_right[rows] * reach[1]
    shoulders = np.array([(-0.5, 0.10), (-0.36, 0.19), (-0.25, 0.26), (-0.17, 0.42), (0.17, 0.42), (0.25, 0.26), (0.36, 0.19), (0.5, 0.10)])
    top = body.middle + (shoulders[:, :1] * body.right + shoulders[:, 1:] * body.over) * unit
    mask = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillPoly(mask, [np.rint(np.concatenate([top, right, left[::-1]])).astype(np.int32)], 1)
    # rounded corners, an edge of about two px
    step = max(1, round(0.012 * unit))
    coarse = reduce(mask, (max(2, size[0] // step), max(2, size[1] // step)))
    smooth = enlarge(blur(coarse, max(0.7, 0.025 * unit / step)), size)
    return np.asarray(np.clip((smooth - 0.5) * 0.06 * unit + 0.5, 0, 1), np.float32)
