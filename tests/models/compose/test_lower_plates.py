"""Plates of people whose lower garment, or whole clothes, come off; of people in dresses; blending legs and outfits."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
import torch

from models.compose.bare_legs import bare_leg
from models.compose.blend import Blend, Layers, Legs, Scene, blend
from models.compose.plate import Plate, make_plate
from models.compose.worn import Off
from models.person.body import Body, measure_body
from models.types import BoolArray, Category, Label, LabelMap, PersonParse, Picture, Pose
from tests.models.figures import PALETTE, SKIN_COLOUR, TOP_COLOUR, TROUSER_COLOUR, figure, parse_of

CPU = torch.device("cpu")
SIZE = (512, 384)
DRESS_HEM = 430
"""Row at which the drawn dress ends: below it legs are bare."""
Person = tuple[Picture, Pose, PersonParse, Body]


def person(picture: Picture, pose: Pose, parse: PersonParse) -> Person:
    return picture, pose, parse, measure_body(pose, parse)


@pytest.fixture(scope="module")
def in_trousers() -> Person:
    return person(*figure(SIZE))


@pytest.fixture(scope="module")
def in_dress() -> Person:
    """The same figure in one piece of cloth down to the shins."""
    _, pose, parse = figure(SIZE)
    labels = parse.labels.copy()
    rows = np.arange(SIZE[0])[:, None]
    labels[(labels == Label.LOWER) & (rows < DRESS_HEM)] = Label.UPPER
    labels[(labels == Label.LOWER) & (rows >= DRESS_HEM)] = Label.SKIN
    skirt = np.zeros(SIZE, np.uint8)
    cv2.fillPoly(skirt, [np.array([(150, 296), (234, 296), (246, DRESS_HEM - 1), (138, DRESS_HEM - 1)])], 1)
    labels[(skirt > 0) & (labels == Label.BACKGROUND)] = Label.UPPER
    one = dataclasses.replace(parse_of(labels), waist_gain=0.05)
    picture: Picture = np.array([PALETTE[label] for label in Label], np.uint8)[labels]
    return person(picture, pose, one)


def plate_of(who: Person, drawn: Category, off: Off) -> Plate:
    picture, _, parse, body = who
    return make_plate(picture, parse, body, drawn, off)


def far(plate: Plate, colour: tuple[int, int, int], where: BoolArray) -> float:
    """Share of `where` that is clearly not of that colour."""
    return float((np.abs(plate.plate[where].astype(int) - colour).max(-1) > 25).mean())


def test_the_old_trousers_are_gone_and_the_top_stays(in_trousers: Person) -> None:
    picture, _, parse, _ = in_trousers
    plate = plate_of(in_trousers, Category.LOWER, Off.LOWER)
    assert far(plate, TROUSER_COLOUR, parse.labels == Label.LOWER) > 0.99
    top = cv2.erode((parse.labels == Label.UPPER).astype(np.uint8), np.ones((9, 9))) > 0
    assert (plate.plate[top] == picture[top]).all()
    assert plate.front_sleeves[top].min() > 0.99
    assert plate.overhang[top].min() > 0.99
    assert (plate.plate[plate.removed == 0] == picture[plate.removed == 0]).all()


def test_bare_legs_are_skin_below_a_neutral_layer(in_trousers: Person) -> None:
    _, _, _, body = in_trousers
    plate = plate_of(in_trousers, Category.LOWER, Off.LOWER)
    for leg in body.legs:
        hip, knee = leg.joints[0], leg.joints[1]
        x, y = (int(v) for v in hip * 0.1 + knee * 0.9)
        thigh = plate.plate[y, x].astype(int)
        assert np.abs(thigh - SKIN_COLOUR).max() < 60
        assert thigh[0] > thigh[2] + 20
        x, y = (int(v) for v in hip * 0.85 + knee * 0.15)
        layer = plate.plate[y, x].astype(int)
        assert layer.max() - layer.min() < 25


def test_no_ground_shows_in_a_gap_below_the_top(in_trousers: Person) -> None:
    plate = plate_of(in_trousers, Category.LOWER, Off.LOWER)
    gap = plate.plate[304:307, 170:215].astype(int)
    assert np.abs(gap - TOP_COLOUR).max(-1).mean() < 40


def test_everything_off_leaves_neither(in_trousers: Person) -> None:
    _, _, parse, _ = in_trousers
    plate = plate_of(in_trousers, Category.DRESS, Off.BOTH)
    for label, colour in ((Label.UPPER, TOP_COLOUR), (Label.LOWER, TROUSER_COLOUR)):
        assert far(plate, colour, parse.labels == label) > 0.99
    assert plate.overhang.max() == 0


def test_shoes_and_hands_are_never_removed(in_trousers: Person) -> None:
    picture, pose, parse, body = in_trousers
    labels = parse.labels.copy()
    labels[495:][labels[495:] == Label.LOWER] = Label.OTHER
    shod = (np.array([PALETTE[label] for label in Label], np.uint8)[labels], pose, parse_of(labels), body)
    plate = plate_of(shod, Category.DRESS, Off.BOTH)
    shoes = labels == Label.OTHER
    shoes[:499] = False
    assert np.abs(plate.plate[shoes].astype(int) - shod[0][shoes]).max() < 12
    hand = np.zeros(SIZE, bool)
    x, y = (int(v) for v in body.arms[0].joints[2] * 0.5 + body.arms[0].joints[3] * 0.5)
    hand[y - 3 : y + 4, x - 3 : x + 4] = True
    assert (labels[hand] == Label.SKIN).all()
    assert (plate.plate[hand] == picture[hand]).all()
    assert plate.front_torso[hand].min() > 0.9


@pytest.mark.parametrize("drawn, off", [(Category.UPPER, Off.UPPER), (Category.LOWER, Off.LOWER)])
def test_a_dress_comes_off_in_halves(in_dress: Person, drawn: Category, off: Off) -> None:
    picture, _, _, body = in_dress
    assert not body.waist_known
    plate = plate_of(in_dress, drawn, off)
    waist = int(body.hip_middle[1] - 0.38 * body.trunk_px)
    middle = slice(180, 205)
    bodice, skirt = (slice(170, waist - 8), middle), (slice(waist + 8, DRESS_HEM - 12), middle)
    gone, kept = (bodice, skirt) if off is Off.UPPER else (skirt, bodice)
    assert (np.abs(plate.plate[gone].astype(int) - TOP_COLOUR).max(-1) > 25).mean() > 0.98
    assert (plate.plate[kept] == picture[kept]).all()


def test_a_dress_comes_off_whole(in_dress: Person) -> None:
    _, _, parse, _ = in_dress
    plate = plate_of(in_dress, Category.DRESS, Off.BOTH)
    assert far(plate, TOP_COLOUR, parse.labels == Label.UPPER) > 0.99


def test_a_portrait_is_no_dress(in_trousers: Person) -> None:
    """Cut off above the hips: the waist is not known, and nothing is seen of a skirt."""
    picture, pose, parse, _ = in_trousers
    cut = dataclasses.replace(parse_of(np.ascontiguousarray(parse.labels[:280])), waist_gain=0.05)
    bust = person(np.ascontiguousarray(picture[:280]), pose, cut)
    for drawn, off in ((Category.UPPER, Off.UPPER), (Category.LOWER, Off.LOWER), (Category.DRESS, Off.BOTH)):
        plate = plate_of(bust, drawn, off)
        assert plate.plate.shape == bust[0].shape
    assert far(plate_of(bust, Category.UPPER, Off.UPPER), TOP_COLOUR, cut.labels == Label.UPPER) > 0.98


def test_a_hand_in_a_pocket_is_the_skirt(in_trousers: Person) -> None:
    """Where skin is expected but the trousers' colour is seen, trousers are removed."""
    picture, _, parse, body = in_trousers
    labels: LabelMap = parse.labels.copy()
    x, y = (int(v) for v in body.arms[1].joints[2])
    labels[y : y + 20, x - 8 : x + 8] = Label.SKIN
    painted = picture.copy()
    painted[y : y + 20, x - 8 : x + 8] = TROUSER_COLOUR
    plate = make_plate(painted, parse_of(labels), body, Category.LOWER, Off.LOWER)
    pocket = np.zeros(SIZE, bool)
    pocket[y + 4 : y + 16, x - 4 : x + 4] = True
    assert far(plate, TROUSER_COLOUR, pocket) > 0.9
    assert plate.front_sleeves[pocket].max() < 0.1


