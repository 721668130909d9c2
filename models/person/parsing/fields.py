"""The working frame of a parse: the person's box at about 49,000 pixels, and what a pixel looks like there.

Everything between the photo and the finished parse happens in this frame, whatever the size of the photo: a figure that fills
a tenth of the photo is parsed as finely as one that fills it. Frames have few different shapes, so that people can be read together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from models.person.parsing.kernels import blur, dilate, erode
from models.types import FloatArray, Picture, Pose

AREA_PX = 192 * 256
"""Pixels of the working frame: finer costs time linearly and gains nothing in IoU (the masks come at 256 × 256)."""
SHAPES = (
    (440, 112),
    (384, 128),
    (344, 144),
    (304, 160),
    (280, 176),
    (256, 192),
    (240, 208),
    (224, 224),
    (208, 240),
    (192, 256),
    (160, 304),
    (128, 384),
    (112, 440),
)
"""Heights and widths of frames, all of about AREA_PX and multiples of 8."""
MARGIN = 0.06
"""Ground around the person, share of the box's longer side: the ground's colour is learnt there."""
PERSON_LEVEL = 0.3
"""Mask level that belongs to the person's box: low, since thin hair and hands are pale in the masks."""
BOX_GRID_PX = 256
"""The person's box is sought on about so many rows and columns of the masks, which hold no more."""

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

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the photo."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def choose_frame(pose: Pose, pose_mask: FloatArray, selfie_mask: FloatArray) -> Frame:
    """The person's box with a margin, in the nearest of SHAPES; ground is added where the photo has it, else the scales differ a little.

    The masks (H, W) 0..1 hold the person; landmarks only guard against masks that are empty.
    """
    height, width = pose_mask.shape
    step = max(1, max(height, width) // BOX_GRID_PX)
    seen = pose_mask[::step, ::step] + selfie_mask[::step, ::step] > 2 * PERSON_LEVEL  # not a number: no person
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    if len(rows) < 2 or len(columns) < 2:
        inside = np.clip(np.nan_to_num(pose.xy), 0, (width - 1, height - 1))
        (x0, y0), (x1, y1) = (int(v) for v in inside.min(0)), (int(v) for v in inside.max(0))
    else:
        x0, x1 = int(columns[0]) * step, min(width, int(columns[-1] + 1) * step)
        y0, y1 = int(rows[0]) * step, min(height, int(rows[-1] + 1) * step)
    margin = MARGIN * max(x1 - x0, y1 - y0, 16)
    left, right = max(0, math.floor(x0 - margin)), min(width, math.ceil(x1 + margin))
    top, bottom = max(0, math.floor(y0 - margin)), min(height, math.ceil(y1 + margin))
    aspect = (bottom - top) / (right - left)
    h, w = min(SHAPES, key=lambda shape: abs(math.log(aspect / (shape[0] / shape[1]))))
    left, right = _widened(left, right, (bottom - top) * w / h, width)
    top, bottom = _widened(top, bottom, (right - left) * h / w, height)
    return Frame(left, top, right, bottom, h, w)


def _widened(start: int, end: int, length: float, limit: int) -> tuple[int, int]:
    """start..end made as long as `length`, evenly on both sides, within 0..limit."""
    lacking = length - (end - start)
    if lacking <= 0:
        return start, end
    before = min(start, math.ceil(lacking / 2))
    after = min(limit - end, math.ceil(lacking - before))
    before = min(start, max(before, math.ceil(lacking - after)))
    return start - before, end + after


def picture_in_frame(photo: Picture, frame: Frame) -> FloatArray:
    """uint8 (H, W, 3) -> float32 (3, h, w) 0..255, antialiased."""
    crop = photo[frame.window]
    shrinks = crop.shape[0] > frame.height and crop.shape[1] > frame.width
    size = (frame.width, frame.height)
    small = cv2.resize(crop, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.ascontiguousarray(small.transpose(2, 0, 1), np.float32)


def mask_in_frame(mask: FloatArray, frame: Frame) -> FloatArray:
    """float (H, W) -> float32 (h, w) 0..1."""
    crop = np.asarray(mask[frame.window], np.float32)
    small = cv2.resize(crop, (frame.width, frame.height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(np.nan_to_num(small), 0, 1), np.float32)


def landmarks_in_frame(pose: Pose, frame: Frame) -> FloatArray:
    """(33, 2) landmarks in working pixels; the centre of the top left pixel at (0, 0), as in the photo."""
    scale = np.array(frame.scale_xy, np.float32)
    corner = np.array((frame.left, frame.top), np.float32)
    return ((np.nan_to_num(pose.xy) + 0.5 - corner) * scale - 0.5).astype(np.float32)


def _cube_root(x: Tensor) -> Tensor:
    return x.clamp_min(1e-6) ** (1 / 3)


def lab(rgb: Tensor) -> Tensor:
    """(B, 3, h, w) sRGB 0..255 -> CIE Lab (B, 3, h, w), lightness stretched to 0..255, a and b about -128..127, neutral at 0."""
    coded = rgb / 255
    linear = torch.where(coded > 0.04045, ((coded + 0.055) / 1.055).clamp_min(1e-6) ** 2.4, coded / 12.92)
    matrix = torch.tensor(_XYZ, dtype=rgb.dtype, device=rgb.device) / torch.tensor(_LAB_WHITE, dtype=rgb.dtype, device=rgb.device)[:, None]
    xyz = (matrix @ linear.flatten(2)).view(rgb.shape)
    root = torch.where(xyz > 0.008856, _cube_root(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = root.unbind(1)
    return torch.stack(((116 * y - 16) * 2.55, 500 * (x - y), 200 * (y - z)), 1)


def deviation(lightness: Tensor, sigma_px: float) -> Tensor:
    """Local standard deviation of (B, h, w)."""
    mean, square = blur(torch.stack((lightness, lightness**2)), sigma_px)
    spread: Tensor = (square - mean**2).clamp_min(0).sqrt()
    return spread


def features(lab_picture: Tensor) -> Tensor:
    """Lab (B, 3, h, w) -> (B, 4, h, w): weighted lightness, a, b, texture; the space of all colour models."""
    lightness, a, b = lab_picture.unbind(1)
    spread = dilate(erode(deviation(lightness, TEXTURE_SIGMA_PX), EDGE_PX), EDGE_PX)
    texture = TEXTURE_GAIN * torch.log1p(spread / TEXTURE_KNEE)
    return torch.stack((lightness * LIGHTNESS_WEIGHT, a, b, texture), 1)
