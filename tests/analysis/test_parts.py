"""Channels and tracks that are judged by themselves, each against a file that holds nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from detector_kit import BRIGHTNESS, CLIPS, LOUDNESS, dropped_in, entry, manager_of, plain_weights
from media_factory import blank_packets, long_tables, remuxed, tone, write_audio, write_video

from drishtiksha.analysis import analyze
from drishtiksha.analysis.shared import SharedMedia
from drishtiksha.errors import UnreadableMediaError, WrongMediaKindError
from drishtiksha.media.audio import read_audio
from drishtiksha.media.evidence import Evidence
from drishtiksha.render.moments import moment_pictures
from drishtiksha.results import AnalysisResult, Prediction, TrackKind
from drishtiksha.settings import ROOT, MediaLimits

LIMITS = MediaLimits()
RATE = 16_000


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    """A sentence that is known for speech."""
    return read_audio(ROOT / "assets" / "clip_with_sound.mp4", RATE, limits=LIMITS)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS, loudness=LOUDNESS, clips=CLIPS):

        def build(class_name: str, **fields: Any):
            path = tmp_path / f"{class_name}.pt"
            if class_name == "BrightnessDetector":
                plain_weights(path)
            else:
                torch.save({"gain": torch.ones(1)}, path)
            return manager_of({"T": entry(class_name, path, **fields)}, tmp_path, monkeypatch).load_model("T")

        yield build


def looked_at(path: Path, detector: Any, **rest: Any) -> AnalysisResult:
    return analyze(Evidence.open(path, LIMITS), detector, explain=False, **rest)


@pytest.mark.slow
def test_both_sides_of_a_call_are_judged_as_alone(make, voice, tmp_path):
    detector = make("LoudnessDetector")
    left, right = voice, 0.3 * np.roll(voice, 12_000)
    twins = [
        looked_at(write_audio(tmp_path / f"{n}.flac", own, RATE), detector) for n, own in (("l", left), ("r", right))
    ]
    path = write_audio(tmp_path / "call.flac", np.stack([left, right], axis=1), RATE)
    result = looked_at(path, detector)
    assert [track.label for track in result.tracks] == ["left", "right"]
    assert [track.p_fake for track in result.tracks] == pytest.approx([twin.p_fake for twin in twins], abs=1e-3)
    assert result.p_fake == max(track.p_fake for track in result.tracks)
    assert result.decided_by is not None
    assert result.decided_by.label == "left"
    assert "left" in result.notes[0]
    assert AnalysisResult.model_validate_json(result.model_dump_json()) == result
    (moment, picture), *_ = moment_pictures(Evidence.open(path, LIMITS), result, LIMITS)
    (_, alone), *_ = moment_pictures(Evidence.open(tmp_path / "l.flac", LIMITS), twins[0], LIMITS)
    assert moment.is_sound
    assert np.abs(picture.astype(int) - alone.astype(int)).mean() < 1, "what is shown is the side that decides"


def test_channels_that_agree_give_the_same_result_as_ever(make, voice, tmp_path):
    detector = make("LoudnessDetector")
    mono, dual = (
        looked_at(write_audio(tmp_path / f"{n}.flac", own, RATE), detector)
        for n, own in (("m", voice), ("d", np.stack([voice] * 2, axis=1)))
    )
    assert dual.scores == mono.scores
    assert dual.tracks == ()
    assert dual.notes == mono.notes


@pytest.mark.parametrize("sign", [-1, 0], ids=["opposite phase", "one side only"])
def test_a_lost_or_turned_side_is_judged_as_the_plain_one(make, voice, tmp_path, sign):
    detector = make("LoudnessDetector")
    plain = looked_at(write_audio(tmp_path / "m.flac", voice, RATE), detector)
    result = looked_at(write_audio(tmp_path / "s.flac", np.stack([voice, sign * voice], axis=1), RATE), detector)
    assert result.p_fake == pytest.approx(plain.p_fake, abs=1e-3)
    assert result.coverage == plain.coverage
    assert len(result.notes) == 1


def test_every_sound_track_is_judged_or_named(make, voice, tmp_path):
    detector = make("LoudnessDetector")
    quiet = write_audio(tmp_path / "q.flac", 0.1 * voice, RATE)
    loud = write_audio(tmp_path / "l.flac", voice, RATE)
    silent = write_audio(tmp_path / "s.flac", np.zeros_like(voice), RATE)
    evidence = Evidence.open(remuxed(tmp_path / "film.mkv", [quiet, loud, silent]), LIMITS)
    assert [track.number for track in evidence.media.tracks] == [1, 2, 3]
    assert [track.duration_s for track in evidence.media.tracks] == pytest.approx([len(voice) / RATE] * 3, abs=0.1)
    result = analyze(evidence, detector, explain=False)
    assert [track.track for track in result.tracks] == [1, 2]
    assert result.decided_by.track == 2
    assert result.p_fake == pytest.approx(looked_at(loud, detector).p_fake, abs=1e-3)
    assert any("track 3 is silent" in note for note in result.notes)
    chosen = analyze(evidence.only(1), detector, explain=False)
    assert chosen.p_fake == pytest.approx(looked_at(quiet, detector).p_fake, abs=1e-3)
    assert chosen.notes[0] == "Of its tracks this one was chosen, and no other was judged: sound track 1."
    with pytest.raises(UnreadableMediaError, match="its tracks are 1, 2, 3"):
        evidence.only(7)


@pytest.mark.parametrize("with_picture", [False, True], ids=["a recording", "a video"])
def test_a_main_sound_track_that_cannot_be_decoded_keeps_no_other_from_being_judged(
    make, voice, tmp_path, with_picture
):
    detector = make("LoudnessDetector")
    tracks = [write_audio(tmp_path / f"{level}.flac", level * voice, RATE) for level in (0.1, 1.0)]
    picture = [write_video(tmp_path / "p.mp4", [np.full((96, 128, 3), 90, np.uint8)] * 20)] if with_picture else []
    path = blank_packets(remuxed(tmp_path / "two.mp4", [*picture, *tracks]), audio=0)
    evidence = Evidence.open(path, LIMITS)
    main, other = (track for track in evidence.media.tracks if track.kind is TrackKind.SOUND)
    assert main.main
    result = analyze(evidence, detector, explain=False)
    assert [track.track for track in result.tracks] == [other.number]
    assert result.p_fake == pytest.approx(looked_at(tracks[1], detector).p_fake, abs=1e-3)
    assert f"Sound track {main.number} was not judged: it cannot be decoded." in result.notes
    with pytest.raises(UnreadableMediaError, match="no sound could be decoded"):
        analyze(evidence.only(main.number), detector, explain=False)
    if with_picture:
        return
    path = blank_packets(path, audio=1)
    with pytest.raises(UnreadableMediaError, match=r"nothing of its sound can be decoded.* codec flac"):
        Evidence.open(path, LIMITS)


def test_every_moving_picture_is_judged(make, tmp_path):
    detector = make("BrightnessDetector")
    dark, bright = (
        write_video(tmp_path / f"{level}.mkv", [np.full((96, 128, 3), level, np.uint8)] * 20) for level in (60, 200)
    )
    evidence = Evidence.open(remuxed(tmp_path / "two.mkv", [dark, bright]), LIMITS)
    result = analyze(evidence, detector, explain=False)
    twins = [looked_at(path, detector) for path in (dark, bright)]
    assert [track.p_fake for track in result.tracks] == pytest.approx([twin.p_fake for twin in twins])
    assert result.scores == max(twins, key=lambda twin: twin.p_fake).scores
    assert analyze(evidence.only(1), detector, explain=False).scores == twins[0].scores
    events: list[Any] = []
    analyze(evidence, detector, events.append, explain=False)
    assert [event.phase for event in events].count("done") == 1


def test_a_stream_that_changes_its_codec_is_judged_to_its_end(make, tmp_path):
    detector = make("BrightnessDetector")
    dark, bright = (
        write_video(tmp_path / f"{level}.ts", [np.full((96, 128, 3), level, np.uint8)] * 20, codec=codec)
        for level, codec in ((60, "libx264"), (200, "mpeg2video"))
    )
    path = tmp_path / "joined.ts"
    path.write_bytes(dark.read_bytes() + bright.read_bytes())
    result = looked_at(path, detector)
    alone = [looked_at(part, detector).p_fake for part in (dark, bright)]
    for half, p_fake in ((range(20), alone[0]), (range(20, 40), alone[1])):
        judged = [score.p_fake for score in result.scores if score.frame_index in half]
        assert len(judged) >= 6
        assert judged == pytest.approx([p_fake] * len(judged), abs=0.01)
    assert result.coverage == 1
    # The second half as a stream of a codec that nobody knows.
    path.write_bytes(dark.read_bytes() + long_tables(bright.read_bytes(), {0x02: 0xD2}))
    result = looked_at(path, detector)
    assert result.coverage == pytest.approx(dark.stat().st_size / path.stat().st_size, abs=0.02)
    assert result.prediction is not Prediction.REAL
    assert "the rest was not judged" in result.notes[0]


def test_a_model_that_cannot_use_the_chosen_track_says_so(make, voice, tmp_path):
    sound = write_audio(tmp_path / "a.flac", voice, RATE)
    picture = write_video(tmp_path / "v.mkv", [np.full((96, 128, 3), 90, np.uint8)] * 20)
    evidence = Evidence.open(remuxed(tmp_path / "all.mkv", [picture, sound, sound]), LIMITS)
    with pytest.raises(WrongMediaKindError, match="is sound, and this model looks"):
        analyze(evidence.only(2), make("BrightnessDetector"))
    with pytest.raises(WrongMediaKindError, match="is a picture, and this model listens"):
        analyze(evidence.only(1), make("LoudnessDetector"))
    assert any("not judged by this model" in note for note in analyze(evidence, make("ClipsDetector")).notes)


def test_parts_go_on_where_they_were_interrupted(make, voice, tmp_path):
    detector = make("LoudnessDetector")
    path = write_audio(tmp_path / "call.flac", np.stack([voice, 0.3 * np.roll(voice, 12_000)], axis=1), RATE)
    chunks: list[bytes] = []
    plain = looked_at(path, detector, on_chunk=chunks.append)
    again: list[bytes] = []
    resumed = looked_at(path, detector, resume=chunks, on_chunk=again.append)
    assert resumed.scores == plain.scores
    assert resumed.tracks == plain.tracks
    assert again == []


def test_who_only_listens_hears_a_late_sound_track_as_it_is_alone(make, voice, tmp_path):
    """A picture that begins 8 ms before the sound shifts no window; the times are those of the file."""
    detector = make("LoudnessDetector")
    frames = [np.full((96, 128, 3), 90, np.uint8)] * 20
    late = write_video(tmp_path / "a.mkv", frames, audio=(voice, RATE), audio_codec="flac", audio_start_s=0.008)
    alone = looked_at(write_audio(tmp_path / "a.flac", voice, RATE), detector)
    result = looked_at(late, detector)
    assert [score.p_fake for score in result.scores] == [score.p_fake for score in alone.scores]
    for score, twin in zip(result.scores, alone.scores, strict=True):
        assert score.time_s == pytest.approx(twin.time_s + 0.008, abs=1e-9)
        assert score.end_s == pytest.approx(twin.end_s + 0.008, abs=1e-9)
    assert (result.p_fake, result.coverage) == (alone.p_fake, alone.coverage)


def test_silence_for_a_hole_is_no_gap_of_judgement(make, tmp_path):
    path = tmp_path / "hole.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for start_s in (0, 20):
            values = (tone(4.0) * 32_767).astype(np.int16)
            for offset in range(0, len(values), 800):
                frame = av.AudioFrame.from_ndarray(values[None, offset : offset + 800], format="s16", layout="mono")
                frame.sample_rate, frame.pts = RATE, start_s * RATE + offset
                output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    detector = make("LoudnessDetector")
    result = looked_at(path, detector)
    assert result.coverage == 1
    assert result.prediction is Prediction.FAKE
    assert result.scores[-1].end_s == pytest.approx(24, abs=0.6), "times stay those of the player"


def test_sound_that_cancels_out_is_heard_by_those_who_want_one_track(voice, tmp_path):
    path = write_audio(tmp_path / "s.flac", np.stack([voice, -voice], axis=1), RATE)
    with SharedMedia(Evidence.open(path, LIMITS), LIMITS) as shared:
        assert np.abs(shared.sound(RATE) - voice).max() < 1e-3
