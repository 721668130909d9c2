from __future__ import annotations

import pytest
import torch

from models.drape.grids import triangles
from models.drape.raster import affine_maps, evaluate, triangle_ids


def lattice(rows: int, columns: int, spacing: float) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return (torch.stack([x, y], -1).reshape(1, -1, 2) * spacing + 3.3).to(torch.float32)


@pytest.mark.parametrize("step", [1, 2, 4])
def test_a_lattice_is_covered_without_holes_and_maps_exactly(step: int) -> None:
    shape, size = (6, 9), (64, 96)
    vertices = lattice(*shape, spacing=9.0)
    triangle = torch.from_numpy(triangles(shape))
    ids = triangle_ids(vertices, triangle, size, step)
    covered = (ids[0] >= 0).repeat_interleave(step, 0).repeat_interleave(step, 1)
    assert covered[4 + step : 48 - step, 4 + step : 75 - step].all()
    assert not covered[: max(0, 3 - step)].any()
    # an affine function of the place is reproduced at every covered pixel centre, whatever the reduction
    matrix = torch.tensor([[0.7, -0.2], [0.4, 1.1]])
    attributes = vertices @ matrix.T + torch.tensor([5.0, -2.0])
    values = evaluate(ids, affine_maps(vertices, attributes, triangle), step, outside=-99.0)
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")
    expected = (torch.stack([x, y], -1) @ matrix.T + torch.tensor([5.0, -2.0])).permute(2, 0, 1)
    difference = (values[0] - expected).abs().amax(0)
    assert difference[covered].max() < 1e-2
    assert (values[0, 0][~covered] == -99.0).all()


def test_the_highest_number_wins_where_triangles_overlap() -> None:
    one = torch.tensor([[[2.0, 2.0], [20.0, 2.0], [2.0, 20.0]]])
    vertices = torch.cat([one, one + 1.0], 1)
    ids = triangle_ids(vertices, torch.tensor([[0, 1, 2], [3, 4, 5]]), (24, 24), 1)
    assert ids[0, 6, 6] == 1
    assert ids[0, 2, 2] == 0


def test_a_batch_is_rasterised_like_its_members() -> None:
    shape = (5, 5)
    triangle = torch.from_numpy(triangles(shape))
    first, second = lattice(*shape, spacing=6.0), lattice(*shape, spacing=8.0) + 1.7
    both = triangle_ids(torch.cat([first, second]), triangle, (48, 48), 2)
    assert torch.equal(both[:1], triangle_ids(first, triangle, (48, 48), 2))
    assert torch.equal(both[1:], triangle_ids(second, triangle, (48, 48), 2))
