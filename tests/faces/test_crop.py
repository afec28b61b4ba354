"""Square crops around a face box."""

from __future__ import annotations

import numpy as np
import pytest

from drishtiksha.faces.crop import face_crop, square_around


def ramp(height: int = 200, width: int = 300) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, np.full_like(x, 7)], axis=-1).astype(np.uint8)


def test_square_has_the_longer_side_and_the_margin_on_each_side() -> None:
    assert square_around((100, 50, 140, 130), 0.25) == (60, 30, 180, 150)


def test_crop_without_resampling_is_that_part_of_the_frame() -> None:
    frame = ramp()
    crop = face_crop(frame, (100, 60, 180, 140), 80, 0.0)
    np.testing.assert_array_equal(crop, frame[60:140, 100:180])


def test_margin_widens_the_view() -> None:
    frame = np.zeros((200, 200, 3), np.uint8)
    frame[60:140, 60:140] = 255
    assert face_crop(frame, (60, 60, 140, 140), 64, 0.0).min() == 255
    wide = face_crop(frame, (60, 60, 140, 140), 64, 0.5)
    assert wide[:14].max() == 0
    assert wide[32, 32, 0] == 255
    assert abs((wide[..., 0] > 127).mean() - 0.25) < 0.03


def test_outside_the_frame_its_edge_is_repeated() -> None:
    frame = ramp()
    crop = face_crop(frame, (-40, 60, 40, 140), 80, 0.0)
    np.testing.assert_array_equal(crop[:, :40], np.repeat(frame[60:140, :1], 40, axis=1))
    np.testing.assert_array_equal(crop[:, 40:], frame[60:140, :40])


@pytest.mark.parametrize("size", [32, 400])
def test_result_is_uint8_rgb_of_the_wanted_size(size: int) -> None:
    crop = face_crop(ramp(), (100.4, 60.2, 181.9, 139.5), size, 0.25)
    assert crop.shape == (size, size, 3)
    assert crop.dtype == np.uint8
    assert crop.flags["C_CONTIGUOUS"]
    assert (crop[..., 2] == 7).all(), "channels keep their places"


def test_shrinking_averages_instead_of_aliasing() -> None:
    checks = np.indices((256, 256)).sum(0) % 2 * 255
    frame = np.repeat(checks[..., None], 3, axis=2).astype(np.uint8)
    assert np.abs(face_crop(frame, (0, 0, 256, 256), 32, 0.0).astype(int) - 127).max() <= 1


@pytest.mark.parametrize("box", [(50, 50, 50, 90), (400, 10, 450, 60), (10, -90, 60, -20)])
def test_a_box_without_pixels_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="no part inside the frame"):
        face_crop(ramp(), box, 64, 0.1)
