"""Detectors that judge sequences of frames, or runs of frames with their sound, on real encoded media."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from detector_kit import CLIPS, SEQUENCE, dropped_in, entry, manager_of
from media_factory import write_video

from drishtiksha.analysis import analyze
from drishtiksha.errors import WrongMediaKindError
from drishtiksha.events import ProgressEvent
from drishtiksha.media.evidence import Evidence
from drishtiksha.results import AnalysisResult, GapReason, Prediction
from drishtiksha.settings import ROOT, MediaLimits

LIMITS = MediaLimits()


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "w.pt"
    torch.save({"gain": torch.ones(1)}, path)
    with dropped_in(tmp_path / "more", sequence=SEQUENCE, clips=CLIPS):

        def build(class_name: str, **fields: object):
            return manager_of({"T": entry(class_name, path, **fields)}, tmp_path, monkeypatch).load_model("T")

        yield build


def ramp(path: Path, count: int = 20, low: int = 0) -> Evidence:
    """A clip that brightens to white, 25 frames a second."""
    levels = np.linspace(low, 255, count).astype(int)
    return Evidence.open(write_video(path, (np.full((64, 96, 3), v, np.uint8) for v in levels), 25), LIMITS)


def test_sequences_and_the_verdict_on_the_whole_file(make, tmp_path):
    events: list[ProgressEvent] = []
    result = analyze(ramp(tmp_path / "a.mp4"), make("SequenceDetector"), events.append)
    windows = [score for score in result.scores if score.p_fake is not None]
    # frames 0, 6, 12, 19 first, then every second one: 11 in all, so 9 sequences of three
    assert len(windows) == 9
    assert result.metrics["sequences"] == 9
    assert result.p_fake > max(score.p_fake for score in windows), "the whole file brightens more than any part"
    assert result.coverage == 1
    assert result.notes == ("Only sequences were looked at.",)
    assert [score.index for score in result.scores] == list(range(9))
    assert (windows[0].time_s, windows[0].end_s) == pytest.approx((0.0, 0.16), abs=0.002)
    assert windows[0].frame_index == 2
    assert windows[0].measures["brightness"] < windows[-1].measures["brightness"]
    previews = [event.preview for event in events if event.preview is not None]
    assert len(previews) == 1, "an answer after the first pass"
    assert previews[0].p_fake == pytest.approx(result.p_fake, abs=1e-6)
    assert AnalysisResult.model_validate_json(result.model_dump_json()) == result


def test_every_frame_is_encoded_once(make, tmp_path):
    detector = make("SequenceDetector", batch_size=2)
    seen: list[int] = []
    encode = detector.encode
    detector.encode = lambda batch: (seen.append(len(batch)), encode(batch))[1]
    analyze(ramp(tmp_path / "a.mp4"), detector, explain=False)
    assert sum(seen) == 11
    assert max(seen) == 2


def test_batches_of_windows_give_the_same_scores(make, tmp_path):
    evidence = ramp(tmp_path / "a.mp4")
    many, one = (analyze(evidence, make("SequenceDetector", batch_size=size), explain=False) for size in (16, 1))
    assert [s.p_fake for s in many.scores] == pytest.approx([s.p_fake for s in one.scores], abs=1e-6)


def test_heatmaps_show_the_frame_in_the_middle_of_a_sequence(make, tmp_path):
    result = analyze(ramp(tmp_path / "a.mp4"), make("SequenceDetector"))
    shown = {score.index: score.frame_index for score in result.scores}
    assert 1 <= len(result.heatmaps) <= 4
    assert all(shown[heatmap.sample_index] == heatmap.frame_index for heatmap in result.heatmaps)


def test_frames_that_cannot_be_used_are_gaps_outside_the_sequences(make, tmp_path):
    result = analyze(ramp(tmp_path / "a.mp4"), make("SequenceDetector", skip_dark=True), explain=False)
    gaps = [score for score in result.scores if score.gap is not None]
    assert gaps
    assert all(gap.time_s < 0.3 for gap in gaps), "the dark beginning"
    assert 0.5 < result.coverage < 1


@pytest.mark.parametrize(
    ("count", "low", "gap"), [(2, 200, GapReason.TOO_SHORT), (5, 0, GapReason.TOO_FEW), (3, 0, GapReason.TOO_FEW)]
)
def test_too_few_frames_are_no_verdict(make, tmp_path, count, low, gap):
    detector = make("SequenceDetector", skip_dark=True, length=4)
    result = analyze(ramp(tmp_path / "a.mp4", count, low), detector)
    assert result.prediction is Prediction.INCONCLUSIVE
    assert result.p_fake is None
    assert result.gap is gap
    assert result.coverage == 0


def test_runs_of_frames_come_with_their_part_of_the_sound(make):
    clip = Evidence.open(ROOT / "assets" / "clip_with_sound.mp4", LIMITS)
    result = analyze(clip, make("ClipsDetector"))
    assert len(result.scores) == 4
    for score in result.scores:
        assert score.measures["frames"] == 5
        assert score.measures["columns"] == pytest.approx((score.end_s - score.time_s) * 100, abs=1)
        assert 0 <= score.measures["loudness"] <= 1
    starts = [score.time_s for score in result.scores]
    assert starts == sorted(set(starts))
    every = analyze(clip, make("ClipsDetector", count=None), explain=False)
    assert len(every.scores) > 15, "as many runs as fit one after the other"
    assert every.scores[0].p_fake == pytest.approx(result.scores[0].p_fake, abs=1e-6)


def test_a_clip_shorter_than_one_run_and_one_without_sound(make, tmp_path):
    with pytest.raises(WrongMediaKindError, match="sound"):
        analyze(ramp(tmp_path / "silent.mp4"), make("ClipsDetector"))
    detector = make("ClipsDetector", length=100_000)
    result = analyze(Evidence.open(ROOT / "assets" / "clip_with_sound.mp4", LIMITS), detector)
    assert result.prediction is Prediction.INCONCLUSIVE
    assert result.gap is GapReason.TOO_SHORT
