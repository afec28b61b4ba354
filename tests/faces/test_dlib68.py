"""dlib's finder, with a landmark model that the test trains itself: the published one may not be passed on."""

from __future__ import annotations

import bz2
import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from drishtiksha.errors import ConfigError, WeightsMismatchError, WeightsMissingError
from drishtiksha.faces.detect import BlazeFaceFinder
from drishtiksha.faces.dlib68 import DlibFinder, available, check_landmarks_file
from drishtiksha.faces.landmarks import FaceMesh, to_68
from drishtiksha.media.image import read_image
from drishtiksha.settings import EMBEDDED_DIR, ROOT, MediaLimits

needs_dlib = pytest.mark.skipif(importlib.util.find_spec("dlib") is None, reason="the extra 'dlib' is not installed")


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return read_image(ROOT / "assets" / "portrait.jpg", limits=MediaLimits())


@pytest.fixture(scope="module")
def wanted(portrait) -> np.ndarray:
    """The 68 landmarks of the mesh."""
    face = BlazeFaceFinder(EMBEDDED_DIR).find(portrait)[0]
    mesh = FaceMesh(EMBEDDED_DIR).landmarks(portrait, face)
    assert mesh is not None
    return to_68(mesh)


def train(path: Path, picture: np.ndarray, landmarks: np.ndarray) -> Path:
    """A landmark file of dlib that learned this one face by heart."""
    dlib: Any = pytest.importorskip("dlib")
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    x0, y0, x1, y1 = (int(edge) for edge in (*landmarks.min(axis=0), *landmarks.max(axis=0)))
    points = [dlib.point(int(x), int(y)) for x, y in landmarks]
    box = dlib.full_object_detection(dlib.rectangle(x0, y0, x1, y1), points)
    options = dlib.shape_predictor_training_options()
    options.cascade_depth, options.tree_depth, options.num_trees_per_cascade_level = 2, 1, 2
    options.oversampling_amount, options.feature_pool_size, options.num_test_splits = 1, 20, 2
    dlib.train_shape_predictor([grey, grey], [[box], [box]], options).save(str(path))
    return path


@pytest.fixture(scope="module")
def landmarks_file(tmp_path_factory, portrait, wanted) -> Path:
    return train(tmp_path_factory.mktemp("dlib") / "68.dat", portrait, wanted)


@needs_dlib
def test_a_face_is_found_with_its_landmarks(landmarks_file, portrait, wanted):
    assert available(landmarks_file)
    (face,) = DlibFinder(landmarks_file).find(portrait)
    assert face.landmarks is not None
    assert face.landmarks.shape == (68, 2)
    assert face.landmarks.dtype == np.float32
    assert 0.5 < face.score <= 1
    x0, y0, x1, y1 = face.box
    assert 0 <= x0 < wanted[:, 0].mean() < x1 <= portrait.shape[1]
    assert 0 <= y0 < wanted[:, 1].mean() < y1 <= portrait.shape[0]
    assert np.linalg.norm(face.landmarks.mean(axis=0) - wanted.mean(axis=0)) < 0.15 * face.size


@needs_dlib
def test_the_largest_face_comes_first_and_nothing_is_found_in_nothing(landmarks_file, portrait):
    small = cv2.resize(portrait, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    both = np.zeros((portrait.shape[0], portrait.shape[1] + small.shape[1], 3), np.uint8)
    both[: small.shape[0], : small.shape[1]] = small
    both[:, small.shape[1] :] = portrait
    finder = DlibFinder(landmarks_file)
    sizes = [face.size for face in finder.find(both)]
    assert len(sizes) == 2
    assert sizes[0] > 1.5 * sizes[1]
    assert finder.find(np.full((120, 160, 3), 90, np.uint8)) == []


@needs_dlib
def test_threads_share_it(landmarks_file, portrait):
    finder = DlibFinder(landmarks_file)
    alone = finder.find(portrait)
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(finder.find, [portrait] * 6))
    assert all(found == alone for found in together)


def test_without_the_file_it_says_what_to_do(tmp_path, monkeypatch):
    path = tmp_path / "Face-Landmarks.dat"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert not available(path)
    with pytest.raises(WeightsMissingError, match=r"non-commercial use only.*Face-Landmarks\.dat"):
        DlibFinder(path)


def test_without_dlib_it_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "Face-Landmarks.dat"
    path.write_bytes(b"landmarks")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not available(path)
    with pytest.raises(ConfigError, match=r"pip install 'drishtiksha\[dlib\]'"):
        DlibFinder(path)


def test_a_file_that_is_still_packed_is_not_taken_in(tmp_path):
    packed = tmp_path / "68.dat"
    packed.write_bytes(bz2.compress(b"landmarks"))
    with pytest.raises(WeightsMismatchError, match="bunzip2"):
        check_landmarks_file(packed)


@needs_dlib
def test_other_files_are_refused(tmp_path, portrait, wanted):
    foreign = tmp_path / "foreign.dat"
    foreign.write_bytes(b"no landmark file at all")
    with pytest.raises(WeightsMismatchError, match="no landmark file of dlib"):
        check_landmarks_file(foreign)
    five = train(tmp_path / "five.dat", portrait, wanted[[36, 39, 42, 45, 33]])
    with pytest.raises(WeightsMismatchError, match="marks 5 points"):
        DlibFinder(five).find(portrait)
