"""The browser's side: layout in `tabs/`, what happens on a click in `handlers.py`, looks in `theme.py`."""

import os

# Gradio reads these when it is imported: nothing may be reported to anyone.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
