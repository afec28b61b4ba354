"""Run as a program: `drishtiksha serve` and whatever a person may do there; then it tells which heavy modules it holds."""

from __future__ import annotations

import json
import sys
import threading
import time

import gradio_client
import httpx
import uvicorn

from drishtiksha.casefile import LOCAL
from drishtiksha.registry import ModelManager
from drishtiksha.server import create_app
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import ROOT, load_settings
from drishtiksha.ui.analyze import handlers
from drishtiksha.ui.blocks import mount
from drishtiksha.ui.models.tab import act_on
from drishtiksha.ui.shared.desk import Desk

PORTRAIT, MODEL = ROOT / "assets" / "portrait.jpg", "FACE-BLEND-LITE-V1"
HEAVY = {"torch", "torchvision", "timm", "transformers", "librosa"}


def main() -> None:
    settings = load_settings()
    bench = Workbench(settings, ModelManager(settings))
    app = create_app(settings, workbench=bench, mount=lambda app: mount(app, settings, bench))
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="on", log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        seen = used(address, Desk(bench))
    finally:
        server.should_exit = True
        thread.join()
    print(json.dumps({**seen, "heavy": sorted(HEAVY & set(sys.modules))}))


def used(address: str, desk: Desk) -> dict[str, object]:
    with httpx.Client(base_url=address, timeout=300) as client:
        pages = [client.get(path).status_code for path in ("/", "/config", "/api/models", "/metrics", "/healthz")]
        sent = client.post(
            "/api/analyze", files={"file": ("p.jpg", PORTRAIT.read_bytes())}, data={"model": MODEL, "wait": "true"}
        ).json()
        case = f"/api/cases/{sent['case_id']}"
        pages += [client.get(f"{case}{rest}").status_code for rest in ("", "/answer", "/report.html", "/report.pdf")]
        ready = client.get("/readyz").json()
    opened = desk.workbench.seen_by(LOCAL).open(sent["case_id"])
    plan = opened.plan([MODEL])
    shown = handlers.page_of(desk, opened), list(handlers.reopen(desk, sent["job_id"], LOCAL))
    told, shelf = list(act_on(desk, MODEL, "load"))[-1]
    glance = opened.glance()
    answer = gradio_client.Client(f"{address}/", verbose=False).predict(
        gradio_client.handle_file(PORTRAIT), api_name="/examine"
    )
    return {
        "pages": pages,
        "state": sent["state"],
        "ready": ready["ready"],
        "to_load": plan.to_load,
        "shown": len(shown),
        "loaded": told,
        "device": "cpu, float32" in shelf,
        "faces": glance.faces,
        "lines": len(answer["lines"]),
    }


if __name__ == "__main__":
    main()
