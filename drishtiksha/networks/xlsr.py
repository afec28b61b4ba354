"""Heads on a wav2vec 2.0 encoder: XLSR-SLS, XLSR-AASIST, and the two of SPECTRA. Index 0 of the outputs is fake.

Names of modules are those of the published checkpoints, apart from the encoder's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, max_pool2d, selu

from drishtiksha.networks.aasist import (
    NODE_WIDTH,
    GraphAttention,
    GraphHead,
    GraphPool,
    MixedGraphAttention,
    margin,
    position_attention,
    read_out,
    residual_blocks,
    two_layers,
    weighted_nodes,
)
from drishtiksha.networks.ecapa import ECAPA
from drishtiksha.networks.wav2vec import SpeechEncoder

FRAMES = 201
"""Of the encoder, for 64,600 samples."""
BRIDGE = 128
"""What the encoder's vectors are brought to."""
CHANNELS = 64
"""Of the maps and first nodes of the graph heads."""
ROWS = BRIDGE // 3
"""Spectral nodes."""


class XLSRSLS(nn.Module):
    """Every layer of the encoder, weighed by itself (Zhang, Wen & Hu, ACM MM 2024). It fits windows of 64,600 samples alone."""

    def __init__(self, encoder: SpeechEncoder, width: int, hidden: int = 1024) -> None:
        super().__init__()
        self.encoder = encoder
        self.first_bn = nn.BatchNorm2d(1)
        self.fc0 = nn.Linear(width, 1)
        self.fc1 = nn.Linear((FRAMES // 3) * (width // 3), hidden)
        self.fc3 = nn.Linear(hidden, 2)

    def features(self, waveform: Tensor) -> Tensor:
        """The layers' sum, each by its gate: (B, n) -> (B, width, frames)."""
        total: Tensor | None = None
        for layer in self.encoder.layers(waveform):
            gated = torch.sigmoid(self.fc0(layer.mean(dim=1, keepdim=True))) * layer
            total = gated if total is None else total + gated
        assert total is not None
        return total.transpose(1, 2)

    def log_probabilities(self, features: Tensor) -> Tensor:
        """(B, 2)."""
        x = max_pool2d(selu(self.first_bn(features.transpose(1, 2)[:, None])), 3)
        return log_softmax(selu(self.fc3(selu(self.fc1(x.flatten(1))))).float(), dim=1)

    def judge(self, features: Tensor) -> Tensor:
        return margin(self.log_probabilities(features))

    def forward(self, waveform: Tensor) -> Tensor:
        """Raw waveforms (B, 64600) to fake margins (B,)."""
        return self.judge(self.features(waveform))


class XLSRAASIST(GraphHead):
    """AASIST's graphs on the encoder's last output (Tak et al., Odyssey 2022, arXiv:2202.12233)."""

    def __init__(self, encoder: SpeechEncoder, width: int) -> None:
        super().__init__(CHANNELS, ROWS, (0.5, 0.5, 0.5))
        self.ssl_model = encoder
        self.LL = nn.Linear(width, BRIDGE)
        self.first_bn = nn.BatchNorm2d(1)
        self.first_bn1 = nn.BatchNorm2d(CHANNELS)
        self.encoder = residual_blocks(CHANNELS)
        self.attention = position_attention(CHANNELS)

    def features(self, waveform: Tensor) -> Tensor:
        """(B, n) -> (B, 128, frames)."""
        return self.LL(self.ssl_model(waveform)).transpose(1, 2)

    def two_logits(self, features: Tensor) -> Tensor:
        x = selu(self.first_bn(max_pool2d(features[:, None], 3)))
        x = selu(self.first_bn1(self.encoder(x)))
        return self.logits(*weighted_nodes(x, self.attention(x)))

    def judge(self, features: Tensor) -> Tensor:
        return margin(self.two_logits(features))

    def forward(self, waveform: Tensor) -> Tensor:
        """Raw waveforms (B, 64600) to fake margins (B,)."""
        return self.judge(self.features(waveform))


class FourBranches(nn.Module):
    """The graph head of SPECTRA-AASIST: four branches, and blocks that begin with their norm."""

    def __init__(self) -> None:
        super().__init__()
        self.pos_S = nn.Parameter(torch.zeros(1, ROWS, CHANNELS))
        self.pos_T = nn.Parameter(torch.zeros(1, 400, BRIDGE))
        blocks = residual_blocks(CHANNELS, norm_first=True)
        norms = {"first_bn": nn.BatchNorm2d(1), "first_bn1": nn.BatchNorm2d(CHANNELS)}
        self.enc = nn.ModuleDict({"enc": blocks, **norms})
        self.attention = position_attention(CHANNELS)
        self.GAT_layer_S = GraphAttention(CHANNELS, CHANNELS)
        self.GAT_layer_T = GraphAttention(CHANNELS, CHANNELS)
        self.pool_S = GraphPool(0.5, CHANNELS)
        self.pool_T = GraphPool(0.5, CHANNELS)
        for number in range(1, 5):
            self.add_module(f"branch{number}", _Branch())
        self.out_layer = nn.Linear(5 * NODE_WIDTH, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, frames, 128) -> (B, 2)."""
        x = (x + self.pos_T[:, : x.shape[1]]).abs().transpose(1, 2)[:, None]
        x = selu(self.enc["first_bn"](max_pool2d(x, 3)))
        x = selu(self.enc["first_bn1"](self.enc["enc"](x)))
        spectral, temporal = weighted_nodes(x, self.attention(x))
        spectral = self.pool_S(self.GAT_layer_S(spectral + self.pos_S))
        temporal = self.pool_T(self.GAT_layer_T(temporal))
        branches = [self.get_submodule(f"branch{number}")(temporal, spectral) for number in range(1, 5)]
        return self.out_layer(read_out(branches))


class _Branch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.master = nn.Parameter(torch.zeros(1, 1, CHANNELS))
        self.HtrgGAT_layer_ST1 = MixedGraphAttention(CHANNELS, NODE_WIDTH, activated=False)
        self.HtrgGAT_layer_ST2 = MixedGraphAttention(NODE_WIDTH, NODE_WIDTH, activated=False)
        self.pool_hS = GraphPool(0.5, NODE_WIDTH)
        self.pool_hT = GraphPool(0.5, NODE_WIDTH)

    def forward(self, temporal: Tensor, spectral: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        nodes = temporal, spectral, self.master.expand(len(temporal), -1, -1)
        return two_layers(self.HtrgGAT_layer_ST1, (self.pool_hT, self.pool_hS), self.HtrgGAT_layer_ST2, nodes)


class Spectra(nn.Module):
    """lab260's SPECTRA (2026): the encoder's last output through a small perceptron into ECAPA-TDNN or AASIST."""

    def __init__(self, encoder: SpeechEncoder, width: int, head: str, threshold: float) -> None:
        """head: "ecapa_tdnn" or "aasist", which is also its name in the checkpoint. threshold: the authors', on the logit
        of bona fide."""
        super().__init__()
        self.threshold = threshold
        self.ssl_encoder = encoder
        layers = nn.Linear(width, BRIDGE), nn.SELU(), nn.Dropout(), nn.Linear(BRIDGE, BRIDGE)
        self.bridge = nn.ModuleDict({"mlp": nn.Sequential(*layers)})
        self.head = head
        self.add_module(head, FourBranches() if head == "aasist" else ECAPA(BRIDGE))

    def features(self, waveform: Tensor) -> Tensor:
        """Pre-emphasised waveforms (B, n) -> (B, 128, frames)."""
        return self.bridge["mlp"](self.ssl_encoder(waveform)).transpose(1, 2)

    def logits(self, features: Tensor) -> Tensor:
        """[spoof, bona fide], (B, 2)."""
        return self.get_submodule(self.head)(features.transpose(1, 2)).float()

    def judge(self, features: Tensor) -> Tensor:
        """How far the logit of bona fide lies below the authors' threshold, (B,)."""
        return self.threshold - self.logits(features)[:, 1]

    def forward(self, waveform: Tensor) -> Tensor:
        return self.judge(self.features(waveform))
