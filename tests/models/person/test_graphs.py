"""MediaPipe's graphs in torch see what MediaPipe sees."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from models.assets import find
from models.bundles import POSE_DETECTOR_MEMBER, POSE_LANDMARKS_MEMBER
from models.engine import Engine, Person
from models.errors import AssetError
from models.person import graphs
from models.person.graphs import TorchNetworks
from models.person.networks import MOST_PEOPLE, MediaPipeNetworks, Sighting
from models.person.observe import SEEN, SURELY_SEEN, Observer
from models.person.tflite import Graph
from models.samples import sample_people
from models.types import Picture
from tests.models.hostless import nothing_from_the_host

SEEN_PX, GUESSED_PX = 0.05, 0.5
"""Most by which a landmark may differ: one that is seen, and one that is not. A hand outside the picture is a guess, and moves by a
pixel when the crop moves by two thousandths of one: then the last bit of the detector's sums decides, which no two runtimes share."""
MASK_MOST, EDGE_MOST = 1e-3, 0.15
"""Most by which a mask may differ, and the wearer's on average; at its edge that one may by the second, because it is put back in steps
of a 32nd of a pixel, and which of two steps it is hangs on the last bit too."""


@pytest.fixture(scope="module")
def photos(person_photo: Picture) -> list[Picture]:
    turned = np.ascontiguousarray(np.concatenate([np.zeros((512, 64, 3), np.uint8), person_photo[:, :408]], 1))
    return [*(person.picture for person in sample_people()), person_photo, turned]


@pytest.fixture(scope="module")
def torch_networks() -> TorchNetworks:
    return TorchNetworks(find(), torch.device("cpu"))


@pytest.fixture(scope="module")
def mediapipe_networks() -> Iterator[MediaPipeNetworks]:
    networks = MediaPipeNetworks(find())
    yield networks
    networks.close()


def apart_px(first: Sighting, second: Sighting, photo: Picture, least: float = SEEN) -> tuple[float, float]:
    """Largest distance of the landmarks of `least` visibility, and of all that are in the picture."""
    size = np.array(photo.shape[1::-1])
    away = np.linalg.norm((first.landmarks[:, :2] - second.landmarks[:, :2]) * size, axis=1)
    inside = ((first.landmarks[:, :2] >= 0) & (first.landmarks[:, :2] <= 1)).all(1)
    seen = inside & (first.landmarks[:, 3] >= least)
    return float(away[seen].max()), float(away[inside].max())


def test_people_are_where_mediapipe_sees_them(
    photos: list[Picture], torch_networks: TorchNetworks, mediapipe_networks: MediaPipeNetworks
) -> None:
    """All photos in one batch, against one by one."""
    for photo, found, expected in zip(photos, torch_networks.people(photos), mediapipe_networks.people(photos), strict=True):
        assert len(found) == len(expected) == 1
        seen_px, inside_px = apart_px(expected[0], found[0], photo)
        assert seen_px < SEEN_PX
        assert inside_px < GUESSED_PX
        assert np.abs(expected[0].landmarks[:, 3] - found[0].landmarks[:, 3]).max() < 0.01
        off = np.abs(expected[0].mask - found[0].mask)
        assert off.mean() < MASK_MOST
        assert off.max() < EDGE_MOST


def test_silhouettes_are_mediapipes(photos: list[Picture], torch_networks: TorchNetworks, mediapipe_networks: MediaPipeNetworks) -> None:
    for found, expected in zip(torch_networks.silhouettes(photos), mediapipe_networks.silhouettes(photos), strict=True):
        assert np.abs(found - expected).max() < MASK_MOST


def test_two_people_are_two(person_photo: Picture, torch_networks: TorchNetworks, mediapipe_networks: MediaPipeNetworks) -> None:
    pair = np.ascontiguousarray(np.concatenate([person_photo[:, :448], person_photo[:, 60:508]], 1))
    found, expected = torch_networks.people([pair])[0], mediapipe_networks.people([pair])[0]
    assert len(found) == len(expected) == 2
    for one, other in zip(expected, found, strict=True):
        seen_px, inside_px = apart_px(one, other, pair, SURELY_SEEN)  # the elbows of one are cut off by the other
        assert seen_px < SEEN_PX
        assert inside_px < GUESSED_PX


