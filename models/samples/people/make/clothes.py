"""Clothes for a body: cut from its own surface by smooth fields, blown up a little, and draped by Blender's cloth solver.

A field is a function of positions (N, 3) that is positive where cloth stays. Lengths in metres.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import bpy  # type: ignore[import-not-found]
import numpy as np

# isort: split
# Blender's other modules exist only once bpy is loaded.
import bmesh  # type: ignore[import-not-found]

from models.samples.people.make.body import Array, Body, Faces

Field = Callable[[Array], Array]
Mesh = tuple[Array, Faces]
"""Vertices (N, 3) and triangles (M, 3)."""

TEE_GAP, TANK_GAP, TOP_EASE, TROUSERS_GAP, TROUSERS_FLARE = 0.012, 0.007, 0.014, 0.009, 0.016
"""Distance between skin and cloth before draping; a T-shirt adds the ease about the hips, where it hangs
over the trousers, and trousers the flare towards their hem."""
WELD = 0.0016
SHIRT_FRAMES, TROUSERS_FRAMES = 36, 32
"""After as many frames the cloth hangs; more only costs time."""


@dataclass(frozen=True, slots=True)
class Outfit:
    top: Mesh
    trousers: Mesh


def dress(body: Body, top: Literal["tank", "tee"]) -> Outfit:
    """Cuts and drapes top and trousers; minutes."""
    hip, ankle = body.bones["upperleg01.L"][2], body.bones["foot.L"][2]
    skin = add_mesh("skin", body.vertices, body.faces["body"])
    faces = body.faces["body"]
    height = _of_faces(body.vertices[:, 2], faces)
    hand = _of_faces(body.weight("wrist", "finger", "metacarpal", "lowerarm"), faces)
    head = _of_faces(body.weight("head", "jaw", "neck02", "neck03", "special", "oris", "tongue", "levator"), faces)
    leg_end = ankle + 0.045

    def flare(points: Array) -> Array:
        return np.asarray(TROUSERS_GAP + TROUSERS_FLARE * np.clip((hip - 0.1 - points[:, 2]) / (hip - 0.1 - leg_end), 0, 1))

    trousers = _cut(
        body, faces[(height < hip + 0.19) & (hand < 0.01)], flare, 5, [lambda p: p[:, 2] - leg_end, lambda p: hip + 0.085 - p[:, 2]]
    )
    gap, rounds, fields = _top_fields(body, top)

    def ease(points: Array) -> Array:
        hanging = TOP_EASE if top == "tee" else 0.0
        return np.asarray(gap + hanging * np.clip((hip + 0.16 - points[:, 2]) / 0.09, 0, 1))

    shirt = _cut(body, faces[(height > hip - 0.215) & (head < 0.5) & (hand < 0.85)], ease, rounds, fields)

    trousers = _drape("trousers", trousers, TROUSERS_FRAMES, [skin], grow=0.02, stiffness=40, bending=0.8, pin_above=hip + 0.06)
    under = [skin, add_mesh("trousers under", *trousers)]
    if top == "tee":  # a tank top fits closely, is tucked in and has nothing to drape
        shirt = _drape("top", shirt, SHIRT_FRAMES, under, grow=0.03, stiffness=40, bending=0.3)
        shirt = _clip(*shirt, shirt[0][:, 2] - (hip - 0.062))  # it hangs unevenly: a straight hem
    for made in under:
        bpy.data.objects.remove(made)
    return Outfit(_finish(shirt), _finish(trousers))


def add_mesh(name: str, vertices: Array, faces: Faces) -> Any:
    """A new smooth-shaded object in the scene, of only the vertices its faces use."""
    used = np.unique(faces[faces >= 0])
    number = np.full(len(vertices) + 1, -1)
    number[used] = np.arange(len(used))
    data = bpy.data.meshes.new(name)
    data.from_pydata(vertices[used].tolist(), [], [[int(number[i]) for i in face if i >= 0] for face in faces])
    data.update()
    made = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(made)
    for polygon in data.polygons:
        polygon.use_smooth = True
    return made


def _sleeve_ends(body: Body) -> list[Field]:
    """Cuts across both upper arms, half-way down."""

    def end(shoulder: Array, elbow: Array) -> Field:
        reach = float(np.linalg.norm(elbow - shoulder))
        along = (elbow - shoulder) / reach

        def field(points: Array) -> Array:
            away = points - shoulder
            beyond = away @ along - 0.5 * reach
            from_axis = np.linalg.norm(away - np.outer(away @ along, along), axis=1)
            return np.asarray(np.maximum(-beyond, from_axis - 0.066))

        return field

    return [end(body.bones[f"upperarm01.{side}"], body.bones[f"lowerarm01.{side}"]) for side in "LR"]


def _top_fields(body: Body, top: Literal["tank", "tee"]) -> tuple[float, int, Sequence[Field]]:
    """Gap, rounds of smoothing before the cut, and the fields of a top."""
    hem = body.bones["upperleg01.L"][2] + (0.072 if top == "tank" else -0.075)
    shoulders = [body.bones[f"upperarm01.{side}"] for side in "LR"]
    neck = body.bones["neck01"]

    def neck_hole(half: float, depth: float) -> Field:
        """A funnel about the neck that reaches down at the front."""

        def field(points: Array) -> Array:
            front = np.clip((neck[1] + 0.02 - points[:, 1]) / 0.10, 0, 1)
            drop = np.clip((neck[2] + 0.05 - points[:, 2]) / (0.055 + depth * front), 0, 9)
            return np.asarray(np.hypot(points[:, 0] / half, drop) - 1)

        return field

    def armhole(shoulder: Array) -> Field:
        """An upright oval about the shoulder joint whose foot lies under the armpit."""
        centre = shoulder + np.array([np.sign(shoulder[0]) * 0.045, 0.0, -0.010])
        return lambda points: np.asarray(np.hypot((points[:, 0] - centre[0]) / 0.085, (points[:, 2] - centre[2]) / 0.134) - 1)

    def above_hem(points: Array) -> Array:
        return np.asarray(points[:, 2] - hem)

    if top == "tee":
        return TEE_GAP, 6, [*_sleeve_ends(body), above_hem, neck_hole(0.083, 0.075)]
    return TANK_GAP, 8, [*(armhole(shoulder) for shoulder in shoulders), above_hem, neck_hole(0.078, 0.115)]


def _of_faces(values: Array, faces: Faces) -> Array:
    """(F,) mean over each face's corners."""
    return np.array([values[face[face >= 0]].mean() for face in faces])


