from __future__ import annotations

import numpy as np

from models.resizing import resize_labels, resize_picture, resize_plane


def test_a_smooth_picture_survives_half_size_and_back() -> None:
    y, x = np.mgrid[0:120, 0:160]
    picture = np.stack([x, 255 - x, y * 2], -1).clip(0, 255).astype(np.uint8)
    back = resize_picture(resize_picture(picture, (60, 80)), (120, 160))
    assert back.shape == picture.shape
    assert np.abs(back[4:-4, 4:-4].astype(int) - picture[4:-4, 4:-4]).max() <= 2


def test_fine_stripes_shrink_to_their_mean_not_to_moire() -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, ::2] = 200
    small = resize_picture(picture, (16, 16)).astype(int)
    assert np.abs(small - 100).max() <= 12


def test_labels_stay_labels_and_planes_keep_their_range() -> None:
    labels = np.random.default_rng(0).integers(0, 6, (30, 40)).astype(np.uint8)
    large = resize_labels(labels, (60, 80))
    assert (large[::2, ::2] == labels).all()
    plane = resize_plane(labels > 2, (45, 61))
    assert plane.shape == (45, 61)
    assert 0 <= plane.min() <= plane.max() <= 1
