"""Charts as data and as SVG: what is drawn is in the text of the page, small, and drawn in its own colours."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from sample_results import media, result, sample

import drishtiksha.render.chart as drawing
from drishtiksha.render import timeline
from drishtiksha.render.chart import Axis, band, marks, path, ticks
from drishtiksha.render.html import environment
from drishtiksha.render.palette import LIGHT, MARKERS
from drishtiksha.results import GapReason, Thresholds
from drishtiksha.ui.shared.theme import STATIC


def svg_of(chart: drawing.Chart) -> ET.Element:
    template = environment().from_string('{% from "chart.html" import drawing %}{{ drawing(chart, "c") }}')
    return ET.fromstring(template.render(chart=chart))


def sixty(duration_s: float = 30.0) -> timeline.AnalysisResult:
    scores = tuple(
        sample(i, gap=GapReason.FACE_TURNED) if 20 < i < 27 else sample(i, p=0.5 + 0.4 * np.sin(i)) for i in range(60)
    )
    return result(scores=scores, people=(), media=media(duration_s=duration_s))


def test_the_drawing_has_a_name_a_description_and_its_labels_as_text() -> None:
    svg = svg_of(timeline.score_chart(result()))
    assert svg.get("role") == "img"
    assert svg.get("aria-labelledby") == "c-title c-desc"
    assert svg.find("title[@id='c-title']").text == "Score over time"
    assert "Highest score 0.90 at 00:07.0" in svg.find("desc[@id='c-desc']").text
    texts = [text.text for text in svg.iter("text")]
    assert {"suspicious from 0.65", "nothing found up to 0.35", "no face", "00:00", "0.5"} <= set(texts)


def test_a_chart_of_sixty_samples_is_small() -> None:
    template = environment().from_string('{% from "chart.html" import drawing %}{{ drawing(chart, "c") }}')
    assert len(template.render(chart=timeline.score_chart(sixty()))) < 20_000


def test_no_label_of_a_threshold_hides_a_line() -> None:
    order = list(svg_of(timeline.score_chart(result())).iter())
    line = next(n for n, one in enumerate(order) if "dk-line" in one.get("class", "").split() and one.get("d"))
    labels = [n for n, one in enumerate(order) if one.tag.endswith("text") and "up to" in (one.text or "")]
    assert labels
    assert max(labels) < line


def test_labels_of_thresholds_that_are_near_each_other_stand_apart() -> None:
    near = timeline.score_chart(result(thresholds=Thresholds(real=0.5, fake=0.55)))
    assert [level.below for level in near.levels] == [False, True]
    assert not any(level.below for level in timeline.score_chart(result()).levels)


def test_gaps_and_lines_lie_where_they_are_on_the_axis() -> None:
    svg = svg_of(timeline.score_chart(result()))
    (gap,) = (one for one in svg.iter("rect") if one.get("fill") == "url(#c-hatch)")
    assert float(gap.get("x").rstrip("%")) == pytest.approx(100 * 3.25 / 9.2, abs=0.01)
    assert float(gap.get("width").rstrip("%")) == pytest.approx(100 * 2 / 9.2, abs=0.02)
    assert gap.find("title").text == "00:03.2-00:05.2 not judged: no face"
    assert Axis(0, 9.2).across(4.6) == 50
    assert Axis(0, 9.2).across(99) == 100


def test_every_reference_of_a_drawing_is_in_it() -> None:
    svg = svg_of(timeline.score_chart(result()))
    known = {one.get("id") for one in svg.iter() if one.get("id")}
    assert {one.get("href").removeprefix("#") for one in svg.iter("use")} <= known


def test_a_point_between_two_gaps_has_a_marker_however_long_the_line_is() -> None:
    heights = np.full(500, 0.5)
    heights[[101, 103]] = np.nan
    axis = Axis(0, 499)
    found = marks(axis, np.arange(500.0), heights, 20)
    assert (axis.across(102), 50.0) in found
    assert len(found) <= 22


def test_a_long_line_is_thinned_and_keeps_its_peak_and_its_gaps() -> None:
    heights = np.full(30_000, 0.2)
    heights[12_345], heights[20_000:20_200] = 0.97, np.nan
    drawn = path(Axis(0, 29_999), np.arange(30_000.0), heights)
    assert len(drawn) < 30_000
    assert " 30" in drawn, "the peak"
    assert drawn.count("M") == 2, "the gap"


@pytest.mark.parametrize("end_s", [0.1, 0.9, 4.2, 9.2, 60, 601, 5_000, 90_000])
def test_ticks_differ_and_a_phone_shows_few_of_them(end_s: float) -> None:
    labels = ticks(Axis(0, end_s))
    assert len({label.text for label in labels}) == len(labels)
    assert len(labels) <= drawing.DESK_TICKS + 1
    assert 1 <= len([label for label in labels if not label.room]) <= drawing.PHONE_TICKS


def test_a_text_stands_in_a_stretch_where_it_fits() -> None:
    rooms = [band(Axis(0, 100), 0, end, "", "not judged: no face").room for end in (90, 30, 5)]
    assert rooms == ["", "wide", "none"]


def test_the_page_draws_in_the_colours_of_the_documents_and_dark_ones_of_its_own() -> None:
    light, dark = (dict(re.findall(r"(--dk-[\w-]+): (#\w{6})", part)) for part in _css().split(".dark {", 1))
    assert [light[f"--dk-line-{n}"] for n in range(1, 7)] == list(LIGHT.people)
    assert (light["--dk-grid"], light["--dk-gap"], light["--dk-high"]) == (LIGHT.grid, LIGHT.gap, LIGHT.suspicious)
    assert dark.keys() == light.keys()
    assert all(dark[name] != light[name] for name in light)
    assert len(MARKERS) == len(LIGHT.people)


def _css() -> str:
    return (STATIC / "charts.css").read_text(encoding="utf-8")
