"""Small pieces that every tab uses."""

from __future__ import annotations

from typing import Any

import gradio as gr


def html(value: str | None = "", **options: Any) -> gr.HTML:
    """A `gr.HTML` that only `style.css` styles; `value` must be escaped already."""
    return gr.HTML(value, apply_default_css=False, padding=False, **options)
