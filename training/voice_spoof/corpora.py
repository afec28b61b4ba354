"""Speech of people, and the synthetic speech that was published beside it."""

from __future__ import annotations

import csv
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr

from training.voice_spoof.index import SAMPLE_RATE, Recording, drawn_by

Made = tuple[Recording, np.ndarray]

LONGEST_S = 8.0
"""Of one recording in the cache; the rest of a longer one is left out."""

SHORTEST_S = 2.0

HEADROOM = 0.5
"""Every recording is turned down so far. A copy as loud as its origin may have higher peaks; clipping would tell it."""

FRAME = 160
"""Samples, 10 ms, over which loudness is taken to find where speech starts and ends."""

SILENT_DB = 40.0
"""So far below the loudest frame is silence."""

MARGIN = 5
"""Frames of it that are kept, so that no consonant is cut."""


@dataclass(frozen=True)
class Source:
    """Something that enters training, for the model card."""

    name: str
    licence: str
    origin: str


SOURCES = (
    Source("LibriSpeech train-clean-100, 251 speakers", "CC BY 4.0", "shared/data/speech, openslr.org/12"),
    Source(
        "E1 TTS demonstration page: people, prompts and 16 systems",
        "CC0 (page); base speech LibriTTS CC BY 4.0",
        "shared/data/speech, e1tts.github.io",
    ),
    Source("Asterisk core sounds en, es: Allison Smith", "CC BY-SA 3.0", "Debian asterisk-core-sounds-{en,es}-g722"),
    Source("Asterisk core sounds fr: June Wallack", "CC BY-SA 3.0", "Debian asterisk-core-sounds-fr-g722"),
    Source("Asterisk core sounds it: Carlo Flora", "CC BY 3.0", "Debian asterisk-core-sounds-it-g722"),
    Source("Asterisk core sounds ru: ivrvoice.ru", "CC BY 3.0", "Debian asterisk-core-sounds-ru-g722"),
)

LIBRISPEECH, LIBRITTS, ASTERISK = "librispeech", "libritts", "asterisk"
"""The real corpora. The people on the E1 TTS page are from LibriTTS."""

DEMOS, TORTOISE = "demos", "tortoise"
"""Demonstrations in five repositories: four beside people of LJSpeech, VCTK, AISHELL-3 and LibriTTS, and that of TorToiSe."""


def trimmed(waveform: np.ndarray) -> np.ndarray:
    """Without the silence before and after. Samples within are untouched."""
    count = len(waveform) // FRAME
    if not count:
        return waveform
    level = np.sqrt(np.mean(waveform[: count * FRAME].reshape(count, FRAME) ** 2, axis=1))
    loud = np.flatnonzero(level > level.max() * 10 ** (-SILENT_DB / 20))
    if not len(loud):
        return waveform[:0]
    return waveform[max(0, loud[0] - MARGIN) * FRAME : (loud[-1] + 1 + MARGIN) * FRAME]


def prepared(waveform: np.ndarray, rate: int) -> np.ndarray:
    """float32 at SAMPLE_RATE, turned down, without silence at the ends, at most LONGEST_S: the same for every recording."""
    samples = waveform.astype(np.float32)
    samples = samples if rate == SAMPLE_RATE else soxr.resample(samples, rate, SAMPLE_RATE, quality="HQ")
    return _centred(trimmed(samples)[: round(LONGEST_S * SAMPLE_RATE)])


def _centred(samples: np.ndarray) -> np.ndarray:
    """Turned down, and about zero: some microphones add a constant, which copies lose."""
    return HEADROOM * (samples - samples.mean()) if len(samples) else samples


def _read(path: Path) -> np.ndarray:
    return prepared(*soundfile.read(path, dtype="float32"))


def _listed(data: Path) -> Iterator[tuple[int, dict[str, str]]]:
    with (data / "speech/index.csv").open(newline="") as file:
        yield from enumerate(csv.DictReader(file))


