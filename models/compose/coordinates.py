"""Where every pixel lies on the body: on which limb and how far along, how far across and over the shoulders, below the waist."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from models.compose.bare_legs import BareLeg
from models.masks import Box, enlarge
from models.person.body import ROW_COUNT, ROW_SPAN, WAIST_COUNT, WAIST_TO, Body
from models.person.limbs import arm_coordinates, limb_coordinates
from models.types import FloatArray

NO_WAIST = -1e4
EXACT_LONG_SIDE_PX = 400
FOOT_END = 1.0
"""A foot ends at the toes' landmark: this share of the way there from the ankle."""


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Per pixel; (H, W) float32 unless said."""

    reach: FloatArray
    """(2, H, W) distance from each arm's bones in arm half widths: 1 is the skin."""
    lateral: FloatArray
    """(2, H, W) `reach` with the side of the bones as its sign."""
    place: FloatArray
    """(2, H, W) along each arm: 0 shoulder, 1 elbow, 2 wrist, 2.5 fingers."""
    leg_reach: FloatArray
    """(2, H, W) distance from each leg's bones in leg half widths."""
    leg_lateral: FloatArray
    leg_place: FloatArray
    """(2, H, W) along each leg: 0 hip joint, 1 knee, 2 ankle, 2.5 toes."""
    across: FloatArray
    """Units from the shoulders' middle along the shoulder line, positive to the picture's right."""
    over: FloatArray
    """Units over the shoulder line, negative below it."""
    from_nose: FloatArray
    """Nose-to-chin distances from the nose."""
    below_shoulders: FloatArray
    """px below the middle of the shoulder line along the trunk."""
    below_waist: FloatArray
    """px below the lower garment's upper edge along the trunk, negative above it; NO_WAIST where the waist is not known."""

    def within(self, box: Box) -> Self:
        """The same for the pixels in `box` of the picture."""
        return type(self)(**{f.name: getattr(self, f.name)[..., box[0], box[1]] for f in fields(self)})

    def resized(self, size: tuple[int, int]) -> Self:
        """The same for the pixels of a picture of `size` (h, w) that shows the whole photo."""
        if self.across.shape == size:
            return self
        full = (size[1], size[0])

        def planes(stack: FloatArray) -> FloatArray:
            return enlarge(stack, full) if stack.ndim == 2 else np.stack([enlarge(plane, full) for plane in stack])

        return type(self)(**{f.name: planes(getattr(self, f.name)) for f in fields(self)})


def locate(body: Body, bare: tuple[BareLeg, BareLeg], size: tuple[int, int]) -> Coordinates:
    """Coordinates of the pixels of a photo of `size` (H, W).

    They run smoothly over a body: in large photos they are computed at a reduced size and interpolated.
    """
    step = max(1, round(max(size) / EXACT_LONG_SIDE_PX))
    return _locate(body, bare, (-(-size[0] // step), -(-size[1] // step)), size).resized(size)


def _locate(body: Body, bare: tuple[BareLeg, BareLeg], size: tuple[int, int], photo_size: tuple[int, int]) -> Coordinates:
    y, x = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
    points = np.stack([(x + 0.5) * photo_size[1] / size[1] - 0.5, (y + 0.5) * photo_size[0] / size[0] - 0.5], -1)
    offset = points - body.middle
    arms = [arm_coordinates(points, arm) for arm in body.arms]
    legs = [limb_coordinates(points, leg.joints, leg.radius, FOOT_END) for leg in bare]
    return Coordinates(
        reach=np.stack([a[0] for a in arms]),
        lateral=np.stack([a[0] * _side(points, arm.joints, a[1]) for a, arm in zip(arms, body.arms, strict=True)]),
        place=np.stack([a[1] for a in arms]),
        leg_reach=np.stack([leg[0] for leg in legs]),
        leg_lateral=np.stack([leg[0] * _side(points, own.joints, leg[1]) for leg, own in zip(legs, bare, strict=True)]),
        leg_place=np.stack([leg[1] for leg in legs]),
        across=(offset @ body.right) / body.unit_px,
        over=(offset @ body.over) / body.unit_px,
        from_nose=np.linalg.norm(points - body.nose, axis=-1) / body.face_px,
        below_shoulders=-(offset @ body.up),
        below_waist=_below_waist(body, points) if body.waist_known else np.full(size, NO_WAIST, np.float32),
    )


def _side(points: FloatArray, joints: FloatArray, place: FloatArray) -> FloatArray:
    """1 or -1: the side of a limb's bones on which `points` (..., 2) lie, the same side along the whole limb."""
    signs = []
    for a, b in ((joints[0], joints[1]), (joints[1], joints[2])):
        offset, bone = points - a, b - a
        signs.append(np.where(bone[0] * offset[..., 1] - bone[1] * offset[..., 0] > 0, 1, -1))
    return np.where(place > 1, signs[1], signs[0]).astype(np.float32)


def _below_waist(body: Body, points: FloatArray) -> FloatArray:
    down = -((points - body.middle) @ body.up)
    # the axis and the rows across it: the same directions the waist line was measured in
    at = np.clip(down / (ROW_SPAN * body.unit_px) * (ROW_COUNT - 1), 0, ROW_COUNT - 1)
    index = np.arange(ROW_COUNT)
    across = np.stack([np.interp(at, index, body.row_right[:, c]) for c in (0, 1)], -1)
    axis = np.stack([np.interp(at, index, body.row_middle[:, c]) for c in (0, 1)], -1)
    lateral = ((points - axis) * across).sum(-1)
    # a point beside the axis lies on a row that may be slanted
    square = np.array([-body.up[1], body.up[0]], np.float32)
    slant = (across @ -body.up) / np.maximum(np.abs(across @ square), 0.2)
    line = np.interp(lateral / body.unit_px, np.linspace(-WAIST_TO, WAIST_TO, WAIST_COUNT), body.band_line)
    return np.asarray(down - lateral * slant - line, np.float32)
