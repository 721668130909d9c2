"""Cuts a garment out of the plain ground of its picture.

The ground is modelled as a smooth surface of colour, so gradients and vignettes pass (`ground`); what departs from it
is cloth, except soft darker veils: cast shadows (`cloth`). Light cloth on a light ground is completed by where it lies
(`faint`). Ground-coloured islands are print and stay, unless one sees through them (`gaps`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from models.errors import GarmentNotIsolated
from models.garment.cloth import ClearCloth, clear_cloth
from models.garment.faint import with_faint_cloth
from models.garment.gaps import gaps
from models.garment.ground import Ground, ground_of
from models.garment.hanger import find_hanger
from models.garment.lace import Lace, find_lace
from models.garment.maskops import Indices, Labels, dilated, disk, eroded, sized
from models.garment.outline import STANDS_OFF, antialias, fill_pockets, without_bites
from models.garment.scale import to_picture, to_work, work_factor
from models.types import BoolArray, FloatArray, LabelMap, Picture

KEPT_PIECE: Final = (0.0008, 0.03)
"""A loose piece is kept from this share of the largest one's area, if nearer than this share of the picture."""
RIVAL_SHARE: Final = 0.30
"""A second piece of this share of the first means several garments."""
SMALLEST: Final = 0.01
"""Share of the picture under which nothing worth wearing is seen."""
BORDER_CONTACT: Final = (0.25, 0.24)
"""Share of the garment's own width (top, bottom) or height (sides) that may run along the picture's border."""
OPAQUE: Final = 0.97
"""An alpha channel that covers more than this, or all four corners, is no cut-out."""
HANGER_RIM: Final = 9
"""Diameter px by which a hanger is grown into its soft edge."""
MASK_FROM: Final = 0.3
"""Coverage from which a pixel counts as garment: edge pixels that show some cloth belong to it."""


@dataclass(frozen=True, slots=True)
class Isolated:
    """A garment cut out of its picture; all maps have the picture's size."""

    mask: BoolArray
    """(H, W) garment."""
    alpha: FloatArray
    """(H, W) 0..1, antialiased `mask`."""
    clearness: float
    """0..1: how far the garment stands out from the ground along its outline."""
    lace: Lace | None = None
    """Of the working size: where one sees through the cloth."""


def isolate(picture: Picture, alpha: LabelMap | None = None) -> Isolated:
    """The garment of `picture` (H, W, 3), by its `alpha` (H, W) 0..255 where that is a cut-out, else by its ground.

    Raises GarmentNotIsolated, with a sentence for the sender, when no single whole garment stands out.
    """
    found = isolate_work(to_work(picture), alpha, work_factor(*picture.shape[:2]))
    full = to_picture(found.alpha, picture.shape[:2])
    return Isolated(mask=full >= MASK_FROM, alpha=full, clearness=found.clearness, lace=found.lace)


def isolate_work(work: Picture, alpha: LabelMap | None = None, factor: float = 1.0) -> Isolated:
    """`isolate` on a picture brought to the working size by `factor`; `alpha` may have the original's."""
    if alpha is not None and is_cut_out(alpha):
        soft = to_work(alpha).astype(np.float32) / 255.0
        _check(soft > 0.5)
        return Isolated(mask=soft >= MASK_FROM, alpha=soft, clearness=1.0)
    ground = ground_of(work, factor)
    clear = clear_cloth(ground)
    cloth = with_faint_cloth(ground, clear.cloth, clear.shadow)
    hanger = find_hanger(cloth, clear.cloth)
    if hanger is not None:
        # like a shadow, it is neither ground nor cloth
        kept = clear.cloth & ~hanger
        clear = ClearCloth(kept, clear.shadow | (dilated(hanger, disk(HANGER_RIM)) & ~kept))
        cloth = with_faint_cloth(ground, clear.cloth, clear.shadow)
    stands_off = ground.distance > STANDS_OFF * ground.threshold
    filled = fill_pockets(cloth, stands_off)
    mask = without_bites(filled & ~gaps(ground, filled, cloth, clear.cloth), ground.distance)
    mask = _main_piece(mask, *_check(mask))
    soft = antialias(mask, ground.distance, ground.noise)
    lace = find_lace(work, mask, ground)
    return Isolated(mask=soft >= MASK_FROM, alpha=soft, clearness=_clearness(mask, ground), lace=lace)


def is_cut_out(alpha: LabelMap) -> bool:
    """Whether `alpha` (H, W) 0..255 cuts something out of its picture."""
    corners = (alpha[0, 0], alpha[0, -1], alpha[-1, 0], alpha[-1, -1])
    return bool((alpha > 127).mean() < OPAQUE and min(corners) < 128)


def _main_piece(mask: BoolArray, labels: Labels, sizes: Indices) -> BoolArray:
    """The largest of the pieces of `mask` (h, w), `sized`, and the small ones that hang close to it."""
    if len(sizes) <= 2:
        return mask
    order = np.argsort(-sizes[1:]) + 1
    main: BoolArray = labels == order[0]
    near = dilated(main, disk(2 * int(KEPT_PIECE[1] * max(mask.shape))))
    result = main.copy()
    for i in order[1:]:
        if sizes[i] < KEPT_PIECE[0] * sizes[order[0]]:
            break
        piece = labels == i
        if near[piece].any():
            result |= piece
    return result


def _check(mask: BoolArray) -> tuple[Labels, Indices]:
    """The pieces of `mask` (h, w), `sized`. Raises GarmentNotIsolated unless it shows one whole garment."""
    labels, sizes = sized(mask)
    if len(sizes) < 2 or sizes[1:].max() < SMALLEST * mask.size:
        raise GarmentNotIsolated("No garment stands out: send a picture of one garment on a plain ground of another colour.")
    areas = np.sort(sizes[1:])[::-1]
    if len(areas) > 1 and areas[1] > RIVAL_SHARE * areas[0]:
        raise GarmentNotIsolated("Several things lie apart in the picture: send a picture of one garment only.")
    _, _, width, height = cv2.boundingRect((labels == 1 + int(np.argmax(sizes[1:]))).view(np.uint8))
    edges = (mask[0].sum() / width, mask[-1].sum() / width, mask[:, 0].sum() / height, mask[:, -1].sum() / height)
    if max(edges[:2]) > BORDER_CONTACT[0] or max(edges[2:]) > BORDER_CONTACT[1]:
        raise GarmentNotIsolated("The garment is cut off by the picture's border: send a picture that shows all of it.")
    return labels, sizes


def _clearness(mask: BoolArray, ground: Ground) -> float:
    """How clearly the inner side of the outline stands off the ground, averaged."""
    inner = mask & ~eroded(mask, disk(9))
    if not inner.any():
        return 0.0
    return float(np.clip(ground.distance[inner] / (6 * ground.threshold), 0.0, 1.0).mean())
