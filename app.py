"""The app: `python app.py`, and the entry point of the Hugging Face Space."""

import os
import signal
import sys

from drishtiksha.errors import DrishtikshaError
from drishtiksha.registry import ModelManager
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import configure_logging, load_settings
from drishtiksha.store.accounts import Accounts
from drishtiksha.ui.blocks import build, launch_options
from drishtiksha.ui.zero_gpu import runner_here

try:
    host, proxied = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"), "GRADIO_ROOT_PATH" in os.environ
    settings = load_settings().reached_at(host, proxied=proxied)
    configure_logging(settings)
    workbench = Workbench(settings, manager := ModelManager(settings), runner=runner_here(manager))
except (DrishtikshaError, OSError) as error:
    sys.exit(f"Drishtiksha cannot start. {error}")
accounts = Accounts(workbench.store) if settings.login else None
demo = build(workbench, accounts.viewer if accounts else None)

if __name__ == "__main__":
    from drishtiksha.server.login import authenticator
    from drishtiksha.server.middleware import page_walls

    options = launch_options(settings)
    options["app_kwargs"]["middleware"] += page_walls(settings, host, proxied=proxied)
    options["auth"] = authenticator(accounts) if accounts else None
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # tidy up as after Ctrl+C
    try:
        workbench.start()
        demo.launch(**options)
    except (DrishtikshaError, OSError) as error:  # the port is taken, say
        sys.exit(f"Drishtiksha cannot start. {error}")
    finally:
        workbench.stop()
