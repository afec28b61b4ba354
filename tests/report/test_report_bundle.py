"""A real bundle, its verification, and every way in which somebody could have tampered with it."""

from __future__ import annotations

import errno
import json
import shutil
import struct
import tempfile
import zipfile
from pathlib import Path

import pytest
import sample_case
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drishtiksha.casefile import CaseFile
from drishtiksha.errors import BundleError, ReportError, WeightsMissingError
from drishtiksha.report import archive, bundle, keys, write
from drishtiksha.report.archive import Archive, open_archive
from drishtiksha.report.manifest import Entry, Manifest
from drishtiksha.report.verify import State, Verification, public_fingerprint, verify
from drishtiksha.services.runs import examine

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
FINGERPRINT = keys.fingerprint(KEY.public_key())


@pytest.fixture(scope="module")
def packed(real, tmp_path_factory) -> Path:
    return bundle.write(real.case, real.evidence, tmp_path_factory.mktemp("bundle") / "case.zip", KEY)


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def pack(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return path


def signed_again(files: dict[str, bytes], key: Ed25519PrivateKey = KEY, **changes) -> dict[str, bytes]:
    """The files with a manifest that fits them, signed by `key`."""
    old = Manifest.model_validate_json(files["manifest.json"])
    own = {"manifest.json", "manifest.sig", "signer.pem"}
    entries = tuple(Entry.of(name, data) for name, data in files.items() if name not in own)
    fields = {"files": entries, "signer": keys.fingerprint(key.public_key())} | changes
    manifest = old.model_copy(update=fields).to_bytes()
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return files | {"manifest.json": manifest, "manifest.sig": key.sign(manifest), "signer.pem": pem}


def told(found: Verification) -> str:
    return " ".join([found.sentence, *found.differences])


@pytest.mark.slow
def test_a_bundle_holds_report_results_pictures_and_their_hashes(real, packed):
    files = contents(packed)
    assert {"README.txt", "report.html", "report.pdf", "case.json", "scores.csv"} <= set(files)
    assert sum(name.startswith("pictures/") for name in files) >= 5
    assert not any(name.startswith("evidence/") for name in files), "the original stays where it is"
    assert CaseFile.model_validate_json(files["case.json"]) == real.case
    manifest = Manifest.model_validate_json(files["manifest.json"])
    assert {entry.name for entry in manifest.files} == set(files) - {"manifest.json", "manifest.sig", "signer.pem"}
    assert manifest.evidence_sha256 == real.evidence.media.sha256
    assert b"PRIVATE" not in b"".join(files.values())
    assert [path.name for path in packed.parent.iterdir()] == [packed.name], "no draft is left"


@pytest.mark.slow
def test_an_untouched_bundle_is_identical(packed):
    found = verify(packed, own_key=FINGERPRINT)
    assert found.state is State.IDENTICAL
    assert found.differences == ()
    assert found.signer == FINGERPRINT
    assert any("this machine's own key" in check for check in found.checks)


def test_an_unknown_signer_is_said_to_be_unknown(packed):
    found = verify(packed)
    assert found.state is State.IDENTICAL
    assert any("only its holder can tell" in check for check in found.checks)


def test_the_key_can_be_asked_for(packed, tmp_path):
    other = Ed25519PrivateKey.generate().public_key()
    pem = tmp_path / "other.pem"
    pem.write_bytes(other.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    found = verify(packed, expected_key=public_fingerprint(pem))
    assert found.state is State.OTHER_KEY
    assert "signature is valid, but the key is not the one" in found.sentence
    (tmp_path / "own.pem").write_bytes(contents(packed)["signer.pem"])
    assert verify(packed, expected_key=public_fingerprint(tmp_path / "own.pem")).state is State.IDENTICAL
    assert verify(packed, expected_key=keys.grouped(FINGERPRINT).upper()).state is State.IDENTICAL
    with pytest.raises(ReportError, match="not a public Ed25519 key"):
        public_fingerprint(packed)


# --- tampering -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["report.html", "report.pdf", "case.json", "scores.csv", "pictures/timeline-1.png"])
def test_one_changed_byte_is_found_and_named(packed, tmp_path, name):
    files = contents(packed)
    files[name] = files[name][:-20] + bytes([files[name][-20] ^ 1]) + files[name][-19:]
    found = verify(pack(tmp_path / "t.zip", files))
    assert found.state is State.TAMPERED
    assert found.differences == (f"{name} was changed.",)


def test_a_changed_byte_inside_the_zip_itself_is_found(packed, tmp_path):
    path = tmp_path / "t.zip"
    data = bytearray(packed.read_bytes())
    with zipfile.ZipFile(packed) as opened:
        facts = opened.getinfo("pictures/timeline-1.png")
    data[facts.header_offset + 200] ^= 1
    path.write_bytes(data)
    found = verify(path)
    assert found.state is State.TAMPERED
    assert found.differences == ("pictures/timeline-1.png is damaged.",)


def test_an_edited_verdict_is_found(packed, tmp_path):
    files = contents(packed)
    case = json.loads(files["case.json"])
    case["results"][0]["p_fake"] = 0.123456
    files["case.json"] = json.dumps(case, indent=2).encode()
    assert "case.json was changed" in told(verify(pack(tmp_path / "t.zip", files)))


def test_an_edited_manifest_is_found(packed, tmp_path):
    files = contents(packed)
    files["manifest.json"] = files["manifest.json"].replace(b"drishtiksha-bundle/1", b"drishtiksha-bundle/2")
    found = verify(pack(tmp_path / "t.zip", files))
    assert found.state is State.TAMPERED
    assert "signature does not fit" in told(found)


def test_added_and_removed_files_are_found(packed, tmp_path):
    files = contents(packed)
    del files["scores.csv"]
    files["pictures/more.png"] = b"x"
    found = verify(pack(tmp_path / "t.zip", files))
    assert found.state is State.TAMPERED
    assert found.differences == ("pictures/more.png was added.", "scores.csv was removed.")


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sig", "signer.pem"])
def test_without_its_signature_nothing_is_believed(packed, tmp_path, name):
    files = contents(packed)
    del files[name]
    found = verify(pack(tmp_path / "t.zip", files))
    assert found.state is State.TAMPERED
    assert found.differences == (f"{name} is missing.",)
    assert found.signer is None


def test_another_signature_or_another_key_does_not_fit(packed, tmp_path):
    other = Ed25519PrivateKey.generate()
    files = contents(packed)
    assert verify(pack(tmp_path / "a.zip", files | {"manifest.sig": other.sign(files["manifest.json"])})).state is (
        State.TAMPERED
    )
    pem = signed_again(files, other)["signer.pem"]
    assert "signature does not fit" in told(verify(pack(tmp_path / "b.zip", files | {"signer.pem": pem})))
    both = files | {"signer.pem": pem, "manifest.sig": other.sign(files["manifest.json"])}
    assert "names another signer" in told(verify(pack(tmp_path / "c.zip", both)))
    assert "no Ed25519 key" in told(verify(pack(tmp_path / "d.zip", files | {"signer.pem": b"nothing"})))


def test_all_of_it_signed_again_by_somebody_else_is_caught_by_the_key(packed, tmp_path):
    other = Ed25519PrivateKey.generate()
    files = contents(packed)
    files["report.html"] = files["report.html"].replace(b"evidence", b"fiction")
    path = pack(tmp_path / "t.zip", signed_again(files, other))
    found = verify(path, expected_key=FINGERPRINT)
    assert found.state is State.OTHER_KEY
    assert verify(path).signer == keys.fingerprint(other.public_key()), "without a key it says whose it is"


def test_a_signed_case_that_cannot_be_read_or_is_another_one_is_not_believed(packed, tmp_path):
    files = contents(packed)
    broken = signed_again(files | {"case.json": b"{}"})
    assert "no case that this version" in told(verify(pack(tmp_path / "a.zip", broken)))
    other = signed_again(files, case_id="f" * 32)
    assert "different cases" in told(verify(pack(tmp_path / "b.zip", other)))
    later = signed_again(files, format="drishtiksha-bundle/9")
    assert "drishtiksha-bundle/9" in told(verify(pack(tmp_path / "c.zip", later)))


# --- hostile zips ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "a/b/c", "pictures\\evil", "C:evil", "..", "pictures/.ssh", "é"]
)
def test_names_that_lead_elsewhere_are_refused(packed, tmp_path, name):
    found = verify(pack(tmp_path / "t.zip", contents(packed) | {name: b"x"}))
    assert found.state is State.TAMPERED
    assert "whose name no bundle has" in told(found)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["case.json", "CASE.JSON"])
