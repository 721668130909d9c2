from __future__ import annotations

import numpy as np
import pytest

from models.person.body import ROW_COUNT, ROW_SPAN, Body, measure_body
from models.person.limbs import LIMB_COUNT, arm_coordinates, cloth_end, sleeve_ends
from models.types import Label
from tests.models.figures import figure, mirrored


@pytest.fixture(scope="module")
def body() -> Body:
    _, pose, parse = figure((1024, 768))
    return measure_body(pose, parse)


def test_frame(body: Body) -> None:
    assert body.unit_px == pytest.approx(200, abs=1)
    assert body.trunk_px == pytest.approx(300, abs=2)
    assert body.up @ [0, -1] > 0.999
    assert body.right @ [1, 0] > 0.999
    assert body.over @ body.right == pytest.approx(0, abs=1e-6)


def test_tips_lie_on_the_shoulders(body: Body) -> None:
    _, _, parse = figure((1024, 768))
    for tip in body.tip:
        column = parse.labels[:, round(float(tip[0]))]
        outline = int(np.flatnonzero(column == Label.UPPER)[0])
        assert abs(tip[1] - outline) < 0.06 * body.unit_px


def test_waist_line_is_where_the_trousers_begin(body: Body) -> None:
    assert body.waist_known
    middle = float(body.middle[1] + body.waist[len(body.waist) // 2])
    assert middle == pytest.approx(2 * 302, abs=8)


def test_sides_follow_the_drawn_trunk(body: Body) -> None:
    row = round(1.0 * body.unit_px / (ROW_SPAN * body.unit_px) * (ROW_COUNT - 1))
    assert body.side[:, row] == pytest.approx([84, 84], abs=10)


@pytest.mark.parametrize("sleeve", [0.3, 0.6, 0.9])
def test_sleeve_ends(sleeve: float) -> None:
    _, pose, parse = figure((1024, 768), sleeve=sleeve)
    for arm in measure_body(pose, parse).arms:
        # the drawn sleeve's round end reaches about its half width further
        assert arm.sleeve_end == pytest.approx(sleeve + 0.15, abs=0.12)


def test_arm_coordinates_run_from_shoulder_to_fingers(body: Body) -> None:
    arm = body.arms[0]
    reach, place = arm_coordinates(arm.joints, arm)
    assert reach == pytest.approx([0, 0, 0, 0], abs=0.05)
    assert place[:3] == pytest.approx([0, 1, 2], abs=0.02)
    assert 2.2 < place[3] < 2.5
    assert arm.radius.shape == (LIMB_COUNT,)


def test_a_mirrored_person_has_mirrored_measures() -> None:
    scene = figure((1024, 768))
    plain = measure_body(scene[1], scene[2])
    _, pose, parse = mirrored(*scene)
    other = measure_body(pose, parse)
    assert other.side[::-1] == pytest.approx(plain.side, abs=4)
    assert other.top[::-1] == pytest.approx(plain.top, abs=4)
    assert other.arms[1].radius == pytest.approx(plain.arms[0].radius, abs=1.5)


def test_cut_off_people_are_measured() -> None:
    from tests.models.figures import parse_of

    _, pose, parse = figure((1024, 768))
    body = measure_body(pose, parse_of(np.ascontiguousarray(parse.labels[:430])))
    assert not body.waist_known
    for value in (body.side, body.top, body.waist, body.tip):
        assert np.isfinite(value).all()


def test_trunk_cloth_before_an_arm_is_no_sleeve() -> None:
    labels = np.zeros((200, 200), np.uint8)
    labels[20:60, 20:180] = Label.UPPER  # sleeves end at 60
    labels[60:180, 30:50] = labels[60:180, 150:170] = Label.SKIN
    labels[60:150, 25:140] = Label.UPPER  # the trunk's cloth hides the left arm
    joints = [np.array([[x, 20], [x, 100], [x, 180], [x, 195]], np.float32) for x in (40, 160)]
    radius = np.full(LIMB_COUNT, 8, np.float32)
    assert cloth_end(labels, joints[0], radius, (Label.UPPER,)) > 1.4
    ends = sleeve_ends(labels, joints, [radius, radius])
    assert ends[0] == ends[1] == pytest.approx(0.5, abs=0.05)


def test_a_waistband_goes_on_behind_a_bag(body: Body) -> None:
    """As far as on the other side, where its end is seen."""
    from tests.models.figures import parse_of

    _, pose, parse = figure((1024, 768))
    labels = parse.labels.copy()
    lower = labels == Label.LOWER
    axis = float(body.hip_middle[0])
    lower[:, round(axis - 0.25 * body.unit_px) :] = False
    labels[lower] = Label.OTHER
    held = measure_body(pose, parse_of(labels))
    assert (body.band > 0.3 * body.unit_px).all()
    assert held.band[0] == pytest.approx(body.band[0], abs=0.05 * body.unit_px)
