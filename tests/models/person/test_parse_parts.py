"""The parts of the person parse, each on data whose answer is known."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from models.person.parsing import kernels
from models.person.parsing.anatomy import Anatomy, read_anatomy
from models.person.parsing.cleaning import clean, read_zones
from models.person.parsing.colour import Mixture, fit, kmeans, log_likelihood, terms
from models.person.parsing.cuts import find_end, find_waist, waist_words
from models.person.parsing.fields import AREA_PX, SHAPES, choose_frame, features, lab, landmarks_in_frame, mask_in_frame, picture_in_frame
from models.person.parsing.priors import HAIR, LOWER, OTHER, SKIN, UPPER, Ends, body_prior, hanging, near_hands, with_locks
from models.person.parsing.reader import parse_frames
from models.person.parsing.smooth import guide_coefficients, guided, mean_field
from models.person.parsing.upsample import edge_lines, to_photo, without_specks
from models.types import FloatArray, Label, Pose
from tests.models.figures import figure


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    _, pose, _ = figure()
    return read_anatomy(torch.from_numpy(pose.xy)[None], torch.from_numpy(pose.visibility)[None], 512, 384)


def at(pose: Pose, joint: int) -> tuple[int, int]:
    x, y = pose.xy[joint]
    return round(float(y)), round(float(x))


def test_the_frame_follows_the_person_and_landmarks_follow_the_frame() -> None:
    mask = np.zeros((1000, 2000), np.float32)
    mask[200:900, 1500:1700] = 1
    pose = Pose(np.full((33, 2), 1600, np.float32), np.zeros(33, np.float32), np.ones(33, np.float32))
    frame = choose_frame(pose, mask, mask)
    assert frame.left < 1500
    assert frame.right > 1700
    assert frame.top < 200
    assert frame.bottom > 900
    assert abs(frame.height * frame.width / AREA_PX - 1) < 0.1
    assert (frame.height, frame.width) in SHAPES
    small = torch.from_numpy(mask_in_frame(mask, frame))
    corners = landmarks_in_frame(
        Pose(np.array([[1500, 200], [1699, 899]] + [[1600, 500]] * 31, np.float32), pose.depth, pose.visibility), frame
    )
    rows, columns = torch.nonzero(small > 0.5, as_tuple=True)
    np.testing.assert_allclose(corners[0], (int(columns.min()), int(rows.min())), atol=1)
    np.testing.assert_allclose(corners[1], (int(columns.max()), int(rows.max())), atol=1)


@pytest.mark.parametrize("shape", [(40, 30), (30, 2000), (3000, 20), (1, 1)])
def test_any_picture_has_a_frame(shape: tuple[int, int]) -> None:
    pose = Pose(np.full((33, 2), np.nan, np.float32), np.zeros(33, np.float32), np.zeros(33, np.float32))
    for mask in (np.zeros(shape, np.float32), np.ones(shape, np.float32)):
        frame = choose_frame(pose, mask, mask)
        assert 0 <= frame.left < frame.right <= shape[1]
        assert 0 <= frame.top < frame.bottom <= shape[0]
        assert frame.height * frame.width < 2.5 * AREA_PX


def test_lab_is_that_of_the_standard() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    ours = lab(torch.from_numpy(rgb).permute(2, 0, 1).float()[None])[0].permute(1, 2, 0).numpy()
    theirs = rgb2lab(rgb)
    np.testing.assert_allclose(ours[..., 0] / 2.55, theirs[..., 0], atol=0.3)
    np.testing.assert_allclose(ours[..., 1:], theirs[..., 1:], atol=0.5)


def test_texture_is_high_on_stripes_and_not_at_an_edge() -> None:
    picture = np.zeros((3, 60, 90), np.float32) + 60
    picture[:, :, 45:] = 200
    picture[:, :, 70:] = np.where(np.arange(20) % 4 < 2, 60, 200)
    texture = features(lab(torch.from_numpy(picture)[None]))[0, 3]
    assert float(texture[30, 20:60].max()) < 0.8 * float(texture[30, 75:85].min())


def test_host_and_device_kernels_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    planes = torch.from_numpy(np.random.default_rng(1).random((2, 3, 40, 52)).astype(np.float32))
    runs: dict[str, Callable[[], torch.Tensor]] = {
        "box": lambda: kernels.box(planes, 3),
        "blur": lambda: kernels.blur(planes, 2.0),
        "halve": lambda: kernels.halve(planes),
        "resize": lambda: kernels.resize(planes, (97, 60)),
        "dilate": lambda: kernels.dilate(planes, 2),
        "erode": lambda: kernels.erode(planes, 1),
        "best_label": lambda: kernels.best_label(planes[0]).float(),
    }
    here = {name: run() for name, run in runs.items()}
    monkeypatch.setattr(kernels, "on_host", lambda _: False)
    for name, run in runs.items():
        torch.testing.assert_close(run(), here[name], rtol=0, atol=1e-4, msg=name)


def test_components_are_the_same_by_rounds() -> None:
    noise = torch.from_numpy(cv2.GaussianBlur(np.random.default_rng(3).random((2, 96, 80, 6)).astype(np.float32)[0], (0, 0), 2))
    labels = torch.stack((noise.argmax(2), noise.flip(1).argmax(2)))
    spiral = torch.zeros_like(labels[0])
    spiral[::4], spiral[1::8, -1], spiral[2::8, -1], spiral[3::8, -1] = 1, 1, 1, 1
    spiral[5::8, 0], spiral[6::8, 0], spiral[7::8, 0] = 1, 1, 1
    labels = torch.cat((labels, spiral[None]))
    one, other = kernels.components(labels).flatten(), kernels.components_by_rounds(labels).flatten()
    pairs = torch.stack((one, other), 1).unique(dim=0)
    assert len(pairs) == len(one.unique()) == len(other.unique())


def test_kmeans_finds_clusters_alike_every_time() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = torch.tensor([[0.0, 0, 0], [50, 0, 0], [0, 60, 30]])
    points = centres.repeat_interleave(100, 0) + torch.randn(300, 3, generator=generator)
    found, member = kmeans(points[None], 3)
    again, _ = kmeans(points[None], 3)
    torch.testing.assert_close(found, again, rtol=0, atol=0)
    order = torch.cdist(centres, found[0]).argmin(1)
    assert sorted(order.tolist()) == [0, 1, 2]
    assert (torch.cdist(centres, found[0]).amin(1) < 0.5).all()
    assert member.shape == (1, 3, 300)
    assert (member.sum(1) == 1).all()


def test_likelihoods_are_those_of_gaussians() -> None:
    generator = torch.Generator().manual_seed(2)
    root = torch.randn(2, 3, 4, 4, generator=generator)
    covariance = root @ root.mT + 20 * torch.eye(4)
    mean = torch.randn(2, 3, 4, generator=generator) * 5
    weight = torch.tensor([[0.5, 0.3, 0.2], [0.9, 0.1, 0.0]])
    pixels = torch.randn(50, 4, generator=generator) * 8
    planes = pixels.T.reshape(1, 4, 5, 10)
    model = Mixture(weight.log()[None], mean[None], covariance[None])
    for size in (4, 3):
        normal = torch.distributions.MultivariateNormal(mean[..., :size], covariance[..., :size, :size])
        each = weight.log() + normal.log_prob(pixels[:, None, None, :size])
        expected = each.amax(-1).T + size / 2 * np.log(2 * np.pi)
        torch.testing.assert_close(log_likelihood(terms(planes[:, :size]), model, -1e9)[0], expected, rtol=1e-3, atol=1e-3)


def test_a_class_without_pixels_explains_nothing() -> None:
    pixels = torch.rand(1, 100, 4) * 20
    model = fit(pixels, torch.stack((torch.zeros(100), torch.ones(100)))[None], 2)
    like = log_likelihood(terms(pixels.mT.reshape(1, 4, 10, 10)), model, -15.0)[0]
    assert (like[0] == -15).all()
    assert (like[1] > -15).float().mean() > 0.9


def test_zones_lie_where_the_body_is(anatomy: Anatomy) -> None:
    _, pose, _ = figure()
    nose, shoulder, wrist = at(pose, 0), at(pose, 11), at(pose, 15)
    assert anatomy.face[0][nose] > 0.9
    assert anatomy.face[0][shoulder] < 0.05
    assert float(anatomy.along[0][shoulder]) == pytest.approx(1, abs=0.02)
    assert float(anatomy.along[0][at(pose, 23)]) == pytest.approx(0, abs=0.02)
    left, right = anatomy.arms
    assert float(left.course[0][at(pose, 13)]) == pytest.approx(1, abs=0.05)
    assert left.radius[0][wrist] < 0.2 < right.radius[0][wrist]
    assert anatomy.crown[0][nose[0] - 45, nose[1]] > 0.8
    assert anatomy.neck[0][at(pose, 0)[0] + 45, nose[1]] > 0.5


def test_the_prior_knows_top_from_trousers(anatomy: Anatomy) -> None:
    ends = Ends(torch.tensor([0.1]), (torch.tensor([0.5]),) * 2, (torch.tensor([2.3]),) * 2)
    prior = body_prior(anatomy, ends, near_hands(anatomy))[0]
    torch.testing.assert_close(prior.sum(0), torch.ones(512, 384))
    assert prior[:, 220, 192].argmax() == UPPER
    assert prior[:, 380, 192].argmax() == LOWER
    assert prior[:, 80, 192].argmax() == SKIN
    assert prior[:, 36, 192].argmax() == HAIR
    _, pose, _ = figure()
    assert prior[:, *at(pose, 15)].argmax() == SKIN
    assert prior[OTHER].max() < 0.7


@pytest.mark.parametrize("hem", [0.3, 0.1, -0.1])
def test_the_waist_is_where_colours_change(anatomy: Anatomy, hem: float) -> None:
    generator = torch.Generator().manual_seed(4)
    picture = torch.where(anatomy.along > hem, 90.0, 150.0) + 4 * torch.randn(1, 512, 384, generator=generator)
    colours = torch.stack((picture, torch.zeros_like(picture), torch.where(anatomy.along > hem, 20.0, -5.0)), 1)
    waist = find_waist(waist_words(colours), anatomy, (anatomy.across.abs() < 0.6).float())
    assert float(waist.along) == pytest.approx(hem, abs=0.04)
    assert waist.gain > 0.3


def test_one_cloth_gains_nothing(anatomy: Anatomy) -> None:
    plain = torch.full((512, 384), 120.0) + torch.randn(512, 384, generator=torch.Generator().manual_seed(5))
    waist = find_waist(waist_words(torch.stack((plain, 0 * plain, 0 * plain))[None]), anatomy, (anatomy.across.abs() < 0.6).float())
    assert waist.gain < 0.1


@pytest.mark.parametrize("end", [0.4, 1.0, 1.5])
def test_a_sleeve_ends_where_skin_begins(anatomy: Anatomy, end: float) -> None:
    arm = anatomy.arms[0]
    evidence = torch.where(arm.course > end, 3.0, -3.0)
    assert float(find_end(arm, evidence, (arm.radius < 0.75).float(), 0.0, 0.0)) == pytest.approx(end, abs=0.1)


def test_guided_and_mean_field_follow_the_picture() -> None:
    guide = torch.zeros(3, 40, 40)
    guide[:, :, 20:] = 0.5
    rough = torch.zeros(2, 40, 40)
    rough[0, :, :23] = 1  # 3 px over the edge
    rough[1] = 1 - rough[0]
    redrawn = guided(guide[None], guide_coefficients(guide[None], rough[None], 4, 1e-4))[0]
    assert (redrawn[0, 5:35, 15:20] > 0.7).all()
    assert (redrawn[0, 5:35, 24:] < 0.4).all()
    noisy = torch.full((2, 40, 40), 0.1)
    noisy[0, :, :20] = noisy[1, :, 20:] = 0.9
    noisy[:, 10, 10] = torch.tensor((0.4, 0.6))
    smooth = mean_field(noisy[None], guide[None] * 200)[0]
    assert smooth[0, 10, 10] > 0.9
    assert (smooth.argmax(0)[:, 20:] == 1).all()
    assert (smooth.argmax(0)[:, :20] == 0).all()


def test_full_size_follows_the_photos_edge_and_sums_to_one() -> None:
    pose = Pose(np.full((33, 2), 100, np.float32), np.zeros(33, np.float32), np.ones(33, np.float32))
    mask: FloatArray = np.zeros((800, 700), np.float32)
    rows, columns = np.mgrid[:800, :700]
    inside = (rows - 400) ** 2 + (columns - 350) ** 2 < 250**2
    mask[inside] = 1
    frame = choose_frame(pose, mask, mask)
    photo = np.ascontiguousarray(np.where(inside, 60, 210).astype(np.uint8)[..., None].repeat(3, 2))
    person = torch.from_numpy(mask_in_frame(mask, frame))
    small = torch.zeros(6, *person.shape)
    small[0], small[Label.UPPER] = 1 - person, person
    lines = edge_lines(small[None], torch.from_numpy(picture_in_frame(photo, frame))[None])[0]
    full, labels = to_photo(small, lines, photo, frame)
    torch.testing.assert_close(full.sum(0), torch.ones(800, 700), rtol=0, atol=1e-4)
    assert torch.equal(labels, full.argmax(0).to(torch.uint8))
    assert ((labels == Label.UPPER).numpy() != inside).sum() < 0.3 * 2 * np.pi * 250


def test_hair_away_from_the_head_and_islands_go() -> None:
    _, _, truth = figure()
    labels = truth.labels.copy()
    labels[230:240, 180:190] = Label.HAIR
    labels[250:253, 200:203] = Label.LOWER
    labels[270:290, 185:205] = Label.SKIN
    soft = torch.nn.functional.one_hot(torch.from_numpy(labels).long(), 6).permute(2, 0, 1).float() * 0.9 + 0.02
    soft[Label.UPPER] += 0.01
    _, pose, _ = figure()
    coarse = read_anatomy(torch.from_numpy(pose.xy)[None] / 2, torch.from_numpy(pose.visibility)[None], 256, 192)
    person = torch.from_numpy((labels > 0).astype(np.float32))[None]
    cleaned = clean((soft / soft.sum(0))[None], read_zones(coarse), person, torch.zeros_like(person))[0].argmax(0)
    assert (cleaned[225:295, 175:210] == Label.UPPER).all()
    assert (cleaned == Label.HAIR).sum() == int((truth.labels == Label.HAIR).sum())


def test_specks_go() -> None:
    labels = np.zeros((300, 300), np.uint8)
    labels[50:250, 50:250] = Label.UPPER
    labels[100:102, 100:102] = Label.SKIN
    labels[10, 10] = Label.HAIR
    cleaned = without_specks(labels)
    assert set(np.unique(cleaned)) == {0, int(Label.UPPER)}
    assert (cleaned == Label.UPPER).sum() > 200 * 200 - 16


def test_people_read_together_are_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a batch, alone, and by the kernels of a GPU."""
    generator = np.random.default_rng(6)
    _, pose, truth = figure((256, 192))
    colours = np.array([(225, 226, 228), (60, 40, 30), (205, 160, 135), (70, 120, 80), (50, 60, 110), (30, 30, 30)], np.float32)
    rgb = torch.from_numpy((colours[truth.labels] + generator.normal(0, 3, (256, 192, 3))).astype(np.float32)).permute(2, 0, 1)[None]
    mask = torch.from_numpy(cv2.GaussianBlur((truth.labels > 0).astype(np.float32), (0, 0), 2)).expand(1, 2, -1, -1)
    xy, visibility = torch.from_numpy(pose.xy)[None], torch.from_numpy(pose.visibility)[None]
    alone = parse_frames(rgb, mask, xy, visibility)
    xy_other = torch.stack((191 - xy[..., 0], xy[..., 1]), 2)
    both = parse_frames(torch.cat((rgb.flip(3), rgb)), torch.cat((mask.flip(3), mask)), torch.cat((xy_other, xy)), visibility.expand(2, -1))
    torch.testing.assert_close(both.probabilities[1:], alone.probabilities, rtol=0, atol=2e-3)
    assert (both.probabilities[0].argmax(0).flip(1) == alone.probabilities[0].argmax(0)).float().mean() > 0.99
    monkeypatch.setattr(kernels, "on_host", lambda _: False)
    device = parse_frames(rgb, mask, xy, visibility)
    assert (device.probabilities.argmax(1) == alone.probabilities.argmax(1)).float().mean() > 0.999


def test_locks_hang_below_hair_only_and_their_tips_are_hair() -> None:
    _, pose, _ = figure()
    a = read_anatomy(torch.from_numpy(pose.xy)[None] / 2, torch.from_numpy(pose.visibility)[None], 256, 192)
    hair = torch.zeros(1, 256, 192)
    hair[:, 50:85, 76:80] = 1
    hung = hanging(a, hair)
    assert float(hung[0, 95, 78]) > 0.9
    assert float(hung[0, 95, 110:].max()) == 0
    assert float(hung[0, :60].max()) < 0.1
    prior = torch.tensor([0.02, 0.05, 0.9, 0.02, 0.01])[None, :, None, None].expand(1, 5, 256, 192)
    like = torch.tensor([-14.0, -9.0, -15.0, -15.0, -13.5])[None, :, None, None].expand(1, 5, 256, 192)
    shares, likes = with_locks(prior, like, hung)
    best = (shares.log() + likes).argmax(1)[0]
    assert int(best[95, 78]) == HAIR
    assert int(best[95, 120]) == SKIN
