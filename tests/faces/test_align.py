"""Aligned crops: the published ones from given points, similarities that are known, and maps turned back."""

from __future__ import annotations

import golden
import numpy as np
import pytest
from open_shelf import array_error, picture, preprocessing

from drishtiksha.faces.align import (
    aligned_crop,
    bench_alignment,
    crop_box,
    gend_alignment,
    similarity,
    turned_back,
)


@pytest.mark.parametrize("array", ["portrait_crop_u8", "frame_crop_u8"])
@pytest.mark.parametrize("name", ["GEND-CLIP-L14", "DFB-XCEPTION"])
def test_crops_are_the_published_ones(name, array):
    case = preprocessing(name)[array]
    points = np.array(case["landmarks_5"], float)
    matrix, side = gend_alignment(points) if name.startswith("GEND") else (bench_alignment(points, 256), 256)
    crop = aligned_crop(picture(case["picture"]), matrix, side)
    assert array_error(crop.transpose(2, 0, 1), name, array) / 255 < 0.002


def test_a_similarity_is_found_and_never_mirrors():
    points = np.random.default_rng(0).uniform(0, 100, (5, 2))
    angle, scale, shift = 0.4, 1.7, np.array([3.0, -20.0])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = similarity(points, points @ turn.T + shift)
    assert np.allclose(matrix, np.hstack([turn, shift[:, None]]))
    mirrored = similarity(points, points * (-1, 1))
    assert np.linalg.det(mirrored[:, :2]) > 0


def test_one_wrong_point_does_not_move_gends_crop():
    points = np.array(golden.load("GEND-CLIP-L14")["preprocessing"][0]["landmarks_5"], float)
    clean, side = gend_alignment(points)
    eyes = np.hstack([points[:2], np.ones((2, 1))])
    template = np.hstack([(np.array([(0.34, 0.46), (0.66, 0.46)]) - 0.5) / 1.3 + 0.5]) * side
    assert np.abs(eyes @ clean.T - template).max() < 0.05 * side


def test_a_map_is_turned_back_to_where_it_was():
    """A bright dot of the frame, cropped turned and scaled, comes back to its place."""
    frame = np.zeros((200, 300, 3), np.uint8)
    frame[120:124, 170:174] = 255
    points = np.array([(150, 100), (200, 120), (168, 130), (140, 140), (180, 160)], float)
    side = 64
    matrix = bench_alignment(points, side)
    crop = aligned_crop(frame, matrix, side).max(axis=2).astype(float) / 255
    x0, y0, x1, _ = crop_box(matrix, side)
    back = turned_back(crop, matrix, side)
    row, column = np.unravel_index(back.argmax(), back.shape)
    scale = (x1 - x0) / side
    assert (x0 + column * scale, y0 + row * scale) == pytest.approx((172, 122), abs=1.5 * scale)
    assert back[0, 0] == 0, "a corner of the upright box lies outside of the turned square"


def test_an_upright_square_is_its_own_box():
    matrix = np.array([[0.5, 0.0, -10.0], [0.0, 0.5, -20.0]])
    assert crop_box(matrix, 100) == (20, 40, 220, 240)
    values = np.random.default_rng(0).random((100, 100)).astype(np.float32)
    assert np.allclose(turned_back(values, matrix, 100), values)
