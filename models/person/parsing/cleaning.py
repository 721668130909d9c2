"""Small islands leave, hair hangs on a head."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from models.person.parsing.anatomy import Anatomy
from models.types import Label


def clean(probabilities: Tensor, anatomy: Anatomy) -> Tensor:
    q = probabilities.cpu().numpy().copy()
    labels = q.argmax(0)
    skull = anatomy.skull.cpu().numpy() > 0.5
    count, parts = cv2.connectedComponents((labels == Label.HAIR).astype(np.uint8), connectivity=8)
    for i in range(1, count):
        part = parts == i
        if skull[part].sum() < 8:
            q[Label.HAIR][part] = 1e-5
    labels = q.argmax(0)
    for label in (Label.SKIN, Label.UPPER, Label.LOWER):
        count, parts, stats, _ = cv2.connectedComponentsWithStats((labels == label).astype(np.uint8), connectivity=8)
        if count < 2:
            continue
        biggest = stats[1:, cv2.CC_STAT_AREA].max()
        for i in range(1, count):
            if stats[i, cv2.CC_STAT_AREA] < (14 if label == Label.SKIN else max(20, 0.02 * biggest)):
                q[label][parts == i] = 1e-5
    return torch.from_numpy(q / q.sum(0)).to(probabilities)
