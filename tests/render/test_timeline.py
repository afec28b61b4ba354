from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sample_results import clean_picture, media, no_face, recording, result, sample

from drishtiksha.render import timeline
from drishtiksha.results import AnalysisResult, FaceScore, GapReason, Grade, PersonScore, SampleScore, Thresholds


def test_gaps_of_one_reason_join_and_reach_half_way() -> None:
    (gap,) = timeline.gaps(result())
    assert (gap.start_s, gap.end_s, gap.reason) == (3.25, 5.25, GapReason.NO_FACE)


def test_neighbouring_gaps_of_different_reasons_stay_apart() -> None:
    scores = (
        sample(0, p=0.5),
        sample(1, gap=GapReason.NO_FACE),
        sample(2, gap=GapReason.FACE_TOO_SMALL),
        sample(3, p=0.5),
    )
    found = timeline.gaps(result(scores=scores, people=()))
    assert [gap.reason for gap in found] == [GapReason.NO_FACE, GapReason.FACE_TOO_SMALL]
    assert found[0].end_s == found[1].start_s


def test_a_gap_breaks_the_line_and_is_never_zero() -> None:
    (line,) = timeline.lines(result(people=()))
    assert np.isnan(line.p_fake[7:11]).all()
    assert not np.isnan(np.delete(line.p_fake, range(7, 11))).any()


def test_two_people_are_two_lines_and_an_absent_person_has_no_score() -> None:
    first, second = timeline.lines(result())
    assert (first.person, second.person) == (1, 2)
    assert np.isnan(second.p_fake[:11]).all()
    assert np.nanmax(second.p_fake) < 0.3


def test_a_crowd_keeps_the_most_suspicious_people() -> None:
    people = tuple(
        PersonScore(person=n, first_s=0, last_s=1, samples=3, p_fake=n / 20, highest_p_fake=n / 20, grade=Grade.WEAK)
        for n in range(1, 11)
    )
    faces = tuple(FaceScore(face_box=(0, 0, 9, 9), p_fake=n / 20, person=n) for n in range(1, 11))
    crowd = result(people=people, scores=(sample(0, p=0.5, faces=faces), sample(1, p=0.5, faces=faces)))
    assert [line.person for line in timeline.lines(crowd)] == [5, 6, 7, 8, 9, 10]
    assert timeline.score_chart(crowd).more == "and 4 more in the list"
    legend = timeline.draw_timeline(crowd).axes[0].get_legend()
    assert legend.get_texts()[-1].get_text() == "and 4 more in the list"


def test_the_legend_stays_inside_the_picture() -> None:
    people = tuple(
        PersonScore(person=n, first_s=0, last_s=1, samples=3, p_fake=0.5, highest_p_fake=0.5, grade=Grade.WEAK)
        for n in range(1, 11)
    )
    figure = timeline.draw_timeline(result(people=people))
    figure.canvas.draw()
    box = figure.axes[0].get_legend().get_window_extent()
    assert box.y1 <= figure.bbox.y1
    assert box.x1 <= figure.bbox.x1


def test_a_short_clip_has_no_two_equal_labels_on_its_axis() -> None:
    scores = tuple(sample(i, p=0.5, time_s=i * 0.14) for i in range(31))
    short = result(scores=scores, people=(), media=media(duration_s=4.2))
    figure = timeline.draw_timeline(short)
    figure.canvas.draw()
    drawn = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    for labels in (drawn, [tick.text for tick in timeline.score_chart(short).ticks]):
        assert len(set(labels)) == len(labels), labels


def test_the_last_label_of_the_axis_is_not_cut() -> None:
    figure = timeline.draw_timeline(recording())
    figure.canvas.draw()
    labels = [label for label in figure.axes[0].get_xticklabels() if label.get_text() == "00:14"]
    assert all(label.get_window_extent().x1 <= figure.bbox.x1 for label in labels)
    assert labels


def test_a_picture_has_no_timeline() -> None:
    assert not timeline.has_timeline(clean_picture())
    with pytest.raises(ValueError, match="no timeline"):
        timeline.bounds(clean_picture())


@pytest.mark.slow
def test_thresholds_are_drawn_where_they_are() -> None:
    texts = [text.get_text() for text in timeline.draw_timeline(result()).axes[0].texts]
    assert "suspicious\nfrom 0.65" in texts
    assert "nothing found\nup to 0.35" in texts
    assert "not judged: no face" in texts


