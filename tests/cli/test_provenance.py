"""`drishtiksha provenance`, as a script calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from credential_signing import sign, signatory
from typer.testing import CliRunner

from drishtiksha.casefile import CredentialState, Provenance
from drishtiksha.cli import Exit, app

ROOT = Path(__file__).parents[2]
PORTRAIT = ROOT / "assets/portrait.jpg"


@pytest.fixture(autouse=True)
def data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("DRISHTIKSHA_DATA_DIR", str(tmp_path / "data"))


def run(*arguments: str | Path):
    return CliRunner().invoke(app, ["provenance", *map(str, arguments)], env={"COLUMNS": "300"})


def test_in_words():
    ran = run(PORTRAIT)
    assert ran.exit_code == Exit.DONE, ran.output
    assert ran.stdout.startswith("No Content Credentials.")
    assert "This does not tell:" in ran.stdout
    assert "EXIF ImageDescription: Eileen Collins, NASA, public domain" in ran.stdout


@pytest.mark.slow
def test_as_json():
    ran = run(PORTRAIT, "--json")
    assert ran.exit_code == Exit.DONE
    found = Provenance.model_validate(json.loads(ran.stdout))
    assert found.credentials is CredentialState.ABSENT
    assert found.fields["EXIF ImageDescription"].startswith("Eileen")


def test_trusted_signers_can_be_given(tmp_path):
    who = signatory()
    (tmp_path / "anchors.pem").write_bytes(who.anchors)
    signed = sign(PORTRAIT, tmp_path / "signed.jpg", "image/jpeg", who)
    assert "signer trusted" in run(signed, "--anchors", tmp_path / "anchors.pem").stdout
    assert "signer unknown" in run(signed).stdout


def test_failures_have_exit_codes(tmp_path):
    (tmp_path / "no.jpg").write_text("words")
    assert run(tmp_path / "no.jpg").exit_code == Exit.UNREADABLE
    (tmp_path / "no.pem").write_text("words")
    assert run(PORTRAIT, "--anchors", tmp_path / "no.pem").exit_code == Exit.USAGE
    assert run(tmp_path / "absent.jpg").exit_code == Exit.USAGE
