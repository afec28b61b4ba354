"""What channels have in common, from real encoded recordings, each against its plain twin."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from media_factory import noise, speech_like, tone, write_audio

from drishtiksha.media.audio import read_audio, read_sound
from drishtiksha.media.channels import SoundPart
from drishtiksha.settings import MediaLimits

RATE = 16_000
VOICE, OTHER = speech_like(8.0, seed=1), speech_like(8.0, seed=2)
HALF = np.concatenate([VOICE[: 4 * RATE], np.zeros(4 * RATE, np.float32)])
"""Speaks, then listens."""
LATER = np.concatenate([np.zeros(4 * RATE, np.float32), OTHER[: 4 * RATE]])


def stereo(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.stack([left, right], axis=1)


AGREE = {
    "mono": VOICE[:, None],
    "dual mono": stereo(VOICE, VOICE),
    "levels": stereo(VOICE, 0.3 * VOICE),
    "two microphones": stereo(VOICE, np.roll(VOICE, 16)),
    "with the room": stereo(VOICE + noise(8.0, level=0.01), VOICE + np.roll(noise(8.0, level=0.01), 999)),
}
DIFFER = {
    "call": (stereo(VOICE, OTHER), ["left", "right"]),
    "call in turns": (stereo(HALF, LATER), ["left", "right"]),
    "one side only": (stereo(np.zeros_like(VOICE), VOICE), ["right"]),
    "another in the end": (stereo(VOICE, np.concatenate([VOICE[: 6 * RATE], OTHER[6 * RATE :]])), ["left", "right"]),
    "call with an offset": (stereo(0.5 * VOICE + 0.3, 0.5 * OTHER + 0.3), ["left", "right"]),
    "opposite phase with an offset": (stereo(0.5 * VOICE + 0.3, 0.3 - 0.5 * VOICE), ["left and right"]),
    "one side an offset alone": (stereo(VOICE, np.full_like(VOICE, 0.3)), ["left"]),
    "opposite phase": (stereo(VOICE, -VOICE), ["left and right"]),
}


@pytest.mark.parametrize("case", AGREE)
@pytest.mark.parametrize("suffix", ["flac", "wav"])
def test_channels_that_agree_stay_one_mixture(tmp_path: Path, limits: MediaLimits, case: str, suffix: str) -> None:
    sound = read_sound(write_audio(tmp_path / f"a.{suffix}", AGREE[case], RATE), RATE, limits=limits)
    assert sound.parts == ()
    stored, _ = soundfile.read(tmp_path / f"a.{suffix}", dtype="float32", always_2d=True)
    assert np.array_equal(sound.waveform, stored.T.mean(axis=0, dtype=np.float32))


@pytest.mark.parametrize("level", [1.0, 0.5])
def test_two_sides_stored_as_sum_and_difference_are_taken_apart(
    tmp_path: Path, limits: MediaLimits, level: float
) -> None:
    other = level * OTHER
    path = write_audio(tmp_path / "ms.wav", stereo((VOICE + other) / 2, (VOICE - other) / 2), RATE)
    parts = read_sound(path, RATE, limits=limits).parts
    assert [part.label.split(",")[0] for part in parts] == ["left", "right"]
    for part, plain in zip(parts, (VOICE, other), strict=True):
        assert np.corrcoef(read_sound(path, RATE, limits=limits, part=part).waveform, plain)[0, 1] > 0.999


@pytest.mark.slow
@pytest.mark.parametrize("case", DIFFER)
@pytest.mark.parametrize("suffix", ["flac", "wav"])
def test_channels_that_differ_are_parts(tmp_path: Path, limits: MediaLimits, case: str, suffix: str) -> None:
    samples, labels = DIFFER[case]
    path = write_audio(tmp_path / f"a.{suffix}", samples, RATE)
    parts = read_sound(path, RATE, limits=limits).parts
    assert [part.label for part in parts] == labels
    for part in parts:
        alone = read_sound(path, RATE, limits=limits, part=part).waveform
        twins = [samples[:, i] for i, weight in enumerate(part.weights or ()) if weight > 0]
        apart = alone - twins[0]
        assert np.abs(apart - apart.mean()).max() < 1e-3, "it is what a file of its own would hold"


def test_a_voice_in_the_centre_is_found_among_noise(tmp_path: Path, limits: MediaLimits) -> None:
    rng = np.random.default_rng(0)
    around = [0.2 * rng.standard_normal(len(VOICE)).astype(np.float32) for _ in range(5)]
    around[2] = tone(8.0, hz=40.0)
    # As WAV and FLAC order them: left, right, centre, low frequencies, left and right behind.
    channels = np.clip(np.stack([around[0], around[1], VOICE, around[2], around[3], around[4]], axis=1), -1, 1)
    path = write_audio(tmp_path / "film.flac", channels, RATE)
    parts = {part.label: part for part in read_sound(path, RATE, limits=limits).parts}
    assert "centre" in parts
    assert len(parts) == 5
    assert np.abs(read_sound(path, RATE, limits=limits, part=parts["centre"]).waveform - VOICE).max() < 1e-3


def test_channels_that_agree_around_are_mixed_by_their_places(tmp_path: Path, limits: MediaLimits) -> None:
    path = write_audio(tmp_path / "film.flac", np.repeat(VOICE[:, None], 6, axis=1), RATE)
    sound = read_sound(path, RATE, limits=limits)
    assert sound.parts == ()
    assert np.abs(sound.waveform - VOICE).max() < 1e-3


def test_a_voice_in_the_channel_for_low_frequencies_is_not_passed_over(tmp_path: Path, limits: MediaLimits) -> None:
    samples = np.zeros((len(VOICE), 6), np.float32)
    samples[:, 0], samples[:, 3] = OTHER, 0.3 * VOICE + tone(8.0, hz=40.0)
    path = write_audio(tmp_path / "film.flac", samples, RATE)
    parts = {part.label: part for part in read_sound(path, RATE, limits=limits).parts}
    assert set(parts) == {"left", "low-frequency channel"}
    own = read_sound(path, RATE, limits=limits, part=parts["low-frequency channel"]).waveform
    assert np.abs(own - samples[:, 3]).max() < 1e-3


def write_placed(path: Path, twin: Path, codec: str, form: str, layout: str) -> Path:
    """The samples of a WAV in another format, whose channels have the places of a layout of FFmpeg's."""
    packed = np.ascontiguousarray(soundfile.read(twin, dtype="int16")[0].reshape(1, -1))
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=RATE, layout=layout)
        stream.format = form
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
        frame.sample_rate = RATE
        resampler = av.AudioResampler(form, layout, RATE, frame_size=RATE)
        for each in (*resampler.resample(frame), *resampler.resample(None)):
            output.mux(stream.encode(each))
        output.mux(stream.encode(None))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "codec"), [("caf", "pcm_s16le"), ("aiff", "pcm_s16be")])
