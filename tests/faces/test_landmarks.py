"""The face mesh on real portraits."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from drishtiksha.contract import Face
from drishtiksha.errors import WeightsMissingError
from drishtiksha.faces.detect import BlazeFaceFinder
from drishtiksha.faces.landmarks import MESH_OF_68, FaceMesh, to_68

MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture(scope="module")
def finder() -> BlazeFaceFinder:
    return BlazeFaceFinder(MODELS)


@pytest.fixture(scope="module")
def mesh() -> FaceMesh:
    return FaceMesh(MODELS)


@pytest.fixture(scope="module")
def portrait(shared: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(shared / "data/portraits/a0001.jpg")), cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def points(finder: BlazeFaceFinder, mesh: FaceMesh, portrait: np.ndarray) -> np.ndarray:
    found = mesh.landmarks(portrait, finder.find(portrait)[0])
    assert found is not None
    return found


def test_mesh_fills_the_face_box(points: np.ndarray, finder: BlazeFaceFinder, portrait: np.ndarray) -> None:
    assert points.shape == (468, 2)
    assert points.dtype == np.float32
    x0, y0, x1, y1 = finder.find(portrait)[0].box
    slack = 0.15 * (x1 - x0)
    inside = (points[:, 0] > x0 - slack) & (points[:, 0] < x1 + slack)
    inside &= (points[:, 1] > y0 - slack) & (points[:, 1] < y1 + slack)
    assert inside.all()
    assert np.ptp(points[:, 0]) > 0.6 * (x1 - x0)


def test_the_68_points_stand_in_the_order_of_dlib(points: np.ndarray) -> None:
    face = to_68(points)
    assert face.shape == (68, 2)
    assert len(set(MESH_OF_68.tolist())) == 68
    assert (np.diff(face[:9, 1]) > 0).all(), "the jaw falls from the left ear to the chin"
    assert (np.diff(face[8:17, 1]) < 0).all(), "and rises to the right ear"
    assert (np.diff(face[:17, 0]) > -5).all()
    assert (np.diff(face[17:27, 0]) > 0).all(), "the brows run from left to right"
    assert (np.diff(face[27:31, 1]) > 0).all(), "the bridge of the nose runs down"
    assert (np.diff(face[31:36, 0]) > 0).all(), "the points under the nose run from left to right"
    for corner, upper, lower in ((36, (37, 38), (40, 41)), (42, (43, 44), (46, 47))):
        assert face[corner, 0] < face[list(upper), 0].mean() < face[corner + 3, 0]
        assert face[list(upper), 1].mean() < face[list(lower), 1].mean()
    assert face[48, 0] < face[51, 0] < face[54, 0]
    assert face[51, 1] < face[62, 1] <= face[66, 1] < face[57, 1], "outer lip, inner lip, inner lip, outer lip"
    brows, eyes, nose, lips = face[17:27], face[36:48], face[30], face[48:]
    assert brows[:, 1].mean() < eyes[:, 1].mean() < nose[1] < lips[:, 1].mean() < face[8, 1]


@pytest.mark.parametrize("angle", [-30, 20])
def test_mesh_turns_with_the_face(
    angle: float, points: np.ndarray, finder: BlazeFaceFinder, mesh: FaceMesh, portrait: np.ndarray
) -> None:
    height, width = portrait.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 0.8)
    turned = cv2.warpAffine(portrait, matrix, (width, height))
    found = mesh.landmarks(turned, finder.find(turned)[0])
    assert found is not None
    expected = cv2.transform(points[None], matrix)[0]
    span = np.ptp(expected[:, 0])
    assert np.median(np.linalg.norm(found - expected, axis=1)) < 0.04 * span


def test_mesh_is_the_same_at_another_size(
    points: np.ndarray, finder: BlazeFaceFinder, mesh: FaceMesh, portrait: np.ndarray
) -> None:
    small = cv2.resize(portrait, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA)
    found = mesh.landmarks(small, finder.find(small)[0])
    assert found is not None
    assert np.median(np.linalg.norm(found / 0.3 - points, axis=1)) < 0.03 * np.ptp(points[:, 0])


def test_no_landmarks_where_there_is_no_face(mesh: FaceMesh) -> None:
    _, x = np.mgrid[:300, :300]
    picture = np.stack([x * 255 // 300] * 3, axis=-1).astype(np.uint8)
    assert mesh.landmarks(picture, Face(box=(50, 50, 250, 250), score=1.0)) is None


def test_a_missing_model_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissingError, match="git checkout"):
        FaceMesh(tmp_path)
