"""From scores to the numbers of the tables: what is counted, what is set against what, and what has no answer."""

from __future__ import annotations

import pytest

from drishtiksha.evaluation.report import (
    EvaluationReport,
    ModelReport,
    comparison,
    floor_sentence,
    markdown,
    model_tables,
    percent,
)
from drishtiksha.evaluation.scores import Score
from drishtiksha.evaluation.summary import Measure, real_floor, summarize

DRAWS = 200


def score(group: str, source: str, p_fake: float | None, reason: str = "") -> Score:
    label = "real" if group.startswith("real") else "fake"
    called = None if p_fake is None else "FAKE" if p_fake >= 0.8 else "REAL" if p_fake <= 0.2 else "INCONCLUSIVE"
    return Score(f"{group}_{source}", label, group, source, "M", "image", p_fake, called, reason=reason)


SCORES = [
    *(score("real/clean", f"p{n}", p) for n, p in enumerate((0.1, 0.1, 0.3, 0.9))),
    *(score("real/small", f"p{n}", p) for n, p in enumerate((0.95, 0.95, 0.95, 0.95))),
    *(score("swap/clean", f"p{n}", p) for n, p in enumerate((0.85, 0.95, 0.95, 0.15))),
    *(score("synth", f"p{n}", p) for n, p in enumerate((0.5, 0.96, 0.96, 0.96))),
    score("swap/clean", "p4", None, "no_face"),
    score("real/clean", "p4", None, "unreadable"),
]


def test_verdicts_are_counted_over_what_was_scored():
    overall, _, groups = summarize(SCORES, seed=0, draws=DRAWS)
    clean, swap = groups["real/clean"], groups["swap/clean"]
    assert (clean.n_real, clean.scored_real, clean.gaps) == (5, 4, {"unreadable": 1})
    assert (swap.n_fake, swap.scored_fake, swap.gaps) == (5, 4, {"no_face": 1})
    assert clean.false_alarms.value == 0.25
    assert clean.real_called_real.value == 0.5
    assert swap.recall.value == 0.75
    assert swap.fake_called_real.value == 0.25
    assert (overall.n_real, overall.n_fake, overall.scored_real, overall.scored_fake) == (9, 9, 8, 8)
    assert overall.sources == 4


def test_one_class_answers_only_what_it_can():
    _, _, groups = summarize(SCORES, seed=0, draws=DRAWS)
    clean, swap = groups["real/clean"], groups["swap/clean"]
    assert (clean.auc, clean.eer, clean.ece, clean.recall, clean.against) == (None, None, None, None, None)
    assert (swap.false_alarms, swap.ap, swap.ece, swap.brier) == (None, None, None, None)


def test_fakes_alone_are_set_against_reals_that_arrived_alike():
    _, _, groups = summarize(SCORES, seed=0, draws=DRAWS)
    assert groups["swap/clean"].against == "real/clean"
    assert groups["swap/clean"].auc.value == pytest.approx(13 / 16)  # the small reals at 0.95 would make it lower
    assert groups["synth"].against == "all reals"
    assert groups["synth"].auc.value == pytest.approx(27 / 32)


def test_groups_are_also_put_together():
    _, merged, groups = summarize(SCORES, seed=0, draws=DRAWS)
    assert list(groups) == ["real/clean", "real/small", "swap/clean", "synth"]
    assert list(merged) == ["*/clean", "real/*"], "nothing that holds a single group"
    assert merged["real/*"].false_alarms.value == pytest.approx(5 / 8)
    assert (merged["*/clean"].n_real, merged["*/clean"].n_fake) == (5, 5)
    assert merged["*/clean"].ece is not None


def test_intervals_hold_the_value_and_never_promise_certainty():
    overall, _, groups = summarize(SCORES, seed=0, draws=DRAWS)
    for measure in (overall.auc, overall.eer, overall.ap, overall.recall, overall.false_alarms):
        assert measure.low <= measure.value <= measure.high
    all_called = groups["real/small"].false_alarms
    assert (all_called.value, all_called.high) == (1.0, 1.0)
    assert all_called.low == pytest.approx(0.025 ** (1 / 4)), "four people: the exact binomial bound"


def test_a_single_source_has_no_interval():
    overall, _, _ = summarize([score("real", "p", 0.9), score("fake", "p", 0.95)], seed=0, draws=DRAWS)
    assert overall.auc == Measure(value=1.0)
    assert overall.false_alarms == Measure(value=1.0)
    assert percent(overall.false_alarms) == "100.0 %"


def test_nothing_scored():
    overall, merged, groups = summarize([score("real/x", "p", None, "no_face")], seed=0, draws=DRAWS)
    assert (overall.scored_real, overall.auc, overall.false_alarms, overall.gaps) == (0, None, None, {"no_face": 1})
    assert merged == {}
    assert groups["real/x"].false_alarms is None


