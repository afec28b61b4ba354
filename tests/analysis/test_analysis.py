"""The analysis on real encoded media: samples, gaps, passes, people, cancelling, progress."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from detector_kit import BRIGHTNESS, LOUDNESS, dropped_in, entry, manager_of, plain_weights
from media_factory import cut_short, speech_like, write_audio, write_video
from PIL import Image

from drishtiksha.analysis import analyze
from drishtiksha.analysis.sources import place
from drishtiksha.contract import Sample
from drishtiksha.errors import AnalysisCancelledError, UnreadableMediaError, WrongMediaKindError
from drishtiksha.events import CancelToken, ProgressEvent
from drishtiksha.media.evidence import Evidence
from drishtiksha.results import GapReason, Grade, Prediction
from drishtiksha.settings import ROOT, MediaLimits

LIMITS = MediaLimits()


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Builds a loaded tiny detector: `make("LoudnessDetector", threshold...)`."""
    import torch

    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS, loudness=LOUDNESS):

        def build(class_name: str = "BrightnessDetector", **fields: object):
            path = plain_weights(tmp_path / "w.pt")
            if class_name == "LoudnessDetector":
                torch.save({"gain": torch.ones(1)}, path)
            return manager_of({"T": entry(class_name, path, **fields)}, tmp_path, monkeypatch).load_model("T")

        yield build


def open_(path: Path) -> Evidence:
    return Evidence.open(path, LIMITS)


def ramp(path: Path, count: int = 50, fps: float = 25, **options: object) -> Path:
    """A clip that brightens from black to white."""
    return write_video(
        path, (np.full((64, 96, 3), v, np.uint8) for v in np.linspace(0, 255, count).astype(int)), fps, **options
    )


def test_a_clip_is_scored_frame_by_frame_with_its_own_times(make, tmp_path):
    times = [0.0, 0.04, 0.5, 0.54, 1.5, 1.54, 2.0, 2.04]
    clip = ramp(tmp_path / "vfr.mp4", 8, times=times)
    result = analyze(open_(clip), make(num_frames=None))
    assert [score.frame_index for score in result.scores] == list(range(8))
    assert [score.time_s for score in result.scores] == pytest.approx(times, abs=0.002)
    p_fakes = [score.p_fake for score in result.scores]
    assert p_fakes == sorted(p_fakes)
    assert p_fakes[0] < 0.05
    assert p_fakes[-1] > 0.95
    assert result.p_fake == pytest.approx(np.mean(p_fakes))
    assert result.coverage == 1
    assert not result.calibrated


@pytest.mark.slow
def test_frames_are_evenly_spaced_and_at_most_those_that_exist(make, tmp_path):
    clip = ramp(tmp_path / "a.mp4", 50)
    assert [s.frame_index for s in analyze(open_(clip), make(num_frames=8)).scores] == [0, 7, 14, 21, 28, 35, 42, 49]
    one = ramp(tmp_path / "one.mp4", 1)
    assert [s.frame_index for s in analyze(open_(one), make(num_frames=8)).scores] == [0]


@pytest.mark.slow
@pytest.mark.parametrize("fps", [25, 2], ids=["held in memory", "by seeking"])
def test_a_clip_answers_sparsely_first_and_ends_with_the_same_scores(make, tmp_path, fps):
    clip = ramp(tmp_path / "clip.mp4", 100, fps=fps)
    detector, events = make(num_frames=16, sparse=4), []
    result = analyze(open_(clip), detector, events.append)
    previews = [event.preview for event in events if event.preview]
    assert len(previews) == 1
    assert len(previews[0].scores) == 4
    final = {score.index: score.p_fake for score in result.scores}
    assert len(final) == 16
    assert all(final[score.index] == pytest.approx(score.p_fake, abs=1e-6) for score in previews[0].scores)
    assert [score.frame_index for score in result.scores] == [int(i) for i in np.linspace(0, 99, 16)]
    assert list(final.values()) == sorted(final.values()), "frames were mixed up between the passes"


