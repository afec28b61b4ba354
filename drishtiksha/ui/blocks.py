"""The whole page, and the options that it must be served with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from drishtiksha.services.sessions import SessionCookie
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import ROOT, Settings
from drishtiksha.ui import endpoints
from drishtiksha.ui.analyze import tab as analyze
from drishtiksha.ui.compare import tab as compare
from drishtiksha.ui.models import tab as models
from drishtiksha.ui.review import tab as review
from drishtiksha.ui.shared import panels, theme
from drishtiksha.ui.shared.desk import Desk
from drishtiksha.ui.shared.elements import html
from drishtiksha.ui.shared.gradio_page import work_round
from drishtiksha.ui.shared.templates import script
from drishtiksha.ui.shared.viewer import ViewerOf

if TYPE_CHECKING:
    from fastapi import FastAPI

MAX_EVENTS = 256
"""Answers that pages may wait for at a time; a page that watches a job waits for one all the while."""
MAX_THREADS = 128
"""Each answer in the making takes one, and a page that watches a job has one nearly always."""
ONLY_LAUNCHED = ("share", "max_threads", "app_kwargs")
"""Options that a page within another app has no use for."""
SWEEP_S = 3600
"""How often gradio looks for temporary files that nobody uses any more."""


def build(workbench: Workbench, viewer: ViewerOf | None = None) -> gr.Blocks:
    """The page on a workbench, with its queue; neither is started. `viewer`: who somebody is that logged in."""
    work_round()
    desk = Desk(workbench, viewer)
    settings = desk.settings
    gr.set_static_paths(
        [settings.derived_dir, ROOT / "assets"]
    )  # so that gradio keeps no copies of its own, which would outlive the case
    keep_s = round(settings.retention_hours * 3600)
    with gr.Blocks(title="Drishtiksha", analytics_enabled=False, delete_cache=(SWEEP_S, keep_s)) as demo:
        with gr.Row(elem_classes="dk-top"):
            html(panels.header(settings.retention_hours))
            shade = gr.Button("Light / dark", size="sm", scale=0, min_width=110, elem_id="dk-shade")
        linked = html("", js_on_load=script("linked.js"))
        with gr.Tabs():
            with gr.Tab("Analyze") as tab:
                analyze.build(desk, tab, linked)
            with gr.Tab("Compare") as tab:
                compare.build(desk, tab, linked)
            if settings.login or not settings.public:
                with gr.Tab("Review") as tab:
                    review.build(desk, tab)
            with gr.Tab("Models") as tab:
                models.build(desk, tab)
        endpoints.build(desk)
        shade.click(None, None, None, js=script("toggle_dark.js"), api_visibility="private")
    demo.max_threads = MAX_THREADS
    demo.queue(api_open=False, max_size=MAX_EVENTS, default_concurrency_limit=4)
    return demo


def mount(
    app: FastAPI,
    settings: Settings,
    workbench: Workbench,
    authenticate: Callable[[str, str], bool] | None = None,
    viewer: ViewerOf | None = None,
    root_path: str = "",
) -> FastAPI:
    """Serve the page at the root of `app`, after its own routes; the workbench is started by whoever made it.

    authenticate: whether a name and a password belong together; with it everybody must log in. viewer: who that is.
    root_path: below which a proxy offers the page.
    """
    app.router.routes.append(Route("/preview.png", preview))
    options = {name: value for name, value in launch_options(settings).items() if name not in ONLY_LAUNCHED}
    message = "Log in to examine media."
    return gr.mount_gradio_app(
        app,
        build(workbench, viewer),
        path="",
        auth=authenticate,
        auth_message=message,
        show_error=True,
        root_path=root_path or None,
        **options,
    )


async def preview(_: Request) -> FileResponse:
    """The picture that stands beside a shared link, for everybody: it says nothing of any case."""
    return FileResponse(theme.PREVIEW_PATH)


def launch_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments for `launch()`; host and port come from GRADIO_SERVER_NAME and GRADIO_SERVER_PORT."""
    return {
        "theme": theme.theme(),
        "css_paths": theme.CSS_PATHS,
        "favicon_path": theme.FAVICON_PATH,
        "share": False,
        "max_threads": MAX_THREADS,
        "run_history": False,
        "ssr_mode": False,
        "max_file_size": settings.limits.max_bytes,
        "blocked_paths": [str(settings.cases_dir), str(settings.checkpoints_dir)],
        "footer_links": ["api"],
        "enable_monitoring": False,
        "mcp_server": False,
        "pwa": False,
        "app_kwargs": {
            "middleware": [Middleware(SessionCookie)] if settings.public else [],
            "routes": [Route("/preview.png", preview)],
        },
    }
