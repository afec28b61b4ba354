"""The app: `python app.py`, and the entry point of the Hugging Face Space."""

from __future__ import annotations

import os

from starlette.middleware import Middleware

from drishtiksha.registry import ModelManager
from drishtiksha.services.sessions import SessionCookie
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import load_settings
from drishtiksha.store.accounts import Accounts
from drishtiksha.ui.blocks import build, launch_options

settings = load_settings().reached_at(os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
workbench = Workbench(settings, ModelManager(settings))
accounts = Accounts(workbench.store) if settings.login else None
demo = build(workbench, accounts.viewer if accounts else None)

if __name__ == "__main__":
    options = launch_options(settings)
    middleware = [Middleware(SessionCookie)] if settings.public else []
    if accounts:
        from drishtiksha.server.login import authenticator
        from drishtiksha.server.middleware import SlowLogins

        options["auth"] = authenticator(accounts)
        middleware.append(Middleware(SlowLogins))
    options["app_kwargs"] = {"middleware": middleware}
    workbench.start()
    try:
        demo.launch(**options)
    finally:
        workbench.stop()
