"""Tracks are joined where a shot is seen again, and nobody else's are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drishtiksha.contract import Face
from drishtiksha.faces.detect import BlazeFaceFinder
from drishtiksha.faces.joining import face_likeness, join_tracks
from drishtiksha.faces.tracks import face_appearance
from drishtiksha.settings import EMBEDDED_DIR

ASTRONAUT = Path(__file__).parent / "data/astronaut_512.jpg"
Look = tuple[np.ndarray, np.ndarray]


def look(path: Path, *, noise: int = 0, dx: int = 0, gain: float = 1.0) -> Look:
    """Appearance and likeness of the face in a picture that was moved, made brighter and noisy."""
    picture = np.asarray(Image.open(path).convert("RGB").resize((512, 512)), np.float64)
    picture = np.roll(picture, dx, axis=1) * gain + np.random.default_rng(noise).normal(0, noise, picture.shape)
    frame = np.clip(picture, 0, 255).astype(np.uint8)
    face = BlazeFaceFinder(EMBEDDED_DIR).find(frame)[0]
    return face_appearance(frame, face), face_likeness(frame, face)


@pytest.fixture(scope="module")
def one() -> list[Look]:
    return [look(ASTRONAUT, noise=n, dx=5 * n, gain=1 - n / 50) for n in range(3)]


@pytest.fixture(scope="module")
def other(shared: Path) -> list[Look]:
    return [look(shared / "data/portraits/a0002.jpg", noise=n, dx=5 * n, gain=1 - n / 50) for n in range(3)]


def joined(
    numbers: list[tuple[int, ...]], faces: list[list[Look]], apart: frozenset[int] = frozenset()
) -> dict[int, int]:
    appearance, likeness = ([[face[part] for face in of] for of in faces] for part in (0, 1))
    return join_tracks(numbers, appearance, likeness, apart)


def test_one_person_before_and_after_a_cut_is_one(one):
    assert joined([(1,), (2,), (3,)], [[face] for face in one]) == {1: 1, 2: 1, 3: 1}


def test_two_people_alternating_across_cuts_stay_two(one, other):
    faces = [[face] for pair in zip(one, other, strict=True) for face in pair]
    numbers = [(track,) for track in range(1, 7)]
    assert joined(numbers, faces) == {1: 1, 2: 2, 3: 1, 4: 2, 5: 1, 6: 2}


def test_who_is_seen_together_is_never_one_person(one):
    twice = [[one[0], one[1]], [one[2]]]
    assert joined([(1, 2), (3,)], twice) in ({1: 1, 2: 2, 3: 1}, {1: 1, 2: 2, 3: 2})


def test_a_suspicious_track_is_kept_apart_from_the_others_and_joined_with_its_like(one):
    assert joined([(1,), (2,), (3,)], [[face] for face in one], frozenset({2, 3})) == {1: 1, 2: 2, 3: 2}


def test_faces_without_keypoints_are_joined_with_nobody(one):
    frame = np.asarray(Image.open(ASTRONAUT).convert("RGB"))
    plain = face_appearance(frame, Face((180, 60, 270, 170), 1.0)), face_likeness(frame, Face((180, 60, 270, 170), 1.0))
    assert joined([(1,), (2,)], [[plain], [plain]]) == {1: 1, 2: 2}
    assert joined([], []) == {}


def test_likeness_tells_the_same_face_from_another(one, other):
    same = min(float(one[0][1] @ face[1]) for face in one[1:])
    different = max(float(a[1] @ b[1]) for a in one for b in other)
    assert same > 0.9
    assert different < 0.6
    assert one[0][1].shape == (1024,)
    assert float(np.linalg.norm(one[0][1])) == pytest.approx(1, abs=0.01)
