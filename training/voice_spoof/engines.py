"""What offline engines say: sentences of our own, read out by installed programs.

    apt-get install espeak-ng flite festival festvox-{kallpc16k,us-slt-hts,ca-ona-hts,italp16k,itapc16k,ru} \\
        festvox-{suopuhe-lj,suopuhe-mv,czech-dita,czech-machac}
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import tempfile
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

import soundfile

from drishtiksha.errors import ConfigError
from training.voice_spoof.corpora import Made, Source, prepared
from training.voice_spoof.index import SAMPLE_RATE, Recording, drawn_by

ENGINES = "engines"
"""The corpus that these recordings make."""

SOURCES = (
    Source("eSpeak NG: formant synthesis", "GPL-3+", "Debian espeak-ng"),
    Source("Flite: voices kal, kal16, awb, rms, slt", "BSD-like (CMU)", "Debian flite"),
    Source("Festival: kal diphone", "BSD-like (CMU)", "Debian festvox-kallpc16k"),
    Source("Festival: slt HTS", "BSD-3-clause (HTS), BSD-like (CMU)", "Debian festvox-us-slt-hts"),
    Source("Festival: ona HTS, Catalan", "LGPL-2.1+", "Debian festvox-ca-ona-hts"),
    Source("Festival: lp and pc diphones, Italian", "GPL-2+", "Debian festvox-italp16k, festvox-itapc16k"),
    Source("Festival: nsh unit selection, Russian", "BSD-like", "Debian festvox-ru"),
    Source("Festival: lj and mv diphones, Finnish", "LGPL-2+", "Debian festvox-suopuhe-lj, festvox-suopuhe-mv"),
    Source("Festival: dita and machac diphones, Czech", "GPL-3+", "Debian festvox-czech-dita, festvox-czech-machac"),
)


@dataclass(frozen=True)
class Voice:
    """One voice of an engine."""

    engine: str
    name: str
    language: str
    speaker: str
    """Who lent the voice: some engines carry voices of the same person."""
    clips: int
    encoding: str = "utf-8"
    """Of the text that the voice reads."""


VOICES = (
    *(Voice("espeak", name, "en", f"espeak_{name}", 20) for name in ("en-us", "en-gb+f3", "en-gb-scotland+m4")),
    *(Voice("espeak", name, name[:2], f"espeak_{name}", 20) for name in ("es+f2", "fr-fr", "it+f4", "ru")),
    *(
        Voice("flite", name, "en", f"cmu_{name.removesuffix('16')}", 40)
        for name in ("kal", "kal16", "awb", "rms", "slt")
    ),
    Voice("festival", "kal_diphone", "en", "cmu_kal", 40),
    Voice("festival", "cmu_us_slt_arctic_hts", "en", "cmu_slt", 40),
    Voice("festival", "upc_ca_ona_hts", "ca", "upc_ona", 40, "iso-8859-15"),
    Voice("festival", "suo_fi_lj_diphone", "fi", "suo_lj", 25, "iso-8859-15"),
    Voice("festival", "hy_fi_mv_diphone", "fi", "hy_mv", 25, "iso-8859-15"),
    Voice("festival", "czech_dita", "cs", "czech_dita", 25, "iso-8859-2"),
    Voice("festival", "czech_machac", "cs", "czech_machac", 25, "iso-8859-2"),
    Voice("festival", "lp_diphone", "it", "festival_lp", 30, "iso-8859-15"),
    Voice("festival", "pc_diphone", "it", "festival_pc", 30, "iso-8859-15"),
    Voice("festival", "msu_ru_nsh_clunits", "ru", "msu_nsh", 40),
)

PROGRAMS = {"espeak": "espeak-ng", "flite": "flite", "festival": "text2wave"}

SENTENCES_PER_CLIP = 2


def sentences(language: str) -> list[str]:
    """The texts that are read in `language`."""
    with Path(__file__).with_name("sentences.tsv").open(newline="", encoding="utf-8") as file:
        return [
            row["text"]
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            if row["language"] == language
        ]


def engines(done: Container[str]) -> Iterator[Made]:
    """Every voice reads pairs of sentences that its name draws; the pace varies where the engine can.

    Raises: ConfigError when a program is not installed.
    """
    for voice in VOICES:
        texts = sentences(voice.language)
        for number in range(voice.clips):
            path = f"{ENGINES}/{voice.engine}/{voice.name}_{number:03d}.npy"
            draw = drawn_by(path)
            text, pace = " ".join(draw.choice(texts, SENTENCES_PER_CLIP, replace=False)), draw.uniform(0.85, 1.2)
            if path not in done:
                yield _said(voice, text, pace, path)


def _said(voice: Voice, text: str, pace: float, path: str) -> Made:
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "said.wav"
        speak(voice, text, pace, sound)
        samples, rate = soundfile.read(sound, dtype="float32")
    samples = prepared(samples, rate)
    seconds = round(len(samples) / SAMPLE_RATE, 3)
    row = Recording(path, "fake", ENGINES, voice.engine, voice.speaker, voice.language, "", "", seconds, rate)
    return row, samples


def speak(voice: Voice, text: str, pace: float, out: Path) -> None:
    """Write what `voice` makes of `text` to `out`, a WAV file. pace: 1 is its own.

    Raises: ConfigError when the program is not installed; CalledProcessError when it fails.
    """
    program = shutil.which(PROGRAMS[voice.engine])
    if program is None:
        raise ConfigError(f"{PROGRAMS[voice.engine]} is not installed; see training/voice_spoof/engines.py")
    given = out.with_suffix(".txt")
    given.write_bytes(text.encode(voice.encoding, errors="replace"))
    arguments = {
        "espeak": ["-v", voice.name, "-s", f"{round(165 * pace)}", "-f", str(given), "-w", str(out)],
        "flite": ["-voice", voice.name, "--setf", f"duration_stretch={1 / pace:.2f}", "-f", str(given), "-o", str(out)],
        "festival": [
            str(given), "-o", str(out), "-eval",
            f"(begin (voice_{voice.name}) (Parameter.set 'Duration_Stretch {1 / pace:.2f}))",
        ],
    }  # fmt: skip
    subprocess.run([program, *arguments[voice.engine]], check=True, capture_output=True)  # noqa: S603
