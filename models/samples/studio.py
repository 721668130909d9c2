"""The photo studio: places a garment in the picture, and turns the finished cloth into a picture on a light ground."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.samples.cloth import Plane, Table
from models.samples.curves import Line
from models.samples.dyes import encode, linear
from models.samples.styles import RGB
from models.types import BoolArray, Category, FloatArray, LowerLandmarks, Picture, UpperLandmarks

SUPERSAMPLING = 2
"""Working pixels per picture pixel, each way; edges are antialiased at that size too, then averaged."""
SHADOW_STRENGTH = 0.085
SHADOW_SIGMA_PX, SHADOW_DROP_PX = 9.0, 5.0
CONTACT_STRENGTH, CONTACT_SIGMA_PX = 0.10, 2.0
"""The wide soft shadow and the thin one right at the edge, px of a 768 by 1024 picture."""


@dataclass(frozen=True, slots=True)
class Packshot:
    """A drawn garment picture and everything that is true about it; positions in px of `picture`."""

    name: str
    picture: Picture
    mask: BoolArray
    """(H, W) the garment, inner back included; not its shadow."""
    inner_back: BoolArray
    """(H, W) the inside of the back that shows above the front neckline or waistband."""
    category: Category
    landmarks: UpperLandmarks | LowerLandmarks


@dataclass(frozen=True, slots=True)
class Stage:
    """How garment units become picture pixels."""

    width: int
    height: int
    scale: float
    """Working pixels per garment unit."""
    shift: tuple[float, float]
    """Working pixel of the garment's origin before the turn."""
    turn: npt.NDArray[np.float64]
    """(2, 3) turns (and mirrors) working pixels about the middle."""
    mirrored: bool

    @classmethod
    def around(cls, outline: Line, size: tuple[int, int], fill: float, rotation_deg: float, *, mirrored: bool) -> Stage:
        """Fits the turned outline into the middle of a picture of `size` (width, height)."""
        width, height = size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING
        middle = np.array([(width - 1) / 2, (height - 1) / 2])
        turn = np.asarray(cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), -rotation_deg, 1.0), dtype=np.float64)
        if mirrored:
            turn = np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0]]) @ np.vstack([turn, [0.0, 0.0, 1.0]])
        turned = outline @ turn[:, :2].T
        low, high = turned.min(axis=0), turned.max(axis=0)
        scale = float(min(fill * width / (high[0] - low[0]), fill * height / (high[1] - low[1])))
        centre = np.linalg.solve(turn[:, :2], (low + high) / 2)
        shift = middle - scale * centre
        return cls(size[0], size[1], scale, (float(shift[0]), float(shift[1])), turn, mirrored)

    def table(self) -> Table:
        unit = SUPERSAMPLING * min(self.width / 768, self.height / 1024)
        return Table(self.height * SUPERSAMPLING, self.width * SUPERSAMPLING, self.scale, self.shift, unit)

    def place(self, line: Line) -> FloatArray:
        """Garment units to picture pixels, (N, 2) float32, pixel centres at whole numbers."""
        working = np.asarray(line, dtype=np.float64) * self.scale + np.asarray(self.shift)
        turned = working @ self.turn[:, :2].T + self.turn[:, 2]
        return np.asarray((turned + 0.5) / SUPERSAMPLING - 0.5, dtype=np.float32)

    def develop(self, plane: Plane) -> Plane:
        """A working plane (H, W) or (H, W, C) at the picture's size, turned."""
        size = (plane.shape[1], plane.shape[0])
        turned = cv2.warpAffine(plane, self.turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        return np.asarray(cv2.resize(turned, (self.width, self.height), interpolation=cv2.INTER_AREA), np.float32)


def shoot(stage: Stage, table: Table, ground: RGB) -> tuple[Picture, BoolArray, Callable[[Plane], Plane]]:
    """The picture, the mask, and the function that turns other working planes the same way."""
    cover = np.clip(stage.develop(table.cover), 0, 1)
    rgb = np.clip(stage.develop(table.rgb), 0, 1)
    unit = table.unit / SUPERSAMPLING
    drop = np.array([[1, 0, 0], [0, 1, SHADOW_DROP_PX * unit]], dtype=np.float64)
    fallen = cv2.warpAffine(cover, drop, (stage.width, stage.height))
    shadow = SHADOW_STRENGTH * cv2.GaussianBlur(fallen, (0, 0), SHADOW_SIGMA_PX * unit)
    shadow = shadow + CONTACT_STRENGTH * cv2.GaussianBlur(cover, (0, 0), CONTACT_SIGMA_PX * unit)
    floor = np.asarray(linear(ground), np.float32) * (1 - shadow)[..., None]
    picture = encode(np.asarray(rgb + floor * (1 - cover)[..., None], np.float32))
    return np.ascontiguousarray(np.round(picture).astype(np.uint8)), cover >= 0.5, stage.develop
