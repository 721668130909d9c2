"""The values that pass between the stages: frozen, without behaviour, importing nothing of the package.

Pictures are uint8 RGB (H, W, 3), C-contiguous. Positions are float32 (x, y) in pixels of the picture they
belong to, the centre of the top left pixel at (0, 0). "Left" and "right" are those of the *picture*, not of
the person, everywhere: a person who faces the camera has the anatomical right arm at the picture's left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
"""uint8 (H, W, 3), RGB, sRGB-coded."""
FloatArray = npt.NDArray[np.floating[Any]]
"""float32 where a comment does not say otherwise; what goes to torch is made float32 there."""
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.integer[Any]]
LabelMap = npt.NDArray[np.uint8]


class Label(IntEnum):
    """Classes of a person parse, also the values of `parse.png`."""

    BACKGROUND = 0
    HAIR = 1
    SKIN = 2
    UPPER = 3
    LOWER = 4
    OTHER = 5


class Category(StrEnum):
    UPPER = "upper"
    LOWER = "lower"
    DRESS = "dress"


class Tuck(StrEnum):
    AUTO = "auto"
    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the caller should know: `code` is stable, `detail` one plain sentence."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Pose:
    """The 33 landmarks of BlazePose (MediaPipe's numbering) of one person."""

    xy: FloatArray
    """(33, 2) px; may lie outside the picture."""
    depth: FloatArray
    """(33,) px, relative to the middle of the hips, smaller is nearer to the camera."""
    visibility: FloatArray
    """(33,) 0..1."""


@dataclass(frozen=True, slots=True)
class PersonParse:
    """Which pixel of a photo shows what."""

    probabilities: FloatArray
    """(6, H, W) 0..1 in the order of `Label`, sums to 1; soft at edges (guided by the photo)."""
    labels: LabelMap
    """(H, W) values of `Label`; the cleaned argmax of `probabilities`."""
    certainty: float
    """0..1: mean margin between the best two classes over the person."""
    waist_gain: float
    """Nats per pixel gained by splitting the trunk into two cloths: small (under about 0.2) means one piece (a dress)."""
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Sleeve:
    """One sleeve of a garment picture, px of that picture."""

    outer: FloatArray
    """(K, 2) the upper outline, from the shoulder tip to the outer corner of the cuff, evenly spaced by arc length."""
    inner: FloatArray
    """(K, 2) the lower outline, from the armpit to the inner corner of the cuff, evenly spaced by arc length."""


@dataclass(frozen=True, slots=True)
class UpperLandmarks:
    """Landmarks of an upper garment; px of the garment picture; index 0 is the picture's left, 1 its right."""

    neck: FloatArray
    """(2, 2) where the neckline meets the shoulder seam (the side neck points; the base of a collar that stands)."""
    shoulder: FloatArray
    """(2, 2) shoulder tips: where the sleeve begins; of a sleeveless top the outer end of the shoulder; of a strap its outer top."""
    armpit: FloatArray
    """(2, 2)."""
    hem: FloatArray
    """(2, 2) lower corners of the torso."""
    side: FloatArray
    """(2, K, 2) torso outline from armpit to hem corner, K evenly spaced rows along the axis."""
    neckline: FloatArray
    """(M, 2) the front neckline from neck[0] to neck[1]: below it front cloth, above it inner back (or nothing)."""
    sleeves: tuple[Sleeve, Sleeve] | None
    """None for sleeveless and strappy tops."""
    collar: FloatArray | None
    """(2, 2) top corners of a collar or hood that stands above the neck points, else None."""
    straps: bool
    """True when the shoulder is a strap (narrower than a seventh of the torso)."""
    axis_x: float
    """x of the symmetry axis."""
    waist_share: float | None = None
    """Of a dress: where on `side` (0 armpit, 1 hem, by height) its waist is, by seam, belt or narrowest width; None for tops."""


@dataclass(frozen=True, slots=True)
class LowerLandmarks:
    """Landmarks of trousers, shorts or a skirt; px of the garment picture; index 0 is the picture's left, 1 its right."""

    waist: FloatArray
    """(2, 2) upper outer corners of the waistband."""
    waistline: FloatArray
    """(M, 2) the front's upper edge from waist[0] to waist[1]: below it front cloth, above it the inside of the back (or nothing)."""
    side: FloatArray
    """(2, K, 2) outer outline from the waist corner to the outer hem corner, evenly spaced by arc length."""
    centre: FloatArray
    """(K, 2) from the middle of the waistline down to the crotch, or to the middle of a skirt's hem, evenly spaced."""
    inseam: FloatArray | None
    """(2, K, 2) inner outline of each leg from the crotch to the inner hem corner, evenly spaced; None for skirts."""
    axis_x: float
    """x of the symmetry axis."""


@dataclass(frozen=True, slots=True)
class GarmentReading:
    """What a garment picture shows, before anything is prepared for draping."""

    rgb: Picture
    """The picture; pixels at and outside the outline are recoloured from inside (no halo of the ground)."""
    mask: BoolArray
    """(H, W) garment, the inner back included."""
    alpha: FloatArray
    """(H, W) 0..1 antialiased `mask`."""
    inner_back: FloatArray
    """(H, W) 0..1: the inside of the back that shows above the front neckline; goes behind the neck."""
    part: npt.NDArray[np.uint8]
    """(H, W) 0 none, 1 torso, 2 left sleeve, 3 right sleeve (disjoint; cut from shoulder tip to armpit); of lower garments
    2 the left half and 3 the right (disjoint; cut along `centre` and between the inseams)."""
    category: Category
    category_score: float
    """0..1: how sure the category is; 1 when it was given."""
    landmarks: UpperLandmarks | LowerLandmarks
    confidence: float
    """0..1: symmetry, clearness of the outline and of the neckline."""
    notices: tuple[Notice, ...] = field(default=())
