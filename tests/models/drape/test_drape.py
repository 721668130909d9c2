"""What a user would notice of the drape: it does not move what fits already, mirrors, and does not depend on resolution."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from models.drape.cut import Garment, Measures, cut
from models.drape.frame import Frame, Placement
from models.drape.grids import SLEEVE_ROWS, YOKE_ROWS, SleeveCurves, TorsoCurves
from models.drape.targets import place, tuck_code
from models.drape.warp import Topology, layers, warp
from models.garment import read_garment_picture
from models.person.body import measure_body
from models.samples import UpperStyle, draw_upper
from models.types import Category, GarmentReading, Label, Tuck
from tests.models.figures import figure, mirrored, parse_of, upper_measures

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def reading() -> GarmentReading:
    return read_garment_picture(draw_upper(UpperStyle(sleeve="short")).picture, Category.UPPER)


@pytest.fixture(scope="module")
def garment(reading: GarmentReading) -> Garment:
    return cut(reading, CPU)


def own_placement(garment: Garment) -> Placement:
    """Curves read back from the garment's own grids: the drape that moves nothing."""
    torso, sleeves = garment.torso, garment.sleeves
    from models.drape.grids import ARMPIT_ROW, HEM_ROW, RIDGE_COLUMNS, SHOULDER_ROW

    neck = 1 + RIDGE_COLUMNS
    line = torso[:, SHOULDER_ROW]
    return Placement(
        torso=TorsoCurves(
            neck=torch.stack([line[:, neck], line[:, -1 - neck]], 1),
            shoulder=torch.stack([line[:, 1], line[:, -2]], 1),
            ridge=torch.stack([line[:, 2:neck].flip(1), line[:, -neck:-2]], 1),
            armpit=torch.stack([torso[:, ARMPIT_ROW, 1], torso[:, ARMPIT_ROW, -2]], 1),
            armhole=(line[:, [1, -2]] + torso[:, ARMPIT_ROW, [1, -2]]) / 2,
            side=torch.stack([torso[:, ARMPIT_ROW : HEM_ROW + 1, 1], torso[:, ARMPIT_ROW : HEM_ROW + 1, -2]], 1),
            collar=torch.stack([torso[:, 0, neck] - line[:, neck], torso[:, 0, -1 - neck] - line[:, -1 - neck]], 1),
            lift=torch.zeros(1, 2),
            middle=torch.ones(1, YOKE_ROWS + HEM_ROW - ARMPIT_ROW + 1),
        ),
        sleeves=SleeveCurves(sleeves[:, :, : SLEEVE_ROWS + 1, 1], sleeves[:, :, : SLEEVE_ROWS + 1, -2]),
        scale=torch.ones(1),
        tucked=torch.zeros(1),
        hem_kept=torch.zeros(1),
        sleeve_end=torch.zeros(1, 2),
        left_on_top=torch.zeros(1),
        stripped=torch.ones(1),
        dress=torch.zeros(1),
        split=torch.zeros(1),
    )


def test_a_garment_draped_on_itself_stays_where_it_is(garment: Garment) -> None:
    size = garment.mask.shape
    warped = warp(own_placement(garment), garment.torso, garment.sleeves, Topology.on(CPU), (size[0], size[1]))
    y, x = torch.meshgrid(torch.arange(float(size[0])), torch.arange(float(size[1])), indexing="ij")
    for piece in (warped.torso, warped.sleeves):
        covered = piece[0, 0] > -1e3
        assert covered.float().mean() > 0.02
        assert (piece[0, 0] - x)[covered].abs().max() < 0.05
        assert (piece[0, 1] - y)[covered].abs().max() < 0.05
    sleeved = upper_measures(garment.measures).sleeved
    sampled = layers(garment.texture[None], torch.tensor([garment.texture_scale]), warped, sleeved, torch.zeros(1))
    shown = torch.maximum(torch.maximum(sampled.torso_alpha, sampled.back_alpha), sampled.sleeve_alpha)[0, 0].numpy() > 0.5
    mask = garment.mask > 0
    assert (shown & mask).sum() / (shown | mask).sum() > 0.985