def test_names_that_stand_twice_are_refused(packed, tmp_path, name):
    path = tmp_path / "t.zip"
    shutil.copy(packed, path)
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr(name, b"{}")
    assert "twice" in told(verify(path))


def test_a_bomb_is_refused_before_it_goes_off(packed, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_TOTAL", 50_000_000)
    path = tmp_path / "t.zip"
    shutil.copy(packed, path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("bomb", bytes(60_000_000))
    assert path.stat().st_size < 5_000_000
    assert "larger than any bundle" in told(verify(path))


def test_a_list_of_files_that_lies_about_sizes_does_not_get_more_memory(packed, tmp_path):
    files = contents(packed)
    path = pack(tmp_path / "t.zip", files | {"manifest.sig": bytes(5_000_000)})
    data = bytearray(path.read_bytes())
    place = data.rindex(b"manifest.sig") - 46  # its record in the list of files
    assert data[place : place + 4] == b"PK\1\2"
    data[place + 24 : place + 28] = struct.pack("<L", 64)
    path.write_bytes(data)
    found = verify(path)
    assert found.state is State.TAMPERED
    assert "manifest.sig" in told(found)


def test_too_many_files_are_refused(tmp_path):
    path = pack(tmp_path / "t.zip", {f"f{i}": b"" for i in range(archive.MAX_ENTRIES + 1)})
    assert f"more than {archive.MAX_ENTRIES} files" in told(verify(path))


def test_links_are_refused(packed, tmp_path):
    path = tmp_path / "t.zip"
    shutil.copy(packed, path)
    facts = zipfile.ZipInfo("link")
    facts.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr(facts, "/etc/passwd")
    assert "no plain file" in told(verify(path))


@pytest.mark.parametrize("place", [2**32, 2**63 - 1, 2**64 - 1])
def test_a_file_that_is_said_to_lie_outside_of_the_zip_is_refused(tmp_path, place):
    name, extra = b"manifest.json", struct.pack("<HHQ", 1, 8, place)
    facts = (b"PK\1\2", 45, 45, 0, 0, 0, 0, 0, 5, 5, len(name), len(extra), 0, 0, 0, 0, 0xFFFFFFFF)
    listed = struct.pack("<4s6H3L5H2L", *facts) + name + extra
    path = tmp_path / "t.zip"
    path.write_bytes(listed + archive.END.pack(b"PK\5\6", 0, 0, 1, 1, len(listed), 0, 0))
    found = verify(path)
    assert found.state is State.TAMPERED
    assert "outside of the zip" in told(found)


@pytest.mark.parametrize("change", ["prefix", "suffix", "cut", "empty", "text"])
def test_what_is_no_whole_zip_is_refused(packed, tmp_path, change):
    data = packed.read_bytes()
    changed = {
        "prefix": b"#!/bin/sh\n" + data,
        "suffix": data + b"more",
        "cut": data[: len(data) // 2],
        "empty": b"",
        "text": b"hello " * 100,
    }[change]
    path = tmp_path / "t.zip"
    path.write_bytes(changed)
    assert verify(path).state is State.TAMPERED


# --- the original ----------------------------------------------------------------------------------------------------


def test_the_original_is_recognised_and_another_file_is_not(real, packed, altered_copy):
    assert verify(packed, real.evidence.path).state is State.IDENTICAL
    found = verify(packed, altered_copy)
    assert found.state is State.DIFFERENT
    assert real.evidence.media.sha256 in told(found)
    with pytest.raises(ReportError, match="cannot be examined"):
        verify(packed, packed)


@pytest.mark.slow
def test_the_examination_comes_out_again(real, packed):
    def again(names, evidence):
        return {one.model_name: one for one in examine(evidence, names, real.manager, explain=False).results}

    found = verify(packed, real.evidence.path, again)
    assert found.state is State.IDENTICAL, found
    assert sum("exactly the same" in check for check in found.checks) == len(real.case.results)


def test_scores_that_moved_a_little_or_much(real, packed):
    by_name = {result.model_name: result for result in real.case.results}

    def moved(by):
        def again(name):
            old = by_name[name]
            scores = tuple(
                s if s.p_fake is None else s.model_copy(update={"p_fake": s.p_fake + (by if s.p_fake < 0.5 else -by)})
                for s in old.scores
            )
            return old.model_copy(update={"scores": scores})

        return lambda names, _: {name: again(name) for name in names}

    assert verify(packed, real.evidence.path, moved(0.005)).state is State.WITHIN_TOLERANCE
    found = verify(packed, real.evidence.path, moved(0.02))
    assert found.state is State.DIFFERENT
    assert "moved by up to 0.02" in told(found)


def test_what_cannot_be_run_again_is_not_called_identical(real, packed):
    def absent(names, _):
        return dict.fromkeys(names, WeightsMissingError("The checkpoint is not here."))

    found = verify(packed, real.evidence.path, absent)
    assert found.state is State.UNCHECKED
    assert "could not be run again: The checkpoint is not here." in told(found)
    assert "--evidence" in told(verify(packed, None, absent))


@pytest.mark.slow
def test_the_original_goes_along_when_asked_for(real, tmp_path):
    path = bundle.write(real.case, real.evidence, tmp_path / "b.zip", KEY, include_evidence=True)
    assert contents(path)["evidence/original.mp4"] == real.evidence.path.read_bytes()
    seen = []

    def again(names, evidence):
        seen.append(evidence.media)
        return {result.model_name: result for result in real.case.results if result.model_name in names}

    assert verify(path, None, again).state is State.IDENTICAL
    assert {media.name for media in seen} == {real.evidence.media.name}
    with pytest.raises(ReportError, match="not at hand"):
        bundle.write(real.case, None, tmp_path / "c.zip", KEY, include_evidence=True)


# --- what this computer fails at -------------------------------------------------------------------------------------


@pytest.fixture
def with_original(real, tmp_path) -> Path:
    return bundle.write(real.case, real.evidence, tmp_path / "original.zip", KEY, include_evidence=True)


@pytest.mark.slow
def test_no_place_for_temporary_files_is_no_forgery(with_original, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(ReportError, match=r"original\.zip could not be checked.*No such file") as caught:
        verify(with_original)
    assert not isinstance(caught.value, BundleError)


@pytest.mark.slow
def test_a_full_disk_is_no_forgery(with_original, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Archive, "extract", full)
    with pytest.raises(ReportError, match=r"No space left on device.*nothing about the bundle"):
        verify(with_original)


def test_a_failing_disk_under_the_bundle_is_no_forgery(packed, monkeypatch):
    def failing(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(zipfile.ZipExtFile, "read", failing)
    with pytest.raises(ReportError, match="Input/output error"):
        verify(packed)


def test_a_bundle_that_cannot_be_opened_is_no_forgery(tmp_path):
    with pytest.raises(ReportError, match=r"absent\.zip could not be checked"):
        verify(tmp_path / "absent.zip")


def test_errors_of_whoever_reads_an_archive_stay_their_own(packed):
    with pytest.raises(OSError, match="mine"), open_archive(packed):
        raise OSError("mine")


# --- one call for every form -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".html", ".pdf", ".zip", ".json", ".csv", ".PDF"])
def test_the_ending_chooses_the_form(tmp_path, suffix):
    target = write(sample_case.case(), None, tmp_path / f"report{suffix}", tmp_path / "data")
    start = {".html": b"<!doctype", ".pdf": b"%PDF", ".zip": b"PK", ".json": b"{", ".csv": b"\xef\xbb\xbfrow"}
    assert target.read_bytes().startswith(start[suffix.lower()])
    assert (tmp_path / "data").exists() == (suffix == ".zip"), "a key is made only when something is signed"
    if suffix == ".zip":
        assert verify(target, own_key=keys.known_fingerprint(tmp_path / "data")).state is State.IDENTICAL


def test_other_endings_and_places_are_refused_in_words(tmp_path):
    with pytest.raises(ReportError, match=r"Wanted: \.html"):
        write(sample_case.case(), None, tmp_path / "report.docx", tmp_path)
    with pytest.raises(ReportError, match="could not be written"):
        write(sample_case.case(), None, tmp_path / "absent" / "report.zip", tmp_path)
    with pytest.raises(ReportError, match=r"Only a bundle"):
        write(sample_case.case(), None, tmp_path / "report.html", tmp_path, include_evidence=True)


def test_an_archive_reads_only_what_is_there(packed):
    with open_archive(packed) as opened:
        assert opened.entry("case.json") == Entry.of("case.json", contents(packed)["case.json"])