def _cut(body: Body, faces: Faces, gap: Callable[[Array], Array], rounds: int, fields: Iterable[Field]) -> Mesh:
    """Cloth from a region of the skin: smoothed, moved out by `gap`, refined, then clipped by each field."""
    region = add_mesh("region", body.vertices, faces)
    work = bmesh.new()
    work.from_mesh(region.data)
    bpy.data.objects.remove(region)
    for _ in range(rounds):
        inner = [vertex for vertex in work.verts if not vertex.is_boundary]
        bmesh.ops.smooth_vert(work, verts=inner, factor=0.5, use_axis_x=True, use_axis_y=True, use_axis_z=True)
    work.normal_update()
    gaps = gap(np.array([vertex.co[:] for vertex in work.verts]))
    for vertex, distance in zip(work.verts, gaps, strict=True):
        vertex.co += vertex.normal * distance
    bmesh.ops.subdivide_edges(work, edges=work.edges[:], cuts=2, use_grid_fill=True, smooth=0.4)
    mesh = _take(work)
    for field in fields:
        mesh = _clip(*mesh, field(mesh[0]))
    return _smooth_rims(_largest_piece(mesh), 8)


def _clip(vertices: Array, triangles: Faces, field: Array) -> Mesh:
    """The part of a mesh where `field` (N,) is positive; triangles on the border are cut through."""
    keep = field > 0
    inside = keep[triangles].sum(axis=1)
    added: list[Array] = []
    known: dict[tuple[int, int], int] = {}

    def crossing(a: int, b: int) -> int:
        a, b = min(a, b), max(a, b)
        if (a, b) not in known:
            known[a, b] = len(vertices) + len(added)
            added.append(vertices[a] + field[a] / (field[a] - field[b]) * (vertices[b] - vertices[a]))
        return known[a, b]

    border = []
    for triangle in triangles[(inside > 0) & (inside < 3)]:
        polygon: list[int] = []
        for k in range(3):
            a, b = int(triangle[k]), int(triangle[(k + 1) % 3])
            if keep[a]:
                polygon.append(a)
            if keep[a] != keep[b]:
                polygon.append(crossing(a, b))
        border += [(polygon[0], polygon[k], polygon[k + 1]) for k in range(1, len(polygon) - 1)]
    return (
        np.vstack([vertices, np.array(added).reshape(-1, 3)]),
        np.vstack([triangles[inside == 3], np.array(border, dtype=np.int64).reshape(-1, 3)]),
    )


