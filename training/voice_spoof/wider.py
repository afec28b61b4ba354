"""More to learn from than the first pools hold: copies by neural vocoders, fed as acoustic models feed them.

A vocoder that says a recording anew from its own frames leaves its own traces alone. What a text-to-speech system hands to
its vocoder is blurred (regression), told by few tokens (codec language models) or noisy (flow, diffusion) besides.

FARGAN, the vocoder of Opus 1.5, comes with its weights in Opus' sources; the Makefile says where they go.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from scipy.cluster.vq import vq
from scipy.ndimage import gaussian_filter1d

from training.voice_spoof.copies import FARGAN, Copy, Maker, copies
from training.voice_spoof.corpora import Made, Source
from training.voice_spoof.index import Recording, append, drawn_by, read_index, waveform
from training.voice_spoof.vocoder_networks import FAMILIES
from training.voice_spoof.vocoders import EARLIER, resynthesise

SOURCES = (
    Source("FARGAN, a neural vocoder (Valin, Mustafa & Buethe 2024)", "BSD-3-clause", "Debian opus 1.5.2, source"),
)

WAYS = ("whole", "blurred", "tokens", "noisy")
"""How frames are changed on their way to a vocoder."""
FEATURES, CEPSTRA, PITCH = 36, 18, 18
"""Of FARGAN: numbers in a frame of 10 ms, how many of them tell the envelope, and which tells the pitch, in octaves."""
LATE = 560
"""Samples by which FARGAN starts after its recording."""


def shaped(frames: np.ndarray, way: str, draw: np.random.Generator) -> np.ndarray:
    """Frames (T, D), log magnitudes or cepstra, as an acoustic model might hand them over: one of WAYS. Float32 (T, D)."""
    spread = frames.std(0)
    if way == "blurred":
        blurred = gaussian_filter1d(frames, float(draw.uniform(1.0, 3.0)), axis=0)
        centred = blurred - blurred.mean(0)
        _, _, directions = np.linalg.svd(centred, full_matrices=False)
        kept = directions[: max(3, round(frames.shape[1] * draw.uniform(0.2, 0.6)))]
        frames = blurred.mean(0) + centred @ kept.T @ kept
    elif way == "tokens":
        scaled, count = frames / np.maximum(spread, 1e-6), min(int(draw.choice((32, 64, 128, 256))), len(frames))
        codes = draw.choice(len(frames), count, replace=False)
        frames = gaussian_filter1d(frames[codes[vq(scaled, scaled[codes])[0]]], 0.6, axis=0)
    elif way == "noisy":
        noise = gaussian_filter1d(draw.normal(size=frames.shape), float(draw.uniform(0.3, 1.0)), axis=0)
        frames = frames + draw.uniform(0.1, 0.35) * spread * noise
    return frames.astype(np.float32)


def fargan(program: Path, way: str, samples: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """A recording, float32 (n,), as FARGAN says it: float32 of about that length."""
    with tempfile.TemporaryDirectory() as name:
        sound, features, made = (Path(name) / part for part in ("sound.pcm", "features.f32", "made.pcm"))
        np.pad(np.rint(samples * 32767), (LATE, LATE)).astype(np.int16).tofile(sound)
        _opus(program, "-features", sound, features)
        frames = np.fromfile(features, np.float32).reshape(-1, FEATURES)
        frames[:, :CEPSTRA] = shaped(frames[:, :CEPSTRA], way, draw)
        frames[:, PITCH] += draw.normal(0, 0.1)
        frames.tofile(features)
        _opus(program, "-fargan-synthesis", features, made)
        return np.fromfile(made, np.int16).astype(np.float32) / 32767


def _opus(program: Path, mode: str, before: Path, after: Path) -> None:
    subprocess.run([program, mode, before, after], check=True, capture_output=True)  # noqa: S603


def neural(folder: Path, family: str, way: str, samples: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """A recording as one of our own vocoders says it, now and then in an earlier state of its training."""
    state = str(draw.choice(["last", "last", *EARLIER]))
    return resynthesise(family, folder, samples, state, lambda frames: shaped(frames, way, draw))


def makers(vocoders: Path, opus: Path) -> dict[str, dict[str, Maker]]:
    """By the vocoder, then by the system, such as `fargan_tokens`. vocoders: where ours are; opus: the program."""
    ours = {name: {f"{name}_{way}": partial(neural, vocoders, name, way) for way in WAYS} for name in FAMILIES}
    return ours | {FARGAN: {f"{FARGAN}_{way}": partial(fargan, opus, way) for way in WAYS}}


def add_copies(cache: Path, people: list[Recording], vocoders: Path, opus: Path) -> int:
    """Add a copy of each given recording by each vocoder, fed in a way that the path draws; how many are new."""
    done, by_vocoder = {row.path for row in read_index(cache)}, makers(vocoders, opus)
    count = 0
    for name, by_system in by_vocoder.items():
        count += append(cache, _copies(cache, people, name, by_system, done))
    return count


def _copies(
    cache: Path, people: list[Recording], name: str, by_system: dict[str, Maker], done: set[str]
) -> Iterator[Made]:
    for origin in people:
        copy = Copy(str(drawn_by(f"{origin.path} {name}").choice(sorted(by_system))))
        if copy.of(origin).path not in done:
            yield from copies(origin, waveform(cache, origin), by_system, [copy])
