"""What a glance at a file tells, before any analysis."""

from __future__ import annotations

from pathlib import Path

from drishtiksha.media.evidence import Evidence
from drishtiksha.settings import ROOT, load_settings
from drishtiksha.ui.shared import quicklook

ASSETS = ROOT / "assets"


def told(path: Path, **settings: object) -> list[str]:
    chosen = load_settings(**settings)
    return quicklook.remarks(Evidence.open(path, chosen.limits), chosen)


def test_a_face_is_counted_and_measured() -> None:
    (sentence,) = told(ASSETS / "portrait.jpg")
    assert sentence.startswith("Quick look: 1 face in the picture, the largest ")


def test_no_face_is_said() -> None:
    assert told(ASSETS / "no_face.mp4")[0] == "Quick look: no face found in 4 frames."


def test_the_finder_is_there_wherever_other_checkpoints_lie(tmp_path: Path) -> None:
    assert "1 face" in told(ASSETS / "portrait.jpg", models_dir=tmp_path)[0]


def test_of_a_clip_without_sound_nothing_is_said_about_sound() -> None:
    assert len(told(ASSETS / "clip_silent.mp4")) == 1
