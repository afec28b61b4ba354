from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sample_results import clean_picture, media, provenance, result, sample

from drishtiksha.casefile import EvidenceKind
from drishtiksha.comparison import compare
from drishtiksha.render import comparison, comparison_words
from drishtiksha.render.palette import LIGHT
from drishtiksha.render.strip import LONE, colour_of, warmth
from drishtiksha.results import AnalysisResult, GapReason, Thresholds


def answer(name: str, kind: EvidenceKind, scores: list[float | None], **fields: Any) -> AnalysisResult:
    """One detector's answer over a clip of 9 s; None is a gap."""
    made = tuple(
        sample(i, gap=GapReason.NO_FACE, time_s=float(i)) if p is None else sample(i, p=p, time_s=float(i))
        for i, p in enumerate(scores)
    )
    run = provenance().model_copy(update={"config": {"evidence": kind.value}})
    fields = {"media": media(duration_s=9.0), "people": (), "heatmaps": ()} | fields
    return result(model_name=name, scores=made, provenance=run, **fields)


FACES = answer("FACES", EvidenceKind.FACE_TEXTURE, [0.2, 0.4, 0.9, 0.9, 0.9, None, None, 0.3, 0.2, 0.1])
SOUND = answer("SOUND", EvidenceKind.SPECTRUM, [0.1, 0.1, 0.1, 0.95, 0.95, 0.95, 0.2, 0.2, 0.2, 0.2])
BLINKS = answer("BLINKS", EvidenceKind.BLINKING, [None] * 10)
ALL = [FACES, SOUND, BLINKS]


def test_a_zone_is_a_third_whatever_the_thresholds_are() -> None:
    limits = Thresholds(real=0.2, fake=0.9)
    heights = comparison.zone_height(np.array([0.0, 0.2, 0.55, 0.9, 1.0, np.nan]), limits)
    assert heights[:5] == pytest.approx([0, 1 / 3, 0.5, 2 / 3, 1])
    assert np.isnan(heights[5])


def test_the_zone_agrees_with_the_verdict_where_thresholds_meet_or_nothing_is_cleared() -> None:
    single = comparison.zone_height(np.array([0.49, 0.5]), Thresholds(real=0.5, fake=0.5))
    assert single[0] <= 1 / 3
    assert single[1] >= 2 / 3
    assert comparison.zone_height(np.array([0.0]), Thresholds(real=0, fake=0.8))[0] == pytest.approx(1 / 3)
    assert comparison.zone_height(np.array([1.0]), Thresholds(real=0.5, fake=1.0))[0] == pytest.approx(2 / 3)


def test_a_line_breaks_at_a_gap_and_a_model_without_scores_has_none() -> None:
    faces, sound, blinks = comparison.comparison_chart(ALL).lines
    assert faces.path.count("M") == 2, "before the gap and after it"
    assert sound.path.count("M") == 1
    assert (blinks.path, blinks.marks, blinks.end) == ("", (), None)
    assert blinks.detail == "nothing could be judged over time"


def test_a_single_window_of_sound_is_drawn_as_long_as_it_lasts() -> None:
    alone = SOUND.model_copy(update={"scores": (sample(0, p=0.95, time_s=0.0, end_s=9.0),)})
    line = comparison.comparison_chart([FACES, alone]).lines[1]
    assert [x for x, _ in line.marks] == [0, 100]


def test_each_line_has_its_name_and_its_own_rule() -> None:
    strict = SOUND.model_copy(update={"thresholds": Thresholds(real=0, fake=0.8)})
    line = comparison.comparison_chart([FACES, strict]).lines[1]
    assert (line.letter, line.name, line.detail) == ("B", "SOUND", "suspicious from 0.80, below that unclear")


@pytest.mark.parametrize("count", [1, 3, 14])
def test_letters_stay_in_the_plot_and_off_each_other(count: int) -> None:
    chart = comparison.comparison_chart([ALL[n % 2] for n in range(count)])
    ends = sorted(line.end for line in chart.lines)
    assert len(ends) == min(count, comparison.MAX_LINES)
    assert ends[0] > 0
    assert ends[-1] < 100
    assert all(b - a >= 100 * comparison.LETTER_STEP - 0.2 for a, b in pairwise(ends))
    assert chart.more == ("and 2 more in the table" if count == 14 else "")


def test_the_strip_says_how_many_kinds_agree_and_numbers_the_segments() -> None:
    found = compare(ALL)
    chart = comparison.comparison_chart(ALL, found.strip, found.segments)
    assert any(cell.text == "2/2" and cell.warmth == 1 and "2 of 2 kinds" in cell.told for cell in chart.cells or ())
    assert [segment.text for segment in chart.segments] == ["1"]
    assert comparison.comparison_chart(ALL).cells is None


def test_a_kind_that_is_alone_stays_pale() -> None:
    assert max(warmth(cell) or 0 for cell in compare([FACES, SOUND]).strip) == 1
    assert max(warmth(cell) or 0 for cell in compare([SOUND]).strip) == LONE
    none, half, full = (colour_of(level, LIGHT) for level in (0.0, 0.5, 1.0))
    assert none == LIGHT.grid
    assert len({none, half, full}) == 3


def test_files_of_different_length_share_one_axis_under_their_own_names() -> None:
    longer = FACES.model_copy(update={"media": media(name="b.mp4", sha256="cd" * 32, duration_s=20.0)})
    chart = comparison.comparison_chart([FACES, longer], names=["clip.mp4", "b.mp4"])
    assert (chart.axis.start_s, chart.axis.end_s) == (0, 20)
    assert [line.name for line in chart.lines] == ["clip.mp4", "b.mp4"]


def test_pictures_have_no_chart() -> None:
    assert not comparison.has_chart([clean_picture()])
    with pytest.raises(ValueError, match="no chart"):
        comparison.shared_axis([clean_picture()])


def test_the_picture_is_described_in_words() -> None:
    text = comparison_words.describe(ALL, compare(ALL).segments)
    assert (
        "A, FACES, suspicious from 0.65, nothing found up to 0.35: highest 0.90 at 00:02.0; not judged 00:04-00:06."
        in text
    )
    assert "C, BLINKS, suspicious from 0.65, nothing found up to 0.35: nothing could be judged." in text
    assert "Several kinds of evidence suspect 00:02.5-" in text
    assert "face texture, sound spectrum" in text
    assert "At no moment" in comparison_words.describe([FACES], ())
