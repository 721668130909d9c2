"""MediaPipe's person graphs in torch, with what its tasks do around them: batched, on any device, landmarks as MediaPipe has them.

The detector's anchors, its weighted suppression, the turned crop, the refinement by heatmaps and the projection follow MediaPipe's
calculators (github.com/google-ai-edge/mediapipe, `tasks/cc/vision/pose_detector` and `pose_landmarker`). Crops are sampled as its
OpenCV does, at 32nds of a pixel and without half-pixel offsets: whoever samples better gets other landmarks.
"""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as nn
from torch import Tensor

from models.assets import PersonAssets
from models.bundles import DETECTOR_INPUT, LANDMARKS_INPUT, POSE_DETECTOR_MEMBER, POSE_LANDMARKS_MEMBER, Normalisation
from models.errors import AssetError
from models.person.networks import MOST_PEOPLE, Sighting, SixClasses
from models.person.tflite import Graph
from models.types import FloatArray, Picture

STRIDES = (8, 16, 32, 32, 32)
"""Pixels between the anchors of the detector's five layers, two anchors a place each."""
LEAST_SCORE = 0.5
"""Of a detection and of a pose's presence; MediaPipe's default, as the next two are."""
SAME_PERSON_IOU = 0.5
"""Detections whose boxes overlap by more are averaged."""
HIGHEST_LOGIT = 100.0
CROP_SCALE = 1.25
"""Side of a crop in sides of the square round the detector's circle."""
LANDMARKS, ALL_LANDMARKS = 33, 39
"""Landmarks of a person, and those that the graph gives with what MediaPipe tracks by."""
HEATMAP_WINDOW = 7
"""Places of the heatmap, each way, by which a landmark is refined ..."""
HEATMAP_LEAST = 0.5
"""... where one of them is at least so sure."""
SUBPIXEL_BITS = 5
"""OpenCV's `INTER_BITS`: pictures are sampled at 32nds of a pixel."""
AFFINE_BITS = 10
"""Bits after the point with which OpenCV's `warpAffine` adds up places."""
SELFIE_INPUT = Normalisation(mean=0.0, std=255.0)


