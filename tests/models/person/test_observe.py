"""Who is found in a photo, where, and what is said when nobody can be dressed."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.errors import AssetError, BodyNotVisible, MuslinError, NoPerson, PhotoTooSmall, SeveralPeople
from models.person.masks import iou
from models.person.observe import LEFT_SHOULDER, RIGHT_SHOULDER, Observation, Observer
from models.person.views import LOOK_WIDTH_STEP, View, closer, dim, second_looks, whole
from models.types import FloatArray, Picture

SHOULDERS = [LEFT_SHOULDER, RIGHT_SHOULDER]


@pytest.fixture(scope="session")
def astronaut(observer: Observer, person_photo: Picture) -> Observation:
    return observer.observe(person_photo)


def resized(photo: Picture, height: int, width: int) -> Picture:
    return np.ascontiguousarray(cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def pasted(ground: Picture, photo: Picture, left: int, top: int) -> Picture:
    out = ground.copy()
    out[top : top + photo.shape[0], left : left + photo.shape[1]] = photo
    return out


def plain(height: int, width: int) -> Picture:
    """A wall lit from the left."""
    shade = np.linspace(150, 205, width).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(shade[None, :, None], (height, width, 3)))


def shoulder_error(seen: Observation, expected: Observation, scale: float = 1.0, left: float = 0.0, top: float = 0.0) -> float:
    """Largest distance of a shoulder from where it should be, in shoulder distances."""
    there = expected.pose.xy[SHOULDERS] * scale + np.array([left, top])
    distance = np.linalg.norm(there[0] - there[1])
    return float(np.linalg.norm(seen.pose.xy[SHOULDERS] - there, axis=1).max() / distance)


def test_the_person_and_the_ground_are_told_apart(astronaut: Observation, person_photo: Picture) -> None:
    height, width = person_photo.shape[:2]
    for mask in (astronaut.pose_mask, astronaut.selfie_mask, astronaut.person_mask):
        assert mask.shape == (height, width)
        assert mask.dtype == np.float32
        assert 0 <= mask.min() <= mask.max() <= 1
        assert mask[300, 220] > 0.9  # chest
        assert mask[100, 220] > 0.9  # face
        assert mask[20, 20] < 0.1
    left, right = astronaut.pose.xy[SHOULDERS]
    assert left[0] - right[0] > 150  # who faces the camera has the left shoulder at the picture's right
    assert 200 < left[1] < 300
    assert astronaut.pose.visibility[SHOULDERS].min() > 0.9
    assert (astronaut.others, astronaut.notices) == ((), ())


@pytest.mark.parametrize("name", ["dark", "night", "noise", "grey", "half", "left10"])
def test_a_shoppers_photo_gives_the_same_person(name: str, observer: Observer, person_photo: Picture, astronaut: Observation) -> None:
    photo, scale, turn = person_photo, 1.0, cv2.getRotationMatrix2D((0, 0), 0, 1.0)
    if name in ("dark", "night"):
        photo = (255 * (photo / 255.0) ** (2.5 if name == "dark" else 5.0)).astype(np.uint8)
    elif name == "noise":
        photo = np.clip(photo + np.random.default_rng(0).normal(0, 12, photo.shape), 0, 255).astype(np.uint8)
    elif name == "grey":
        photo = np.dstack([cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)] * 3).astype(np.uint8)
    elif name == "half":
        photo, scale = resized(photo, 256, 256), 0.5
    elif name == "left10":
        turn = cv2.getRotationMatrix2D((255.5, 255.5), 10, 1.0)
        photo = cv2.warpAffine(photo, turn, (512, 512), borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)
    seen = observer.observe(photo)
    there = astronaut.pose.xy[SHOULDERS] @ turn[:, :2].T + turn[:, 2]
    error = np.linalg.norm(seen.pose.xy[SHOULDERS] / scale - there, axis=1).max() / np.linalg.norm(there[0] - there[1])
    assert error < 0.25  # in a space suit shoulders are a matter of opinion


@pytest.mark.parametrize("width", range(505, 512))
def test_any_width_is_read(width: int, observer: Observer, person_photo: Picture) -> None:
    """MediaPipe's own code ends the process when a mask's width is no multiple of four."""
    seen = observer.observe(np.ascontiguousarray(person_photo[:, :width]))
    assert seen.pose_mask.shape == seen.selfie_mask.shape == (512, width)


def test_a_small_person_in_a_large_photo_is_found(observer: Observer, person_photo: Picture, astronaut: Observation) -> None:
    photo = pasted(plain(1536, 2048), resized(person_photo, 200, 200), 1500, 1336)
    seen = observer.observe(photo)
    assert shoulder_error(seen, astronaut, 200 / 512, 1500, 1336) < 0.25
    expected = np.zeros(photo.shape[:2], np.float32)
    expected[1336:1536, 1500:1700] = cv2.resize(astronaut.pose_mask, (200, 200))
    assert iou(seen.pose_mask, expected) > 0.85
    assert iou(seen.selfie_mask, expected) > 0.75


def test_a_face_may_be_cut_off_and_the_picture_end_at_the_chest(observer: Observer, person_photo: Picture, astronaut: Observation) -> None:
    seen = observer.observe(np.ascontiguousarray(person_photo[110:420]))
    assert shoulder_error(seen, astronaut, top=-110) < 0.2


def test_the_largest_of_several_is_the_wearer(observer: Observer, person_photo: Picture, astronaut: Observation) -> None:
    photo = pasted(pasted(plain(700, 1100), person_photo, 20, 188), resized(person_photo, 320, 320), 760, 380)
    seen = observer.observe(photo)
    assert shoulder_error(seen, astronaut, 1.0, 20, 188) < 0.2
    assert len(seen.others) == 1
    assert [notice.code for notice in seen.notices] == ["several-people"]
    assert seen.selfie_mask[:, 760:].max() < 0.5  # the other one is ground


def test_two_people_of_one_size_are_unclear(observer: Observer, person_photo: Picture) -> None:
    with pytest.raises(SeveralPeople):
        observer.observe(np.ascontiguousarray(np.hstack([person_photo, person_photo])))


def cup(height: int, width: int) -> Picture:
    from skimage import data

    return resized(data.coffee(), height, width)


@pytest.mark.parametrize(
    "photo, error",
    [
        pytest.param(np.zeros((600, 400, 3), np.uint8), NoPerson, id="black"),
        pytest.param(np.random.default_rng(0).integers(0, 255, (600, 400, 3), np.uint8), NoPerson, id="noise"),
        pytest.param(plain(900, 700), NoPerson, id="wall"),
        pytest.param(np.zeros((150, 120, 3), np.uint8), PhotoTooSmall, id="tiny photo"),
        pytest.param(np.zeros((40, 4000, 3), np.uint8), PhotoTooSmall, id="strip"),
    ],
)
def test_nobody_is_found_where_nobody_is(photo: Picture, error: type[MuslinError], observer: Observer) -> None:
    with pytest.raises(error) as caught:
        observer.observe(photo)
    assert caught.value.detail.endswith(".")


def test_a_cup_is_not_a_person(observer: Observer) -> None:
    """Zoomed in, the detector takes this cup for somebody: the second look does not."""
    with pytest.raises(NoPerson):
        observer.observe(cup(800, 1200))


def test_a_face_alone_has_no_body(observer: Observer, person_photo: Picture) -> None:
    with pytest.raises(BodyNotVisible):
        observer.observe(np.ascontiguousarray(person_photo[:190, 60:380]))


def test_a_person_under_160_px_is_too_small(observer: Observer, person_photo: Picture) -> None:
    with pytest.raises(PhotoTooSmall, match="pixels tall"):
        observer.observe(pasted(plain(400, 500), resized(person_photo, 150, 150), 100, 200))


def test_threads_take_turns(observer: Observer, person_photo: Picture, astronaut: Observation) -> None:
    seen: list[Observation] = []
    threads = [threading.Thread(target=lambda: seen.append(observer.observe(person_photo))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 4
    assert all(np.array_equal(one.pose.xy, astronaut.pose.xy) for one in seen)


def test_missing_model_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="muslin assets"):
        Observer(tmp_path)


def test_a_process_that_reads_says_nothing_on_stderr() -> None:
    code = (
        "from skimage import data\nfrom models.person.observe import Observer\n"
        "import sys\nassert 'mediapipe' not in sys.modules\n"
        "one = Observer()\none.observe(data.astronaut())\nprint('read', file=sys.stderr)\n"  # not closed: the interpreter's end does it
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "read\n")


def test_a_closed_observer_says_so(person_photo: Picture) -> None:
    with Observer() as closed:
        pass
    closed.close()
    with pytest.raises(RuntimeError, match="closed"):
        closed.observe(person_photo)


@pytest.mark.parametrize("view", [View(0, 0, 301, 203), View(-40, -30, 400, 300), View(100, 50, 97, 120), View(250, 150, 100, 100)])
def test_a_view_carries_points_and_masks_back(view: View) -> None:
    """What is drawn at a place of the photo is seen in the look, and found at the same place again."""
    photo = np.zeros((203, 301, 3), np.uint8)
    x, y = view.left + 0.6 * view.width, view.top + 0.4 * view.height
    x, y = min(x, 295.0), min(y, 195.0)
    photo[round(y) - 4 : round(y) + 5, round(x) - 4 : round(x) + 5] = 255
    look = view.look(photo)
    assert look.shape[1] % LOOK_WIDTH_STEP == 0
    weight: FloatArray = look[:, :, 0].astype(np.float32) / np.float32(255)
    rows, columns = np.mgrid[: look.shape[0], : look.shape[1]]
    centre = np.array([[(columns * weight).sum() / weight.sum() + 0.5, (rows * weight).sum() / weight.sum() + 0.5]], np.float32)
    back = view.to_photo((centre / [look.shape[1], look.shape[0]]).astype(np.float32))
    assert np.abs(back[0] - [round(x), round(y)]).max() < 0.6
    mask = view.mask_to_photo(weight, photo.shape[:2])
    assert iou(mask, (photo[:, :, 0] / 255).astype(np.float32)) > 0.8


def test_tiles_leave_nobody_between_them() -> None:
    """Every square of half a tile's side lies whole in some tile."""
    photo = np.full((1500, 2048, 3), 128, np.uint8)
    for group in list(second_looks(photo))[3:]:
        side = group[0].width
        for top in range(0, 1500 - side // 2, 37):
            for left in range(0, 2048 - side // 2, 41):
                assert any(
                    tile.left <= left
                    and tile.top <= top
                    and left + side // 2 <= tile.left + tile.width
                    and top + side // 2 <= tile.top + tile.height
                    for tile in group
                )


def test_only_dark_photos_are_lit() -> None:
    assert dim(plain(300, 200)) == 1.0
    dark = (plain(300, 200) / 8).astype(np.uint8)
    assert dim(dark) < 0.6
    assert whole(dark).look(dark).mean() > 90
    assert closer(dark, (10, 10, 100, 200)).gamma == pytest.approx(dim(dark), abs=0.05)


def _six_classes(look: Picture) -> list[FloatArray]:
    """Stands in for the six-class segmenter, whose file only Google's store has."""
    planes = np.full((6, *look.shape[:2]), 0.1, np.float32)
    planes[0], planes[4, look.shape[0] // 2 :] = 0.5, 0.5
    return list(planes)


def test_the_six_class_segmenter_is_asked_where_its_file_is(
    person_photo: Picture, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert observer.observe(person_photo).classes is None
    monkeypatch.setattr(observer._networks, "_classifier", _six_classes)
    maps = observer.observe(person_photo).classes
    assert maps is not None
    assert maps.probabilities.shape == (6, 256, 256)
    assert maps.probabilities[4, 200, 128] == pytest.approx(0.5)
    assert (maps.width, maps.height) >= (1, 1)
