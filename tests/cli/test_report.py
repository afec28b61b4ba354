"""`drishtiksha report` and `drishtiksha verify` as a script sees them."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest
from pypdf import PdfReader
from typer.testing import CliRunner

from drishtiksha.casefile import LOCAL, CaseFile, Confidence, HumanVerdict
from drishtiksha.cli import Exit, app
from drishtiksha.registry import ModelManager
from drishtiksha.report import keys
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import ROOT, load_settings

PORTRAIT = ROOT / "assets" / "portrait_altered.jpg"
MODELS = "FACE-BLEND-LITE-V1"
QUESTION = "Was this portrait altered?"


def run(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


def words(done) -> str:
    return " ".join(done.output.split())


@pytest.fixture(autouse=True)
def own_data(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DRISHTIKSHA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DRISHTIKSHA_DEVICE", "cpu")
    return tmp_path / "data"


@pytest.fixture
def bundle(tmp_path) -> Path:
    path = tmp_path / "out" / "case.zip"
    done = run("report", PORTRAIT, "--models", MODELS, "--question", QUESTION, "--out", path)
    assert done.exit_code == Exit.DONE, done.output
    assert str(path) in done.output
    return path


def altered(bundle: Path, target: Path) -> Path:
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, data.replace(b"altered", b"genuine") if name == "report.html" else data)
    return target


@pytest.mark.slow
def test_a_bundle_is_made_and_the_examination_comes_out_again(bundle, own_data):
    with zipfile.ZipFile(bundle) as opened:
        case = CaseFile.model_validate_json(opened.read("case.json"))
    assert case.question == QUESTION
    assert [result.model_name for result in case.results] == MODELS.split(",")
    assert case.provenance is not None
    done = run("verify", bundle, "--evidence", PORTRAIT, "--rerun")
    assert done.exit_code == 0, done.output
    assert words(done).startswith("Identical.")
    assert words(done).count("every score is exactly the same") == len(case.results)
    assert keys.grouped(keys.known_fingerprint(own_data)) in done.output


@pytest.mark.slow
def test_verify_tells_what_was_tampered_with(bundle, tmp_path):
    path = altered(bundle, tmp_path / "t.zip")
    done = run("verify", path)
    assert done.exit_code == 2
    assert words(done).startswith("Tampered.")
    assert "report.html was changed." in words(done)
    told = json.loads(run("verify", path, "--json").stdout)
    assert told["state"] == "tampered"
    assert told["differences"] == ["report.html was changed."]


@pytest.mark.slow
def test_verify_tells_another_file_and_another_key(bundle, tmp_path):
    done = run("verify", bundle, "--evidence", ROOT / "assets" / "portrait.jpg")
    assert done.exit_code == 1
    assert words(done).startswith("Different.")
    done = run("verify", bundle, "--key", "ab" * 32)
    assert done.exit_code == 2
    assert "the key is not the one that you expected" in words(done)
    with zipfile.ZipFile(bundle) as opened:
        (tmp_path / "signer.pem").write_bytes(opened.read("signer.pem"))
    assert run("verify", bundle, "--key", tmp_path / "signer.pem").exit_code == 0
    done = run("verify", bundle, "--key", bundle)
    assert done.exit_code == 2
    assert "not a public Ed25519 key" in words(done)


def test_verify_says_what_its_exit_codes_mean():
    told = re.sub(r"[\s│]+", " ", run("verify", "--help").output)
    assert "0 identical or within tolerance; 1 different; 2 tampered" in told


@pytest.mark.slow
def test_a_single_page_for_a_file(tmp_path):
    for name, start in {
        "r.html": b"<!doctype html>",
        "r.pdf": b"%PDF",
        "r.json": b"{",
        "r.csv": b"\xef\xbb\xbf",
    }.items():
        done = run("report", PORTRAIT, "-m", "FACE-BLEND-LITE-V1", "-o", tmp_path / name)
        assert done.exit_code == Exit.DONE, done.output
        assert (tmp_path / name).read_bytes().startswith(start)
    assert not (tmp_path / "data" / "keys").exists(), "only a bundle is signed"


@pytest.mark.slow
def test_a_case_of_the_app_with_its_review(tmp_path):
    settings = load_settings()
    bench = Workbench(settings, ModelManager(settings))
    case = bench.seen_by(LOCAL).take(PORTRAIT, "from a reader.jpg", question=QUESTION)
    bench.seen_by(LOCAL).open(case.case_id).add_review("Asha", HumanVerdict.MANIPULATED, Confidence.HIGH)
    done = run("report", "--case", case.case_id, "--out", tmp_path / "r.pdf")
    assert done.exit_code == Exit.DONE, done.output
    text = " ".join(page.extract_text() for page in PdfReader(tmp_path / "r.pdf").pages)
    for expected in ("Examination of from a reader.jpg", QUESTION, "Asha: manipulated, high confidence"):
        assert expected in " ".join(text.split())
    gone = run("report", "--case", "0" * 32, "--out", tmp_path / "r2.pdf")
    assert gone.exit_code == Exit.FAILED
    assert not (tmp_path / "r2.pdf").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--out", "r.html"),
        (PORTRAIT, "--case", "0" * 32, "--out", "r.html"),
        ("--case", "0" * 32, "--models", "X", "--out", "r.html"),
        (PORTRAIT, "--out", "r.docx"),
        (PORTRAIT, "--models", "NO-SUCH-MODEL", "--out", "r.html"),
        (PORTRAIT,),
    ],
)
def test_wrong_usage_is_2_and_examines_nothing(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    assert run("report", *arguments).exit_code == Exit.USAGE
    assert list(tmp_path.glob("r.*")) == []
