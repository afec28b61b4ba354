"""Which detectors a case is given to, and what its answer tells of those at work and those that stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sample_case
import sample_results
from detector_kit import BRIGHTNESS, dropped_in, entry, manager_of, plain_weights

from drishtiksha.answer import State
from drishtiksha.casefile import CaseFile, JobState, JobView, LineKind
from drishtiksha.detector_config import DetectorConfig
from drishtiksha.results import MediaKind
from drishtiksha.services.answers import answer_to, missing_for, proven_for

CLIP = sample_results.media()


def configured(name: str, **fields: Any) -> DetectorConfig:
    return DetectorConfig(class_name="X", description="", model_path=Path("x"), model_name=name, **fields)


CONFIGS = {
    "FACE": configured("FACE", evidence="face texture", isVideo=True),
    "VOICE": configured("VOICE", evidence="sound spectrum", isAudio=True),
    "PICTURE": configured("PICTURE", evidence="whole picture", isImage=True),
    "TRIAL": configured("TRIAL", evidence="whole frames over time", isVideo=True, experimental=True),
}


def case(**fields: Any) -> CaseFile:
    return CaseFile(case_id=sample_case.CASE_ID, opened_utc="2026-11-29T12:00:00Z", media=CLIP, **fields)


def job(state: JobState, *models: str, **fields: Any) -> JobView:
    facts = {"job_id": "0" * 32, "case_id": sample_case.CASE_ID, "created_utc": "2026-11-29T12:00:00Z"}
    return JobView(**facts, models=models, state=state, **fields)


def test_who_is_at_work_is_pending() -> None:
    done = sample_case.blend()
    running = job(JobState.RUNNING, "FACE-BLEND-LITE-V1", "VOICE", results=(done,))
    answer = answer_to(case(results=(done,)), [running], CONFIGS)
    assert [(one.kind, one.models) for one in answer.pending] == [(LineKind.VOICE, ("VOICE",))]
    assert answer.state is State.SIGNS
    assert answer_to(case(), [job(JobState.QUEUED, "FACE", "VOICE")], CONFIGS).state is None


def test_who_stopped_is_told_with_the_reason_and_who_does_not_fit_is_not() -> None:
    errors = {"FACE": "Its weights are missing.", "PICTURE": "clip.mp4 is a video.", "TRIAL": "It stopped."}
    answer = answer_to(case(), [job(JobState.FAILED, *errors, errors=errors)], CONFIGS)
    assert answer.state is State.NOTHING_TO_JUDGE
    assert answer.why == "The check could not be made. Its weights are missing."
    assert [one.kind for one in answer.lines] == [LineKind.FACES]


def test_an_error_counts_no_longer_once_there_is_a_result_or_another_try() -> None:
    failed = job(JobState.FAILED, "VOICE", errors={"VOICE": "It stopped."})
    heard = sample_case.spectrum(CLIP).model_copy(update={"model_name": "VOICE"})
    assert answer_to(case(results=(heard,)), [failed], CONFIGS).state is State.NOTHING_FOUND
    again = answer_to(case(), [failed, job(JobState.QUEUED, "VOICE")], CONFIGS)
    assert (again.state, [one.models for one in again.pending]) == (None, [("VOICE",)])


def test_a_stress_test_is_no_check() -> None:
    assert answer_to(case(), [job(JobState.RUNNING, "FACE", kind="stress")], CONFIGS).complete


def test_all_proven_detectors_that_fit_are_asked_the_quick_ones_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = plain_weights(tmp_path / "small.pt")
    large = tmp_path / "large.pt"
    large.write_bytes(small.read_bytes() + b"\0" * 5000)
    models = {
        "LARGE": entry(model_path=large),
        "SMALL": entry(model_path=small),
        "TRIAL": entry(model_path=small, experimental=True),
        "OLD": entry(model_path=small, retired=True),
        "ABSENT": entry(model_path=tmp_path / "absent.pt"),
    }
    picture = CLIP.model_copy(update={"kind": MediaKind.IMAGE})
    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS):
        manager = manager_of(models, tmp_path, monkeypatch)
        assert proven_for(manager, picture) == ["SMALL", "LARGE"]
        assert missing_for(manager, picture) == []
        alone = manager_of({"ABSENT": models["ABSENT"]}, tmp_path, monkeypatch)
        assert proven_for(alone, picture) == []
        (remedy,) = missing_for(alone, picture)
        assert "absent.pt" in remedy
