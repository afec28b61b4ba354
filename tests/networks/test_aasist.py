"""AASIST's parts: every stage against the published network's, with stand-in weights."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import soundfile
import torch

from drishtiksha.networks.aasist import AASIST, BANDS, WINDOW, GraphPool, margin, sinc_filters

SHARES = {"AASIST-V1": (0.5, 0.7, 0.5), "AASIST-L-V1": (0.4, 0.5, 0.7)}
SPOKEN = "data/speech/e1tts/fake_ns2_0331.flac"


@pytest.fixture(scope="module")
def waveform() -> torch.Tensor:
    """(1, WINDOW): a recording a little shorter than that, repeated."""
    samples, rate = soundfile.read(golden.SHARED / SPOKEN, dtype="float32", frames=WINDOW)
    assert rate == 16_000
    assert len(samples) < WINDOW
    return torch.from_numpy(np.resize(samples, WINDOW))[None]


@pytest.fixture(scope="module")
def stages() -> dict[str, np.ndarray]:
    return golden.arrays("aasist_stages")


@pytest.fixture(scope="module", params=SHARES)
def network(request) -> AASIST:
    facts = golden.load(request.param)
    built = AASIST(facts["config"]["gat_dims"][0], SHARES[request.param]).eval().requires_grad_(False)
    built.load_state_dict(golden.state_dict(request.param), strict=True)
    built.case, built.stage = facts["cases"][1], "aasist" if request.param == "AASIST-V1" else "aasist_l"
    return built


def test_filters_are_the_published_ones(stages, waveform):
    assert sinc_filters().shape == (BANDS, 1, 129)
    assert np.abs(sinc_filters()[:, 0].numpy() - stages["filters_f32"]).max() < 1e-6
    assert np.array_equal(waveform[0, -2000:].numpy(), stages["waveform_tail_f32"])


@pytest.mark.slow
def test_each_stage_and_the_logits_are_the_published_networks(network, stages, waveform):
    kept = {key.removeprefix(f"{network.stage}_"): value for key, value in stages.items()}
    with torch.inference_mode():
        if network.stage == "aasist":
            bands = network.bands(waveform)[0, 0, :, :1000]
            assert (bands - torch.from_numpy(stages["front_first_1000_f32"])).abs().max() < 1e-6
        maps = network.features(waveform)
        assert np.abs(maps[0].numpy() - kept["encoder_f16"].astype(np.float32)).max() < 0.02
        spectral, temporal = maps.abs().amax(dim=3).transpose(1, 2), maps.abs().amax(dim=2).transpose(1, 2)
        pooled_s = network.pool_S(network.GAT_layer_S(spectral + network.pos_S))
        pooled_t = network.pool_T(network.GAT_layer_T(temporal))
        hidden = network.hidden(spectral, temporal)
        logits = network.logits(spectral, temporal)
        margins = network.judge(maps)
    assert np.abs(pooled_s[0].numpy() - kept["pool_S_f32"]).max() < 1e-4
    assert np.abs(pooled_t[0].numpy() - kept["pool_T_f32"]).max() < 1e-4
    assert np.abs(hidden[0].numpy() - kept["hidden_f32"]).max() < 1e-4
    assert logits[0].tolist() == pytest.approx(network.case["logits"][0], abs=1e-3)
    assert margins.tolist() == margin(logits).tolist()


def test_pooling_orders_nodes_by_score():
    pool = GraphPool(0.5, 1)
    torch.nn.init.ones_(pool.proj.weight)
    torch.nn.init.zeros_(pool.proj.bias)
    nodes = torch.tensor([[[1.0], [3.0], [-2.0], [2.0], [0.5]]])
    with torch.inference_mode():
        kept = pool(nodes)
    expected = [3 / (1 + np.exp(-3)), 2 / (1 + np.exp(-2))]
    assert kept[0, :, 0].tolist() == pytest.approx(expected, abs=1e-5)
