"""What things are made of: Blender materials for skin, eyes, cloth, hair and the studio wall. Colours are linear RGB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy  # type: ignore[import-not-found]
import numpy as np

RGB = tuple[float, float, float]
IRIS_RINGS_M = (0.0022, 0.0026, 0.0050, 0.0057, 0.0064, 0.013)
"""Pupil, inner and outer iris, its dark rim, the white, the end of the ramp: distances from the middle of the eye's front."""


def new_material(name: str) -> tuple[Any, Any, Any]:
    """Material, node tree and its principled shader."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    return made, made.node_tree, made.node_tree.nodes["Principled BSDF"]


def plain_material(name: str, colour: RGB, roughness: float, alpha: float = 1.0) -> Any:
    made, _, shader = new_material(name)
    shader.inputs["Base Color"].default_value = (*colour, 1)
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Specular IOR Level"].default_value = 0.2
    shader.inputs["Alpha"].default_value = alpha
    return made


def cloth_material(name: str, colour: RGB) -> Any:
    """Matt cotton: fuzz at grazing angles and a fine grain."""
    made, tree, shader = new_material(name)
    shader.inputs["Base Color"].default_value = (*colour, 1)
    shader.inputs["Roughness"].default_value = 0.9
    shader.inputs["Specular IOR Level"].default_value = 0.2
    shader.inputs["Sheen Weight"].default_value = 0.25
    soft_folds = _noise(tree, 15, 3)
    soft_folds.node.inputs["Distortion"].default_value = 0.9
    _roughen(tree, shader, soft_folds, strength=0.30, depth=0.012)
    _roughen(tree, shader, _noise(tree, 900, 2), strength=0.25, depth=0.001)
    return made


def skin_material(colour: RGB, lips: RGB, hair: RGB, masks: Path) -> Any:
    """Skin with pores and a little unevenness; reads the point attributes `red` (0..1) and `under_hair` (0..1)."""
    made, tree, shader = new_material("skin")
    base = np.array(colour)
    coat = _mix(tree, _range(tree, _noise(tree, 9, 4), 0.35, 0.65), tuple(base * 0.96), tuple(base * [1.04, 1.02, 1.01]))
    coat = _mix(tree, _range(tree, _noise(tree, 160, 2), 0.5, 0.9), coat, tuple(base * [0.90, 0.82, 0.79]))
    coat = _mix(tree, _attribute(tree, "red"), coat, tuple(base * [0.98, 0.68, 0.62]))
    coat = _mix(tree, _attribute(tree, "under_hair"), coat, tuple(np.array(hair) * 1.3))
    picture = tree.nodes.new("ShaderNodeTexImage")
    picture.image = bpy.data.images.load(str(masks / "mpfb_lips.jpg"))
    picture.image.colorspace_settings.name = "Non-Color"
    tree.links.new(_place(tree).outputs["UV"], picture.inputs["Vector"])
    part = tree.nodes.new("ShaderNodeMath")
    part.operation = "MULTIPLY"
    part.inputs[1].default_value = 0.75
    tree.links.new(picture.outputs["Color"], part.inputs[0])
    tree.links.new(_mix(tree, part.outputs[0], coat, lips), shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = 0.48
    shader.inputs["Specular IOR Level"].default_value = 0.38
    shader.inputs["Subsurface Weight"].default_value = 0.22
    shader.inputs["Subsurface Radius"].default_value = (0.012, 0.004, 0.002)
    shader.inputs["Subsurface Scale"].default_value = 0.6
    _roughen(tree, shader, _noise(tree, 700, 3), strength=0.12, depth=0.0006)
    return made


def eye_material(front: tuple[float, float, float], iris: RGB) -> Any:
    """Rings about the middle of the eye's front (x, y, z)."""
    made, tree, shader = new_material("eye")
    shader.inputs["Roughness"].default_value = 0.04
    shader.inputs["Coat Weight"].default_value = 0.5
    distance = tree.nodes.new("ShaderNodeVectorMath")
    distance.operation = "DISTANCE"
    distance.inputs[1].default_value = front
    tree.links.new(tree.nodes.new("ShaderNodeNewGeometry").outputs["Position"], distance.inputs[0])
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    black, deep = (0.003, 0.003, 0.003), np.array(iris)
    rings = (black, iris, tuple(deep * 0.8), tuple(deep * 0.25), (0.66, 0.60, 0.57))
    stops = ramp.color_ramp.elements
    stops[0].color, stops[1].color = (*black, 1), (0.72, 0.66, 0.62, 1)
    for radius, colour in zip(IRIS_RINGS_M[:-1], rings, strict=True):
        stops.new(radius / IRIS_RINGS_M[-1]).color = (*colour, 1)
    scaled = tree.nodes.new("ShaderNodeMath")
    scaled.operation = "DIVIDE"
    scaled.inputs[1].default_value = IRIS_RINGS_M[-1]
    tree.links.new(distance.outputs["Value"], scaled.inputs[0])
    tree.links.new(scaled.outputs[0], ramp.inputs[0])
    tree.links.new(ramp.outputs[0], shader.inputs["Base Color"])
    return made


