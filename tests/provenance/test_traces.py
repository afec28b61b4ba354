"""Traces of encoders, of compressing twice, and of a preview that shows something else."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from media_factory import coded_frames, noise, tone, write_audio, write_video
from PIL import Image, ImageEnhance

from drishtiksha.casefile import Provenance, ProvenanceFinding
from drishtiksha.provenance.encoders import STANDARD_LUMA, standard_quality
from drishtiksha.provenance.recompression import TWICE, measure
from drishtiksha.provenance.thumbnail import LIKE, likeness


def jpeg(picture: Image.Image, quality: int, **options: object) -> Image.Image:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=quality, **options)
    return Image.open(io.BytesIO(data.getvalue()))


def of_kind(found: Provenance, kind: str) -> list[ProvenanceFinding]:
    return [finding for finding in found.findings if finding.kind == kind]


@pytest.mark.parametrize("quality", [50, 75, 90, 100])
def test_once_compressed_is_not_called_twice(quality, scene):
    assert measure(jpeg(scene, quality)).gain < TWICE / 2
    assert measure(jpeg(scene.convert("L"), quality)).gain < TWICE / 2


@pytest.mark.parametrize(("first", "second"), [(50, 75), (60, 90), (75, 85), (85, 95)])
def test_twice_compressed_with_rising_quality_is_found_with_its_first_steps(first, second, scene):
    once = jpeg(scene, first)
    measured = measure(jpeg(once.convert("RGB"), second))
    assert measured.gain > TWICE
    row = once.quantization[0]
    # The steps at row and column of MODES, in the order of the table (row by row).
    truth = [row[8 * r + c] for r, c in ((0, 1), (1, 0), (1, 1))]
    assert [measured.first_steps[place] for place in (0, 1, 3)] == pytest.approx(truth, abs=1)


def test_same_quality_again_leaves_no_trace(scene):
    assert measure(jpeg(jpeg(scene, 80).convert("RGB"), 80)).gain < TWICE


def test_portraits_compressed_once_raise_no_alarm(shared):
    for path in sorted((shared / "data/portraits").glob("a*.jpg"))[:4]:
        with Image.open(path) as picture:
            small = picture.convert("RGB").resize((512, 512), Image.Resampling.LANCZOS)
        assert measure(jpeg(small, 90)).gain < TWICE
        assert measure(jpeg(jpeg(small, 70).convert("RGB"), 90)).gain > TWICE


def test_what_cannot_be_measured(scene):
    assert measure(jpeg(scene.resize((120, 100)), 80)) is None
    assert measure(jpeg(scene.convert("CMYK"), 80)) is None
    assert measure(scene) is None
    assert measure(jpeg(Image.new("RGB", (400, 400), "white"), 80)).gain == 0
    assert measure(jpeg(Image.new("RGB", (400, 400), "grey"), 80)).gain == 0


def test_twice_compressed_in_words(scene, tmp_path, look):
    jpeg(scene, 60).convert("RGB").save(tmp_path / "p.jpg", quality=90)
    (found,) = of_kind(look(tmp_path / "p.jpg"), "recompression")
    assert found.notable
    assert "at least twice" in found.title
    scene.save(tmp_path / "q.jpg", quality=90)
    (found,) = of_kind(look(tmp_path / "q.jpg"), "recompression")
    assert not found.notable


def test_standard_tables_tell_the_quality(scene, tmp_path, look):
    for quality in (1, 30, 50, 75, 92, 100):
        assert standard_quality(jpeg(scene.resize((64, 64)), quality).quantization[0]) == quality
    assert standard_quality([step + 1 for row in STANDARD_LUMA for step in row]) is None
    scene.save(tmp_path / "p.jpg", quality=77)
    assert "standard compression tables, quality 77" in of_kind(look(tmp_path / "p.jpg"), "encoder")[0].title
    scene.save(tmp_path / "q.jpg", qtables=[[3 + place // 2 for place in range(64)]] * 2)
    assert "the writing program's own" in of_kind(look(tmp_path / "q.jpg"), "encoder")[0].title


def test_encoders_sign_videos_and_recordings(tmp_path, look):
    found = look(write_video(tmp_path / "clip.mp4", coded_frames(12), audio=(tone(1), 16_000)))
    (written,) = of_kind(found, "encoder")
    assert "the encoder x264" in written.title
    assert "FFmpeg" in written.title
    assert not written.notable
    assert "says nothing about manipulation" in written.tells
    assert "options: cabac=1" in found.fields["Signature in the data"]
    soundfile.write(tmp_path / "song.mp3", noise(2), 16_000)
    song = look(tmp_path / "song.mp3")
    assert "LAME" in of_kind(song, "encoder")[0].title


def test_a_plain_recording_has_no_traces(tmp_path, look):
    assert of_kind(look(write_audio(tmp_path / "a.wav", tone(1), 16_000)), "encoder") == []


# --- previews --------------------------------------------------------------------------------------------------------


def with_preview(picture: Image.Image, preview: Image.Image, path: Path, orientation: int = 1) -> Path:
    """A JPEG whose EXIF holds `preview`, written byte by byte as cameras do (EXIF 2.32, 4.5.2)."""
    data = io.BytesIO()
    preview.save(data, "JPEG", quality=70)
    small = data.getvalue()

    def entry(tag: int, kind: int, value: int) -> bytes:
        count = (1).to_bytes(4, "big")
        held = value.to_bytes(2, "big") + b"\0\0" if kind == 3 else value.to_bytes(4, "big")
        return tag.to_bytes(2, "big") + kind.to_bytes(2, "big") + count + held

    first = b"\0\1" + entry(0x0112, 3, orientation)
    second_at = 8 + len(first) + 4
    second = b"\0\3" + entry(0x0103, 3, 6)
    data_at = second_at + len(second) + 2 * 12 + 4
    second += entry(0x0201, 4, data_at) + entry(0x0202, 4, len(small))
    tiff = b"MM\0*" + (8).to_bytes(4, "big") + first + second_at.to_bytes(4, "big") + second + bytes(4) + small
    picture.save(path, "JPEG", quality=90, exif=b"Exif\0\0" + tiff)
    return path


def preview_of(picture: Image.Image) -> Image.Image:
    return picture.resize((160, 128), Image.Resampling.BILINEAR)


@pytest.fixture(scope="module")
def other() -> Image.Image:
    random = np.random.default_rng(11)
    coarse = Image.fromarray(random.integers(20, 235, (16, 20, 3), dtype=np.uint8))
    return coarse.resize((640, 512), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_preview_of_the_same_picture(orientation, scene, tmp_path, look):
    brighter = ImageEnhance.Brightness(scene).enhance(1.3)
    path = with_preview(brighter, preview_of(scene), tmp_path / "p.jpg", orientation)
    (found,) = of_kind(look(path), "thumbnail")
    assert not found.notable


def test_a_preview_that_is_stored_upright(scene, tmp_path, look):
    upright = preview_of(scene).transpose(Image.Transpose.ROTATE_270)
    (found,) = of_kind(look(with_preview(scene, upright, tmp_path / "p.jpg", 6)), "thumbnail")
    assert not found.notable


def test_a_preview_of_another_picture(scene, other, tmp_path, look):
    (found,) = of_kind(look(with_preview(other, preview_of(scene), tmp_path / "p.jpg")), "thumbnail")
    assert found.notable
    assert "shows something else" in found.title


def test_a_picture_that_was_mirrored_or_cut_after_its_preview(scene, tmp_path, look):
    mirrored = scene.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    cut = scene.crop((0, 0, 320, 256))
    for number, picture in enumerate((mirrored, cut)):
        (found,) = of_kind(look(with_preview(picture, preview_of(scene), tmp_path / f"{number}.jpg")), "thumbnail")
        assert found.notable


def test_bars_around_a_preview_do_not_count(scene):
    grey = np.asarray(scene.convert("L"))
    small = np.asarray(preview_of(scene).convert("L"))
    assert likeness(grey, np.pad(small, ((16, 16), (0, 0)), constant_values=3)) > LIKE


def test_a_flat_preview_is_compared_without_a_fall(scene):
    assert likeness(np.asarray(scene.convert("L")), np.zeros((100, 100), np.uint8)) < LIKE


def test_a_broken_preview_is_a_finding(scene, tmp_path, look):
    path = with_preview(scene, preview_of(scene), tmp_path / "p.jpg")
    data = bytearray(path.read_bytes())
    at = data.index(b"\xff\xd8", 4)
    data[at : at + 300] = bytes(300)
    path.write_bytes(data)
    assert "Its preview block cannot be read" in [finding.title for finding in look(path).findings]
