"""A longer clip gets more samples, and no other score for its length alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from detector_kit import BRIGHTNESS, dropped_in, entry, manager_of, plain_weights
from media_factory import write_video

from drishtiksha.analysis import analyze, chunks
from drishtiksha.analysis.faces import lost_faces
from drishtiksha.analysis.shared import SharedMedia
from drishtiksha.detectors.base import Detector
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.results import AnalysisResult, FaceScore, SampleScore
from drishtiksha.settings import MediaLimits, load_settings

LIMITS = MediaLimits()
EVEN = BRIGHTNESS.replace(
    "FramePlan(count=self.config.num_frames, sparse=self.config.sparse, faces=faces)",
    "self.frames(self.config.num_frames, self.config.sparse, faces)",
)
FPS = 5


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Builds a detector that calls bright pictures fake and looks at eight evenly spaced frames of a short clip."""
    with dropped_in(tmp_path / "more", brightness=EVEN):

        def build(**fields: Any) -> Detector:
            path = plain_weights(tmp_path / "weights.pt")
            fields = {"num_frames": 8, "sparse": 2} | fields
            made = entry("BrightnessDetector", path, **fields)
            return manager_of({"T": made}, tmp_path, monkeypatch).load_model("T")

        yield build


def clip(folder: Path, seconds: float, bright: tuple[float, float] = (-1.0, -1.0)) -> Evidence:
    """Dark but for a stretch."""
    moments = np.arange(round(seconds * FPS)) / FPS
    shades = [235 if bright[0] <= moment < bright[1] else 70 for moment in moments]
    frames = (np.full((48, 64, 3), shade, np.uint8) for shade in shades)
    return Evidence.open(write_video(folder / f"{seconds}-{bright[0]}.mp4", frames, FPS), LIMITS)


def facts(result: AnalysisResult) -> dict[str, Any]:
    told = result.model_dump(exclude={"processing_time", "stage_seconds", "provenance"})
    assert told["scores"]
    return told


def test_the_number_of_samples_follows_the_length(make, tmp_path):
    detector = make()
    short, long = (analyze(clip(tmp_path, seconds), detector) for seconds in (3, 40))
    assert (len(short.scores), len(long.scores)) == (8, 41)
    assert (short.step_s, long.step_s) == (None, None)
    assert short.p_fake == pytest.approx(long.p_fake, abs=0.01)


def test_beyond_the_limit_samples_lie_further_apart_and_the_result_says_so(make, tmp_path):
    from drishtiksha.render.words import judged

    result = analyze(clip(tmp_path, 40), make(growth=2))
    assert len(result.scores) == 16
    assert result.step_s == pytest.approx(39.8 / 15, abs=0.05)
    assert judged(result) == "16 of 16 samples judged, one in 2.7 s"
    assert any("one frame in 2.7 s was looked at" in note for note in result.notes)


def test_suspicious_frames_get_neighbours_that_do_not_raise_the_score(make, tmp_path):
    evidence = clip(tmp_path, 40, (20.3, 21.3))
    result = analyze(evidence, make(explain="occlusion"))
    even = [score for score in result.scores if not score.closer]
    besides = [score for score in result.scores if score.closer]
    assert len(even) == 41
    assert 4 <= len(besides) <= 8
    assert [score.index for score in result.scores] == sorted(score.index for score in result.scores)
    assert all(19 <= (score.time_s or 0) <= 23 for score in besides)
    assert max(score.p_fake or 0 for score in besides) > 0.9
    assert result.p_fake == pytest.approx(np.mean([score.p_fake for score in even]))
    assert result.coverage == 1
    ((start, end),) = result.closer
    assert start < 20.3 < 21.3 < end
    assert any("More frames were looked at" in note for note in result.notes)
    assert AnalysisResult.model_validate_json(result.model_dump_json()) == result


