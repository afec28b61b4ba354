"""The data of the voice detector: copies that match their origin, labels, and sides that share nobody."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from media_factory import speech_like

from training.voice_spoof.cache import add_copies, originals, table
from training.voice_spoof.copies import LOW_RATE, MAKERS, Copy, copies, planned
from training.voice_spoof.corpora import (
    FRAME,
    HEADROOM,
    LONGEST_S,
    SHORTEST_S,
    asterisk,
    libritts,
    prepared,
    trimmed,
    voice_of,
)
from training.voice_spoof.engines import PROGRAMS, VOICES, sentences, speak
from training.voice_spoof.index import SAMPLE_RATE, Recording, append, read_index, waveform
from training.voice_spoof.split import SIDES, SYSTEM_SIDE, TEST_COPIES, split

pytestmark = pytest.mark.slow

ORIGIN = Recording(
    "librispeech/human/0003.npy", "real", "librispeech", "human", "librispeech_0003", "en", "", "", 3.0, 16_000
)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return speech_like(3.0)


def made_from(origin: Recording, speech: np.ndarray, wanted: list[Copy]) -> dict[str, tuple[Recording, np.ndarray]]:
    return {row.path: (row, samples) for row, samples in copies(origin, speech, MAKERS, wanted)}


@pytest.mark.parametrize("system", [*MAKERS, "human"])
@pytest.mark.parametrize("codec", ["", "opus_8k"])
def test_copy_is_as_long_and_loud_as_its_origin(system: str, codec: str, speech: np.ndarray) -> None:
    pytest.importorskip("pyworld")
    ((row, samples),) = made_from(ORIGIN, speech, [Copy(system, codec)]).values()
    assert samples.shape == speech.shape
    assert samples.dtype == np.float32
    assert np.std(samples) == pytest.approx(np.std(speech), rel=0.02)
    assert row.seconds == ORIGIN.seconds
    assert (row.corpus, row.speaker, row.origin, row.codec) == ("librispeech", ORIGIN.speaker, ORIGIN.path, codec)


@pytest.mark.parametrize("system", MAKERS)
def test_made_copy_keeps_the_spectrum_and_loses_the_waveform(system: str, speech: np.ndarray) -> None:
    pytest.importorskip("pyworld")
    ((row, samples),) = made_from(ORIGIN, speech, [Copy(system)]).values()
    assert row.label == "fake"
    assert row.system == system
    assert long_spectrum(samples) == pytest.approx(long_spectrum(speech), abs=0.6)
    assert np.corrcoef(samples, speech)[0, 1] < 0.98


def long_spectrum(samples: np.ndarray) -> np.ndarray:
    """log10 power in 8 bands of the whole recording."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    return np.log10([band.mean() for band in np.array_split(power, 8)[:6]])


def test_what_only_went_through_a_codec_is_real_and_every_codec_is_on_both_sides(speech: np.ndarray) -> None:
    wanted = [
        copy for number in range(40) for copy in planned(replace(ORIGIN, path=f"librispeech/human/{number:04d}.npy"))
    ]
    coded = [copy.of(ORIGIN) for copy in wanted if copy.codec]
    assert {row.codec for row in coded} == set(LOW_RATE)
    for codec in LOW_RATE:
        labels = [row.label for row in coded if row.codec == codec]
        assert labels.count("real") == labels.count("fake") > 0
    assert all(row.system == row.codec for row in coded if not row.fake)
    assert {copy.system for copy in wanted if not copy.codec} == set(MAKERS)


def test_copies_depend_on_their_origin_alone(speech: np.ndarray) -> None:
    alone = made_from(ORIGIN, speech, [Copy("griffinlim")])
    among = made_from(ORIGIN, speech, [Copy("human", "g711"), Copy("griffinlim", "g711"), Copy("griffinlim")])
    path = Copy("griffinlim").of(ORIGIN).path
    np.testing.assert_array_equal(alone[path][1], among[path][1])
    assert len(among) == 3


