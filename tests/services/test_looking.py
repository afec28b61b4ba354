"""Looks and key frames of a case: real pixels, kept within bounds, gone with the case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from media_factory import coded_frame, read_code, write_video
from PIL import Image

from drishtiksha.casefile import LOCAL
from drishtiksha.errors import CaseGoneError, QueueFullError, WrongMediaKindError
from drishtiksha.forensics import Filter
from drishtiksha.forensics.filters import filtered
from drishtiksha.media.evidence import Evidence
from drishtiksha.media.video import iter_frames
from drishtiksha.services import looking
from drishtiksha.services.looking import Looks
from drishtiksha.settings import ROOT, MediaLimits

LIMITS = MediaLimits()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Ten dark frames, nine that say 5, and one that says 4."""
    dark = [np.full((96, 128, 3), (20, 60, 20), np.uint8) for _ in range(10)]
    return write_video(tmp_path / "v.mp4", [*dark, *[coded_frame(5)] * 9, coded_frame(4)])


@pytest.fixture
def evidence(clip: Path) -> Evidence:
    return Evidence.open(clip, LIMITS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "derived"
    folder.mkdir()
    return folder


def test_a_look_is_the_decoded_frame_pixel_by_pixel(evidence: Evidence, folder: Path) -> None:
    with iter_frames(evidence.path, limits=LIMITS) as frames:
        decoded = {frame.index: frame.image for frame in frames}
    for through in Filter:
        look = Looks(LIMITS).look(evidence, folder, through, 0.77)
        assert (look.frame_index, look.width, look.height, look.filter) == (19, 128, 96, through)
        assert look.time_s == pytest.approx(0.76, abs=1e-3)
        assert np.array_equal(np.asarray(Image.open(look.path)), filtered(decoded[19], through))
        assert look.path.parent == folder


def test_a_look_is_made_once_and_the_oldest_go_first(
    evidence: Evidence, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = Looks(LIMITS)
    monkeypatch.setattr(looking, "MOST_LOOKS", 3)
    first = looks.look(evidence, folder, Filter.FRAME, 0.0).path
    made = first.stat().st_ino
    assert looks.look(evidence, folder, Filter.FRAME, 0.0).path.stat().st_ino == made
    later = [looks.look(evidence, folder, Filter.FRAME, second).path for second in (0.1, 0.2, 0.3)]
    assert not first.exists()
    assert all(path.exists() for path in later)
    monkeypatch.setattr(looking, "MOST_BYTES", 1)
    last = looks.look(evidence, folder, Filter.NOISE, 0.4).path
    assert list(folder.iterdir()) == [last], "one that is larger than all may be is still shown"


def test_key_frames_are_the_first_frames_of_the_scenes(
    evidence: Evidence, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Looks(LIMITS).key_frames(evidence, folder)
    assert [frame.frame_index for frame in found.frames[:2]] == [0, 10]
    assert found.step_s == 0.0
    assert read_code(np.asarray(Image.open(folder / found.frames[1].file))) == 5
    monkeypatch.delattr(looking, "find_scenes")
    assert Looks(LIMITS).key_frames(evidence, folder) == found, "they are looked for once"


@pytest.mark.slow
def test_all_of_it_goes_with_the_case(bench_of, clip: Path) -> None:
    bench = bench_of(start=False)
    case = bench.seen_by(LOCAL).take(clip, "v.mp4")
    paths = [case.look(Filter.NOISE, 0.2).path, *(case.derived() / one.file for one in case.key_frames().frames)]
    assert all(path.exists() for path in paths)
    case.delete()
    for ask in (case.look, case.key_frames):
        with pytest.raises(CaseGoneError):
            ask()
    assert not [path for path in bench.settings.derived_dir.rglob("*") if path.is_file()]


def test_who_asks_while_others_wait_is_told(evidence: Evidence, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks(LIMITS)
    monkeypatch.setattr(looking, "WAIT_S", 0.05)
    for _ in range(looking.AT_ONCE):
        looks._room.acquire()
    with pytest.raises(QueueFullError, match="Try again"):
        looks.look(evidence, folder, Filter.FRAME, 0.0)
    looks._room.release()
    assert looks.look(evidence, folder, Filter.FRAME, 0.0).path.exists()


def test_a_picture_has_looks_and_no_scenes(folder: Path) -> None:
    portrait = Evidence.open(ROOT / "assets" / "portrait.jpg", LIMITS)
    look = Looks(LIMITS).look(portrait, folder, Filter.FRAME, 3.0)
    assert (look.time_s, look.frame_index) == (None, 0)
    assert np.array_equal(np.asarray(Image.open(look.path)), portrait.reader(LIMITS).picture())
    with pytest.raises(WrongMediaKindError, match="no video"):
        Looks(LIMITS).key_frames(portrait, folder)
