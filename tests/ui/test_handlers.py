from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest
from desk_names import ABSENT, BRIGHT
from media_factory import coded_frames, write_video

from drishtiksha.casefile import LOCAL, JobView, Viewer
from drishtiksha.errors import CaseGoneError
from drishtiksha.services.workbench import Seen
from drishtiksha.ui import endpoints
from drishtiksha.ui.analyze import handlers
from drishtiksha.ui.shared.desk import Desk


def test_an_upload_is_taken_shown_and_gradios_copy_deleted(desk: Desk, upload, bright_picture: Path) -> None:
    path = upload(bright_picture, "bright.png")
    update = handlers.take_upload(desk, str(path), None, LOCAL, "<b>Where</b> is this?")
    assert not path.exists()
    case_id = update["case"]
    evidence = desk.workbench.seen_by(LOCAL).open(case_id).evidence()
    assert evidence.media.sha256 in update["facts"]
    assert "&lt;b&gt;Where&lt;/b&gt; is this?" in update["facts"]
    assert "Content Credentials" in update["provenance"]
    shown = update["image"]["value"]
    assert Path(shown).parent == desk.workbench.seen_by(LOCAL).open(case_id).derived()
    assert update["video"]["value"] is None
    assert str(evidence.path.parent) not in str(update), "no server path of the evidence may reach the page"


@pytest.mark.parametrize("content", [b"this is a text, not a film\n" * 50, b""])
def test_what_is_no_media_is_an_error_in_the_panel(desk: Desk, upload, content: bytes) -> None:
    update = handlers.take_upload(desk, str(upload(content, "notes.mp4")), None, LOCAL)
    assert "could not be opened" in update["verdict"]
    assert "notes.mp4" in update["verdict"]
    assert not update.get("case")
    assert not any(desk.settings.cases_dir.glob("*"))


def test_delete_answers_with_an_empty_page_and_leaves_nothing(desk: Desk, bright_picture: Path) -> None:
    case_id = handlers.take_example(desk, bright_picture, BRIGHT, LOCAL)["case"]
    update = handlers.delete(desk, case_id, BRIGHT, LOCAL)
    assert update["case"] == ""
    assert "deleted" in update["status"]
    for folder in (desk.settings.cases_dir, desk.settings.derived_dir):
        assert not any(folder.glob("*"))
    with pytest.raises(CaseGoneError):
        desk.workbench.seen_by(LOCAL).open(case_id).read()
    assert "case" in handlers.delete(desk, case_id, BRIGHT, LOCAL), "once more does no harm"


def test_nobody_deletes_or_looks_at_the_case_of_somebody_else(desk: Desk, bright_picture: Path) -> None:
    ada, bob = (Viewer(name=name) for name in ("ada", "bob"))
    case_id = handlers.take_example(desk, bright_picture, BRIGHT, ada)["case"]
    handlers.delete(desk, case_id, BRIGHT, bob)
    assert desk.workbench.seen_by(ada).open(case_id).read().owner == "ada"
    assert "no longer here" in handlers.choose_model(desk, case_id, BRIGHT, bob)["verdict"]


def test_leaving_a_case_keeps_it(desk: Desk, bright_picture: Path) -> None:
    case_id = handlers.take_example(desk, bright_picture, BRIGHT, LOCAL)["case"]
    update = handlers.close(desk, BRIGHT)
    assert (update["case"], update["job"], update["provenance"]) == ("", "", "")
    assert desk.workbench.seen_by(LOCAL).open(case_id).read().media.name == "bright.png"


def test_choosing_a_model_renews_the_remarks(desk: Desk, bright_picture: Path) -> None:
    case = handlers.take_example(desk, bright_picture, BRIGHT, LOCAL)["case"]
    assert (
        f"{ABSENT} would fit this file but cannot run yet" in handlers.choose_model(desk, case, ABSENT, LOCAL)["facts"]
    )
    assert handlers.choose_model(desk, "", ABSENT, LOCAL) == {}


def test_what_a_run_takes_is_said_before_it(desk: Desk, bright_picture: Path) -> None:
    update = handlers.take_example(desk, bright_picture, BRIGHT, LOCAL)
    assert "How long it takes here is not known yet; its weights take" in update["facts"]
    assert "to be loaded first" in update["facts"]
    *_, _ended = desk.workbench.seen_by(LOCAL).watch(
        desk.workbench.seen_by(LOCAL).open(update["case"]).submit([BRIGHT])
    )
    told = handlers.choose_model(desk, update["case"], BRIGHT, LOCAL)["facts"]
    assert "as such files took here before" in told
    assert "to be loaded first" not in told
    assert "its weights" not in handlers.choose_model(desk, update["case"], ABSENT, LOCAL)["facts"]


def test_a_quick_look_counts_faces_and_is_kept_with_the_case(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, coded_frames(8))
    case = handlers.take_example(desk, path, BRIGHT, LOCAL)["case"]
    assert "no face found" in handlers.look_quickly(desk, case, BRIGHT, LOCAL)["facts"]
    assert "no face found" in handlers.choose_model(desk, case, BRIGHT, LOCAL)["facts"]


def test_a_case_that_is_gone_is_said(desk: Desk) -> None:
    assert "no longer here" in handlers.choose_model(desk, "0" * 32, BRIGHT, LOCAL)["verdict"]


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