def test_channels_in_an_order_of_their_own_keep_their_places(
    tmp_path: Path, limits: MediaLimits, suffix: str, codec: str
) -> None:
    """These formats name the sides of 7.1 before its back, which FFmpeg does not."""
    samples = np.zeros((len(VOICE), 8), np.float32)
    samples[:, 0], samples[:, 4] = OTHER, VOICE
    twin = write_audio(tmp_path / "film.wav", samples, RATE)
    path = write_placed(tmp_path / f"film.{suffix}", twin, codec, "s16", "7.1")
    gc.collect()  # what is freed twice shows then
    own, expected = (read_sound(file, RATE, limits=limits) for file in (path, twin))
    assert np.array_equal(own.waveform, expected.waveform)
    assert [part.label for part in expected.parts] == ["left", "left back"]
    assert [part.label for part in own.parts] == ["left", "left side"]
    assert [part.weights for part in own.parts] == [part.weights for part in expected.parts]
    gc.collect()


AS_BY_ITS_DECODER = """
import gc, sys
from pathlib import Path
import numpy as np
from drishtiksha.media import container
from drishtiksha.media.audio import read_sound
from drishtiksha.settings import MediaLimits

container.settle = lambda stream: None  # the order then comes with each decoded frame
own, twin = map(Path, sys.argv[1:])
waveforms = [read_sound(file, 16_000, limits=MediaLimits()).waveform for file in (own, twin)]
assert np.array_equal(*waveforms)
gc.collect()
"""


@pytest.mark.slow
def test_an_order_of_their_own_by_their_decoder_stops_nothing(tmp_path: Path) -> None:
    samples = np.zeros((len(VOICE), 8), np.float32)
    samples[:, 0], samples[:, 4] = OTHER, VOICE
    twin = write_audio(tmp_path / "film.wav", samples, RATE)
    path = write_placed(tmp_path / "film.caf", twin, "pcm_s16le", "s16", "7.1")
    command = [sys.executable, "-c", AS_BY_ITS_DECODER, str(path), str(twin)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["6.1", "7.1", "hexadecagonal"])
def test_many_channels_kept_each_by_itself_are_those_of_the_same_file_in_turns(
    tmp_path: Path, limits: MediaLimits, layout: str
) -> None:
    """WavPack hands its channels over one by one, WAV sample by sample."""
    count = av.AudioLayout(layout).nb_channels
    samples = np.stack([np.roll(VOICE, 2000 * each) for each in range(count)], axis=1)
    twin = write_audio(tmp_path / "film.wav", samples, RATE)
    path = write_placed(tmp_path / "film.wv", twin, "wavpack", "s16p", layout)
    weights = tuple(float(2**-each) for each in range(count))
    for part in (SoundPart(weights=weights), SoundPart(weights=weights[::-1])):
        own, expected = (read_sound(file, RATE, limits=limits, part=part).waveform for file in (path, twin))
        assert np.array_equal(own, expected)
        assert np.abs(own).max() > 0.1


def test_of_ambisonic_sound_what_comes_from_all_sides_is_heard(tmp_path: Path, limits: MediaLimits) -> None:
    """One speaker in front, another behind: channels that are added up would take away from the second."""
    front, behind = 0.4 * speech_like(2, 48_000, seed=1), 0.4 * speech_like(2, 48_000, seed=2)
    empty = np.zeros_like(front)
    channels = np.stack([front + behind, empty, empty, front - behind]).astype(np.float32)
    path, layout = tmp_path / "a.mkv", "ambisonic 1"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libopus", rate=48_000, layout=layout, options={"mapping_family": "2"})
        for start in range(0, channels.shape[1], 960):
            piece = np.ascontiguousarray(channels[:, start : start + 960].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(piece, "flt", layout)
            frame.sample_rate, frame.pts = 48_000, start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    sound = read_sound(path, 16_000, limits=limits)
    plain = read_audio(write_audio(tmp_path / "a.opus", channels[0], 48_000), 16_000, limits=limits)
    assert not sound.parts
    count = min(len(plain), len(sound.waveform))
    assert np.corrcoef(sound.waveform[:count], plain[:count])[0, 1] > 0.98
