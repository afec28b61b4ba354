"""A proxy that offers a server below a path, as nginx does with `location /desk/ { proxy_pass http://server/; }`."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

METHODS = ["GET", "POST", "DELETE", "PUT", "HEAD"]


@contextlib.contextmanager
def proxied(port: int, prefix: str) -> Iterator[str]:
    """Address below which the server at this port answers; the prefix is taken off before it is asked."""
    client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60)

    async def forward(request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        headers |= {"x-forwarded-host": request.headers["host"], "x-forwarded-proto": "http"}
        url = httpx.URL("/" + request.path_params["rest"], query=request.url.query.encode())
        content = await request.body()
        asked = client.build_request(request.method, url, headers=headers, content=content)
        answer = await client.send(asked, stream=True)
        kept = {
            n: v for n, v in answer.headers.items() if n not in ("content-length", "transfer-encoding", "connection")
        }
        return StreamingResponse(answer.aiter_raw(), answer.status_code, kept)

    app = Starlette(routes=[Route(prefix + "/{rest:path}", forward, methods=METHODS)])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        own = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=own, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.02)
    try:
        yield f"http://127.0.0.1:{own}{prefix}"
    finally:
        server.should_exit = True
        thread.join(10)
