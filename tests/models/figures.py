"""A drawn person without MediaPipe: a pose and a parse that fit each other, for tests of geometry and compositing;
and what a garment has when its kind is known."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from models.drape.cut import Measures
from models.drape.cut_lower import LowerMeasures
from models.types import FloatArray, Label, LabelMap, LowerLandmarks, PersonParse, Picture, Pose, UpperLandmarks

SKIN_COLOUR, TOP_COLOUR, TROUSER_COLOUR, GROUND_COLOUR, HAIR_COLOUR = (
    (205, 160, 135),
    (70, 120, 80),
    (50, 60, 110),
    (225, 226, 228),
    (60, 40, 30),
)
PALETTE = {
    Label.BACKGROUND: GROUND_COLOUR,
    Label.HAIR: HAIR_COLOUR,
    Label.SKIN: SKIN_COLOUR,
    Label.UPPER: TOP_COLOUR,
    Label.LOWER: TROUSER_COLOUR,
    Label.OTHER: (20, 20, 20),
}


def figure(size: tuple[int, int] = (512, 384), sleeve: float = 0.45) -> tuple[Picture, Pose, PersonParse]:
    """A symmetrical standing person in a T-shirt; `size` (H, W), `sleeve` 0..1 of the upper arm."""
    height, width = size
    scale = height / 512

    def at(x: float, y: float) -> FloatArray:
        """Units of a 384 x 512 picture, x from the middle."""
        return np.array([(width - 1) / 2 + x * scale, (y + 0.5) * scale - 0.5], np.float32)

    labels: LabelMap = np.zeros(size, np.uint8)

    def line(points: list[FloatArray], radius: float, label: Label) -> None:
        for a, b in pairwise(points):
            cv2.line(labels, _int(a), _int(b), int(label), max(1, round(2 * radius * scale)), shift=4)

    def blob(centre: FloatArray, axes: tuple[float, float], label: Label) -> None:
        radii = (round(axes[0] * scale * 16), round(axes[1] * scale * 16))
        cv2.ellipse(labels, _int(centre), radii, 0, 0, 360, int(label), -1, shift=4)

    def polygon(points: list[FloatArray], label: Label) -> None:
        cv2.fillPoly(labels, [np.array([_int(p) for p in points])], int(label), shift=4)

    shoulder, elbow, wrist, finger = 50.0, 76.0, 86.0, 88.0
    joints = {k: [at(k * shoulder, 150), at(k * elbow, 232), at(k * wrist, 306), at(k * finger, 334)] for k in (-1, 1)}
    polygon([at(-42, 296), at(42, 296), at(52, 520), at(4, 520), at(0, 330), at(-4, 520), at(-52, 520)], Label.LOWER)
    blob(at(0, 70), (31, 40), Label.HAIR)
    line([at(0, 90), at(0, 140)], 15, Label.SKIN)
    for k in (-1, 1):
        line(joints[k], 11, Label.SKIN)
    polygon(
        [
            at(-16, 124),
            at(16, 124),
            at(50, 136),
            at(56, 150),
            at(43, 200),
            at(42, 302),
            at(-42, 302),
            at(-43, 200),
            at(-56, 150),
            at(-50, 136),
        ],
        Label.UPPER,
    )
    for k in (-1, 1):
        end = joints[k][0] + (joints[k][1] - joints[k][0]) * sleeve
        line([joints[k][0], end], 14, Label.UPPER)
    blob(at(0, 118), (15, 14), Label.SKIN)
    blob(at(0, 78), (23, 30), Label.SKIN)
    xy = np.zeros((33, 2), np.float32)
    xy[:] = at(0, 80)
    face = {0: (0, 82), 9: (5, 95), 10: (-5, 95), 7: (22, 80), 8: (-22, 80), 2: (9, 74), 5: (-9, 74)}
    for index, (x, y) in face.items():
        xy[index] = at(x, y)
    # the picture's left is the person's right: even numbers
    for k, odd in ((-1, 0), (1, 1)):
        for base, point in zip((11, 13, 15, 19), joints[k], strict=True):
            xy[base + (1 - odd)] = point
        xy[17 + (1 - odd)] = xy[21 + (1 - odd)] = joints[k][3]
        for base, (x, y) in zip((23, 25, 27, 29, 31), ((27, 300), (28, 400), (29, 500), (29, 510), (31, 515)), strict=True):
            xy[base + (1 - odd)] = at(k * x, y)
    pose = Pose(xy=xy, depth=np.zeros(33, np.float32), visibility=np.ones(33, np.float32))
    picture: Picture = np.array([PALETTE[label] for label in Label], np.uint8)[labels]
    return picture, pose, parse_of(labels)


def parse_of(labels: LabelMap) -> PersonParse:
    """A certain parse with slightly soft edges."""
    hard = np.stack([(labels == label).astype(np.float32) for label in Label])
    soft = np.stack([cv2.GaussianBlur(plane, (0, 0), 0.8) for plane in hard])
    return PersonParse(probabilities=(soft / soft.sum(0)).astype(np.float32), labels=labels, certainty=1.0, waist_gain=0.5)


def mirrored(picture: Picture, pose: Pose, parse: PersonParse) -> tuple[Picture, Pose, PersonParse]:
    """The same person in a mirror: pixels flipped, left and right landmarks exchanged."""
    swap = np.arange(33)
    pairs = [(1, 4), (2, 5), (3, 6), (7, 8), (9, 10), *[(i, i + 1) for i in range(11, 33, 2)]]
    for a, b in pairs:
        swap[a], swap[b] = b, a
    xy = pose.xy.copy()
    xy[:, 0] = picture.shape[1] - 1 - xy[:, 0]
    flipped = Pose(xy=xy[swap], depth=pose.depth[swap], visibility=pose.visibility[swap])
    labels = np.ascontiguousarray(parse.labels[:, ::-1])
    return np.ascontiguousarray(picture[:, ::-1]), flipped, parse_of(labels)


def upper_marks(marks: UpperLandmarks | LowerLandmarks) -> UpperLandmarks:
    """The landmarks of what must be a top or a dress."""
    assert isinstance(marks, UpperLandmarks)
    return marks


def lower_marks(marks: UpperLandmarks | LowerLandmarks) -> LowerLandmarks:
    """The landmarks of what must be trousers, shorts or a skirt."""
    assert isinstance(marks, LowerLandmarks)
    return marks


def upper_measures(measures: Measures | LowerMeasures) -> Measures:
    """The measures of what must be a top or a dress."""
    assert isinstance(measures, Measures)
    return measures


def _int(point: FloatArray) -> tuple[int, int]:
    return round(float(point[0]) * 16), round(float(point[1]) * 16)
