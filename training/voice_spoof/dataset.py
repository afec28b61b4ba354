"""Couples of real and fake speech that went through the same chain, each drawn from its own seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch.utils.data import Dataset

from drishtiksha.networks.voice_spoof import SAMPLE_RATE, WINDOW, preprocess_voice
from training.voice_spoof.degrade import Chain, Step
from training.voice_spoof.index import Recording, waveform
from training.voice_spoof.vocoder_networks import FAMILIES

Group = TypeVar("Group")

COPY_SHARE = 0.6
"""Of the couples: a recording and a copy made of it. The others: whole synthesis and some real recording."""
WHOLE_WINDOW_SHARE = 0.7
"""Of the couples: as long as the window, where the recordings are. The others: any length from SHORTEST on."""
SHORTEST = SAMPLE_RATE
CODED_SHARE = 0.2
"""Of the real halves: one of the recording's copies that only went through a codec, where there is one."""
BABBLE = 60
"""Real recordings that make the background of others."""


@dataclass(frozen=True)
class Couple:
    """The two halves of an item. `same`: the fake is a copy of the real one, and both are cut at one place."""

    real: Recording
    fake: Recording
    same: bool


class Mix(Dataset):
    """Item i: float32 (2, window), real and fake as the network takes them. Depends on (seed, i) alone.

    Each real corpus and each maker of copies comes as often as the others, a system of whole synthesis by the square root
    of its recordings. Each half of a couple is as long as the other.
    """

    def __init__(
        self,
        rows: Sequence[Recording],
        cache: Path,
        seed: int,
        length: int,
        window: int = WINDOW,
        copy_share: float = COPY_SHARE,
        more: Sequence[Step] = (),
    ) -> None:
        """more: steps at the end of the chain."""
        self.cache, self.seed, self.length, self.window, self.copy_share = cache, seed, length, window, copy_share
        self.by_path = {row.path: row for row in rows if not row.fake}
        copies = _grouped((row for row in rows if row.fake and row.origin), attrgetter("corpus"))
        self.copies = {corpus: _grouped(made, maker_of) for corpus, made in copies.items()}
        self.coded = _grouped((row for row in rows if not row.fake and row.origin), attrgetter("origin"))
        self.people = _grouped((row for row in rows if not row.fake and not row.origin), attrgetter("corpus"))
        self.whole = _grouped((row for row in rows if row.fake and not row.origin), maker_of)
        people = [row for made in self.people.values() for row in made]
        chosen = np.random.default_rng(seed).permutation(len(people))[:BABBLE]
        self.chain = Chain([waveform(cache, people[i], 0, WINDOW) for i in chosen], more)

    def __len__(self) -> int:
        return self.length

    def couple(self, rng: np.random.Generator) -> Couple:
        """Which two recordings come together."""
        if rng.random() < self.copy_share:
            systems = _drawn(self.copies, rng)
            fake = _one(_drawn(systems, rng), rng)
            return Couple(self._coded(self.by_path[fake.origin], rng), fake, same=True)
        # A system of three recordings as often as one of a hundred: the three would be learned by heart.
        shares = np.sqrt([len(made) for made in self.whole.values()])
        fake = _one(list(self.whole.values())[int(rng.choice(len(shares), p=shares / shares.sum()))], rng)
        return Couple(self._coded(self._companion(fake, rng), rng), fake, same=False)

    def _companion(self, fake: Recording, rng: np.random.Generator) -> Recording:
        """A person of the same corpus, where it has people; else of any, in the same language if somebody speaks it."""
        people = self.people.get(fake.corpus) or _drawn(self.people, rng)
        alike = [row for row in people if row.language == fake.language]
        return _one(alike or people, rng)

    def _coded(self, real: Recording, rng: np.random.Generator) -> Recording:
        choices = self.coded.get(real.path, [])
        return _one(choices, rng) if choices and rng.random() < CODED_SHARE else real

    def halves(self, item: int) -> tuple[np.ndarray, np.ndarray, Couple]:
        """The real and the fake after the chain, float32 (n,) each, at most `window` samples, and what they are."""
        rng = np.random.default_rng([self.seed, item])
        couple = self.couple(rng)
        lengths = [round(row.seconds * SAMPLE_RATE) for row in (couple.real, couple.fake)]
        wanted = self.window if rng.random() < WHOLE_WINDOW_SHARE else int(rng.integers(SHORTEST, self.window))
        length = min(wanted, *lengths)
        places = [int(rng.random() * (has - length + 1)) for has in lengths]
        if couple.same:
            places = [min(places)] * 2
        cuts = [
            waveform(self.cache, row, place, length)
            for row, place in zip((couple.real, couple.fake), places, strict=True)
        ]
        real, fake = (self.chain(cut, [self.seed, item, 1]) for cut in cuts)
        return real, fake, couple

    def __getitem__(self, item: int) -> torch.Tensor:
        return torch.stack([preprocess_voice(half, self.window) for half in self.halves(item)[:2]])


def maker_of(row: Recording) -> str:
    """The system of a fake; of a neural vocoder its family, in whatever state of its training."""
    return next((family for family in FAMILIES if row.system.startswith(f"{family}_")), row.system)


def _grouped(rows: Iterable[Recording], key: Callable[[Recording], str]) -> dict[str, list[Recording]]:
    groups: defaultdict[str, list[Recording]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return dict(sorted(groups.items()))


def _drawn(groups: Mapping[str, Group], rng: np.random.Generator) -> Group:
    return list(groups.values())[int(rng.integers(len(groups)))]


def _one(rows: Sequence[Recording], rng: np.random.Generator) -> Recording:
    return rows[int(rng.integers(len(rows)))]
