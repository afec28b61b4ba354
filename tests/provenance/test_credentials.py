"""Content Credentials in real files, signed here by an authority of the test's own."""

from __future__ import annotations

import os
import socket
import threading
import zlib
from pathlib import Path

import c2pa
import pytest
from credential_signing import GENERATED, Signatory, sign, signatory
from media_factory import coded_frames, tone, write_audio, write_video

from drishtiksha.casefile import CredentialState
from drishtiksha.errors import ConfigError
from drishtiksha.provenance import credentials

KINDS = {"picture.jpg": "image/jpeg", "picture.png": "image/png", "clip.mp4": "video/mp4", "sound.wav": "audio/wav"}


@pytest.fixture(scope="module")
def who() -> Signatory:
    return signatory()


@pytest.fixture(scope="module")
def anchors(who, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("trust") / "anchors.pem"
    path.write_bytes(who.anchors)
    return path


@pytest.fixture(scope="module")
def plain(scene, tmp_path_factory) -> Path:
    """A folder with the unsigned files of `KINDS`."""
    folder = tmp_path_factory.mktemp("plain")
    scene.save(folder / "picture.jpg", quality=85)
    scene.save(folder / "picture.png")
    write_video(folder / "clip.mp4", coded_frames(30))
    write_audio(folder / "sound.wav", tone(2), 16_000)
    return folder


@pytest.fixture(autouse=True)
def no_list_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.setattr(credentials, "ANCHORS", tmp_path / "none.pem")


def titles(found) -> str:
    return " | ".join(finding.title for finding in found.findings)


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_the_four_states(name, plain, who, anchors, tmp_path, look):
    assert look(plain / name, anchors).credentials is CredentialState.ABSENT
    signed = sign(plain / name, tmp_path / name, KINDS[name], who)
    assert look(signed, anchors).credentials is CredentialState.TRUSTED
    assert look(signed).credentials is CredentialState.UNKNOWN_SIGNER
    tampered = tmp_path / f"tampered-{name}"
    tampered.write_bytes(with_changed_content(plain / name, signed))
    assert look(tampered, anchors).credentials is CredentialState.BROKEN


def with_changed_content(original: Path, signed: Path) -> bytes:
    """The signed file with a few bytes beside the record changed; it still decodes."""
    data, piece = bytearray(signed.read_bytes()), original.read_bytes()
    if original.suffix == ".png":
        # A flipped byte would make a PNG unreadable, so a note is put in before its end.
        note = b"tEXtk\0new"
        chunk = (5).to_bytes(4, "big") + note + zlib.crc32(note).to_bytes(4, "big")
        at = data.rindex(b"IEND") - 4
        return bytes(data[:at] + chunk + data[at:])
    middle = {".jpg": 0.7, ".mp4": 0.2, ".wav": 0.5}[original.suffix]
    start = round(len(piece) * middle)
    at = data.index(piece[start : start + 24])
    for place in range(at + 8, at + 11):
        data[place] ^= 0x15
    return bytes(data)


def test_who_signed_what_is_said(plain, who, anchors, tmp_path, look):
    signed = sign(
        plain / "picture.jpg", tmp_path / "s.jpg", "image/jpeg", who, steps=("c2pa.cropped", "com.example.odd")
    )
    found = look(signed, anchors)
    assert "Signed by Daily Test (Daily Test Ltd)" in titles(found)
    claim = next(finding for finding in found.findings if finding.kind == "credentials")
    assert "Test Camera 1.0" in claim.detail
    assert "created (taken by a digital camera or recorder); cropped; com.example.odd" in claim.detail
    assert not claim.notable
    assert found.fields["C2PA actions"] == "c2pa.created, c2pa.cropped, com.example.odd"


def test_an_unknown_signer_is_said_to_go_by_a_name_and_why(plain, who, tmp_path, look):
    found = look(sign(plain / "picture.jpg", tmp_path / "s.jpg", "image/jpeg", who))
    claim = next(finding for finding in found.findings if finding.kind == "credentials")
    assert claim.title.startswith("Signed by somebody who goes by")
    assert "No list of trusted signers is set up here" in claim.detail


def test_another_authority_is_not_trusted(plain, anchors, tmp_path, look):
    signed = sign(plain / "picture.jpg", tmp_path / "s.jpg", "image/jpeg", signatory("Daily Test"))
    found = look(signed, anchors)
    assert found.credentials is CredentialState.UNKNOWN_SIGNER
    assert "No list" not in found.findings[0].detail


@pytest.mark.parametrize("name", ["picture.jpg", "clip.mp4"])
def test_a_record_of_a_generator_is_notable(name, plain, who, anchors, tmp_path, look):
    signed = sign(plain / name, tmp_path / name, KINDS[name], who, source_type=GENERATED)
    notable = [finding for finding in look(signed, anchors).findings if finding.notable]
    assert [finding.title for finding in notable] == ["Its credentials say: made by a generator (a trained model)"]


def test_a_generator_further_back_in_the_chain_is_found(plain, who, anchors, tmp_path, look):
    first = sign(plain / "picture.jpg", tmp_path / "first.jpg", "image/jpeg", who, source_type=GENERATED)
    info = c2pa.C2paSignerInfo(alg=b"es256", sign_cert=who.chain, private_key=who.key, ta_url=None)
    claim = {"claim_generator_info": [{"name": "Test Editor", "version": "2"}]}
    second = tmp_path / "second.jpg"
    with c2pa.Signer.from_info(info) as signer, c2pa.Builder(claim) as builder:
        builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
        with first.open("rb") as source, second.open("w+b") as target:
            builder.sign(signer, "image/jpeg", source, target)
    found = look(second, anchors)
    assert found.credentials is CredentialState.TRUSTED
    assert "Its credentials say: made by a generator" in titles(found)
    assert found.fields["C2PA generator"] == "Test Editor 2"
    assert found.fields["C2PA ingredient record 1 generator"] == "Test Camera 1.0"


def test_a_changed_file_says_so_and_its_claims_do_not_count(plain, who, anchors, tmp_path, look):
    signed = sign(plain / "picture.jpg", tmp_path / "s.jpg", "image/jpeg", who, source_type=GENERATED)
    signed.write_bytes(with_changed_content(plain / "picture.jpg", signed))
    found = look(signed, anchors)
    assert found.findings[0].detail == "The content was changed after it was signed."
    assert found.findings[0].notable
    assert "Said to be signed by Daily Test" in titles(found)
    assert "only a claim" in " ".join(finding.detail for finding in found.findings)


def test_a_changed_signature_is_broken(plain, who, anchors, tmp_path, look):
    signed = sign(plain / "picture.jpg", tmp_path / "s.jpg", "image/jpeg", who)
    data = bytearray(signed.read_bytes())
    at = data.index(b"c2pa.signature")
    data[at + 200 : at + 260] = bytes(60)
    signed.write_bytes(data)
    found = look(signed, anchors)
    assert found.credentials is CredentialState.BROKEN
    assert found.findings[0].notable


def test_text_of_a_record_cannot_play_tricks(plain, who, tmp_path, look):
    trick = "Evil\x1b[2J\u202egpj.cat\n" + "x" * 5000
    signed = sign(plain / "picture.jpg", tmp_path / "s.jpg", "image/jpeg", who, title=trick)
    title = look(signed).fields["C2PA title"]
    assert title.startswith("Evil [2J gpj.cat")
    assert len(title) <= 500


class Listener:
    """A port of this machine that counts who knocks."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}/manifest.c2pa"

    def knocked(self, within_s: float) -> bool:
        self._socket.settimeout(within_s)
        try:
            connection, _ = self._socket.accept()
        except TimeoutError:
            return False
        connection.close()
        return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener():
    one = Listener()
    yield one
    one.close()


@pytest.mark.slow
def test_a_record_elsewhere_is_named_but_never_fetched(plain, who, anchors, tmp_path, look, listener):
    signed = sign(plain / "picture.jpg", tmp_path / "s.jpg", "image/jpeg", who, remote=listener.address)
    found = look(signed, anchors)
    assert found.credentials is CredentialState.ABSENT
    assert listener.address in found.findings[0].detail
    assert found.findings[0].notable
    assert not listener.knocked(0.5)


@pytest.mark.skipif("http_proxy" in {name.lower() for name in os.environ}, reason="a proxy would take the request")
def test_the_listener_would_notice(plain, who, tmp_path, listener):
    signed = sign(plain / "picture.jpg", tmp_path / "s.jpg", "image/jpeg", who, remote=listener.address)

    def read_with_fetching() -> None:
        context = c2pa.Context.from_dict({"verify": {"remote_manifest_fetch": True}})
        with signed.open("rb") as file, pytest.raises(c2pa.C2paError):
            c2pa.Reader("image/jpeg", file, context=context)

    reader = threading.Thread(target=read_with_fetching)
    reader.start()
    assert listener.knocked(10)
    reader.join()


@pytest.mark.slow
def test_revocation_is_not_asked_for(plain, tmp_path, look, listener):
    who = signatory(ocsp=listener.address)
    anchors = tmp_path / "anchors.pem"
    anchors.write_bytes(who.anchors)
    signed = sign(plain / "picture.jpg", tmp_path / "s.jpg", "image/jpeg", who)
    assert look(signed, anchors).credentials is CredentialState.TRUSTED
    assert not listener.knocked(0.5)


def test_anchors_lie_beside_the_weights(plain, who, anchors, tmp_path, look, monkeypatch):
    monkeypatch.setattr(credentials, "ANCHORS", anchors)
    signed = sign(plain / "picture.jpg", tmp_path / "s.jpg", "image/jpeg", who)
    assert look(signed).credentials is CredentialState.TRUSTED


@pytest.mark.parametrize(
    "content", ["", "not a certificate", "-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----"]
)
def test_anchors_that_are_none_are_refused(content, plain, tmp_path, look):
    bad = tmp_path / "bad.pem"
    bad.write_text(content)
    with pytest.raises(ConfigError, match="ertificate"):
        look(plain / "picture.jpg", bad)


def test_a_kind_of_file_without_credentials_says_that_it_was_not_searched(tmp_path, look):
    clip = write_video(tmp_path / "clip.mkv", coded_frames(12))
    found = look(clip)
    assert found.credentials is CredentialState.ABSENT
    assert "could not be searched" in titles(found)