def _build(mesh: Mesh) -> Any:
    """A welded bmesh without loose vertices."""
    work = bmesh.new()
    made = [work.verts.new(position) for position in mesh[0]]
    for face in np.unique(np.sort(mesh[1], axis=1), axis=0, return_index=True)[1]:
        work.faces.new([made[i] for i in mesh[1][face]])
    bmesh.ops.delete(work, geom=[vertex for vertex in work.verts if not vertex.link_faces], context="VERTS")
    bmesh.ops.remove_doubles(work, verts=work.verts[:], dist=WELD)
    return work


def _take(work: Any) -> Mesh:
    """Vertices and triangles of a bmesh, which is freed."""
    bmesh.ops.triangulate(work, faces=work.faces[:])
    work.verts.index_update()
    mesh = np.array([vertex.co[:] for vertex in work.verts]), np.array([[vertex.index for vertex in face.verts] for face in work.faces])
    work.free()
    return mesh


def _largest_piece(mesh: Mesh) -> Mesh:
    """Without what a cut has separated."""
    work = _build(mesh)
    seen: set[Any] = set()
    largest: list[Any] = []
    for first in work.verts:
        if first in seen:
            continue
        seen.add(first)
        piece = [first]
        for vertex in piece:  # grows while it is walked
            for edge in vertex.link_edges:
                other = edge.other_vert(vertex)
                if other not in seen:
                    seen.add(other)
                    piece.append(other)
        largest = max(largest, piece, key=len)
    kept = set(largest)
    bmesh.ops.delete(work, geom=[vertex for vertex in work.verts if vertex not in kept], context="VERTS")
    return _take(work)


def _smooth_rims(mesh: Mesh, rounds: int) -> Mesh:
    """Hems, necklines and armholes without the cut's teeth."""
    work = _build(mesh)
    for _ in range(rounds):
        moved = {}
        for vertex in work.verts:
            beside = [edge.other_vert(vertex).co for edge in vertex.link_edges if edge.is_boundary]
            if len(beside) == 2:
                moved[vertex] = (vertex.co * 2 + beside[0] + beside[1]) / 4
        for vertex, place in moved.items():
            vertex.co = place
    return _take(work)


def _finish(mesh: Mesh) -> Mesh:
    """Smooth rims, and the solver's finest wrinkles taken out."""
    work = _build(_smooth_rims(mesh, 10))
    inner = [vertex for vertex in work.verts if not vertex.is_boundary]
    for _ in range(3):
        bmesh.ops.smooth_vert(work, verts=inner, factor=0.5, use_axis_x=True, use_axis_y=True, use_axis_z=True)
    return _take(work)


def _drape(
    name: str,
    mesh: Mesh,
    frames: int,
    under: Sequence[Any],
    *,
    grow: float,
    stiffness: float,
    bending: float,
    pin_above: float = np.inf,
) -> Mesh:
    """Lets cloth fall on what lies under it; `grow` makes it larger than it was cut, so that it folds."""
    cloth = add_mesh(name, *mesh)
    for below in under:
        if not below.modifiers:
            below.modifiers.new("collision", "COLLISION")
            below.collision.thickness_outer = 0.003
            below.collision.cloth_friction = 8
    solver = cloth.modifiers.new("cloth", "CLOTH")
    settings = solver.settings
    # mass counts by vertex: kept small, or cloth sags where the cut has left many
    settings.quality, settings.mass, settings.air_damping = 6, 0.05, 2
    settings.tension_stiffness = settings.compression_stiffness = stiffness
    settings.shear_stiffness, settings.bending_stiffness = 0.4 * stiffness, bending
    settings.tension_damping = settings.compression_damping = settings.shear_damping = 10
    settings.shrink_min = settings.shrink_max = -grow
    solver.collision_settings.collision_quality, solver.collision_settings.distance_min = 3, 0.003
    if np.isfinite(pin_above):
        pinned = [vertex.index for vertex in cloth.data.vertices if vertex.co.z > pin_above]
        cloth.vertex_groups.new(name="pin").add(pinned, 1.0, "REPLACE")
        settings.vertex_group_mass = "pin"
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end, solver.point_cache.frame_end = 1, frames, frames
    for frame in range(1, frames + 1):
        scene.frame_set(frame)
    work = bmesh.new()
    work.from_object(cloth, bpy.context.evaluated_depsgraph_get())
    bpy.data.objects.remove(cloth)
    return _take(work)