def test_progress_is_told_under_the_models_name_and_only_forwards(make, tmp_path):
    events: list[ProgressEvent] = []
    analyze(open_(ramp(tmp_path / "a.mp4")), make(), events.append)
    assert {event.model_name for event in events} == {"T"}
    counts = [event.progress for event in events if event.phase == "score"]
    assert counts == sorted(counts)
    assert set(counts) == set(range(1, 17))
    assert all(event.total == 16 for event in events if event.phase == "score")
    phases = list(dict.fromkeys(event.phase for event in events))
    assert phases == ["decode", "score", "explain", "done"]


def test_the_most_suspicious_samples_are_explained_first_to_last(make, tmp_path):
    result = analyze(open_(ramp(tmp_path / "a.mp4")), make())
    assert [heatmap.sample_index for heatmap in result.heatmaps] == [15, 14, 13, 12]
    assert result.heatmaps[0].frame_index == 49
    assert analyze(open_(ramp(tmp_path / "b.mp4")), make(), explain=False).heatmaps == ()


def test_a_skipped_sample_is_a_gap_and_counts_against_coverage(make, tmp_path):
    result = analyze(open_(ramp(tmp_path / "a.mp4")), make(skip_dark=True))
    gaps = [score for score in result.scores if score.gap]
    assert gaps
    assert {score.gap for score in gaps} == {GapReason.DAMAGED}
    assert all(score.p_fake is None for score in gaps)
    assert result.coverage == pytest.approx(1 - len(gaps) / 16)


@pytest.mark.slow
def test_a_truncated_clip_keeps_what_was_decoded_and_marks_the_rest_damaged(make, tmp_path):
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (128, 128, 3), dtype=np.uint8) for _ in range(60)]
    whole = write_video(tmp_path / "whole.mkv", frames)
    cut = cut_short(whole, tmp_path / "cut.mkv", 0.5)
    try:
        result = analyze(open_(cut), make(num_frames=30))
    except UnreadableMediaError:
        pytest.fail("half a file still holds frames that can be judged")
    scored = [score for score in result.scores if score.p_fake is not None]
    assert 5 < len(scored) <= 30
    assert all(score.gap in (None, GapReason.DAMAGED) for score in result.scores)


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [True, False])
def test_no_face_is_inconclusive_with_the_reason_never_real(make, threshold):
    evidence = open_(ROOT / "assets" / "no_face.mp4")
    result = analyze(evidence, make(faces=True, thresholds={"real": 0.9 if threshold else 0.1, "fake": 0.95}))
    assert result.prediction is Prediction.INCONCLUSIVE
    assert result.grade is Grade.INCONCLUSIVE
    assert result.gap is GapReason.NO_FACE
    assert result.p_fake is None
    assert result.coverage == 0
    assert result.heatmaps == ()
    assert "No face was found" in result.reasons[0]


def test_a_face_with_too_few_pixels_is_a_gap_of_its_own(make, tmp_path):
    portrait = Image.open(ROOT / "assets" / "portrait.jpg").convert("RGB")
    canvas = Image.new("RGB", (200, 200), (90, 110, 90))
    canvas.paste(portrait.resize((96, 96)), (50, 50))
    canvas.save(tmp_path / "small.png")
    result = analyze(open_(tmp_path / "small.png"), make(faces=True))
    assert result.prediction is Prediction.INCONCLUSIVE
    assert result.gap is GapReason.FACE_TOO_SMALL


@pytest.mark.slow
def test_one_person_in_a_clip_is_followed_and_judged(make):
    result = analyze(open_(ROOT / "assets" / "clip_silent.mp4"), make(faces=True))
    assert len(result.people) == 1
    assert result.people[0].person == 1
    assert result.people[0].samples == sum(score.p_fake is not None for score in result.scores)
    assert all(face.person == 1 for score in result.scores for face in score.faces)
    assert result.heatmaps[0].person == 1
    assert result.heatmaps[0].face_box is not None


