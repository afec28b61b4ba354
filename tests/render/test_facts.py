from __future__ import annotations

from sample_results import SHA, media, result

from drishtiksha.render.facts import custody_facts, media_facts
from drishtiksha.results import MediaKind


def test_facts_of_a_clip() -> None:
    rows = dict(media_facts(media()))
    assert rows["Duration"] == "9.2 s"
    assert rows["Size on screen"] == "640 × 360 px"
    assert rows["Sound"] == "aac, 48 kHz, stereo"
    assert rows["File size"] == "2.4 MB"


def test_a_silent_clip_says_so() -> None:
    assert dict(media_facts(media(audio_codec=None)))["Sound"] == "none"


def test_rotation_and_varying_rate_are_told() -> None:
    rows = dict(media_facts(media(rotation_deg=90, variable_frame_rate=True)))
    assert "turned by 90°" in rows["Size on screen"]
    assert "varying" in rows["Frame rate"]


def test_both_sizes_are_told_where_pixels_are_not_square() -> None:
    rows = dict(media_facts(media(width=704, height=528, stored_size=(704, 288))))
    assert rows["Size on screen"] == "704 × 528 px"
    assert rows["Size as stored"].startswith("704 × 288 px")
    assert "Size as stored" not in dict(media_facts(media()))


def test_what_is_shown_of_a_picture_is_told() -> None:
    rows = dict(media_facts(media(width=112, height=60, stored_size=(160, 96), shown_box=(40, 30, 152, 90))))
    assert (
        rows["Size as stored"] == "160 × 96 px; of these 112 × 60 px are to be shown, from 40 px across and 30 px down"
    )


def test_interlaced_pictures_are_told() -> None:
    assert "deinterlaced" in dict(media_facts(media(interlaced=True)))["Interlaced"]
    assert "Interlaced" not in dict(media_facts(media()))


def test_a_picture_has_no_rows_about_sound() -> None:
    rows = dict(media_facts(media(kind=MediaKind.IMAGE, duration_s=None, fps=None, audio_codec=None)))
    assert "Sound" not in rows
    assert "Duration" not in rows


def test_custody_has_what_repeats_the_run() -> None:
    rows = dict(custody_facts(result(calibrated=False)))
    assert rows["SHA-256 of the original"] == SHA
    assert rows["Checkpoint SHA-256"] == "cd" * 32
    assert rows["Scores"] == "not calibrated"
    assert "torch 2.14.1" in rows["Versions"]
    assert "decode 1.00 s" in rows["Time taken"]
