"""The small tools: axis, half outlines, scales, masks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.garment.axis import find_frame
from models.garment.halves import Half, corner, halves, off_chord, open_gaps, resample, to_frame, turning
from models.garment.maskops import disk, fill_holes, reachable_by
from models.garment.outline import fill_pockets
from models.garment.scale import WORK_SIDE, points_to_picture, to_work
from models.types import BoolArray


def kite(tilt_deg: float = 0.0, middle: tuple[float, float] = (210.0, 180.0)) -> BoolArray:
    """(360, 400) a shape with one axis of symmetry, through `middle`, leaning by `tilt_deg`."""
    corners = np.array([(0, -130), (90, -40), (60, 120), (-60, 120), (-90, -40)], float)
    turn = np.deg2rad(tilt_deg)
    turned = corners @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + middle
    mask = np.zeros((360, 400), np.uint8)
    cv2.fillPoly(mask, [np.round(turned * 16).astype(np.int32)], 1, shift=4)
    return mask > 0


@pytest.mark.parametrize("tilt_deg", [-6.0, -2.5, 0.0, 4.0])
def test_the_axis_is_found_where_it_leans(tilt_deg: float) -> None:
    frame = find_frame(kite(tilt_deg))
    assert abs(frame.tilt_deg - tilt_deg) < 0.6
    assert frame.symmetry > 0.97
    assert np.hypot(frame.centre[0] - 210, 0.0) < 3 + abs(np.tan(np.deg2rad(tilt_deg))) * 40


@pytest.mark.parametrize("tilt_deg", [-5.0, 0.0, 3.0])
def test_the_frame_is_upright_and_leads_back(tilt_deg: float) -> None:
    mask = kite(tilt_deg)
    frame = find_frame(mask)
    upright = frame.upright(mask.astype(np.float32)) > 0.5
    assert abs(find_frame(upright).tilt_deg) < 1.0
    ys, xs = np.nonzero(upright)
    back = frame.to_picture(np.stack([xs, ys], -1).astype(np.float32)).round().astype(int)
    assert mask[back[:, 1].clip(0, 359), back[:, 0].clip(0, 399)].mean() > 0.98
    assert (np.abs(frame.back(upright.astype(np.float32)) - mask).mean()) < 0.01


def test_lopsided_things_are_less_symmetric() -> None:
    mask = kite()
    mask[60:200, 100:140] = True
    assert find_frame(mask).symmetry < find_frame(kite()).symmetry - 0.03


def test_halves_mirror_each_other() -> None:
    left, right = halves(kite(), 210.0)
    assert np.abs(resample(left.points, count=200) - resample(right.points, count=200)).max() < 2.5
    assert left.y[0] < left.y[-1]
    assert left.u.max() == pytest.approx(90, abs=2)
    assert to_frame(left.points, 210.0, 0)[:, 0].min() == pytest.approx(120, abs=2)


def notch(angle_deg: float) -> Half:
    """Down, and out again: a concave corner of so many degrees between its arms, at (0, 100)."""
    turn = np.deg2rad(angle_deg)
    t = np.linspace(0, 100, 101)[:, None]
    first = np.array([0.0, 100.0]) + (100 - t) * (np.sin(turn / 2), -np.cos(turn / 2))
    second = np.array([0.0, 100.0]) + t * (-np.sin(turn / 2), -np.cos(turn / 2))
    return Half(np.concatenate([first, second[1:]])[::-1].astype(np.float32))


@pytest.mark.parametrize("angle_deg", [20.0, 60.0, 110.0])
def test_turns_are_measured(angle_deg: float) -> None:
    turn = np.rad2deg(np.abs(turning(notch(angle_deg), 30))[100])
    assert min(abs(turn - (180 - angle_deg)), abs(360 - turn - (180 - angle_deg))) < 2


def test_a_rounded_corner_is_sharpened() -> None:
    half = notch(50.0)
    points = half.points.copy()
    kept = np.r_[points[:85], points[116:]]
    blunt = Half(resample(kept, step_px=1.0))
    at = int(np.hypot(*(blunt.points - (0, 100)).T).argmin())
    assert np.hypot(*(corner(blunt, at, 60, 40.0) - (0, 100))) < 2
    assert np.hypot(*(corner(blunt, at, 60, 3.0) - blunt.points[at])) <= 3.01


def test_chords_tell_hollow_from_bulge() -> None:
    x = np.linspace(0, 100, 51)
    arch = np.stack([x, -20 * np.sin(np.pi * x / 100)], -1).astype(np.float32)
    assert off_chord(arch).max() == pytest.approx(20, abs=0.1)
    assert off_chord(arch * (1, -1)).min() == pytest.approx(-20, abs=0.1)


def test_a_gap_that_is_closed_below_is_opened_downwards() -> None:
    mask = np.ones((200, 120), bool)
    mask[:, :10] = mask[:, -10:] = mask[:10] = mask[-10:] = False
    mask[60:150, 40:48] = False
    opened = open_gaps(mask)
    assert not opened[150:190, 36:52].all(1).any()
    assert opened[60:150, 12:38].all()


def test_leaks_are_stopped_but_corners_reached() -> None:
    mask = np.zeros((200, 200), bool)
    mask[40:160, 40:160] = True
    mask[80:120, 80:120] = False
    mask[98:102, 120:160] = False  # a leak, four px wide and forty long
    assert fill_pockets(mask)[90:110, 90:110].all()
    wide = mask.copy()
    wide[90:110, 120:160] = False
    assert not fill_pockets(wide)[95:105, 85:155].any()
    assert fill_holes(mask).sum() < fill_pockets(mask).sum()
    assert not reachable_by(~mask, disk(9))[100, 100]


@pytest.mark.parametrize("shape", [(300, 200), (2048, 1536), (700, 1400)])
def test_points_survive_the_working_size(shape: tuple[int, int]) -> None:
    picture = np.zeros((*shape, 3), np.uint8)
    work = to_work(picture)
    assert max(work.shape[:2]) == WORK_SIDE
    corners = np.array([[-0.5, -0.5], [work.shape[1] - 0.5, work.shape[0] - 0.5]], np.float32)
    assert np.allclose(points_to_picture(corners, work.shape, shape), [[-0.5, -0.5], [shape[1] - 0.5, shape[0] - 0.5]], atol=0.02)
