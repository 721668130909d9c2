"""The person parse, on drawn people whose labels are known and on an astronaut."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.person.masks import ClassMaps
from models.person.observe import Observer
from models.person.parsing import parse_person
from models.person.parsing.classes import classes_in_frame
from models.person.parsing.fields import choose_frame
from models.types import BoolArray, FloatArray, Label, LabelMap, PersonParse, Picture, Pose
from tests.models.figures import figure, mirrored, parse_of

Colours = dict[Label, tuple[int, int, int]]

PALETTES: dict[str, Colours] = {
    "green top, blue trousers": {
        Label.BACKGROUND: (225, 226, 228),
        Label.HAIR: (60, 40, 30),
        Label.SKIN: (205, 160, 135),
        Label.UPPER: (70, 120, 80),
        Label.LOWER: (50, 60, 110),
        Label.OTHER: (30, 30, 30),
    },
    "dark skin, white top": {
        Label.BACKGROUND: (200, 202, 205),
        Label.HAIR: (25, 20, 20),
        Label.SKIN: (110, 72, 52),
        Label.UPPER: (244, 244, 242),
        Label.LOWER: (60, 62, 70),
        Label.OTHER: (150, 30, 30),
    },
    "fair hair, black top, coloured wall": {
        Label.BACKGROUND: (120, 150, 140),
        Label.HAIR: (200, 170, 110),
        Label.SKIN: (232, 196, 178),
        Label.UPPER: (28, 28, 32),
        Label.LOWER: (140, 110, 80),
        Label.OTHER: (250, 250, 250),
    },
}


def coloured(labels: LabelMap, colours: Colours, seed: int = 3) -> Picture:
    """The labels in these colours, with a soft light from one side and sensor noise."""
    height, width = labels.shape
    flat = np.array([colours[label] for label in Label], np.float32)[labels]
    light = np.linspace(1.04, 0.9, width, dtype=np.float32)[None, :, None]
    noise = np.random.default_rng(seed).normal(0, 3, (height, width, 3))
    return np.clip(cv2.GaussianBlur(flat, (0, 0), 0.7) * light + noise, 0, 255).astype(np.uint8)


def masks(labels: LabelMap) -> tuple[FloatArray, FloatArray]:
    """Person masks as coarse as a network's 256 × 256 output: blurred, and one of them 3 px off."""
    person = (labels != Label.BACKGROUND).astype(np.float32)
    soft = cv2.GaussianBlur(person, (0, 0), 3).astype(np.float32)
    return soft, np.roll(soft, 3, 1)


def parsed(labels: LabelMap, pose: Pose, colours: Colours | None = None) -> PersonParse:
    photo = coloured(labels, colours or PALETTES["green top, blue trousers"])
    return parse_person(photo, pose, *masks(labels))


def iou(a: BoolArray, b: BoolArray) -> float:
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 1.0


def crop(pose: Pose, labels: LabelMap, box: tuple[slice, slice]) -> tuple[Pose, LabelMap]:
    corner = np.array([box[1].start or 0, box[0].start or 0], np.float32)
    return Pose(pose.xy - corner, pose.depth, pose.visibility), np.ascontiguousarray(labels[box])


@pytest.mark.parametrize("name", list(PALETTES))
def test_a_standing_person_is_parsed(name: str) -> None:
    _, pose, truth = figure()
    parse = parsed(truth.labels, pose, PALETTES[name])
    least = {Label.BACKGROUND: 0.97, Label.HAIR: 0.8, Label.SKIN: 0.85, Label.UPPER: 0.93, Label.LOWER: 0.95}
    scores = {label.name: iou(parse.labels == label, truth.labels == label) for label in least}
    assert all(scores[label.name] > bar for label, bar in least.items()), scores
    assert parse.waist_gain > 0.3
    assert parse.notices == ()
    assert 0.6 < parse.certainty <= 1


def test_probabilities_fit_the_labels_and_are_soft_at_edges_only() -> None:
    _, pose, truth = figure()
    parse = parsed(truth.labels, pose)
    assert parse.probabilities.shape == (6, *truth.labels.shape)
    assert parse.probabilities.dtype == np.float32
    assert parse.labels.dtype == np.uint8
    np.testing.assert_allclose(parse.probabilities.sum(0), 1, atol=1e-4)
    assert parse.probabilities.min() >= 0
    assert (parse.probabilities.argmax(0) == parse.labels).mean() > 0.995
    inside = cv2.erode((truth.labels == Label.UPPER).astype(np.uint8), np.ones((17, 17))) > 0
    assert parse.probabilities[Label.UPPER][inside].min() > 0.8


