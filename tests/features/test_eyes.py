"""Eyes by their landmarks."""

from __future__ import annotations

import numpy as np
import pytest

from drishtiksha.features.eyes import FRAME_WIDTH, MARGIN_PX, blinks_seen, eye_aspect_ratio, eye_crop, runs


def face(opening: float = 0.3, width: float = 30.0, at: tuple[float, float] = (200.0, 150.0)) -> np.ndarray:
    """Landmarks with two level eyes of this aspect ratio."""
    landmarks = np.zeros((68, 2), np.float32)
    lid = opening * width / 2
    eye = np.array([(0, 0), (0.3, -lid / width), (0.7, -lid / width), (1, 0), (0.7, lid / width), (0.3, lid / width)])
    landmarks[36:42] = eye * width + at
    landmarks[42:48] = eye * width + at + (2 * width, 0)
    return landmarks


@pytest.mark.parametrize("opening", [0.0, 0.1, 0.3])
def test_the_ratio_is_height_over_width(opening):
    assert eye_aspect_ratio(face(opening)) == pytest.approx(opening, abs=1e-5)
    assert eye_aspect_ratio(3 * face(opening) + 11) == pytest.approx(opening, abs=1e-5)


def test_the_ratio_is_the_mean_of_both_eyes_and_an_eye_without_width_is_closed():
    winking = face(0.3)
    winking[42:48] = face(0.1)[42:48]
    assert eye_aspect_ratio(winking) == pytest.approx(0.2, abs=1e-5)
    assert eye_aspect_ratio(np.zeros((68, 2))) == 0


def test_the_crop_holds_both_eyes_and_a_margin():
    frame = np.zeros((360, FRAME_WIDTH, 3), np.uint8)
    landmarks = face(0.4)
    crop, box = eye_crop(frame, landmarks)
    assert box == (200 - MARGIN_PX, 144 - MARGIN_PX, 290 + 1 + MARGIN_PX, 156 + 1 + MARGIN_PX)
    assert crop.shape == (156 - 144 + 1 + 2 * MARGIN_PX, 290 - 200 + 1 + 2 * MARGIN_PX, 3)


def test_a_larger_frame_gives_the_crop_of_the_smaller_one():
    small = np.random.default_rng(0).integers(0, 256, (360, FRAME_WIDTH, 3), dtype=np.uint8)
    large = small.repeat(3, axis=0).repeat(3, axis=1)
    crop, box = eye_crop(small, face())
    of_large, large_box = eye_crop(large, 3 * face())
    assert np.array_equal(crop, of_large)
    assert large_box == pytest.approx(tuple(3 * edge for edge in box))


def test_eyes_at_the_edge_are_cut_and_outside_there_are_none():
    frame = np.zeros((360, FRAME_WIDTH, 3), np.uint8)
    crop, box = eye_crop(frame, face(at=(-50.0, 150.0)))
    assert box[0] == 0
    assert crop.size
    assert not eye_crop(frame, face(at=(900.0, 150.0)))[0].size


def test_runs():
    assert runs([]) == []
    assert runs([False, True, True, False, True]) == [range(1, 3), range(4, 5)]
    assert runs([True, True]) == [range(2)]


def test_blinks_are_unbroken_stretches_of_closed_eyes():
    ears = [0.3, 0.1, 0.3, 0.1, 0.1, 0.3]
    times = [i / 3 for i in range(len(ears))]
    assert blinks_seen(times, ears) == (2, pytest.approx(60.0))
    assert blinks_seen(times, [0.3] * 6) == (0, 0)
    assert blinks_seen(times, [0.1] * 6)[0] == 1, "eyes that stay closed blinked once"
    assert blinks_seen(times, [0.25] * 6)[0] == 0, "the published threshold of 0.45 is no blink threshold"


def test_what_was_not_seen_parts_blinks_and_is_not_counted_as_time():
    times, ears = [0.0, 0.5, 1.0, 10.0, 10.5, 11.0], [0.3, 0.3, 0.1, 0.1, 0.3, 0.3]
    assert blinks_seen(times, ears) == (2, pytest.approx(2 / (6 * 0.5 / 60)))


def test_too_little_for_a_rate():
    assert blinks_seen([], []) == (0, None)
    assert blinks_seen([1.0], [0.1]) == (1, None)
