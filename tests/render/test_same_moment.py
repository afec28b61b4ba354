from __future__ import annotations

from pathlib import Path

import pytest
from media_factory import coded_frame
from PIL import Image
from sample_results import clean_picture, heatmap, recording, result, sample

from drishtiksha.media.evidence import Evidence
from drishtiksha.render import same_moment
from drishtiksha.results import FaceScore, MediaKind
from drishtiksha.settings import MediaLimits

ASSETS = Path(__file__).parents[2] / "assets"


def test_the_moment_that_most_models_have_a_heatmap_of_comes_with_all_of_them() -> None:
    first = result(model_name="A", heatmaps=(heatmap(2), heatmap(14)))
    second = result(model_name="B", heatmaps=(heatmap(3, p_fake=0.7),))
    found = same_moment.moments([first, second])
    assert [moment.time_s for moment in found] == [1.0, 7.0]
    assert found[0].models == ("A", "B")
    assert found[1].models == ("A",)
    assert same_moment.moments([first, second], count=1) == [found[0]]


def test_the_nearest_sample_is_one_with_a_heatmap_when_it_is_near_enough() -> None:
    answer = result(heatmaps=(heatmap(2),))
    near = same_moment.nearest(answer, 1.6)
    assert near is not None
    assert (near.score.index, near.heatmap is not None) == (2, True)
    far = same_moment.nearest(answer, 8.1)
    assert far is not None
    assert (far.score.index, far.heatmap) == (16, None)


def test_nothing_is_shown_for_a_model_that_scored_nothing_near() -> None:
    lonely = result(scores=(sample(0, p=0.5), sample(1, p=0.5)), heatmaps=(), people=())
    assert same_moment.nearest(lonely, 5.4) is not None
    assert same_moment.nearest(lonely, 9.0) is None


def test_a_window_of_sound_holds_its_moment() -> None:
    found = same_moment.nearest(recording(), 6.5)
    assert found is not None
    assert found.score.index == 3
    assert same_moment.moments([recording()])[0].time_s == 8.0


def test_a_picture_has_one_sample_and_no_moments() -> None:
    assert same_moment.moments([clean_picture()]) == []
    assert same_moment.nearest(clean_picture(), None) is not None


def test_the_same_frame_and_its_sound_are_drawn_from_the_evidence_itself() -> None:
    clip = ASSETS / "clip_with_sound.mp4"
    if not clip.is_file():
        pytest.skip(f"{clip} is missing; make it with assets/make_examples.py")
    evidence = Evidence.open(clip, MediaLimits())
    faces = (FaceScore(face_box=(100, 60, 260, 240), p_fake=0.8),)
    eyes = result(scores=(sample(0, p=0.8, frame_index=30, time_s=1.0, faces=faces),), people=(), heatmaps=())
    ears = result(scores=(sample(0, p=0.4, frame_index=None, time_s=0.0, end_s=2.0),), people=(), heatmaps=())
    seen = list(same_moment.same_moment(evidence, [eyes, ears], 1.0, MediaLimits()))
    assert all(one.picture is not None and one.picture.shape[0] == 480 for one in seen)


def test_of_a_picture_the_whole_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    Image.fromarray(coded_frame(3, 640, 360)).save(path)
    evidence = Evidence.open(path, MediaLimits())
    assert evidence.media.kind is MediaKind.IMAGE
    (seen,) = same_moment.same_moment(evidence, [clean_picture()], None, MediaLimits())
    assert seen.picture is not None
