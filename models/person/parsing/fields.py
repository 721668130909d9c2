"""The working frame of a parse: the person's box at about 49,000 pixels, and what a pixel looks like there.

Everything between the photo and the finished parse happens in this frame, whatever the size of the photo: a figure that fills
a tenth of the photo is parsed as finely as one that fills it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as nnf
from torch import Tensor

from models.types import FloatArray, Picture, Pose

AREA_PX = 192 * 256
"""Pixels of the working frame: finer costs time linearly and gains nothing in IoU (the masks come at 256 × 256)."""
SIDE_STEP_PX = 8
"""The frame's sides are multiples of this, so that few different shapes occur."""
LONGEST_TO_SHORTEST = 4.0
"""No frame is slimmer than this; a thin box is widened."""
MARGIN = 0.06
"""Ground around the person, share of the box's longer side: the ground's colour is learnt there."""
PERSON_LEVEL = 0.3
"""Mask level that belongs to the person's box: low, since thin hair and hands are pale in the masks."""

LIGHTNESS_WEIGHT = 0.6
"""Lightness counts less than chroma: folds and shadow change it within one cloth."""
TEXTURE_SIGMA_PX = 1.5
TEXTURE_GAIN = 12.0
EDGE_PX = 2
"""Deviation that is no wider than twice this is an edge, not a texture (a grey-level opening takes it away)."""
TEXTURE_KNEE = 4.0
"""Texture channel is GAIN·ln(1 + deviation/KNEE): a zebra skirt differs from a grey top by its deviation, not by its colour."""

_LAB_WHITE = (0.950456, 1.0, 1.088754)
_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))


@dataclass(frozen=True, slots=True)
class Frame:
    """A box of the photo, resampled to `height` × `width` working pixels."""

    left: int
    top: int
    right: int
    bottom: int
    height: int
    width: int

    @property
    def scale_xy(self) -> tuple[float, float]:
        """Working pixels per photo pixel."""
        return self.width / (self.right - self.left), self.height / (self.bottom - self.top)


def choose_frame(pose: Pose, person: FloatArray) -> Frame:
    """The person's box with a margin.

    `person` (H, W) 0..1 is the mask. The box holds all of it above a low level; landmarks only guard against a mask that is empty.
    """
    height, width = person.shape
    rows, columns = np.flatnonzero((person > PERSON_LEVEL).any(1)), np.flatnonzero((person > PERSON_LEVEL).any(0))
    if len(rows) < 2 or len(columns) < 2:
        inside = np.clip(np.nan_to_num(pose.xy), 0, (width - 1, height - 1))
        (x0, y0), (x1, y1) = inside.min(0), inside.max(0)
    else:
        x0, x1, y0, y1 = columns[0], columns[-1] + 1, rows[0], rows[-1] + 1
    margin = MARGIN * max(x1 - x0, y1 - y0, 16)
    half_x = max((x1 - x0) / 2 + margin, ((y1 - y0) / 2 + margin) / LONGEST_TO_SHORTEST)
    half_y = max((y1 - y0) / 2 + margin, ((x1 - x0) / 2 + margin) / LONGEST_TO_SHORTEST)
    middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
    left, right = max(0, math.floor(middle_x - half_x)), min(width, math.ceil(middle_x + half_x))
    top, bottom = max(0, math.floor(middle_y - half_y)), min(height, math.ceil(middle_y + half_y))
    scale = math.sqrt(AREA_PX / max(1, (right - left) * (bottom - top)))

    def side(px: int) -> int:
        return max(SIDE_STEP_PX, round(px * scale / SIDE_STEP_PX) * SIDE_STEP_PX)

    return Frame(left, top, right, bottom, side(bottom - top), side(right - left))


def into_frame(plane: Tensor, frame: Frame) -> Tensor:
    """(C, H, W) of the photo -> (C, h, w) of the frame, antialiased."""
    crop = plane[:, frame.top : frame.bottom, frame.left : frame.right]
    resampled: Tensor = nnf.interpolate(crop[None], size=(frame.height, frame.width), mode="bilinear", antialias=True, align_corners=False)[
        0
    ]
    return resampled


