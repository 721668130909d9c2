"""The front neckline and the inside of the back above it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from models.garment.neckshape import Edges, Shape, angles, find_shape, radii
from models.samples import Packshot, UpperStyle
from models.types import FloatArray, GarmentReading
from tests.models.figures import upper_marks

Draw = Callable[[str], Packshot]
Read = Callable[[str], GarmentReading]


def test_the_inner_back_of_the_wardrobe(wardrobe: dict[str, UpperStyle], drawn: Draw, reading: Read) -> None:
    overlap = {}
    for name in wardrobe:
        found, true = reading(name).inner_back > 0.5, drawn(name).inner_back
        overlap[name] = float((found & true).sum() / max(1, (found | true).sum()))
    assert np.median(list(overlap.values())) > 0.88, overlap
    assert np.mean([v > 0.6 for v in overlap.values()]) > 0.85, overlap


def test_the_rib_of_the_front_stays_front(wardrobe: dict[str, UpperStyle], drawn: Draw, reading: Read) -> None:
    lost = []
    for name in ("tee", "tee-print", "scoop", "long", "v", "on-dark"):
        true = drawn(name)
        # a band just under the inner back, as wide as a rib
        back = true.inner_back.astype(np.uint8)
        band = (cv2.dilate(back, np.ones((15, 15))) > 0) & ~true.inner_back & true.mask
        band &= np.arange(band.shape[0])[:, None] > np.flatnonzero(true.inner_back.any(1)).mean()
        lost.append(float((reading(name).inner_back[band] > 0.5).mean()))
    assert np.median(lost) < 0.08
    assert max(lost) < 0.3


def test_necklines_run_from_neck_point_to_neck_point(wardrobe: dict[str, UpperStyle], drawn: Draw, reading: Read) -> None:
    away = []
    for name in wardrobe:
        true, found = upper_marks(drawn(name).landmarks), upper_marks(reading(name).landmarks)
        between = np.hypot(*(found.neckline[:, None] - true.neckline[None]).transpose(2, 0, 1)).min(1)
        away.append(float(between.mean() / np.hypot(*(true.armpit[1] - true.armpit[0]))))
    assert np.median(away) < 0.012


def test_the_inner_back_lies_within_the_garment(reading: Read) -> None:
    found = reading("scoop")
    assert (found.inner_back <= found.alpha + 1e-6).all()
    assert found.inner_back.max() > 0.9


def seen_at(shape: Shape, strength: float) -> Edges:
    """What an even edge along `shape` looks like from the neck's middle."""
    r = shape.radius(angles())
    near = np.exp(-0.5 * ((radii()[None] - r[:, None]) / 0.012) ** 2).astype(np.float32)
    change = np.stack([strength * near, 0 * near, 0 * near], -1)
    return Edges(change, np.full((*near.shape, 3), 100.0, np.float32), np.minimum(strength * near, 9.0))


def radius_of(shape: Shape | None) -> FloatArray:
    assert shape is not None
    return shape.radius(angles())


def test_shapes_are_found_again() -> None:
    for true in (Shape(0.48, 0.42, 2.1, 1.0), Shape(0.48, 0.8, 1.0, 1.0), Shape(0.48, 0.62, 2.6, 1.0)):
        edges = seen_at(true, 18.0)
        found = find_shape((edges, edges), 0.05, standing=False, flat=False)
        assert np.abs(radius_of(found) - radius_of(true)).max() < 0.05


def test_no_edge_no_shape() -> None:
    nothing = seen_at(Shape(0.48, 0.4, 2.0, 1.0), 0.0)
    assert find_shape((nothing, nothing), 0.05, standing=False, flat=False) is None


def test_the_seam_of_a_rib_is_not_the_neckline() -> None:
    # an edge that meets the shoulders outside the neck points: the front's own edge lies a rib's width above it
    seam = seen_at(Shape(0.60, 0.50, 2.1, 1.0), 18.0)
    found = find_shape((seam, seam), 0.05, standing=False, flat=False)
    assert found is not None
    assert found.across < 0.53
    assert 0.33 < found.depth < 0.45
