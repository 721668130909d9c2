"""Where the parts of the body lie, as soft fields over the frame, from the 33 landmarks alone.

Two coordinate systems carry everything. The trunk's: `along` runs from 0 at the hips to 1 at the shoulders, `across` is the
distance from the spine in body widths. The head's: `head_down` and `head_across` in units of the eye-to-mouth distance, with
the eyes at 0 and the mouth at 1. So the same numbers hold for a child, a turned head and a slanted body.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

NOSE, LEFT_EYE, RIGHT_EYE = 0, 2, 5
LEFT_EYE_OUTER, RIGHT_EYE_OUTER, LEFT_EAR, RIGHT_EAR, LEFT_MOUTH, RIGHT_MOUTH = 3, 6, 7, 8, 9, 10
SHOULDERS, HIPS = (11, 12), (23, 24)
ARMS = ((11, 13, 15, 19), (12, 14, 16, 20))
"""Shoulder, elbow, wrist, index knuckle."""
LEGS = ((23, 25, 27, 29, 31), (24, 26, 28, 30, 32))
"""Hip, knee, ankle, heel, toe."""

WIDTH_OF_TRUNK = 0.55
"""A body seen from the side is still this wide, in trunk lengths."""
TRUNK_OF_WIDTH = 0.9
"""A trunk that leans towards the camera is still this long, in shoulder distances."""
FACE_OF_WIDTH, FACE_OF_EARS = 0.16, 0.38
"""The least eye-to-mouth distance, in body widths and in ear distances (a lowered head)."""
UPPER_ARM, FOREARM = 0.150, 0.1245
"""Half widths of the arm with its sleeve, in body widths."""
NECK_MIDDLE, NECK_RADIUS = 0.35, 0.72
"""The throat and the neck's outline, in eye-to-mouth distances from the line between chin and breastbone."""
BROWS = -0.2
"""`head_down` of the brows; a fringe covers what is above."""
LONG_HAIR = 0.35
"""Hair below the shoulders against hair to the shoulders."""
FACE_HULL = 1.2
"""The landmarks' hull is enlarged so much to reach the hairline and the jaw."""
HULL_SIDES = 16
"""The face's outline is cut by so many straight lines, at most 2% outside the hull."""


Scalars = Tensor
"""One number a person, as (B, 1, 1): it meets fields (B, h, w)."""


@dataclass(frozen=True, slots=True)
class Limb:
    """An arm or a leg as a tapered capsule."""

    radius: Tensor
    """(B, h, w) distance from the bones, 1 at the usual outline."""
    course: Tensor
    """(B, h, w) 0..1 along the upper bone, 1..2 along the lower one, beyond 2 hand or foot."""
    end: Tensor
    """(B, h, w) 0..1: the hand or the foot."""
    end_px: Tensor
    """(B, h, w) distance from the hand's or foot's bone."""
    visibility: Scalars
    """0..1 of the wrist or ankle."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Soft zones and coordinates, all (B, h, w)."""

    along: Tensor
    across: Tensor
    head_down: Tensor
    head_across: Tensor
    """0 midway between the ears of a turned head, 1 is one eye-to-mouth distance."""
    face: Tensor
    """0..1, chin to hairline."""
    face_depth: Tensor
    """Distance inside the face's outline, in eye-to-mouth distances (negative outside)."""
    core_face: Tensor
    """0..1: well inside the face and below the brows, where no hair can be; fringes reach down to it."""
    skull: Tensor
    crown: Tensor
    """0..1: where hair stands on the head: the skull, and a wider dome above it at half weight."""
    neck: Tensor
    neck_side: Tensor
    """0 along the throat, 1 at the neck's outline, where hair falls before it."""
    side_hair: Tensor
    """0..1: beside and below the face, where long hair falls."""
    flank: Tensor
    """0..1: above the shoulders' outline and outside the neck: if the person covers it, it is hair."""
    arms: tuple[Limb, Limb]
    legs: tuple[Limb, Limb]
    width_px: Scalars
    """Body width in pixels of the fields."""
    trunk_px: Scalars
    head_px: Scalars
    """Eye-to-mouth distance in pixels of the fields."""


