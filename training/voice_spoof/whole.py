"""How well VOICE-SPOOF-LITE-V2 tells whole recordings of systems that it was not trained on, as they are, from genuine ones.

    python -m training.voice_spoof.whole --data ../shared/data

`second` judges windows of 4 s that its chain has degraded. This puts the network of each fold into the detector as it is in use and
has it judge the recordings themselves: those that the fold left out against its own people and those of the test side. Goes
on from what `second` left in `--runs`, and trains a fold again where it left none. Writes `whole` of the report's run.json.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from drishtiksha.analysis import analyze
from drishtiksha.detectors.base import Detector
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.settings import load_settings
from training.voice_spoof.cache import SEED as SPLIT_SEED
from training.voice_spoof.copies import MAKERS
from training.voice_spoof.corpora import LIBRITTS
from training.voice_spoof.dataset import maker_of
from training.voice_spoof.heads import HeadConfig, train
from training.voice_spoof.index import SAMPLE_RATE, Recording, drawn_by, read_index, waveform
from training.voice_spoof.pools import FOLDS, judged
from training.voice_spoof.second import MODEL_NAME, Place, asked, fresh, note, place_of
from training.voice_spoof.split import second_split
from training.voice_spoof.views import view_of

MOST_GENUINE, MOST_OF_A_SYSTEM = 150, 40
"""Recordings of each fold, drawn by their names."""

Row = dict[str, float | int | str]


def measured(place: Place, name: str, detector: Detector, config: HeadConfig) -> list[Row]:
    """AUC and EER of each system that a fold left out, by the network of that fold."""
    fold, views = FOLDS[name], place.views("train")
    rows = views.rows()
    network, couples = fresh(place, config), fold.couples(rows)
    weights = train(network, views, couples, place.runs / f"without_{name}", config)
    detector.network.load_state_dict(weights)
    genuine, systems = left_out(read_index(place.cache), name, {rows[2 * one + 1].system for one in couples})
    kept = [*genuine, *chain.from_iterable(systems.values())]
    scored = zip(map(view_of, kept), _scores(kept, place.cache, detector), strict=True)
    heard = [(view, score) for view, score in scored if score is not None]  # enough is said in it
    found = judged([view for view, _ in heard], np.array([score for _, score in heard]))
    return [
        {"fold": name, "system": system, "recordings": one["recordings"], "auc": one["auc"][0], "eer": one["eer"][0]}
        for system, one in found.items()
    ]


def left_out(
    index: Sequence[Recording], name: str, learned: set[str]
) -> tuple[list[Recording], dict[str, list[Recording]]]:
    """The people of a fold and of the test side, and the systems that are judged there. learned: what its network learned from."""
    sides = second_split([row for row in index if not row.codec], SPLIT_SEED)
    page = [row for row in index if row.corpus == LIBRITTS and not row.origin and not row.codec]
    measured_here = page if name == "page" else [row for row in sides["train"] if FOLDS[name].judges(view_of(row))]
    fakes = [row for row in measured_here if row.fake]
    if name == "page":
        fakes += [row for row in sides["test"] if row.fake and maker_of(row) not in learned]
    genuine = {row.path: row for row in [*measured_here, *sides["test"]] if not row.fake}
    names = sorted({maker_of(row) for row in fakes} - set(MAKERS) | {"lpc"} & {maker_of(row) for row in fakes})
    systems = {one: _some([row for row in fakes if maker_of(row) == one], MOST_OF_A_SYSTEM) for one in names}
    return _some(list(genuine.values()), MOST_GENUINE), systems


def _some(rows: Sequence[Recording], most: int) -> list[Recording]:
    return sorted(rows, key=lambda row: drawn_by(f"{row.path} whole").random())[:most]


def _scores(rows: Sequence[Recording], cache: Path, detector: Detector) -> Iterator[float | None]:
    limits = load_settings().limits
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.flac"
        for row in rows:
            soundfile.write(path, waveform(cache, row), SAMPLE_RATE)
            yield analyze(Evidence.open(path, limits), detector, explain=False).p_fake


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Means over systems, and a table for the card."""
    lines = ["| system | fold | recordings | AUC | EER |", "| --- | --- | --: | --: | --: |"]
    lines += [f"| {r['system']} | {r['fold']} | {r['recordings']} | {r['auc']:.2f} | {r['eer']:.0%} |" for r in rows]
    means = {what: round(float(np.mean([row[what] for row in rows])), 3) for what in ("auc", "eer")}
    return {"systems": len(rows), **means, "table": "\n".join(lines)}


def main() -> None:
    place = place_of(asked("training.voice_spoof.whole", __doc__).parse_args())
    torch.set_num_threads(1)
    detector = ModelManager(load_settings(device="cpu")).load_model(MODEL_NAME)
    rows: list[Row] = []
    for name in FOLDS:
        rows += measured(place, name, detector, HeadConfig())
        print(json.dumps(rows[-1]), flush=True)
    note(place, {"whole": summary(rows)})


if __name__ == "__main__":
    main()
