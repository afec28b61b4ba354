"""The encoder of Whisper in plain torch against the one of transformers, on random weights."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch

from drishtiksha.networks.voice_spoof import WINDOW, preprocess_voice
from drishtiksha.networks.voice_whisper import POSITIONS, STATES, VoiceWhisperNetwork
from drishtiksha.networks.whisper_encoder import MELS, WhisperEncoder, band_of_bin, log_mel, mel_filters

THEIRS = {
    "conv1": "first",
    "conv2": "second",
    "self_attn_layer_norm": "attention_norm",
    "self_attn.q_proj": "query",
    "self_attn.k_proj": "key",
    "self_attn.v_proj": "value",
    "self_attn.out_proj": "out",
    "final_layer_norm": "feed_norm",
    "fc1": "wide",
    "fc2": "narrow",
    "embed_positions.weight": "positions",
}


def test_states_equal_those_of_transformers():
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder as Theirs

    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=48,
        encoder_layers=2,
        encoder_attention_heads=6,
        encoder_ffn_dim=192,
        max_source_positions=50,
        num_mel_bins=80,
    )
    theirs, ours = Theirs(config).eval(), WhisperEncoder(2, 48, 6, 50).eval()
    state = {}
    for name, value in theirs.state_dict().items():
        if not name.startswith("layer_norm."):
            for their_part, our_part in THEIRS.items():
                name = name.replace(their_part, our_part)
            state[name] = torch.randn_like(value) * 0.1
    ours.load_state_dict(state, strict=True)
    for name, parameter in theirs.named_parameters():
        for their_part, our_part in THEIRS.items():
            name = name.replace(their_part, our_part)
        if name in state:
            parameter.data.copy_(state[name])
    mels = torch.randn(2, MELS, 100)
    with torch.no_grad():
        wanted = theirs(mels).last_hidden_state
        found = theirs.layer_norm(ours(mels)[-1])
    assert torch.allclose(found, wanted, atol=2e-5)


@pytest.mark.slow
def test_mel_filters_are_slaneys():
    wanted = librosa.filters.mel(sr=16_000, n_fft=400, n_mels=80)
    assert np.abs(mel_filters().numpy() - wanted).max() < 1e-7


def test_spectrogram_equals_that_of_transformers():
    from transformers import WhisperFeatureExtractor

    waveform = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) * 0.1
    wanted = WhisperFeatureExtractor()(waveform, sampling_rate=16_000, padding="do_not_pad", return_tensors="np")
    found = log_mel(torch.from_numpy(waveform)[None]).numpy()
    assert found.shape == (1, MELS, 100)
    assert np.abs(found - wanted.input_features[:, :, :100]).max() < 1e-5


def test_bands_of_bins_rise_to_the_last_one():
    bands = band_of_bin()
    assert bands[0] == 0
    assert bands[-1] == MELS - 1
    assert (bands.diff() >= 0).all()


@pytest.mark.parametrize("seconds", [4, 1])
def test_a_stretch_of_any_length_has_a_logit(seconds):
    torch.manual_seed(0)
    network = VoiceWhisperNetwork().eval()
    x = preprocess_voice(np.random.default_rng(1).standard_normal(16_000).astype(np.float32), seconds * 16_000)
    with torch.inference_mode():
        features = network.features(network.spectrogram(x[None]))
        assert features.shape == (1, 384 * STATES, 1, 50 * seconds)
        assert network(x[None]).shape == (1,)
    assert POSITIONS == WINDOW // 320