@dataclass(frozen=True, slots=True)
class _Grid:
    x: Tensor
    """(1, 1, w) column numbers."""
    y: Tensor
    """(1, h, 1) row numbers."""

    def dot(self, origin: Tensor, direction: Tensor) -> Tensor:
        """(B, h, w): how far along `direction` (B, 2) each pixel lies from `origin` (B, 2)."""
        distance: Tensor = self.x * _each(direction[:, 0]) + (self.y * _each(direction[:, 1]) - _each((origin * direction).sum(1)))
        return distance


def _each(values: Tensor) -> Scalars:
    return values[:, None, None]


def step(x: Tensor) -> Tensor:
    return torch.sigmoid(x.clamp(-30, 30))


def _length(vector: Tensor) -> Tensor:
    """(B, 2) -> (B,)."""
    return vector.square().sum(1).sqrt()


def _turned(vector: Tensor) -> Tensor:
    """(B, 2) a quarter turn: the right of somebody who looks along it."""
    return torch.stack((-vector[:, 1], vector[:, 0]), 1)


def _unit(vector: Tensor, otherwise: Tensor) -> tuple[Tensor, Tensor]:
    """Direction (B, 2) and length (B,); `otherwise` where there is none."""
    length = _length(vector)
    return torch.where(length[:, None] > 1e-3, vector / length.clamp_min(1e-3)[:, None], otherwise), length


def _capsules(grid: _Grid, bones: Tensor) -> tuple[Tensor, Tensor]:
    """Bones (N, B, 2, 2) from start to end -> distance (N, B, h, w) in px from each and the unclamped position along it."""
    start, bone = bones[:, :, 0, :, None, None], (bones[:, :, 1] - bones[:, :, 0])[..., None, None]
    along = bone / (bone.square().sum(2, keepdim=True) + 1e-6)
    off_x, off_y = grid.x - start[:, :, 0], grid.y - start[:, :, 1]
    position = off_x * along[:, :, 0] + off_y * along[:, :, 1]
    held = position.clamp(0, 1)
    off_x = torch.addcmul(off_x, held, bone[:, :, 0], value=-1)
    off_y = torch.addcmul(off_y, held, bone[:, :, 1], value=-1)
    distance: Tensor = off_x.square_().addcmul_(off_y, off_y).sqrt_()
    return distance, position


def _bones(xy: Tensor) -> Tensor:
    """(12, B, 2, 2): of each arm upper arm, forearm, hand, then of each leg thigh, shank, foot."""
    parts = []
    for shoulder, elbow, wrist, index in ARMS:
        hand = xy[:, index] - xy[:, wrist]
        parts += [xy[:, shoulder], xy[:, elbow], xy[:, elbow], xy[:, wrist], xy[:, wrist] + 0.15 * hand, xy[:, wrist] + 1.5 * hand]
    for hip, knee, ankle, heel, toe in LEGS:
        tip = xy[:, toe] + 0.25 * (xy[:, toe] - xy[:, heel])
        parts += [xy[:, hip], xy[:, knee], xy[:, knee], xy[:, ankle], xy[:, heel], tip]
    bones: Tensor = torch.stack(parts).unflatten(0, (-1, 2))
    return bones.transpose(1, 2)


def _arms(distance: Tensor, position: Tensor, visibility: Tensor, width: Scalars) -> tuple[Limb, Limb]:
    """From the capsules (2, 3, B, h, w) of both arms."""
    (d_upper, d_fore, d_hand), (t_upper, t_fore, t_hand) = distance.unbind(1), position.clamp(0, 1).unbind(1)
    r_upper, r_fore, r_hand = d_upper / (UPPER_ARM * width), d_fore / (FOREARM * width), d_hand / (FOREARM * width)
    lower = torch.where(r_fore < r_hand, 1 + t_fore, 2 + 0.3 * t_hand)
    nearer = torch.minimum(r_fore, r_hand)
    course = torch.where(r_upper < nearer, t_upper, lower)
    return _two(torch.minimum(r_upper, nearer), course, step((0.95 - r_hand) / 0.15), d_hand, visibility[:, [arm[2] for arm in ARMS]])