def test_nobody_is_nobody(torch_networks: TorchNetworks) -> None:
    assert torch_networks.people([np.full((200, 300, 3), 128, np.uint8)]) == [[]]


def test_a_person_is_read_with_them_as_with_mediapipe(torch_networks: TorchNetworks) -> None:
    photo = sample_people()[0].picture
    engine = Engine()
    try:
        expected: Person = engine.read_person(photo)
        engine.close()
        engine._observer = Observer(networks=torch_networks)
        found = engine.read_person(photo)
    finally:
        engine.close()
        torch_networks.closed = False  # shared by the tests; closing frees nothing of these
    assert np.abs(found.pose.xy - expected.pose.xy).max() < SEEN_PX
    assert (found.parse.labels == expected.parse.labels).mean() > 0.9995
    assert found.body.unit_px == pytest.approx(expected.body.unit_px, abs=SEEN_PX)
    assert found.confidence == pytest.approx(expected.confidence, abs=0.002)
    assert found.notices == expected.notices


def test_on_a_device_the_engine_reads_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which networks are asked is a matter of the device alone; here it is told to be one that needs no hardware."""
    made = Observer.on(torch.device("meta"))
    assert isinstance(made._networks, TorchNetworks)
    with Observer.on(torch.device("cpu")) as observer:
        assert isinstance(observer._networks, MediaPipeNetworks)


@pytest.mark.parametrize("batch", [1, 5])
def test_the_graphs_need_nothing_from_the_host(batch: int) -> None:
    """Without data there is nothing to look at: whatever depended on a value would fail."""
    with zipfile.ZipFile(find().pose) as bundle:
        files = [bundle.read(name) for name in (POSE_DETECTOR_MEMBER, POSE_LANDMARKS_MEMBER)]
    shapes = []
    for data in (*files, find().selfie.read_bytes()):
        graph = Graph(data).to("meta")
        shapes.append([tuple(out.shape) for out in graph(torch.empty(batch, *graph.input_size, 3, device="meta"))])
    assert shapes[0] == [(batch, 2254, 12), (batch, 2254, 1)]
    assert shapes[1][:2] == [(batch, 195), (batch, 1)]
    assert shapes[2] == [(batch, 256, 256, 1)]


@pytest.mark.parametrize("people", [1, 5])
def test_nor_does_what_is_done_around_them(people: int) -> None:
    """What MediaPipe's calculators do; how many people there are is asked between detector and landmarks, once a batch."""

    def given(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.empty(shape, device="meta", dtype=dtype)

    picture, boxes, sizes, places = given(300, 200, 3, dtype=torch.uint8), given(people, 5), given(people, 2), given(2254, 2)
    detector, scores, landmarks, heatmaps, mask = (
        given(people, 2254, 12),
        given(people, 2254),
        given(people, 195),
        given(people, 64, 64, 39),
        given(256, 256),
    )
    with nothing_from_the_host():
        points, sure = graphs.suppressed(detector, places, scores)
        crops = graphs.crop(picture, graphs.around(points[:, 0, 0], points[:, 0, 1]), (256, 256), True)
        marks = graphs.projected(graphs.refined(graphs.decoded(landmarks, 256), heatmaps), boxes, sizes)
        whole = graphs.spread(mask, boxes[0], (300, 200))
    assert (points.shape, sure.shape) == ((people, MOST_PEOPLE, 4, 2), (people, MOST_PEOPLE))
    assert (crops.shape, marks.shape, whole.shape) == ((people, 256, 256, 3), (people, 39, 4), (300, 200))


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(AssetError, match="not a TFLite graph"):
        Graph(b"not a graph at all")


@pytest.mark.cuda
def test_people_are_where_mediapipe_sees_them_on_cuda(photos: list[Picture], mediapipe_networks: MediaPipeNetworks) -> None:
    networks = TorchNetworks(find(), torch.device("cuda"))
    for photo, found, expected in zip(photos, networks.people(photos), mediapipe_networks.people(photos), strict=True):
        assert len(found) == len(expected) == 1
        assert apart_px(expected[0], found[0], photo)[0] < SEEN_PX
