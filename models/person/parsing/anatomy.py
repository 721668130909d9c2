"""Where the parts of the body lie, as soft fields over the working frame, from the 33 landmarks alone.

Two coordinate systems carry everything. The trunk's: `along` runs from 0 at the hips to 1 at the shoulders, `across` is the
distance from the spine in body widths. The head's: `head_down` and `head_across` in units of the eye-to-mouth distance, with
the eyes at 0 and the mouth at 1. So the same numbers hold for a child, a turned head and a slanted body.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from models.types import FloatArray

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


@dataclass(frozen=True, slots=True)
class Limb:
    """An arm or a leg as a tapered capsule."""

    radius: Tensor
    """(h, w) distance from the bones, 1 at the usual outline."""
    course: Tensor
    """(h, w) 0..1 along the upper bone, 1..2 along the lower one, beyond 2 hand or foot."""
    end: Tensor
    """(h, w) 0..1: the hand or the foot."""
    end_px: Tensor
    """(h, w) distance from the hand's or foot's bone."""
    visibility: float
    """0..1 of the wrist or ankle."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Soft zones and coordinates, all (h, w)."""

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
    width_px: float
    """Body width in working pixels."""
    trunk_px: float
    head_px: float
    """Eye-to-mouth distance in working pixels."""


def step(x: Tensor) -> Tensor:
    return torch.sigmoid(x.clamp(-30, 30))


def _capsule(grid: Tensor, start: FloatArray, end: FloatArray) -> tuple[Tensor, Tensor]:
    """Distance (h, w) in px from a bone and the unclamped position along it."""
    bone = torch.from_numpy(np.asarray(end - start, np.float32)).to(grid)
    offset = grid - torch.from_numpy(np.asarray(start, np.float32)).to(grid)[:, None, None]
    position = (offset[0] * bone[0] + offset[1] * bone[1]) / (bone @ bone + 1e-6)
    held = position.clamp(0, 1)
    return torch.hypot(offset[0] - held * bone[0], offset[1] - held * bone[1]), position


def _arm(grid: Tensor, xy: FloatArray, visibility: FloatArray, joints: tuple[int, int, int, int], width: float) -> Limb:
    shoulder, elbow, wrist, index = (xy[j] for j in joints)
    hand = index - wrist
    d_upper, t_upper = _capsule(grid, shoulder, elbow)
    d_fore, t_fore = _capsule(grid, elbow, wrist)
    d_hand, t_hand = _capsule(grid, wrist + 0.15 * hand, wrist + 1.5 * hand)
    r_upper, r_fore, r_hand = d_upper / (UPPER_ARM * width), d_fore / (FOREARM * width), d_hand / (FOREARM * width)
    lower = torch.where(r_fore < r_hand, 1 + t_fore.clamp(0, 1), 2 + 0.3 * t_hand.clamp(0, 1))
    course = torch.where(r_upper < torch.minimum(r_fore, r_hand), t_upper.clamp(0, 1), lower)
    radius = torch.minimum(torch.minimum(r_upper, r_fore), r_hand)
    return Limb(radius, course, step((0.95 - r_hand) / 0.15), d_hand, float(visibility[joints[2]]))


def _leg(grid: Tensor, xy: FloatArray, visibility: FloatArray, joints: tuple[int, ...], width: float, trunk: float) -> Limb:
    hip, knee, ankle, heel, toe = (xy[j] for j in joints)
    thigh = max(float(np.linalg.norm(knee - hip)), 0.5 * trunk)
    d_thigh, t_thigh = _capsule(grid, hip, knee)
    d_shank, t_shank = _capsule(grid, knee, ankle)
    d_foot, _ = _capsule(grid, heel, toe + 0.25 * (toe - heel))
    r_thigh, r_shank = d_thigh / (0.22 * thigh + 0.05 * width), d_shank / (0.17 * thigh + 0.05 * width)
    r_foot = d_foot / (0.13 * thigh + 0.03 * width)
    course = torch.where(r_thigh < r_shank, t_thigh.clamp(-0.3, 1), 1 + t_shank.clamp(0, 1))
    foot = step((1 - r_foot) / 0.15) * step((t_shank - 0.93) / 0.03)
    return Limb(torch.minimum(r_thigh, r_shank), course, foot, d_foot, float(visibility[joints[2]]))


def _face_outline(xy: FloatArray, eyes: FloatArray, mouth: FloatArray, down: FloatArray, unit: float) -> FloatArray:
    """Convex outline (V, 2) of the face: ears, jaw, chin, forehead."""
    middle = (eyes + mouth) / 2
    ears = xy[[LEFT_EAR, RIGHT_EAR]]
    corners = xy[[LEFT_MOUTH, RIGHT_MOUTH]]
    points = [
        *ears,
        *(ears + 0.45 * unit * down + 0.12 * (middle - ears)),
        *(ears - 0.45 * unit * down + 0.10 * (middle - ears)),
        *(xy[[LEFT_EYE_OUTER, RIGHT_EYE_OUTER]] - 0.68 * unit * down),
        eyes - 0.8 * unit * down,
        *(mouth + 1.4 * (corners - mouth) + 0.35 * unit * down),
        mouth + 0.68 * unit * down,
        xy[NOSE],
    ]
    cloud = np.stack(points).astype(np.float32)
    centre = cloud.mean(0)
    hull = cv2.convexHull(centre + FACE_HULL * (cloud - centre)).reshape(-1, 2)
    return np.asarray(hull, np.float32)


