"""The Models tab: what is on the shelf, and loading, unloading and downloading it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from drishtiksha.errors import DrishtikshaError
from drishtiksha.render import words
from drishtiksha.ui.models import shelf
from drishtiksha.ui.shared import panels
from drishtiksha.ui.shared.desk import Desk
from drishtiksha.ui.shared.elements import html
from drishtiksha.ui.shared.failure import failure_line, guarded
from drishtiksha.ui.shared.parts import Change
from drishtiksha.ui.shared.templates import macro, script

TICK_S = 0.3
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

Told = tuple[str, str | Change]
"""What to tell, and the shelf as HTML; one that is left as it is says so."""


def build(desk: Desk, tab: gr.Tab) -> None:
    """Lay out and wire the tab inside the current `gr.Tab`."""
    told = html(panels.status(""), elem_id="dk-shelf-status", elem_classes="dk-told")
    models = html(macro("shared/lines.html", "fetching"), js_on_load=script("shelf.js"), elem_id="dk-shelf")

    def act(event: gr.EventData) -> Iterator[Told]:
        yield from act_on(desk, getattr(event, "model", None), getattr(event, "action", None))

    models.click(act, None, [told, models], show_progress_on=[told], **PRIVATE)
    tab.select(lambda: shelf.cards(desk), None, models, **PRIVATE)


def act_on(desk: Desk, name: str | None, action: str | None) -> Iterator[Told]:
    """What a button does: (what to tell, the shelf as HTML where it changes), again and again until it is done."""
    yield from guarded(lambda error: (panels.status(failure_line(error)), shelf.cards(desk)))(_acting)(
        desk, name, action
    )


def _acting(desk: Desk, name: str | None, action: str | None) -> Iterator[Told]:
    if name == shelf.TOGETHER and desk.settings.manage_models and action in ("ask", "pull"):
        yield from _recommended(desk, action)
        return
    known = name in desk.manager.get_available_models() and desk.settings.manage_models
    if not isinstance(name, str) or not known or action not in ("ask", "load", "unload", "pull"):
        yield panels.status(""), shelf.cards(desk)
        return
    yield panels.status(f"{_DOING[action]} {name} …"), shelf.cards(desk, at_work=True)
    if action == "ask":
        asked = shelf.offer(desk, name)
        yield panels.status("Read the licence, then accept it."), shelf.cards(desk, asked)
        return
    for progress in _in_thread(lambda report: _WORK[action](desk, name, report)):
        yield panels.status(f"{_DOING[action]} {name}: {progress}"), gr.skip()
    yield panels.status(f"{name}: {_DONE[action]}"), shelf.cards(desk)


def _recommended(desk: Desk, action: str) -> Iterator[Told]:
    """Sizes and licences of all recommended models, or their downloads one after the other; one that fails stops no other."""
    names = [status.name for status in shelf.recommended(desk)]
    if action == "ask":
        yield panels.status("Asking what there is …"), shelf.cards(desk, at_work=True)
        together = [shelf.offer(desk, name) for name in names]
        yield panels.status("Read the licences, then accept them."), shelf.cards(desk, together=together)
        return
    failed: list[str] = []
    for number, name in enumerate(names, start=1):
        yield panels.status(f"{number} of {len(names)}: downloading {name} …"), shelf.cards(desk, at_work=True)
        try:
            for progress in _in_thread(lambda report, name=name: _pull(desk, name, report)):  # type: ignore[misc]
                yield panels.status(f"{number} of {len(names)}: downloading {name}: {progress}"), gr.skip()
        except DrishtikshaError as error:
            failed.append(f"{name}: {failure_line(error)}")
    told = " ".join(failed) or f"{words.counted(len(names), 'model')} downloaded and verified."
    yield panels.status(told), shelf.cards(desk)


Report = Callable[[str], None]
_DOING = {"ask": "Asking what there is for", "load": "Loading", "unload": "Unloading", "pull": "Downloading"}
_DONE = {"load": "loaded.", "unload": "no longer in memory.", "pull": "downloaded and verified."}


def _load(desk: Desk, name: str, _: Report) -> None:
    desk.workbench.load_model(name)


def _unload(desk: Desk, name: str, _: Report) -> None:
    desk.workbench.unload_model(name)


def _pull(desk: Desk, name: str, report: Report) -> None:
    def progress(done: int, total: int | None) -> None:
        report(f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if total else f"{done / 1e6:.0f} MB")

    desk.manager.pull(name, progress)


_WORK: dict[str, Callable[[Desk, str, Report], None]] = {"load": _load, "unload": _unload, "pull": _pull}


def _in_thread(work: Callable[[Report], None]) -> Iterator[str]:
    """The latest report of `work` every now and then, until it has ended. Raises what it raised."""
    news: queue.Queue[str] = queue.Queue()
    failed: list[Exception] = []

    def run() -> None:
        try:
            work(news.put)
        except Exception as error:  # noqa: BLE001 - raised again by whoever waits for it
            failed.append(error)

    thread = threading.Thread(target=run, name="shelf", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(TICK_S)
        latest = None
        while not news.empty():
            latest = news.get()
        if latest is not None:
            yield latest
    if failed:
        raise failed[0]
