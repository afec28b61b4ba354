"""The noise predictor of ADM (Dhariwal & Nichol, NeurIPS 2021, arXiv:2105.05233), as the published weights need it.

Module names are those of the published checkpoint `256x256_diffusion_uncond.pt` (github.com/openai/guided-diffusion, MIT).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, scaled_dot_product_attention

IMAGE_SIZE = 256
CHANNELS = 256
HEAD_CHANNELS = 64
"""Of the published unconditional model."""
CHANNEL_FACTORS = (1, 1, 2, 2, 4, 4)
"""Of each level, from the full picture down; each level halves the side."""
ATTENTION_SIDES = (32, 16, 8)
"""Attention works on the levels whose maps of an `IMAGE_SIZE` picture have these sides, px."""
BLOCKS = 2
GROUPS = 32
LONGEST_PERIOD = 10_000
"""Of the waves that stand for a time step, as in transformers' positions."""
FIRST_BETA = 0.0001
"""Variance of the noise that the first of the 1000 steps of the linear schedule adds."""


class ResBlock(nn.Module):
    """Two convolutions beside a shortcut, told of the time step by scale and shift; may halve or double the side."""

    def __init__(self, inputs: int, outputs: int, embedding: int, change: str = "") -> None:
        super().__init__()
        self.change = change
        self.in_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, 2 * outputs))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, outputs), nn.SiLU(), nn.Dropout(0.0), nn.Conv2d(outputs, outputs, 3, padding=1)
        )
        self.skip_connection = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        norm, activation, convolution = self.in_layers
        inner = convolution(self.resized(activation(norm(x))))
        scale, shift = self.emb_layers(embedding)[:, :, None, None].chunk(2, dim=1)
        inner = self.out_layers[1:](self.out_layers[0](inner) * (1 + scale) + shift)
        return self.skip_connection(self.resized(x)) + inner

    def resized(self, x: Tensor) -> Tensor:
        if self.change == "halve":
            return avg_pool2d(x, 2)
        return interpolate(x, scale_factor=2.0, mode="nearest") if self.change == "double" else x


class AttentionBlock(nn.Module):
    """Self-attention between all places of a map. Query, key and value of a head lie side by side in `qkv`."""

    def __init__(self, channels: int, head_channels: int) -> None:
        super().__init__()
        self.heads = channels // head_channels
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        flat = x.flatten(2)
        heads = self.qkv(self.norm(flat)).unflatten(1, (self.heads, 3, -1)).transpose(3, 4)
        seen = scaled_dot_product_attention(*heads.unbind(dim=2))
        return x + self.proj_out(seen.transpose(2, 3).flatten(1, 2)).unflatten(2, x.shape[2:])


class Stage(nn.Sequential):
    """Blocks one after the other, each told of the time step."""

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:  # type: ignore[override]
        for block in self:
            x = block(x) if isinstance(block, nn.Conv2d) else block(x, embedding)
        return x


class NoisePredictor(nn.Module):
    """Which noise a noisy picture holds, and how sure that is, at a time step.

    channels: of the first level. head_channels: of each attention head.
    """

    def __init__(self, channels: int = CHANNELS, head_channels: int = HEAD_CHANNELS) -> None:
        super().__init__()
        self.channels, embedding = channels, 4 * channels
        self.time_embed = nn.Sequential(nn.Linear(channels, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        levels = [(factor * channels, IMAGE_SIZE >> level) for level, factor in enumerate(CHANNEL_FACTORS)]

        def stage(inputs: int, outputs: int, side: int, change: str = "") -> Stage:
            blocks: list[nn.Module] = [ResBlock(inputs, outputs, embedding)]
            if side in ATTENTION_SIDES:
                blocks.append(AttentionBlock(outputs, head_channels))
            if change:
                blocks.append(ResBlock(outputs, outputs, embedding, change))
            return Stage(*blocks)

        self.input_blocks = nn.ModuleList([Stage(nn.Conv2d(3, channels, 3, padding=1))])
        kept, width = [channels], channels
        for outputs, side in levels:
            if len(kept) > 1:
                self.input_blocks.append(Stage(ResBlock(width, width, embedding, "halve")))
                kept.append(width)
            for _ in range(BLOCKS):
                self.input_blocks.append(stage(width, outputs, side))
                kept.append(width := outputs)
        self.middle_block = Stage(
            ResBlock(width, width, embedding),
            AttentionBlock(width, head_channels),
            ResBlock(width, width, embedding),
        )
        self.output_blocks = nn.ModuleList()
        for outputs, side in reversed(levels):
            for block in range(BLOCKS + 1):
                last = block == BLOCKS and side != IMAGE_SIZE
                self.output_blocks.append(stage(width + kept.pop(), outputs, side, "double" if last else ""))
                width = outputs
        self.out = nn.Sequential(nn.GroupNorm(GROUPS, width), nn.SiLU(), nn.Conv2d(width, 6, 3, padding=1))

    def forward(self, x: Tensor, steps: Tensor) -> Tensor:
        """x: (B, 3, 256, 256) in [-1, 1]; steps: (B,) of 0...999. Returns (B, 6, 256, 256): noise, then its spread."""
        embedding = self.time_embed(waves(steps, self.channels))
        kept = []
        for stage in self.input_blocks:
            x = stage(x, embedding)
            kept.append(x)
        x = self.middle_block(x, embedding)
        for stage in self.output_blocks:
            x = stage(torch.cat([x, kept.pop()], dim=1), embedding)
        return self.out(x)


def waves(steps: Tensor, width: int) -> Tensor:
    """Cosines, then sines, (B, width) of time steps (B,)."""
    half = width // 2
    rates = torch.exp(-math.log(LONGEST_PERIOD) * torch.arange(half, device=steps.device) / half)
    angles = steps[:, None].float() * rates
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def first_step_noise(predictor: NoisePredictor, picture: Tensor) -> Tensor:
    """The noise that the first step of DDIM inversion (Song et al., ICLR 2021, arXiv:2010.02502) finds in a picture.

    The clean picture that the predicted noise leaves is cut at [-1, 1], and the noise is what then remains.
    picture: (B, 3, 256, 256) in [-1, 1]. Returns float32 of the same shape.
    """
    steps = torch.zeros(len(picture), dtype=torch.long, device=picture.device)
    noise = predictor(picture, steps)[:, :3].float()
    shrink, spread = math.sqrt(1 - FIRST_BETA), math.sqrt(FIRST_BETA)
    clean = ((picture - spread * noise) / shrink).clamp(-1, 1)
    return (picture - shrink * clean) / spread