def placed(size: tuple[int, int], measures: Measures, *, mirror: bool = False, tuck: Tuck = Tuck.AUTO) -> Placement:
    scene = figure(size)
    _, pose, parse = mirrored(*scene) if mirror else scene
    return place(Frame.of(measure_body(pose, parse), CPU), measures, torch.tensor([tuck_code(tuck)]))


def curves(placement: Placement) -> dict[str, torch.Tensor]:
    names = [f.name for f in dataclasses.fields(TorsoCurves) if f.name not in ("middle", "collar", "lift")]
    torso = {name: getattr(placement.torso, name) for name in names}
    return torso | {"outer": placement.sleeves.outer, "inner": placement.sleeves.inner}


def flipped(measures: Measures) -> Measures:
    return dataclasses.replace(
        measures,
        armpit_drop=measures.armpit_drop.flip(1),
        armhole=measures.armhole.flip(1),
        side_half=measures.side_half.flip(1),
        collar=measures.collar.flip(1),
        sleeve=measures.sleeve.flip(1),
    )


def test_mirrored_people_and_garments_give_mirrored_drapes(garment: Garment) -> None:
    measures = upper_measures(garment.measures)
    plain, other = curves(placed((512, 384), measures)), curves(placed((512, 384), flipped(measures), mirror=True))
    for name, value in plain.items():
        back = other[name].flip(1).clone()
        back[..., 0] = 383 - back[..., 0]
        assert (back - value).abs().max() < 2.5, name  # the drawn labels are whole pixels


def test_resolution_does_not_move_the_garment(garment: Garment) -> None:
    measures = upper_measures(garment.measures)
    small, large = curves(placed((512, 384), measures)), curves(placed((1024, 768), measures))
    for name, value in small.items():
        assert ((large[name] + 0.5) / 2 - 0.5 - value).abs().max() < 2.5, name


def test_sleeves_end_in_the_order_of_their_length() -> None:
    ends = []
    for sleeve in ("short", "three_quarter", "long"):
        drawn = read_garment_picture(draw_upper(UpperStyle(sleeve=sleeve)).picture, Category.UPPER)
        ends.append(float(placed((512, 384), upper_measures(cut(drawn, CPU).measures)).sleeve_end.mean()))
    assert ends[0] < 0.95
    assert ends[0] < ends[1] < ends[2]
    assert ends[2] > 1.6


def test_a_sleeveless_armhole_lies_where_the_worn_one_does() -> None:
    drawn = read_garment_picture(draw_upper(UpperStyle(sleeve="none")).picture, Category.UPPER)
    measures = upper_measures(cut(drawn, CPU).measures)
    _, pose, parse = figure((1024, 768), sleeve=0)
    for half in (78, 90):  # px, of the worn top
        labels = parse.labels.copy()
        aside = np.abs(np.arange(768) - 383.5) > half
        labels[(labels == Label.UPPER) & aside] = Label.SKIN
        placement = place(Frame.of(measure_body(pose, parse_of(labels)), CPU), measures, torch.zeros(1))
        assert placement.torso is not None
        own = (measures.armhole * placement.scale[:, None])[0].numpy() * (-1, 1)
        assert placement.torso.armhole[0, :, 0].numpy() - own == pytest.approx([383.5 - half, 383.5 + half], abs=3)


def test_tuck_is_obeyed(garment: Garment) -> None:
    inside, outside = (placed((512, 384), upper_measures(garment.measures), tuck=t) for t in (Tuck.IN, Tuck.OUT))
    assert inside.tucked.item() == 1
    assert outside.tucked.item() == 0


def test_placement_is_finite_for_a_person_cut_off_at_the_chest(garment: Garment) -> None:
    picture, pose, parse = figure()
    cut_off = parse_of(np.ascontiguousarray(parse.labels[:220]))
    assert picture.shape[0] > 220
    placement = place(Frame.of(measure_body(pose, cut_off), CPU), upper_measures(garment.measures), torch.zeros(1))
    for name, value in curves(placement).items():
        assert torch.isfinite(value).all(), name
