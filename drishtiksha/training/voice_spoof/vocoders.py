"""Three small neural vocoders: train them on real speech, and say recordings again with them.

    python -m drishtiksha.training.voice_spoof.vocoders --data ../shared/data --runs runs/voice_spoof --minutes 9

trains all three, or goes on with what was cut off, measures them, and adds their copies of every real recording to the
cache, if there is one. A vocoder learns from training speakers only.
"""

from __future__ import annotations

import argparse
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from drishtiksha.training.voice_spoof.vocoder_networks import FAMILIES, FFT, Mel, build
from drishtiksha.training.voice_spoof.vocoder_training import STATES, train_vocoder

SEED = 20261123

TRAINING_TENTHS = 7
"""Recordings whose number ends below this are of training speakers."""


@lru_cache(maxsize=len(FAMILIES) * len(STATES))
def _vocoder(family: str, folder: Path, state: str) -> nn.Module:
    path = folder / family / f"{state}.pt"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; train the {family} vocoder first (see this module's docstring)")
    network = build(family).to(memory_format=torch.channels_last)
    network.load_state_dict(torch.load(path, weights_only=True)["ema"]["generator"])
    return nn.Sequential(Mel(FAMILIES[family].hop), network).eval()


def resynthesise(family: str, folder: Path, waveform: np.ndarray, state: str = "last") -> np.ndarray:
    """The recording as the vocoder says it: float32 (n,) at 16 kHz in [-1, 1], from float32 (n,), sample for sample.

    Raises: FileNotFoundError before `train_vocoder` has left that state in `folder`; KeyError on an unknown family;
    ValueError when the recording is shorter than the 64 ms that a spectrum takes.
    """
    hop, length = FAMILIES[family].hop, len(waveform)
    if length < FFT:
        raise ValueError(f"{length} samples are too few for a vocoder; it needs {FFT}")
    padded = np.pad(waveform, (0, -length % hop)).astype(np.float32)
    with torch.inference_mode():
        made = _vocoder(family, folder, state)(torch.from_numpy(padded)[None])
    return made[0, :length].numpy()


def training_files(data: Path) -> list[Path]:
    """LibriSpeech recordings of training speakers; each is of another speaker."""
    files = sorted((data / "speech/real/librispeech").glob("*.flac"))
    return [path for path in files if int(path.stem) % 10 < TRAINING_TENTHS]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the shared data folder")
    parser.add_argument("--runs", type=Path, required=True, help="where checkpoints and the cache are")
    parser.add_argument("--minutes", type=float, default=9, help="training time of each vocoder")
    options = parser.parse_args(arguments)
    folder = options.runs / "vocoders"
    for family in FAMILIES:
        run = train_vocoder(family, training_files(options.data), folder, options.minutes, SEED)
        print(f"{family}: {run.step} steps, {run.spent_s / 60:.1f} min, {run.losses}", flush=True)


if __name__ == "__main__":
    main()
