"""The process that serves the page and the API never imports torch: its workers do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from drishtiksha.settings import ROOT


@pytest.mark.slow
def test_the_serving_process_imports_no_torch_whatever_is_done(tmp_path):
    own = {
        "DRISHTIKSHA_WORKERS": "processes",
        "DRISHTIKSHA_DEVICE": "cpu",
        "DRISHTIKSHA_DATA_DIR": str(tmp_path / "data"),
        "DRISHTIKSHA_ACTIVE_MODELS": '["FACE-BLEND-LITE-V1"]',
        "GRADIO_TEMP_DIR": str(tmp_path / "gradio"),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, Path(__file__).with_name("torchless.py")]
    ran = subprocess.run(command, cwd=ROOT, env=os.environ | own, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    seen = json.loads(ran.stdout.splitlines()[-1])
    assert seen.pop("lines") > 0
    assert "loaded" in seen.pop("loaded")
    assert seen == {
        "pages": [200] * 9,
        "state": "done",
        "ready": True,
        "to_load": [],
        "shown": 2,
        "device": True,
        "faces": 1,
        "heavy": [],
    }
