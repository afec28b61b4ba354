"""The scattering network against kymatio and against the golden logits."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import torch

from drishtiksha.networks.scattering import COEFFICIENTS, Scattering, ScatteringClassifier


@pytest.mark.slow
def test_every_coefficient_is_kymatios():
    """On a smaller picture: kymatio takes 20 s to build its filters for one of 256 px."""
    frontend = pytest.importorskip("kymatio.scattering2d.frontend.torch_frontend")
    pictures = torch.rand(2, 128, 128, generator=torch.Generator().manual_seed(5))
    pictures[1, 40:80, :64] = 0
    wanted = frontend.ScatteringTorch2D(J=4, L=8, shape=(128, 128))(pictures)
    found = Scattering(128)(pictures)
    assert found.shape == wanted.shape == (2, COEFFICIENTS, 8, 8)
    assert (found - wanted).abs().max() < 1e-5
    assert wanted[:, 33:].abs().mean() > 1e-3, "the deepest coefficients are no smaller than the tolerance"


def test_filters_are_no_part_of_a_checkpoint_and_survive_a_build_without_memory():
    with torch.device("meta"):
        network = ScatteringClassifier((4, 3, 2))
    assert all(key.startswith("classifier.") for key in network.state_dict())
    assert not any(buffer.is_meta for buffer in network.scattering.buffers())


@pytest.mark.slow
def test_the_golden_logits():
    state = golden.state_dict("SCATTERING-WAVE-V1")
    (case,) = golden.load("SCATTERING-WAVE-V1")["cases"]
    with torch.device("meta"):
        network = ScatteringClassifier()
    network.load_state_dict(state, strict=True, assign=True)
    batch = torch.rand(case["shape"], generator=torch.Generator().manual_seed(1234))
    with torch.inference_mode():
        logits = network.eval()(batch)
    assert np.abs(logits.numpy() - case["logits"]).max() < 1e-3
    assert logits.shape == (2,)
