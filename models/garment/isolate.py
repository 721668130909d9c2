"""Cuts a garment out of the plain ground of its picture.

The ground is modelled as a smooth surface of colour, so gradients and vignettes pass; what departs from it by more
than its own noise is garment, except soft darker veils of the ground's colour: those are cast shadows. Where both
readings are possible, a watershed puts the outline on the steepest edge. Ground-coloured islands are print and stay,
unless their shape says that one looks through: between a sleeve and the torso, or between straps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from models.errors import GarmentNotIsolated
from models.garment.ground import Ground, ground_of
from models.garment.outline import antialias, components, fill_holes, odd_kernel
from models.garment.scale import to_picture, to_work
from models.types import BoolArray, FloatArray, LabelMap, Picture

SURE_SHARE: Final = 0.45
"""A pixel closer to the ground than this share of the garment's typical distance, and darker, may be shadow."""
SHADOW_CHROMA: Final = (2.5, 0.12)
"""Chroma a shadow may add: a constant and a share of its darkening, Lab units."""
SHADOW_WINDOW: Final = 9
SHADOW_SOFTNESS: Final = 0.13
"""A shadow changes by less than this share of its change over the window (px) within one px; an edge of cloth by twice as much."""
RIM_SHARE: Final = 0.35
"""A veil of the ground's colour under this share of the edge beside it is contact shadow."""
SHADOW_PASSAGE: Final = 7
"""Width px below which a soft passage does not let shadow in: cloth crosses the ground's colour in narrow bands."""
FAINT_SCALE: Final = 2.5
"""Radius px over which faint cloth is averaged."""
BLEEDING_SHARE: Final = 0.05
"""Share of the chroma beside it by which JPEG may tint the ground."""
FAINT_WIDTH: Final = 13
"""Width px from which faint cloth is believed by itself: more than JPEG's ringing and sharpening reach."""
JPEG_REACH: Final = 7
"""How far, px, JPEG spreads an edge."""
RINGING_SHARE: Final = 0.22
"""What JPEG spreads is under this share of the edge it comes from."""
COHERENT: Final = 0.4
"""Lab units that cloth may be brighter than a clean ground, over a few pixels, to be told from it."""
JOINT_SPREAD: Final = 1.4
"""A band of faint cloth between two pieces is at most so much wider than where it is narrow."""
PIECE: Final = 0.002
"""Share of the picture from which a piece of cloth must hang together with the others."""
BRIDGE: Final = 0.04
"""Share of the picture's longer side: interruptions of the cloth (ground-coloured stripes) up to this width are bridged."""
KEPT_PIECE: Final = (0.0008, 0.03)
"""A loose piece is kept from this share of the largest one's area, if nearer than this share of the picture."""
RIVAL_SHARE: Final = 0.30
"""A second piece of this share of the first means several garments."""
SMALLEST: Final = 0.01
"""Share of the picture under which nothing worth wearing is seen."""
BORDER_CONTACT: Final = (0.25, 0.45)
"""Share of the garment's own width (top, bottom) or height (sides) that may run along the picture's border."""
OPAQUE: Final = 0.97
"""An alpha channel that covers more than this, or all four corners, is no cut-out."""


@dataclass(frozen=True, slots=True)
class Isolated:
    """A garment cut out of its picture; all maps have the picture's size."""

    mask: BoolArray
    """(H, W) garment."""
    alpha: FloatArray
    """(H, W) 0..1, antialiased `mask`."""
    clearness: float
    """0..1: how far the garment stands out from the ground along its outline."""


def isolate(picture: Picture, alpha: LabelMap | None = None) -> Isolated:
    """The garment of `picture` (H, W, 3), by its `alpha` (H, W) 0..255 where that is a cut-out, else by its ground.

    Raises GarmentNotIsolated, with a sentence for the sender, when no single whole garment stands out.
    """
    found = isolate_work(to_work(picture), alpha)
    full = to_picture(found.alpha, picture.shape[:2])
    return Isolated(mask=full >= MASK_FROM, alpha=full, clearness=found.clearness)


def isolate_work(work: Picture, alpha: LabelMap | None = None, worn_mask: BoolArray | None = None) -> Isolated:
    """`isolate` on a picture that has the working size; `alpha` and `worn_mask` may have the original's."""
    if alpha is not None and _is_cut_out(alpha):
        soft = to_work(alpha).astype(np.float32) / 255.0
        _check(soft > 0.5, pieces=True)
        return Isolated(mask=soft >= MASK_FROM, alpha=soft, clearness=1.0)
    ground = ground_of(work)
    mask = _against_ground(ground)
    _check(mask, pieces=True)
    mask = _main_piece(mask)
    soft = antialias(work, mask, ground.distance)
    return Isolated(mask=soft >= MASK_FROM, alpha=soft, clearness=_clearness(mask, ground))


