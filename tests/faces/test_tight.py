"""Faces that fill the picture: crops, tiles of video calls, zoomed portraits."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from drishtiksha.contract import Face
from drishtiksha.faces.detect import BlazeFaceFinder
from drishtiksha.faces.mtcnn import MTCNNFinder, first_face_px
from drishtiksha.faces.tight import BORDER, LOOK_PX, find_filling

REPOSITORY = Path(__file__).resolve().parents[2]
MODELS = REPOSITORY / "models"
MARGINS = (0, 0.1, 0.2)


@pytest.fixture(scope="module")
def blazeface() -> BlazeFaceFinder:
    return BlazeFaceFinder(MODELS)


@pytest.fixture(scope="module")
def mtcnn() -> MTCNNFinder:
    return MTCNNFinder(MODELS, min_face=first_face_px(60))


def read(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def cropped(picture: np.ndarray, face: Face, margin: float, longer: int = 224) -> tuple[np.ndarray, np.ndarray]:
    """The picture cut to the face with a margin, as a share of its box, and the box in it (2, 2)."""
    box = np.reshape(face.box, (2, 2))
    room = margin * (box[1] - box[0])
    corners = np.clip(np.array([box[0] - room, box[1] + room]), 0, picture.shape[1::-1]).round().astype(int)
    part = picture[corners[0, 1] : corners[1, 1], corners[0, 0] : corners[1, 0]]
    scale = longer / max(part.shape[:2])
    small = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return small, np.clip((box - corners[0]) * scale, 0, small.shape[1::-1])


def overlap(one: np.ndarray, two: np.ndarray) -> float:
    common = np.prod(np.clip(np.minimum(one[1], two[1]) - np.maximum(one[0], two[0]), 0, None))
    return float(common / (np.prod(one[1] - one[0]) + np.prod(two[1] - two[0]) - common))


@pytest.mark.slow
@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("finder", ["blazeface", "mtcnn"])
def test_a_crop_of_a_face_is_found(request: pytest.FixtureRequest, finder: str, margin: float) -> None:
    find = request.getfixturevalue(finder).find
    portrait = read(REPOSITORY / "assets/portrait.jpg")
    for longer in (224, 600):
        crop, box = cropped(portrait, find(portrait)[0], margin, longer)
        (face,) = find(crop)
        assert overlap(np.reshape(face.box, (2, 2)), box) > (0.75 if finder == "blazeface" else 0.5)
        if margin == 0 and finder == "blazeface":
            assert 0 <= face.box[0] < face.box[2] <= crop.shape[1]
            assert 0 <= face.box[1] < face.box[3] <= crop.shape[0]


@pytest.mark.slow
@pytest.mark.parametrize(("finder", "margins", "step"), [("blazeface", MARGINS, 20), ("mtcnn", (-0.1,), 25)])
def test_of_crops_of_portraits_nearly_all_are_found(
    request: pytest.FixtureRequest,
    blazeface: BlazeFaceFinder,
    finder: str,
    margins: tuple[float, ...],
    step: int,
    shared: Path,
) -> None:
    """MTCNN sees more at its first look; it too misses some whose chin or hair is cut."""
    find = request.getfixturevalue(finder).find
    found = []
    for path in sorted((shared / "data/portraits").glob("b*.jpg"))[::step]:
        portrait = read(path)
        for margin, face in itertools.product(margins, blazeface.find(portrait)[:1]):
            crop, box = cropped(portrait, face, margin)
            faces = find(crop)
            found.append(len(faces) == 1 and overlap(np.reshape(faces[0].box, (2, 2)), box) > 0.5)
    assert len(found) >= 11
    assert np.mean(found) >= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("finder", ["blazeface", "mtcnn"])
def test_no_face_is_seen_where_there_is_none(request: pytest.FixtureRequest, finder: str, shared: Path) -> None:
    """Among others in what portraits show below the chin."""
    find = request.getfixturevalue(finder).find
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (224, 224, 3), np.uint8), np.full((224, 130, 3), 90, np.uint8)]
    pictures += [
        cv2.resize(rng.integers(0, 256, (n, n, 3), np.uint8), (224, 224), interpolation=cv2.INTER_CUBIC)
        for n in range(4, 9)
    ]
    for path in sorted((shared / "data/portraits").glob("a*.jpg"))[::100]:
        picture = read(path)
        pictures += [picture[-250:, :250], picture[-200:], picture[:250, :180]]
    assert [len(find(np.ascontiguousarray(picture))) for picture in pictures] == [0] * len(pictures)


def test_what_is_found_is_moved_back_and_clipped() -> None:
    border = round(BORDER * LOOK_PX)
    seen = []

    def search(picture: np.ndarray) -> list[Face]:
        seen.append(picture.shape)
        points = np.array([[border + 48, border + 24]], np.float32)
        large = (border - 9.0, border + 4.0, border + 140.0, border + 60.0)
        return [Face(large, 0.9, points), Face(large, 0.55), Face((border, border, border + 40.0, border + 60.0), 0.9)]

    (face,) = find_filling(np.zeros((256, 512, 3), np.uint8), search)
    assert seen == [(64 + 2 * border, LOOK_PX + 2 * border, 3)]
    assert face.box == (0, 16, 512, 240)
    assert face.keypoints is not None
    assert face.keypoints.tolist() == [[192, 96]]


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (2000, 3)])
def test_slivers_are_looked_at_too(blazeface: BlazeFaceFinder, shape: tuple[int, int]) -> None:
    assert blazeface.find(np.zeros((*shape, 3), np.uint8)) == []
