"""Attention roll-out on attentions whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from drishtiksha.explain.attention import attention_map, rollout, token_map


def attention(*, to: int, tokens: int = 4, heads: int = 2) -> torch.Tensor:
    """Every token attends to one alone."""
    weights = torch.zeros(1, heads, tokens, tokens)
    weights[..., to] = 1
    return weights


def test_one_layer_is_half_attention_and_half_the_token_itself():
    rolled = rollout([attention(to=2)])
    wanted = torch.full((4, 4), 0.0)
    wanted[:, 2] = 0.5
    wanted += 0.5 * torch.eye(4)
    assert torch.allclose(rolled[0], wanted)


def test_layers_are_multiplied_last_times_first():
    first, last = attention(to=0), attention(to=3)
    rolled = rollout([first, last])[0]
    # Token 1 keeps itself twice (1/4), goes to 0 first (1/4), and draws on 3 (1/4), which had drawn on 0 (1/4).
    assert torch.allclose(rolled[1], torch.tensor([0.5, 0.25, 0.0, 0.25]))
    assert not torch.allclose(rolled, rollout([last, first])[0])


def test_rows_sum_to_one_for_each_of_the_batch():
    torch.manual_seed(0)
    layers = [torch.rand(3, 2, 5, 5).softmax(dim=-1) for _ in range(6)]
    rolled = rollout(layers)
    assert rolled.shape == (3, 5, 5)
    assert torch.allclose(rolled.sum(dim=-1), torch.ones(3, 5))
    assert torch.allclose(rolled[1:2], rollout([layer[1:2] for layer in layers]), atol=1e-6)


def test_heads_count_alike_and_half_precision_is_widened():
    mixed = torch.cat([attention(to=0, heads=1), attention(to=1, heads=1)], dim=1).bfloat16()
    rolled = rollout([mixed])[0]
    assert rolled.dtype == torch.float32
    assert rolled[2].tolist() == [0.25, 0.25, 0.5, 0.0]


def test_no_layer_is_refused():
    with pytest.raises(ValueError, match="at least one layer"):
        rollout([])


def test_token_map_lights_the_attended_patch():
    weights = torch.tensor([0.1, 0.1, 0.1, 0.1, 0.1, 0.5])
    heat = token_map(weights, (2, 3), (32, 48))
    assert heat.shape == (32, 48)
    assert heat.dtype == np.float32
    assert heat[-1, -1] == pytest.approx(1)
    assert heat[:16, :16].max() == 0


def test_token_map_of_equal_weights_is_blank():
    assert token_map(torch.full((4,), 0.25), (2, 2), (8, 8)).max() == 0


class _TwoLayers(torch.nn.Module):
    """A class token and four patches through two layers of plain attention; `pool` adds a single query at the end."""

    def __init__(self, pool: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.weights = [torch.randn(3, 6, 6) for _ in range(3 if pool else 2)]
        self.pool = pool

    def products(self, tokens: torch.Tensor, number: int) -> list[torch.Tensor]:
        return [(tokens @ weight).unflatten(-1, (2, 3)).transpose(1, 2) for weight in self.weights[number]]

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        tokens = torch.cat([torch.ones(1, 1, 6), picture.reshape(1, 6, 4).transpose(1, 2)], dim=1)
        for number in range(len(self.weights)):
            queries, keys, values = self.products(tokens, number)
            if number == 2:
                queries = queries[:, :, :1]
            seen = torch.nn.functional.scaled_dot_product_attention(queries, keys, values)
            seen = seen.transpose(1, 2).flatten(2)
            tokens = seen if number == 2 else tokens + seen
        return tokens


@pytest.mark.parametrize("pool", [False, True])
def test_what_a_network_attends_to_is_seen_from_outside(pool):
    network, picture = _TwoLayers(pool), torch.randn(1, 6, 2, 2, generator=torch.Generator().manual_seed(1))
    tokens, layers = torch.cat([torch.ones(1, 1, 6), picture.reshape(1, 6, 4).transpose(1, 2)], dim=1), []
    for number in range(len(network.weights)):
        queries, keys, values = network.products(tokens, number)
        layers.append((queries @ keys.transpose(2, 3) * 3**-0.5).softmax(dim=-1))
        tokens = tokens + (layers[-1] @ values).transpose(1, 2).flatten(2)
    weights = rollout(layers[:2])[0]
    wanted = layers[2].mean(dim=1)[0, 0] @ weights if pool else weights[0]
    made = attention_map(network, picture, (2, 2))
    assert np.allclose(made, token_map(wanted[1:], (2, 2), (2, 2)), atol=1e-5)