MASK_FROM: Final = 0.3
"""Coverage from which a pixel counts as garment: edge pixels that show some cloth belong to it."""


def _is_cut_out(alpha: LabelMap) -> bool:
    corners = (alpha[0, 0], alpha[0, -1], alpha[-1, 0], alpha[-1, -1])
    return bool((alpha > 127).mean() < OPAQUE and min(corners) < 128)


def _against_ground(ground: Ground) -> BoolArray:
    """(h, w) garment, before rival pieces are looked at."""
    distance, threshold = ground.distance, ground.threshold
    lift, chroma = ground.difference[..., 0], ground.chroma
    light = np.abs(lift)
    veil = (lift < 0) & (chroma < SHADOW_CHROMA[0] - SHADOW_CHROMA[1] * lift)
    clear = (light > np.maximum(threshold, np.where(veil, RIM_SHARE, RINGING_SHARE) * _local_max(light, JPEG_REACH))) | (
        chroma > np.maximum(2 * threshold, RINGING_SHARE * _local_max(chroma, 2 * JPEG_REACH))
    )
    clear = cv2.morphologyEx(clear.astype(np.uint8), cv2.MORPH_OPEN, odd_kernel(3)).astype(bool) | (clear & (distance > 8 * threshold))
    whole = fill_holes(clear)
    typical = float(np.median(distance[whole])) if whole.any() else 0.0
    shady = clear & veil & (distance < SURE_SHARE * typical)
    smooth = cv2.GaussianBlur(ground.difference[..., 0], (0, 0), 1.2)
    slope = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=0.125))
    window = np.ones((SHADOW_WINDOW, SHADOW_WINDOW), np.uint8)
    contrast = cv2.dilate(smooth, window) - cv2.erode(smooth, window)
    passable = ~clear | (shady & (slope < SHADOW_SOFTNESS * contrast + ground.threshold))
    passable = cv2.erode(passable.astype(np.uint8), odd_kernel(SHADOW_PASSAGE)).astype(bool)
    flooded = cv2.dilate(_reachable_from_border(passable).astype(np.uint8), odd_kernel(SHADOW_PASSAGE)).astype(bool)
    cloth = clear & ~(shady & flooded)
    cloth |= _faint_cloth(ground, cloth, flooded & shady)
    filled = fill_holes(cloth)
    gaps = _gaps(filled, ~cloth & (cv2.blur(distance, (3, 3)) < 1.5 * threshold))
    result: BoolArray = filled & ~gaps
    return result


def _faint_cloth(ground: Ground, cloth: BoolArray, shadow: BoolArray) -> BoolArray:
    """(h, w) cloth that hardly differs from the ground.

    JPEG's ringing and the halos of sharpening differ as much, so colour alone does not tell. Faint cloth is believed
    where it is brighter over a wide neighbourhood; where clear cloth lies above and below it (a light stripe, whereas
    gaps beside the torso have cloth on their left and right); and where it alone joins two pieces of cloth.
    """
    open_ = cv2.erode((~cloth & ~shadow).astype(np.float32), odd_kernel(3))
    weight = cv2.GaussianBlur(open_, (0, 0), FAINT_SCALE)
    off = np.clip(ground.difference, -3, 3) * open_[..., None]
    mean = cv2.GaussianBlur(off, (0, 0), FAINT_SCALE) / np.maximum(weight, 1e-3)[..., None]
    least = max(COHERENT, 0.6 * ground.threshold)
    bleeding = BLEEDING_SHARE * _local_max(ground.chroma, 2 * JPEG_REACH)
    tinted = np.hypot(mean[..., 1], mean[..., 2]) > np.maximum(least, bleeding)
    open_enough = (weight > 0.05) & ~cloth & ~shadow
    bright = (mean[..., 0] > least) & open_enough
    wide = cv2.morphologyEx(bright.astype(np.uint8), cv2.MORPH_OPEN, odd_kernel(FAINT_WIDTH)).astype(bool)
    reach = round(BRIDGE * max(cloth.shape)) | 1
    above = cv2.morphologyEx(cloth.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((reach, 9), np.uint8)).astype(bool)
    stripe = above & open_enough & ((np.abs(mean[..., 0]) > least) | tinted)
    stripe = cv2.morphologyEx(stripe.astype(np.uint8), cv2.MORPH_OPEN, odd_kernel(5)).astype(bool)
    found = cloth | wide | stripe | _joints(cloth | wide | stripe, reach)
    joined = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, odd_kernel(FAINT_WIDTH)).astype(bool)
    result: BoolArray = (joined & above & tinted) | found
    return result


