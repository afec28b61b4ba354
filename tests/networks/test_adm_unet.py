"""ADM's noise predictor: the published keys, the reference's noise, and networks built without filling them."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import timm
import torch

from drishtiksha.networks.adm_unet import NoisePredictor, first_step_noise
from drishtiksha.networks.build import without_init

NAME = "ADM-256x256"


def published_small() -> dict[str, torch.Tensor]:
    """The golden stand-in weights of the 32-channel predictor."""
    keys = golden.load(NAME)["small_state_dict"]
    return {key: golden.stand_in(key, shape) * (0.5 if len(shape) > 1 else 1) for key, (shape, _) in keys.items()}


@pytest.fixture(scope="module")
def small() -> NoisePredictor:
    with torch.device("meta"), without_init():
        predictor = NoisePredictor(channels=32, head_channels=16)
    predictor.load_state_dict(published_small(), assign=True)
    return predictor.eval()


@pytest.mark.parametrize(("size", "sizes"), [("full", (256, 64)), ("small", (32, 16))])
def test_every_published_key_is_there_in_its_shape_and_no_other(size, sizes):
    with torch.device("meta"), without_init():
        made = NoisePredictor(*sizes).state_dict()
    wanted = golden.load(NAME)[f"{size}_state_dict"]
    assert {key: list(tensor.shape) for key, tensor in made.items()} == {
        key: shape for key, (shape, _) in wanted.items()
    }


@pytest.mark.slow
def test_the_noise_is_that_of_the_reference(small):
    case = golden.load(NAME)["case"]
    picture = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(1234)) * 2 - 1
    with torch.inference_mode():
        predicted = small(picture, torch.zeros(1, dtype=torch.long))
        noise = first_step_noise(small, picture)
    assert np.abs(predicted[:, :, ::32, ::32].flatten().numpy() - case["network_output_every32"]).max() < 1e-3
    assert np.abs(noise[:, :, ::32, ::32].flatten().numpy() - case["eps_every32"]).max() < 1e-3
    assert noise.mean().item() == pytest.approx(case["eps_mean"], abs=1e-4)
    assert noise.std().item() == pytest.approx(case["eps_std"], abs=1e-4)


def test_noise_that_would_leave_the_range_of_pictures_is_cut():
    """White, and noise of -1 everywhere: without it the picture would be whiter than white, so that there is none."""

    class Dark(torch.nn.Module):
        def forward(self, picture: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
            return -torch.ones(len(picture), 6, *picture.shape[2:])

    white, grey = torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    assert first_step_noise(Dark(), white).abs().max() < 0.01
    assert torch.allclose(first_step_noise(Dark(), grey), torch.tensor(-1.0), atol=1e-4)


@pytest.mark.parametrize("architecture", ["tf_efficientnet_b0", "convnextv2_atto"])
def test_left_out_are_only_numbers_that_nobody_sees(architecture):
    with torch.device("meta"):
        usual = timm.create_model(architecture, num_classes=2)
        with without_init():
            quick = timm.create_model(architecture, num_classes=2)
    shapes = [{key: (tensor.shape, tensor.dtype) for key, tensor in net.state_dict().items()} for net in (usual, quick)]
    assert shapes[0] == shapes[1]
    assert all(parameter.requires_grad and parameter.is_meta for parameter in quick.parameters())
    with without_init():
        torch.manual_seed(0)
        real = torch.nn.Linear(8, 8)
    torch.manual_seed(0)
    assert torch.equal(real.weight, torch.nn.Linear(8, 8).weight), "tensors with memory are filled as ever"