def _legs(distance: Tensor, position: Tensor, xy: Tensor, visibility: Tensor, width: Scalars, trunk: Scalars) -> tuple[Limb, Limb]:
    """From the capsules (2, 3, B, h, w) of both legs."""
    (d_thigh, d_shank, d_foot), (t_thigh, t_shank, _) = distance.unbind(1), position.unbind(1)
    seen = torch.stack([_each(_length(xy[:, leg[1]] - xy[:, leg[0]])) for leg in LEGS])
    thigh = torch.maximum(seen, 0.5 * trunk)
    r_thigh, r_shank = d_thigh / (0.22 * thigh + 0.05 * width), d_shank / (0.17 * thigh + 0.05 * width)
    r_foot = d_foot / (0.13 * thigh + 0.03 * width)
    course = torch.where(r_thigh < r_shank, t_thigh.clamp(-0.3, 1), 1 + t_shank.clamp(0, 1))
    foot = step((1 - r_foot) / 0.15) * step((t_shank - 0.93) / 0.03)
    return _two(torch.minimum(r_thigh, r_shank), course, foot, d_foot, visibility[:, [leg[2] for leg in LEGS]])


def _two(radius: Tensor, course: Tensor, end: Tensor, end_px: Tensor, visibility: Tensor) -> tuple[Limb, Limb]:
    seen = _each(visibility.flatten()).unflatten(0, (-1, 2))
    left, right = (Limb(radius[k], course[k], end[k], end_px[k], seen[:, k]) for k in range(2))
    return left, right


def _face_depth(grid: _Grid, xy: Tensor, eyes: Tensor, mouth: Tensor, down: Tensor, unit: Tensor) -> Tensor:
    """Distance in px inside the convex outline of the face (ears, jaw, chin, forehead), negative outside."""
    middle = ((eyes + mouth) / 2)[:, None]
    ears, corners = xy[:, [LEFT_EAR, RIGHT_EAR]], xy[:, [LEFT_MOUTH, RIGHT_MOUTH]]
    fall = (unit[:, None] * down)[:, None]
    points = torch.cat(
        (
            ears,
            ears + 0.45 * fall + 0.12 * (middle - ears),
            ears - 0.45 * fall + 0.10 * (middle - ears),
            xy[:, [LEFT_EYE_OUTER, RIGHT_EYE_OUTER]] - 0.68 * fall,
            eyes[:, None] - 0.8 * fall,
            mouth[:, None] + 1.4 * (corners - mouth[:, None]) + 0.35 * fall,
            mouth[:, None] + 0.68 * fall,
            xy[:, [NOSE]],
        ),
        1,
    )
    centre = points.mean(1, keepdim=True)
    points = centre + FACE_HULL * (points - centre)
    turns = 2 * math.pi * (torch.arange(HULL_SIDES, device=xy.device) + 0.5)[:, None, None] / HULL_SIDES
    normals = turns.cos() * down + turns.sin() * _turned(down)
    reach = (points * normals[:, :, None]).sum(3).amax(2)
    inside = (reach[..., None, None] - grid.x * normals[..., 0, None, None]) - grid.y * normals[..., 1, None, None]
    depth: Tensor = inside.amin(0)
    return depth


