"""TruFor: where a picture was edited, from its colours and from the trace that its camera left.

Guillaro et al., CVPR 2023, arXiv:2212.10957. Two encoders side by side: SegFormer's MiT (Xie et al., NeurIPS 2021,
arXiv:2105.15203), joined after each stage as in CMX (Zhang et al., T-ITS 2023, arXiv:2203.04838). Keys are those of the
published checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate, logsigmoid, relu, scaled_dot_product_attention

from drishtiksha.networks.build import without_init
from drishtiksha.networks.pixels import IMAGENET

WIDTHS, DEPTHS, HEADS, REDUCTIONS = (64, 128, 320, 512), (3, 4, 6, 3), (1, 2, 5, 8), (8, 4, 2, 1)
DECODER_WIDTH = 512
NOISE_LAYERS, NOISE_WIDTH = 17, 64


class PatchEmbed(nn.Module):
    def __init__(self, channels: int, width: int, first: bool) -> None:
        super().__init__()
        kernel, stride = (7, 4) if first else (3, 2)
        self.proj = nn.Conv2d(channels, width, kernel, stride, padding=kernel // 2)
        self.norm = nn.LayerNorm(width)

    def forward(self, maps: Tensor) -> tuple[Tensor, tuple[int, int]]:
        maps = self.proj(maps)
        return self.norm(maps.flatten(2).transpose(1, 2)), (maps.shape[2], maps.shape[3])


class Attention(nn.Module):
    """Of every token to the tokens of a map that is `reduction` times as small along each side."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.kv, self.proj = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.sr = nn.Conv2d(width, width, reduction, reduction) if reduction > 1 else None
        self.norm = nn.LayerNorm(width) if reduction > 1 else None

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        seen = tokens
        if self.sr is not None and self.norm is not None:
            seen = self.norm(self.sr(_as_map(tokens, size)).flatten(2).transpose(1, 2))
        keys, values = self.kv(seen).chunk(2, dim=-1)
        parts = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.q(tokens), keys, values))
        return self.proj(scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2))


class _Depthwise(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, 3, padding=1, groups=width)


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2, self.dwconv = (
            nn.Linear(width, 4 * width),
            nn.Linear(4 * width, width),
            _Depthwise(4 * width),
        )

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        wide = self.dwconv.dwconv(_as_map(self.fc1(tokens), size))
        return self.fc2(gelu(wide.flatten(2).transpose(1, 2)))


class Block(nn.Module):
    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn, self.mlp = Attention(width, heads, reduction), FeedForward(width)

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        tokens = tokens + self.attn(self.norm1(tokens), size)
        return tokens + self.mlp(self.norm2(tokens), size)


