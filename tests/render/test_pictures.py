from __future__ import annotations

import numpy as np
import pytest
from sample_results import clean_picture, no_face, result
from sample_results import heatmap as sample_heatmap

from drishtiksha.render import findings, heatmap, overlay
from drishtiksha.results import FaceScore, Heatmap, Thresholds


@pytest.fixture
def frame() -> np.ndarray:
    return np.random.default_rng(0).integers(40, 200, (360, 640, 3), dtype=np.uint8)


def test_boxes_leave_the_frame_itself_untouched(frame: np.ndarray) -> None:
    before = frame.copy()
    drawn = overlay.draw_faces(frame, [FaceScore(face_box=(100, 60, 260, 240), p_fake=0.9, person=1)], Thresholds())
    assert (frame == before).all()
    assert (drawn[100:200, 120:240] == frame[100:200, 120:240]).all(), "the face must stay visible"
    assert (drawn[150, 100] == overlay.BOX).all()


def test_a_suspicious_face_differs_in_thickness_not_only_in_colour(frame: np.ndarray) -> None:
    def changed(p_fake: float) -> int:
        face = FaceScore(face_box=(100, 60, 260, 240), p_fake=p_fake)
        drawn = overlay.draw_faces(frame, [face], Thresholds())
        return int((drawn[150, 90:140] != frame[150, 90:140]).any(axis=1).sum())

    assert changed(0.9) > changed(0.1) > 0


@pytest.mark.parametrize("box", [(-30.0, -20.0, 50.0, 60.0), (600.0, 300.0, 700.0, 400.0), (0.0, 0.0, 640.0, 360.0)])
def test_boxes_at_the_edge_are_drawn(frame: np.ndarray, box: tuple[float, float, float, float]) -> None:
    assert (
        overlay.draw_faces(frame, [FaceScore(face_box=box, p_fake=0.5, person=12)], Thresholds()).shape == frame.shape
    )


def crowd(count: int, size: float = 60.0) -> list[FaceScore]:
    """Faces side by side, some of which overlap."""
    return [
        FaceScore(
            face_box=(
                20.0 + 45 * (n % 12),
                40.0 + 90 * (n // 12),
                20.0 + 45 * (n % 12) + size,
                40.0 + 90 * (n // 12) + size,
            ),
            p_fake=(n * 7 % count) / count,
            person=n + 1,
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("count", [2, 5, 12, 30])
def test_no_label_covers_another_however_many_faces_there_are(count: int) -> None:
    taken: list[overlay.Place] = []
    faces = crowd(count)
    for face in faces:
        others = [one.face_box for one in faces if one is not face]
        taken.append(overlay.label_place(face.face_box, (40.0, 34.0), (640, 360), others, taken))
    for n, (left, top, right, bottom) in enumerate(taken):
        assert min(left, top) >= 0
        assert (right <= 640, bottom <= 360) == (True, True)
        for other in taken[:n]:
            assert not (left < other[2] and other[0] < right and top < other[3] and other[1] < bottom)


def test_of_many_faces_the_numbers_stand_in_the_picture_and_the_scores_in_a_legend() -> None:
    faces = crowd(3)
    assert overlay.face_labels(faces) == ["1", "2", "3"]
    assert overlay.legend(faces) == "3: 0.67, 2: 0.33, 1: 0.00"
    assert overlay.legend(faces[:2]) == ""
    assert overlay.face_labels(faces[:2]) == ["Person 1 · 0.00", "Person 2 · 0.33"]
    assert overlay.legend(crowd(30)).endswith(" and 18 more")
    strangers = [face.model_copy(update={"person": None}) for face in faces]
    assert overlay.face_labels(strangers) == ["3", "2", "1"], "by rank, where nobody is followed"


def test_labels_are_readable_where_a_phone_shows_the_picture() -> None:
    frame = np.full((1080, 1920, 3), 90, np.uint8)
    face = FaceScore(face_box=(800, 300, 1100, 640), p_fake=0.9, person=1)
    drawn = (overlay.draw_faces(frame, [face], Thresholds()) == overlay.BOX).all(axis=2)
    rows = np.flatnonzero(drawn[:295, 805])  # of its ground, left of the text
    composed = 480 / 1080  # findings.HEIGHT
    assert len(rows) * composed * 330 / 1100 >= 10, "of a text of 11 px"


def test_label_names_the_person_and_the_score() -> None:
    assert overlay.face_label(FaceScore(face_box=(0, 0, 1, 1), p_fake=0.874, person=2)) == "Person 2 · 0.87"
    assert overlay.face_label(FaceScore(face_box=(0, 0, 1, 1), p_fake=0.874)) == "0.87"


def test_crop_outside_the_picture_is_refused(frame: np.ndarray) -> None:
    with pytest.raises(ValueError, match="outside the picture"):
        overlay.crop_around(frame, (900.0, 900.0, 950.0, 950.0), 0.1)


def test_heatmap_changes_only_its_own_region(frame: np.ndarray) -> None:
    warm = heatmap.blend(frame, sample_heatmap(0))
    assert (warm[:, :99] == frame[:, :99]).all()
    assert (warm[:, 261:] == frame[:, 261:]).all()
    assert (warm[60:240, 100:260] != frame[60:240, 100:260]).any()


def test_a_cold_heatmap_leaves_the_photograph(frame: np.ndarray) -> None:
    cold = Heatmap.from_array(np.zeros((7, 7)), sample_index=0, p_fake=0.5, method="occlusion", caption="Frame")
    assert (heatmap.blend(frame, cold) == frame).all()


def test_the_hottest_place_is_where_the_map_says() -> None:
    grey = np.full((140, 140, 3), 90, np.uint8)
    values = np.zeros((14, 14))
    values[3, 10] = 1.0
    hot = Heatmap.from_array(values, sample_index=0, p_fake=0.5, method="occlusion", caption="Frame")
    difference = np.abs(heatmap.blend(grey, hot).astype(int) - 90).sum(axis=2)
    row, column = np.unravel_index(difference.argmax(), difference.shape)
    assert 28 <= row <= 42
    assert 98 <= column <= 112


def test_findings_are_the_highest_scores_in_order() -> None:
    found = findings.findings(result(), count=3)
    scores = [finding.score.p_fake for finding in found]
    assert scores == sorted(scores, reverse=True)
    assert found[0].title() == "00:07.0, Person 1, score 0.90"
    assert found[0].heatmap is not None
    assert found[1].heatmap is not None
    assert found[2].heatmap is None


def test_nothing_scored_gives_no_findings() -> None:
    assert findings.findings(no_face()) == []


def test_a_picture_is_a_finding_although_it_has_no_frame_index() -> None:
    (finding,) = findings.findings(clean_picture())
    assert finding.title() == "score 0.12"


@pytest.mark.parametrize("shape", [(360, 640, 3), (640, 360, 3), (200, 200, 3)])
def test_composed_pictures_have_one_height(shape: tuple[int, int, int]) -> None:
    image = np.zeros(shape, np.uint8)
    box = (10.0, 10.0, 90.0, 90.0)
    base = result()
    score = base.scores[2].model_copy(update={"faces": (FaceScore(face_box=box, p_fake=0.9),)})
    for map_ in (None, sample_heatmap(2, face_box=box), sample_heatmap(2, face_box=None)):
        picture = findings.compose(image, findings.Finding(score, map_), base)
        assert picture.shape[0] == findings.HEIGHT
        assert picture.dtype == np.uint8
