"""What VOICE-SPOOF-LITE-V2 learns from and is tried on: pools of windows, and whole systems and corpora left out in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drishtiksha.evaluation.metrics import auc, eer, share_at_least
from training.voice_spoof.cache import SEED as SPLIT_SEED
from training.voice_spoof.copies import MAKERS, Copy
from training.voice_spoof.corpora import ASTERISK, DEMOS, LIBRISPEECH, LIBRITTS
from training.voice_spoof.dataset import Mix
from training.voice_spoof.degrade import MESSENGER
from training.voice_spoof.index import Recording, drawn_by
from training.voice_spoof.split import second_split
from training.voice_spoof.views import View, Views

COPIED = 0.4
"""Of the real recordings: how many get a copy."""
COPIES = {"train": ("world", "griffinlim"), "val": ("world", "griffinlim"), "test": ("world", "lpc")}

COUPLES = {"train": 1800, "val": 480, "test": 320, "page": 200}
"""Of each pool. page: the whole E1 TTS page, whoever speaks, for the fold that learns from nothing of it."""
COPY_SHARE = 0.45
SEED = 20261129
RESAMPLES = 300


def copies_of(index: list[Recording]) -> Callable[[Recording], list[Copy]]:
    """One copy of a share of the real recordings, by a maker of their side."""
    side_of = {row.path: side for side, rows in second_split(index, SPLIT_SEED).items() for row in rows}

    def plan(origin: Recording) -> list[Copy]:
        draw, side = drawn_by(f"{origin.path} second"), side_of.get(origin.path)
        return [Copy(str(draw.choice(COPIES[side])))] if side and draw.random() < COPIED else []

    return plan


def pool(name: str, index: list[Recording], cache: Path, folder: Path) -> Views:
    """The windows of one pool, made where they are not there yet."""
    sides = second_split(index, SPLIT_SEED)
    page = [row for row in index if row.corpus == LIBRITTS and not row.origin]
    rows, share = (page, 0.0) if name == "page" else (sides[name], COPY_SHARE)
    views = Views(folder / name)
    if len(views.rows()) < 2 * COUPLES[name]:
        views.make(Mix(rows, cache, SEED, COUPLES[name], copy_share=share, more=MESSENGER), COUPLES[name])
    return views


@dataclass(frozen=True)
class Fold:
    """What a network of its own learns nothing from: whole real corpora with all that stands beside them, and systems."""

    corpora: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()

    def out(self, view: View) -> bool:
        return view.corpus in self.corpora or view.system in self.systems

    def judges(self, view: View) -> bool:
        """Whether it is measured here: people and whole synthesis that were left out, not copies of them."""
        return (view.fake and view.system in self.systems) or (
            view.corpus in self.corpora and not (view.fake and view.words != view.path)
        )

    def couples(self, rows: Sequence[View]) -> list[int]:
        """Couples to learn from."""
        return [n for n in range(len(rows) // 2) if not (self.out(rows[2 * n]) or self.out(rows[2 * n + 1]))]


FOLDS = {
    "page": Fold(corpora=(LIBRITTS,)),
    "demos": Fold(corpora=(DEMOS,)),
    "read": Fold(corpora=(ASTERISK,), systems=("festival-read", "festival")),
    "librispeech": Fold(corpora=(LIBRISPEECH,)),
    "readers": Fold(systems=("kokoro", "piper")),
}
"""Together with the test side they leave every kind of system out once."""


def judged(rows: Sequence[View], logits: np.ndarray) -> dict[str, dict[str, Any]]:
    """Of each system AUC and EER against all genuine windows, with intervals of 95 % over recordings."""
    fake = np.array([row.fake for row in rows])
    paths = np.array([row.path for row in rows])
    found = {}
    for system in sorted({row.system for row in rows if row.fake} - set(MAKERS) | {"lpc"}):
        mine = np.array([row.fake and row.system == system for row in rows])
        if not mine.any():
            continue
        chosen = mine | ~fake
        drawn = list(_resampled(paths[chosen], fake[chosen]))
        aucs, eers = (
            [measure(fake[chosen][picked], logits[chosen][picked]) for picked in drawn] for measure in (auc, eer)
        )
        found[system] = {
            "recordings": len(set(paths[mine])),
            "windows": int(mine.sum()),
            "auc": _interval(auc(fake[chosen], logits[chosen]), aucs),
            "eer": _interval(eer(fake[chosen], logits[chosen]), eers),
        }
    return found


def recalls(rows: Sequence[View], logits: np.ndarray, threshold: float) -> dict[str, float]:
    """Of each system the share of windows from `threshold` on."""
    systems = np.array([row.system if row.fake else "" for row in rows])
    names = sorted(set(systems) - {""})
    return {name: round(share_at_least(logits[systems == name], threshold) or 0.0, 3) for name in names}


def _resampled(paths: np.ndarray, fake: np.ndarray) -> Iterator[np.ndarray]:
    """Indices of windows, recordings drawn with replacement on each side."""
    places = {path: np.flatnonzero(paths == path) for path in sorted(set(paths))}
    sides = [sorted(set(paths[fake == side])) for side in (False, True)]
    rng = np.random.default_rng(SEED)
    for _ in range(RESAMPLES):
        names = [name for side in sides for name in rng.choice(side, len(side))]
        yield np.concatenate([places[name] for name in names])


def _interval(value: float | None, drawn: Sequence[float | None]) -> list[float | None]:
    known = [one for one in drawn if one is not None]
    low, high = np.percentile(known, (2.5, 97.5)) if known else (np.nan, np.nan)
    return [None if value is None else round(value, 3), round(float(low), 3), round(float(high), 3)]


def false_alarms(rows: Sequence[View], logits: np.ndarray, threshold: float) -> dict[str, tuple[float, int]]:
    """Of each real corpus the share of genuine windows from `threshold` on, and how many there are."""
    found = {}
    for corpus in sorted({row.corpus for row in rows if not row.fake}):
        mine = logits[[n for n, row in enumerate(rows) if not row.fake and row.corpus == corpus]]
        found[corpus] = (round(share_at_least(mine, threshold) or 0.0, 3), len(mine))
    return found


def left_out_table(folds: Mapping[str, Mapping[str, Any]]) -> str:
    """One line a system, in Markdown: what a network that learned nothing from it found."""
    lines = [
        "| system | fold | recordings | windows | AUC | EER | called FAKE |",
        "| --- | --- | --: | --: | --: | --: | --: |",
    ]
    for fold, found in folds.items():
        for system, one in found["systems"].items():
            area = "{:.2f} ({:.2f} to {:.2f})".format(*one["auc"])
            rate = "{:.0%} ({:.0%} to {:.0%})".format(*one["eer"])
            called = f"{found['recall'][system]:.0%}"
            lines.append(f"| {system} | {fold} | {one['recordings']} | {one['windows']} | {area} | {rate} | {called} |")
    return "\n".join(lines)


def alarms_table(folds: Mapping[str, Mapping[str, Any]]) -> str:
    """One line a fold and real corpus that it never heard."""
    lines = ["| fold | corpus | windows | called FAKE |", "| --- | --- | --: | --: |"]
    for fold, found in folds.items():
        for corpus, (share, count) in found["false_alarms"].items():
            lines.append(f"| {fold} | {corpus} | {count} | {share:.1%} |")
    return "\n".join(lines)


def generations_table(second: Mapping[str, Mapping[str, Any]], first: Mapping[str, Mapping[str, Any]]) -> str:
    """One line a system: AUC of both generations on the same windows."""
    lines = ["| system | recordings | windows | AUC, V2 | AUC, V1 |", "| --- | --: | --: | --: | --: |"]
    for system, one in second.items():
        cells = ["{:.2f} ({:.2f} to {:.2f})".format(*found["auc"]) for found in (one, first[system])]
        lines.append(f"| {system} | {one['recordings']} | {one['windows']} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def mean_of_left_out(folds: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """AUC and EER averaged over every system of every fold, each once: the first fold that left it out."""
    seen: dict[str, Mapping[str, Any]] = {}
    for found in folds.values():
        for system, one in found["systems"].items():
            seen.setdefault(system, one)
    return {
        "systems": len(seen),
        "auc": round(float(np.mean([one["auc"][0] for one in seen.values()])), 3),
        "eer": round(float(np.mean([one["eer"][0] for one in seen.values()])), 3),
    }
