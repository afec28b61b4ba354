"""AASIST (Jung et al., ICASSP 2022, arXiv:2110.01200): graphs of spectral and temporal nodes that attend to each other.

Index 0 of the outputs is fake, 1 bona fide. Names of modules are those of the published checkpoints.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, max_pool2d, selu

SAMPLE_RATE, WINDOW = 16_000, 64_600
"""Hz; samples of the input, 4.0375 s."""
BANDS, TAPS = 70, 129
GRAPH_TEMPERATURE, MIXED_TEMPERATURE = 2.0, 100.0
NODE_WIDTH = 32
"""Of nodes in the mixed layers."""


@cache
def sinc_filters() -> Tensor:
    """The band-pass filters that AASIST listens through, no part of its checkpoint: float32 (70, 1, 129).

    Bands lie side by side between 0 and 8000 Hz, equally wide in mel.
    """
    mel = np.linspace(0, 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700), BANDS + 1)
    edges = 700 * (10 ** (mel / 2595) - 1)
    ticks = np.arange(TAPS) - TAPS // 2
    low_passes = [2 * edge / SAMPLE_RATE * np.sinc(2 * edge * ticks / SAMPLE_RATE) for edge in edges]
    return torch.from_numpy((np.diff(low_passes, axis=0) * np.hamming(TAPS)).astype(np.float32))[:, None]


class ResidualBlock(nn.Module):
    """Two 2x3 convolutions over (frequency, time), added to what came in.

    norm_first: whether `bn1` is applied. Checkpoints carry it, but the published forward pass of AASIST throws its result
    away.
    """

    def __init__(self, channels_in: int, channels_out: int, *, first: bool, norm_first: bool = False) -> None:
        super().__init__()
        self.norm_first = norm_first and not first
        if not first:
            self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, (2, 3), padding=(1, 1))
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, (2, 3), padding=(0, 1))
        if channels_in != channels_out:
            self.conv_downsample = nn.Conv2d(channels_in, channels_out, (1, 3), padding=(0, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(selu(self.bn1(x)) if self.norm_first else x)
        y = self.conv2(selu(self.bn2(y)))
        return y + (self.conv_downsample(x) if hasattr(self, "conv_downsample") else x)


def residual_blocks(channels: int, *, first_channels: int = 32, norm_first: bool = False) -> nn.Sequential:
    """Six blocks, from 1 channel over `first_channels` to `channels`."""
    widths = (1, first_channels, first_channels, channels, channels, channels, channels)
    blocks = [
        ResidualBlock(into, out, first=not place, norm_first=norm_first)
        for place, (into, out) in enumerate(pairwise(widths))
    ]
    return nn.Sequential(*(nn.Sequential(block) for block in blocks))


def position_attention(channels: int) -> nn.Sequential:
    """How much each place of a map counts for each channel; used where nodes are weighted sums."""
    return nn.Sequential(
        nn.Conv2d(channels, 128, 1), nn.SELU(inplace=True), nn.BatchNorm2d(128), nn.Conv2d(128, channels, 1)
    )


def weighted_nodes(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Spectral nodes (B, F, C) and temporal nodes (B, T, C) of a map (B, C, F, T): sums over the other axis, by softmax."""
    spectral = (x * weights.softmax(dim=3)).sum(dim=3)
    temporal = (x * weights.softmax(dim=2)).sum(dim=2)
    return spectral.transpose(1, 2), temporal.transpose(1, 2)


