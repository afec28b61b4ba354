"""The app: `python app.py`, and the entry point of the Hugging Face Space."""

from __future__ import annotations

from drishtiksha.registry import ModelManager
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import load_settings
from drishtiksha.store.accounts import Accounts
from drishtiksha.ui.blocks import build, launch_options

settings = load_settings()
workbench = Workbench(settings, ModelManager(settings))
accounts = Accounts(workbench.store) if settings.login else None
demo = build(workbench, accounts.viewer if accounts else None)

if __name__ == "__main__":
    options = launch_options(settings)
    if accounts:
        from starlette.middleware import Middleware

        from drishtiksha.server.login import authenticator
        from drishtiksha.server.middleware import SlowLogins

        options |= {"auth": authenticator(accounts), "app_kwargs": {"middleware": [Middleware(SlowLogins)]}}
    workbench.start()
    try:
        demo.launch(**options)
    finally:
        workbench.stop()