def _joints(cloth: BoolArray, reach: int) -> BoolArray:
    """(h, w) bands up to `reach` px wide between sizeable pieces of cloth that nothing else connects."""
    count, labels, stats = components(fill_holes(cloth))
    pieces = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] > PIECE * cloth.size]
    if len(pieces) < 2:
        return np.zeros_like(cloth)
    near = np.full(cloth.shape, np.inf, np.float32)
    across = near.copy()
    for i in pieces:
        distance = cv2.distanceTransform((labels != i).astype(np.uint8), cv2.DIST_L2, 3)
        across = np.minimum(across, near + distance)
        near = np.minimum(near, distance)
    gap = float(across[~cloth].min()) if (~cloth).any() else np.inf
    if gap > reach:
        return np.zeros_like(cloth)
    result: BoolArray = (across < min(reach, JOINT_SPREAD * np.percentile(across[(across < reach) & ~cloth], 25))) & ~cloth
    return result


def _local_max(values: FloatArray, reach: int) -> FloatArray:
    return np.asarray(cv2.dilate(values, np.ones((2 * reach + 1,) * 2, np.uint8)), np.float32)


def _reachable_from_border(free: BoolArray) -> BoolArray:
    padded = np.pad(free.astype(np.uint8), 1, constant_values=1)
    cv2.floodFill(padded, None, (0, 0), 2)
    result: BoolArray = padded[1:-1, 1:-1] == 2
    return result


GAP_AREA: Final = 0.0004
"""Smallest area of a gap, share of the garment's."""
GAP_SLENDER: Final = 1.8
"""A gap beside the torso is at least this many times taller than wide."""


def _gaps(filled: BoolArray, grounded: BoolArray) -> BoolArray:
    """Ground seen through the garment: tall islands beside the torso, and islands under thin straps."""
    inner = cv2.morphologyEx((filled & grounded).astype(np.uint8), cv2.MORPH_OPEN, odd_kernel(3))
    count, labels, stats, centres = cv2.connectedComponentsWithStats(inner)
    result = np.zeros_like(filled)
    ys, xs = np.nonzero(filled)
    if not ys.size:
        return result
    left, width, top, height = xs.min(), np.ptp(xs) + 1, ys.min(), np.ptp(ys) + 1
    area = filled.sum()
    for i in range(1, count):
        x, y, w, h, a = (int(v) for v in stats[i])
        aside = abs(float(centres[i][0]) - left - width / 2) / width
        tall = a > GAP_AREA * area and h > GAP_SLENDER * w and aside > 0.15 and h > 0.08 * height
        above = filled[top:y, x : x + w]
        under_strap = a > GAP_AREA * area and y < top + 0.4 * height and above.mean() < 0.25 if above.size else False
        if tall or under_strap:
            result |= labels == i
    return result


def _main_piece(mask: BoolArray) -> BoolArray:
    """The largest piece and the small ones that hang close to it."""
    count, labels, stats = components(mask)
    if count <= 2:
        return mask
    order = np.argsort(-stats[1:, cv2.CC_STAT_AREA]) + 1
    main: BoolArray = labels == order[0]
    reach = 2 * int(KEPT_PIECE[1] * max(mask.shape))
    near = cv2.dilate(main.astype(np.uint8), odd_kernel(reach)).astype(bool)
    result = main.copy()
    for i in order[1:]:
        if stats[i, cv2.CC_STAT_AREA] < KEPT_PIECE[0] * stats[order[0], cv2.CC_STAT_AREA]:
            break
        piece = labels == i
        if near[piece].any():
            result |= piece
    return result


def _check(mask: BoolArray, *, pieces: bool) -> None:
    count, _, stats = components(mask)
    if count < 2 or stats[1:, cv2.CC_STAT_AREA].max() < SMALLEST * mask.size:
        raise GarmentNotIsolated("No garment stands out from the ground: send a picture of one garment on a plain ground of another colour.")
    areas = np.sort(stats[1:, cv2.CC_STAT_AREA])[::-1]
    if pieces and len(areas) > 1 and areas[1] > RIVAL_SHARE * areas[0]:
        raise GarmentNotIsolated("Several things lie apart in the picture: send a picture of one garment only.")
    main = stats[1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))]
    width, height = int(main[cv2.CC_STAT_WIDTH]), int(main[cv2.CC_STAT_HEIGHT])
    edges = (mask[0].sum() / width, mask[-1].sum() / width, mask[:, 0].sum() / height, mask[:, -1].sum() / height)
    if max(edges[:2]) > BORDER_CONTACT[0] or max(edges[2:]) > BORDER_CONTACT[1]:
        raise GarmentNotIsolated("The garment is cut off by the picture's border: send a picture that shows all of it.")


def _clearness(mask: BoolArray, ground: Ground) -> float:
    """Share of the outline whose inner side stands clearly off the ground, softened."""
    inner = mask & ~cv2.erode(mask.astype(np.uint8), odd_kernel(9)).astype(bool)
    if not inner.any():
        return 0.0
    return float(np.clip(ground.distance[inner] / (6 * ground.threshold), 0.0, 1.0).mean())
