from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image
from sample_results import clean_picture, media, provenance, result, sample

from drishtiksha.casefile import EvidenceKind
from drishtiksha.comparison import compare
from drishtiksha.render import comparison, comparison_words
from drishtiksha.render.palette import DARK, LIGHT
from drishtiksha.render.strip import colour_of
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


def texts(figure: Any) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


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
    axes = comparison.draw_comparison(ALL).axes[0]
    drawn = [line for line in axes.lines if len(line.get_xdata()) == 10]
    assert len(drawn) == 2
    assert np.isnan(drawn[0].get_ydata()[5:7]).all()
    assert "nothing could be judged over time" in texts(comparison.draw_comparison(ALL))


def test_a_single_window_of_sound_is_drawn_as_long_as_it_lasts() -> None:
    alone = SOUND.model_copy(update={"scores": (sample(0, p=0.95, time_s=0.0, end_s=8.0),)})
    axes = comparison.draw_comparison([FACES, alone]).axes[0]
    assert [0.0, 8.0] in [list(line.get_xdata()) for line in axes.lines]


def test_lines_differ_in_dash_and_marker_not_in_colour_alone() -> None:
    looks = [comparison._look_of(n, LIGHT) for n in range(comparison.MAX_LINES)]
    assert len({(look["linestyle"], look["marker"]) for look in looks}) == comparison.MAX_LINES


@pytest.mark.parametrize("narrow", [False, True])
def test_each_line_has_its_name_and_its_own_rule_beside_it(narrow: bool) -> None:
    strict = SOUND.model_copy(update={"thresholds": Thresholds(real=0, fake=0.8)})
    figure = comparison.draw_comparison([FACES, strict], narrow=narrow)
    assert {"A  FACES", "B  SOUND", "suspicious ≥ 0.80, else unclear"} <= set(texts(figure))


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("count", [1, 3, 14])
def test_every_text_stays_inside_the_picture_and_off_the_others(narrow: bool, count: int) -> None:
    results = [ALL[n % 2].model_copy(update={"model_name": f"CROSS-EFFICIENT-VIT-{n:04}"}) for n in range(count)]
    found = compare(results)
    figure = comparison.draw_comparison(results, found.strip, found.segments, narrow=narrow)
    figure.canvas.draw()
    shown = [text for axes in figure.axes for text in axes.texts]
    boxes = [text.get_window_extent() for text in shown]
    for text, box in zip(shown, boxes, strict=True):
        assert 0 <= box.x0 < box.x1 <= figure.bbox.x1, text.get_text()
        assert 0 <= box.y0 < box.y1 <= figure.bbox.y1, text.get_text()
    labels = [box for text, box in zip(shown, boxes, strict=True) if "CROSS" in text.get_text()]
    assert all(not a.overlaps(b) for i, a in enumerate(labels) for b in labels[:i])
    assert len(labels) == min(count, comparison.MAX_LINES)
    assert ("and 2 more in the table" in [text.get_text() for text in shown]) == (count == 14)


def test_the_strip_says_how_many_kinds_agree_and_numbers_the_segments() -> None:
    found = compare(ALL)
    figure = comparison.draw_comparison(ALL, found.strip, found.segments)
    assert len(figure.axes) == 2
    assert "2/2" in texts(figure)
    assert "1" in texts(figure), "the number of the segment"
    assert figure.axes[1].get_xlim() == figure.axes[0].get_xlim()


def test_the_strip_grows_warmer_with_agreement() -> None:
    for look in (LIGHT, DARK):
        none, half, full = (colour_of(level, look) for level in (0.0, 0.5, 1.0))
        assert none == look.grid
        assert len({none, half, full}) == 3


def test_a_kind_that_is_alone_stays_pale() -> None:
    def hottest(results: list[AnalysisResult]) -> str:
        patches = comparison.draw_comparison(results, compare(results).strip).axes[1].patches
        return min((to_hex(patch.get_facecolor()) for patch in patches if patch.get_facecolor()[3]), default="")

    assert hottest([FACES, SOUND]) == colour_of(1.0, LIGHT)
    assert hottest([SOUND]) == colour_of(0.35, LIGHT)


@pytest.mark.parametrize("narrow", [False, True])
def test_the_axis_lies_where_the_place_says(narrow: bool) -> None:
    where = comparison.place(ALL)
    figure = comparison.draw_comparison(ALL, compare(ALL).strip, narrow=narrow)
    side = where.narrow if narrow else where.wide
    left, right = (figure.axes[0].transData.transform((x, 0))[0] for x in (where.start_s, where.end_s))
    assert (left / figure.bbox.width, right / figure.bbox.width) == pytest.approx((side.left, side.right))
    assert (where.start_s, where.end_s) == (0, 9)


def test_files_of_different_length_share_one_axis_under_their_own_names() -> None:
    longer = FACES.model_copy(update={"media": media(name="b.mp4", sha256="cd" * 32, duration_s=20.0)})
    assert comparison.place([FACES, longer]).end_s == 20
    figure = comparison.draw_comparison([FACES, longer], names=["clip.mp4", "b.mp4"])
    assert len(figure.axes) == 1
    assert "B  b.mp4" in texts(figure)


@pytest.mark.parametrize("narrow", [False, True])
def test_a_long_file_name_loses_its_middle(narrow: bool) -> None:
    name = "WHATSAPP VIDEO OF A VERY LONG NAME 2026-11-25 AT 10.04.11 (COPY 2).mp4"
    figure = comparison.draw_comparison([FACES, FACES], names=[name, "b.mp4"], narrow=narrow)
    figure.canvas.draw()
    (label,) = [text for text in figure.axes[0].texts if "WHATSAPP" in text.get_text()]
    assert label.get_text().endswith("(COPY 2).mp4")
    assert label.get_window_extent().x1 <= figure.bbox.x1


def test_pictures_have_no_chart() -> None:
    assert not comparison.has_chart([clean_picture()])
    with pytest.raises(ValueError, match="no chart"):
        comparison.place([clean_picture()])


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


def test_dark_and_light_pictures_differ_in_ground() -> None:
    light, dark = (
        np.asarray(Image.open(io.BytesIO(comparison.comparison_png(ALL, compare(ALL).strip, dark=dark))).convert("L"))
        for dark in (False, True)
    )
    assert light[2, 2] > 240
    assert dark[2, 2] < 50


def test_neither_pyplot_nor_torch_is_used() -> None:
    code = (
        "import sys; from sample_results import result; from drishtiksha.render.comparison import comparison_png;"
        "comparison_png([result()]); assert 'matplotlib.pyplot' not in sys.modules; assert 'torch' not in sys.modules"
    )
    tests = Path(__file__).parents[1]
    paths = os.pathsep.join((str(tests), str(tests.parent)))
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": paths})