def landmarks_in_frame(pose: Pose, frame: Frame) -> FloatArray:
    """(33, 2) landmarks in working pixels; the centre of the top left pixel at (0, 0), as in the photo."""
    scale = np.array(frame.scale_xy, np.float32)
    corner = np.array((frame.left, frame.top), np.float32)
    return ((np.nan_to_num(pose.xy) + 0.5 - corner) * scale - 0.5).astype(np.float32)


def picture_tensor(photo: Picture) -> Tensor:
    """uint8 (H, W, 3) -> float (3, H, W) 0..255, sRGB-coded."""
    return torch.from_numpy(np.ascontiguousarray(photo)).permute(2, 0, 1).float()


def lab(rgb: Tensor) -> Tensor:
    """(3, h, w) sRGB 0..255 -> CIE Lab (3, h, w), lightness stretched to 0..255, a and b about -128..127, neutral at 0."""
    coded = rgb / 255
    linear = torch.where(coded > 0.04045, ((coded + 0.055) / 1.055).clamp_min(1e-6) ** 2.4, coded / 12.92)
    matrix = torch.tensor(_XYZ, dtype=rgb.dtype, device=rgb.device) / torch.tensor(_LAB_WHITE, dtype=rgb.dtype, device=rgb.device)[:, None]
    xyz = torch.einsum("ij,jhw->ihw", matrix, linear)
    root = torch.where(xyz > 0.008856, xyz.clamp_min(1e-6) ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = root
    return torch.stack(((116 * y - 16) * 2.55, 500 * (x - y), 200 * (y - z)))


def blur(planes: Tensor, sigma_px: float) -> Tensor:
    """Gaussian blur of (C, h, w), edges repeated. Sums of shifted planes: a convolution takes three times as long on a CPU."""
    radius = max(1, round(3 * sigma_px))
    weights = [math.exp(-0.5 * (step / sigma_px) ** 2) for step in range(radius + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    for axis in (2, 1):
        size = planes.shape[axis]
        padded = nnf.pad(planes[None], (radius, radius, 0, 0) if axis == 2 else (0, 0, radius, radius), mode="replicate")[0]
        blurred = planes * (weights[0] / total)
        for step in range(1, radius + 1):
            blurred.add_(padded.narrow(axis, radius - step, size), alpha=weights[step] / total)
            blurred.add_(padded.narrow(axis, radius + step, size), alpha=weights[step] / total)
        planes = blurred
    return planes


def deviation(lightness: Tensor, sigma_px: float) -> Tensor:
    """Local standard deviation of (h, w)."""
    mean, square = blur(torch.stack((lightness, lightness**2)), sigma_px)
    spread: Tensor = (square - mean**2).clamp_min(0).sqrt()
    return spread


def features(lab_picture: Tensor) -> Tensor:
    """Lab (3, h, w) -> (4, h, w): weighted lightness, a, b, texture; the space of all colour models."""
    spread = deviation(lab_picture[0], TEXTURE_SIGMA_PX)
    size = 2 * EDGE_PX + 1
    spread = nnf.max_pool2d(-nnf.max_pool2d(-spread[None, None], size, 1, EDGE_PX), size, 1, EDGE_PX)[0, 0]
    texture = TEXTURE_GAIN * torch.log1p(spread / TEXTURE_KNEE)
    return torch.stack((lab_picture[0] * LIGHTNESS_WEIGHT, lab_picture[1], lab_picture[2], texture))


def erode(mask: Tensor, radius_px: int) -> Tensor:
    """Binary (h, w) as floats, shrunk by a square; what lies outside the frame counts as inside."""
    return -nnf.max_pool2d(-mask[None, None], 2 * radius_px + 1, stride=1, padding=radius_px)[0, 0]