def read_anatomy(xy: Tensor, visibility: Tensor, height: int, width: int) -> Anatomy:
    """Landmarks (B, 33, 2) in pixels of the fields and their visibility (B, 33) -> zones over `height` × `width`."""
    columns, rows = torch.arange(width, device=xy.device).float(), torch.arange(height, device=xy.device).float()
    grid = _Grid(columns[None, None], rows[None, :, None])
    shoulders, hips = xy[:, list(SHOULDERS)].mean(1), xy[:, list(HIPS)].mean(1)
    shoulder_px = _length(xy[:, SHOULDERS[0]] - xy[:, SHOULDERS[1]])
    upright = torch.stack((torch.zeros_like(shoulder_px), -torch.ones_like(shoulder_px)), 1)
    up, seen = _unit(shoulders - hips, upright)
    trunk = torch.maximum(seen, TRUNK_OF_WIDTH * shoulder_px).clamp_min(4.0)
    body = torch.maximum(shoulder_px, WIDTH_OF_TRUNK * trunk)
    trunk_px, width_px = _each(trunk), _each(body)
    # the shoulders hold the scale's end: a foreshortened trunk keeps its shoulders at 1
    along = 1 + grid.dot(shoulders, up / trunk[:, None])
    across = grid.dot(shoulders, _turned(up) / body[:, None])

    eyes, mouth, ears = (xy[:, pair].mean(1) for pair in ([LEFT_EYE, RIGHT_EYE], [LEFT_MOUTH, RIGHT_MOUTH], [LEFT_EAR, RIGHT_EAR]))
    ear_px = _length(xy[:, LEFT_EAR] - xy[:, RIGHT_EAR])
    down, face_px = _unit(mouth - eyes, -up)
    head = torch.maximum(torch.maximum(face_px, FACE_OF_EARS * ear_px), FACE_OF_WIDTH * body)
    unit = _each(head)
    head_down = grid.dot(eyes, down / head[:, None])
    sideways = grid.dot(eyes, _turned(down) / head[:, None])
    turned = _each(((ears - eyes) * _turned(down)).sum(1) / head)
    head_half = (_each(ear_px / 2) / unit).clamp_min(0.85)

    face_depth = _face_depth(grid, xy, eyes, mouth, down, head) / unit
    face = step(face_depth / 0.1)
    core_face = step((face_depth - 0.15) / 0.06) * step((head_down - BROWS) / 0.08)
    skull_x = (sideways - 0.8 * turned) / torch.maximum(1.45 * head_half, torch.full_like(head_half, 1.5))
    skull = step((1 - torch.hypot(skull_x, (head_down + 0.15) / 2.1)) / 0.10)
    dome = step((1 - torch.hypot((sideways - turned) / 2.4, (head_down + 0.9) / 2.4)) / 0.10)
    crown = torch.maximum(skull, 0.5 * dome) * step((1.7 - head_down) / 0.15)
    head_across = sideways - 0.5 * turned
    beside = step((head_down + 0.5) / 0.3) * step((2.6 - head_across.abs()) / 0.3)
    side_hair = beside * (step((5 - head_down) / 0.5) + LONG_HAIR * step((11 - head_down) / 1.0)).clamp_max(1)
    throat = torch.stack((eyes + 1.6 * head[:, None] * down, shoulders + 0.02 * trunk[:, None] * up), 1)
    distance, position = _capsules(grid, torch.cat((throat[None], _bones(xy))))
    neck_px = distance[0]
    distance, position = distance[1:].unflatten(0, (2, 2, 3)), position[1:].unflatten(0, (2, 2, 3))
    neck_side = ((neck_px / unit - NECK_MIDDLE) / (NECK_RADIUS - NECK_MIDDLE)).clamp(0, 1)
    neck = step((NECK_RADIUS - neck_px / unit) / 0.12) * (1 - face) * step((head_down - 1.35) / 0.12)
    # outline of the shoulders above the joints, in trunk lengths: .20 beside the neck, .06 at the tips
    shoulder_line = 0.20 - 0.14 * ((across.abs() - 0.2) / 0.3).clamp(0, 1)
    above = step((along - 1 - shoulder_line) / 0.03) * step((head_down + 0.3) / 0.2)
    flank = above * (1 - face) * (1 - neck) * step((head_across.abs() - 0.75) / 0.1) * step((3.2 - sideways.abs()) / 0.2)

    return Anatomy(
        along=along,
        across=across,
        head_down=head_down,
        head_across=head_across,
        face=face,
        face_depth=face_depth,
        core_face=core_face,
        skull=skull,
        crown=crown,
        neck=neck,
        neck_side=neck_side,
        side_hair=side_hair,
        flank=flank,
        arms=_arms(distance[0], position[0], visibility, width_px),
        legs=_legs(distance[1], position[1], xy, visibility, width_px, trunk_px),
        width_px=width_px,
        trunk_px=trunk_px,
        head_px=unit,
    )