def test_trousers_of_the_skins_colour_end_at_the_arm(in_trousers: Person) -> None:
    """Cloth beside a forearm that the parse took for skin is told by the edge between them."""
    picture, _, parse, body = in_trousers
    labels: LabelMap = parse.labels.copy()
    painted = picture.copy()
    elbow, wrist, fingers = (tuple(round(float(v)) for v in body.arms[1].joints[i]) for i in (1, 2, 3))
    brown = tuple(int(c) - 30 for c in SKIN_COLOUR)
    hips = np.zeros(SIZE, np.uint8)
    cv2.rectangle(hips, (wrist[0] - 36, elbow[1]), (wrist[0] + 36, fingers[1] + 40), 1, -1)
    labels[hips > 0], painted[hips > 0] = Label.LOWER, brown
    arm, wide = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    half = float(body.arms[1].radius[-1])
    for mask, width in ((arm, 2 * half), (wide, 2.8 * half)):
        cv2.polylines(mask, [np.array([elbow, wrist, fingers])], False, 1, round(width))
    labels[wide > 0] = Label.SKIN
    painted[arm > 0] = SKIN_COLOUR
    front = make_plate(painted, parse_of(labels), body, Category.LOWER, Off.LOWER).front_sleeves
    along = (hips > 0) & (np.arange(SIZE[0]) < wrist[1])[:, None]
    inside, beside = cv2.erode(arm, np.ones((5, 5))) > 0, (wide > 0) & (cv2.dilate(arm, np.ones((5, 5))) == 0)
    assert front[inside & along].mean() > 0.95
    assert front[beside & along].mean() < 0.1


