"""How a vocoder learns: spectra at first, then against a discriminator, which leaves traces of another kind."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch.nn import functional

from training.loop import Run, Schedule
from training.voice_spoof.vocoder_networks import (
    FAMILIES,
    QUIET,
    SAMPLE_RATE,
    Discriminator,
    Family,
    Mel,
    build,
)

STATES = {"early": 1 / 3, "middle": 2 / 3, "last": 1.0}
"""The states of a vocoder that are kept, and after which share of its training: each leaves other traces."""

ADVERSARIAL_FROM = 0.4
"""Share of the training from which the discriminator takes part; `early` is from before."""

RESOLUTIONS = ((256, 64), (512, 128), (1024, 256))
"""FFT size and hop of the spectra that are compared."""

MEL_WEIGHT, SPECTRAL_WEIGHT, FEATURE_WEIGHT = 3.0, 2.5, 1.0

GENERATOR_RATE, DISCRIMINATOR_RATE, MOMENTA = 1e-3, 4e-4, (0.8, 0.99)

LARGEST_GRADIENT = 5.0
"""Norm; the first steps of the inverse-STFT head would leap otherwise."""

LOUDNESS_DB = 6.0
"""Crops are made louder or quieter by up to this."""


def read_speech(path: Path) -> np.ndarray:
    """float32 (n,) at 16 kHz. Raises: ValueError when the file is not 16 kHz mono."""
    waveform, rate = soundfile.read(path, dtype="float32")
    if rate != SAMPLE_RATE or waveform.ndim != 1:
        raise ValueError(f"{path} has {rate} Hz and shape {waveform.shape}; vocoders need {SAMPLE_RATE} Hz mono")
    return waveform


class Crops:
    """Batches of training speech; batch number `step` depends on the seed and `step` alone."""

    def __init__(self, files: Sequence[Path], family: Family, seed: int) -> None:
        """Raises: ValueError when no file is long enough for a crop."""
        speech = [read_speech(path) for path in files]
        self.speech = [waveform for waveform in speech if len(waveform) > family.crop]
        if not self.speech:
            raise ValueError(
                f"none of {len(files)} files holds the {family.crop} samples of a crop; give longer speech"
            )
        lengths = np.array([len(waveform) for waveform in self.speech])
        self.shares = lengths / lengths.sum()
        self.family, self.seed = family, seed

    def batch(self, step: int) -> torch.Tensor:
        """float32 (batch, crop) in [-1, 1]."""
        rng = np.random.default_rng([self.seed, step])
        crops = []
        for which in rng.choice(len(self.speech), size=self.family.batch, p=self.shares):
            waveform = self.speech[which]
            start = rng.integers(len(waveform) - self.family.crop)
            gain = 10 ** (rng.uniform(-LOUDNESS_DB, LOUDNESS_DB) / 20)
            crops.append(np.clip(gain * waveform[start : start + self.family.crop], -1, 1))
        return torch.from_numpy(np.stack(crops).astype(np.float32))


def spectral_loss(mel: Mel, made: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Distance of waveforms (B, n): spectral convergence, log magnitudes and log mels (Yamamoto et al. 2020)."""
    loss = MEL_WEIGHT * functional.l1_loss(mel(made), mel(real))
    for size, hop in RESOLUTIONS:
        window = torch.hann_window(size)
        ours, theirs = (
            torch.stft(waveform, size, hop, window=window, return_complex=True).abs().clamp(min=QUIET)
            for waveform in (made, real)
        )
        loss = (
            loss
            + torch.linalg.norm(ours - theirs) / torch.linalg.norm(theirs)
            + functional.l1_loss(ours.log(), theirs.log())
        )
    return loss


class Adversary:
    """The discriminator and its half of the game (least squares: Mao et al. 2017)."""

    def __init__(self, discriminator: Discriminator, optimizer: torch.optim.Optimizer) -> None:
        self.discriminator, self.optimizer = discriminator, optimizer

    def learn(self, made: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """One step of the discriminator; returns its loss."""
        with torch.autocast("cpu", torch.bfloat16):
            on_real, on_made = self.discriminator(real), self.discriminator(made.detach())
        pairs = zip(on_real, on_made, strict=True)
        losses = [(1 - r[-1].float()).square().mean() + m[-1].float().square().mean() for r, m in pairs]
        loss = torch.stack(losses).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def loss(self, made: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """What the generator is to lower: how well it was found out, and how unlike real the features are."""
        self.discriminator.requires_grad_(False)
        with torch.autocast("cpu", torch.bfloat16):
            on_made = self.discriminator(made)
            with torch.no_grad():
                on_real = self.discriminator(real)
        self.discriminator.requires_grad_(True)
        fooled = torch.stack([(1 - maps[-1].float()).square().mean() for maps in on_made]).mean()
        pairs = zip(chain(*(maps[:-1] for maps in on_made)), chain(*(maps[:-1] for maps in on_real)), strict=True)
        return (
            fooled + FEATURE_WEIGHT * torch.stack([functional.l1_loss(m.float(), r.float()) for m, r in pairs]).mean()
        )


def _start(family: str, folder: Path, schedule: Schedule) -> Run:
    torch.manual_seed(schedule.seed)
    generator = build(family).to(memory_format=torch.channels_last)
    discriminator = Discriminator().to(memory_format=torch.channels_last)
    optimizers = {
        "generator": torch.optim.AdamW(generator.parameters(), GENERATOR_RATE, MOMENTA),
        "discriminator": torch.optim.AdamW(discriminator.parameters(), DISCRIMINATOR_RATE, MOMENTA),
    }
    return Run(folder / family, {"generator": generator, "discriminator": discriminator}, optimizers, schedule)


def train_vocoder(
    family: str, files: Sequence[Path], folder: Path, minutes: float, seed: int, max_steps: int | None = None
) -> Run:
    """Train one of FAMILIES on recordings of training speakers (16 kHz mono); `folder/<family>` holds what it learns.

    Goes on where an earlier run was cut off. Besides `last.pt` it leaves `early.pt` and `middle.pt` (see STATES).

    Raises: ValueError on files that are not 16 kHz mono or are all too short; KeyError on an unknown family.
    """
    crops, mel = Crops(files, FAMILIES[family], seed), Mel(FAMILIES[family].hop)
    run = _start(family, folder, Schedule(minutes, seed, ema_decay=0.995, checkpoint_s=120, max_steps=max_steps))
    generator, optimizer = run.networks["generator"], run.optimizers["generator"]
    discriminator = run.networks["discriminator"]
    assert isinstance(discriminator, Discriminator)
    adversary = Adversary(discriminator, run.optimizers["discriminator"])
    for step in run.steps():
        real = crops.batch(step)
        with torch.autocast("cpu", torch.bfloat16):
            made = generator(mel(real))
        spectral = spectral_loss(mel, made, real)
        loss = SPECTRAL_WEIGHT * spectral
        adversarial = discriminating = torch.zeros(())
        if run.progress >= ADVERSARIAL_FROM:
            discriminating = adversary.learn(made, real)
            adversarial = adversary.loss(made, real)
            loss = loss + adversarial
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(generator.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        run.note(spectral=spectral.item(), adversarial=float(adversarial.detach()), discriminator=float(discriminating))
        _keep_states(run)
    _keep_states(run)
    return run


def _keep_states(run: Run) -> None:
    """Write the averaged generator when the run has just passed a state's share of the time."""
    for state, share in STATES.items():
        path = run.folder / f"{state}.pt"
        if state != "last" and run.progress >= share and not path.exists():
            torch.save({"ema": {"generator": run.ema["generator"]}}, path)
