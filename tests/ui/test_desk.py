from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from drishtiksha import errors
from drishtiksha.casefile import LOCAL, Right, Viewer
from drishtiksha.errors import CaseGoneError, without_server_paths
from drishtiksha.services.sessions import COOKIE
from drishtiksha.ui.shared.desk import Desk, discard_upload
from drishtiksha.ui.shared.viewer import viewer_of

REPORTER = Viewer(name="ada")


def test_a_case_is_a_copy_known_by_a_random_id_with_its_provenance(desk: Desk, bright_picture: Path) -> None:
    one, two = (desk.take(bright_picture, "bright.png", LOCAL, " Who took it? ") for _ in range(2))
    assert one.case_id != two.case_id
    assert one.read().question == "Who took it?"
    assert one.read().provenance is not None
    evidence = one.evidence()
    assert evidence.path != bright_picture
    assert evidence.path.read_bytes() == bright_picture.read_bytes()


def test_what_the_browser_may_fetch_lies_apart_from_the_evidence_and_goes_with_the_case(
    desk: Desk, bright_picture: Path
) -> None:
    case = desk.take(bright_picture, "bright.png", LOCAL)
    folder = case.derived()
    assert folder.is_relative_to(desk.settings.derived_dir)
    assert not case.evidence().path.is_relative_to(desk.settings.derived_dir)
    case.delete()
    assert not folder.exists()
    with pytest.raises(CaseGoneError):
        case.read()


def test_a_case_belongs_to_whoever_took_it(desk: Desk, bright_picture: Path) -> None:
    case = desk.take(bright_picture, "bright.png", REPORTER)
    assert case.read().owner == "ada"
    with pytest.raises(CaseGoneError):
        desk.workbench.seen_by(Viewer(name="bob")).open(case.case_id).read()


def test_who_is_at_the_page_of_this_machine_and_of_one_with_login(desk: Desk) -> None:
    nobody, ada = SimpleNamespace(username=None), SimpleNamespace(username="ada")
    local, login = desk.settings, desk.settings.model_copy(update={"login": True})
    assert viewer_of(None, local) == viewer_of(ada, local) == LOCAL
    assert viewer_of(ada, login) == Viewer(), "nobody can tell who that is"

    def known(name: str) -> Viewer:
        return Viewer(name=name)

    assert viewer_of(ada, login, known) == REPORTER
    assert viewer_of(nobody, login, known) == viewer_of(None, login, known) == Viewer()


def test_a_browser_of_a_public_page_is_known_by_its_cookie_else_by_the_open_page(desk: Desk) -> None:
    public = desk.settings.model_copy(update={"public": True})
    ann = viewer_of(SimpleNamespace(cookies={COOKIE: "a" * 43}, session_hash="one"), public)
    assert ann == viewer_of(SimpleNamespace(cookies={COOKIE: "a" * 43}, session_hash="two"), public)
    framed = viewer_of(SimpleNamespace(cookies={}, session_hash="one"), public)
    assert len({ann.owner, framed.owner, viewer_of(SimpleNamespace(cookies={}, session_hash="two"), public).owner}) == 3
    assert "a" * 43 not in ann.owner
    stolen = viewer_of(SimpleNamespace(cookies={COOKIE: "one"}, session_hash="three"), public)
    assert stolen.owner == viewer_of(SimpleNamespace(cookies={}, session_hash="three"), public).owner, (
        "no cookie of ours"
    )
    assert not stolen.may(Right.CHANGE, framed.owner)
    unknown = viewer_of(None, public)
    assert (unknown.owner, unknown.may(Right.READ, ann.owner), unknown.may(Right.CHANGE, "")) == ("", True, False)


def test_an_upload_is_discarded_with_its_folder(upload, desk: Desk) -> None:
    path = upload(b"x", "a.png")
    discard_upload(path, 0)
    assert not path.parent.exists()


@pytest.mark.slow
def test_an_upload_stays_while_somebody_else_may_have_sent_the_same(upload, desk: Desk) -> None:
    before = time.time()
    path = upload(b"x", "a.png")
    discard_upload(path, 1)
    assert path.exists(), "gradio keeps equal uploads in one file"
    os.utime(path)  # it arrived once more
    until = time.monotonic() + 30
    while path.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not path.parent.exists()
    assert time.time() - before >= 1.0


def test_nothing_outside_gradios_folder_is_discarded(desk: Desk, bright_picture: Path, tmp_path: Path) -> None:
    (tmp_path / "gradio").mkdir(exist_ok=True)
    link = tmp_path / "gradio" / "link.png"
    link.symlink_to(bright_picture)
    for path in (bright_picture, tmp_path / "gradio" / ".." / "bright.png", link):
        discard_upload(path, 0)
    assert bright_picture.exists()


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
        ("GET /api/jobs/1/events and /srv/secret/models/a.pt", "GET /api/jobs/1/events and models/a.pt"),
        ("[Errno 2] No such file: '/srv/my shelf/models/x y.pt'", "[Errno 2] No such file: 'models/x y.pt'"),
        ("Put it at /Users/ada lovelace/models/x.pt.", "Put it at models/x.pt."),
        ("/mnt/big disk/weights/x.pt (see https://x.org/mnt/big)", "weights/x.pt (see https://x.org/mnt/big)"),
        ("/mnt/big disk is full", "big disk is full"),
    ],
)
def test_server_paths_are_not_shown(text: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/Users/ada lovelace")
    monkeypatch.setattr(errors, "_own_folders", set())
    errors.hide_folders(Path("/mnt/big disk"), Path("/"))
    assert without_server_paths(text) == shown
