"""From the working frame to the photo's own pixels, along the photo's own edges.

The fast guided filter (He and Sun 2015): what each class is as a local linear function of colour is found in the working frame,
and applied to the photo at full size. So hair ends where the photo's hair ends, not where a 4 px block does.
"""

from __future__ import annotations

import torch
import torch.nn.functional as nnf
from torch import Tensor

from models.person.parsing.fields import Frame, blur
from models.person.parsing.smooth import guide_coefficients

RADIUS_PX = 2
EPSILON = 30.0
"""Regulariser, squared grey levels: under about its root the photo's contrast draws no edge."""
LABEL_BLUR_PX = 0.8
"""The hard labels are softened by so much before they are guided."""
SOFT_SHARE = 0.5
"""How much of the mean field's own softness stays (the rest comes from the hard labels)."""


def to_photo(probabilities: Tensor, rgb: Tensor, photo: Tensor, frame: Frame) -> Tensor:
    """(6, h, w) in the frame, `rgb` (3, h, w) the frame's picture, `photo` (3, H, W) 0..255 -> (6, H, W), sums to 1."""
    hard = nnf.one_hot(probabilities.argmax(0), probabilities.shape[0]).permute(2, 0, 1).to(probabilities)
    planes = blur(SOFT_SHARE * probabilities + (1 - SOFT_SHARE) * hard, LABEL_BLUR_PX)
    slopes, offsets = guide_coefficients(rgb, planes, RADIUS_PX, EPSILON)
    classes = planes.shape[0]
    size = (frame.bottom - frame.top, frame.right - frame.left)
    small = torch.cat((slopes.reshape(classes * 3, *rgb.shape[1:]), offsets))
    large = nnf.interpolate(small[None], size=size, mode="bilinear", align_corners=False)[0]
    guide = photo[:, frame.top : frame.bottom, frame.left : frame.right]
    drawn = large[classes * 3 :]
    for channel in range(3):
        drawn = drawn + large[channel : classes * 3 : 3] * guide[channel]
    drawn = drawn.clamp_min(0)
    full = photo.new_zeros((classes, *photo.shape[1:]))
    full[0] = 1
    full[:, frame.top : frame.bottom, frame.left : frame.right] = drawn / drawn.sum(0).clamp_min(1e-6)
    return full
