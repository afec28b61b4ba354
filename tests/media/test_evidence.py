import hashlib
import os
import stat
from pathlib import Path

import pytest
from media_factory import coded_frames, write_video

from drishtiksha.errors import MediaError, MediaLimitError, UnreadableMediaError
from drishtiksha.media.evidence import MAX_NAME, Evidence, display_name
from drishtiksha.results import MediaKind
from drishtiksha.settings import MediaLimits


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("evidence") / "clip.mp4", coded_frames(10))


def test_open_hashes_in_place_and_changes_nothing(clip: Path, limits: MediaLimits) -> None:
    before = (clip.read_bytes(), clip.stat().st_mtime_ns, clip.stat().st_mode)
    evidence = Evidence.open(clip, limits)
    assert evidence.path == clip
    assert evidence.case_dir is None
    assert evidence.media.sha256 == hashlib.sha256(before[0]).hexdigest()
    assert evidence.media.size_bytes == len(before[0])
    assert (clip.read_bytes(), clip.stat().st_mtime_ns, clip.stat().st_mode) == before


def test_take_copies_byte_for_byte_read_only(clip: Path, tmp_path: Path, limits: MediaLimits) -> None:
    evidence = Evidence.take(clip, tmp_path / "cases", limits)
    assert evidence.path.read_bytes() == clip.read_bytes()
    assert evidence.media.sha256 == hashlib.sha256(clip.read_bytes()).hexdigest()
    assert evidence.media.kind is MediaKind.VIDEO
    assert stat.S_IMODE(evidence.path.stat().st_mode) == stat.S_IRUSR
    assert evidence.case_dir == evidence.path.parent
    assert evidence.path.parent.parent == tmp_path / "cases"
    evidence.verify()


def test_two_cases_never_share_a_folder(clip: Path, tmp_path: Path, limits: MediaLimits) -> None:
    folders = {Evidence.take(clip, tmp_path, limits).case_dir for _ in range(3)}
    assert len(folders) == 3


@pytest.mark.parametrize(
    ("name", "file", "shown"),
    [
        ("../../etc/passwd", "original.bin", "passwd"),
        ("C:\\Users\\me\\Face.MP4", "original.mp4", "Face.MP4"),
        ("x.mp4/../../y.sh", "original.bin", "y.sh"),
        ("clip.mp4\x00.exe", "original.bin", "clip.mp4 .exe"),
        ("concat:a.mp4|b.mp4", "original.mp4", "concat:a.mp4|b.mp4"),
        ("..", "original.bin", "unnamed"),
        ("frame%03d.jpg", "original.jpg", "frame%03d.jpg"),
        ("фото ☃.webm", "original.webm", "фото ☃.webm"),
    ],
)
def test_no_name_becomes_a_path(
    clip: Path, tmp_path: Path, limits: MediaLimits, name: str, file: str, shown: str
) -> None:
    evidence = Evidence.take(clip, tmp_path, limits, original_name=name)
    assert evidence.path.name == file
    assert evidence.media.name == shown
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [evidence.path]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb\tc.mp4", "a b c.mp4"),
        ("\u202egpj.exe", "gpj.exe"),
        ("   ", "unnamed"),
        ("", "unnamed"),
        ("x" * 500 + ".jpeg", "x" * (MAX_NAME - 6) + "….jpeg"),
        ("y" * 500, "y" * (MAX_NAME - 1) + "…"),
    ],
)
def test_display_names_are_tame(name: str, shown: str) -> None:
    assert display_name(name) == shown
    assert len(display_name(name)) <= MAX_NAME


def test_too_large_is_refused_before_and_while_copying(clip: Path, tmp_path: Path) -> None:
    small = MediaLimits(max_bytes=100)
    for act in (lambda: Evidence.open(clip, small), lambda: Evidence.take(clip, tmp_path, small)):
        with pytest.raises(MediaLimitError, match=r"clip\.mp4 is larger than"):
            act()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_grows_while_copied_is_cut_off(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = clip.stat().st_size
    real = os.fstat

    def before_it_grew(fd: int) -> os.stat_result:
        facts = list(real(fd))
        facts[6] = min(facts[6], 10)
        return os.stat_result(facts)

    monkeypatch.setattr(os, "fstat", before_it_grew)
    monkeypatch.setattr("drishtiksha.media.evidence.probe", lambda *_: pytest.fail("copied in spite of its size"))
    with pytest.raises(MediaLimitError):
        Evidence.take(clip, tmp_path, MediaLimits(max_bytes=size - 1))
    assert list(tmp_path.iterdir()) == []


def test_unreadable_evidence_leaves_no_case_behind(tmp_path: Path, limits: MediaLimits) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"not a video")
    with pytest.raises(UnreadableMediaError):
        Evidence.take(bad, tmp_path / "cases", limits)
    assert list((tmp_path / "cases").iterdir()) == []


def test_verify_notices_a_changed_byte(clip: Path, tmp_path: Path, limits: MediaLimits) -> None:
    evidence = Evidence.take(clip, tmp_path, limits)
    evidence.path.chmod(0o600)
    data = bytearray(evidence.path.read_bytes())
    data[-1] ^= 1
    evidence.path.write_bytes(data)
    with pytest.raises(MediaError, match="no longer the file"):
        evidence.verify()


def test_what_is_no_file_is_refused_at_once(tmp_path: Path, limits: MediaLimits) -> None:
    with pytest.raises(UnreadableMediaError, match=r"gone\.mp4 cannot be opened"):
        Evidence.open(tmp_path / "gone.mp4", limits)
    with pytest.raises(UnreadableMediaError, match="not a file"):
        Evidence.open(tmp_path, limits)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.mp4")
        with pytest.raises(UnreadableMediaError, match="not a file"):
            Evidence.take(tmp_path / "pipe.mp4", tmp_path / "cases", limits)
