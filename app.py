"""The app: `python app.py`, and the entry point of the Hugging Face Space."""

from __future__ import annotations

from drishtiksha.registry import ModelManager
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import load_settings
from drishtiksha.ui.blocks import build, launch_options

settings = load_settings()
workbench = Workbench(settings, ModelManager(settings))
demo = build(workbench)

if __name__ == "__main__":
    workbench.start()
    try:
        demo.launch(**launch_options(settings))
    finally:
        workbench.stop()
