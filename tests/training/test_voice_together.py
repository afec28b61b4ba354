"""Whether two detectors are better together, on tables whose answer is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.voice_spoof.together import FIRST, SECOND, compare

GENUINE = {"a": ("real", "people/clean"), "b": ("real", "people/clean")}
FAKE = {"x": ("fake", "one/clean"), "y": ("fake", "other/clean"), "z": ("fake", "other/worn")}


def table(path: Path, scores: dict[str, str]) -> Path:
    rows = [",".join([file, *(GENUINE | FAKE)[file], p]) for file, p in scores.items()]
    path.write_text("\n".join(["\ufefffile,label,group,p_fake", *rows]))
    return path


def test_each_system_weighs_alike_and_only_shared_files_count(tmp_path: Path) -> None:
    first = table(tmp_path / "1.csv", {"a": "0.4", "b": "0.6", "x": "0.5", "y": "0.9", "z": "0.9"})
    second = table(tmp_path / "2.csv", {"b": "0.2", "a": "0.3", "x": "0.9", "y": "0.25", "z": ""})
    told = compare(first, second)
    assert (told["files"], told["genuine"], told["systems"]) == (4, 2, 2)
    assert told["first"] == 0.75, "(1/2 + 1) / 2"
    assert told["second"] == 0.75, "(1 + 1/2) / 2"
    assert told["mean"] == 1.0
    assert told["larger"] == 1.0


def test_tables_that_share_nothing_are_told(tmp_path: Path) -> None:
    first, second = table(tmp_path / "1.csv", {"a": "0.4"}), table(tmp_path / "2.csv", {"a": "0.2", "x": "0.9"})
    with pytest.raises(ValueError, match="no genuine file or no fake"):
        compare(first, second)


def test_the_card_tells_what_the_reports_hold() -> None:
    told, card = compare(FIRST, SECOND), SECOND.parents[2].joinpath("VOICE-SPOOF-LITE-V2.md").read_text()
    assert f"mean AUC {told['second']} by itself, {told['first']} by V1 alone, {told['mean']} by the mean" in card
