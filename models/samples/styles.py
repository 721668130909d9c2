"""What can be asked of the pattern cutter: one frozen record of the ways an upper garment may differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RGB = tuple[int, int, int]
SleeveStyle = Literal["none", "strap", "short", "three_quarter", "long"]
NeckStyle = Literal["crew", "v", "scoop", "boat", "polo", "turtle"]
PatternStyle = Literal["plain", "stripes", "dots", "print", "checks"]


@dataclass(frozen=True, slots=True)
class UpperStyle:
    """One upper garment. Ratios are 1 for the ordinary cut; every combination can be drawn.

    The drawing is scaled to fill the picture, so `fit` and `length` change proportions, not the size in pixels.
    """

    sleeve: SleeveStyle = "short"
    neck: NeckStyle = "crew"
    fit: float = 1.0
    """Torso width over the ordinary, 0.8..1.3; the neck keeps its size."""
    length: float = 1.0
    """Neck to hem over the ordinary, 0.65..1.5."""
    sleeve_length: float = 1.0
    """Over the ordinary of that sleeve, 0.6..1.3."""
    sleeve_angle_deg: float | None = None
    """Between the sleeve and the vertical, 8..55; None takes the sleeve's usual one."""
    waist: float = 0.06
    """How far the side goes in at the waist, part of the half width, 0..0.2."""
    flare: float = 0.0
    """How far the hem goes out (in, if negative), part of the half width, -0.1..0.6."""
    neck_depth: float = 1.0
    """Depth of the front neckline over the ordinary of that neck, 0.6..1.4 (no effect on a turtle neck)."""
    colour: RGB = (72, 98, 138)
    accent: RGB = (238, 232, 220)
    """Second colour: stripes, dots, checks, the print."""
    trim: RGB | None = None
    """Neck rib and cuffs; None: as `colour`."""
    pattern: PatternStyle = "plain"
    pattern_size: float = 1.0
    """Over the ordinary, 0.4..2.5."""
    crumple: float = 1.0
    """Depth of the folds, 0 (pressed flat) to 2."""
    ground: RGB = (244, 244, 244)
    size: tuple[int, int] = (768, 1024)
    """(width, height) of the picture, px; at least 96 each."""
    fill: float = 0.84
    """Part of the picture's height or width, whichever is met first, that the garment takes, 0.3..0.98."""
    rotation_deg: float = 0.0
    """Clockwise turn in the picture, -20..20."""
    mirrored: bool = False
    seed: int = 1
    """Folds and the small differences between left and right; the same seed gives the same picture."""