class GraphAttention(nn.Module):
    """Every node (B, N, in) looks at every other one: (B, N, out)."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.att_weight = nn.Parameter(torch.zeros(width_out, 1))
        self.att_proj = nn.Linear(width_in, width_out)
        self.proj_with_att = nn.Linear(width_in, width_out)
        self.proj_without_att = nn.Linear(width_in, width_out)
        self.bn = nn.BatchNorm1d(width_out)

    def forward(self, x: Tensor) -> Tensor:
        pairs = torch.tanh(self.att_proj(x[:, :, None] * x[:, None]))
        weights = ((pairs @ self.att_weight).squeeze(-1) / GRAPH_TEMPERATURE).softmax(dim=-1)
        y = self.proj_with_att(weights @ x) + self.proj_without_att(x)
        return selu(self.bn(y.flatten(0, 1)).view_as(y))


class MixedGraphAttention(nn.Module):
    """Temporal nodes, spectral nodes and one master node that gathers from both."""

    def __init__(self, width_in: int, width_out: int, *, activated: bool = True) -> None:
        """activated: whether the nodes end with a SELU."""
        super().__init__()
        self.activated = activated
        self.att_weight11 = nn.Parameter(torch.zeros(width_out, 1))
        self.att_weight22 = nn.Parameter(torch.zeros(width_out, 1))
        self.att_weight12 = nn.Parameter(torch.zeros(width_out, 1))
        self.att_weightM = nn.Parameter(torch.zeros(width_out, 1))
        self.proj_type1 = nn.Linear(width_in, width_in)
        self.proj_type2 = nn.Linear(width_in, width_in)
        self.att_proj = nn.Linear(width_in, width_out)
        self.att_projM = nn.Linear(width_in, width_out)
        self.proj_with_att = nn.Linear(width_in, width_out)
        self.proj_without_att = nn.Linear(width_in, width_out)
        self.proj_with_attM = nn.Linear(width_in, width_out)
        self.proj_without_attM = nn.Linear(width_in, width_out)
        self.bn = nn.BatchNorm1d(width_out)

    def forward(self, temporal: Tensor, spectral: Tensor, master: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, in), (B, S, in), (B, 1, in) -> the same three with `out` as their width."""
        count = temporal.shape[1]
        x = torch.cat([self.proj_type1(temporal), self.proj_type2(spectral)], dim=1)
        pairs = torch.tanh(self.att_proj(x[:, :, None] * x[:, None]))
        cross = (pairs @ self.att_weight12).squeeze(-1)
        scores = cross.clone()
        scores[:, :count, :count] = (pairs[:, :count, :count] @ self.att_weight11).squeeze(-1)
        scores[:, count:, count:] = (pairs[:, count:, count:] @ self.att_weight22).squeeze(-1)
        weights = (scores / MIXED_TEMPERATURE).softmax(dim=-1)
        seen = torch.tanh(self.att_projM(x * master)) @ self.att_weightM / MIXED_TEMPERATURE
        gathered = seen.transpose(1, 2).softmax(dim=-1) @ x
        master = self.proj_with_attM(gathered) + self.proj_without_attM(master)
        y = self.proj_with_att(weights @ x) + self.proj_without_att(x)
        y = self.bn(y.flatten(0, 1)).view_as(y)
        y = selu(y) if self.activated else y
        return y[:, :count], y[:, count:], master


class GraphPool(nn.Module):
    """Keeps the share of nodes with the highest scores, in descending order: later nodes are compared by their places."""

    def __init__(self, share: float, width: int) -> None:
        super().__init__()
        self.share = share
        self.proj = nn.Linear(width, 1)

    def forward(self, nodes: Tensor) -> Tensor:
        scores = torch.sigmoid(self.proj(nodes))
        kept = scores.topk(max(int(nodes.shape[1] * self.share), 1), dim=1).indices
        return (nodes * scores).gather(1, kept.expand(-1, -1, nodes.shape[2]))


Nodes = tuple[Tensor, Tensor, Tensor]
"""Temporal, spectral, master."""


def two_layers(
    first: MixedGraphAttention, pools: tuple[GraphPool, GraphPool], second: MixedGraphAttention, nodes: Nodes
) -> Nodes:
    """One branch: a mixed layer, the best nodes of either kind, and a second mixed layer added to them."""
    temporal, spectral, master = first(*nodes)
    temporal, spectral = pools[0](temporal), pools[1](spectral)
    more = second(temporal, spectral, master)
    return temporal + more[0], spectral + more[1], master + more[2]


def read_out(branches: list[Nodes]) -> Tensor:
    """The element-wise maximum of the branches as one vector, (B, 5 widths)."""
    temporal, spectral, master = (torch.stack(same).amax(dim=0) for same in zip(*branches, strict=True))
    parts = [temporal.abs().amax(dim=1), temporal.mean(dim=1), spectral.abs().amax(dim=1), spectral.mean(dim=1)]
    return torch.cat([*parts, master[:, 0]], dim=1)