@pytest.mark.parametrize("limits", [(0.35, 0.65), (0.5, 0.55), (0.9, 0.97), (0.02, 0.06)])
def test_labels_are_large_enough_inside_the_picture_and_on_no_line(limits: tuple[float, float]) -> None:
    figure = timeline.draw_timeline(result(thresholds=Thresholds(real=limits[0], fake=limits[1])))
    figure.canvas.draw()
    axes = figure.axes[0]
    texts = [*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label]
    shown = 640 / figure.bbox.width  # the least that report.css shows it at
    assert min(text.get_fontsize() for text in texts) * figure.dpi / 72 * shown >= 11
    labels = [text for text in axes.texts if "\n" in text.get_text()]
    boxes = [label.get_window_extent() for label in labels]
    assert all(box.x1 <= figure.bbox.x1 and box.x0 >= axes.bbox.x1 for box in boxes), "beside the lines, not over them"
    assert all(box.y0 >= 0 and box.y1 <= figure.bbox.y1 for box in boxes)
    assert not boxes[0].overlaps(boxes[1])


def test_a_file_without_any_score_is_all_gap() -> None:
    (gap,) = timeline.gaps(no_face())
    assert (gap.start_s, gap.end_s) == timeline.bounds(no_face())
    assert "Highest" not in timeline.describe(no_face())


def test_the_picture_is_described_in_words() -> None:
    text = timeline.describe(result())
    assert "Highest score 0.90 at 00:07.0" in text
    assert "00:03-00:05 no face" in text


def test_a_recording_is_drawn_at_the_middle_of_its_windows_with_its_pauses() -> None:
    (line,) = timeline.lines(recording())
    assert list(line.times_s) == [2, 4, 6, 8, 10, 12]
    assert [(gap.start_s, gap.end_s, gap.reason) for gap in timeline.gaps(recording())] == [(3, 7, GapReason.NO_SPEECH)]
    assert timeline.bounds(recording()) == (0, 14)
    texts = [text.get_text() for text in timeline.draw_timeline(recording()).axes[0].texts]
    assert "not judged: no speech" in texts
    described = timeline.describe(recording())
    assert "Highest score 0.90 at 00:06.0-00:10.0." in described
    assert "00:03-00:07 no speech" in described


def judged_at_every_moment(*starts: float) -> AnalysisResult:
    """Windows of 12 s, each 0.1 but for 0.9 from its 4th to its 6th second."""
    curve = (0.1,) * 20 + (0.9,) * 10 + (0.1,) * 30
    windows = [
        SampleScore(index=i, time_s=start, end_s=start + 12, p_fake=0.3, curve=curve) for i, start in enumerate(starts)
    ]
    return recording().model_copy(update={"scores": tuple(windows)})


def test_a_window_that_was_judged_at_every_moment_is_drawn_so() -> None:
    alone = judged_at_every_moment(0.0)
    assert timeline.has_timeline(alone)
    (line,) = timeline.lines(alone)
    assert (len(line.times_s), line.times_s[0], line.times_s[-1]) == (60, pytest.approx(0.1), pytest.approx(11.9))
    suspicious = line.times_s[line.p_fake > 0.5]
    assert (suspicious.min(), suspicious.max()) == (pytest.approx(4.1), pytest.approx(5.9))


def test_windows_that_overlap_follow_each_other() -> None:
    (line,) = timeline.lines(judged_at_every_moment(0.0, 9.0))
    assert (np.diff(line.times_s) > 0).all()
    assert line.times_s[-1] == pytest.approx(20.9)


def test_a_long_recording_has_no_more_moments_than_can_be_seen() -> None:
    (line,) = timeline.lines(judged_at_every_moment(*(12.0 * i for i in range(150))))
    assert len(line.times_s) <= timeline.MAX_MOMENTS + 150
    assert line.p_fake.max() > 0.6


@pytest.mark.slow
def test_pyplot_is_not_used() -> None:
    code = (
        "import sys; from sample_results import result; from drishtiksha.render.timeline import timeline_png;"
        "timeline_png(result()); assert 'matplotlib.pyplot' not in sys.modules; assert 'torch' not in sys.modules"
    )
    tests = Path(__file__).parents[1]
    paths = os.pathsep.join((str(tests), str(tests.parent)))
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": paths})
