"""The one command that makes VOICE-SPOOF-LITE-V1, or with --fold a network that never heard one real corpus."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from drishtiksha.networks.voice_spoof import VoiceSpoofNetwork
from training.voice_spoof.cache import SEED as SPLIT_SEED
from training.voice_spoof.cache import add_copies, add_recordings
from training.voice_spoof.calibrate import calibrate, false_alarms, save, write_json
from training.voice_spoof.corpora import ASTERISK, LIBRISPEECH, LIBRITTS, SOUNDS
from training.voice_spoof.cues import cues_of, judge_cues
from training.voice_spoof.dataset import Mix
from training.voice_spoof.heldout import MODEL_NAME, without_codecs, write_files
from training.voice_spoof.index import Recording, read_index
from training.voice_spoof.split import split
from training.voice_spoof.train import TrainConfig, train

FOLD_REALS = 60
"""Recordings of a corpus left out, in every delivery."""
FOLDS = (LIBRISPEECH, LIBRITTS, ASTERISK)
CUE_COUPLES = 600
VAL_REALS, VAL_FAKES = 32, 10
"""Recordings of each group, in every delivery, to calibrate with."""


@dataclass(frozen=True)
class Place:
    """Where a run reads and writes. runs: cache, vocoders and checkpoints; out: the models folder."""

    data: Path
    runs: Path
    out: Path

    @property
    def cache(self) -> Path:
        return self.runs / "cache"

    @property
    def reports(self) -> Path:
        return self.out / "reports" / MODEL_NAME


def prepare(place: Place) -> None:
    """Bring recordings, engines and copies into the cache; what is there is kept."""
    from training.voice_spoof import vocoders

    add_recordings(place.data, SOUNDS, place.cache)
    add_copies(place.cache)
    vocoders.main(["--data", str(place.data), "--runs", str(place.runs)])


def prove(rows: list[Recording], cache: Path, seed: int) -> dict[str, Any]:
    """What simple cues tell of the labels in the training mix. Both halves of a couple are left out together."""
    mix = Mix(rows, cache, seed, CUE_COUPLES)
    items = [mix.halves(item) for item in range(CUE_COUPLES)]
    cues = np.array([cues_of(half) for real, fake, _ in items for half in (real, fake)])
    people = np.array([couple.real.speaker for _, _, couple in items])
    return judge_cues(cues, np.tile([False, True], CUE_COUPLES), people.repeat(2))


def names_of(rows: list[Recording]) -> list[str]:
    """The recordings that are no copies: a copy is where its origin is."""
    return sorted(row.path for row in rows if not row.origin)


def make(place: Place, config: TrainConfig, train_on: bool) -> None:
    """Train, prove, calibrate and export what ships."""
    sides = split(read_index(place.cache), SPLIT_SEED)
    folder = place.runs / "main"
    weights = train(sides["train"], place.cache, folder, config) if train_on else last_weights(folder)
    path = place.out / f"{MODEL_NAME}.safetensors"
    sidecar = save(weights, path, VoiceSpoofNetwork())
    manifest = validation_files(place)
    facts: dict[str, Any] = facts_of(folder, config, sides)
    facts["validation"] = calibrate(path, sidecar, manifest)
    facts["cues"] = prove(sides["train"], place.cache, config.seed)
    note(place, facts)


def validation_files(place: Place) -> Path:
    """The manifest of the files of the validation side, which are written once."""
    rows = without_codecs(split(read_index(place.cache), SPLIT_SEED)["val"])
    return write_files(rows, place.cache, place.runs / "val", VAL_REALS, VAL_FAKES)


def leave_out(corpus: str, place: Place, config: TrainConfig) -> None:
    """Train without one real corpus and all that was made of it or stands beside it; how often its people are called fake
    goes to run.json. The thresholds come from the other corpora."""
    rows = read_index(place.cache)
    sides = {side: [row for row in kept if row.corpus != corpus] for side, kept in split(rows, SPLIT_SEED).items()}
    folder = place.runs / f"without_{corpus}"
    path = folder / f"{MODEL_NAME}.safetensors"
    sidecar = save(train(sides["train"], place.cache, folder, config), path, VoiceSpoofNetwork())
    calibrate(path, sidecar, validation_files(place), without=corpus)
    people = [row for row in rows if row.corpus == corpus and not row.fake and not row.origin]
    drawn = np.random.default_rng(config.seed).permutation(len(people))[:FOLD_REALS]
    heard = write_files([people[i] for i in drawn], place.cache, folder / "left_out", FOLD_REALS, 0)
    alarms = false_alarms(path, heard)
    steps = torch.load(folder / "last.pt", weights_only=True)["step"]
    note(
        place,
        {"folds": known(place).get("folds", {}) | {corpus: {"steps": steps, "minutes": config.minutes, **alarms}}},
    )


def known(place: Place) -> dict[str, Any]:
    """What run.json says so far."""
    path = place.reports / "run.json"
    return json.loads(path.read_text()) if path.exists() else {}


def note(place: Place, facts: dict[str, Any]) -> None:
    """Add to run.json; folds and the main run may come in any order."""
    write_json(place.reports / "run.json", known(place) | facts)


def facts_of(folder: Path, config: TrainConfig, sides: dict[str, list[Recording]]) -> dict[str, Any]:
    """Steps, minutes, seeds, counts and the split."""
    state = torch.load(folder / "last.pt", weights_only=True)
    return {
        "steps": state["step"],
        "minutes": round(state["spent_s"] / 60, 1),
        "couples": state["step"] * config.couples,
        "loss": round(state["losses"]["loss"], 3),
        "seed": config.seed,
        "split_seed": SPLIT_SEED,
        **{f"n_{side}": len(rows) for side, rows in sides.items()},
        "test_systems": sorted({row.system for row in sides["test"] if row.fake}),
        "split": {side: names_of(rows) for side, rows in sides.items()},
    }


def last_weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "last.pt", weights_only=True)["ema"]["network"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="training.voice_spoof", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds speech/")
    parser.add_argument("--runs", type=Path, default=Path("runs/voice_spoof"), help="cache, vocoders, checkpoints")
    parser.add_argument("--out", type=Path, default=Path("models"), help="where weights, sidecar and report go")
    parser.add_argument("--minutes", type=float, default=TrainConfig.minutes)
    parser.add_argument("--seed", type=int, default=TrainConfig.seed)
    parser.add_argument("--fold", choices=FOLDS, help="leave this real corpus out, and report its false alarms")
    parser.add_argument("--ready", action="store_true", help="the cache is complete: prepare nothing")
    parser.add_argument("--deliver-only", action="store_true", help="export the last checkpoint without training on")
    return parser.parse_args()


def main() -> None:
    given = _arguments()
    torch.set_num_threads(1)
    place, config = Place(given.data, given.runs, given.out), TrainConfig(given.minutes, given.seed)
    if not given.ready:
        prepare(place)
    if given.fold:
        leave_out(given.fold, place, config)
    else:
        make(place, config, train_on=not given.deliver_only)


if __name__ == "__main__":
    main()
