"""Three small neural vocoders: train them on real speech, and say recordings again with them.

    python -m training.voice_spoof.vocoders --data ../shared/data --runs runs/voice_spoof --minutes 9

trains all three, or goes on with what was cut off, measures them, and adds their copies of every real recording to the
cache, if there is one. A vocoder learns from training speakers only.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from torch import nn

from training.voice_spoof.cache import originals
from training.voice_spoof.copies import Copy
from training.voice_spoof.index import Recording, append, read_index
from training.voice_spoof.index import waveform as read_waveform
from training.voice_spoof.vocoder_networks import FAMILIES, FFT, SAMPLE_RATE, Mel, build
from training.voice_spoof.vocoder_training import STATES, train_vocoder

SEED = 20261123

TRAINING_TENTHS = 7
"""Recordings whose number ends below this are of training speakers."""

SILENCE = 1e-6
"""RMS from which on a copy can be brought to the loudness of its recording."""

EARLIER = [state for state in STATES if state != "last"]


@lru_cache(maxsize=len(FAMILIES) * len(STATES))
def _vocoder(family: str, folder: Path, state: str) -> nn.Module:
    path = folder / family / f"{state}.pt"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; train the {family} vocoder first (see this module's docstring)")
    network = build(family).to(memory_format=torch.channels_last)
    network.load_state_dict(torch.load(path, weights_only=True)["ema"]["generator"])
    return nn.Sequential(Mel(FAMILIES[family].hop), network).eval()


def resynthesise(family: str, folder: Path, waveform: np.ndarray, state: str = "last") -> np.ndarray:
    """The recording as the vocoder says it: float32 (n,) at 16 kHz, from float32 (n,), as long and as loud (RMS).

    Raises: FileNotFoundError before `train_vocoder` has left that state in `folder`; KeyError on an unknown family;
    ValueError when the recording is shorter than the 64 ms that a spectrum takes.
    """
    hop, length = FAMILIES[family].hop, len(waveform)
    if length < FFT:
        raise ValueError(f"{length} samples are too few for a vocoder; it needs {FFT}")
    padded = np.pad(waveform, (0, -length % hop)).astype(np.float32)
    with torch.inference_mode():
        made = _vocoder(family, folder, state)(torch.from_numpy(padded)[None])
    copy = made[0, :length].numpy()
    loudness = np.sqrt(np.mean(waveform**2)) / max(float(np.sqrt(np.mean(copy**2))), SILENCE)
    return (copy * loudness).astype(np.float32)


def system_of(family: str, state: str) -> str:
    """What the cache calls the output of a vocoder's state: `istft` or `istft_early`."""
    return family if state == "last" else f"{family}_{state}"


def add_copies(folder: Path, cache: Path) -> int:
    """Add copies by every vocoder of every real recording in the cache; returns how many were new.

    Each recording is said by the last state of each family, and by one earlier state of each, drawn by its path.
    """
    rows = read_index(cache)
    done = {row.path for row in rows}
    people = originals(rows)
    count = 0
    for earlier in (False, True):
        for family in FAMILIES:
            count += append(cache, _copies(family, earlier, people, done, folder, cache))
    return count


def _copies(
    family: str, earlier: bool, people: list[Recording], done: set[str], folder: Path, cache: Path
) -> Iterator[tuple[Recording, np.ndarray]]:
    for origin in people:
        state = EARLIER[crc32(f"{origin.path} {family}".encode()) % len(EARLIER)] if earlier else "last"
        row = Copy(system_of(family, state)).of(origin)
        if row.path not in done and origin.seconds * SAMPLE_RATE >= FFT:
            yield row, resynthesise(family, folder, read_waveform(cache, origin), state)


def training_files(data: Path) -> list[Path]:
    """LibriSpeech recordings of training speakers; each is of another speaker."""
    files = sorted((data / "speech/real/librispeech").glob("*.flac"))
    return [path for path in files if int(path.stem) % 10 < TRAINING_TENTHS]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the shared data folder")
    parser.add_argument("--runs", type=Path, required=True, help="where checkpoints and the cache are")
    parser.add_argument("--minutes", type=float, default=9, help="training time of each vocoder")
    parser.add_argument("--copies-only", action="store_true", help="train nothing; use the vocoders as they are")
    options = parser.parse_args(arguments)
    folder, cache = options.runs / "vocoders", options.runs / "cache"
    for family in () if options.copies_only else FAMILIES:
        run = train_vocoder(family, training_files(options.data), folder, options.minutes, SEED)
        print(f"{family}: {run.step} steps, {run.spent_s / 60:.1f} min, {run.losses}", flush=True)
    print(f"{add_copies(folder, cache)} copies added to {cache}")


if __name__ == "__main__":
    main()