def test_a_mirrored_person_has_the_mirrored_parse() -> None:
    picture, pose, truth = figure()
    photo = coloured(truth.labels, PALETTES["green top, blue trousers"])
    soft, other = masks(truth.labels)
    parse = parse_person(photo, pose, soft, other)
    _, flipped_pose, _ = mirrored(picture, pose, truth)
    flipped = parse_person(np.ascontiguousarray(photo[:, ::-1]), flipped_pose, soft[:, ::-1].copy(), other[:, ::-1].copy())
    for label in (Label.HAIR, Label.SKIN, Label.UPPER, Label.LOWER):
        assert iou(parse.labels == label, flipped.labels[:, ::-1] == label) > 0.97, label.name


def test_the_same_photo_gives_the_same_parse() -> None:
    _, pose, truth = figure()
    first, second = parsed(truth.labels, pose), parsed(truth.labels, pose)
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    assert first.certainty == second.certainty


@pytest.mark.parametrize("gamma", [0.6, 2.2])
def test_lighter_and_darker_photos_are_parsed_alike(gamma: float) -> None:
    _, pose, truth = figure()
    photo = coloured(truth.labels, PALETTES["green top, blue trousers"])
    base = parse_person(photo, pose, *masks(truth.labels))
    changed = parse_person((255 * (photo / 255.0) ** gamma).astype(np.uint8), pose, *masks(truth.labels))
    for label in (Label.SKIN, Label.UPPER, Label.LOWER):
        assert iou(base.labels == label, changed.labels == label) > 0.9, label.name


def test_size_of_the_photo_and_place_in_it_do_not_matter() -> None:
    _, pose, truth = figure()
    base = parsed(truth.labels, pose)
    _, large_pose, large_truth = figure((1024, 768))
    large = parsed(large_truth.labels, large_pose)
    shrunk = cv2.resize(large.labels, (384, 512), interpolation=cv2.INTER_NEAREST)
    wide = np.zeros((600, 1400), np.uint8)
    wide[60:572, 900:1284] = truth.labels
    shifted = Pose(pose.xy + np.array([900, 60], np.float32), pose.depth, pose.visibility)
    moved = parsed(wide, shifted)
    assert not moved.labels[:, :850].any()
    for label in (Label.SKIN, Label.UPPER, Label.LOWER):
        assert iou(base.labels == label, shrunk == label) > 0.93, label.name
        assert iou(base.labels == label, moved.labels[60:572, 900:1284] == label) > 0.93, label.name


CUTS = {
    "at the chest": np.s_[0:250, :],
    "above the hips": np.s_[0:290, :],
    "without a head": np.s_[130:, :],
    "without arms": np.s_[:, 130:254],
    "half a body": np.s_[:, 0:190],
    "legs alone": np.s_[310:, :],
    "a face": np.s_[20:135, 130:254],
}


@pytest.mark.parametrize("cut", list(CUTS))
def test_people_cut_off_by_the_picture_are_parsed(cut: str) -> None:
    _, pose, truth = figure()
    cut_pose, labels = crop(pose, truth.labels, CUTS[cut])
    parse = parsed(labels, cut_pose)
    assert np.isfinite(parse.probabilities).all()
    assert 0 <= parse.certainty <= 1
    assert iou(parse.labels == Label.BACKGROUND, labels == Label.BACKGROUND) > 0.9
    for label in (Label.UPPER, Label.LOWER):
        if (labels == label).mean() > 0.05 and cut not in {"legs alone", "a face"}:
            assert iou(parse.labels == label, labels == label) > 0.8, label.name


def test_a_picture_that_ends_above_the_waist_has_no_trousers() -> None:
    _, pose, truth = figure()
    cut_pose, labels = crop(pose, truth.labels, np.s_[0:270, :])
    parse = parsed(labels, cut_pose)
    assert (parse.labels == Label.LOWER).sum() < 0.02 * (parse.labels == Label.UPPER).sum()


def test_useless_input_gives_no_person_and_no_error() -> None:
    _, pose, truth = figure()
    photo = coloured(truth.labels, PALETTES["green top, blue trousers"])
    nothing = np.zeros(truth.labels.shape, np.float32)
    parse = parse_person(photo, pose, nothing, nothing)
    assert np.isfinite(parse.probabilities).all()
    lost = Pose(np.full((33, 2), np.nan, np.float32), pose.depth, np.zeros(33, np.float32))
    assert np.isfinite(parse_person(photo, lost, *masks(truth.labels)).probabilities).all()
    one_point = Pose(np.full((33, 2), 100, np.float32), pose.depth, pose.visibility)
    assert np.isfinite(parse_person(photo, one_point, *masks(truth.labels)).probabilities).all()
    black = np.zeros_like(photo)
    assert np.isfinite(parse_person(black, pose, *masks(truth.labels)).probabilities).all()


