"""The whole page, and the options that it must be launched with."""

from __future__ import annotations

from typing import Any

import gradio as gr

from drishtiksha.registry import ModelManager
from drishtiksha.settings import Settings
from drishtiksha.ui import endpoints, panels, theme
from drishtiksha.ui.desk import Desk
from drishtiksha.ui.elements import html
from drishtiksha.ui.tabs import analyze, models

SWEEP_S = 3600
"""How often gradio looks for temporary files that nobody uses any more."""


def build(settings: Settings, manager: ModelManager) -> gr.Blocks:
    """The page for these settings and models, with its queue; not launched."""
    desk = Desk(settings, manager)
    desk.sweep_for_ever()
    keep_s = round(settings.retention_hours * 3600)
    with gr.Blocks(title="Drishtiksha", analytics_enabled=False, delete_cache=(SWEEP_S, keep_s)) as demo:
        with gr.Row(elem_classes="dk-top"):
            html(panels.header(settings.retention_hours))
            shade = gr.Button("Light / dark", size="sm", scale=0, min_width=110, elem_id="dk-shade")
        with gr.Tabs():
            with gr.Tab("Analyze"):
                analyze.build(desk)
            with gr.Tab("Models") as shelf:
                models.build(desk, shelf)
        endpoints.build(desk)
        shade.click(None, None, None, js=theme.TOGGLE_DARK_JS, api_visibility="private")
    demo.queue(api_open=False, max_size=settings.max_queue, default_concurrency_limit=4)
    return demo


def launch_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments for `launch()`; host and port come from GRADIO_SERVER_NAME and GRADIO_SERVER_PORT."""
    return {
        "theme": theme.theme(),
        "css_paths": theme.CSS_PATHS,
        "head": theme.HEAD,
        "favicon_path": theme.FAVICON_PATH,
        "share": False,
        "run_history": False,
        "ssr_mode": False,
        "max_file_size": settings.limits.max_bytes,
        "blocked_paths": [str(settings.cases_dir), str(settings.checkpoints_dir)],
        "footer_links": ["api"],
        "enable_monitoring": False,
        "mcp_server": False,
        "pwa": False,
    }
