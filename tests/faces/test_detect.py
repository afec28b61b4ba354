"""The face finder on real portraits, in small and large frames, and on pictures without a face."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from drishtiksha.contract import Face
from drishtiksha.errors import WeightsMissingError
from drishtiksha.faces.detect import BlazeFaceFinder, weighted_nms

MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture(scope="module")
def finder() -> BlazeFaceFinder:
    return BlazeFaceFinder(MODELS)


@pytest.fixture(scope="module")
def portrait(shared: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(shared / "data/portraits/a0001.jpg")), cv2.COLOR_BGR2RGB)


def overlap(one: tuple[float, ...], two: tuple[float, ...]) -> float:
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    common = max(width, 0) * max(height, 0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, two))
    return common / (areas - common)


def assert_in_frame(face: Face, frame: np.ndarray) -> None:
    x0, y0, x1, y1 = face.box
    assert 0 <= x0 < x1 <= frame.shape[1]
    assert 0 <= y0 < y1 <= frame.shape[0]


@pytest.mark.slow
def test_finds_the_one_face_of_almost_every_portrait(finder: BlazeFaceFinder, shared: Path) -> None:
    found = []
    for path in sorted((shared / "data/portraits").glob("*.jpg"))[::20]:
        frame = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        faces = finder.find(frame)
        found.append(len(faces) >= 1)
        for face in faces:
            assert_in_frame(face, frame)
    assert np.mean(found) >= 0.95


def test_keypoints_lie_where_a_face_has_them(finder: BlazeFaceFinder, portrait: np.ndarray) -> None:
    (face,) = finder.find(portrait)
    assert face.keypoints is not None
    assert face.keypoints.shape == (6, 2)
    left_eye, right_eye, nose, mouth = face.keypoints[:4]
    assert left_eye[0] < nose[0] < right_eye[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < mouth[1] < face.box[3]
    assert 0.5 <= face.score <= 1


@pytest.mark.parametrize("size", [(360, 640), (640, 360), (481, 483)])
def test_box_follows_the_face_at_any_frame_shape(
    finder: BlazeFaceFinder, portrait: np.ndarray, size: tuple[int, int]
) -> None:
    (wanted,) = finder.find(portrait)
    side = min(size) - 60
    frame = np.full((*size, 3), 90, np.uint8)
    top, left = size[0] - side - 20, size[1] - side - 40
    frame[top : top + side, left : left + side] = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA)
    (face,) = finder.find(frame)
    scale = side / portrait.shape[0]
    expected = tuple(v * scale + o for v, o in zip(wanted.box, (left, top, left, top), strict=True))
    assert overlap(face.box, expected) > 0.7


def test_small_faces_in_a_large_frame_are_found_once_each(finder: BlazeFaceFinder, portrait: np.ndarray) -> None:
    side = 130
    small = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA)
    frame = np.full((1080, 1920, 3), 100, np.uint8)
    places = [(80, 100), (900, 430), (1500, 800), (640 - side // 2, 700)]
    for x, y in places:
        frame[y : y + side, x : x + side] = small
    faces = finder.find(frame)
    assert len(faces) == len(places)
    centres = [((f.box[0] + f.box[2]) / 2, (f.box[1] + f.box[3]) / 2) for f in faces]
    for x, y in places:
        assert sum(x < cx < x + side and y < cy < y + side for cx, cy in centres) == 1


def test_largest_face_comes_first(finder: BlazeFaceFinder, portrait: np.ndarray) -> None:
    frame = np.full((500, 900, 3), 100, np.uint8)
    frame[50:250, 20:220] = cv2.resize(portrait, (200, 200), interpolation=cv2.INTER_AREA)
    frame[40:440, 450:850] = cv2.resize(portrait, (400, 400), interpolation=cv2.INTER_AREA)
    sizes = [face.size for face in finder.find(frame)]
    assert len(sizes) == 2
    assert sizes[0] > 1.5 * sizes[1]


def faceless() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:720, :1280]
    text = np.full((720, 1280, 3), 255, np.uint8)
    for line in range(16):
        cv2.putText(text, "the quick brown fox jumps over 0123456789", (10, 40 + 42 * line), 0, 1.4, (0, 0, 0), 2)
    coarse = cv2.resize(rng.integers(0, 256, (12, 20, 3), np.uint8), (1280, 720), interpolation=cv2.INTER_CUBIC)
    return {
        "black": np.zeros((720, 1280, 3), np.uint8),
        "noise": rng.integers(0, 256, (720, 1280, 3), np.uint8),
        "gradient": np.stack([x * 255 // 1280, y * 255 // 720, (x + y) % 256], axis=-1).astype(np.uint8),
        "blobs": coarse,
        "text": text,
        "one pixel": np.zeros((1, 1, 3), np.uint8),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", list(faceless()))
def test_no_face_is_seen_where_there_is_none(finder: BlazeFaceFinder, name: str) -> None:
    assert finder.find(faceless()[name]) == []


def test_threads_get_the_same_answer(finder: BlazeFaceFinder, portrait: np.ndarray) -> None:
    wanted = finder.find(portrait)[0].box
    answers: list[tuple[float, ...]] = []
    threads = [threading.Thread(target=lambda: answers.append(finder.find(portrait)[0].box)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    np.testing.assert_allclose(answers, [wanted] * 8, atol=1e-3)


def test_overlapping_detections_merge_into_their_weighted_mean() -> None:
    rows = np.zeros((3, 16))
    rows[:, :4] = [[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]]
    merged, scores = weighted_nms(rows, np.array([0.9, 0.6, 0.7]))
    assert scores.tolist() == [0.9, 0.7]
    np.testing.assert_allclose(merged[0, :4], [0.4, 0, 10.4, 10])
    np.testing.assert_allclose(merged[1, :4], [50, 50, 60, 60])


@pytest.mark.parametrize(
    "bad", [np.zeros((10, 10), np.uint8), np.zeros((10, 10, 3), np.float32), np.zeros((0, 5, 3), np.uint8)]
)
def test_what_is_no_frame_is_refused(finder: BlazeFaceFinder, bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8"):
        finder.find(bad)


def test_a_missing_model_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissingError, match="git checkout"):
        BlazeFaceFinder(tmp_path)
