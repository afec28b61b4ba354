"""The app: `python app.py`, and the entry point of the Hugging Face Space."""

from __future__ import annotations

from starlette.middleware import Middleware

from drishtiksha.registry import ModelManager
from drishtiksha.server.middleware import SlowLogins
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import load_settings
from drishtiksha.store.accounts import Accounts
from drishtiksha.ui.blocks import build, launch_options

settings = load_settings()
workbench = Workbench(settings, ModelManager(settings))
accounts = Accounts(workbench.store) if settings.login else None
demo = build(workbench, accounts.viewer if accounts else None)

if __name__ == "__main__":
    workbench.start()
    try:
        demo.launch(
            auth=accounts.authenticate if accounts else None,
            app_kwargs={"middleware": [Middleware(SlowLogins)]},
            **launch_options(settings),
        )
    finally:
        workbench.stop()
