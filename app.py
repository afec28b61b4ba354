"""The app: `python app.py`, and the entry point of the Hugging Face Space."""

from __future__ import annotations

from drishtiksha.registry import ModelManager
from drishtiksha.settings import load_settings
from drishtiksha.ui.blocks import build, launch_options

settings = load_settings()
demo = build(settings, ModelManager(settings))

if __name__ == "__main__":
    demo.launch(**launch_options(settings))