class TorchNetworks:
    """The detector, the landmark graph and the person segmenter on a torch device; see `models.person.networks.Networks`.

    Raises AssetError where the model files cannot be rebuilt.
    """

    def __init__(self, assets: PersonAssets, device: torch.device) -> None:
        self._device = device
        try:
            with zipfile.ZipFile(assets.pose) as bundle:
                detector, landmarks = (bundle.read(name) for name in (POSE_DETECTOR_MEMBER, POSE_LANDMARKS_MEMBER))
            selfie = Path(assets.selfie).read_bytes()
        except (zipfile.BadZipFile, KeyError, OSError) as error:
            raise AssetError(f"The model files in {assets.pose.parent} cannot be read: {error}") from error
        try:
            self._detector, self._landmarks, self._selfie = (Graph(data).to(device).eval() for data in (detector, landmarks, selfie))
        except (ImportError, AttributeError, struct.error) as error:  # another MediaPipe, or a damaged file
            raise AssetError(f"The model files in {assets.pose.parent} cannot be rebuilt: {error}") from error
        self._anchors = anchors(self._detector.input_size[0], device)
        self._classifier = None if assets.multiclass is None else SixClasses(assets.multiclass)
        self.closed = False

    def close(self) -> None:
        self.closed = True
        if self._classifier is not None:
            self._classifier.close()

    @torch.inference_mode()
    def people(self, looks: Sequence[Picture]) -> list[list[Sighting]]:
        pictures = [torch.from_numpy(look).to(self._device) for look in looks]
        sizes = torch.tensor([look.shape[1::-1] for look in looks], dtype=torch.float32, device=self._device)
        boxes, scores = self._detect(pictures, sizes)
        found = (scores >= LEAST_SCORE).cpu().tolist()  # how many there are decides how many crops are made
        of_look = [(k, i) for k, hits in enumerate(found) for i, hit in enumerate(hits) if hit]
        people: list[list[Sighting]] = [[] for _ in looks]
        if not of_look:
            return people
        rows = [boxes[k, i] for k, i in of_look]
        crops = torch.cat(
            [crop(pictures[k], row[None], self._landmarks.input_size, True) for (k, _), row in zip(of_look, rows, strict=True)]
        )
        raw, presence, segmentation, heatmaps, _ = self._landmarks(normalised(crops, LANDMARKS_INPUT))
        in_crops = refined(decoded(raw, self._landmarks.input_size[0]), heatmaps)[:, :LANDMARKS]
        marks = projected(in_crops, torch.stack(rows), sizes[[k for k, _ in of_look]]).cpu().numpy()
        present = (presence[:, 0] >= LEAST_SCORE).cpu().tolist()
        for (k, _), person, there, mask, box in zip(of_look, marks, present, segmentation[..., 0].sigmoid(), rows, strict=True):
            if there:
                height, width = looks[k].shape[:2]
                people[k].append(Sighting(person, spread(mask, box, (height, width)).cpu().numpy()))
        return people

    @torch.inference_mode()
    def silhouettes(self, looks: Sequence[Picture]) -> list[FloatArray]:
        height, width = self._selfie.input_size
        inputs = []
        for look in looks:
            picture = torch.from_numpy(look).to(self._device)
            inputs.append(crop(picture, whole(picture)[None], (height, width), True))
        (masks,) = self._selfie(normalised(torch.cat(inputs), SELFIE_INPUT))
        return [
            nn.interpolate(mask[None, None, ..., 0], size=look.shape[:2], mode="bilinear", align_corners=False)[0, 0].cpu().numpy()
            for mask, look in zip(masks, looks, strict=True)
        ]

    def classes(self, look: Picture) -> list[FloatArray] | None:
        return None if self._classifier is None else self._classifier(look)

    def _detect(self, pictures: Sequence[Tensor], sizes: Tensor) -> tuple[Tensor, Tensor]:
        """Crops (B, MOST_PEOPLE, 5) as of `crop` around the people in pictures of `sizes` (B, 2), and their scores; 0 for nobody."""
        side = self._detector.input_size[0]
        inputs = torch.cat([crop(picture, letterbox(picture)[None], (side, side), False) for picture in pictures])
        raw, logits = self._detector(normalised(inputs, DETECTOR_INPUT))
        scores = logits[..., 0].clamp(-HIGHEST_LOGIT, HIGHEST_LOGIT).sigmoid()
        points, scores = suppressed(raw / side, self._anchors, scores)
        # of the letterboxed square to px of the picture
        points = (points - 0.5) * sizes.amax(1)[:, None, None, None] + sizes[:, None, None] / 2
        return around(points[:, :, 0], points[:, :, 1]), scores


