from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest
from desk_names import ABSENT, BRIGHT

from drishtiksha.casefile import LOCAL, JobView
from drishtiksha.services.workbench import Seen
from drishtiksha.ui import endpoints
from drishtiksha.ui.shared.desk import Desk


def test_the_endpoint_answers_the_result_and_keeps_nothing(desk: Desk, upload, bright_picture: Path) -> None:
    path = upload(bright_picture, "bright.png")
    answer = endpoints.analyze(desk, str(path), BRIGHT, LOCAL)
    assert answer["prediction"] == "FAKE"
    assert answer["media"]["name"] == "bright.png"
    assert not path.exists()
    assert not any(desk.settings.cases_dir.glob("*"))


def test_the_endpoint_answers_though_the_case_was_deleted_meanwhile(
    desk: Desk, upload, bright_picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Seen.watch

    def watch_and_delete(seen: Seen, job_id: str) -> Iterator[JobView]:
        *_, ended = watch(seen, job_id)
        seen.open(ended.case_id).delete()
        yield ended

    monkeypatch.setattr(Seen, "watch", watch_and_delete)
    answer = endpoints.analyze(desk, str(upload(bright_picture, "bright.png")), BRIGHT, LOCAL)
    assert answer["prediction"] == "FAKE"


@pytest.mark.slow
@pytest.mark.parametrize(("model", "words"), [("NOPE", "No model is called"), (ABSENT, "absent.pt")])
def test_the_endpoint_fails_with_a_sentence(desk: Desk, upload, bright_picture: Path, model: str, words: str) -> None:
    with pytest.raises(gr.Error, match=words):
        endpoints.analyze(desk, str(upload(bright_picture, "bright.png")), model, LOCAL)
    assert not any(desk.settings.cases_dir.glob("*"))


def test_models_are_listed_with_state_and_remedy(desk: Desk) -> None:
    rows = {row["name"]: row for row in endpoints.list_models(desk)}
    assert rows[BRIGHT]["state"] == "ready"
    assert rows[ABSENT]["state"] == "missing"
    assert rows[ABSENT]["remedy"]