def hair_material(colour: RGB) -> Any:
    made, tree, _ = new_material("hair")
    shader = tree.nodes.new("ShaderNodeBsdfHairPrincipled")
    shader.parametrization = "COLOR"
    shader.inputs["Color"].default_value = (*colour, 1)
    shader.inputs["Roughness"].default_value = 0.32
    shader.inputs["Radial Roughness"].default_value = 0.45
    shader.inputs["Random Roughness"].default_value = 0.3
    tree.links.new(shader.outputs[0], tree.nodes["Material Output"].inputs["Surface"])
    return made


def _place(tree: Any) -> Any:
    return tree.nodes.new("ShaderNodeTexCoord")


def _noise(tree: Any, scale: float, detail: float) -> Any:
    node = tree.nodes.new("ShaderNodeTexNoise")
    node.inputs["Scale"].default_value = scale
    node.inputs["Detail"].default_value = detail
    tree.links.new(_place(tree).outputs["Object"], node.inputs["Vector"])
    return node.outputs["Fac"]


def _attribute(tree: Any, name: str) -> Any:
    node = tree.nodes.new("ShaderNodeAttribute")
    node.attribute_name = name
    return node.outputs["Fac"]


def _range(tree: Any, source: Any, low: float, high: float) -> Any:
    node = tree.nodes.new("ShaderNodeMapRange")
    node.inputs["From Min"].default_value = low
    node.inputs["From Max"].default_value = high
    tree.links.new(source, node.inputs["Value"])
    return node.outputs["Result"]


def _mix(tree: Any, factor: Any, *colours: Any) -> Any:
    """The first colour where `factor` is 0, the second where it is 1; a colour is a socket or RGB."""
    node = tree.nodes.new("ShaderNodeMix")
    node.data_type = "RGBA"
    tree.links.new(factor, node.inputs["Factor"])
    for colour, socket in zip(colours, (node.inputs[6], node.inputs[7]), strict=True):
        if isinstance(colour, tuple):
            socket.default_value = (*colour, 1)
        else:
            tree.links.new(colour, socket)
    return node.outputs[2]


def _roughen(tree: Any, shader: Any, height: Any, *, strength: float, depth: float) -> None:
    """Bends the light by a height; a second call adds to the first."""
    node = tree.nodes.new("ShaderNodeBump")
    node.inputs["Strength"].default_value = strength
    node.inputs["Distance"].default_value = depth
    tree.links.new(height, node.inputs["Height"])
    for link in shader.inputs["Normal"].links:
        tree.links.new(link.from_socket, node.inputs["Normal"])
    tree.links.new(node.outputs["Normal"], shader.inputs["Normal"])