class _Named(nn.Module):
    """A sequence under the name `mlp`, as published."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.mlp = nn.Sequential(*layers)


class Rectify(nn.Module):
    """Each of two maps takes from the other, channel by channel and place by place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channel_weights = _Named(
            nn.Linear(4 * width, 4 * width), nn.ReLU(), nn.Linear(4 * width, 2 * width), nn.Sigmoid()
        )
        self.spatial_weights = _Named(nn.Conv2d(2 * width, width, 1), nn.ReLU(), nn.Conv2d(width, 2, 1), nn.Sigmoid())

    def forward(self, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        both = torch.cat([one, other], dim=1)
        pooled = torch.cat([both.mean(dim=(2, 3)), both.amax(dim=(2, 3))], dim=1)
        channels = self.channel_weights.mlp(pooled)[:, :, None, None].chunk(2, dim=1)
        places = self.spatial_weights.mlp(both).chunk(2, dim=1)
        to_one, to_other = 0.5 * (channels[1] + places[1]), 0.5 * (channels[0] + places[0])
        return one + to_one * other, other + to_other * one


class _CrossAttention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.kv1, self.kv2 = nn.Linear(width, 2 * width, bias=False), nn.Linear(width, 2 * width, bias=False)


class Cross(nn.Module):
    """Each of two sequences of tokens reads a summary of the other."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.cross_attn = heads, _CrossAttention(width)
        self.channel_proj1, self.channel_proj2 = nn.Linear(width, 2 * width), nn.Linear(width, 2 * width)
        self.end_proj1, self.end_proj2 = nn.Linear(2 * width, width), nn.Linear(2 * width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        kept_one, asked_one = relu(self.channel_proj1(one)).chunk(2, dim=-1)
        kept_other, asked_other = relu(self.channel_proj2(other)).chunk(2, dim=-1)
        from_one, from_other = (
            self._summary(asked, project)
            for asked, project in ((asked_one, self.cross_attn.kv1), (asked_other, self.cross_attn.kv2))
        )
        read_one, read_other = self._read(asked_one, from_other), self._read(asked_other, from_one)
        one = self.norm1(one + self.end_proj1(torch.cat([kept_one, read_one], dim=-1)))
        return one, self.norm2(other + self.end_proj2(torch.cat([kept_other, read_other], dim=-1)))

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _summary(self, tokens: Tensor, project: nn.Module) -> Tensor:
        keys, values = (self._split(part) for part in project(tokens).chunk(2, dim=-1))
        return (keys.transpose(2, 3) @ values * keys.shape[-1] ** -0.5).softmax(dim=-2)

    def _read(self, tokens: Tensor, summary: Tensor) -> Tensor:
        return (self._split(tokens) @ summary).transpose(1, 2).flatten(2)


class _ChannelEmbed(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.residual = nn.Conv2d(2 * width, width, 1, bias=False)
        layers = [nn.Conv2d(2 * width, width, 1), nn.Conv2d(width, width, 3, padding=1, groups=width), nn.ReLU()]
        self.channel_embed = nn.Sequential(*layers, nn.Conv2d(width, width, 1), nn.BatchNorm2d(width))
        self.norm = nn.BatchNorm2d(width)

    def forward(self, maps: Tensor) -> Tensor:
        return self.norm(self.residual(maps) + self.channel_embed(maps))


class Fuse(nn.Module):
    """Two maps to one."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.cross, self.channel_emb = Cross(width, heads), _ChannelEmbed(width)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        tokens = self.cross(*(maps.flatten(2).transpose(1, 2) for maps in (one, other)))
        size = (one.shape[2], one.shape[3])
        return self.channel_emb(torch.cat([_as_map(part, size) for part in tokens], dim=1))


class Encoder(nn.Module):
    """Colours (B, 3, H, W), normalised as for ImageNet, and the noise (B, 3, H, W), to four joined maps."""

    def __init__(self, widths: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        for number, (width, depth, heads, reduction) in enumerate(zip(widths, depths, HEADS, REDUCTIONS, strict=True)):
            channels = widths[number - 1] if number else 3
            for prefix in ("", "extra_"):
                setattr(self, f"{prefix}patch_embed{number + 1}", PatchEmbed(channels, width, first=not number))
                blocks = nn.ModuleList(Block(width, heads, reduction) for _ in range(depth))
                setattr(self, f"{prefix}block{number + 1}", blocks)
                setattr(self, f"{prefix}norm{number + 1}", nn.LayerNorm(width, eps=1e-6))
        self.FRMs = nn.ModuleList(Rectify(width) for width in widths)
        self.FFMs = nn.ModuleList(Fuse(width, heads) for width, heads in zip(widths, HEADS, strict=True))

    def forward(self, colours: Tensor, noise: Tensor) -> list[Tensor]:
        joined = []
        for number, (rectify, fuse) in enumerate(zip(self.FRMs, self.FFMs, strict=True), start=1):
            colours, noise = rectify(self._stage("", number, colours), self._stage("extra_", number, noise))
            joined.append(fuse(colours, noise))
        return joined

    def _stage(self, prefix: str, number: int, maps: Tensor) -> Tensor:
        tokens, size = getattr(self, f"{prefix}patch_embed{number}")(maps)
        for block in getattr(self, f"{prefix}block{number}"):
            tokens = block(tokens, size)
        return _as_map(getattr(self, f"{prefix}norm{number}")(tokens), size)


class _Projection(nn.Module):
    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, out)


class Decoder(nn.Module):
    """Four maps to one of `classes` channels, of the first one's size."""

    def __init__(self, widths: Sequence[int], out: int, classes: int, eps: float) -> None:
        super().__init__()
        for number, width in enumerate(widths, start=1):
            setattr(self, f"linear_c{number}", _Projection(width, out))
        self.linear_fuse = nn.Sequential(nn.Conv2d(4 * out, out, 1), nn.BatchNorm2d(out, eps=eps), nn.ReLU())
        self.linear_pred = nn.Conv2d(out, classes, 1)

    def forward(self, joined: Sequence[Tensor]) -> Tensor:
        size, parts = joined[0].shape[2:], []
        for number in range(len(joined), 0, -1):
            maps = joined[number - 1]
            tokens = getattr(self, f"linear_c{number}").proj(maps.flatten(2).transpose(1, 2))
            parts.append(_enlarged(_as_map(tokens, (maps.shape[2], maps.shape[3])), size))
        return self.linear_pred(self.linear_fuse(torch.cat(parts, dim=1)))


class TruForNetwork(nn.Module):
    """Pictures (B, 3, H, W), RGB divided by 256, to the edited-margin, the reliability logit and the score."""

    def __init__(
        self, widths: Sequence[int] = WIDTHS, depths: Sequence[int] = DEPTHS, decoder: int = DECODER_WIDTH
    ) -> None:
        super().__init__()
        with without_init():
            self.dncnn = _noise_network()
            self.backbone = Encoder(widths, depths)
            self.decode_head = Decoder(widths, decoder, classes=2, eps=1e-3)
            self.decode_head_conf = Decoder(widths, decoder, classes=1, eps=1e-5)
            self.detection = nn.Sequential(nn.Linear(8, 128), nn.ReLU(), nn.Dropout(), nn.Linear(128, 1))

    def noise(self, pictures: Tensor) -> Tensor:
        """Noiseprint++ (B, 1, H, W): what the camera's processing left."""
        return self.dncnn(pictures)

    def maps(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """By how much each pixel speaks for an edit, and how reliable that is, as logits (B, H, W) each."""
        mean, std = (torch.tensor(values, device=pictures.device)[:, None, None] for values in IMAGENET)
        joined = self.backbone((pictures - mean) / std, self.noise(pictures).expand(-1, 3, -1, -1))
        genuine, edited = _enlarged(self.decode_head(joined).float(), pictures.shape[2:]).unbind(dim=1)
        return edited - genuine, _enlarged(self.decode_head_conf(joined).float(), pictures.shape[2:])[:, 0]

    def judge(self, edited: Tensor, reliability: Tensor) -> Tensor:
        """Fake logits (B,) of the two maps."""
        flat, sure = edited.flatten(1), reliability.flatten(1)
        equal = torch.full_like(sure, -math.log(sure.shape[1]))
        numbers = [*_pooled(sure, equal), *_pooled(flat, logsigmoid(sure).log_softmax(dim=1))]
        return self.detection(torch.stack(numbers, dim=1))[:, 0]

    def forward(self, pictures: Tensor) -> Tensor:
        return self.judge(*self.maps(pictures))


def _pooled(values: Tensor, log_weights: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Soft minimum, soft maximum, mean and mean square (B,) of values (B, N)."""
    weights = log_weights.exp()
    least, most = -(log_weights - values).logsumexp(dim=1), (log_weights + values).logsumexp(dim=1)
    return least, most, (weights * values).sum(dim=1), (weights * values.square()).sum(dim=1)


def _noise_network() -> nn.Sequential:
    layers: list[Any] = [nn.Conv2d(3, NOISE_WIDTH, 3, padding=1), nn.ReLU()]
    for _ in range(NOISE_LAYERS - 2):
        layers += [
            nn.Conv2d(NOISE_WIDTH, NOISE_WIDTH, 3, padding=1, bias=False),
            nn.BatchNorm2d(NOISE_WIDTH),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, nn.Conv2d(NOISE_WIDTH, 1, 3, padding=1))


def _as_map(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    return tokens.transpose(1, 2).unflatten(2, size)


def _enlarged(maps: Tensor, size: Sequence[int]) -> Tensor:
    return interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)