def librispeech(data: Path, done: Container[str]) -> Iterator[Made]:
    """One recording of each of 251 speakers who read English books aloud."""
    for number, row in _listed(data):
        if "librispeech" not in row["file"]:
            continue
        name = f"{number:04d}"
        if (path := f"{LIBRISPEECH}/human/{name}.npy") in done:
            continue
        samples = _read(data / "speech" / row["file"])
        yield _whole(
            path, "real", LIBRISPEECH, "human", f"librispeech_{name}", "en", int(row["sample_rate_hz"]), samples
        )


def libritts(data: Path, done: Container[str]) -> Iterator[Made]:
    """People of LibriTTS, and 16 systems that speak with their voices."""
    for number, row in _listed(data):
        if "e1tts/" not in row["file"]:
            continue
        system = row["system"].removeprefix("vocoder-resynthesis:").replace("human-prompt", "human")
        if (path := f"{LIBRITTS}/{system}/{number:04d}.npy") in done:
            continue
        samples = _read(data / "speech" / row["file"])
        rate = int(row["sample_rate_hz"])
        yield _whole(path, row["label"], LIBRITTS, system, f"libritts_{voice_of(number)}", "en", rate, samples)


SPEAKER = re.compile(r"/(SSB\d{4}|[ps]\d+(?=-)|\d+(?=_))")
"""Whose voice a path in a demonstration names; LJSpeech is one woman."""


def demonstrations(data: Path, done: Container[str]) -> Iterator[Made]:
    """Nine systems of five repositories, and people beside them. TorToiSe in LJSpeech's voice is left out: the other
    repositories speak with it."""
    for number, row in _listed(data):
        if not row["file"].startswith("more/"):
            continue
        place = row["licence"].partition("repository ")[2]
        system = "tortoise" if TORTOISE in place and "tacotron2.mp3" not in place else row["system"]
        system = "naturalspeech" if "/naturalspeech.mp3" in place else system
        corpus = TORTOISE if TORTOISE in place else DEMOS
        if corpus == TORTOISE and ("/lj/" in place or "/lj.mp3" in place):
            continue
        if (path := f"{corpus}/{system}/{number:04d}.npy") in done:
            continue
        found = SPEAKER.search(place)
        voice = "lj" if "LJSpeech" in place else found[0].strip("/") if found else Path(place).stem
        samples = _read(data / "speech" / row["file"])
        language = "zh" if "AISHELL3/" in place else "en"
        rate = int(row["sample_rate_hz"])
        yield _whole(path, row["label"], corpus, system, f"{corpus}_{voice}", language, rate, samples)


def _whole(
    path: str, label: str, corpus: str, system: str, speaker: str, language: str, rate: int, samples: np.ndarray
) -> Made:
    """A recording that is no copy."""
    seconds = round(len(samples) / SAMPLE_RATE, 3)
    return Recording(path, label, corpus, system, speaker, language, "", "", seconds, rate), samples


B16 = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 16, 17, 18, 19)
B4 = (0, 11, 13, 14)
ALL = tuple(range(20))
TABLES: tuple[tuple[int, str, tuple[int, ...]], ...] = (
    *((first, "a", ALL) for first in (251, 271, 291, 311)),
    (331, "b", (0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 18)),
    (347, "b", B16),
    (363, "b", B16),
    (379, "b", ALL),
    (399, "b", (1, 2, 3, 15, 16, 17, 18, 19)),
    (407, "b", ALL),
    (427, "b", B4),
    (431, "b", ALL),
    (451, "b", B4),
    (455, "b", ALL),
    (475, "b", B4),
    (479, "b", B4),
    *((first, "d", ALL) for first in range(483, 683, 20)),
    *((first, "e", ALL[:7]) for first in range(683, 711, 7)),
)
"""The page shows tables, a row for each voice: (line of speech/index.csv where a column starts, table, its rows).

Rows were told by the durations of what is said and by the timbre of the voices.
"""