def report_of(*names: str) -> EvaluationReport:
    overall, merged, groups = summarize(SCORES, seed=0, draws=DRAWS)
    model = ModelReport(
        checkpoint_sha256="a" * 64, thresholds={"image": (0.2, 0.8)}, overall=overall, merged=merged, groups=groups
    )
    return EvaluationReport(
        manifest="m.csv",
        manifest_sha256="b" * 64,
        files=len(SCORES),
        seed=0,
        draws=DRAWS,
        made_utc="2026-01-01T00:00:00+00:00",
        version="0",
        models=dict.fromkeys(names, model),
    )


def test_the_report_survives_json():
    report = report_of("M")
    assert EvaluationReport.model_validate_json(report.model_dump_json()) == report


def test_tables_leave_out_what_nobody_can_answer():
    numbers, verdicts = model_tables("M", report_of("M").models["M"])
    assert "real/clean" not in [row[0] for row in numbers.rows], "reals alone have no AUC"
    assert [row[0] for row in verdicts.rows][:2] == ["all files", "*/clean"]
    assert dict(zip(verdicts.header, verdicts.rows[-2], strict=True))["not scored"] == "1 no_face"
    page = markdown(report_of("M"), ("roc.png",))
    assert "25.0 %" in page
    assert "![roc.png](roc.png)" in page
    assert "side by side" not in page


def test_several_models_stand_side_by_side():
    sides = {table.title: table for table in comparison(report_of("A", "B"))}
    auc = sides["AUC, side by side"]
    assert auc.header == ("group", "A", "B")
    assert all(row[1] == row[2] for row in auc.rows)
    assert "Recall, side by side" in sides


def lasting(label: str, number: int, p_fake: float, seconds: float | None) -> Score:
    return Score(
        f"{label}{number}", label, label, f"{label}{number}", "M", "audio", p_fake, "INCONCLUSIVE", duration_s=seconds
    )


def test_a_score_that_only_follows_length_earns_nothing_among_files_of_like_length():
    """Long files score high, and most fakes are long: 0.9 overall, a coin's throw where lengths agree."""
    rows = [lasting("fake", n, 0.9, 30.0) for n in range(8)] + [lasting("fake", 8 + n, 0.1, 3.0) for n in range(2)]
    rows += [lasting("real", n, 0.1, 3.0) for n in range(9)] + [lasting("real", 9, 0.9, 30.0)]
    overall = summarize(rows, seed=0, draws=DRAWS).overall
    assert overall.auc.value == pytest.approx((8 * 9 + 0.5 * 8 + 0.5 * 2 * 9) / 100)
    assert overall.auc_alike.value == pytest.approx(0.5)


def test_a_score_that_follows_content_keeps_its_worth_among_files_of_like_length():
    rows = [lasting("fake", n, 0.8, 10.0 + n / 10) for n in range(6)]
    rows += [lasting("real", n, 0.2, 10.0 + n / 10) for n in range(6)]
    assert summarize(rows, seed=0, draws=DRAWS).overall.auc_alike.value == 1.0


@pytest.mark.slow
def test_lengths_that_are_not_known_or_never_alike_answer_nothing():
    pictures = [lasting("fake", n, 0.8, None) for n in range(6)] + [lasting("real", n, 0.2, None) for n in range(6)]
    assert summarize(pictures, seed=0, draws=DRAWS).overall.auc_alike is None
    apart = [lasting("fake", n, 0.8, 60.0) for n in range(6)] + [lasting("real", n, 0.2, 5.0) for n in range(6)]
    assert summarize(apart, seed=0, draws=DRAWS).overall.auc_alike is None


def test_the_floor_is_the_pair_of_genuine_groups_that_is_told_apart_best():
    rows = [score("real/phone", f"a{n}", 0.4 + n / 100) for n in range(5)]
    rows += [score("real/studio", f"b{n}", 0.1 + n / 100) for n in range(5)]
    rows += [score("real/radio", f"c{n}", 0.38 + n / 50) for n in range(5)]
    rows += [score("real/rare", f"d{n}", 0.9) for n in range(4)]  # too few to say anything of
    rows += [score("fake/x", f"e{n}", 0.99) for n in range(5)]
    floor = real_floor(rows, seed=0, draws=DRAWS)
    assert set(floor.groups) == {"real/phone", "real/studio"} or set(floor.groups) == {"real/studio", "real/radio"}
    assert floor.groups[0] == "real/studio"
    assert floor.auc.value == 1.0
    assert floor.files == (5, 5)
    assert "`real/studio` (5 files)" in floor_sentence(floor)


def test_genuine_groups_that_score_alike_have_a_floor_of_one_half_and_one_group_has_none():
    rows = [score(f"real/{name}", f"{name}{n}", n / 10) for name in ("a", "b") for n in range(6)]
    assert real_floor(rows, seed=0, draws=DRAWS).auc.value == pytest.approx(0.5)
    assert real_floor(rows[:6], seed=0, draws=DRAWS) is None
