"""MTCNN against facenet-pytorch's own boxes, and what its callers rely on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from make_expected_boxes import EXPECTED, THRESHOLDS, own_picture, shared_pictures

from drishtiksha.contract import Face
from drishtiksha.errors import WeightsMismatchError, WeightsMissingError
from drishtiksha.faces import mtcnn
from drishtiksha.faces.mtcnn import MIN_FACE_PX, MODEL_FILE, MTCNNFinder, _AreaImage, first_face_px

MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture(scope="module")
def finder() -> MTCNNFinder:
    return MTCNNFinder(MODELS)


@pytest.fixture(scope="module")
def expected() -> dict[str, dict[str, list]]:
    return json.loads(EXPECTED.read_text())


def assert_same(faces: list[Face], wanted: list[dict], name: str) -> None:
    assert len(faces) == len(wanted), f"{name}: {len(faces)} faces instead of {len(wanted)}"
    for face, truth in zip(faces, wanted, strict=True):
        np.testing.assert_allclose(face.box, truth["box"], atol=1, err_msg=name)
        np.testing.assert_allclose(face.keypoints, truth["keypoints"], atol=1, err_msg=name)
        assert face.score == pytest.approx(truth["score"], abs=0.01)


@pytest.mark.parametrize("setting", THRESHOLDS)
def test_boxes_are_those_of_facenet_pytorch_on_the_portrait(expected: dict, setting: str) -> None:
    name, picture = own_picture()
    assert expected[setting][name], "the portrait must have a face, or this shows nothing"
    assert_same(MTCNNFinder(MODELS, THRESHOLDS[setting]).find(picture), expected[setting][name], name)


@pytest.mark.slow
@pytest.mark.parametrize("setting", THRESHOLDS)
def test_boxes_are_those_of_facenet_pytorch_on_clips_and_portraits(expected: dict, setting: str, shared: Path) -> None:
    finder = MTCNNFinder(MODELS, THRESHOLDS[setting])
    seen = 0
    for name, picture in shared_pictures(shared):
        assert_same(finder.find(picture), expected[setting][name], name)
        seen += 1
    assert seen == len(expected[setting]) - 1


def test_keypoints_lie_where_their_names_say(finder: MTCNNFinder) -> None:
    face = finder.find(own_picture()[1])[0]
    assert face.keypoints is not None
    left_eye, right_eye, nose, left_mouth, right_mouth = face.keypoints
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_largest_face_comes_first_and_small_ones_can_be_left_out() -> None:
    portrait = own_picture()[1]
    two = np.zeros((512, 900, 3), np.uint8)
    two[:, 388:] = portrait
    two[:256, :256] = portrait[::2, ::2]
    faces = MTCNNFinder(MODELS).find(two)
    assert [face.box[0] > 388 for face in faces] == [True, False]
    assert faces[0].size > 1.5 * faces[1].size
    only_large = MTCNNFinder(MODELS, min_face=120).find(two)
    assert [face.box[0] > 388 for face in only_large] == [True]


def test_the_search_begins_below_the_faces_that_are_wanted() -> None:
    assert first_face_px(20) == MIN_FACE_PX
    assert first_face_px(39) == MIN_FACE_PX
    for wanted in (40, 57, 113, 300):
        assert wanted / 2 < first_face_px(wanted) < 0.71 * wanted


@pytest.mark.slow
@pytest.mark.parametrize("size", [45, 60, 100, 200])
def test_wanted_faces_are_the_same_wherever_the_search_begins(finder: MTCNNFinder, size: int) -> None:
    portrait = own_picture()[1]
    scale = size / finder.find(portrait)[0].size
    picture = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    wanted = finder.find(picture)
    assert wanted
    found = MTCNNFinder(MODELS, min_face=first_face_px(40)).find(picture)
    assert len(found) == len(wanted)
    for face, truth in zip(found, wanted, strict=True):
        np.testing.assert_allclose(face.box, truth.box, atol=0.01)


def crowd() -> np.ndarray:
    """The portrait in eight sizes on a large picture of texture, faces of about 42 to 170 px."""
    portrait, rng = own_picture()[1], np.random.default_rng(3)
    picture = cv2.resize(rng.integers(90, 160, (27, 48, 3), dtype=np.uint8), (1920, 1080))
    for number, side in enumerate((200, 220, 260, 320, 400, 480, 210, 240)):
        top, left = 500 * (number // 4), 480 * (number % 4)
        picture[top : top + side, left : left + side] = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA)
    return picture


def assert_alike(picture: np.ndarray, least: int) -> None:
    start = first_face_px(least)
    wanted, found = (
        [face for face in MTCNNFinder(MODELS, min_face=start, sparing=sparing).find(picture) if face.size >= least]
        for sparing in (False, True)
    )
    assert wanted
    assert len(found) == len(wanted)
    for face, truth in zip(found, wanted, strict=True):
        np.testing.assert_allclose(face.box, truth.box, atol=1)


@pytest.mark.slow
def test_a_sparing_search_looks_at_less_and_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    assert_alike(crowd(), 40)
    near, whole = [], []
    for name, places in (("_propose_near", near), ("_propose_at", whole)):
        real = getattr(MTCNNFinder, name)
        monkeypatch.setattr(MTCNNFinder, name, lambda *a, places=places, real=real: places.append(a[2]) or real(*a))
    MTCNNFinder(MODELS, min_face=first_face_px(40), sparing=True).find(crowd())
    assert len(near) == mtcnn.FINE_SCALES
    assert not {*near} & {*whole}


@pytest.mark.slow
def test_a_sparing_search_finds_the_same_in_clips(shared: Path) -> None:
    for name, picture in shared_pictures(shared):
        if name.startswith("street"):
            assert_alike(picture, 40)


def test_a_strip_of_one_scale_is_searched_at_it() -> None:
    strip = np.zeros((29, 9000, 3), np.uint8)
    assert MTCNNFinder(MODELS, min_face=28, sparing=True).find(strip) == []


def test_sums_of_pictures_too_wide_for_opencv_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    image = _AreaImage(own_picture()[1])
    corners = np.array([[3, 5, 90, 80], [100, 40, 512, 511]])
    quick = image.rows((100, 120), 10, 60), image.crops(corners, 24)
    monkeypatch.setattr(mtcnn, "MOST_REMAPPED", 0)
    for one, other in zip(quick, (image.rows((100, 120), 10, 60), image.crops(corners, 24)), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("shape", [(8, 8), (19, 400), (1, 1), (64, 21), (300, 300)])
def test_pictures_without_a_face_give_none(finder: MTCNNFinder, shape: tuple[int, int]) -> None:
    assert finder.find(np.full((*shape, 3), 127, np.uint8)) == []


def test_noise_of_any_odd_size_is_gone_through(finder: MTCNNFinder) -> None:
    rng = np.random.default_rng(0)
    for size in [(20, 20), (33, 47), (101, 20), (64, 333)]:
        assert isinstance(finder.find(rng.integers(0, 256, (*size, 3), dtype=np.uint8)), list)


def test_a_face_cut_by_the_edge_is_found(finder: MTCNNFinder) -> None:
    portrait = own_picture()[1]
    whole = finder.find(portrait)[0]
    middle = int((whole.box[1] * 2 + whole.box[3]) / 3)
    cut = finder.find(np.ascontiguousarray(portrait[middle:]))
    assert cut
    assert abs(cut[0].box[0] - whole.box[0]) < whole.size / 2


@pytest.mark.parametrize(
    "frame", [np.zeros((20, 20), np.uint8), np.zeros((20, 20, 3), np.float32), np.zeros((0, 9, 3), np.uint8)]
)
def test_what_is_no_frame_is_refused(finder: MTCNNFinder, frame: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8"):
        finder.find(frame)


@pytest.mark.slow
def test_threads_share_a_finder(finder: MTCNNFinder) -> None:
    portrait = own_picture()[1]
    pictures = [portrait, np.ascontiguousarray(portrait[:, ::-1]), portrait[:300], portrait[::2, ::2]] * 3
    alone = [finder.find(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        assert [[f.box for f in faces] for faces in pool.map(finder.find, pictures)] == [
            [f.box for f in faces] for faces in alone
        ]


def test_a_white_frame_too_large_for_32_bit_sums_stays_white() -> None:
    side = 3000
    assert side * side * 255 > 2**31
    image = _AreaImage(np.full((side, side, 3), 255, np.uint8))
    np.testing.assert_allclose(image.rows((500, 500), 490, 500), 127.5 / 128, atol=1e-5)
    corners = np.array([[2900, 2900, 3000, 3000], [0, 0, 3000, 3000]])
    np.testing.assert_allclose(image.crops(corners, 24), 127.5 / 128, atol=1e-5)


def test_missing_and_damaged_weights_are_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissingError, match="git checkout"):
        MTCNNFinder(tmp_path)
    checkpoint = tmp_path / MODEL_FILE
    shutil.copy(MODELS / "mtcnn.json", tmp_path)
    data = bytearray((MODELS / MODEL_FILE).read_bytes())
    data[-1] ^= 1
    checkpoint.write_bytes(data)
    with pytest.raises(WeightsMismatchError, match="SHA-256"):
        MTCNNFinder(tmp_path)


@pytest.mark.slow
def test_importing_the_finder_and_the_tracks_leaves_torch_alone() -> None:
    code = "import sys, drishtiksha.faces.tracks, drishtiksha.faces.mtcnn; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