def _inside(grid: Tensor, outline: FloatArray) -> Tensor:
    """Signed distance (h, w) px to a convex outline, positive inside (exact inside, at most the true distance outside)."""
    following = np.roll(outline, -1, 0)
    edge = following - outline
    length = np.linalg.norm(edge, axis=1)
    edge, start = edge[length > 1e-3] / length[length > 1e-3, None], outline[length > 1e-3]
    normal = np.stack((-edge[:, 1], edge[:, 0]), 1)
    normal *= np.sign(((outline.mean(0) - start) * normal).sum(1, keepdims=True))
    offset = (normal * start).sum(1)
    planes = torch.einsum("kc,chw->khw", torch.from_numpy(normal.astype(np.float32)).to(grid), grid)
    return (planes - torch.from_numpy(offset.astype(np.float32)).to(grid)[:, None, None]).amin(0)


def read_anatomy(xy: FloatArray, visibility: FloatArray, height: int, width: int, device: torch.device | None = None) -> Anatomy:
    """Landmarks (33, 2) in working pixels -> zones over a frame of `height` × `width`."""
    rows, columns = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
    grid = torch.stack((columns, rows)).float()
    shoulders, hips = xy[list(SHOULDERS)].mean(0), xy[list(HIPS)].mean(0)
    shoulder_px = float(np.linalg.norm(xy[SHOULDERS[0]] - xy[SHOULDERS[1]]))
    spine = shoulders - hips
    seen = float(np.linalg.norm(spine))
    up = spine / seen if seen > 1e-3 else np.array((0, -1), np.float32)
    trunk_px = max(seen, TRUNK_OF_WIDTH * shoulder_px, 4.0)
    width_px = max(shoulder_px, WIDTH_OF_TRUNK * trunk_px)
    # the shoulders hold the scale's end: a foreshortened trunk keeps its shoulders at 1
    ups = torch.from_numpy(np.asarray(up, np.float32)).to(grid)
    offset = grid - torch.from_numpy(np.asarray(shoulders, np.float32)).to(grid)[:, None, None]
    along = 1 + (offset[0] * ups[0] + offset[1] * ups[1]) / trunk_px
    across = (-offset[0] * ups[1] + offset[1] * ups[0]) / width_px

    eyes, mouth, ears = xy[[LEFT_EYE, RIGHT_EYE]].mean(0), xy[[LEFT_MOUTH, RIGHT_MOUTH]].mean(0), xy[[LEFT_EAR, RIGHT_EAR]].mean(0)
    ear_px, face_px = float(np.linalg.norm(xy[LEFT_EAR] - xy[RIGHT_EAR])), float(np.linalg.norm(mouth - eyes))
    down = (mouth - eyes) / face_px if face_px > 1e-3 else -up
    unit = max(face_px, FACE_OF_EARS * ear_px, FACE_OF_WIDTH * width_px)
    downs = torch.from_numpy(np.asarray(down, np.float32)).to(grid)
    offset = grid - torch.from_numpy(np.asarray(eyes, np.float32)).to(grid)[:, None, None]
    head_down = (offset[0] * downs[0] + offset[1] * downs[1]) / unit
    sideways = (-offset[0] * downs[1] + offset[1] * downs[0]) / unit
    turned = float((ears - eyes) @ np.array((-down[1], down[0]))) / unit
    head_half = max(ear_px / 2 / unit, 0.85)

    face_depth = _inside(grid, _face_outline(xy, eyes, mouth, down, unit)) / unit
    face = step(face_depth / 0.1)
    core_face = step((face_depth - 0.15) / 0.06) * step((head_down - BROWS) / 0.08)
    skull = step((1 - torch.hypot((sideways - 0.8 * turned) / max(1.45 * head_half, 1.5), (head_down + 0.15) / 2.1)) / 0.10)
    dome = step((1 - torch.hypot((sideways - turned) / 2.4, (head_down + 0.9) / 2.4)) / 0.10)
    crown = torch.maximum(skull, 0.5 * dome) * step((1.7 - head_down) / 0.15)
    head_across = sideways - 0.5 * turned
    beside = step((head_down + 0.5) / 0.3) * step((2.6 - head_across.abs()) / 0.3)
    side_hair = beside * (step((5 - head_down) / 0.5) + LONG_HAIR * step((11 - head_down) / 1.0)).clamp_max(1)
    neck_px, _ = _capsule(grid, eyes + 1.6 * unit * down, shoulders + 0.02 * trunk_px * up)
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
        arms=(_arm(grid, xy, visibility, ARMS[0], width_px), _arm(grid, xy, visibility, ARMS[1], width_px)),
        legs=(_leg(grid, xy, visibility, LEGS[0], width_px, trunk_px), _leg(grid, xy, visibility, LEGS[1], width_px, trunk_px)),
        width_px=width_px,
        trunk_px=trunk_px,
        head_px=unit,
    )
