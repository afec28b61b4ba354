"""Attention roll-out on attentions whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from drishtiksha.explain.attention import rollout, token_map


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
