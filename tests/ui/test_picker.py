from __future__ import annotations

from pathlib import Path

import pytest
from sample_results import media

from drishtiksha.contract import DetectorConfig
from drishtiksha.registry import ModelStatus
from drishtiksha.results import MediaKind
from drishtiksha.ui.shared import picker


def status(name: str, state: str = "ready", remedy: str | None = None, **kinds: bool) -> ModelStatus:
    config = DetectorConfig(class_name="X", description=f"About {name}", model_path=Path("x"), model_name=name, **kinds)
    return ModelStatus(name, state, config, False, remedy, "MIT")  # type: ignore[arg-type]


FACES = status("FACES", isImage=True, isVideo=True)
VOICE = status("VOICE", isAudio=True)
NEW = status("NEW", isImage=True, isVideo=True, experimental=True)
LIPS = status("LIPS", "missing", "Run: drishtiksha weights pull LIPS", isMultiModal=True)


def test_groups_by_media_kind_in_words() -> None:
    html = picker.markup([FACES, VOICE, LIPS], "FACES")
    assert [html.index(f"<legend>{group}<") for group in ("Pictures and video", "Sound", "Video with sound")] == sorted(
        html.index(f"<legend>{group}<") for group in ("Pictures and video", "Sound", "Video with sound")
    )


def test_models_that_fit_the_file_come_first() -> None:
    recording = media(name="call.wav", kind=MediaKind.AUDIO)
    html = picker.markup([FACES, VOICE], "VOICE", recording)
    assert html.index("VOICE<") < html.index("FACES<")
    without_a_file = picker.markup([FACES, VOICE], "VOICE")
    assert without_a_file.index("FACES<") < without_a_file.index("VOICE<")


def test_states_are_words() -> None:
    html = picker.markup([FACES, LIPS, status("ON", "loaded", isImage=True)], "FACES")
    for words in ("Loads on first use", "Weights missing", "Loaded", "drishtiksha weights pull LIPS"):
        assert words in html


def test_exactly_the_selected_model_is_checked() -> None:
    html = picker.markup([FACES, VOICE], "VOICE")
    assert html.count(" checked") == 1
    assert 'value="VOICE" checked' in html


def test_a_misfit_is_marked_with_its_reason_and_stays_selectable() -> None:
    html = picker.markup([FACES, VOICE], "FACES", media(name="a.jpg", kind=MediaKind.IMAGE))
    assert "Does not fit: a.jpg is a picture; VOICE takes sound." in html
    assert html.count("Does not fit") == 1
    assert "disabled" not in html


def test_a_silent_video_says_what_the_sound_model_lacks() -> None:
    assert "clip.mp4 has no sound track; VOICE needs one." in picker.markup([VOICE], None, media(audio_codec=None))
    assert "Does not fit" not in picker.markup([VOICE], None, media())


@pytest.mark.parametrize(
    ("current", "kind", "expected"),
    [
        ("FACES", MediaKind.VIDEO, "FACES"),
        ("FACES", MediaKind.AUDIO, "VOICE"),
        ("VOICE", MediaKind.IMAGE, "FACES"),
        ("VOICE", MediaKind.VIDEO, "FACES"),
        ("NEW", MediaKind.IMAGE, "NEW"),
        (None, MediaKind.VIDEO, "FACES"),
        (None, MediaKind.IMAGE, "FACES"),
        (None, None, "VOICE"),
    ],
)
def test_the_first_usable_model_made_for_the_file_is_chosen(
    current: str | None, kind: MediaKind | None, expected: str
) -> None:
    """One that hears a video's sound alone gives way to one that looks; an experimental one is a person's choice."""
    models = [LIPS, NEW, VOICE, FACES]
    assert picker.choose(models, current, media(kind=kind) if kind else None) == expected


def test_an_experimental_model_is_never_the_default_and_is_marked() -> None:
    assert picker.choose([NEW], None, None) is None
    assert picker.choose([NEW], None, media(kind=MediaKind.IMAGE)) is None
    assert picker.choose([NEW, VOICE], None, media(kind=MediaKind.IMAGE)) == "VOICE"
    listed = picker.markup([NEW, FACES], None)
    assert listed.index("FACES") < listed.index(">Experimental<"), "experimental ones stand last"
    assert listed.count("did not prove itself") == 1
    assert "checked" not in picker.markup([NEW], None)


def test_only_sound_in_a_video_falls_to_the_sound_model_when_there_is_no_other() -> None:
    assert picker.choose([VOICE, LIPS], None, media()) == "VOICE"


def test_without_a_fitting_model_one_is_still_shown() -> None:
    assert picker.choose([FACES], "FACES", media(kind=MediaKind.AUDIO)) == "FACES"
    assert picker.choose([], None, None) is None


def test_remarks_warn_of_small_pictures() -> None:
    assert any("too small" in text for text in picker.remarks([FACES], "FACES", media(width=160, height=120)))
    assert not any("too small" in text for text in picker.remarks([FACES], "FACES", media()))


def test_remarks_on_a_misfit_say_what_to_choose_instead() -> None:
    (reason,) = picker.remarks([VOICE], "VOICE", media(audio_codec=None))
    assert reason == "clip.mp4 has no sound track; VOICE needs one. Choose a model that looks at the picture."
    (reason,) = picker.remarks([FACES], "FACES", media(kind=MediaKind.AUDIO))
    assert (
        reason
        == "clip.mp4 is a sound recording; FACES takes pictures and videos. Choose a model made for a sound recording."
    )


def test_a_video_with_sound_points_to_the_model_that_listens() -> None:
    hint = "VOICE can listen to it"
    assert any(hint in text for text in picker.remarks([FACES, VOICE], "FACES", media()))
    for statuses, file in (
        ([FACES, VOICE], media(audio_codec=None)),
        ([FACES, VOICE], media(kind=MediaKind.IMAGE, audio_codec=None)),
        ([FACES], media()),
        ([FACES, status("VOICE", "missing", isAudio=True)], media()),
        ([FACES, status("VOICE", isAudio=True, experimental=True)], media()),
    ):
        assert not any(hint in text for text in picker.remarks(statuses, "FACES", file))
    assert any("sound alone" in text for text in picker.remarks([FACES, VOICE], "VOICE", media()))
    assert not any("sound alone" in text for text in picker.remarks([VOICE], "VOICE", media(kind=MediaKind.AUDIO)))
    assert picker.remarks([FACES], None, media()) == []


def test_names_are_escaped() -> None:
    assert "<script>" not in picker.markup([status("<script>", isImage=True)], None)


def test_what_cannot_be_used_is_folded_away_and_unfolds_when_it_is_chosen() -> None:
    html = picker.markup([LIPS, FACES], "FACES")
    before, folded = html.split('<details class="dk-others">')
    assert "FACES<" in before
    assert "LIPS<" not in before
    assert "<summary>1 more cannot be used now</summary>" in folded
    assert '<details class="dk-others" open>' in picker.markup([LIPS, FACES], "LIPS")
    assert "<details" not in picker.markup([FACES], "FACES")
    recording = media(name="call.wav", kind=MediaKind.AUDIO)
    assert "1 more cannot examine this file now" in picker.markup([FACES, VOICE], "VOICE", recording)
