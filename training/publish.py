"""Measures the committed weights on media kept out of their training, and writes what was found beside them.

    python -m training.publish --data ../shared/data [NAME ...]

For each model: writes the held-out files (into `runs/<package>/heldout/`, or takes those of the same split that are there),
runs `drishtiksha evaluate` on them, and writes `models/reports/<NAME>/` (report.json, report.md, scores.csv, plots), the fields
`measured` and `reference` of the sidecar, and the model card. Names that a card's template may use: `training/card.py`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from drishtiksha.contract import Reference
from drishtiksha.errors import DrishtikshaError, ManifestError, WeightsMissingError
from drishtiksha.evaluation.command import PAGE, REPORT, SCORES, evaluate
from drishtiksha.evaluation.manifest import read_manifest
from drishtiksha.evaluation.plots import PICTURES
from drishtiksha.evaluation.report import EvaluationReport
from drishtiksha.evaluation.scores import Score, write_scores
from drishtiksha.evaluation.summary import Measure, Summary
from drishtiksha.registry import ModelManager
from drishtiksha.results import MediaKind, Prediction
from drishtiksha.settings import ROOT, load_settings
from drishtiksha.weights import Sidecar, read_sidecar, sidecar_path
from drishtiksha.weights.files import UnknownKinds
from training.card import card_fields, fill_card

WriteHeldout = Callable[[Path, Path], Path]

CARD_TEMPLATE = "card_template.md"
MADE_FROM = "made_from.json"
KEPT_COLUMNS = ("file", "label", "group", "source", "kind", "p_fake", "coverage", "reason")
KEPT_DECIMALS = 4
"""Of scores.csv in models/reports: what the numbers are drawn from, small enough for the repository."""
MEASURED = ("auc", "eer", "ap", "ece", "ece_balanced", "brier", "false_alarms", "recall", "fake_called_real")
MAX_REFERENCE = 1000
KINDS = {MediaKind.IMAGE: "pictures", MediaKind.VIDEO: "clips made from photographs", MediaKind.AUDIO: "recordings"}
"""What held-out files are called. No moving faces are at hand: the training packages make their clips from portraits."""


@dataclass(frozen=True)
class Embedded:
    """Where a model's training code is, and what the sources of its held-out media are."""

    package: Path
    sources: str
    write_heldout: WriteHeldout
    unknown: Mapping[str, str] = field(default_factory=dict)
    """Kinds of fake that neither training nor a choice saw, by the beginning of their groups, in words."""
    template: str = CARD_TEMPLATE
    runs: str = ""
    """Folder of what is derived, below `Place.runs`; empty: the package's name."""


@dataclass(frozen=True)
class Place:
    """Folders: training data, models (weights, sidecars, cards, reports), and what is derived."""

    data: Path
    models: Path
    runs: Path

    def run_file(self, name: str) -> Path:
        return self.models / "reports" / name / "run.json"


SOURCES = {
    "FACE-BLEND-LITE-V1": ("face_blend", "people"),
    "VOICE-SPOOF-LITE-V1": ("voice_spoof", "speakers"),
    "VOICE-SPOOF-LITE-V2": ("voice_spoof", "speakers"),
}
SECOND = {"VOICE-SPOOF-LITE-V2": ("heldout_second", "card_template_second.md", "voice_second")}
"""Models that share a training package: the module of their held-out files, their template and their folder below runs."""


def embedded(name: str) -> Embedded:
    """The training package of a model; imported here, since each needs the libraries of its own training."""
    package, sources = SOURCES[name]
    heldout, template, runs = SECOND.get(name, ("heldout", CARD_TEMPLATE, package))
    module = importlib.import_module(f"training.{package}.{heldout}")
    unknown = getattr(module, "UNKNOWN_KINDS", {})
    return Embedded(Path(__file__).parent / package, sources, module.write_heldout, unknown, template, runs)


