"""The voice network: what its input keeps and loses, shapes, size, and that it can learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from drishtiksha.networks.voice_spoof import (
    BINS,
    FRAMES,
    LEVEL,
    SAMPLE_RATE,
    WINDOW,
    VoiceSpoofNetwork,
    preprocess_voice,
)


def buzz(seed: int = 0, seconds: float = 4.0) -> np.ndarray:
    """Pulses through a resonance, in bursts, over faint noise: float32 (n,) near enough to speech for a spectrogram."""
    rng = np.random.default_rng(seed)
    n = round(seconds * SAMPLE_RATE)
    pulses = np.zeros(n)
    pulses[:: int(rng.integers(80, 160))] = 1
    voiced = lfilter([1.0], [1, -1.6, 0.8], pulses) * (np.sin(np.arange(n) / 4000) > -0.3)
    return (0.1 * voiced + 1e-3 * rng.standard_normal(n)).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> VoiceSpoofNetwork:
    torch.manual_seed(0)
    return VoiceSpoofNetwork().eval()


def test_input_has_one_level_and_no_offset() -> None:
    quiet = preprocess_voice(0.01 * buzz() + np.float32(0.2))
    assert quiet.dtype == torch.float32
    assert quiet.shape == (WINDOW,)
    assert quiet.mean().abs() < 1e-4
    assert quiet.square().mean().sqrt().item() == pytest.approx(LEVEL, rel=1e-3)


def test_a_short_input_is_repeated_and_a_long_one_cut() -> None:
    short = preprocess_voice(buzz(seconds=1.0))
    assert torch.allclose(short[:SAMPLE_RATE], short[SAMPLE_RATE : 2 * SAMPLE_RATE])
    assert preprocess_voice(buzz(seconds=9.0)).shape == (WINDOW,)


def test_silence_stays_finite_and_nothing_is_refused(network: VoiceSpoofNetwork) -> None:
    with torch.inference_mode():
        assert torch.isfinite(network(preprocess_voice(np.zeros(100, np.float32))[None])).all()
    with pytest.raises(ValueError, match="samples"):
        preprocess_voice(np.zeros(0, np.float32))
    with pytest.raises(ValueError, match="waveform"):
        preprocess_voice(np.zeros((2, 100), np.float32))


def test_shapes_and_size(network: VoiceSpoofNetwork) -> None:
    x = torch.stack([preprocess_voice(buzz(seed)) for seed in range(3)])
    with torch.inference_mode():
        spectrogram = network.spectrogram(x)
        features = network.features(spectrogram)
        assert spectrogram.shape == (3, 1, BINS, FRAMES)
        assert features.shape[:1] + features.shape[2:] == (3, BINS // 16, FRAMES // 32)
        assert torch.allclose(network.head(features), network(x))
        assert network(x).shape == (3,)
    assert 5e5 < sum(p.numel() for p in network.parameters()) < 2e6


def test_spectrogram_is_float32_under_autocast(network: VoiceSpoofNetwork) -> None:
    x = preprocess_voice(buzz())[None]
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        inside = network.spectrogram(x)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, network.spectrogram(x))


def test_spectrogram_forgets_the_channel_but_keeps_a_line(network: VoiceSpoofNetwork) -> None:
    """A gentle tilt of the whole recording hardly shows; a steady tone of the kind that up-sampling leaves does."""
    voice = buzz()
    tone = (3e-3 * np.sin(2 * np.pi * 4000 / SAMPLE_RATE * np.arange(len(voice)))).astype(np.float32)
    tilted = lfilter([1.0, 0.3], [1.0], voice).astype(np.float32)
    plain, dulled, lined = (
        network.spectrogram(preprocess_voice(sound)[None])[0, 0] for sound in (voice, tilted, voice + tone)
    )
    line = 4000 * BINS * 2 // SAMPLE_RATE - 1
    assert (dulled - plain).abs().mean() < 0.1
    assert (lined - plain)[line].mean() > 0.5


def test_low_sounds_come_first(network: VoiceSpoofNetwork) -> None:
    low = np.sin(2 * np.pi * 500 / SAMPLE_RATE * np.arange(WINDOW)).astype(np.float32)
    rows = network.spectrogram(preprocess_voice(low + 1e-3 * buzz())[None])[0, 0].mean(-1)
    assert abs(int(rows.argmax()) - 15) <= 1


@pytest.mark.slow
def test_learns_a_tone_in_bfloat16() -> None:
    torch.manual_seed(0)
    network = VoiceSpoofNetwork(16, (16, 32)).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    tone = (1e-2 * np.sin(2 * np.pi * 4000 / SAMPLE_RATE * np.arange(WINDOW))).astype(np.float32)
    x = torch.stack([preprocess_voice(buzz(seed // 2) + tone * (seed % 2)) for seed in range(8)])
    fake = torch.arange(8) % 2
    losses = []
    for _ in range(12):
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(x)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, fake.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