def test_trimmed_leaves_the_speech_as_it_was() -> None:
    speech = speech_like(1.0)
    padded = np.concatenate([np.zeros(8_000, np.float32), speech, np.zeros(12_000, np.float32)])
    kept = trimmed(padded)
    assert len(trimmed(speech)) <= len(kept) <= len(speech) + 12 * FRAME
    assert not len(trimmed(np.zeros(16_000, np.float32)))
    at = int(np.argmax(np.abs(padded)))
    assert padded[at] in kept


def test_prepared_is_at_one_rate_and_not_too_long() -> None:
    assert len(prepared(speech_like(2.0, rate=24_000), 24_000)) == pytest.approx(2 * SAMPLE_RATE, abs=0.4 * SAMPLE_RATE)
    long = speech_like(10.0)
    assert len(prepared(long, SAMPLE_RATE)) == LONGEST_S * SAMPLE_RATE
    assert np.abs(prepared(long, SAMPLE_RATE)).max() <= HEADROOM * np.abs(long).max()
    assert abs(prepared(long + 0.1, SAMPLE_RATE).mean()) < 1e-4


def test_cache_keeps_what_is_there_and_reads_it_back(tmp_path: Path, speech: np.ndarray) -> None:
    assert append(tmp_path, [(ORIGIN, speech)]) == 1
    louder = {"louder": lambda samples, _: samples * 3}
    assert append(tmp_path, copies(ORIGIN, speech, louder, [Copy("louder")])) == 1
    rows = read_index(tmp_path)
    assert rows[0] == ORIGIN
    assert originals(rows) == [ORIGIN]
    assert (rows[1].label, rows[1].system, rows[1].origin) == ("fake", "louder", ORIGIN.path)
    np.testing.assert_allclose(waveform(tmp_path, rows[1]), speech, atol=1e-3)
    assert len(waveform(tmp_path, ORIGIN, start=16_000, length=8_000)) == 8_000
    assert "louder" in table(rows)


def test_copies_are_added_once(tmp_path: Path, speech: np.ndarray) -> None:
    pytest.importorskip("pyworld")
    append(tmp_path, [(ORIGIN, speech), (replace(ORIGIN, path="librispeech/human/0013.npy"), speech[::-1])])
    assert add_copies(tmp_path) == 2 * (len(MAKERS) + 2)
    assert add_copies(tmp_path) == 0
    rows = read_index(tmp_path)
    assert len({row.path for row in rows}) == len(rows)
    assert sum(row.fake for row in rows) == 2 * (len(MAKERS) + 1)
    assert len(originals(rows)) == 2


@pytest.fixture(scope="module")
def people(shared: Path) -> list[Recording]:
    """Rows like those of the whole cache: every line beside LibriTTS, LibriSpeech, Asterisk, the engines, and copies."""
    published = [row for row, _ in libritts(shared / "data", set())]
    read = [replace(ORIGIN, path=f"librispeech/human/{n:04d}.npy", speaker=f"librispeech_{n:04d}") for n in range(251)]
    prompts = [
        replace(ORIGIN, path=f"asterisk/human/{language}.npy", corpus="asterisk", speaker=name, language=language)
        for name, language in (("allison", "en"), ("allison", "es"), ("june", "fr"), ("carlo", "it"), ("ivr", "ru"))
    ]
    said = [
        replace(
            ORIGIN, path=f"engines/{v.name}.npy", label="fake", corpus="engines", system=v.engine,
            speaker=v.speaker, language=v.language,
        )
        for v in VOICES
    ]  # fmt: skip
    real = [row for row in published if not row.fake] + read + prompts
    made = [copy.of(origin) for origin in real for copy in (*planned(origin), Copy("istft"), Copy("subpixel"))]
    return published + read + prompts + said + made


