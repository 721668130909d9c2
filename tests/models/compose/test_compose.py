from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from models.compose.blend import Blend, Layers, Scene, blend, soft
from models.compose.plate import Plate, make_plate
from models.compose.pull_push import pull_push
from models.masks import grow
from models.person.body import Body, measure_body
from models.types import Label, LabelMap, Picture
from tests.models.figures import GROUND_COLOUR, SKIN_COLOUR, TOP_COLOUR, TROUSER_COLOUR, figure

CPU = torch.device("cpu")
SIZE = (512, 384)


@pytest.fixture(scope="module")
def scene() -> tuple[Picture, LabelMap, Body, Plate]:
    picture, pose, parse = figure(SIZE)
    body = measure_body(pose, parse)
    return picture, parse.labels, body, make_plate(picture, parse, body)


def test_pull_push_keeps_what_is_known_and_spreads_it() -> None:
    picture = np.zeros((64, 64, 3), np.float32)
    picture[:, :32], picture[:, 32:] = 10, 200
    weight = np.zeros((64, 64), np.float32)
    weight[:, :8] = weight[:, -8:] = 1
    filled = pull_push(picture, weight)
    assert np.allclose(filled[:, :8], 10, atol=0.5)
    assert np.allclose(filled[:, -8:], 200, atol=0.5)
    assert np.isfinite(filled).all()
    assert (filled >= 9.5).all()
    assert (filled <= 200.5).all()


def test_the_old_top_is_gone(scene: tuple[Picture, LabelMap, Body, Plate]) -> None:
    _, labels, _, plate = scene
    distance = np.abs(plate.plate.astype(int) - TOP_COLOUR).max(-1)
    assert (distance[labels == Label.UPPER] < 25).mean() < 0.01


def test_the_plate_is_the_photo_where_nothing_was_removed(scene: tuple[Picture, LabelMap, Body, Plate]) -> None:
    picture, labels, _, plate = scene
    assert (plate.plate[plate.removed == 0] == picture[plate.removed == 0]).all()
    assert plate.removed[labels == Label.UPPER].mean() > 0.98
    face = (labels == Label.SKIN) & (np.arange(SIZE[0])[:, None] < 100)
    assert plate.removed[face].max() == 0


def test_fills_are_skin_cloth_and_ground_where_they_belong(scene: tuple[Picture, LabelMap, Body, Plate]) -> None:
    _, _, body, plate = scene
    arm = body.arms[0].joints[0] * 0.8 + body.arms[0].joints[1] * 0.2
    colour = plate.plate[round(float(arm[1])), round(float(arm[0]))].astype(int)
    assert np.abs(colour - SKIN_COLOUR).max() < 60
    assert colour[0] > colour[2] + 20  # skin is warm, the under-layer is not
    belly = plate.plate[260, 192].astype(int)
    assert belly.max() - belly.min() < 25  # a neutral layer, no skin
    # where only ground lay behind a sleeve, ground comes out: outside arm and trunk
    hidden = (plate.removed > 0.99) & (plate.arm_cover.max(0) == 0)
    hidden[:, 130:254] = False
    if hidden.any():
        assert np.abs(plate.plate[hidden].astype(int) - GROUND_COLOUR).max(-1).mean() < 40
    assert TROUSER_COLOUR != TOP_COLOUR


def test_a_strap_taken_for_skin_comes_off() -> None:
    picture, pose, parse = figure(SIZE)
    body = measure_body(pose, parse)
    x, y = (round(float(v)) for v in body.middle)
    bare = (parse.labels == Label.UPPER) & (np.arange(SIZE[0])[:, None] < y + 20)
    strap, tattoo = bare.copy(), np.zeros_like(bare)
    strap[:, : x - 30], strap[:, x - 26 :] = False, False
    tattoo[y : y + 6, x + 25 : x + 29] = True
    picture = np.where(bare[..., None], np.array(SKIN_COLOUR, np.uint8), picture)
    picture[strap | tattoo] = TOP_COLOUR
    q = parse.probabilities.copy()
    q[Label.SKIN, bare], q[Label.UPPER, bare] = 1, 0
    labels = np.where(bare, np.uint8(Label.SKIN), parse.labels)
    plate = make_plate(picture, dataclasses.replace(parse, probabilities=q, labels=labels), body)
    assert plate.removed[y:][strap[y:]].mean() > 0.9
    assert plate.removed[tattoo].max() == 0


