"""The folders of the cases: nothing outlives its case, and nothing goes that may still be wanted."""

from __future__ import annotations

import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from drishtiksha.errors import QuotaError
from drishtiksha.media.evidence import Evidence
from drishtiksha.services.folders import CaseFolders, copied
from drishtiksha.settings import ROOT, load_settings

PORTRAIT = ROOT / "assets" / "portrait.jpg"
ID = "0" * 32
DAY = 86_400


@pytest.fixture
def folders(tmp_path: Path) -> CaseFolders:
    return CaseFolders(load_settings(data_dir=tmp_path, disk_quota_mb=1))


def taken(folders: CaseFolders) -> Path:
    with folders.room_for(PORTRAIT, lambda: None):
        case_dir = copied(PORTRAIT, "p.jpg", folders._settings).case_dir
    assert case_dir is not None
    return case_dir


def aged(folder: Path, seconds: float) -> Path:
    then = time.time() - seconds
    os.utime(folder, (then, then))
    return folder


def test_what_is_removed_is_gone_with_what_was_derived(folders, tmp_path):
    case_dir = taken(folders)
    (folders.derived(case_dir.name) / "copy.mp4").write_bytes(b"x")
    folders.doom(case_dir.name)
    folders.remove(case_dir.name)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not case_dir.exists()
    folders.remove(case_dir.name)  # nothing happens when it is gone already


def test_a_deletion_that_was_cut_off_is_finished_by_the_next_sweep(folders, tmp_path):
    case_dir = taken(folders)
    folders.derived(case_dir.name)
    folders.doom(case_dir.name)
    folders.sweep(known={case_dir.name}, oldest=time.time() - DAY)
    assert list((tmp_path / "cases").iterdir()) == list((tmp_path / "derived").iterdir()) == []


def test_a_folder_that_was_made_again_after_its_case_was_doomed_is_removed_as_well(folders, tmp_path):
    case_dir = taken(folders)
    for _ in range(2):
        (folders.derived(case_dir.name) / "copy.mp4").write_bytes(b"x")
        folders.doom(case_dir.name)
    folders.remove(case_dir.name)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_without_a_case_goes_when_it_is_older_than_any_case_may_be(folders):
    known, arriving, stray = taken(folders), taken(folders), taken(folders)
    aged(known, 3 * DAY)
    aged(stray, 3 * DAY)
    of_another_database = aged(taken(folders), DAY)
    folders.sweep({known.name}, oldest=time.time() - 2 * DAY)
    assert [path.exists() for path in (known, arriving, stray, of_another_database)] == [True, True, False, True]


def test_a_file_that_is_just_arriving_stays_however_short_cases_are_kept(folders):
    arriving = aged(taken(folders), 60)
    folders.sweep((), oldest=time.time() - 1)
    assert arriving.exists()


def test_uploads_at_once_do_not_exceed_the_quota_together(folders, tmp_path):
    room = 1_000_000 // PORTRAIT.stat().st_size

    def attempt(_: int) -> bool:
        try:
            taken(folders)
        except QuotaError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(room + 6))) == room
    assert sum(path.stat().st_size for path in (tmp_path / "cases").rglob("*.jpg")) <= 1_000_000


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told(folders, monkeypatch, number):
    def full(*_: object, **__: object) -> Evidence:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Evidence, "take", full)
    with pytest.raises(QuotaError, match="disk of this machine is full"):
        taken(folders)
