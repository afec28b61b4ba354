"""What a run would take, told before it starts."""

from __future__ import annotations

import pytest
from detector_kit import BRIGHTNESS, LOUDNESS, dropped_in, entry, manager_of, plain_weights
from sample_results import media

from drishtiksha.casefile import EvidenceKind
from drishtiksha.errors import ModelRegistryError
from drishtiksha.services.plan import fitting, plan

CLIP, SILENT = media(), media(audio_codec=None)


@pytest.fixture
def manager(tmp_path, monkeypatch):
    weights = str(plain_weights(tmp_path / "w.pt"))
    models = {
        "EYES": entry(model_path=weights, evidence="blinking"),
        "OLD": entry(model_path=weights, retired=True),
        "ABSENT": entry(model_path=str(tmp_path / "absent.pt")),
        "EARS": entry("LoudnessDetector", model_path=weights, evidence="sound spectrum"),
    }
    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS, loudness=LOUDNESS):
        yield manager_of(models, tmp_path, monkeypatch)


def test_it_says_what_runs_how_long_and_what_is_loaded(manager, tmp_path):
    manager.load_model("EYES")
    found = plan(CLIP, ["EYES", "EARS", "ABSENT", "EYES"], manager, {"EYES": (4.0, 8.0)})
    assert [(m.model_name, m.evidence, m.state) for m in found.models] == [
        ("EYES", EvidenceKind.BLINKING, "loaded"),
        ("EARS", EvidenceKind.SPECTRUM, "ready"),
        ("ABSENT", EvidenceKind.PICTURE, "missing"),
    ]
    assert found.to_load == ("EARS",)
    assert (found.guessed, found.unknown) == (("EARS",), ())
    assert found.models[0].seconds == (4.0, 8.0)
    guessed = found.models[1].seconds
    assert guessed is not None
    assert found.seconds == (4.0 + guessed[0], 8.0 + guessed[1])
    loaded = manager.loaded("EYES")
    assert loaded is not None
    assert found.memory_bytes == loaded.memory_bytes + (tmp_path / "w.pt").stat().st_size
    assert "absent.pt" in (found.models[2].obstacle or "")
    assert manager.get_loaded_model_names() == ["EYES"], "a plan loads nothing"


def test_a_model_that_does_not_fit_says_why_and_takes_nothing(manager):
    found = plan(SILENT, ["EYES", "EARS"], manager, {"EARS": (9.0, 9.0)})
    assert [m.model_name for m in found.runnable] == ["EYES"]
    assert "no sound track" in (found.models[1].obstacle or "")
    assert found.seconds == found.models[0].seconds


def test_all_that_fit_leaves_out_retired_missing_and_unfit_ones(manager):
    assert fitting(manager.describe(), CLIP) == ["EARS", "EYES"]
    assert fitting(manager.describe(), SILENT) == ["EYES"]


def test_a_misspelt_name_is_told(manager):
    with pytest.raises(ModelRegistryError, match="EYE"):
        plan(CLIP, ["EYE"], manager, {})