def test_a_picture_has_faces_but_no_people_and_no_times(make):
    result = analyze(open_(ROOT / "assets" / "portrait.jpg"), make(faces=True))
    assert result.people == ()
    (score,) = result.scores
    assert score.time_s is None
    assert len(score.faces) == 1
    assert score.faces[0].person is None


def test_sound_is_scored_in_windows_and_silence_is_a_gap(make, tmp_path):
    rate = 16_000
    wave = np.concatenate([speech_like(3.0, rate), np.zeros(3 * rate, np.float32)])
    result = analyze(open_(write_audio(tmp_path / "a.wav", wave, rate)), make("LoudnessDetector"))
    assert result.heatmaps == ()
    assert [score.time_s for score in result.scores[:3]] == [0.0, 0.5, 1.0]
    assert result.scores[0].end_s == pytest.approx(1.0)
    assert result.scores[0].p_fake is not None
    assert result.scores[-1].gap is GapReason.NO_SPEECH
    assert 0.3 < result.coverage < 0.8


def test_a_recording_shorter_than_its_window_is_too_short(make, tmp_path):
    wave = speech_like(0.2)
    result = analyze(open_(write_audio(tmp_path / "a.wav", wave, 16_000)), make("LoudnessDetector"))
    assert result.prediction is Prediction.INCONCLUSIVE
    assert result.gap is GapReason.TOO_SHORT


def test_an_audio_model_takes_a_videos_sound_and_refuses_a_silent_one(make):
    detector = make("LoudnessDetector")
    assert analyze(open_(ROOT / "assets" / "clip_with_sound.mp4"), detector, explain=False).scores
    with pytest.raises(WrongMediaKindError, match="no sound track; T needs one"):
        analyze(open_(ROOT / "assets" / "clip_silent.mp4"), detector)


@pytest.mark.slow
def test_cancelling_stops_within_a_second(make, tmp_path):
    clip = write_video(tmp_path / "a.mp4", (np.full((720, 1280, 3), i % 255, np.uint8) for i in range(300)))
    cancel, stopped = CancelToken(), []
    detector = make(num_frames=None)

    def work():
        with pytest.raises(AnalysisCancelledError):
            analyze(open_(clip), detector, lambda event: started.set() if event.progress > 5 else None, cancel)
        stopped.append(time.monotonic())

    started = threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(30)
    asked = time.monotonic()
    cancel.cancel()
    thread.join(10)
    assert stopped
    assert stopped[0] - asked < 1


@pytest.mark.slow
def test_concurrent_analyses_with_one_detector_agree(make):
    detector, evidence = make(faces=True), open_(ROOT / "assets" / "clip_silent.mp4")
    alone = analyze(evidence, detector)
    results = []
    threads = [threading.Thread(target=lambda: results.append(analyze(evidence, detector))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all([s.p_fake for s in result.scores] == [s.p_fake for s in alone.scores] for result in results)


def test_the_result_says_how_to_repeat_the_run(make):
    result = analyze(open_(ROOT / "assets" / "portrait.jpg"), make())
    provenance = result.provenance
    assert provenance.versions["torch"]
    assert provenance.device == "cpu"
    assert len(provenance.checkpoint_sha256) == 64
    assert provenance.config["class_name"] == "BrightnessDetector"
    assert provenance.started_utc.endswith("+00:00")
    assert {"decode", "preprocess", "forward"} <= set(result.stage_seconds)


def test_a_place_is_rounded_into_the_next_minute():
    assert place(Sample(0, 59.97, 60.97)) == "The sound at 01:00.0"
    assert place(Sample(0, 59.97, None, 1799)) == "The frame at 01:00.0"
    assert place(Sample(0)) == "The picture"
