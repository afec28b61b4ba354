"""Folding batch norms changes the work, not the numbers."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn
from torchvision.models.resnet import Bottleneck, ResNet

from drishtiksha.networks.fuse import fuse_batch_norms


@pytest.fixture(params=["timm's EfficientNet", "torchvision's ResNet"])
def network(request) -> nn.Module:
    torch.manual_seed(0)
    if request.param.startswith("timm"):
        network = timm.create_model("tf_efficientnet_b0", pretrained=False, num_classes=2)
    else:
        network = ResNet(Bottleneck, [1, 1, 1, 1], num_classes=2)
    # One pass in training mode: norms as they are after training, not the identity.
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    network(torch.randn(4, 3, 64, 64))
    return network.eval().double()


@pytest.mark.slow
def test_the_numbers_stay(network):
    batch = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)).double()
    with torch.inference_mode():
        before = network(batch)
        after = fuse_batch_norms(network)(batch)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert before.std() > 0.01
    assert torch.allclose(after, before, rtol=1e-9)


def test_not_during_training(network):
    with pytest.raises(ValueError, match="eval"):
        fuse_batch_norms(network.train())
