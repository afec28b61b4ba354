"""SyncNet (Chung & Zisserman, "Out of time", ACCV workshop 2016): lips and voice as vectors that lie close when they belong
together. Names of modules are those of the published checkpoint."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, pairwise_distance

LIP_FRAMES, CROP_PX = 5, 224
"""Of one window: frames at 25 a second, and the side of a crop."""
SOUND_STEPS, COEFFICIENTS = 20, 13
"""Of one window: steps of 10 ms, and coefficients of the cepstrum."""
STEPS_A_FRAME = 4
MOST_FRAMES = 15
"""How far apart lips and voice are looked for, in frames of 40 ms."""
AT_A_TIME = 16
"""Lip windows in a batch: bounds the memory."""


def _sound_layer(into: int, out: int, kernel: tuple[int, int] = (3, 3), padding: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(into, out, kernel, padding=padding), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]


def _lip_layer(
    into: int, out: int, kernel: tuple[int, int, int], stride: int = 1, padding: tuple[int, int, int] = (0, 0, 0)
) -> list[nn.Module]:
    conv = nn.Conv3d(into, out, kernel, stride=(1, stride, stride), padding=padding)
    return [conv, nn.BatchNorm3d(out), nn.ReLU(inplace=True)]


def _end(width: int, embedding: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(inplace=True), nn.Linear(width, embedding)
    )


class SyncNet(nn.Module):
    """Lip windows (B, 3, 5, 224, 224) BGR in 0..255 and sound windows (B, 1, 13, 20) to vectors (B, 1024), not normalised."""

    def __init__(self, channels: tuple[int, int, int] = (96, 256, 512), embedding: int = 1024) -> None:
        """channels: of the lips' first, middle and last convolutions; the sound's follow from them."""
        super().__init__()
        first, middle, last = channels
        wide = middle * 3 // 2
        self.netcnnaud = nn.Sequential(
            *_sound_layer(1, middle // 4),
            nn.Identity(),
            *_sound_layer(middle // 4, middle * 3 // 4),
            nn.MaxPool2d(3, stride=(1, 2)),
            *_sound_layer(middle * 3 // 4, wide),
            *_sound_layer(wide, middle),
            *_sound_layer(middle, middle),
            nn.MaxPool2d(3, stride=2),
            *_sound_layer(middle, last, (5, 4), 0),
        )
        self.netfcaud = _end(last, embedding)
        self.netcnnlip = nn.Sequential(
            *_lip_layer(3, first, (5, 7, 7), 2),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2)),
            *_lip_layer(first, middle, (1, 5, 5), 2, (0, 1, 1)),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
            *_lip_layer(middle, middle, (1, 3, 3), 1, (0, 1, 1)),
            *_lip_layer(middle, middle, (1, 3, 3), 1, (0, 1, 1)),
            *_lip_layer(middle, middle, (1, 3, 3), 1, (0, 1, 1)),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2)),
            *_lip_layer(middle, last, (1, 6, 6)),
        )
        self.netfclip = _end(last, embedding)

    def lips(self, windows: Tensor) -> Tensor:
        return self.netfclip(self.netcnnlip(windows).flatten(1))

    def sound(self, windows: Tensor) -> Tensor:
        return self.netfcaud(self.netcnnaud(windows).flatten(1))


def distances(lips: Tensor, sound: Tensor, lead: int = 0) -> Tensor:
    """How far each lip vector (n, E) lies from the sound of `MOST_FRAMES` before it to as many after it: (n, 31).

    sound: (m, E), of which the first comes `lead` frames before the first lips. Beyond its ends are zeros, as published.
    """
    after = len(lips) + MOST_FRAMES + lead - len(sound)
    around = pad(sound, (0, 0, MOST_FRAMES - lead, max(after, 0)))
    shifted = around.unfold(0, 2 * MOST_FRAMES + 1, 1)[: len(lips)].transpose(1, 2)
    return pairwise_distance(lips[:, None].expand_as(shifted), shifted)


def agreement(apart: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of distances (n, 31): the offset in frames, the least mean distance, and the confidence, 0-dimensional each.

    A positive offset: the sound comes so many frames before its lips.
    """
    means = apart.mean(dim=0)
    least, place = means.min(dim=0)
    return MOST_FRAMES - place, least, means.median() - least


class LipsAndVoice(SyncNet):
    """A stretch of film to how lips and voice agree in it."""

    def measure(self, crops: Tensor, sound: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `agreement`.

        crops: (N, 3, 224, 224) BGR in 0..255, 25 a second. sound: (13, steps), of which the first lies `MOST_FRAMES` frames
        before the first crop; NaN where there is no sound.
        """
        runs = crops.unfold(0, LIP_FRAMES, 1).permute(0, 1, 4, 2, 3)
        lips = torch.cat([self.lips(part.contiguous()) for part in runs.split(AT_A_TIME)])
        steps = sound.unfold(1, SOUND_STEPS, STEPS_A_FRAME).permute(1, 0, 2)[:, None]
        there = steps.isfinite().flatten(1).all(dim=1)
        first = int(there.int().argmax())
        heard = self.sound(steps[there]) if bool(there.any()) else lips.new_zeros((0, lips.shape[1]))
        return agreement(distances(lips, heard, MOST_FRAMES - first))


def steps_needed(frames: int) -> int:
    """Of the cepstrum, for so many crops."""
    windows = frames - LIP_FRAMES + 1 + 2 * MOST_FRAMES
    return (windows - 1) * STEPS_A_FRAME + SOUND_STEPS
