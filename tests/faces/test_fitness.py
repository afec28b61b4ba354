"""Faces that cannot be judged are left out, each with its reason."""

from __future__ import annotations

import numpy as np
import pytest

from drishtiksha.contract import Face, FaceRequest
from drishtiksha.faces.detect import BlazeFaceFinder
from drishtiksha.faces.fitness import faces_us, turn_and_nod, usable_faces
from drishtiksha.media.image import read_image
from drishtiksha.results import GAP_TEXT, GapReason
from drishtiksha.settings import EMBEDDED_DIR, ROOT, MediaLimits

REQUEST = FaceRequest(min_size=50, facing=True)


def face(size: float = 100, nose: tuple[float, float] = (50, 60), tilt: float = 0.0) -> Face:
    """Eyes at (30, 40) and (70, 40), mouth at (50, 80), all turned in the picture by `tilt` degrees."""
    points = np.array([(30, 40), (70, 40), nose, (50, 80), (10, 45), (90, 45)], np.float64) * size / 100
    angle = np.deg2rad(tilt)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return Face((0, 0, size, size), 0.9, points @ turn.T)


@pytest.mark.parametrize("tilt", [0, 30, -90])
def test_turn_and_nod_do_not_depend_on_the_tilt_of_the_head(tilt):
    turn, nod = turn_and_nod(face(nose=(60, 60), tilt=tilt).keypoints)
    assert turn == pytest.approx(10 / 40)
    assert nod == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("nose", "facing"), [((50, 60), True), ((65, 60), True), ((72, 60), False), ((50, 75), False), ((50, 50), False)]
)
def test_a_face_turned_aside_or_up_or_down_does_not_face_us(nose, facing):
    assert faces_us(face(nose=nose)) is facing


def test_the_five_points_of_mtcnn_give_the_same():
    six = face(nose=(60, 62)).keypoints
    five = np.array([*six[:3], (40, 80), (60, 80)])
    assert turn_and_nod(five) == pytest.approx(turn_and_nod(six))


def test_degenerate_points_are_no_face_to_us():
    flat = Face((0, 0, 60, 60), 0.9, np.zeros((6, 2)))
    assert not faces_us(flat)
    assert faces_us(Face((0, 0, 60, 60), 0.9))


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ([], GapReason.NO_FACE),
        ([face(size=40)], GapReason.FACE_TOO_SMALL),
        ([face(nose=(80, 60)), face(size=40)], GapReason.FACE_TURNED),
    ],
)
def test_nothing_usable_has_a_reason_with_words(found, reason):
    assert usable_faces(found, REQUEST) == ((), reason)
    assert GAP_TEXT[reason]


def test_only_the_usable_ones_stay_in_order():
    good, small, turned = face(), face(size=40), face(nose=(80, 60))
    assert usable_faces([turned, good, small], REQUEST) == ((good,), None)
    assert usable_faces([turned, good, small], FaceRequest(min_size=50))[0] == (turned, good)


def test_a_real_portrait_faces_us():
    picture = read_image(ROOT / "assets" / "portrait.jpg", limits=MediaLimits())
    (found,) = BlazeFaceFinder(EMBEDDED_DIR).find(picture)
    assert faces_us(found)
