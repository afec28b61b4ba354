import itertools
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from media_factory import click_at, coded_frames, onset_s, speech_like, tone, write_audio, write_video

from drishtiksha.errors import (
    AnalysisCancelledError,
    MediaLimitError,
    UnreadableMediaError,
    WrongMediaKindError,
)
from drishtiksha.events import CancelToken
from drishtiksha.media.audio import Interpolator, read_audio, read_sound
from drishtiksha.media.video import iter_frames
from drishtiksha.settings import MediaLimits


def level_at(waveform: np.ndarray, rate: int, hz: float) -> float:
    """Amplitude of a tone."""
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)))) * 4 / len(waveform)
    return float(spectrum[round(hz * len(waveform) / rate)])


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "PCM_U8", "FLOAT", "DOUBLE"])
def test_values_are_kept_at_the_stored_rate(tmp_path: Path, limits: MediaLimits, subtype: str) -> None:
    waveform = tone(1.0, 16_000, peak=0.9)
    soundfile.write(tmp_path / "a.wav", waveform, 16_000, subtype=subtype)
    read = read_audio(tmp_path / "a.wav", 16_000, limits=limits)
    assert read.dtype == np.float32
    assert read.shape == waveform.shape
    assert np.abs(read - waveform).max() < (0.01 if subtype == "PCM_U8" else 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("file", ["a.wav", "a.flac", "a.mp3", "a.m4a", "a.ogg", "a.opus"])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_resampling_keeps_length_pitch_and_level(tmp_path: Path, limits: MediaLimits, file: str, rate: int) -> None:
    write_audio(tmp_path / file, tone(2.0, 48_000, 1000.0, 0.5), 48_000)
    read = read_audio(tmp_path / file, rate, limits=limits)
    assert len(read) / rate == pytest.approx(2.0, abs=0.08)
    middle = read[rate // 2 : rate // 2 + rate]
    assert level_at(middle, rate, 1000.0) == pytest.approx(0.5, abs=0.03)


def test_what_lies_above_the_new_band_does_not_fold_down(tmp_path: Path, limits: MediaLimits) -> None:
    write_audio(tmp_path / "a.wav", tone(1.0, 48_000, 11_000.0, 0.9), 48_000)
    read = read_audio(tmp_path / "a.wav", 16_000, limits=limits)
    assert np.abs(read[1000:-1000]).max() < 1e-3


def test_without_a_filter_it_folds_down_as_in_the_reference(tmp_path: Path, limits: MediaLimits) -> None:
    write_audio(tmp_path / "a.wav", tone(1.0, 48_000, 11_000.0, 0.9), 48_000)
    read = read_sound(tmp_path / "a.wav", 16_000, limits=limits, resampling="reference").waveform
    assert level_at(read, 16_000, 5_000.0) == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_the_reference_resamples_with_audioop(tmp_path: Path, limits: MediaLimits, rate: int) -> None:
    audioop = pytest.importorskip("audioop")  # until Python 3.12
    stored = np.random.default_rng(rate).integers(-(2**15), 2**15, rate // 2 + 7, dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", stored, rate)
    drawn, _ = audioop.ratecv(stored.tobytes(), 2, 1, rate, 16_000, None)
    read = read_sound(tmp_path / "a.wav", 16_000, limits=limits, resampling="reference").waveform
    assert np.array_equal(read, np.frombuffer(drawn, np.int16) / np.float32(2**15))


def test_pieces_of_any_length_are_resampled_as_the_whole() -> None:
    sound = np.random.default_rng(0).uniform(-1, 1, 4_000).astype(np.float32)
    whole = Interpolator(44_100, 16_000).resample_chunk(sound)
    piecemeal = Interpolator(44_100, 16_000)
    ends = [0, 1, 1, 2, 5, 700, 3_999, 4_000]
    parts = [piecemeal.resample_chunk(sound[start:end]) for start, end in itertools.pairwise(ends)]
    assert np.array_equal(np.concatenate(parts), whole)


def test_channels_are_averaged_without_clipping(tmp_path: Path, limits: MediaLimits) -> None:
    left, right = tone(0.5, peak=0.95), tone(0.5, peak=0.95)
    write_audio(tmp_path / "both.wav", np.stack([left, right], axis=1), 16_000)
    assert np.abs(read_audio(tmp_path / "both.wav", 16_000, limits=limits) - left).max() < 1e-3
    write_audio(tmp_path / "one.wav", np.stack([left, 0 * right], axis=1), 16_000)
    assert np.abs(read_audio(tmp_path / "one.wav", 16_000, limits=limits) - left / 2).max() < 1e-3


def test_values_beyond_full_scale_or_not_numbers_stay_in_range(tmp_path: Path, limits: MediaLimits) -> None:
    waveform = tone(0.5, peak=1.6)
    waveform[100:110] = np.nan
    waveform[200] = np.inf
    soundfile.write(tmp_path / "a.wav", waveform, 16_000, subtype="FLOAT")
    read = read_audio(tmp_path / "a.wav", 16_000, limits=limits)
    assert np.isfinite(read).all()
    assert np.abs(read).max() == 1.0


@pytest.mark.parametrize("file", ["a.mp4", "a.webm", "a.mkv", "a.mov", "a.ts"])
def test_the_sound_of_a_video_starts_with_the_picture(tmp_path: Path, limits: MediaLimits, file: str) -> None:
    webm = {"codec": "libvpx-vp9", "audio_codec": "libopus"} if file == "a.webm" else {}
    path = write_video(tmp_path / file, coded_frames(50), audio=(click_at(1.0, 2.0, 48_000), 48_000), **webm)
    read = read_audio(path, 16_000, limits=limits)
    # An MPEG transport stream keeps the encoder's priming samples (1024 of 48 000 a second).
    assert onset_s(read, 16_000) == pytest.approx(1.0, abs=0.03 if file == "a.ts" else 0.006)


@pytest.mark.parametrize("start_s", [0.25, 0.7])
def test_a_sound_track_that_starts_late_begins_with_silence(
    tmp_path: Path, limits: MediaLimits, start_s: float
) -> None:
    path = write_video(
        tmp_path / "late.mkv",
        coded_frames(50),
        audio=(click_at(0.5, 1.0, 48_000), 48_000),
        audio_start_s=start_s,
    )
    read = read_audio(path, 16_000, limits=limits)
    assert onset_s(read, 16_000) == pytest.approx(start_s + 0.5, abs=0.03)
    assert np.abs(read[: round((start_s - 0.05) * 16_000)]).max() < 1e-3


@pytest.mark.parametrize("start_s", [0.008, 0.25])
def test_after_that_silence_it_is_the_same_to_the_bit_as_alone(
    tmp_path: Path, limits: MediaLimits, start_s: float
) -> None:
    sound = speech_like(1.0, 44_100)
    path = write_video(
        tmp_path / "late.mkv", coded_frames(25), audio=(sound, 44_100), audio_codec="flac", audio_start_s=start_s
    )
    late = read_sound(path, 16_000, limits=limits)
    alone = read_audio(write_audio(tmp_path / "alone.flac", sound, 44_100), 16_000, limits=limits)
    assert late.begins_s == pytest.approx(start_s, abs=0.002)
    before = round(late.begins_s * 16_000)
    assert not late.waveform[:before].any()
    assert np.array_equal(late.waveform[before:], alone)


def test_a_recording_starts_with_its_first_sample(tmp_path: Path, limits: MediaLimits) -> None:
    path = tmp_path / "late.mkv"
    values = (click_at(0.2, 1.0) * 32_767).astype(np.int16)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(values[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16_000, 8_000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    read = read_audio(path, 16_000, limits=limits)
    assert onset_s(read, 16_000) == pytest.approx(0.2, abs=0.002)
    assert len(read) == pytest.approx(16_000, abs=32)


def test_a_hole_in_the_time_stamps_becomes_silence(tmp_path: Path, limits: MediaLimits) -> None:
    path = tmp_path / "hole.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for start, samples in ((0, tone(0.5)), (32_000, tone(0.5))):
            values = (samples * 32_767).astype(np.int16)
            for offset in range(0, len(values), 800):
                frame = av.AudioFrame.from_ndarray(values[None, offset : offset + 800], format="s16", layout="mono")
                frame.sample_rate, frame.pts = 16_000, start + offset
                output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    read = read_audio(path, 16_000, limits=limits)
    assert len(read) == pytest.approx(40_000, abs=32)
    assert np.abs(read[8_200:31_800]).max() < 1e-3
    assert np.abs(read[32_500:39_500]).max() > 0.4


def test_the_shared_clip_has_its_sound_before_its_picture(clip_360p: Path, limits: MediaLimits) -> None:
    with iter_frames(clip_360p, [0], limits=limits) as frames:
        assert next(frames).time_s == pytest.approx(0.852, abs=1e-3)
    read = read_audio(clip_360p, 16_000, limits=limits)
    assert len(read) / 16_000 == pytest.approx(10.016, abs=0.03)


def test_no_sound_track_is_said_with_the_remedy(tmp_path: Path, limits: MediaLimits) -> None:
    path = write_video(tmp_path / "silent.mp4", coded_frames(3))
    with pytest.raises(WrongMediaKindError, match=r"silent\.mp4 has no sound track.*Choose a model"):
        read_audio(path, 16_000, limits=limits)
    with pytest.raises(WrongMediaKindError, match=r"holiday\.mp4"):
        read_audio(path, 16_000, limits=limits, name="holiday.mp4")


def test_a_sound_track_that_ends_before_it_begins_is_unreadable(tmp_path: Path, limits: MediaLimits) -> None:
    soundfile.write(tmp_path / "none.wav", np.zeros(0, np.float32), 16_000)
    with pytest.raises(UnreadableMediaError, match=r"none\.wav"):
        read_audio(tmp_path / "none.wav", 16_000, limits=limits)


def test_broken_packets_do_not_move_what_follows(tmp_path: Path, limits: MediaLimits) -> None:
    path = write_audio(tmp_path / "a.m4a", click_at(1.5, 2.0, 48_000) + 0.01 * tone(2.0, 48_000), 48_000)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        for packet in list(container.demux(audio=0))[20:30]:
            data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    path.write_bytes(data)
    assert onset_s(read_audio(path, 16_000, limits=limits), 16_000) == pytest.approx(1.5, abs=0.03)


def test_length_is_bounded_while_decoding(tmp_path: Path) -> None:
    write_audio(tmp_path / "long.flac", speech_like(3.0), 16_000)
    with pytest.raises(MediaLimitError, match=r"long\.flac"):
        read_audio(tmp_path / "long.flac", 16_000, limits=MediaLimits(max_duration_s=2))


def test_cancelling_stops_within_a_second(tmp_path: Path, limits: MediaLimits) -> None:
    write_audio(tmp_path / "long.wav", np.zeros(16_000 * 1700, np.float32), 16_000)
    token = CancelToken()
    threading.Timer(0.05, token.cancel).start()
    started = time.monotonic()
    with pytest.raises(AnalysisCancelledError):
        read_audio(tmp_path / "long.wav", 48_000, limits=limits, check=token.check)
    assert time.monotonic() - started < 1.2
