"""Which detectors a case is given to, and what its answer tells of those at work and those that stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sample_case
import sample_results
from detector_kit import BRIGHTNESS, dropped_in, entry, manager_of, plain_weights

from drishtiksha.answer import Answer, State
from drishtiksha.casefile import CaseFile, JobState, JobView, LineKind
from drishtiksha.detector_config import DetectorConfig
from drishtiksha.registry import ModelManager
from drishtiksha.results import MediaKind
from drishtiksha.services import estimates
from drishtiksha.services.answers import answer_to, missing_for, proven_for, started_for
from drishtiksha.settings import load_settings

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


@pytest.fixture
def slow_and_quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModelManager]]:
    """A manager of a small and a large detector of pictures; at half a second a byte the large one is slow."""
    small, large = plain_weights(tmp_path / "small.pt"), tmp_path / "large.pt"
    large.write_bytes(small.read_bytes() + b"\0" * 5000)
    models = {"LARGE": entry(model_path=large), "SMALL": entry(model_path=small)}
    monkeypatch.setattr(estimates, "SECONDS_A_BYTE", 60 / large.stat().st_size)
    monkeypatch.setattr(estimates, "_slowness", lambda: 1.0)

    def of(**settings: Any) -> ModelManager:
        return manager_of(models, tmp_path, monkeypatch, **settings)

    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS):
        yield of


PICTURE = CLIP.model_copy(update={"kind": MediaKind.IMAGE, "duration_s": None})


def test_on_a_processor_slow_detectors_wait_to_be_asked_for(slow_and_quick: Callable[..., ModelManager]) -> None:
    manager = slow_and_quick(slow_from_s=50)
    assert started_for(manager, PICTURE) == ["SMALL"]
    assert started_for(manager, PICTURE, everything=True) == ["SMALL", "LARGE"]
    assert started_for(manager, PICTURE, {"LARGE": (1.0, 2.0)}) == ["SMALL", "LARGE"], "it was quick here before"
    assert started_for(manager, PICTURE, {"SMALL": (60.0, 90.0)}) == ["SMALL", "LARGE"], "nothing else would start"
    assert started_for(slow_and_quick(slow_from_s=61), PICTURE) == ["SMALL", "LARGE"]
    assert started_for(slow_and_quick(slow_from_s=None), PICTURE) == ["SMALL", "LARGE"]


def test_what_ships_starts_by_itself_however_long_it_took() -> None:
    manager = ModelManager(load_settings(device="cpu", active_models=["FACE-BLEND-LITE-V1", "VOICE-SPOOF-LITE-V2"]))
    seen = dict.fromkeys(manager.model_configs, (900.0, 1000.0))
    assert sorted(started_for(manager, CLIP, seen)) == sorted(manager.model_configs)


def test_on_a_gpu_all_start_at_once(
    slow_and_quick: Callable[..., ModelManager], monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = slow_and_quick(slow_from_s=50)
    on_gpu = {name: config.model_copy(update={"device": "cuda"}) for name, config in manager.model_configs.items()}
    monkeypatch.setattr(manager, "model_configs", on_gpu)
    assert started_for(manager, PICTURE) == ["SMALL", "LARGE"]
    assert estimates.guess(manager, "LARGE", PICTURE) is None, "nobody measured it there"


def test_a_guess_is_wide_and_grows_with_what_is_looked_at(
    slow_and_quick: Callable[..., ModelManager], monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = slow_and_quick()
    assert estimates.guess(manager, "LARGE", PICTURE) == pytest.approx((15, 240))
    assert estimates.guess(manager, "LARGE", CLIP) == pytest.approx((15 * 16, 240 * 16)), "16 frames"
    monkeypatch.delenv("DRISHTIKSHA_CONFIG")
    published = ModelManager(load_settings(device="cpu"))
    guessed = estimates.guess(published, "GEND-CLIP-L14", PICTURE)
    assert guessed == pytest.approx((2.78 / 2, 2.78 * 2)), "as the bench measured it"


def test_a_guess_counts_what_the_plan_looks_at() -> None:
    manager = ModelManager(load_settings(device="cpu"))

    def looks(name: str, seconds: float, kind: MediaKind = MediaKind.VIDEO) -> float:
        media = CLIP.model_copy(update={"duration_s": seconds, "fps": 25.0, "kind": kind})
        return estimates._looks(manager.unloaded(name).sampling(media), media)

    gend = {seconds: looks("GEND-CLIP-L14", seconds) for seconds in (10, 60, 3600)}
    assert gend == {10: 32, 60: 61, 3600: 256}, (
        "32 frames of a short clip, one a second of a longer one, 8 times as many at most"
    )
    assert looks("DISTIL-DIRE-V1", 10, MediaKind.IMAGE) == 1
    assert looks("EYEBLINK-CNN-LSTM-V1", 10) == 25, "every tenth frame"
    assert looks("COLOR-CUES-LSTM-V1", 600) == 50
    assert looks("LIP-FD-V1", 10) == looks("LIP-FD-V1", 600) == 200
    assert looks("MEL-SPECTROGRAM-CNN-V2", 10, MediaKind.AUDIO) == 10
    assert looks("SCATTERING-WAVE-V1", 600, MediaKind.AUDIO) == 1


def test_a_detector_that_has_not_run_is_told_with_its_time() -> None:
    heard = sample_case.spectrum(CLIP).model_copy(update={"model_name": "VOICE"})
    waits = [(CONFIGS["FACE"], (90.0, 200.0)), (CONFIGS["VOICE"], None)]
    done = job(JobState.DONE, "VOICE", results=(heard,))
    answer = answer_to(case(results=(heard,)), [done], CONFIGS, not_run=waits)
    (left,) = answer.left_out
    assert (left.model_name, left.kind, left.seconds) == ("FACE", LineKind.FACES, (90.0, 200.0))
    assert left.text == "Faces: FACE has not run yet; it takes 2 to 3 min here."
    assert left.text in answer.not_judged
    assert answer.complete
    assert not any("no detector for it was ready: the faces" in one for one in answer.not_judged)
    asked = answer_to(case(results=(heard,)), [done, job(JobState.QUEUED, "FACE")], CONFIGS, not_run=waits)
    assert (asked.left_out, [one.models for one in asked.pending]) == ((), [("FACE",)])
    assert Answer.model_validate_json(answer.model_dump_json()) == answer


def test_where_all_that_could_judge_waits_the_answer_says_so() -> None:
    waits = [(CONFIGS["FACE"], None)]
    answer = answer_to(case(), [], CONFIGS, not_run=waits)
    assert (answer.state, answer.why) == (
        State.NOTHING_TO_JUDGE,
        "The checks that could judge it have not run yet.",
    )
    assert answer.left_out[0].text == "Faces: FACE has not run yet."
    assert answer.next[0] == "Run the checks that have not run yet."
    assert answer.sentence == "Drishtiksha has not judged this video yet; nothing was concluded about it."
    assert not any("another copy" in one for one in answer.next), "nobody looked whether somebody is in this one"


def test_a_machine_is_measured_once_however_many_ask_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    together = threading.Barrier(8)
    plain = np.random.default_rng

    def slow_to_begin(seed: int) -> np.random.Generator:
        begun.append(seed)
        time.sleep(0.1)
        return plain(seed)

    def ask(_: int) -> float:
        together.wait()
        return estimates._slowness()

    monkeypatch.setattr(estimates.np.random, "default_rng", slow_to_begin)
    estimates._measured_slowness.cache_clear()
    with ThreadPoolExecutor(8) as people:
        told = set(people.map(ask, range(8)))
    assert len(begun) == len(told) == 1
    assert told.pop() > 0
