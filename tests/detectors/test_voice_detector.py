"""What VOICE-SPOOF-LITE-V1 itself decides: what it listens to, which windows decide, and what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch
from detector_kit import stand_in_weights
from media_factory import chords, noise, tone, write_audio

from drishtiksha import scoring
from drishtiksha.contract import Sample
from drishtiksha.detectors.voice_spoof import PLAN, STRETCH, VoiceSpoofConfig, VoiceSpoofDetector
from drishtiksha.errors import AnalysisCancelledError, SkipSample, WrongMediaKindError
from drishtiksha.events import CancelToken, ProgressEvent
from drishtiksha.media.audio import read_audio
from drishtiksha.networks.voice_spoof import WINDOW, preprocess_voice
from drishtiksha.registry import ModelManager
from drishtiksha.render.facts import custody_facts
from drishtiksha.results import GapReason, MediaKind, Prediction, SampleScore, Thresholds
from drishtiksha.settings import ROOT, MediaLimits, load_settings
from training.voice_spoof.copies import griffin_lim

RATE = 16_000
ASSETS = ROOT / "assets"
SILENCE = np.zeros(8 * RATE, np.float32)


def detector_on(path: Path, **fields: object) -> VoiceSpoofDetector:
    config = VoiceSpoofConfig(
        class_name="VoiceSpoofDetector", description="", model_path=path, device="cpu", isAudio=True, **fields
    )
    return VoiceSpoofDetector(config)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return stand_in_weights(VoiceSpoofDetector, tmp_path_factory.mktemp("weights") / "random.pt")


@pytest.fixture(scope="module")
def detector(weights) -> VoiceSpoofDetector:
    return detector_on(weights).load()


@pytest.fixture(scope="module")
def sentence() -> np.ndarray:
    """float32 (n,) at 16 kHz, 3.3 s that are speech from end to end."""
    clip = read_audio(ASSETS / "clip_with_sound.mp4", RATE, limits=MediaLimits())
    return clip[round(0.16 * RATE) : round(3.46 * RATE)]


@pytest.fixture(scope="module")
def speech(sentence) -> np.ndarray:
    """10 s of speech without a long pause."""
    return np.tile(sentence, 4)[: 10 * RATE]


def windows(p_fakes: Sequence[float | None]) -> list[SampleScore]:
    """One score a window of 4 s, every 2 s; None is a window without speech."""
    gap = GapReason.NO_SPEECH
    return [
        SampleScore(index=i, time_s=2.0 * i, end_s=2.0 * i + 4, p_fake=p, gap=gap if p is None else None)
        for i, p in enumerate(p_fakes)
    ]


def test_one_window_does_not_decide(detector):
    scores = [0.05] * 40
    scores[20:22] = [1.0, 1.0]  # the two windows that one short noise reaches
    assert detector.aggregate(windows(scores)).p_fake < 0.5


def test_a_forged_passage_is_not_averaged_away(detector):
    aggregate = detector.aggregate(windows([0.05] * 30 + [0.95] * STRETCH + [0.05] * 30))
    assert aggregate.p_fake == pytest.approx(0.95)
    assert aggregate.metrics["deciding_stretch_from_s"] == 60
    assert aggregate.metrics["deciding_stretch_until_s"] == 60 + 2 * (STRETCH - 1) + 4
    assert aggregate.metrics["mean_window_p_fake"] < 0.2


def test_length_alone_does_not_raise_the_score(detector):
    """The highest of many short stretches is high by chance; in long recordings longer stretches decide."""
    genuine = np.clip(np.random.default_rng(0).normal(0.3, 0.2, 900), 0, 1)
    short = np.mean([detector.aggregate(windows(genuine[i : i + 3].tolist())).p_fake for i in range(0, 900, 3)])
    assert detector.aggregate(windows(genuine.tolist())).p_fake < short + 0.1


def test_pauses_do_not_cut_a_passage_in_two(detector):
    passage = [0.9, 0.9, None, 0.9, 0.9, None, None, 0.9, 0.9, 0.9, 0.9]
    assert detector.aggregate(windows([0.0] * 9 + passage)).p_fake > 0.89


def test_a_short_recording_is_its_mean_and_an_unheard_one_has_no_score(detector):
    aggregate = detector.aggregate(windows([None, 0.2, 0.6]))
    assert aggregate.p_fake == pytest.approx(0.4)
    assert aggregate.metrics["windows_judged"] == 2
    assert aggregate.metrics["seconds_judged"] == 6
    assert aggregate.metrics["highest_window_p_fake"] == 0.6
    assert detector.aggregate(windows([None, None])).p_fake is None
    assert detector.aggregate([]).p_fake is None


@pytest.mark.parametrize(
    "sound", [SILENCE, noise(8.0), tone(8.0), chords(8.0)], ids=["silence", "noise", "tone", "music"]
)
def test_what_is_no_speech_is_a_gap(detector, tmp_path, sound):
    result = detector.analyze(write_audio(tmp_path / "sound.wav", sound, RATE))
    assert result.prediction is Prediction.INCONCLUSIVE
    assert result.gap is GapReason.NO_SPEECH
    assert {score.gap for score in result.scores} == {GapReason.NO_SPEECH}
    assert result.reasons[0] == "No speech was found in the sound."
    assert result.heatmaps == ()


def test_only_windows_with_speech_are_scored(detector, tmp_path, speech):
    path = write_audio(tmp_path / "partly.flac", np.concatenate([SILENCE, speech, tone(8.0)]), RATE)
    scores = detector.analyze(path, explain=False).scores
    heard = {score.time_s for score in scores if score.p_fake is not None}
    assert {8.0, 10.0, 12.0, 14.0} <= heard <= {6.0, 8.0, 10.0, 12.0, 14.0, 16.0}
    assert len(scores) == 12


def test_half_a_second_is_too_short_and_half_a_word_too_little(detector, tmp_path, sentence):
    result = detector.analyze(write_audio(tmp_path / "short.wav", sentence[: RATE // 2], RATE))
    assert (result.prediction, result.gap) == (Prediction.INCONCLUSIVE, GapReason.TOO_SHORT)
    word = np.concatenate([np.zeros(RATE, np.float32), sentence[: RATE * 7 // 10], np.zeros(RATE, np.float32)])
    result = detector.analyze(write_audio(tmp_path / "word.wav", word, RATE))
    assert (result.prediction, result.gap) == (Prediction.INCONCLUSIVE, GapReason.TOO_SHORT)


def test_neither_padding_nor_silence_around_speech_is_heard(detector, sentence):
    alone = detector.preprocess(Sample(0, 0.0, len(sentence) / RATE, waveform=sentence, sample_rate=RATE))[0]
    padded = np.pad(sentence, (0, WINDOW - len(sentence)))
    assert torch.equal(detector.preprocess(Sample(0, 0.0, len(sentence) / RATE, waveform=padded))[0], alone)
    later = np.concatenate([np.zeros(RATE // 2, np.float32), sentence])
    late = detector.preprocess(Sample(3, 6.0, 10.0, waveform=np.pad(later, (0, WINDOW - len(later)))))[0]
    assert late.abs().reshape(10, -1).amax(dim=1).min() > 0.01, "0.4 s of silence"
    with pytest.raises(SkipSample):
        detector.preprocess(Sample(0, 0.0, 4.0, waveform=np.zeros(WINDOW, np.float32)))


def test_a_full_window_of_speech_goes_in_as_it_is(detector, speech):
    window = speech[RATE : RATE + WINDOW]
    tensor = detector.preprocess(Sample(0, 0.0, 4.0, waveform=window))[0]
    assert torch.allclose(tensor[:1000], preprocess_voice(window)[:1000], atol=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("explain", ["auto", "occlusion"])
def test_the_heatmap_lies_on_the_speech(weights, tmp_path, sentence, explain):
    detector = detector_on(weights, explain=explain).load()
    part = np.concatenate([np.zeros(RATE, np.float32), sentence[: 2 * RATE], np.zeros(RATE, np.float32)])
    (heatmap,) = detector.analyze(write_audio(tmp_path / "part.wav", part, RATE)).heatmaps
    assert heatmap.method == ("time-frequency" if explain == "auto" else "occlusion")
    assert heatmap.time_s == pytest.approx(1.0, abs=0.15)
    assert heatmap.end_s == pytest.approx(3.0, abs=0.15)
    assert heatmap.top_hz == 8000
    assert heatmap.width / (heatmap.end_s - heatmap.time_s) == pytest.approx(80, abs=1)
    assert heatmap.array().max() <= 1


def test_the_first_row_of_a_heatmap_is_the_lowest_pitch(detector):
    spectrogram = detector.network.spectrogram(preprocess_voice(tone(4.0, hz=1000.0))[None])[0, 0]
    loudest = int(spectrogram.mean(dim=1).argmax())
    assert (loudest + 0.5) / spectrogram.shape[0] * 8000 == pytest.approx(1000, abs=50)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["voice.mp3", "voice.m4a", "voice.opus", "voice.ogg"])
def test_any_recording_of_the_same_voice_is_judged(detector, tmp_path, speech, name):
    result = detector.analyze(write_audio(tmp_path / name, speech, RATE), explain=False)
    assert result.coverage == 1
    assert result.media.duration_s == pytest.approx(10, abs=0.2)


def test_stereo_at_another_rate(detector, tmp_path, speech):
    stereo = np.stack([soxr.resample(speech, RATE, 44_100)] * 2, axis=1)
    path = tmp_path / "stereo.mp3"
    soundfile.write(path, stereo, 44_100)
    result = detector.analyze(path, explain=False)
    assert (result.media.channels, result.media.sample_rate) == (2, 44_100)
    assert result.coverage == 1


def test_a_video_is_judged_by_its_sound(detector):
    result = detector.analyze(ASSETS / "clip_with_sound.mp4")
    assert result.p_fake is not None
    assert [heatmap.method for heatmap in result.heatmaps] == ["time-frequency"]


def test_a_video_without_sound_is_refused_before_anything_is_loaded(tmp_path):
    with pytest.raises(WrongMediaKindError, match="has no sound track"):
        detector_on(tmp_path / "absent.safetensors").analyze(ASSETS / "clip_silent.mp4")


@pytest.mark.slow
def test_a_long_recording_answers_early_and_can_be_stopped(detector, tmp_path, sentence):
    path = write_audio(tmp_path / "long.flac", np.tile(sentence, 30)[: 90 * RATE], RATE)
    events: list[ProgressEvent] = []
    result = detector.analyze(path, events.append, explain=False)
    assert len(result.scores) == 44
    preview = next(event.preview for event in events if event.preview is not None)
    assert 0 < len(preview.scores) < len(result.scores) / 4
    assert [event.progress for event in events if event.phase == "score"][-1] == 44
    token = CancelToken()
    token.cancel()
    with pytest.raises(AnalysisCancelledError):
        detector.analyze(path, cancel=token)


def test_it_asks_for_what_its_network_takes(detector):
    assert PLAN.window_s * PLAN.sample_rate == WINDOW


def test_without_what_was_measured_beside_its_weights_it_does_not_clear_a_file_either(detector, tmp_path, speech):
    """The fixture's weights have no sidecar."""
    result = detector.analyze(write_audio(tmp_path / "a.wav", speech, RATE))
    assert result.thresholds.real == 0
    assert result.prediction is not Prediction.REAL