@pytest.mark.slow
def test_an_interrupted_run_looks_closer_at_the_same_frames(make, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "EVERY_S", 0.0)
    detector, evidence = make(batch_size=4), clip(tmp_path, 40, (20.3, 21.3))
    kept: list[bytes] = []
    whole = analyze(evidence, detector, explain=False, on_chunk=kept.append)
    assert len(kept) > 4
    for done in (1, len(kept) // 2, len(kept) - 1, len(kept)):
        again = analyze(evidence, detector, explain=False, resume=kept[:done])
        assert facts(again) == facts(whole)


@pytest.mark.slow
def test_several_models_share_the_frames_of_a_long_clip(make, tmp_path):
    detector, evidence = make(), clip(tmp_path, 40, (20.3, 21.3))
    alone = analyze(evidence, detector, explain=False)
    with SharedMedia(evidence, LIMITS) as shared:
        shared.prepare([detector.sampling(evidence.media)] * 2)
        both = [analyze(evidence, detector, explain=False, shared=shared) for _ in range(2)]
    assert [facts(one) for one in both] == [facts(alone)] * 2


def looped(source: Path, target: Path, times: int) -> Path:
    """The picture of a clip so many times over, packet by packet."""
    with av.open(str(target), "w") as out:
        with av.open(str(source)) as once:
            stream = out.add_stream_from_template(once.streams.video[0])
        shift = 0
        for _ in range(times):
            with av.open(str(source)) as once:
                packets = [packet for packet in once.demux(once.streams.video[0]) if packet.size]
                stamps = sorted(packet.pts for packet in packets)
                for packet in packets:
                    packet.pts, packet.dts = packet.pts + shift - stamps[0], packet.dts + shift - stamps[0]
                    packet.stream = stream
                    out.mux(packet)
                shift += stamps[-1] - stamps[0] + (stamps[-1] - stamps[0]) // (len(stamps) - 1)
    return target


@pytest.mark.slow
def test_a_clip_shown_three_times_scores_as_it_does_once(clip_360p, tmp_path):
    """One man on a stage: 0.19 of one person once; with a fixed number of samples 18 times gave 0.92 of 13 people."""
    detector = ModelManager(load_settings(device="cpu")).load_model("FACE-BLEND-LITE-V1")
    once, often = (
        analyze(Evidence.open(path, LIMITS), detector, explain=False)
        for path in (clip_360p, looped(clip_360p, tmp_path / "often.mp4", 3))
    )
    assert often.p_fake == pytest.approx(once.p_fake, abs=0.05)
    assert [len(result.people) for result in (once, often)] == [1, 1]
    assert often.prediction is once.prediction
    assert (once.people[0].cuts, often.people[0].cuts >= 2) == (0, True), "found again after each cut"


def numbered(*rows: tuple[tuple[int, int], ...]) -> list[SampleScore]:
    """One sample a row; of each face its track and its person."""
    return [
        SampleScore(
            index=10 * i,
            time_s=float(i),
            p_fake=0.1,
            faces=tuple(FaceScore(face_box=(0, 0, 9, 9), p_fake=0.1, track=t, person=p) for t, p in row),
        )
        for i, row in enumerate(rows)
    ]


def test_a_face_is_lost_where_another_appears_at_once():
    assert lost_faces(numbered(((1, 1),), ((1, 1),), ((2, 2),), ((2, 2),))) == [10]
    assert lost_faces(numbered(((1, 1),), ((2, 2),), ((3, 1),), ((4, 2),))) == [0], "once for each pair of people"
    assert lost_faces(numbered(((1, 1),), (), ((2, 2),))) == []
    assert lost_faces(numbered(((1, 1), (2, 2)), ((1, 1),), ((1, 1), (3, 3)))) == []
    assert lost_faces(numbered(((1, 1), (2, 2)), ((2, 2),), ((2, 2),), ((3, 1),))) == [], "they are seen together"
    assert lost_faces(numbered(((1, 1),), ((2, 1),))) == [], "joined already"
