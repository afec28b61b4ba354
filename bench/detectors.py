"""Writes docs/DETECTORS.md: every detector of the configuration, what it costs and what others measured on it.

`python -m bench.detectors` writes the page; `--golden ../shared/golden` reads sizes and seconds anew into
`configs/detectors.json` first.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from drishtiksha.detector_config import DetectorConfig
from drishtiksha.registry import ModelManager
from drishtiksha.settings import ROOT, load_settings

PAGE = ROOT / "docs" / "DETECTORS.md"
FACTS = ROOT / "configs" / "detectors.json"
TITLES = {
    "whole picture": "Whole pictures",
    "faces": "Faces",
    "motion over time": "Motion over time",
    "lips and voice": "Lips and voice",
    "voice": "Voices and sound",
    "local edits": "Local edits",
}
HEAD = """\
# Detectors

*This page is made by `python -m bench.detectors` from `configs/config.yaml` and `configs/detectors.json`; a test fails where it
is out of date.*

**No number on this page was measured here on published weights.** Figures under *Measured* are those of the authors or of the
others who are named, on data of their choice; where a detector was trained here, its card says how it was measured.
Seconds are those of one forward pass on one processor core, with made-up weights of the published size: they say what a look
costs, nothing of how good it is. Measure the recommended ones on your own files, in one command:

```bash
drishtiksha evaluate list.csv --models recommended
```

`list.csv` has the columns `file` and `label` (real or fake): see [EVALUATE.md](EVALUATE.md). Licences are those of the weights.

`drishtiksha weights pull NAME` fetches one, `drishtiksha weights pull --recommended` those that are marked so, after sizes and
licences were said: see [CLI.md](CLI.md#published-weights). On the page the tab *Models* does the same.
"""


def page(models: Iterable[DetectorConfig], facts: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole page: a table for each line of evidence, models in the order of the configuration."""
    by_line: dict[str, list[str]] = {}
    for config in models:
        if not config.retired:
            by_line.setdefault(str(config.counts_in), []).append(_row(config, facts.get(config.model_name, {})))
    parts = [HEAD]
    for line in sorted(by_line, key=lambda line: (*TITLES, line).index(line)):
        parts += [
            f"\n## {TITLES.get(line, line.capitalize())}\n",
            "| detector | kind of evidence | year | licence of the weights | download | seconds | measured |",
            "|---|---|---|---|---|---|---|",
            *by_line[line],
        ]
    return "\n".join(parts) + "\n"


def _row(config: DetectorConfig, facts: Mapping[str, Any]) -> str:
    mark = " (recommended)" if config.recommended else " (experimental)" if config.experimental else ""
    name = f"{config.model_name}{mark}"
    kind, words = str(config.weights.licence_class), config.weights.licence
    licence = words if words.startswith(kind) else f"{kind}: {words}"
    seconds = f"{facts['seconds']:.2g} a {facts['per']}" if "seconds" in facts else "not measured"
    measured = config.measured or ("see its card" if _embedded(config) else "nothing is published")
    cells = (name, config.evidence, _year(config.paper), licence, _size(config, facts), seconds, measured)
    return "| " + " | ".join(" ".join(str(cell).split()).replace("|", "\\|") for cell in cells) + " |"


def _year(paper: str) -> str:
    """Of the first year that stands by itself, or of the first arXiv number."""
    if found := re.search(r"(?<![\d.])(20[0-2]\d)(?![\d.])", paper):
        return found[1]
    arxiv = re.search(r"arXiv:(\d\d)\d\d\.", paper)
    return f"20{arxiv[1]}" if arxiv else "-"


def _size(config: DetectorConfig, facts: Mapping[str, Any]) -> str:
    """Of everything that is fetched, as far as its publisher or the number of parameters tells."""
    if _embedded(config):
        return "ships with the program"
    guess = 4 * facts["parameters"] if "parameters" in facts else None
    sizes = [
        config.weights.bytes or guess,
        *(other.weights.bytes for other in config.companions.values() if not other.optional),
    ]
    known = [size for size in sizes if size]
    if not known:
        return "not known"
    about = "at least " if len(known) < len(sizes) else "" if config.weights.bytes else "about "
    return f"{about}{_in_words(sum(known))}"


def _embedded(config: DetectorConfig) -> bool:
    source = config.weights
    return not any(
        (source.url, source.hf_repo, source.github_repo, source.drive_id, source.drive_folder, source.by_hand)
    )


def _in_words(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def facts_of(golden: Path) -> dict[str, dict[str, Any]]:
    """Parameters and seconds by config name, out of the golden files."""
    found = {}
    for path in sorted(golden.glob("*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        own = {"parameters": told["parameters"]} if told.get("parameters") else {}
        for key, seconds in told.items():
            if unit := re.fullmatch(r"seconds_per_(\w+)_1_thread", key):
                own |= {"seconds": seconds, "per": {"forward": "look", "clip": "song"}.get(unit[1], unit[1])}
        if own:
            found[path.stem] = own
    return found


def configured() -> list[DetectorConfig]:
    return list(ModelManager(load_settings()).get_active_model_configs().values())


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.detectors", description="Write docs/DETECTORS.md.")
    parser.add_argument("--golden", type=Path, help="folder of golden files: read sizes and seconds anew")
    golden = parser.parse_args().golden
    models = configured()
    if golden is not None:
        names = {config.model_name for config in models}
        facts = {name: own for name, own in facts_of(golden).items() if name in names}
        FACTS.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(models, json.loads(FACTS.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
