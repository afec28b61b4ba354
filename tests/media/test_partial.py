"""Pictures that are cut off: the part that is there is judged, and how much that is is told."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from media_factory import cut_short
from PIL import Image

from drishtiksha.analysis import analyze
from drishtiksha.errors import UnreadableMediaError
from drishtiksha.features.detail import detail_share
from drishtiksha.media.cutoff import _band, missing_bytes
from drishtiksha.media.evidence import Evidence
from drishtiksha.media.image import read_image
from drishtiksha.media.probe import CUT_OFF, NO_END, probe
from drishtiksha.provenance import examine
from drishtiksha.registry import ModelManager
from drishtiksha.results import GapReason, MediaInfo, Prediction
from drishtiksha.settings import ROOT, MediaLimits, load_settings

PORTRAIT = ROOT / "assets" / "portrait.jpg"
FORMS = {
    "a.jpg": {},
    "grey.jpg": {},
    "turned.jpg": {},
    "restarts.jpg": {"restart_marker_rows": 4},
    "a.png": {},
    "palette.png": {},
    "clear.png": {},
    "a.gif": {"interlace": 0},
    "a.bmp": {},
    "a.tif": {},
}


def facts(path: Path) -> MediaInfo:
    return probe(path, path.name, "0" * 64, MediaLimits())


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    return Image.open(PORTRAIT).convert("RGB").resize((320, 320))


def saved(portrait: Image.Image, path: Path) -> Path:
    picture, options = portrait, dict(FORMS.get(path.name, {}))
    if path.name.startswith("grey"):
        picture = portrait.convert("L")
    if path.name.startswith("palette"):
        picture = portrait.quantize(200)
    if path.name.startswith("clear"):
        picture = portrait.convert("RGBA")
    if path.name.startswith("turned"):
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = 3
    picture.save(path, **options)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.25, 0.6, 0.95])
@pytest.mark.parametrize("file", FORMS)
def test_a_cut_picture_is_read_as_far_as_it_goes(portrait, tmp_path: Path, file: str, share: float) -> None:
    whole = saved(portrait, tmp_path / file)
    cut = cut_short(whole, tmp_path / f"cut-{file}", share)
    media = facts(cut)
    assert media.decoded_share == pytest.approx(share, abs=0.12)
    assert media.notes == (CUT_OFF.format(media.decoded_share),)
    full, part = (read_image(path, limits=MediaLimits()).astype(int) for path in (whole, cut))
    if file in ("turned.jpg", "a.bmp"):  # stored from the bottom up
        full, part = full[::-1], part[::-1]
    rows = int(media.decoded_share * 320) // 16 * 16 - 16
    assert np.abs(full[:rows] - part[:rows]).max(initial=0) < 8
    assert np.unique(part[-8:]).tolist() == [128], "what is not there is of one grey"


@pytest.mark.parametrize("file", ["a.jpg", "slow.jpg", "a.png", "a.gif"])
def test_a_picture_that_lacks_only_its_end_is_whole(portrait, tmp_path: Path, file: str) -> None:
    whole = tmp_path / file
    portrait.save(whole, **({"progressive": True} if file == "slow.jpg" else {}))
    cut = tmp_path / f"cut-{file}"
    cut.write_bytes(whole.read_bytes()[:-2])
    media = facts(cut)
    # Pillow itself passes over the missing end of the other formats.
    assert (media.decoded_share, media.notes) == (1.0, (NO_END,) if file.endswith("jpg") else ())
    assert np.array_equal(read_image(whole, limits=MediaLimits()), read_image(cut, limits=MediaLimits()))
    assert facts(whole).notes == ()


def test_of_a_progressive_picture_the_detail_that_is_there_counts(portrait, tmp_path: Path) -> None:
    portrait.save(tmp_path / "whole.jpg", progressive=True)
    shares = [
        facts(cut_short(tmp_path / "whole.jpg", tmp_path / "cut.jpg", share)).decoded_share
        for share in (0.3, 0.5, 0.7, 0.9)
    ]
    assert shares == sorted(shares)
    assert shares[0] < 0.2 < shares[1] < shares[3] < 1


PIECES = {"a.webp": {"quality": 80}, "exact.webp": {"lossless": True}, "a.heic": {}, "a.avif": {}}


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.2, 0.6, 0.9])
@pytest.mark.parametrize("file", PIECES)
def test_formats_whose_readers_take_a_whole_file_are_read_as_far_as_they_go(
    portrait, tmp_path: Path, file: str, share: float
) -> None:
    pillow_heif.register_heif_opener()
    portrait.save(tmp_path / file, **PIECES[file])
    cut = cut_short(tmp_path / file, tmp_path / f"cut-{file}", share)
    media = facts(cut)
    # A lossy WebP holds how its blocks are predicted before the first of them.
    assert media.decoded_share == pytest.approx(share, abs=0.15)
    assert media.notes == (CUT_OFF.format(media.decoded_share),)
    full, part = (read_image(path, limits=MediaLimits()).astype(int) for path in (tmp_path / file, cut))
    rows = round(media.decoded_share * len(full))
    assert np.array_equal(full[:rows], part[:rows]), "what is there is as in the whole file, to the last bit"
    assert np.unique(part[-8:]).tolist() == [128]


def test_of_a_turned_picture_columns_are_there_and_chance_does_not_count() -> None:
    same = np.zeros((6, 8), bool)
    same[:, 5:] = True  # a quarter turn: stored rows are columns from the right
    same[0] = True  # alike by chance
    assert np.array_equal(np.argwhere(_band(same).all(axis=0)).ravel(), [5, 6, 7])
    assert _band(same).sum() == 18
    assert not _band(np.zeros((4, 4), bool)).any()


@pytest.mark.parametrize(("suffix", "reason"), [("jp2", "no part stands by itself"), ("webp", "before the first row")])
def test_what_cannot_be_read_in_part_is_refused_with_the_reason(
    portrait, tmp_path: Path, suffix: str, reason: str
) -> None:
    portrait.save(tmp_path / f"whole.{suffix}")
    cut = cut_short(tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}", 0.6 if suffix == "jp2" else 0.004)
    with pytest.raises(UnreadableMediaError, match=f"{reason}.*Ask for the whole file"):
        facts(cut)


def test_a_header_that_claims_gigabytes_costs_nothing(portrait, tmp_path: Path) -> None:
    portrait.save(tmp_path / "a.webp")
    content = bytearray((tmp_path / "a.webp").read_bytes())
    content[4:8] = (4_000_000_000).to_bytes(4, "little")
    (tmp_path / "a.webp").write_bytes(content[: len(content) // 2])
    assert missing_bytes(tmp_path / "a.webp") == 0
    with pytest.raises(UnreadableMediaError):
        facts(tmp_path / "a.webp")


@pytest.mark.parametrize("share", [0.01, 0.001])
def test_a_picture_cut_off_before_its_pixels_is_refused_but_what_it_says_of_itself_is_read(
    portrait, tmp_path: Path, share: float
) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0131] = "Maker", "Software 1"
    portrait.save(tmp_path / "whole.jpg", exif=exif)
    content = (tmp_path / "whole.jpg").read_bytes()
    at = content.index(b"\xff\xda") + 14 if share > 0.005 else 200
    (tmp_path / "cut.jpg").write_bytes(content[:at])
    with pytest.raises(UnreadableMediaError, match="cut"):
        Evidence.open(tmp_path / "cut.jpg", MediaLimits())
    evidence = Evidence.open(tmp_path / "cut.jpg", MediaLimits(), decodable=False)
    found = examine(evidence, MediaLimits())
    assert found.findings
    if share > 0.005:
        assert found.fields["EXIF Make"] == "Maker"
        assert "Its pixels cannot be read" in [finding.title for finding in found.findings]
    else:
        assert "Its notes cannot be read" in [finding.title for finding in found.findings]


def test_what_is_no_picture_at_all_is_refused_for_its_origin_too(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(np.random.default_rng(1).bytes(5000))
    with pytest.raises(UnreadableMediaError):
        Evidence.open(tmp_path / "a.jpg", MediaLimits(), decodable=False)


@pytest.mark.slow
def test_coverage_counts_what_is_not_there(tmp_path: Path) -> None:
    model = ModelManager(load_settings(device="cpu")).get_model("FACE-BLEND-LITE-V1")
    content = PORTRAIT.read_bytes()
    results = {}
    for share in (1.0, 0.9, 0.15):
        (tmp_path / "face.jpg").write_bytes(content[: int(share * len(content))])
        results[share] = analyze(Evidence.open(tmp_path / "face.jpg", MediaLimits()), model, explain=False)
    assert results[1.0].coverage == 1
    assert results[0.9].coverage == pytest.approx(0.9, abs=0.08)
    assert results[0.9].p_fake == pytest.approx(results[1.0].p_fake, abs=0.05)
    assert any("could be decoded" in note for note in results[0.9].notes)
    assert results[0.15].prediction is Prediction.INCONCLUSIVE
    assert results[0.15].gap in (GapReason.DAMAGED, GapReason.LOW_COVERAGE)


class TestFaults:
    """JPEG files that decode without complaint, and of which parts are made up."""

    def content(self, portrait: Image.Image, **options: object) -> tuple[bytes, int]:
        made = io.BytesIO()
        portrait.save(made, "JPEG", **options)
        return made.getvalue(), made.getvalue().index(b"\xff\xda") + 14

    @pytest.mark.parametrize(
        "options",
        [{}, {"quality": 100, "subsampling": 0}, {"quality": 10}, {"optimize": True}, {"restart_marker_blocks": 5}],
    )
    def test_data_that_end_early(self, portrait, tmp_path: Path, options: dict) -> None:
        content, start = self.content(portrait, **options)
        (tmp_path / "whole.jpg").write_bytes(content)
        assert (facts(tmp_path / "whole.jpg").decoded_share, facts(tmp_path / "whole.jpg").damaged) == (1.0, False)
        half = content[: start + (len(content) - start) // 2]
        for end in (b"\xff\xd9", b"\xff\xd9" + b"\0" * 3000, b"\xff\x37\0\4ab\xff\xd9"):
            (tmp_path / "half.jpg").write_bytes(half + end)
            assert facts(tmp_path / "half.jpg").decoded_share == pytest.approx(0.5, abs=0.12)

    def test_data_that_are_not_used(self, portrait, tmp_path: Path) -> None:
        content, start = self.content(portrait)
        quarter = start + (len(content) - start) // 4
        (tmp_path / "zeros.jpg").write_bytes(content[:quarter] + bytes(len(content) - quarter - 2) + b"\xff\xd9")
        media = facts(tmp_path / "zeros.jpg")
        assert media.damaged or media.decoded_share < 0.9
        assert media.notes
        # As many bytes too many, of a sound picture: the decoder has finished before.
        (tmp_path / "more.jpg").write_bytes(content[:-2] + content[quarter : quarter + 5000] + b"\xff\xd9")
        assert facts(tmp_path / "more.jpg").damaged

    def test_a_progressive_one_without_its_last_passes(self, portrait, tmp_path: Path) -> None:
        content, _ = self.content(portrait, progressive=True)
        (tmp_path / "whole.jpg").write_bytes(content)
        assert facts(tmp_path / "whole.jpg").decoded_share == 1
        (tmp_path / "half.jpg").write_bytes(content[: len(content) // 2] + b"\xff\xd9")
        assert facts(tmp_path / "half.jpg").decoded_share < 0.6

    def test_what_follows_the_picture_is_no_fault(self, portrait, tmp_path: Path) -> None:
        content, _ = self.content(portrait)
        (tmp_path / "moving.jpg").write_bytes(content + b"\0\0\0\x18ftypmp42" + bytes(5000) + content)
        assert facts(tmp_path / "moving.jpg").notes == ()


@pytest.mark.slow
def test_a_destroyed_picture_is_not_cleared(tmp_path: Path) -> None:
    """Quantisation tables of zero: all is of one brightness, and a face is still found."""
    model = ModelManager(load_settings(device="cpu")).get_model("FACE-BLEND-LITE-V1")
    content = bytearray(PORTRAIT.read_bytes())
    at = content.index(b"\xff\xdb") + 5
    content[at : at + 64] = bytes(64)
    (tmp_path / "grey.jpg").write_bytes(content)
    result = analyze(Evidence.open(tmp_path / "grey.jpg", MediaLimits()), model, explain=False)
    assert result.prediction is Prediction.INCONCLUSIVE
    if result.p_fake is not None:
        assert "detail" in result.reason
    assert any("shows any detail" in note for note in result.notes)
    plain = analyze(Evidence.open(PORTRAIT, MediaLimits()), model, explain=False)
    assert plain.notes == ()


@pytest.mark.parametrize(("plain", "share"), [(0, 1.0), (255, 1.0), (90, 0.5)])
def test_detail_counts_blocks_that_are_neither_black_nor_white(plain: int, share: float) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
    picture[80:] = plain
    assert detail_share(picture) == pytest.approx(share)
    assert detail_share(np.full((160, 160, 3), 90, np.uint8)) == 0
    assert detail_share(np.zeros((4, 4, 3), np.uint8)) == 1


def test_a_picture_of_which_most_is_gone_is_not_cleared(tmp_path: Path) -> None:
    model = ModelManager(load_settings(device="cpu")).get_model("FACE-BLEND-LITE-V1")
    content = PORTRAIT.read_bytes()
    for share in (0.3, 0.4):
        (tmp_path / "face.jpg").write_bytes(content[: int(share * len(content))])
        evidence = Evidence.open(tmp_path / "face.jpg", MediaLimits())
        assert evidence.media.decoded_share < 0.5
        assert analyze(evidence, model, explain=False).prediction is not Prediction.REAL