def test_a_detector_that_never_clears_a_file_says_so(detector):
    scores = windows([0.01] * 5)
    verdict = scoring.decide(0.01, scores, Thresholds(real=0.0, fake=0.92), True, detector.config)
    assert verdict.prediction is Prediction.INCONCLUSIVE
    assert verdict.reason.startswith("The score 0.01 is below 0.92")
    assert "never clears" in verdict.reason
    shown = detector.analyze(ASSETS / "clip_with_sound.mp4", explain=False)
    facts = dict(custody_facts(shown.model_copy(update={"thresholds": Thresholds(real=0.0, fake=0.92)})))
    assert facts["Thresholds"] == "never cleared, from 0.92 suspicious"
    ordinary = scoring.decide(0.5, scores, Thresholds(real=0.1, fake=0.92), True, detector.config)
    assert "between the two thresholds" in ordinary.reason


# --- with the weights that ship ---------------------------------------------------------------------------------------

HELD_OUT = ("0008", "0009", "0018", "0029", "0038", "0039")
"""Of LibriSpeech, speakers of the test side."""


@pytest.fixture(scope="module")
def shipped() -> VoiceSpoofDetector:
    return ModelManager(load_settings(device="cpu")).load_model("VOICE-SPOOF-LITE-V1")


@pytest.mark.slow
def test_genuine_readers_are_not_called_fake_and_their_vocoded_copies_score_higher(shipped, shared, tmp_path):
    for name in HELD_OUT:
        genuine = shared / "data/speech/real/librispeech" / f"{name}.flac"
        result = shipped.analyze(genuine, explain=False)
        assert result.prediction is not Prediction.FAKE, name
        waveform, rate = soundfile.read(genuine, dtype="float32", frames=10 * RATE)
        copy = griffin_lim(waveform, np.random.default_rng(0))
        copied = shipped.analyze(write_audio(tmp_path / f"{name}.flac", copy, rate), explain=False)
        assert copied.p_fake > result.p_fake + 0.2, name


def test_the_shipped_weights_answer_for_everything_that_holds_speech(shipped):
    result = shipped.analyze(ASSETS / "clip_with_sound.mp4")
    assert not result.calibrated, "only recordings were measured"
    assert shipped.calibrated(result.media.model_copy(update={"kind": MediaKind.AUDIO}))
    assert result.coverage == 1
    assert len(result.heatmaps) == 1


@pytest.mark.parametrize("sound", [SILENCE, chords(8.0)], ids=["silence", "music"])
def test_the_shipped_weights_give_no_verdict_without_speech(shipped, tmp_path, sound):
    result = shipped.analyze(write_audio(tmp_path / "sound.mp3", sound, RATE))
    assert (result.prediction, result.gap) == (Prediction.INCONCLUSIVE, GapReason.NO_SPEECH)
