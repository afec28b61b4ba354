"""Works round a fault of gradio 6.31 that empties `gr.HTML` components.

An event that leaves such a component as it is still sends `props: {"__type__": "update"}`. In a tab that was not opened
yet these take the place of the component's own props, and its template fails when the tab is opened.
"""

from __future__ import annotations

from typing import Any

import gradio.blocks

_original = gradio.blocks.postprocess_update_dict


def work_round() -> None:
    """Let updates carry only the props that they change. Does nothing when called again."""
    gradio.blocks.postprocess_update_dict = _without_empty_props


def _without_empty_props(block: Any, update_dict: dict[str, Any], postprocess: bool = True) -> dict[str, Any]:
    update = _original(block, update_dict, postprocess)
    if "props" in update:
        props = {name: value for name, value in update.pop("props").items() if name != "__type__"}
        if props:
            update["props"] = props
    return update
