"""Hair and brows as strands: (K, 3) lines in metres that start on the skin and follow it, or stand up from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import bpy  # type: ignore[import-not-found]  # noqa: F401
import numpy as np

# isort: split
# Blender's other modules exist only once bpy is loaded.
from mathutils import Vector  # type: ignore[import-not-found]
from mathutils.bvhtree import BVHTree  # type: ignore[import-not-found]

from models.samples.people.make.body import Array, Body, Faces

HAIRLINE_DEPTH = (-0.030, 0.000, 0.018, 0.038, 0.055, 0.075, 0.100, 0.160)
HAIRLINE_HEIGHT = {
    "bun": (0.066, 0.060, 0.047, 0.024, -0.004, -0.012, -0.055, -0.075),
    "crop": (0.066, 0.059, 0.046, 0.020, -0.012, -0.020, -0.050, -0.060),
}
"""Height of the hairline over the eyes at depths behind them: forehead, temple, before the ear, behind it, nape."""
FADE = 0.022
"""Over this height above the hairline hair grows dense."""
SCALP_STRANDS, BUN_STRANDS, BROW_STRANDS = 38000, 5000, 420


@dataclass(frozen=True, slots=True)
class Head:
    """Where things are on a head."""

    eyes: tuple[Array, Array]
    """Centres, the wearer's left one first."""
    middle: Array
    front: float
    back: float
    top: float


def find_head(body: Body) -> Head:
    left, right = (body.vertices[np.unique(body.faces[f"helper-{side}-eye"])].mean(axis=0) for side in "lr")
    skin = np.unique(body.faces["body"][body.faces["body"] >= 0])
    skull = body.vertices[skin][body.weight("head", "jaw")[skin] > 0.9]
    return Head((left, right), (left + right) / 2, skull[:, 1].min(), skull[:, 1].max(), float(body.vertices[skin][:, 2].max()))


def above_hairline(points: Array, head: Head, style: Literal["bun", "crop"]) -> Array:
    """(N,) metres over the hairline, negative on the face and neck."""
    line = np.interp(points[:, 1] - head.middle[1], HAIRLINE_DEPTH, HAIRLINE_HEIGHT[style])
    return np.asarray(points[:, 2] - head.middle[2] - line)


class Skin:
    """Nearest points on the body."""

    def __init__(self, body: Body) -> None:
        polygons = [[int(i) for i in face if i >= 0] for face in body.faces["body"]]
        self._tree: Any = BVHTree.FromPolygons(body.vertices.tolist(), polygons)

    def nearest(self, point: Array) -> tuple[Array, Array]:
        """Position and normal."""
        place, normal, _, _ = self._tree.find_nearest(Vector(point))
        return np.array(place), np.array(normal)


def grow_hair(body: Body, ears: Array, style: Literal["bun", "crop"], seed: int = 5) -> list[Array]:
    """All strands of a hairdo; `ears` (V,) 0..1 tells where none grow."""
    rng = np.random.default_rng(seed)
    head, skin = find_head(body), Skin(body)
    roots, normals = _roots(body, ears, head, style, rng)
    if style == "crop":
        return [_short(root, normal, head, skin, rng) for root, normal in zip(roots, normals, strict=True)]
    knot = np.array([0.0, head.back - 0.028, head.top - 0.022])
    combed = [_combed_back(root, normal, knot, head, skin, rng) for root, normal in zip(roots, normals, strict=True)]
    return [strand for strand in combed if len(strand) > 3] + _wound(knot + np.array([0.0, 0.004, 0.018]), 0.036, rng)


def grow_brows(body: Body, seed: int = 6) -> list[Array]:
    """Both eyebrows: upright hairs at the nose that lie down outwards along the arch."""
    rng = np.random.default_rng(seed)
    head, skin = find_head(body), Skin(body)
    strands = []
    for eye, sign in zip(head.eyes, (1.0, -1.0), strict=True):
        for part in rng.random(BROW_STRANDS):
            arch = 0.0175 + 0.0075 * np.sin(min(part * 1.15, 1.0) * 1.75) - 0.005 * max(0.0, part - 0.72) / 0.28
            z = eye[2] + arch + rng.uniform(-1, 1) * 0.0042 * (1 - 0.75 * part**1.5)
            root, normal = skin.nearest(np.array([eye[0] + sign * (0.040 * part - 0.016), head.front + 0.01, z]))
            lean = np.array([sign * (0.35 + 0.75 * part), -0.1, 0.75 - part]) + rng.normal(0, 0.12, 3)
            lean -= 0.85 * normal * (lean @ normal)
            lean *= rng.uniform(0.005, 0.008) / np.linalg.norm(lean)
            steps = np.linspace(0, 1, 5)[:, None]
            strands.append(root + lean * steps + 0.0009 * normal * np.sin(2.6 * steps))
    return strands


