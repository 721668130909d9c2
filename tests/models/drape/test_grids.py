from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.drape.grids import (
    ARMPIT_ROW,
    BODY_ROWS,
    COLLAR_ROWS,
    NECK_U,
    RIDGE_COLUMNS,
    SHOULDER_ROW,
    SLEEVE_ROWS,
    SLEEVE_SHAPE,
    TORSO_SHAPE,
    YOKE_ROWS,
    SleeveCurves,
    TorsoCurves,
    resample,
    sleeve_grid,
    torso_grid,
    triangles,
)


def torso_curves(waist: float = 0.0, middle: float = 1.0, tilt: float = 0.0) -> TorsoCurves:
    """A plain torso, 200 px wide; `waist` narrows its sides, `tilt` raises one shoulder, px."""
    t = torch.linspace(0, 1, BODY_ROWS + 1)
    inward = waist * torch.sin(torch.pi * t)
    left = torch.stack([100 + inward, 200 + 300 * t], -1)
    right = torch.stack([300 - inward, 200 + 300 * t], -1)
    shoulder = torch.tensor([[[120.0, 100 + tilt], [280.0, 100 - tilt]]])
    neck = torch.tensor([[[160.0, 80.0], [240.0, 80.0]]])
    share = torch.linspace(0, 1, RIDGE_COLUMNS + 1)[1:-1, None]
    ridge = torch.stack([neck[0, k] * (1 - share) + shoulder[0, k] * share for k in (0, 1)])[None]
    return TorsoCurves(
        neck=neck,
        shoulder=shoulder,
        ridge=ridge,
        armpit=torch.stack([left[0], right[0]])[None],
        armhole=(shoulder + torch.stack([left[0], right[0]])[None]) / 2,
        side=torch.stack([left, right])[None],
        collar=torch.tensor([[[0.0, -30.0], [0.0, -30.0]]]),
        lift=torch.zeros(1, 2),
        middle=torch.full((1, YOKE_ROWS + BODY_ROWS + 1), middle),
    )


def signed_areas(grid: torch.Tensor, shape: tuple[int, int]) -> np.ndarray:
    points = grid.reshape(-1, 2).numpy()
    a, b, c = (points[triangles(shape)[:, i]] for i in range(3))
    return np.asarray((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])


@given(waist=st.floats(-30, 45), middle=st.floats(0.8, 1.15), tilt=st.floats(-15, 15))
@settings(max_examples=40, deadline=None)
def test_no_triangle_turns_over(waist: float, middle: float, tilt: float) -> None:
    areas = signed_areas(torso_grid(torso_curves(waist, middle, tilt))[0], TORSO_SHAPE)
    assert (areas * np.sign(np.median(areas)) > 0).all()


def test_outline_points_are_vertices() -> None:
    curves = torso_curves(waist=20)
    grid = torso_grid(curves)[0]
    neck_column = 1 + RIDGE_COLUMNS
    torch.testing.assert_close(grid[SHOULDER_ROW, 1], curves.shoulder[0, 0])
    torch.testing.assert_close(grid[SHOULDER_ROW, neck_column], curves.neck[0, 0])
    torch.testing.assert_close(grid[SHOULDER_ROW, -1 - neck_column], curves.neck[0, 1])
    torch.testing.assert_close(grid[ARMPIT_ROW, 1], curves.armpit[0, 0])
    torch.testing.assert_close(grid[ARMPIT_ROW : ARMPIT_ROW + BODY_ROWS + 1, -2], curves.side[0, 1])
    torch.testing.assert_close(grid[0, neck_column], curves.neck[0, 0] + curves.collar[0, 0])
    assert abs(NECK_U * 10 - round(NECK_U * 10)) < 1e-9, "neck points must lie on a column"
    assert COLLAR_ROWS == SHOULDER_ROW


def test_sleeves_share_their_seam_with_the_torso() -> None:
    curves = torso_curves()
    torso = torso_grid(curves)[0]
    t = torch.linspace(0, 1, SLEEVE_ROWS + 1)[None, None, :, None]
    outer = curves.shoulder[:, :, None] * (1 - t) + torch.tensor([[[40.0, 260.0], [360.0, 260.0]]])[:, :, None] * t
    inner = curves.armpit[:, :, None] * (1 - t) + torch.tensor([[[80.0, 270.0], [320.0, 270.0]]])[:, :, None] * t
    seam = sleeve_grid(SleeveCurves(outer, inner))[0, 0, 0, 1:-1]
    armhole = torso[SHOULDER_ROW : ARMPIT_ROW + 1, 1]
    # every seam vertex of the sleeve lies on the torso's straight armhole
    direction = armhole[-1] - armhole[0]
    offset = seam - armhole[0]
    cross = offset[:, 0] * direction[1] - offset[:, 1] * direction[0]
    assert cross.abs().max() / direction.norm() < 1e-3
    assert (signed_areas(sleeve_grid(SleeveCurves(outer, inner))[0, 0], SLEEVE_SHAPE) != 0).all()


def test_resample_keeps_ends_and_spaces_evenly() -> None:
    curve = np.array([[0, 0], [1, 0], [10, 0], [10, 5]], np.float32)
    points = resample(curve, 16)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert np.allclose(points[0], curve[0])
    assert np.allclose(points[-1], curve[-1])
    assert steps.max() < 1.001
    assert steps[:9].min() > 0.99
