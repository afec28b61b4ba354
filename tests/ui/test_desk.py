from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from desk_names import BRIGHT

from drishtiksha.errors import AnalysisCancelledError
from drishtiksha.events import CancelToken, silent
from drishtiksha.ui.desk import CaseGoneError, Desk, discard_upload, without_server_paths


def test_a_case_is_a_copy_known_by_a_random_id(desk: Desk, bright_picture: Path) -> None:
    one, two = (desk.take(bright_picture, "bright.png") for _ in range(2))
    assert one.case_id != two.case_id
    assert one.evidence.path != bright_picture
    assert one.evidence.path.read_bytes() == bright_picture.read_bytes()
    assert desk.case(one.case_id) is one


@pytest.mark.parametrize("wrong", [None, "", "../../etc/passwd", "0" * 32, "0" * 31, "A" * 32, ["x"], "0" * 32 + "\n"])
def test_only_the_id_of_an_open_case_opens_one(desk: Desk, wrong: str) -> None:
    with pytest.raises(CaseGoneError, match="no longer here"):
        desk.case(wrong)


def test_delete_leaves_nothing(desk: Desk, bright_picture: Path) -> None:
    case = desk.take(bright_picture, "bright.png")
    (case.shown_dir / "copy.jpg").write_bytes(b"x")
    case.cancel = CancelToken()
    desk.delete(case.case_id)
    assert case.evidence.case_dir is not None
    assert not case.evidence.case_dir.exists()
    assert not case.shown_dir.exists()
    assert case.cancel.cancelled
    with pytest.raises(CaseGoneError):
        desk.case(case.case_id)


def test_sweep_keeps_the_retention_promise_and_nothing_more(desk: Desk, bright_picture: Path) -> None:
    old, new = (desk.take(bright_picture, "bright.png") for _ in range(2))
    left_over = desk.settings.cases_dir / "of-an-earlier-run"
    left_over.mkdir()
    long_ago = time.time() - desk.settings.retention_hours * 3600 - 60
    old.opened = long_ago
    os.utime(left_over, (long_ago, long_ago))
    desk.sweep()
    assert not old.shown_dir.exists()
    assert not left_over.exists()
    assert desk.case(new.case_id).evidence.path.is_file()


def test_an_upload_is_discarded_with_its_folder(upload, desk: Desk) -> None:
    path = upload(b"x", "a.png")
    discard_upload(path)
    assert not path.parent.exists()


def test_nothing_outside_gradios_folder_is_discarded(desk: Desk, bright_picture: Path, tmp_path: Path) -> None:
    (tmp_path / "gradio").mkdir(exist_ok=True)
    link = tmp_path / "gradio" / "link.png"
    link.symlink_to(bright_picture)
    for path in (bright_picture, tmp_path / "gradio" / ".." / "bright.png", link):
        discard_upload(path)
    assert bright_picture.exists()


def test_one_analysis_at_a_time_on_a_device_and_waiting_can_be_cancelled(desk: Desk, bright_picture: Path) -> None:
    case = desk.take(bright_picture, "bright.png")
    phases: list[str] = []
    token = CancelToken()
    failure: list[BaseException] = []

    def second() -> None:
        try:
            desk.analyze(case.evidence, BRIGHT, lambda event: phases.append(event.phase), token)
        except AnalysisCancelledError as error:
            failure.append(error)

    with desk._device(BRIGHT, silent, CancelToken()):
        thread = threading.Thread(target=second)
        thread.start()
        deadline = time.monotonic() + 5
        while "wait" not in phases and time.monotonic() < deadline:
            time.sleep(0.01)
        assert phases == ["wait"]
        token.cancel()
        thread.join(1)
        assert failure, "a waiting analysis must stop within a second"
    result = desk.analyze(case.evidence, BRIGHT, silent, CancelToken())
    assert result.p_fake is not None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Put it at /srv/app/models/x.pt.", "Put it at models/x.pt."),
        ("The checkpoint /x.pt is not", "The checkpoint /x.pt is not"),
        (
            "See https://example.org/a/b/c.pt and (/home/me/models/y.pt)",
            "See https://example.org/a/b/c.pt and (models/y.pt)",
        ),
        ("It takes pictures and/or video, 3/4 of it", "It takes pictures and/or video, 3/4 of it"),
    ],
)
def test_server_paths_are_not_shown(text: str, shown: str) -> None:
    assert without_server_paths(text) == shown
