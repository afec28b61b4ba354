"""The same clip gives the same answer by command line, REST and gradio_client, word for word."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from server_kit import served
from typer.testing import CliRunner

from drishtiksha.answer import Answer
from drishtiksha.cli import app as commands
from drishtiksha.registry import ModelManager
from drishtiksha.server import create_app
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import ROOT, load_settings
from drishtiksha.ui.blocks import mount

CLIP = ROOT / "assets" / "clip_with_sound.mp4"

PORTRAIT = ROOT / "assets" / "portrait.jpg"
AT_ONCE = 20


def timeless(answer: dict[str, Any]) -> dict[str, Any]:
    """The time of the run stands in the technical sentence alone."""
    told = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "THEN", answer["technical"])
    assert told.count("THEN") == 1
    return answer | {"technical": told}


def by_command_line(folder: Path) -> dict[str, Any]:
    target = folder / "answer.json"
    done = CliRunner().invoke(commands, ["examine", str(CLIP), "--json", str(target), "--device", "cpu"])
    assert done.exit_code == 0, done.output
    return json.loads(target.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_same_clip_gives_the_same_answer_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    settings = load_settings(data_dir=tmp_path / "data", device="cpu")
    bench = Workbench(settings, ModelManager(settings))
    app = create_app(settings, workbench=bench, mount=lambda inner: mount(inner, settings, bench))
    alone = timeless(by_command_line(tmp_path))
    with served(app) as client:
        data = {"wait": "true", "wait_s": "120"}
        sent = client.post("/api/analyze", files={"file": (CLIP.name, CLIP.read_bytes())}, data=data)
        assert sent.status_code == 200, sent.text
        kept = client.get(f"/api/cases/{sent.json()['case_id']}/answer").json()
        page = Client(str(client.base_url), verbose=False)
        asked = page.predict(handle_file(str(CLIP)), api_name="/examine")
    assert [one["title"] for one in alone["lines"]] == ["File history", "Faces", "Voice"]
    assert timeless(sent.json()["answer"]) == alone
    assert kept == sent.json()["answer"]
    assert timeless(asked) == alone
    assert Answer.model_validate(asked).complete


@pytest.mark.slow
def test_everybody_who_sends_the_same_file_at_once_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    settings = load_settings(data_dir=tmp_path / "data", device="cpu")
    bench = Workbench(settings, ModelManager(settings))
    app = create_app(settings, workbench=bench, mount=lambda inner: mount(inner, settings, bench))
    with served(app) as client:
        page = Client(str(client.base_url), verbose=False)
        sent = [
            page.submit(handle_file(str(PORTRAIT)), "FACE-BLEND-LITE-V1", api_name="/analyze") for _ in range(AT_ONCE)
        ]
        scores = {one.result(timeout=120)["p_fake"] for one in sent}
    assert len(scores) == 1