def test_strands_of_hair_before_the_ground_stay() -> None:
    picture, pose, parse = figure(SIZE)
    hair, cloth = parse.labels == Label.HAIR, parse.labels == Label.UPPER
    strand = (parse.labels == Label.BACKGROUND) & (grow(hair, 7) > 0) & (grow(cloth, 38) > 0) & (grow(cloth, 12) == 0)
    picture = picture.copy()
    picture[strand] = TOP_COLOUR
    assert strand.any()
    assert make_plate(picture, parse, measure_body(pose, parse)).removed[strand].max() == 0


def patch_layers(alpha_value: float) -> Layers:
    """A plain red garment over the trunk."""
    alpha = torch.zeros(1, 1, *SIZE)
    alpha[..., 150:280, 150:235] = alpha_value
    colour = torch.zeros(1, 3, *SIZE)
    colour[:, 0] = 200
    place = torch.zeros(1, 2, *SIZE)
    return Layers(colour, alpha, torch.zeros_like(alpha), place, torch.full((1,), 3.0), colour, torch.zeros_like(alpha), place)


def drawn(scene: tuple[Picture, LabelMap, Body, Plate], alpha_value: float) -> Blend:
    picture, _, body, plate = scene
    return blend(
        Scene.of(picture, plate, (True, True), CPU),
        patch_layers(alpha_value),
        torch.zeros(1),
        torch.zeros(1),
        torch.zeros(1, 2),
        body.unit_px,
    )


def test_nothing_changes_outside_the_edit_mask(scene: tuple[Picture, LabelMap, Body, Plate]) -> None:
    picture = scene[0]
    result = drawn(scene, 1.0)
    same = ~result.edit[0, 0].numpy()
    assert 0.5 < same.mean() < 0.95
    assert (result.picture[0].permute(1, 2, 0).numpy()[same] == picture[same]).all()
    assert not (result.alpha[0, 0].numpy()[same] > 0).any()


def test_the_garment_is_shown_as_it_is(scene: tuple[Picture, LabelMap, Body, Plate]) -> None:
    result = drawn(scene, 1.0).picture[0, :, 215, 192].tolist()
    assert result[0] == pytest.approx(200, abs=12)
    assert result[1:] == [0, 0]


def test_a_face_is_never_touched_even_under_a_garment(scene: tuple[Picture, LabelMap, Body, Plate]) -> None:
    picture, labels, body, plate = scene
    layers = patch_layers(0.0)
    everywhere = dataclasses.replace(layers, torso_alpha=torch.ones(1, 1, *SIZE), sleeve_alpha=torch.ones(1, 1, *SIZE))
    result = blend(Scene.of(picture, plate, (True, True), CPU), everywhere, torch.zeros(1), torch.zeros(1), torch.zeros(1, 2), body.unit_px)
    face = np.zeros(SIZE, bool)
    face[62:100, 182:203] = True
    assert (labels[face] == Label.SKIN).all()
    changed = np.abs(result.picture[0].permute(1, 2, 0).numpy().astype(int) - picture).max(-1)
    assert changed[face].max() <= 2


def test_soft_blurs_without_moving_or_losing() -> None:
    mask = torch.zeros(1, 1, 96, 128)
    mask[..., 40:56, 56:72] = 1
    blurred = soft(mask, 10.0)
    assert blurred.shape == mask.shape
    assert blurred.sum() == pytest.approx(256, rel=0.1)
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(128.0), indexing="ij")
    centre = [(blurred[0, 0] * axis).sum() / blurred.sum() for axis in (y, x)]
    assert centre == pytest.approx([47.5, 63.5], abs=1.0)