def test_a_dress_is_one_upper_garment_but_black_on_black_trousers_are_not() -> None:
    _, pose, truth = figure()
    dress = truth.labels.copy()
    skirt = np.array([[150, 290], [233, 290], [246, 440], [137, 440]], np.int32)
    dress[290:] = np.where(np.isin(dress[290:], (Label.LOWER,)), Label.SKIN, dress[290:])
    legs = dress == Label.SKIN
    cv2.fillPoly(dress, [skirt], int(Label.UPPER))
    hands = legs & (truth.labels == Label.SKIN) & (np.arange(384)[None] < 135)
    dress[hands] = Label.SKIN
    parse = parsed(dress, pose)
    assert [notice.code for notice in parse.notices] == ["one-piece"]
    assert not (parse.labels == Label.LOWER).any()
    assert iou(parse.labels == Label.UPPER, dress == Label.UPPER) > 0.9
    black = PALETTES["green top, blue trousers"] | {Label.UPPER: (25, 25, 28), Label.LOWER: (25, 25, 28)}
    assert parsed(truth.labels, pose, black).notices == ()


def test_bare_legs_and_shoes() -> None:
    _, pose, truth = figure((700, 525))
    labels = truth.labels.copy()
    pose_px = pose.xy
    shorts_end = round(float(pose_px[25][1] * 0.75 + pose_px[23][1] * 0.25))
    labels[shorts_end:][labels[shorts_end:] == Label.LOWER] = Label.SKIN
    parse = parsed(labels, pose)
    assert iou(parse.labels == Label.LOWER, labels == Label.LOWER) > 0.9
    assert iou(parse.labels == Label.SKIN, labels == Label.SKIN) > 0.85


def test_a_bag_in_the_hand_is_neither_garment() -> None:
    _, pose, truth = figure()
    labels = truth.labels.copy()
    x, y = (int(v) for v in pose.xy[20])
    bag = np.zeros_like(labels)
    bag[y - 6 : y + 44, x - 30 : x + 36] = 1
    labels[(bag > 0) & (labels != Label.SKIN)] = Label.OTHER
    colours = PALETTES["green top, blue trousers"] | {Label.OTHER: (235, 225, 190)}
    parse = parsed(labels, pose, colours)
    there = labels == Label.OTHER
    assert (parse.labels[there] == Label.OTHER).mean() > 0.6
    assert (parse.labels[there] == Label.UPPER).mean() < 0.1


def test_a_skin_coloured_print_stays_in_the_garment() -> None:
    _, pose, truth = figure()
    photo = coloured(truth.labels, PALETTES["green top, blue trousers"])
    x, y = (int(v) for v in pose.xy[[11, 12, 23, 24]].mean(0))
    cv2.circle(photo, (x, y), 14, PALETTES["green top, blue trousers"][Label.SKIN], -1)
    parse = parse_person(photo, pose, *masks(truth.labels))
    assert (parse.labels[y - 9 : y + 10, x - 9 : x + 10] == Label.UPPER).all()


def test_a_white_collar_is_no_skin() -> None:
    _, pose, truth = figure()
    photo = coloured(truth.labels, PALETTES["green top, blue trousers"])
    collar = (parse_of(truth.labels).labels == Label.UPPER) & (
        cv2.dilate((truth.labels == Label.SKIN).astype(np.uint8), np.ones((9, 9))) > 0
    )
    collar[160:] = False
    collar[:, :150] = collar[:, 234:] = False
    photo[collar] = (245, 245, 244)
    parse = parse_person(photo, pose, *masks(truth.labels))
    assert (parse.labels[collar] == Label.SKIN).mean() < 0.25


def test_a_button_of_the_tops_colour_stays_on_the_waistband() -> None:
    _, pose, truth = figure()
    colours = PALETTES["dark skin, white top"]
    photo = coloured(truth.labels, colours)
    x = int(pose.xy[[23, 24], 0].mean())
    y = int(np.flatnonzero(truth.labels[:, x] == Label.LOWER)[0]) + 7
    cv2.circle(photo, (x, y), 4, colours[Label.UPPER], -1, cv2.LINE_AA)
    parse = parse_person(photo, pose, *masks(truth.labels))
    assert (parse.labels[y - 2 : y + 3, x - 2 : x + 3] == Label.LOWER).all()
    assert iou(parse.labels == Label.UPPER, truth.labels == Label.UPPER) > 0.93


def test_the_astronaut(person_photo: Picture, observer: Observer) -> None:
    seen = observer.observe(person_photo)
    parse = parse_person(person_photo, seen.pose, seen.pose_mask, seen.selfie_mask)
    nose_x, nose_y = (int(v) for v in seen.pose.xy[0])
    assert parse.labels[nose_y, nose_x] == Label.SKIN
    assert parse.labels[35, 225] == Label.HAIR
    assert (parse.labels[300:400, 120:220] == Label.UPPER).mean() > 0.97
    assert parse.labels[60, 450] == Label.BACKGROUND
    assert 0.008 < (parse.labels == Label.HAIR).mean() < 0.08


