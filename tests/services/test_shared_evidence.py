"""Servers without a folder in common: the evidence lies in a bucket, and each of them keeps copies."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from drishtiksha.casefile import LOCAL
from drishtiksha.errors import CaseGoneError, ConfigError, MediaError, QuotaError, StoreError
from drishtiksha.registry import ModelManager
from drishtiksha.services import folders, shared_evidence
from drishtiksha.services.folders import COPY, CaseFolders
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import ROOT, load_settings

PORTRAIT = ROOT / "assets" / "portrait.jpg"
DAY = 86_400


@pytest.fixture(params=["memory", "s3"])
def address(request, monkeypatch) -> str:
    shared_evidence.evidence_at.cache_clear()
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket')}/desk/cases"
    system = fsspec.filesystem("memory")
    if system.exists("/desk"):
        system.rm("/desk", recursive=True)
    return "memory://desk/cases"


@pytest.fixture
def host(address, tmp_path) -> Callable[[str], Workbench]:
    """A server of that name, with a data folder of its own; the database is that of all."""

    def made(name: str) -> Workbench:
        settings = load_settings(
            data_dir=tmp_path / name,
            database_url=f"sqlite:///{tmp_path / 'all.sqlite'}",
            evidence_url=address,
            device="cpu",
            workers="threads",
        )
        (tmp_path / name).mkdir(exist_ok=True)
        return Workbench(settings, ModelManager(settings))

    return made


def kept(address: str) -> list[str]:
    system, root = fsspec.core.url_to_fs(address, use_listings_cache=False)
    return system.find(root)


def copies(bench: Workbench) -> list[Path]:
    return [path for path in bench.settings.data_root.rglob("original.*") if path.is_file()]


@pytest.mark.slow
def test_a_case_is_seen_and_examined_from_every_server(host, address):
    first, second = host("a"), host("b")
    case = first.seen_by(LOCAL).take(PORTRAIT, "portrait.jpg")
    assert len(kept(address)) == 1
    there = second.seen_by(LOCAL).open(case.case_id)
    evidence = there.evidence()
    assert evidence.path.read_bytes() == PORTRAIT.read_bytes()
    assert not os.access(evidence.path, os.W_OK) or os.geteuid() == 0
    evidence.verify()
    job = there.submit(["FACE-BLEND-LITE-V1"])
    second.start()
    try:
        assert first.seen_by(LOCAL).ended(job).state == "done"
    finally:
        second.stop()
    assert first.seen_by(LOCAL).open(case.case_id).read().results


@pytest.mark.slow
def test_what_is_deleted_goes_everywhere(host, address, monkeypatch):
    first, second = host("a"), host("b")
    case = first.seen_by(LOCAL).take(PORTRAIT, "portrait.jpg")
    there = second.seen_by(LOCAL).open(case.case_id)
    there.evidence()
    (there.derived() / "copy.png").write_bytes(b"x")
    there.delete()
    assert (kept(address), copies(second), len(copies(first))) == ([], [], 1)
    with pytest.raises(CaseGoneError):
        first.seen_by(LOCAL).open(case.case_id)
    monkeypatch.setattr(folders, "SETTLED_S", -1.0)
    first.sweep()
    assert copies(first) == []


@pytest.mark.slow
def test_a_deletion_on_a_server_that_has_no_copy_can_be_taken_back(host, address, monkeypatch):
    first, second = host("a"), host("b")
    case_id = first.seen_by(LOCAL).take(PORTRAIT, "portrait.jpg").case_id
    second.seen_by(LOCAL).open(case_id).delete_soon()
    with pytest.raises(CaseGoneError):
        second.seen_by(LOCAL).open(case_id)
    assert second.seen_by(LOCAL).restore(case_id).evidence().path.is_file()
    second.seen_by(LOCAL).open(case_id).delete_soon()
    monkeypatch.setattr("drishtiksha.services.workbench.UNDO_S", -1.0)
    second.sweep()
    second.stop()
    assert kept(address) == []


def test_copies_that_nobody_uses_go_and_come_back(host, address):
    bench = host("a")
    case = bench.seen_by(LOCAL).take(PORTRAIT, "portrait.jpg")
    folder = bench.settings.cases_dir / case.case_id
    bench.sweep()
    assert len(copies(bench)) == 1
    then = time.time() - 2 * DAY
    os.utime(folder / COPY, (then, then))
    bench.sweep()
    assert copies(bench) == []
    assert case.evidence().path.is_file()


def test_other_bytes_in_the_bucket_are_refused(host, address):
    first, second = host("a"), host("b")
    case_id = first.seen_by(LOCAL).take(PORTRAIT, "portrait.jpg").case_id
    system, _ = fsspec.core.url_to_fs(address, use_listings_cache=False)
    (name,) = kept(address)
    system.pipe_file(name, b"forged")
    with pytest.raises(MediaError, match="no longer the one that was taken in"):
        second.seen_by(LOCAL).open(case_id).evidence()
    assert copies(second) == []
    system.rm_file(name)
    with pytest.raises(CaseGoneError, match="Upload it again"):
        second.seen_by(LOCAL).open(case_id).evidence()


@pytest.mark.slow
def test_a_store_that_is_away_loses_nothing(host, address, monkeypatch):
    bench = host("a")
    case = bench.seen_by(LOCAL).take(PORTRAIT, "portrait.jpg")
    system = bench._folders._shared._system

    def away(*_: object, **__: object) -> None:
        raise ConnectionError("secret-host is away")

    with monkeypatch.context() as patch:
        for name in ("put_file", "get_file", "find"):
            patch.setattr(system, name, away)
        with pytest.raises(StoreError, match="cannot be reached") as caught:
            bench.seen_by(LOCAL).take(PORTRAIT, "portrait.jpg")
        assert "secret-host" not in str(caught.value)
        assert len(bench.seen_by(LOCAL).cases()) == len(copies(bench)) == 1
        assert case.evidence().path.is_file(), "a copy that is here needs no store"
        case.delete()
    assert len(kept(address)) == 1
    bench.sweep()
    assert kept(address) == []


def test_what_belongs_to_no_case_is_removed_once_it_is_old(address, tmp_path, monkeypatch):
    held = CaseFolders(load_settings(data_dir=tmp_path, evidence_url=address))
    for name in ("known", "stray"):
        held._shared.put(name, PORTRAIT)
    monkeypatch.setattr(folders, "SWEEP_SHARED_S", -1.0)
    held.sweep({"known"}, time.time())
    assert len(kept(address)) == 2, "it may just be arriving"
    monkeypatch.setattr(folders, "TAKING_S", -60.0)
    held.sweep({"known"}, time.time() + 60)
    assert [name.split("/")[-2] for name in kept(address)] == ["known"]


def test_a_full_disk_is_told(host, address, monkeypatch):
    first, second = host("a"), host("b")
    case_id = first.seen_by(LOCAL).take(PORTRAIT, "portrait.jpg").case_id

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(second._folders._shared._system, "get_file", full)
    with pytest.raises(QuotaError, match="disk of this machine is full"):
        second.seen_by(LOCAL).open(case_id).evidence()


@pytest.mark.parametrize(
    ("url", "told"), [("/mnt/x", "is no store"), ("nonsense://x", "nonsense://"), ("https://x/y", "is no store")]
)
def test_addresses_that_are_no_store(url, told, tmp_path):
    with pytest.raises(ConfigError, match=told):
        CaseFolders(load_settings(data_dir=tmp_path, evidence_url=url))