def test_a_leg_is_pinned_to_the_skin_at_the_hem(in_dress: Person) -> None:
    """A shin that is seen 5 px beside the bone, and a little narrower than a usual one."""
    leg = dataclasses.replace(in_dress[3].legs[0], cloth_end=1.4)
    knee, ankle = leg.joints[1], leg.joints[2]
    labels = np.full(SIZE, Label.BACKGROUND, np.uint8)
    half = float(leg.radius[36]) * 0.9
    cv2.line(
        labels, (round(float(knee[0]) + 5), round(float(knee[1]))), (round(float(ankle[0]) + 5), 511), int(Label.SKIN), round(2 * half)
    )
    pinned = bare_leg(labels, leg)
    at = 0.6 * (pinned.joints[1] - knee) + 0.4 * (pinned.joints[2] - ankle)
    assert at[0] == pytest.approx(5, abs=1.5)
    assert pinned.radius[35] == pytest.approx(half, rel=0.15)
    assert pinned.joints[0] == pytest.approx(leg.joints[0])


def legs_layers(colour: tuple[int, int, int], bottom: int = 470) -> Layers:
    """Trousers of one colour: two strips from the waist down to the row `bottom`."""
    alpha, place = torch.zeros(1, 1, *SIZE), torch.full((1, 2, *SIZE), -2.0)
    for left, right, outer in ((146, 190, -1), (194, 238, 1)):
        alpha[..., 290:bottom, left:right] = 1
        across = torch.linspace(-1, 1, right - left) * -outer
        place[:, 0, 280 : bottom + 8, left:right] = across
        place[:, 1, 280 : bottom + 8, left:right] = torch.linspace(0, 1, bottom + 8 - 280)[:, None]
    cloth = torch.tensor(colour, dtype=torch.float32)[None, :, None, None].expand(1, 3, *SIZE)
    none = torch.zeros(1, 1, *SIZE)
    return Layers(torch.zeros(1, 3, *SIZE), none, none, torch.full((1, 2, *SIZE), -2.0), torch.full((1,), 3.0), cloth, alpha, place)