SAME_VOICE = {
    **{
        f"d{d:02d}": f"a{a:02d}"
        for d, a in zip((0, 1, *range(11, 20)), (17, 18, 0, 3, 5, 7, 9, 10, 12, 14, 15), strict=True)
    },
    **dict.fromkeys(("b00", "b03", "b10", "b15"), "a12"),
    **dict.fromkeys(("b02", "b13"), "a02"),
    **dict.fromkeys(("b06", "b17"), "a17"),
    **{"b01": "d08", "b04": "d03", "b05": "d07", "b07": "d05", "b08": "d10", "b09": "a11"},
    **{"b11": "a07", "b12": "a00", "b14": "d04", "b16": "a16", "b18": "a05"},
}
"""Rows of one voice in several tables. Tables a and d share prompts sample by sample, which is certain. Rows of b are
joined to the nearest timbre (discriminants of MFCC statistics, trained on LibriSpeech), which can be wrong either way."""


def voice_of(number: int) -> str:
    """The voice that line `number` of speech/index.csv speaks with, such as a07."""
    first, table, rows = next(column for column in reversed(TABLES) if column[0] <= number)
    row = f"{table}{rows[number - first]:02d}"
    return SAME_VOICE.get(row, row)


SOUNDS = Path("/usr/share/asterisk/sounds")

PROMPTERS = {
    "en_US_f_Allison": ("asterisk_allison", "en"),
    "es_MX_f_Allison": ("asterisk_allison", "es"),
    "fr_CA_f_June": ("asterisk_june", "fr"),
    "it_IT_m_Carlo": ("asterisk_carlo", "it"),
    "ru_RU_f_IvrvoiceRU": ("asterisk_ivrvoice", "ru"),
}
"""Folder: speaker and language. One woman speaks English and Spanish."""

NO_SPEECH = ("beep", "ascending", "descending", "tt-monkeys", "confbridge-join", "confbridge-leave", "confbridge-begin")
"""How the names of sounds start that are tones, animals or drums."""

PROMPTS_PER_LANGUAGE = 80

SHORTEST_PROMPT_S = 0.6


def asterisk(sounds: Path, done: Container[str]) -> Iterator[Made]:
    """Studio speech of telephone prompts; short ones of a voice are joined in an order drawn once, long ones are cut."""
    for folder, (speaker, language) in PROMPTERS.items():
        paths = [f"{ASTERISK}/human/{language}_{number:03d}.npy" for number in range(PROMPTS_PER_LANGUAGE)]
        if all(path in done for path in paths):
            continue
        prompts = list(chain(*((sounds / folder).glob(pattern) for pattern in ("*.g722", "followme/*", "dictate/*"))))
        kept = sorted(path for path in prompts if not path.name.startswith(NO_SPEECH))
        order = drawn_by(folder).permutation(len(kept))
        for path, samples in zip(paths, _joined([kept[place] for place in order]), strict=False):
            if path not in done:
                centred = _centred(samples)
                yield _whole(path, "real", ASTERISK, "human", speaker, language, SAMPLE_RATE, centred)


def _joined(paths: list[Path]) -> Iterator[np.ndarray]:
    """Recordings of 4 to 8 s. No silence is put between prompts: digital zero would give them away."""
    waiting = np.zeros(0, np.float32)
    longest = round(LONGEST_S * SAMPLE_RATE)
    for path in paths:
        if not path.stat().st_size:
            continue
        prompt = trimmed(read_g722(path))
        if len(prompt) < SHORTEST_PROMPT_S * SAMPLE_RATE:
            continue
        if len(waiting) + len(prompt) > longest and len(waiting) >= longest // 2:
            yield waiting
            waiting = np.zeros(0, np.float32)
        waiting = np.concatenate([waiting, prompt])
        while len(waiting) > longest:
            yield waiting[:longest]
            waiting = trimmed(waiting[longest:])


def read_g722(path: Path) -> np.ndarray:
    """float32 (n,) at 16 kHz."""
    with av.open(str(path), format="g722") as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(frames, axis=1)[0].astype(np.float32) / 32768