def _roots(body: Body, ears: Array, head: Head, style: Literal["bun", "crop"], rng: np.random.Generator) -> tuple[Array, Array]:
    """Positions and normals, evenly spread over the scalp, thinning out towards the hairline."""
    vertices = body.vertices
    scalp = (body.weight("head", "neck", "special", "oculi", "temporalis", "orbicularis") > 0.5) & (ears < 0.3)
    scalp &= above_hairline(vertices, head, style) > -0.02
    triangles: Faces = np.array(
        [(face[0], face[k], face[k + 1]) for face in _unpadded(body.faces["body"]) if scalp[face].all() for k in range(1, len(face) - 1)]
    )
    corners = vertices[triangles]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(across, axis=1)
    chosen = rng.choice(len(triangles), SCALP_STRANDS, p=area / area.sum())
    share = rng.random((SCALP_STRANDS, 2))
    share = np.where(share.sum(axis=1, keepdims=True) > 1, 1 - share, share)
    corner = corners[chosen]
    roots = corner[:, 0] + share[:, :1] * (corner[:, 1] - corner[:, 0]) + share[:, 1:] * (corner[:, 2] - corner[:, 0])
    uneven = 0.004 * np.sin(260 * roots[:, 0]) * np.cos(97 * roots[:, 0] + 1) + rng.normal(0, 0.0018, len(roots))
    density = np.clip((above_hairline(roots, head, style) - uneven) / FADE, 0, 1) ** 0.8
    kept = rng.random(len(roots)) < density
    return roots[kept], (across / area[:, None])[chosen][kept]


def _unpadded(faces: Faces) -> list[Faces]:
    return [face[face >= 0] for face in faces]


def _short(root: Array, normal: Array, head: Head, skin: Skin, rng: np.random.Generator) -> Array:
    """A hair of one to three centimetres: up and forward on top, down at the sides."""
    crown = float(np.clip((root[2] - head.middle[2] - 0.05) / 0.05, 0, 1))
    length = (0.008 + 0.022 * crown) * rng.uniform(0.75, 1.15)
    comb = np.array([0.25 * np.sign(root[0]) * (1 - crown) + 0.35 * crown, 0.1 - 0.55 * crown, 0.05 - 0.8 * (1 - crown)])
    comb += rng.normal(0, 0.16, 3)
    points, heading, at = [], normal, root
    for step in range(6):
        points.append(at)
        heading = 0.72 * heading + 0.28 * comb * (0.6 + 0.08 * step)
        heading = heading / np.linalg.norm(heading)
        at = at + heading * length / 5
        place, outward = skin.nearest(at)
        least = 0.0006 * (step + 1)
        at = at + outward * max(0.0, least - float((at - place) @ outward))
    return np.array(points)


def _combed_back(root: Array, normal: Array, knot: Array, head: Head, skin: Skin, rng: np.random.Generator) -> Array:
    """A long hair that lies on the head and runs to the knot."""
    steps = 14
    layer = rng.uniform(0.0012, 0.0055) * np.clip((root[2] - head.middle[2] - 0.03) / 0.05, 0.25, 1)
    target, wave = knot + rng.normal(0, 0.008, 3), rng.normal(0, 0.0012, 3)
    at = root + 0.0005 * normal
    stride = 1.18 * float(np.linalg.norm(target - at)) / steps
    points = []
    for step in range(steps):
        points.append(at)
        onward = target - at
        distance = float(np.linalg.norm(onward))
        if distance < 0.02:
            break
        _, outward = skin.nearest(at)
        onward = onward / distance
        along = onward - 0.9 * outward * (onward @ outward)
        place, outward = skin.nearest(at + stride * along / (np.linalg.norm(along) + 1e-9))
        at = place + outward * layer * min(1.0, (step + 1) / 3) + wave * np.sin(0.7 * step)
    return np.array(points)


def _wound(centre: Array, radius: float, rng: np.random.Generator) -> list[Array]:
    """A bun: arcs wound about changing axes."""
    strands = []
    for _ in range(BUN_STRANDS):
        axis = rng.normal(0, 1, 3) * [0.5, 0.35, 1.0]
        axis /= np.linalg.norm(axis)
        first = np.cross(axis, [0.0, 1.0, 0.3])
        first /= np.linalg.norm(first)
        second = np.cross(axis, first)
        angle = rng.uniform(0, 2 * np.pi) + np.linspace(0, rng.uniform(1.5, 3.2), 14)[:, None]
        ring = np.cos(angle) * first + np.sin(angle) * second + rng.normal(0, 0.15) * axis
        strands.append(centre + radius * rng.uniform(0.80, 1.03) * ring * [1.0, 0.85, 0.85])
    return strands
