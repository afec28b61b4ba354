from __future__ import annotations

import json
from pathlib import Path

import pytest
from sample_results import SHA, clean_picture, no_face, result, sample

from drishtiksha.detector_config import DetectorConfig
from drishtiksha.render import words
from drishtiksha.results import DISCLAIMER, GapReason, Grade


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, "00:00"), (3.9, "00:03"), (75, "01:15"), (3723, "1:02:03"), (-1, "00:00")]
)
def test_clock(seconds: float, expected: str) -> None:
    assert words.clock(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(3.24, "00:03.2"), (59.97, "01:00.0"), (0.05, "00:00.0"), (119.96, "02:00.0")]
)
def test_fine_clock_rounds_into_the_next_minute(seconds: float, expected: str) -> None:
    assert words.fine_clock(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(12.34, "12.3 s"), (59.99, "1 min"), (75, "1 min 15 s"), (3600, "1 h"), (1800, "30 min")]
)
def test_duration(seconds: float, expected: str) -> None:
    assert words.duration(seconds) == expected


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "0 bytes"), (999, "999 bytes"), (2_411_585, "2.4 MB"), (7e9, "7.0 GB")]
)
def test_size(count: int, expected: str) -> None:
    assert words.size(int(count)) == expected


@pytest.mark.parametrize(
    ("fraction", "expected"), [(0.0, "0 %"), (0.001, "1 %"), (0.876, "88 %"), (0.999, "99 %"), (1.0, "100 %")]
)
def test_a_part_is_never_called_all_or_nothing(fraction: float, expected: str) -> None:
    assert words.share(fraction) == expected


def test_every_grade_has_words_and_an_icon_of_its_own() -> None:
    assert set(words.GRADE_LOOKS) == set(Grade)
    titles = [look.title for look in words.GRADE_LOOKS.values()]
    assert len(set(titles)) == len(titles)
    assert all(look.title.lower().startswith(grade.value) for grade, look in words.GRADE_LOOKS.items())


def test_no_evidence_found_does_not_look_like_true() -> None:
    look = words.GRADE_LOOKS[Grade.NONE_FOUND]
    assert look.tone == "neutral"
    assert look.icon != "check"


def test_sentence_names_everything_a_reader_needs() -> None:
    text = words.sentence(result())
    for part in (
        "Drishtiksha",
        "FACE-BLEND-LITE-V1",
        "clip.mp4",
        SHA,
        "moderate evidence",
        "0.78",
        "0.65",
        "14 of 18 samples judged, coverage 78 %",
        "2026-11-23 12:00:00 UTC",
        "00:00-00:03, 00:05-00:08",
    ):
        assert part in text
    assert words.INDICATION in text
    assert DISCLAIMER not in text


@pytest.mark.parametrize("make", [no_face, clean_picture])
def test_low_scores_carry_the_disclaimer(make) -> None:
    assert words.sentence(make()).endswith(DISCLAIMER)


def test_sentence_of_an_inconclusive_result_gives_the_reason_and_no_score() -> None:
    text = words.sentence(no_face())
    assert "inconclusive (no score" in text
    assert "No face was found" in text


def test_uncalibrated_scores_are_said_to_be_so() -> None:
    assert "not calibrated" in words.sentence(result(calibrated=False))


def test_only_stretches_with_judged_samples_are_named() -> None:
    """13 of 32 samples in the middle of a clip: 00:03-00:08, not the whole of it."""
    middle = tuple(
        sample(n, p=0.1, time_s=n * 0.3) if 12 <= n <= 24 else sample(n, gap=GapReason.NO_FACE, time_s=n * 0.3)
        for n in range(32)
    )
    assert words.time_range(result(scores=middle, people=())) == "00:03-00:07"
    lone = tuple(sample(n, p=0.1) if n == 5 else sample(n, gap=GapReason.NO_FACE) for n in range(9))
    assert words.time_range(result(scores=lone, people=())) == "00:02"
    every_second = tuple(sample(n, p=0.1) if n % 2 else sample(n, gap=GapReason.NO_FACE) for n in range(10))
    assert words.time_range(result(scores=every_second, people=())) == "5 stretches within 00:00-00:04"
    assert words.time_range(no_face()) is None


def test_time_range_of_a_picture_is_none() -> None:
    assert words.time_range(clean_picture()) is None


def test_a_time_without_zone_is_not_given_one() -> None:
    assert words.moment("2026-11-23T12:00:00") == "2026-11-23T12:00:00"
    assert words.moment("2026-11-23T14:00:00+02:00") == "2026-11-23 12:00:00 UTC"
    assert words.moment("yesterday") == "yesterday"


def config(path: Path, **fields: str) -> DetectorConfig:
    return DetectorConfig(class_name="C", description="", isImage=True, model_path=path, **fields)


def test_how_often_a_model_errs_stands_in_its_configuration_or_beside_its_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "NET-V1.safetensors"
    assert words.measured(config(path)) == ""
    numbers = {"n_real": 480, "n_fake": 630, "auc": [0.8017], "false_alarms": [0.0021], "recall": [0.3627]}
    sidecar = {"sha256": "0" * 64, "measured": {"all files": numbers}}
    path.with_suffix(".json").write_text(json.dumps(sidecar))
    told = words.measured(config(path))
    assert "480 genuine and 630 fake files" in told
    assert "AUC 0.80, 0.2 % of the genuine ones called FAKE, 36 % of the fakes found" in told
    assert told.endswith("models/NET-V1.md")
    assert words.measured(config(path, measured="By others: 92 %.")) == "By others: 92 %."


def test_the_sentence_gives_the_reason_that_the_panel_gives() -> None:
    """One threshold alone: nothing lies between two."""
    why = "The score 0.05 is below 0.92, this detector's threshold for manipulation. It never clears a file."
    one = no_face().model_copy(update={"p_fake": 0.05, "gap": GapReason.BETWEEN_THRESHOLDS, "reason": why})
    assert why in words.sentence(one)
    assert "two thresholds" not in words.sentence(one)


def test_in_short_a_result_is_never_a_score_alone() -> None:
    told = words.in_short(result(calibrated=False))
    assert told == "FACE-BLEND-LITE-V1: score 0.78 (not calibrated); 14 of 18 samples judged, coverage 78 %"
    assert "no score" in words.in_short(no_face())
