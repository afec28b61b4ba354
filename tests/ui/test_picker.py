from __future__ import annotations

from pathlib import Path

import pytest
from sample_results import media

from drishtiksha.contract import DetectorConfig
from drishtiksha.registry import ModelStatus
from drishtiksha.results import MediaKind
from drishtiksha.ui import picker


def status(name: str, state: str = "ready", remedy: str | None = None, **kinds: bool) -> ModelStatus:
    config = DetectorConfig(class_name="X", description=f"About {name}", model_path=Path("x"), model_name=name, **kinds)
    return ModelStatus(name, state, config, False, remedy, "MIT")  # type: ignore[arg-type]


FACES = status("FACES", isImage=True, isVideo=True)
VOICE = status("VOICE", isAudio=True)
LIPS = status("LIPS", "missing", "Run: drishtiksha weights pull LIPS", isMultiModal=True)


def test_groups_by_media_kind_in_words() -> None:
    html = picker.markup([FACES, VOICE, LIPS], "FACES")
    assert [html.index(f"<legend>{group}<") for group in ("Pictures and video", "Sound", "Video with sound")] == sorted(
        html.index(f"<legend>{group}<") for group in ("Pictures and video", "Sound", "Video with sound")
    )


def test_states_are_words() -> None:
    html = picker.markup([FACES, LIPS, status("ON", "loaded", isImage=True)], "FACES")
    for words in ("Loads on first use", "Weights missing", "Loaded", "drishtiksha weights pull LIPS"):
        assert words in html


def test_exactly_the_selected_model_is_checked() -> None:
    html = picker.markup([FACES, VOICE], "VOICE")
    assert html.count(" checked") == 1
    assert 'value="VOICE" checked' in html


def test_a_misfit_is_marked_with_its_reason_and_stays_selectable() -> None:
    html = picker.markup([FACES, VOICE], "FACES", media(kind=MediaKind.IMAGE))
    assert "Does not fit: Made for sound; this file is a picture file." in html
    assert "disabled" not in html


def test_a_silent_video_says_what_the_sound_model_lacks() -> None:
    assert "no sound track" in (picker.misfit(VOICE.config, media(audio_codec=None)) or "")
    assert picker.misfit(VOICE.config, media()) is None


@pytest.mark.parametrize(
    ("current", "kind", "expected"),
    [("FACES", MediaKind.VIDEO, "FACES"), ("FACES", MediaKind.AUDIO, "VOICE"), (None, MediaKind.VIDEO, "FACES")],
)
def test_a_fitting_usable_model_is_chosen(current: str | None, kind: MediaKind, expected: str) -> None:
    assert picker.choose([LIPS, FACES, VOICE], current, media(kind=kind)) == expected


def test_without_a_fitting_model_one_is_still_shown() -> None:
    assert picker.choose([FACES], "FACES", media(kind=MediaKind.AUDIO)) == "FACES"
    assert picker.choose([], None, None) is None


def test_remarks_warn_of_small_pictures() -> None:
    assert any("too small" in text for text in picker.remarks(FACES.config, media(width=160, height=120)))
    assert not any("too small" in text for text in picker.remarks(FACES.config, media()))


def test_names_are_escaped() -> None:
    assert "<script>" not in picker.markup([status("<script>", isImage=True)], None)
