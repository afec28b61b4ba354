"""Pictures that decode without complaint though their data are damaged: found, told and never cleared; sound ones pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drishtiksha.analysis import analyze
from drishtiksha.media.evidence import Evidence
from drishtiksha.media.items import last_data
from drishtiksha.media.probe import OUT_OF_STEP, probe
from drishtiksha.registry import ModelManager
from drishtiksha.results import GapReason, MediaInfo, Prediction
from drishtiksha.settings import ROOT, MediaLimits, load_settings

PORTRAIT = ROOT / "assets" / "portrait.jpg"
SHARED = ROOT.parent / "shared"
SAVINGS = {
    "webp": [{"quality": 5, "method": 0}, {"quality": 95}],
    "avif": [{"quality": 10, "speed": 9}, {"quality": 80, "speed": 9}],
    "heic": [{"quality": 10}, {"quality": 90}],
    "jpg": [
        {"quality": 2},
        {"quality": 98, "subsampling": 0},
        {"progressive": True},
        {"restart_marker_rows": 2},
        {"restart_marker_blocks": 7},
        {"progressive": True, "restart_marker_rows": 1},
        {"optimize": True, "quality": 40},
    ],
    "bmp": [{}],
    "jp2": [{}, {"quality_layers": [40]}],
}


def facts(path: Path) -> MediaInfo:
    return probe(path, path.name, "0" * 64, MediaLimits())


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    import pillow_heif

    pillow_heif.register_heif_opener()
    portrait = Image.open(PORTRAIT).convert("RGB")
    collage = Image.new("RGB", (250, 203), (20, 20, 200))
    collage.paste(portrait.resize((250, 96)), (0, 48))
    return [portrait.resize((320, 320)), portrait.resize((161, 241)).convert("L"), collage]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SAVINGS)
def test_sound_files_have_no_fault(pictures, tmp_path: Path, suffix: str) -> None:
    for number, picture in enumerate(pictures):
        for options in SAVINGS[suffix]:
            path = tmp_path / f"{number}.{suffix}"
            picture.save(path, **options)
            media = facts(path)
            assert (media.damaged, media.decoded_share, media.notes) == (False, 1.0, ()), options


def test_sound_files_of_others_have_no_fault() -> None:
    portraits = sorted((SHARED / "data" / "portraits").glob("*.*"))
    if not portraits:
        pytest.skip("no ../shared/data/portraits")
    found = [facts(path) for path in portraits[::120]]
    assert not [one.name for one in found if one.damaged or one.notes]


def coded(content: bytes) -> tuple[int, int]:
    """Where the coded pixels begin and end."""
    if content[:2] == b"\xff\xd8":
        return content.index(b"\xff\xda") + 14, len(content) - 2
    found = last_data(content)
    assert found is not None
    return found.end - found.length, found.end


def zeros(content: bytes) -> bytes:
    start, end = coded(content)
    third = (end - start) // 3
    return content[: start + third] + bytes(third) + content[start + 2 * third :]


def flipped(content: bytes) -> bytes:
    start, end = coded(content)
    changed = bytearray(content)
    for place in range(start + (end - start) // 4, end - 100, (end - start) // 40):
        changed[place] ^= 0x3C
    return bytes(changed)


def hole(content: bytes) -> bytes:
    start, end = coded(content)
    third = (end - start) // 3
    return content[: start + third] + content[start + 2 * third :]


@pytest.mark.slow
@pytest.mark.parametrize("damage", [zeros, flipped])
@pytest.mark.parametrize(
    ("suffix", "options"),
    [("webp", {}), ("avif", {"speed": 9}), ("heic", {}), ("jpg", {}), ("jpg", {"restart_marker_rows": 4})],
)
def test_damaged_data_are_told(
    pictures, tmp_path: Path, suffix: str, options: dict, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"a.{suffix}"
    pictures[0].save(path, **options)
    path.write_bytes(damage(path.read_bytes()))
    media = facts(path)
    assert media.damaged
    assert media.notes


def test_data_missing_in_the_midst_of_a_jpeg_are_no_plain_cut(pictures, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    pictures[0].save(path)
    content = path.read_bytes()
    path.write_bytes(hole(content))
    assert facts(path).damaged
    path.write_bytes(content[: len(content) * 2 // 3])
    assert not facts(path).damaged


def test_a_shifted_mean_is_found_where_the_data_keep_step(pictures, tmp_path: Path) -> None:
    """One wrong difference of means: all that follow are of another colour, and the decoder ends where it should."""
    path = tmp_path / "a.jpg"
    y, cb, cr = (np.asarray(band).copy() for band in pictures[0].convert("YCbCr").split())
    for band, levels in ((cr, 40), (cb, -30)):
        shifted = np.clip(band.astype(int) + levels, 0, 255).astype(np.uint8)
        for top, begins in ((96, 144), (0, 64)):
            changed = band.copy()
            changed[top : top + 16, begins:] = shifted[top : top + 16, begins:]
            changed[top + 16 :] = shifted[top + 16 :]
            bands = [y, changed, cr] if band is cb else [y, cb, changed]
            Image.merge("YCbCr", [Image.fromarray(one) for one in bands]).save(path, quality=92)
            assert facts(path).notes == (OUT_OF_STEP,)


def test_quantisation_by_zero_is_a_fault(pictures, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    pictures[0].save(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"\xff\xdb") + 5 + 20] = 0
    path.write_bytes(content)
    assert facts(path).damaged


@pytest.mark.parametrize("extra", [500, -500])
def test_shifted_rows_of_a_bmp(pictures, tmp_path: Path, extra: int) -> None:
    path = tmp_path / "a.bmp"
    pictures[0].save(path)
    content = path.read_bytes()
    at = len(content) // 3
    path.write_bytes(content[:at] + bytes(max(extra, 0)) + content[at - min(extra, 0) :])
    assert facts(path).damaged


def test_noise_of_damaged_wavelets(pictures, tmp_path: Path) -> None:
    path = tmp_path / "a.jp2"
    pictures[0].save(path, quality_layers=[30])
    changed, rng = bytearray(path.read_bytes()), np.random.default_rng(4)
    for place in rng.integers(200, len(changed), len(changed) // 60):
        changed[place] ^= 0x55
    path.write_bytes(changed)
    assert facts(path).damaged


@pytest.mark.slow
def test_a_low_score_of_damaged_data_clears_nothing(tmp_path: Path) -> None:
    """The face lies in what is left, and scores as it did."""
    model = ModelManager(load_settings(device="cpu")).get_model("FACE-BLEND-LITE-V1")
    path, portrait = tmp_path / "a.webp", Image.open(PORTRAIT).convert("RGB")
    portrait.save(path, quality=90)
    plain = analyze(Evidence.open(path, MediaLimits()), model, explain=False)
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[:half] + bytes(len(content) - half))
    damaged = analyze(Evidence.open(path, MediaLimits()), model, explain=False)
    assert plain.gap is GapReason.ONE_SIDED, "nothing of what it looks for was found"
    assert plain.notes == ()
    assert damaged.p_fake is not None
    assert damaged.p_fake <= damaged.thresholds.real
    assert (damaged.prediction, damaged.gap) == (Prediction.INCONCLUSIVE, GapReason.DAMAGED)
    assert OUT_OF_STEP in damaged.notes
    assert "damaged" in damaged.reason


@pytest.mark.slow
def test_a_face_without_detail_is_not_cleared(tmp_path: Path) -> None:
    """Blocks of one colour each in place of the face, as of a JPEG whose coefficients are lost; all else is as it was."""
    model = ModelManager(load_settings(device="cpu")).get_model("FACE-BLEND-LITE-V1")
    path, portrait = tmp_path / "a.png", np.asarray(Image.open(PORTRAIT).convert("RGB")).copy()
    Image.fromarray(portrait).save(path)
    plain = analyze(Evidence.open(path, MediaLimits()), model, explain=False)
    left, top, right, bottom = (int(value) // 8 * 8 for value in plain.scores[0].faces[0].face_box)
    face = portrait[top:bottom, left:right]
    blocks = face.reshape(face.shape[0] // 8, 8, face.shape[1] // 8, 8, 3).mean(axis=(1, 3))
    portrait[top:bottom, left:right] = blocks.repeat(8, axis=0).repeat(8, axis=1)
    Image.fromarray(portrait).save(path)
    bare = analyze(Evidence.open(path, MediaLimits()), model, explain=False)
    assert bare.scores[0].faces
    assert bare.prediction is Prediction.INCONCLUSIVE
    assert "of the face shows any detail" in bare.reason
    assert "detail" not in plain.reason