def test_nobody_is_on_two_sides(people: list[Recording]) -> None:
    sides = split(people, seed=3)
    speakers = {side: {row.speaker for row in rows} for side, rows in sides.items()}
    paths = {side: {row.path for row in rows} for side, rows in sides.items()}
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        assert not speakers[one] & speakers[other]
        assert not paths[one] & paths[other]
    for rows in sides.values():
        assert {row.fake for row in rows} == {False, True}


def test_a_copy_is_where_its_origin_is(people: list[Recording]) -> None:
    sides = split(people, seed=3)
    side_of = {row.path: side for side, rows in sides.items() for row in rows}
    pairs = [row for row in people if row.origin]
    kept = [row for row in pairs if row.path in side_of]
    assert all(side_of[row.path] == side_of[row.origin] for row in kept)
    assert {row.system for row in pairs if row.path not in side_of} == set(TEST_COPIES)


def test_systems_and_languages_are_held_out_whole(people: list[Recording]) -> None:
    sides = split(people, seed=3)
    fakes = {side: {row.system for row in sides[side] if row.fake and not row.origin} for side in SIDES}
    assert all(SYSTEM_SIDE.get(system, side) == side for side in SIDES for system in fakes[side])
    assert "espeak" not in fakes["train"] | fakes["val"]
    assert {"it", "ru"}.isdisjoint(row.language for row in sides["train"])
    assert set(SYSTEM_SIDE) == {
        row.system for row in people if row.corpus == "libritts" and row.fake and not row.origin
    }


def test_the_same_prompt_is_the_same_voice(shared: Path) -> None:
    """Line 271 and line 574 of the index hold one recording; so do 379 and 389."""
    assert voice_of(271) == voice_of(574)
    assert voice_of(379) == voice_of(389)
    assert voice_of(271) != voice_of(272)
    assert voice_of(251) == voice_of(271) == voice_of(291) == voice_of(311)
    assert voice_of(710) == voice_of(703) == "e06"


def test_prompts_become_recordings_of_seconds(tmp_path: Path) -> None:
    folder = tmp_path / "en_US_f_Allison"
    folder.mkdir()
    for number in range(6):
        encode_g722(folder / f"prompt-{number}.g722", speech_like(1.7, seed=number))
    encode_g722(folder / "beep.g722", speech_like(1.7, seed=9))
    (folder / "is.g722").touch()
    rows = list(asterisk(tmp_path, set()))
    assert rows
    assert all(SHORTEST_S < row.seconds <= LONGEST_S and not row.fake for row, _ in rows)
    assert all(row.speaker == "asterisk_allison" and row.language == "en" for row, _ in rows)
    assert not list(asterisk(tmp_path, {f"asterisk/human/en_{number:03d}.npy" for number in range(80)}))


def encode_g722(path: Path, samples: np.ndarray) -> None:
    with av.open(str(path), "w", format="g722") as container:
        stream = container.add_stream("g722", rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray((samples * 20_000).astype(np.int16)[None], format="s16", layout="mono")
        frame.rate = SAMPLE_RATE
        container.mux([*stream.encode(frame), *stream.encode(None)])


@pytest.mark.parametrize("engine", PROGRAMS)
def test_engine_speaks_every_sentence_aloud(engine: str, tmp_path: Path) -> None:
    if shutil.which(PROGRAMS[engine]) is None:
        pytest.skip(f"{PROGRAMS[engine]} is not installed")
    voice = next(voice for voice in VOICES if voice.engine == engine)
    speak(voice, sentences(voice.language)[0], 1.0, tmp_path / "said.wav")
    samples, rate = soundfile.read(tmp_path / "said.wav")
    assert 2 < len(samples) / rate < 10
    assert np.abs(samples).max() > 0.05


def test_every_voice_has_sentences_that_it_can_spell() -> None:
    for voice in VOICES:
        texts = sentences(voice.language)
        assert len(texts) >= 8
        for text in texts:
            text.encode(voice.encoding)