def dressed(scene: Scene, layers: Layers, unit_px: float, legs: Legs | None) -> Blend:
    zero = torch.zeros(1)
    return blend(scene, layers, zero, zero, torch.zeros(1, 2), unit_px, legs)


def legs_of(front: tuple[float, float]) -> Legs:
    return Legs(torch.ones(1), torch.ones(1), torch.tensor([front]))


def scene_of(who: Person, drawn: Category, off: Off) -> Scene:
    return Scene.of(who[0], plate_of(who, drawn, off), (True, True), CPU)


def test_trousers_hang_behind_the_top_and_are_shown_as_they_are(in_trousers: Person) -> None:
    picture, _, parse, body = in_trousers
    result = dressed(scene_of(in_trousers, Category.LOWER, Off.LOWER), legs_layers((200, 0, 0)), body.unit_px, legs_of((1, 1)))
    drawn = result.picture[0].permute(1, 2, 0).numpy()
    assert drawn[400, 168].tolist() == pytest.approx([200, 0, 0], abs=20)
    assert (drawn[292, 175:205] == picture[292, 175:205]).all()
    same = ~result.edit[0, 0].numpy()
    assert (drawn[same] == picture[same]).all()
    assert parse.labels[292, 190] == Label.UPPER


def test_the_leg_behind_is_darker(in_trousers: Person) -> None:
    scene, body = scene_of(in_trousers, Category.LOWER, Off.LOWER), in_trousers[3]
    even = dressed(scene, legs_layers((200, 0, 0)), body.unit_px, legs_of((1, 1))).picture[0, 0].float()
    left_first = dressed(scene, legs_layers((200, 0, 0)), body.unit_px, legs_of((1, 0))).picture[0, 0].float()
    inner = (slice(410, 450), slice(195, 199))
    assert left_first[inner].mean() < even[inner].mean() - 10
    assert left_first[410:450, 150:185].mean() == pytest.approx(float(even[410:450, 150:185].mean()), abs=1)


def test_an_outfit_keeps_the_inner_garment_and_the_photo(in_trousers: Person) -> None:
    picture, _, _, body = in_trousers
    inner = dressed(scene_of(in_trousers, Category.LOWER, Off.BOTH), legs_layers((200, 0, 0)), body.unit_px, legs_of((1, 1)))
    outer_scene = scene_of(in_trousers, Category.UPPER, Off.BOTH).after(inner, body.unit_px, None)
    alpha = torch.zeros(1, 1, *SIZE)
    alpha[..., 130:320, 150:235] = 1
    colour = torch.zeros(1, 3, *SIZE)
    colour[:, 1] = 180
    place = torch.zeros(1, 2, *SIZE)
    none = torch.zeros(1, 1, *SIZE)
    top = Layers(colour, alpha, none, place, torch.full((1,), 3.0), colour, none, torch.full((1, 2, *SIZE), -2.0))
    result = dressed(outer_scene, top, body.unit_px, None)
    drawn = result.picture[0].permute(1, 2, 0).numpy()
    assert drawn[250, 192].argmax() == 1
    assert drawn[420, 168].tolist() == pytest.approx([200, 0, 0], abs=20)
    assert (result.edit >= inner.edit).all()
    same = ~result.edit[0, 0].numpy()
    assert (drawn[same] == picture[same]).all()