def anchors(side: int, device: torch.device) -> Tensor:
    """(N, 2) centres 0..1 of the detector's anchors in a picture of `side` px, in the order of its outputs."""
    found: list[np.ndarray] = []
    layer = 0
    while layer < len(STRIDES):
        same = [s for s in STRIDES[layer:] if s == STRIDES[layer]]
        count = -(-side // STRIDES[layer])
        y, x = np.mgrid[:count, :count]
        place = np.stack([x, y], -1).reshape(-1, 1, 2)
        found.append(np.broadcast_to((place + 0.5) / count, (count * count, 2 * len(same), 2)).reshape(-1, 2))
        layer += len(same)
    return torch.from_numpy(np.concatenate(found).astype(np.float32)).to(device)


def suppressed(raw: Tensor, anchor: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """The surest detections, each the mean of those whose boxes overlap its own, weighted by their scores.

    raw (B, N, 12): centre, width and height of a box and four points, relative to the anchors (N, 2); scores (B, N).
    Returns points (B, MOST_PEOPLE, 4, 2) and scores (B, MOST_PEOPLE), 0 where there are no more.
    """
    centre = raw[..., :2] + anchor
    low, high = centre - raw[..., 2:4] / 2, centre + raw[..., 2:4] / 2
    area = (high - low).clamp_min(0).prod(-1)
    points = raw[..., 4:].unflatten(-1, (4, 2)) + anchor[:, None]
    weights = torch.where(scores >= LEAST_SCORE, scores, 0.0)
    found, sure = [], []
    for _ in range(MOST_PEOPLE):
        best, index = weights.max(1, keepdim=True)
        corner, opposite = (torch.gather(c, 1, index[..., None].expand(-1, -1, 2)) for c in (low, high))
        shared = (torch.minimum(high, opposite) - torch.maximum(low, corner)).clamp_min(0).prod(-1)
        iou = shared / (area + area.gather(1, index) - shared).clamp_min(1e-9)
        near = torch.where(iou > SAME_PERSON_IOU, weights, 0.0)
        total = near.sum(1).clamp_min(1e-9)
        found.append((points * near[..., None, None]).sum(1) / total[:, None, None])
        sure.append(best[:, 0])
        weights = weights - near
    return torch.stack(found, 1), torch.stack(sure, 1)


def letterbox(picture: Tensor) -> Tensor:
    """The square (5,), as of `crop`, that holds a picture (H, W, 3) in its middle."""
    height, width = picture.shape[:2]
    side = float(max(height, width))
    return torch.tensor([width / 2, height / 2, side, side, 0.0], device=picture.device)


def whole(picture: Tensor) -> Tensor:
    """All of a picture (H, W, 3), (5,) as of `crop`."""
    height, width = picture.shape[:2]
    return torch.tensor([width / 2, height / 2, width, height, 0.0], device=picture.device)


def around(hips: Tensor, rim: Tensor) -> Tensor:
    """The turned square (..., 5), as of `crop`, round a circle about the `hips` (..., 2) px through `rim`, which it puts on top."""
    away = rim - hips
    turn = math.pi / 2 - torch.atan2(-away[..., 1], away[..., 0])
    turn = turn - 2 * math.pi * ((turn + math.pi) / (2 * math.pi)).floor()
    side = (away.norm(dim=-1) * 2 * CROP_SCALE)[..., None]
    return torch.cat([hips, side, side, turn[..., None]], -1)


def normalised(pictures: Tensor, scale: Normalisation) -> Tensor:
    return (pictures - scale.mean) / scale.std


def _turned(offset: Tensor, turn: Tensor) -> Tensor:
    """`offset` (..., 2) turned by `turn` (...) radians, clockwise as the picture is seen."""
    cos, sin = turn.cos(), turn.sin()
    x, y = offset[..., 0], offset[..., 1]
    return torch.stack([cos * x - sin * y, sin * x + cos * y], -1)


def crop(picture: Tensor, boxes: Tensor, size: tuple[int, int], repeat_edges: bool) -> Tensor:
    """Rectangles of a picture at another size, sampled as OpenCV's `warpPerspective` samples 8-bit pictures.

    picture uint8 (H, W, 3); boxes (N, 5): centre x and y, width and height px, turn in radians; repeat_edges: what lies outside is the
    picture's edge, else black. Returns (N, *size, 3) float32, whole numbers 0..255.
    """
    height, width = size
    exact = boxes.to(torch.float64)
    y = torch.arange(height, device=picture.device, dtype=torch.float64) / height - 0.5
    x = torch.arange(width, device=picture.device, dtype=torch.float64) / width - 0.5
    grid = torch.stack([x[None, :].expand(height, -1), y[:, None].expand(-1, width)], -1)
    offset = grid[None] * exact[:, None, None, 2:4]
    place = exact[:, None, None, :2] + _turned(offset, exact[:, 4, None, None])
    fixed = (place * (1 << SUBPIXEL_BITS)).round().to(torch.int64)
    flat = picture.reshape(-1, picture.shape[2]).to(torch.float32)
    return (_bilinear(flat, fixed, (picture.shape[0], picture.shape[1]), repeat_edges) + 0.5).floor()


def _bilinear(flat: Tensor, fixed: Tensor, shape: tuple[int, int], repeat_edges: bool) -> Tensor:
    """Values (..., C) at places `fixed` (..., 2), x and y in 32nds of a pixel, of a picture `flat` (H * W, C) of `shape` (H, W)."""
    height, width = shape
    low = fixed >> SUBPIXEL_BITS
    share = (fixed & ((1 << SUBPIXEL_BITS) - 1)).to(torch.float32) / (1 << SUBPIXEL_BITS)
    total = torch.zeros((), device=flat.device)
    for down in (0, 1):
        for right in (0, 1):
            x, y = low[..., 0] + right, low[..., 1] + down
            weight = (share[..., 0] if right else 1 - share[..., 0]) * (share[..., 1] if down else 1 - share[..., 1])
            if not repeat_edges:
                weight = weight * ((x >= 0) & (x < width) & (y >= 0) & (y < height))
            index = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
            total = total + flat[index] * weight[..., None]
    return total


def decoded(raw: Tensor, side: int) -> Tensor:
    """Landmarks (N, ALL_LANDMARKS, 4) of the graph's first output: x, y and z in sides of the crop, visibility 0..1."""
    values = raw.unflatten(1, (ALL_LANDMARKS, 5))
    return torch.cat([values[..., :3] / side, values[..., 3:4].sigmoid()], -1)


def refined(marks: Tensor, heatmaps: Tensor) -> Tensor:
    """Landmarks (N, L, 4) moved to the middle of what a heatmap (N, h, w, L) of logits shows around them."""
    height, width = heatmaps.shape[1:3]
    reach = torch.arange(HEATMAP_WINDOW, device=marks.device) - HEATMAP_WINDOW // 2
    column, row = (marks[..., 0] * width).trunc().to(torch.int64), (marks[..., 1] * height).trunc().to(torch.int64)
    x, y = column[..., None, None] + reach, row[..., None, None] + reach[:, None]  # (N, L, 1, 7), (N, L, 7, 1)
    there = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    index = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).flatten(2)
    sure = heatmaps.flatten(1, 2).transpose(1, 2).gather(2, index).unflatten(2, (HEATMAP_WINDOW, HEATMAP_WINDOW)).sigmoid() * there
    total = sure.sum((2, 3)).clamp_min(1e-9)
    middle = torch.stack([(sure * x).sum((2, 3)) / total / width, (sure * y).sum((2, 3)) / total / height], -1)
    # MediaPipe asks for a landmark's row only whether it is above the map
    inside = (column >= 0) & (column < width) & (row >= 0) & (sure.amax((2, 3)) >= HEATMAP_LEAST)
    return torch.cat([torch.where(inside[..., None], middle, marks[..., :2]), marks[..., 2:]], -1)


def projected(marks: Tensor, boxes: Tensor, sizes: Tensor) -> Tensor:
    """Landmarks (N, L, 4) of square crops `boxes` (N, 5) as places 0..1 of pictures of `sizes` (N, 2), width and height px."""
    side = boxes[:, 2, None]
    place = boxes[:, None, :2] + _turned((marks[..., :2] - 0.5) * side[..., None], boxes[:, 4, None])
    return torch.cat([place / sizes[:, None], (marks[..., 2] * side / sizes[:, :1])[..., None], marks[..., 3:]], -1)


def spread(mask: Tensor, box: Tensor, size: tuple[int, int]) -> Tensor:
    """A square crop's mask (h, w) 0..1 put back into a picture of `size` (H, W) as OpenCV's `warpAffine` does; 0 outside the crop."""
    height, width = size
    exact, scale = box.to(torch.float64), mask.shape[0]
    x, y = torch.arange(width, device=mask.device, dtype=torch.float64), torch.arange(height, device=mask.device, dtype=torch.float64)
    cos, sin = exact[4].cos() * scale / exact[2], exact[4].sin() * scale / exact[2]
    unit = float(1 << AFFINE_BITS)
    # columns and rows are rounded by themselves before they are added
    along = torch.stack([cos * x, -sin * x], -1)
    down = torch.stack([sin * (y - exact[1]) - cos * exact[0], cos * (y - exact[1]) + sin * exact[0]], -1) + scale / 2
    half = 1 << (AFFINE_BITS - SUBPIXEL_BITS - 1)
    fixed = (along * unit).round().to(torch.int64)[None] + (down * unit).round().to(torch.int64)[:, None] + half
    return _bilinear(mask.reshape(-1, 1), fixed >> (AFFINE_BITS - SUBPIXEL_BITS), (scale, mask.shape[1]), False)[..., 0]