class GraphHead(nn.Module):
    """From spectral and temporal nodes to two logits: two branches of two mixed layers."""

    def __init__(self, width: int, spectral: int, shares: tuple[float, float, float]) -> None:
        """width: of the first nodes. spectral: how many. shares: kept of the spectral, temporal and later nodes."""
        super().__init__()
        self.pos_S = nn.Parameter(torch.zeros(1, spectral, width))
        self.GAT_layer_S = GraphAttention(width, width)
        self.GAT_layer_T = GraphAttention(width, width)
        self.pool_S = GraphPool(shares[0], width)
        self.pool_T = GraphPool(shares[1], width)
        self.master1 = nn.Parameter(torch.zeros(1, 1, width))
        self.master2 = nn.Parameter(torch.zeros(1, 1, width))
        self.HtrgGAT_layer_ST11 = MixedGraphAttention(width, NODE_WIDTH)
        self.HtrgGAT_layer_ST12 = MixedGraphAttention(NODE_WIDTH, NODE_WIDTH)
        self.HtrgGAT_layer_ST21 = MixedGraphAttention(width, NODE_WIDTH)
        self.HtrgGAT_layer_ST22 = MixedGraphAttention(NODE_WIDTH, NODE_WIDTH)
        self.pool_hS1 = GraphPool(shares[2], NODE_WIDTH)
        self.pool_hT1 = GraphPool(shares[2], NODE_WIDTH)
        self.pool_hS2 = GraphPool(shares[2], NODE_WIDTH)
        self.pool_hT2 = GraphPool(shares[2], NODE_WIDTH)
        self.out_layer = nn.Linear(5 * NODE_WIDTH, 2)

    def hidden(self, spectral: Tensor, temporal: Tensor) -> Tensor:
        """(B, S, width), (B, T, width) -> (B, 160)."""
        spectral = self.pool_S(self.GAT_layer_S(spectral + self.pos_S))
        temporal = self.pool_T(self.GAT_layer_T(temporal))
        masters = (one.expand(len(spectral), -1, -1) for one in (self.master1, self.master2))
        first, second = ((temporal, spectral, master) for master in masters)
        pools = (self.pool_hT1, self.pool_hS1), (self.pool_hT2, self.pool_hS2)
        return read_out(
            [
                two_layers(self.HtrgGAT_layer_ST11, pools[0], self.HtrgGAT_layer_ST12, first),
                two_layers(self.HtrgGAT_layer_ST21, pools[1], self.HtrgGAT_layer_ST22, second),
            ]
        )

    def logits(self, spectral: Tensor, temporal: Tensor) -> Tensor:
        """[fake, bona fide], (B, 2)."""
        return self.out_layer(self.hidden(spectral, temporal))


def margin(logits: Tensor) -> Tensor:
    """Fake minus bona fide (B,) of two logits (B, 2)."""
    return logits[:, 0] - logits[:, 1]


class AASIST(GraphHead):
    """The waveform (B, 64600), neither standardised nor pre-emphasised, to its fake margin (B,)."""

    def __init__(self, channels: int, shares: tuple[float, float, float], first_channels: int = 32) -> None:
        """channels: of the encoder, 64 or 24 (AASIST-L). first_channels: of its first two blocks."""
        super().__init__(channels, BANDS // 3, shares)
        self.first_bn = nn.BatchNorm2d(1)
        self.encoder = residual_blocks(channels, first_channels=first_channels)

    def bands(self, waveform: Tensor) -> Tensor:
        """How loud it is in each of 23 bands: (B, n) -> (B, 1, 23, (n - 128) // 3)."""
        heard = conv1d(waveform[:, None], sinc_filters().to(waveform)).abs()
        return max_pool2d(heard[:, None], 3)

    def features(self, waveform: Tensor) -> Tensor:
        """(B, channels, 23, steps), low bands first."""
        x = selu(self.first_bn(self.bands(waveform)))
        for block in self.encoder:
            x = max_pool2d(block(x), (1, 3))
        return x

    def judge(self, features: Tensor) -> Tensor:
        spectral, temporal = features.abs().amax(dim=3), features.abs().amax(dim=2)
        return margin(self.logits(spectral.transpose(1, 2), temporal.transpose(1, 2)))

    def forward(self, waveform: Tensor) -> Tensor:
        return self.judge(self.features(waveform))
