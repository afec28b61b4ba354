"""Schemathesis reads the OpenAPI document and tries everything that it allows, and what it does not."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest
from server_kit import served

EXAMPLES = 12

HOOKS = '''
import base64
import schemathesis

PICTURE = base64.b64decode("{picture}")


@schemathesis.hook
def map_body(context, body):
    """Any bytes may be sent, but only media are taken: half of the calls send a picture."""
    if isinstance(body, dict) and isinstance(body.get("file"), bytes) and len(body["file"]) % 2 == 0:
        body["file"] = PICTURE
    return body
'''

CONFIG = """
[generation]
database = "none"

[[operations]]
include-path = "/api/analyze"

[operations.checks]
# Whether bytes are media is not for a schema to say.
positive_data_acceptance.expected-statuses = ["2xx", "401", "413", "422", "503"]

[[operations]]
include-path = ["/api/cases/{case_id}/key-frames", "/api/cases/{case_id}/look"]

[operations.checks]
# Whether the file of a case has scenes, or pictures at all, is not for a schema to say.
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422", "429", "503"]
"""


@pytest.mark.slow
def test_the_api_keeps_to_its_document(app_of, picture, tmp_path):
    (tmp_path / "hooks.py").write_text(HOOKS.format(picture=base64.b64encode(picture).decode()))
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    app = app_of(api_keys_required=True, max_queue=1000)
    key = app.state.services.gate.accounts.add_key("fuzz", reviewer=True)
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", tmp_path / "schemathesis.toml", "run"]
    limits = [
        "--max-examples",
        str(EXAMPLES),
        "--seed",
        "1",
        "--workers",
        "2",
        "--phases",
        "examples,coverage,fuzzing,stateful",
    ]
    with served(app) as client:
        address = f"{client.base_url}/api/openapi.json"
        ran = subprocess.run(
            [*command, address, "--header", f"Authorization: Bearer {key}", "--checks", "all", "--no-color", *limits],
            env={**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
        assert client.get("/healthz").status_code == 200
