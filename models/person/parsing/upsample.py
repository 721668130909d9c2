"""From the working frame to the photo's own pixels, along the photo's own edges.

The fast guided filter (He and Sun 2015): what each class is as a local linear function of colour is found in the working frame,
and applied to the photo at full size. So hair ends where the photo's hair ends, not where a working pixel does.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from models.person.parsing.fields import Frame
from models.person.parsing.kernels import best_label, blur, on_host, resize
from models.person.parsing.smooth import guide_coefficients
from models.types import LabelMap, Picture

RADIUS_PX = 2
EPSILON = 4.6e-4
"""Regulariser, squared shares of full scale: contrast under its root (5 grey levels) draws no edge."""
LABEL_BLUR_PX = 0.8
"""The labels are softened by so much before they are guided."""
SOFT_SHARE = 0.5
"""How much of the mean field's own softness stays; the rest comes from the hard labels."""
MIDDLE, SCALE = 128.0, 1 / 255
ABSENT = 0.03
"""A class under this is not drawn ..."""
MARGIN_PX = 6
"""... so far from where it is more, in working pixels (the filters' reach)."""
SPECK_PX = 2
"""Specks up to this radius, in photo pixels a working pixel ..."""


def as_guide(rgb: Tensor) -> Tensor:
    """0..255 -> near zero, in shares of full scale."""
    return (rgb - MIDDLE) * SCALE


def edge_lines(probabilities: Tensor, rgb: Tensor) -> Tensor:
    """Probabilities (B, 6, h, w) and the picture (B, 3, h, w) of the frame -> coefficients (B, 5, 4, h, w) for the photo's values.

    The classes sum to one, so the background is what the others leave.
    """
    labels = best_label(probabilities.transpose(0, 1))[:, None]
    hard = labels == torch.arange(1, probabilities.shape[1], device=labels.device)[:, None, None]
    planes = blur(SOFT_SHARE * probabilities[:, 1:] + (1 - SOFT_SHARE) * hard, LABEL_BLUR_PX)
    lines = guide_coefficients(as_guide(rgb), planes, RADIUS_PX, EPSILON)
    # for the photo as it is, 0..255: scaling a few slopes is cheaper than scaling a photo
    lines[:, :, :3] *= SCALE
    lines[:, :, 3] -= MIDDLE * lines[:, :, :3].sum(2)
    return lines


def to_photo(parsed: Tensor, coefficients: Tensor, photo: Picture, frame: Frame) -> tuple[Tensor, Tensor]:
    """One person's probabilities (6, h, w) and coefficients (5, 4, h, w) on any device -> probabilities (6, H, W), sum to 1, and
    labels uint8 (H, W), both there.
    """
    device, classes = coefficients.device, coefficients.shape[0]
    crop = photo[frame.window]
    guide = [torch.from_numpy(channel).to(device).float() for channel in cv2.split(crop)]
    size = (crop.shape[0], crop.shape[1])
    full = torch.from_numpy(np.zeros((classes + 1, *photo.shape[:2]), np.float32)).to(device)  # NumPy's large pages are cheap to touch
    full[0] = 1
    box = full[:, *frame.window]
    total = torch.zeros(size, device=device)
    parts = [_extent(parsed[k + 1], size) for k in range(classes)]
    for k, (small, large) in enumerate(parts):  # class by class: all planes at once leave the cache
        lines = resize(coefficients[k][:, *small], (large[0].stop - large[0].start, large[1].stop - large[1].start))
        drawn = lines[3]
        for channel in range(3):
            drawn.addcmul_(lines[channel], guide[channel][large])
        total[large] += torch.clamp(drawn, 0, 1, out=box[k + 1][large])
    torch.sub(1, total, out=box[0]).clamp_min_(0)
    total.clamp_min_(1)
    best, labels = box[0].clone(), torch.zeros(photo.shape[:2], dtype=torch.uint8, device=device)
    for k, (_, large) in enumerate(parts, 1):
        plane, leader, label = box[k][large], best[large], labels[frame.window][large]
        plane /= total[large]
        torch.maximum(label, torch.gt(plane, leader).view(torch.uint8).mul_(k), out=label)
        torch.maximum(leader, plane, out=leader)
    return full, labels


Window = tuple[slice, slice]


def _extent(plane: Tensor, size: tuple[int, int]) -> tuple[Window, Window]:
    """Where a class (h, w) is not quite absent, with the margin of the filters: rows and columns of the frame, and of its box of `size`.

    A GPU draws all of it: to look would make it wait.
    """
    height, width = plane.shape
    if not on_host(plane):
        return np.s_[0:height, 0:width], np.s_[0 : size[0], 0 : size[1]]
    present = plane.numpy() > ABSENT
    rows, columns = np.flatnonzero(present.any(1)), np.flatnonzero(present.any(0))
    if not len(rows):
        return np.s_[0:1, 0:1], np.s_[0:1, 0:1]
    top, bottom = max(0, int(rows[0]) - MARGIN_PX), min(height, int(rows[-1]) + 1 + MARGIN_PX)
    left, right = max(0, int(columns[0]) - MARGIN_PX), min(width, int(columns[-1]) + 1 + MARGIN_PX)
    down, across = size[0] / height, size[1] / width
    return np.s_[top:bottom, left:right], np.s_[round(top * down) : round(bottom * down), round(left * across) : round(right * across)]


def without_specks(labels: LabelMap) -> LabelMap:
    """Without the dots that texture draws on the way to full size: a median of labels is one of them, and keeps straight edges."""
    return np.asarray(cv2.medianBlur(labels, 2 * SPECK_PX + 1), np.uint8)
