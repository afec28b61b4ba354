"""What is changed of gradio 6.31 itself: a fault that empties `gr.HTML` components, the head of its page, its fetching, and what
each new visitor costs.

Once its server has answered a first request, it asks for its own page, and gives up at once where that takes longer than three
seconds, as it may on a busy machine.

An event that leaves such a component as it is still sends `props: {"__type__": "update"}`. In a tab that was not opened
yet these take the place of the component's own props, and its template fails when the tab is opened.

A file that is named by an address, as a request may do in place of an upload, would be fetched from there.

For each browser it describes every component anew, from signatures and schemas, while nobody else is answered: some 30 ms of
processor time, a second in all where thirty come at once. Components as they were built stay as they are.

A request that makes no sense is answered with what was sent, which cannot always be written: a number that is none, half a
character. Here it is not.

The head of its page calls every page "Gradio" and shows its banner where a link is shared, before any `head` of ours. It
also names a manifest, which only a page that is installed needs, and fetches a script that only a page within another needs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import gradio.blocks
import gradio.exceptions
import gradio.networking
import gradio.processing_utils
import gradio.routes
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from jinja2 import BaseLoader, Environment

from drishtiksha.ui.shared.templates import fill, script

_original = gradio.blocks.postprocess_update_dict
_described = gradio.blocks.BlocksConfig.config_for_block
_made = gradio.routes.App.create_app
_known: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()
"""What was said of a component, by component."""
PAGE = "frontend/index.html"
_PREVIEW = re.compile(r'\s*<meta\s+(?:property="og:|name="twitter:)[^>]*>')
_MANIFEST = re.compile(r'\s*<link\s+rel="manifest"[^>]*>')
_WITHIN = ("document.head.appendChild(script);", "if (window.parent !== window) document.head.appendChild(script);")
_BEGIN = re.compile(r'<meta\s+charset="utf-8"\s*/>')


def work_round() -> None:
    """Let updates carry only the props that they change, describe components once, give the page a head of its own, fetch
    nothing, and start however long the page takes. Does nothing when called again."""
    gradio.networking.url_ok = _answers
    gradio.blocks.postprocess_update_dict = _without_empty_props
    gradio.processing_utils.ssrf_protected_download = gradio.processing_utils.save_url_to_cache = _fetched
    gradio.processing_utils.async_ssrf_protected_download = _fetched_later
    gradio.blocks.BlocksConfig.config_for_block = staticmethod(_described_once)  # type: ignore[method-assign]
    gradio.routes.App.create_app = staticmethod(_made_with_own_refusals)  # type: ignore[method-assign, assignment]
    pages = gradio.routes.templates.env
    if pages.loader is not None and not isinstance(pages.loader, _OwnHead):
        pages.loader = _OwnHead(pages.loader)


class _OwnHead(BaseLoader):
    """Gradio's templates; in that of the page our head stands for its previews."""

    def __init__(self, inner: BaseLoader) -> None:
        self._inner = inner

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        source, path, fresh = self._inner.get_source(environment, template)
        if template == PAGE:
            head = fill("shared/head.html", scripts=script("early.js"))
            source = _MANIFEST.sub("", _PREVIEW.sub("", source)).replace(*_WITHIN)
            source = _BEGIN.sub(lambda begin: f"{begin[0]}\n{head}", source, 1)
        return source, path, fresh


def _answers(*_: str, **__: str) -> bool:
    """Before this is asked, the server has answered: `launch()` has waited for that without a limit."""
    return True


def _fetched(*_: Any, **__: Any) -> str:
    raise gradio.exceptions.Error("Nothing is fetched from an address. Upload the file itself.", print_exception=False)


async def _fetched_later(*_: Any, **__: Any) -> str:
    return _fetched()


def _made_with_own_refusals(*args: Any, **options: Any) -> FastAPI:
    app = _made(*args, **options)
    app.add_exception_handler(RequestValidationError, _refused)
    return app


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = [{"type": problem["type"], "msg": problem["msg"]} for problem in error.errors()]
    return Response(json.dumps({"detail": problems}), 422, media_type="application/json")


def _described_once(_id: int, rendered_ids: list[int], block: Any, renderable: Any = None) -> dict[str, Any]:
    """A component that belongs to one visitor is another one, which is described by itself."""
    if renderable is not None:
        return _described(_id, rendered_ids, block, renderable)
    if block not in _known:
        _known[block] = _described(_id, rendered_ids, block)
    told = _known[block]
    return {**told, "props": dict(told["props"])}  # in which gradio puts the visitor's own value


def _without_empty_props(block: Any, update_dict: dict[str, Any], postprocess: bool = True) -> dict[str, Any]:
    update = _original(block, update_dict, postprocess)
    if "props" in update:
        props = {name: value for name, value in update.pop("props").items() if name != "__type__"}
        if props:
            update["props"] = props
    return update
