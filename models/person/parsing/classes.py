"""What a six-class segmenter says, as evidence for the parse. The parse does without; with it, hair and skin need no colour to be found.

MediaPipe's `selfie_multiclass_256x256` tells background, hair, body skin, face skin, clothes and others (accessories). It knows no
upper from lower garment, and draws edges as coarsely as 256 pixels do: both stay the parse's own work.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from models.person.masks import ClassMaps
from models.person.parsing.fields import Frame
from models.types import FloatArray

BACKGROUND, HAIR, BODY_SKIN, FACE_SKIN, CLOTHES, OTHERS = range(6)
WEIGHT = 0.8
"""A network's probabilities are surer than it is right: their logarithms count this much."""
LEAST = 0.02
"""No class is taken for less likely than this ..."""
SHOES_AS_CLOTHES = 0.4
"""... and other things have this share of what is said of clothes: shoes are both."""
MASK_SHARE = 0.5
"""How much of the person mask is the segmenter's, where it speaks."""


def classes_in_frame(maps: ClassMaps, frame: Frame) -> FloatArray:
    """float32 (6, h, w) of the frame; background where the maps say nothing."""
    small_h, small_w = maps.probabilities.shape[1:]
    per_x, per_y = small_w / maps.width, small_h / maps.height
    scale_x, scale_y = frame.scale_xy
    # centre of working pixel u -> photo -> the maps' pixel
    to_x = np.array((per_x / scale_x, 0, ((0.5 / scale_x) + frame.left - maps.left) * per_x - 0.5))
    to_y = np.array((0, per_y / scale_y, ((0.5 / scale_y) + frame.top - maps.top) * per_y - 0.5))
    size, flags = (frame.width, frame.height), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    planes = [
        cv2.warpAffine(
            np.ascontiguousarray(plane, np.float32),
            np.stack((to_x, to_y)),
            size,
            flags=flags,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=float(number == BACKGROUND),
        )
        for number, plane in enumerate(maps.probabilities)
    ]
    return np.stack(planes).astype(np.float32)


def as_evidence(classes: Tensor) -> Tensor:
    """(B, 6, h, w) -> (B, 5, h, w) nats for hair, skin, upper, lower, other."""
    clothes = classes[:, CLOTHES]
    others = torch.maximum(classes[:, OTHERS], SHOES_AS_CLOTHES * clothes)
    shares = torch.stack((classes[:, HAIR], classes[:, BODY_SKIN] + classes[:, FACE_SKIN], clothes, clothes, others), 1)
    nats: Tensor = WEIGHT * (shares / (1 - classes[:, :1]).clamp_min(LEAST)).clamp(LEAST, 1).log()
    # where it sees no person, it says nothing about which part
    return nats * (1 - classes[:, :1])


def with_classes(foreground: Tensor, classes: Tensor) -> Tensor:
    """The person mask (B, h, w) by all networks."""
    return torch.lerp(foreground, 1 - classes[:, BACKGROUND], MASK_SHARE)
