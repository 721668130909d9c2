"""The sample people can be shown, and read."""

from __future__ import annotations

import numpy as np
import pytest

from models.person.observe import Observer
from models.samples import SamplePerson, sample_people, sample_person

PEOPLE = {person.name: person for person in sample_people()}


@pytest.mark.parametrize("person", PEOPLE.values(), ids=PEOPLE.keys())
def test_every_picture_says_whose_it_is(person: SamplePerson) -> None:
    assert person.credit
    assert person.licence
    assert person.picture.dtype == np.uint8
    assert min(person.picture.shape[:2]) >= 512


@pytest.mark.parametrize("person", PEOPLE.values(), ids=PEOPLE.keys())
def test_mediapipe_reads_everybody(person: SamplePerson, observer: Observer) -> None:
    pose = observer.observe(person.picture).pose
    shoulders, hips = pose.xy[[11, 12]], pose.xy[[23, 24]]
    assert pose.visibility[[11, 12]].min() > 0.9
    # somebody who stands upright and faces the camera: her left is at the picture's right
    assert shoulders[0, 0] > shoulders[1, 0]
    assert hips[:, 1].min() > shoulders[:, 1].max()


@pytest.mark.parametrize("name", ["woman", "man"])
def test_the_drawn_people_are_read_as_well_as_real_ones(name: str, observer: Observer) -> None:
    seen = observer.observe(sample_person(name).picture)
    arms_and_trunk = [11, 12, 13, 14, 15, 16, 23, 24]
    assert seen.pose.visibility[arms_and_trunk].min() > 0.9
    assert not seen.others
    # arms hang clear of the body, so that every kind of sleeve can be shown
    shoulders, wrists = seen.pose.xy[[11, 12], 0], seen.pose.xy[[15, 16], 0]
    assert wrists[0] > shoulders[0] + 0.1 * np.ptp(shoulders)
    assert wrists[1] < shoulders[1] - 0.1 * np.ptp(shoulders)


def test_the_whole_man_has_all_33_landmarks(observer: Observer) -> None:
    person = sample_person("man")
    pose = observer.observe(person.picture).pose
    height, width = person.picture.shape[:2]
    assert pose.visibility.min() > 0.5
    assert (pose.xy >= 0).all()
    assert (pose.xy < [width, height]).all()


def test_an_unknown_person_is_refused() -> None:
    with pytest.raises(KeyError):
        sample_person("nobody")