def publish(name: str, model: Embedded, place: Place, manager: ModelManager) -> EvaluationReport:
    """Measure one model and write its report, sidecar fields and card.

    Raises: WeightsMissingError without weights, sidecar or run.json; ManifestError; ConfigError for a bad template.
    """
    weights, run_file = place.models / f"{name}.safetensors", place.run_file(name)
    for needed in (weights, sidecar_path(weights), run_file):
        if not needed.is_file():
            raise WeightsMissingError(f"{needed} is not there. Train {name} first: make train DATA=... MODEL={name}")
    run = json.loads(run_file.read_text(encoding="utf-8"))
    kept = place.runs / (model.runs or model.package.name)
    manifest = heldout_files(
        model.write_heldout, place.data, kept / "heldout", heldout_key(model.package, run["split"])
    )
    done = evaluate(manifest, [name], manager, _note, out=kept / "evaluation")
    folder = run_file.parent
    for made in (REPORT, PAGE, *PICTURES):
        if (kept / "evaluation" / made).is_file():
            shutil.copyfile(kept / "evaluation" / made, folder / made)
    write_scores(folder / SCORES, map(_shortened, done.scores), KEPT_COLUMNS)
    measured = done.report.models[name]
    sidecar = update_sidecar(
        weights,
        measured={"manifest_sha256": done.report.manifest_sha256, **compact(measured.rows())},
        reference=references(done.scores, model.sources),
        unknown=unknown_kinds(done.scores, model.unknown),
    )
    told = run | {"unknown": unknown_means(measured.groups, model.unknown)}
    card = fill_card(model.package / model.template, card_fields(name, weights, sidecar, measured, told))
    (place.models / f"{name}.md").write_text(card, encoding="utf-8")
    return done.report