def test_certainty_falls_where_the_eye_is_unsure(person_photo: Picture, observer: Observer) -> None:
    _, pose, truth = figure()
    clear = parsed(truth.labels, pose).certainty
    black = PALETTES["green top, blue trousers"] | {Label.UPPER: (25, 25, 28), Label.LOWER: (27, 26, 28)}
    assert clear > 0.75
    assert parsed(truth.labels, pose, black).certainty < clear - 0.1
    seen = observer.observe(person_photo)
    assert parse_person(person_photo, seen.pose, seen.pose_mask, seen.selfie_mask).certainty < 0.5


def test_shorts_end_where_dark_legs_begin() -> None:
    _, pose, truth = figure()
    labels = truth.labels.copy()
    end = round(float(pose.xy[25][1] * 0.6 + pose.xy[23][1] * 0.4))
    legs = np.zeros_like(labels)
    legs[end:][labels[end:] == Label.LOWER] = 1
    labels[legs > 0] = Label.SKIN
    photo = coloured(labels, PALETTES["dark skin, white top"])
    photo[legs > 0] = (photo[legs > 0] * 0.85).astype(np.uint8)
    parse = parse_person(photo, pose, *masks(labels))
    assert (parse.labels[legs > 0] == Label.SKIN).mean() > 0.75


def six_classes(labels: LabelMap, seed: int = 0) -> FloatArray:
    """(6, 256, 256) what a six-class segmenter might say: blurred, noisy, never sure."""
    order = [0, 1, 2, 4, 4, 5]  # background, hair, body skin, clothes, clothes, others; the drawn face counts as body
    small = cv2.resize(np.array(order, np.uint8)[labels], (256, 256), interpolation=cv2.INTER_NEAREST)
    soft = cv2.GaussianBlur(np.eye(6, dtype=np.float32)[small], (0, 0), 2.5) * 0.85 + 0.15 / 6
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 1, soft.shape).astype(np.float32), (0, 0), 4)
    soft = np.clip(soft + 0.5 * noise, 0.001, None)
    return np.ascontiguousarray((soft / soft.sum(2, keepdims=True)).transpose(2, 0, 1), np.float32)


def test_a_six_class_segmenter_tells_what_colour_cannot() -> None:
    _, pose, truth = figure()
    alike = PALETTES["green top, blue trousers"] | {Label.HAIR: (150, 112, 92), Label.SKIN: (160, 118, 96)}
    photo = coloured(truth.labels, alike)
    said = six_classes(truth.labels)
    alone = parse_person(photo, pose, *masks(truth.labels))
    informed = parse_person(photo, pose, *masks(truth.labels), ClassMaps(said, 0, 0, 384, 512))
    hair = truth.labels == Label.HAIR
    assert iou(informed.labels == Label.HAIR, hair) > iou(alone.labels == Label.HAIR, hair) + 0.04
    for label in (Label.SKIN, Label.UPPER, Label.LOWER):
        assert iou(informed.labels == label, truth.labels == label) > 0.85, label.name


def test_class_maps_of_a_part_of_the_photo_lie_where_that_part_is() -> None:
    _, pose, truth = figure()
    said = six_classes(truth.labels)
    frame = choose_frame(pose, *masks(truth.labels))
    whole = classes_in_frame(ClassMaps(said, 0, 0, 384, 512), frame)
    part = classes_in_frame(ClassMaps(said[:, 64:192, 32:224], 48, 128, 288, 256), frame)
    top, bottom = (round((y - frame.top) * frame.scale_xy[1]) for y in (140, 370))
    left, right = (round((x - frame.left) * frame.scale_xy[0]) for x in (150, 230))
    np.testing.assert_allclose(part[:, top:bottom, left:right], whole[:, top:bottom, left:right], atol=0.02)
    assert part[0, 0, 0] == 1
    np.testing.assert_allclose(whole.argmax(0)[top:bottom, left:right], 4)


def test_the_astronaut_in_a_mirror(person_photo: Picture, observer: Observer) -> None:
    seen = observer.observe(person_photo)
    base = parse_person(person_photo, seen.pose, seen.pose_mask, seen.selfie_mask)
    _, pose, _ = mirrored(person_photo, seen.pose, base)
    picture = np.ascontiguousarray(person_photo[:, ::-1])
    flipped = parse_person(picture, pose, seen.pose_mask[:, ::-1].copy(), seen.selfie_mask[:, ::-1].copy())
    for label in (Label.HAIR, Label.UPPER):
        assert iou(base.labels == label, flipped.labels[:, ::-1] == label) > 0.97, label.name
