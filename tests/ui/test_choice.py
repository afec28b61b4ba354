from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from detector_kit import BRIGHTNESS, LOUDNESS, dropped_in, entry, manager_of, plain_weights
from sample_results import media

from drishtiksha.registry import ModelStatus
from drishtiksha.results import MediaKind
from drishtiksha.services.plan import fitting
from drishtiksha.ui.shared import choice


@pytest.fixture
def statuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ModelStatus]:
    weights = plain_weights(tmp_path / "w.pt")
    models = {
        "FACES-1": entry(model_path=weights, evidence="face texture"),
        "FACES-2": entry(model_path=weights, evidence="face texture"),
        "TRIAL": entry(model_path=weights, evidence="whole picture", experimental=True),
        "SOUND": entry("LoudnessDetector", model_path=weights, evidence="sound spectrum"),
        "GONE": entry(model_path=tmp_path / "absent.pt", evidence="blinking"),
    }
    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS, loudness=LOUDNESS):
        return manager_of(models, tmp_path, monkeypatch).describe()


def test_they_stand_under_the_kind_of_trace_that_they_judge(statuses: list[ModelStatus]) -> None:
    markup = choice.checkboxes(statuses, ["FACES-1"], media())
    assert markup.index("Judges face texture") < markup.index("FACES-1") < markup.index("Judges sound spectrum")
    assert 'value="FACES-1" checked' in markup
    assert 'value="FACES-2" checked' not in markup
    assert markup.count('type="checkbox"') == 5
    assert 'type="radio"' in choice.checkboxes(statuses, [], media(), single=True)


def test_what_cannot_run_is_folded_away_with_its_reason_and_cannot_be_chosen(statuses: list[ModelStatus]) -> None:
    recording = media(kind=MediaKind.AUDIO, video_codec=None, width=None, height=None, fps=None)
    markup = choice.checkboxes(statuses, ["FACES-1", "SOUND"], recording)
    folded = markup[markup.index("<details class=") :]
    assert "4 more cannot examine this file now" in folded
    assert "Does not fit" in folded
    assert 'value="FACES-1" disabled' in folded
    assert 'value="SOUND" checked' in markup
    assert "absent.pt" in choice.checkboxes(statuses, [], media())


def test_one_of_each_kind_is_never_experimental_and_all_that_fit_is_all(statuses: list[ModelStatus]) -> None:
    assert choice.one_of_each(statuses, media()) == ["FACES-1", "SOUND"]
    assert sorted(fitting(statuses, media())) == ["FACES-1", "FACES-2", "SOUND", "TRIAL"]
    assert choice.one_of_each(statuses, media(audio_codec=None)) == ["FACES-1"]


def test_names_go_to_the_component_and_back() -> None:
    assert choice.picked(choice.value_of(["A", "B"])) == ["A", "B"]
    assert choice.picked("A\nA\n\nB") == ["A", "B"]
    assert choice.picked(None) == []


def test_a_name_is_text(statuses: list[ModelStatus]) -> None:
    config = statuses[0].config.model_copy(update={"description": "<script>alert(1)</script>"})
    assert "<script>" not in choice.checkboxes([replace(statuses[0], config=config)], [], media())