def heldout_key(package: Path, split: dict[str, list[str]]) -> str:
    """Hex digits that change with who is kept out, and with the module that writes the files."""
    digest = hashlib.sha256(json.dumps(split, sort_keys=True).encode())
    for path in sorted(package.glob("heldout*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def heldout_files(write_files: WriteHeldout, data: Path, folder: Path, key: str) -> Path:
    """The manifest of the held-out files in `folder`, which are made anew unless all of them are there for this key."""
    stamp = folder / MADE_FROM
    if stamp.is_file():
        made = json.loads(stamp.read_text(encoding="utf-8"))
        manifest = folder / made["manifest"]
        if made["key"] == key and _complete(manifest):
            return manifest
    manifest = write_files(data, folder)
    read_manifest(manifest)
    facts = {"key": key, "manifest": str(manifest.relative_to(folder))}
    stamp.write_text(json.dumps(facts) + "\n", encoding="utf-8")
    return manifest


def _complete(manifest: Path) -> bool:
    try:
        read_manifest(manifest)
    except ManifestError:
        return False
    return True


def _shortened(score: Score) -> Score:
    return score if score.p_fake is None else replace(score, p_fake=round(score.p_fake, KEPT_DECIMALS), reason="")


def compact(rows: dict[str, Summary]) -> dict[str, dict[str, Any]]:
    """For the sidecar: counts, and each measure as [value, low, high] with four decimals."""

    def triple(measure: Measure) -> list[float | None]:
        return [None if v is None else round(v, 4) for v in (measure.value, measure.low, measure.high)]

    return {
        name: {
            "n_real": row.n_real,
            "n_fake": row.n_fake,
            "not_scored": sum(row.gaps.values()),
            **{key: triple(value) for key in MEASURED if (value := getattr(row, key)) is not None},
        }
        for name, row in rows.items()
    }


def references(scores: Sequence[Score], sources: str) -> dict[MediaKind, Reference]:
    """Scores of held-out media by kind: of each source and group the first file that was scored."""
    once = {(row.kind, row.fake, row.source, row.group): row for row in reversed(scores) if row.scored}
    found: dict[MediaKind, Reference] = {}
    for kind, word in KINDS.items():
        real, fake = ([r for r in once.values() if r.kind == kind and r.fake is side] for side in (False, True))
        if real:
            found[kind] = Reference(
                data=_described(real, word, sources),
                fake_data=_described(fake, f"faked {word}", sources) if fake else "",
                p_fake=_thinned(real),
                fake_p_fake=_thinned(fake),
                sources=len({row.source for row in real}),
                fake_sources=len({row.source for row in fake}) or None,
            )
    return found


def _described(rows: Sequence[Score], word: str, sources: str) -> str:
    return f"{word} of {len({row.source for row in rows})} {sources} kept out of training"


def unknown_kinds(scores: Sequence[Score], kinds: Mapping[str, str]) -> UnknownKinds | None:
    """How many fakes of kinds that were never trained on are not called FAKE; None where none was scored."""
    mine = [row for row in scores if row.fake and row.scored and row.group.split("/")[0] in kinds]
    if not mine:
        return None
    missed = sum(row.prediction != Prediction.FAKE for row in mine) / len(mine)
    return UnknownKinds(missed=round(missed, 4), n=len(mine), data="; ".join(kinds.values()))


def unknown_means(groups: Mapping[str, Summary], kinds: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Mean AUC of kinds that were never trained on, and how many there are, for each delivery: groups are kind/delivery."""
    areas: dict[str, list[float]] = {}
    for group, row in groups.items():
        kind, _, delivery = group.partition("/")
        if kind in kinds and row.auc is not None:
            areas.setdefault(delivery or "all", []).append(row.auc.value)
    return {delivery: {"auc": round(float(np.mean(found)), 3), "n": len(found)} for delivery, found in areas.items()}


def _thinned(rows: Sequence[Score]) -> tuple[float, ...]:
    """At most `MAX_REFERENCE` scores, ascending, evenly taken, three decimals."""
    values = np.sort([row.p_fake for row in rows if row.p_fake is not None])
    if len(values) > MAX_REFERENCE:
        values = values[np.linspace(0, len(values) - 1, MAX_REFERENCE).round().astype(int)]
    return tuple(round(float(value), 3) for value in values)


def update_sidecar(
    weights: Path,
    *,
    measured: dict[str, Any],
    reference: dict[MediaKind, Reference],
    unknown: UnknownKinds | None = None,
) -> Sidecar:
    """Replace these fields in the sidecar of `weights`, `unknown_kinds` where it was measured, and leave the others.

    Raises: WeightsMissingError without a sidecar.
    """
    old = read_sidecar(weights)
    if old is None:
        raise WeightsMissingError(f"{sidecar_path(weights)} is not there. Train the model first.")
    fields = {"measured": measured, "reference": reference} | ({"unknown_kinds": unknown} if unknown else {})
    new = Sidecar.model_validate(old.model_dump() | fields)
    text = json.dumps(new.model_dump(mode="json", exclude_defaults=True), indent=1, ensure_ascii=False)
    one_line = re.sub(r"\[[^\[\]{}]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)
    sidecar_path(weights).write_text(one_line + "\n", encoding="utf-8")
    return new


def _note(done: int, total: int, message: str) -> None:
    print(f"\r{done}/{total} {message[-70:]:70}", end="\n" if done == total else "", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="training.publish", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"default: all whose weights are there, of {[*SOURCES]}"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds portraits/, clips/ and speech/")
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="weights in, reports out")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="held-out files and whole scores")
    given = parser.parse_args()
    if unknown := set(given.names) - set(SOURCES):
        parser.error(f"no training is known of {', '.join(sorted(unknown))}; choose from {', '.join(SOURCES)}")
    place = Place(given.data, given.models, given.runs)
    manager = ModelManager(load_settings(models_dir=given.models.resolve(), device="cpu"))
    for name in given.names or [n for n in SOURCES if place.run_file(n).is_file()]:
        try:
            report = publish(name, embedded(name), place, manager)
        except (DrishtikshaError, FileNotFoundError) as error:
            sys.exit(f"{name}: {error}")
        print(f"{name}: {report.files} files, reports in {place.run_file(name).parent}")


if __name__ == "__main__":
    main()
