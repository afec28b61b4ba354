"""Packed linear layers give what bfloat16 layers under autocast give, and refuse what they cannot do."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import gelu

from drishtiksha.detectors.device import keep_in_bfloat16
from drishtiksha.networks.packed import PackedLinear, linear_gelu, pack_linears

NETWORK_SHAPE = (48, 80, 16)


@pytest.fixture
def network() -> nn.Sequential:
    torch.manual_seed(0)
    first, second, third = NETWORK_SHAPE
    return nn.Sequential(nn.Linear(first, second), nn.Sequential(nn.Linear(second, third, bias=False))).eval()


def rows() -> torch.Tensor:
    return torch.randn(3, 7, NETWORK_SHAPE[0], generator=torch.Generator().manual_seed(1))


def test_the_numbers_are_those_of_bfloat16(network):
    keep_in_bfloat16(network)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        before = network(rows())
        pack_linears(network)
        after = network(rows())
    assert isinstance(network[0], PackedLinear)
    assert isinstance(network[1][0], PackedLinear)
    assert after.dtype == torch.bfloat16
    assert before.float().std() > 0.1
    assert torch.allclose(after.float(), before.float(), atol=0.02)


def test_no_parameter_is_lost(network):
    before = sum(tensor.numel() for tensor in network.parameters())
    pack_linears(network)
    assert sum(tensor.numel() for tensor in network.parameters()) == before
    assert not any(tensor.requires_grad for tensor in network.parameters())


def test_gelu_is_the_same_within_the_product(network):
    layer, x = network[0], rows()
    with torch.inference_mode():
        wanted = linear_gelu(layer, x)
        assert torch.equal(wanted, gelu(layer(x), approximate="tanh"))
        assert torch.allclose(linear_gelu(PackedLinear(layer), x).float(), wanted, atol=0.02)


def test_no_gradient_is_made_up(network):
    with pytest.raises(RuntimeError, match="no gradient"):
        PackedLinear(network[0])(rows().requires_grad_(True))


def test_where_torch_has_no_such_operators_all_stays(network, monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    pack_linears(network)
    assert isinstance(network[0], nn.Linear)
