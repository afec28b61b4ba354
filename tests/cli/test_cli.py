"""The command line as a script sees it: exit codes, JSON, and the same scores as the app's services."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from detector_kit import stand_in_weights
from PIL import Image
from typer.testing import CliRunner

from drishtiksha.answer import Answer, State
from drishtiksha.cli import Exit, app
from drishtiksha.detectors.face_blend import FaceBlendDetector
from drishtiksha.registry import ModelManager
from drishtiksha.results import AnalysisResult
from drishtiksha.services import answers
from drishtiksha.settings import ROOT, load_settings
from drishtiksha.weights import sha256_of

ASSETS = ROOT / "assets"
MODEL = "FACE-BLEND-LITE-V1"


def run(*arguments: str):
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.mark.slow
def test_predict_gives_the_services_scores(tmp_path):
    done = run("predict", ASSETS / "portrait.jpg", "--model", MODEL, "--json", tmp_path / "r.json", "--device", "cpu")
    assert done.exit_code == Exit.DONE, done.output
    written = json.loads((tmp_path / "r.json").read_text())
    expected = (
        ModelManager(load_settings(device="cpu")).load_model(MODEL).analyze(ASSETS / "portrait.jpg", explain=False)
    )
    assert written["p_fake"] == pytest.approx(expected.p_fake, abs=1e-6)
    assert written["prediction"] == expected.prediction
    assert written["media"]["sha256"] == expected.media.sha256
    assert expected.grade.value in done.output


@pytest.mark.slow
def test_json_on_standard_output_is_only_json():
    done = subprocess.run(
        [sys.executable, "-m", "drishtiksha", "predict", ASSETS / "no_face.mp4", "-m", MODEL, "--json", "-"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "DRISHTIKSHA_DEVICE": "cpu"},
    )
    result = json.loads(done.stdout)
    assert (result["prediction"], result["gap"], result["p_fake"]) == ("INCONCLUSIVE", "no_face", None)


@pytest.mark.slow
def test_several_files_give_a_list_and_one_bad_file_does_not_stop_the_others(tmp_path):
    bad = tmp_path / "text.mp4"
    bad.write_text("this is no video\n" * 100)
    done = run(
        "predict", ASSETS / "portrait.jpg", bad, ASSETS / "no_face.mp4", "-m", MODEL, "--json", tmp_path / "r.json"
    )
    assert done.exit_code == Exit.UNREADABLE
    assert "text.mp4" in done.output
    assert "Traceback" not in done.output
    first, second, third = json.loads((tmp_path / "r.json").read_text())
    assert (first["media"]["name"], third["media"]["name"]) == ("portrait.jpg", "no_face.mp4")
    assert second["file"] == "text.mp4"
    assert "text" in second["error"]


@pytest.mark.slow
def test_a_file_that_no_model_takes_does_not_stop_the_others(tmp_path, monkeypatch):
    from media_factory import speech_like, write_audio

    monkeypatch.setenv("DRISHTIKSHA_ACTIVE_MODELS", json.dumps([MODEL]))
    recording = write_audio(tmp_path / "a.wav", speech_like(1.0), 16_000)
    done = run("predict", ASSETS / "portrait.jpg", recording, ASSETS / "portrait.jpg", "--json", tmp_path / "r.json")
    assert done.exit_code != Exit.DONE
    first, second, third = json.loads((tmp_path / "r.json").read_text())
    assert first["p_fake"] == third["p_fake"] is not None
    assert second["file"] == "a.wav"
    assert "No model that is ready" in second["error"]


@pytest.mark.slow
def test_a_failure_replaces_an_older_result(tmp_path):
    result, empty = tmp_path / "r.json", tmp_path / "empty.mp4"
    empty.touch()
    assert run("predict", ASSETS / "portrait.jpg", "--json", result).exit_code == Exit.DONE
    assert run("predict", empty, "--json", result).exit_code == Exit.UNREADABLE
    assert "empty" in json.loads(result.read_text())["error"]


def test_where_nothing_can_be_written_it_says_so(tmp_path):
    done = run("predict", ASSETS / "portrait.jpg", "--json", tmp_path)
    assert done.exit_code == Exit.FAILED
    assert isinstance(done.exception, SystemExit)
    assert "Is a directory" in " ".join(done.output.split())


def test_an_unknown_device_is_wrong_usage():
    done = run("predict", ASSETS / "portrait.jpg", "--device", "banana")
    assert done.exit_code == Exit.USAGE
    assert "device" in done.output


@pytest.mark.slow
def test_what_ships_is_found_wherever_other_checkpoints_lie(tmp_path, monkeypatch):
    monkeypatch.setenv("DRISHTIKSHA_MODELS_DIR", str(tmp_path))
    done = run("predict", ASSETS / "portrait.jpg", "--json", tmp_path / "r.json")
    assert done.exit_code == Exit.DONE, done.output
    assert json.loads((tmp_path / "r.json").read_text())["calibrated"]


@pytest.mark.slow
def test_of_an_animation_only_the_first_picture_was_judged_and_it_says_so(tmp_path):
    with Image.open(ASSETS / "portrait.jpg") as picture:
        pages = [picture.convert("RGB"), *(Image.new("RGB", picture.size, (n, n, n)) for n in (10, 20, 30))]
    pages[0].save(tmp_path / "a.gif", save_all=True, append_images=pages[1:])
    done = run("predict", tmp_path / "a.gif", "--json", tmp_path / "r.json")
    assert done.exit_code == Exit.DONE, done.output
    result = AnalysisResult.model_validate_json((tmp_path / "r.json").read_text())
    assert result.coverage == 0.25
    assert any("first of the 4 pictures" in note for note in result.notes)


@pytest.mark.slow
def test_explain_writes_pictures(tmp_path):
    done = run("predict", ASSETS / "portrait_altered.jpg", "-m", MODEL, "--explain", tmp_path / "why")
    assert done.exit_code == Exit.DONE, done.output
    (picture,) = (tmp_path / "why").glob("*.jpg")
    assert picture.stat().st_size > 5000


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", ASSETS / "portrait.jpg", "-m", "NO-SUCH-MODEL"),
        ("predict", "/does/not/exist.mp4", "-m", MODEL),
        ("predict", ASSETS / "portrait.jpg", "--set", "num_frames=8"),
        ("predict", ASSETS / "portrait.jpg", "-m", MODEL, "--set", "num_frames"),
        ("predict", ASSETS / "portrait.jpg", "-m", MODEL, "--set", "num_frames=many"),
        ("predict", ASSETS / "portrait.jpg", "-m", MODEL, "--set", "no_such_field=1"),
        ("weights", "import", ASSETS / "portrait.jpg", "NO-SUCH-MODEL"),
        ("weights", "import", ASSETS / "portrait.jpg", MODEL, "--part", "no-such-part"),
        ("weights", "pull", "NO-SUCH-MODEL"),
        ("no-such-command",),
    ],
)
def test_wrong_usage_is_2(arguments):
    assert run(*arguments).exit_code == Exit.USAGE


def test_a_file_of_the_wrong_kind_is_wrong_usage(tmp_path):
    from media_factory import speech_like, write_audio

    recording = write_audio(tmp_path / "a.wav", speech_like(1.0), 16_000)
    done = run("predict", recording, "-m", MODEL)
    assert done.exit_code == Exit.USAGE
    assert "sound recording" in " ".join(done.output.split())


def test_missing_weights_are_4_with_the_remedy(tmp_path, monkeypatch):
    config = tmp_path / "c.yaml"
    config.write_text(
        f"models: {{GONE: {{class_name: FaceBlendDetector, description: d, isImage: true, model_path: {tmp_path}/gone.pt, "
        "weights: {url: 'http://127.0.0.1:9/gone.pt'}}}"
    )
    monkeypatch.setenv("DRISHTIKSHA_CONFIG", str(config))
    done = run("predict", ASSETS / "portrait.jpg", "-m", "GONE")
    assert done.exit_code == Exit.WEIGHTS_MISSING
    assert "weights pull GONE" in " ".join(done.output.split())
    assert run("models").exit_code == Exit.DONE
    pulled = run("weights", "pull", "GONE")
    assert pulled.exit_code == Exit.FAILED
    assert "could not be fetched" in " ".join(pulled.output.split())


def test_a_file_of_the_wrong_kind_is_told_before_missing_weights():
    done = run("predict", ASSETS / "portrait.jpg", "--model", "EFFICIENTNET-B7-V1")
    assert done.exit_code == Exit.USAGE
    assert "is a picture; EFFICIENTNET-B7-V1 takes videos" in " ".join(done.output.split())
    assert "weights pull" not in done.output


def test_models_lists_every_name_with_its_state():
    listed = json.loads(run("models", "--json").stdout)
    assert [model["name"] for model in listed] == ModelManager(load_settings()).get_available_models()
    embedded = next(model for model in listed if model["name"] == MODEL)
    assert embedded["state"] == "ready"
    assert embedded["embedded"]
    assert MODEL in run("models").output


@pytest.mark.slow
def test_weights_verify_proves_the_embedded_checkpoint(tmp_path, monkeypatch):
    done = run("weights", "verify", MODEL)
    assert done.exit_code == Exit.DONE, done.output
    sidecar = json.loads((ROOT / "models" / f"{MODEL}.json").read_text())
    assert sidecar["sha256"] in done.output
    copy = tmp_path / f"{MODEL}.safetensors"
    damaged = bytearray((ROOT / "models" / copy.name).read_bytes())
    damaged[-1] ^= 1
    copy.write_bytes(damaged)
    (tmp_path / f"{MODEL}.json").write_text(json.dumps(sidecar))
    monkeypatch.setenv("DRISHTIKSHA_MODELS_DIR", str(tmp_path))
    refused = run("weights", "verify", MODEL)
    assert refused.exit_code == Exit.FAILED
    assert "SHA-256" in refused.output
    assert Path(copy).exists()


def test_weights_verify_says_when_there_was_nothing_to_compare_with(tmp_path, monkeypatch):
    checkpoint = stand_in_weights(FaceBlendDetector, tmp_path / "own.pt")
    config = tmp_path / "c.yaml"
    config.write_text(
        f"models: {{OWN: {{class_name: FaceBlendDetector, description: d, isImage: true, experimental: true, "
        f"model_path: {checkpoint}}}}}"
    )
    monkeypatch.setenv("DRISHTIKSHA_CONFIG", str(config))
    done = run("weights", "verify", "OWN")
    assert done.exit_code == Exit.DONE, done.output
    assert sha256_of(checkpoint) in done.output
    assert "as expected" not in done.output
    assert "none is known" in " ".join(done.output.split())
    assert "experimental" in run("models").output


@pytest.mark.slow
def test_what_the_score_is_worth_is_printed_and_in_the_json(tmp_path):
    done = run("predict", ASSETS / "portrait.jpg", "--model", MODEL, "--json", tmp_path / "r.json")
    result = AnalysisResult.model_validate_json((tmp_path / "r.json").read_text())
    assert result.p_fake is not None
    assert result.odds
    for sentence in result.odds:
        assert sentence in " ".join(done.output.split())
        assert sentence in result.reasons


def test_weights_list_names_file_and_licence():
    output = run("weights", "list").output
    assert MODEL in output
    assert "Apache-2.0" in output


@pytest.mark.slow
def test_a_field_can_be_set_for_one_run(tmp_path):
    done = run("predict", ASSETS / "portrait.jpg", "-m", MODEL, "--set", "batch_size=3", "--json", tmp_path / "r.json")
    assert done.exit_code == Exit.DONE, done.output
    assert json.loads((tmp_path / "r.json").read_text())["provenance"]["config"]["batch_size"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("asked", [(), ("--pitch",), ("-m", "VOICE-SPOOF-LITE-V1", "--set", "pitch=true")])
def test_the_pitch_of_a_voice_is_measured_where_it_is_asked_for(tmp_path, asked):
    from media_factory import speech_like, write_audio

    recording = write_audio(tmp_path / "a.wav", speech_like(3.0), 16_000)
    done = run("predict", recording, *asked, "--json", tmp_path / "r.json")
    assert done.exit_code == Exit.DONE, done.output
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["provenance"]["config"]["pitch"] is bool(asked)
    assert ("pitch_median_hz" in result["metrics"]) is bool(asked)
    if asked:
        assert 100 < result["metrics"]["pitch_median_hz"] < 160


def test_without_a_model_the_first_that_fits_is_taken_and_named():
    done = run("predict", ASSETS / "portrait.jpg")
    assert done.exit_code == Exit.DONE, done.output
    assert f"so {MODEL} examines it" in " ".join(done.output.split())


def test_models_tells_all_of_one():
    output = " ".join(run("models", MODEL).output.split())
    assert "blending" in output
    assert "does not see" in output
    assert "Apache-2.0" in output


@pytest.fixture
def by_hand(tmp_path, monkeypatch):
    """A model that nobody may fetch but a person."""
    config = tmp_path / "c.yaml"
    config.write_text(
        f"models: {{HAND: {{class_name: FaceBlendDetector, description: d, isImage: true, model_path: {tmp_path}/in/h.pt, "
        "weights: {by_hand: 'Download it from the authors.', licence: CC0-1.0}}}"
    )
    monkeypatch.setenv("DRISHTIKSHA_CONFIG", str(config))
    return tmp_path / "in" / "h.pt"


@pytest.mark.slow
def test_a_file_fetched_by_hand_is_imported(tmp_path, by_hand):
    told = run("weights", "pull", "HAND")
    assert told.exit_code == Exit.FAILED
    assert "weights import FILE HAND" in " ".join(told.output.split())
    own = stand_in_weights(FaceBlendDetector, tmp_path / "no_suffix")
    done = run("weights", "import", own, "HAND")
    assert done.exit_code == Exit.DONE, done.output
    assert "CC0-1.0" in done.output
    assert own.read_bytes() == by_hand.read_bytes()
    verified = run("weights", "verify", "HAND")
    assert verified.exit_code == Exit.DONE, verified.output
    assert "as expected" in verified.output
    assert "h.pt" in run("weights", "unpin", "HAND").output


@pytest.mark.slow
def test_a_file_converted_to_safetensors_is_imported_as_well(tmp_path, by_hand):
    import torch
    from safetensors.torch import save_file

    own = tmp_path / "net.safetensors"
    save_file(torch.load(stand_in_weights(FaceBlendDetector, tmp_path / "net.pt"), weights_only=True), own)
    done = run("weights", "import", own, "HAND")
    assert done.exit_code == Exit.DONE, done.output
    assert own.read_bytes() == by_hand.read_bytes()
    assert run("weights", "verify", "HAND").exit_code == Exit.DONE


def test_what_cannot_be_read_is_called_by_its_own_name(tmp_path, by_hand):
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"PK" + bytes(5000))
    told = "".join(run("weights", "import", broken, "HAND").output.split())
    assert "broken.pthisdamaged:itsendismissing" in told
    assert "torch.load" not in told
    assert not by_hand.exists()


def test_a_file_that_does_not_fit_leaves_nothing_behind(tmp_path, by_hand):
    import torch

    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pt")
    done = run("weights", "import", tmp_path / "other.pt", "HAND")
    assert done.exit_code == Exit.FAILED
    assert "1 unexpected: other" in " ".join(done.output.split())
    assert not by_hand.parent.exists() or not list(by_hand.parent.iterdir())


@pytest.mark.slow
def test_examine_gives_one_answer_about_each_file(tmp_path):
    bad = tmp_path / "text.mp4"
    bad.write_text("this is no video\n" * 100)
    done = run("examine", ASSETS / "portrait_altered.jpg", bad, "--json", tmp_path / "a.json", "--device", "cpu")
    assert done.exit_code == Exit.UNREADABLE
    told, refused = json.loads((tmp_path / "a.json").read_text())
    assert told.pop("path") == str(ASSETS / "portrait_altered.jpg")
    answer = Answer.model_validate(told)
    assert answer.state is State.SIGNS
    assert [one.title for one in answer.lines] == ["File history", "Faces"]
    assert [one.model_name for one in answer.lines[1].detectors] == [MODEL]
    assert refused["file"] == "text.mp4"
    printed = " ".join(done.output.split())
    for text in (answer.headline, answer.sentence, answer.lines[1].misses, answer.lines[1].error_rate):
        assert text
        assert text in printed


@pytest.mark.slow
def test_examine_names_slow_detectors_and_runs_them_on_demand(tmp_path, monkeypatch):
    weights = stand_in_weights(FaceBlendDetector, tmp_path / "own.pt")
    config = tmp_path / "c.yaml"
    config.write_text(
        "models:\n"
        f"  SLOW: {{class_name: FaceBlendDetector, description: d, isImage: true, model_path: {weights}}}\n"
        f"  {MODEL}: {{class_name: FaceBlendDetector, description: d, isImage: true, model_path: models/{MODEL}.safetensors}}\n"
    )
    monkeypatch.setenv("DRISHTIKSHA_CONFIG", str(config))
    monkeypatch.setattr(answers, "guess", lambda manager, name, _: (40, 90) if name == "SLOW" else (1, 2))
    printed = " ".join(run("examine", ASSETS / "portrait.jpg", "--device", "cpu").output.split())
    assert "portrait.jpg: not run, since slow here: SLOW. Run them with --all." in printed
    assert "Whole picture: SLOW has not run yet; it takes 40 s to 2 min here." in printed
    assert "can be fetched with" not in printed, "a detector for the whole picture is here"
    full = " ".join(run("examine", ASSETS / "portrait.jpg", "--device", "cpu", "--all").output.split())
    assert "not run" not in full


@pytest.mark.slow
def test_examine_of_a_file_without_a_face_concludes_nothing():
    done = run("examine", ASSETS / "no_face.mp4", "--device", "cpu")
    assert done.exit_code == Exit.DONE
    printed = " ".join(done.output.split())
    assert "Nothing to judge There is no face in this file." in printed
    name = "COMMUNITY-FORENSICS-384"
    assert f"{name} can be fetched with: drishtiksha weights pull {name}" in printed
    assert "authentic" not in printed


def test_examine_without_any_weights_says_what_to_do(tmp_path, monkeypatch):
    config = tmp_path / "c.yaml"
    config.write_text(
        f"models: {{GONE: {{class_name: FaceBlendDetector, description: d, isImage: true, model_path: {tmp_path}/gone.pt, "
        "weights: {url: 'http://127.0.0.1:9/gone.pt'}}}"
    )
    monkeypatch.setenv("DRISHTIKSHA_CONFIG", str(config))
    done = run("examine", ASSETS / "portrait.jpg")
    assert done.exit_code == Exit.WEIGHTS_MISSING
    assert "weights pull GONE" in " ".join(done.output.split())
