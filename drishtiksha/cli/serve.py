"""`drishtiksha serve`: the page and the REST API in one process, on one workbench."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from drishtiksha.cli.console import err, exit_code, failures_as_exit_codes
from drishtiksha.registry import ModelManager
from drishtiksha.settings import LOOPBACK, Settings, configure_logging, load_settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from drishtiksha.services.workbench import Workbench

CLOSING_S = 5
"""How long open connections may go on when the server is told to stop; their jobs go on after the next start."""


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 = every one of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = any free one.")] = 7860,
    no_ui: Annotated[bool, typer.Option("--no-ui", help="Only the REST API.")] = False,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A name that the server goes by; needed behind a proxy. Repeatable.")
    ] = None,
    behind_proxy: Annotated[
        str | None, typer.Option(help="Address of the proxy whose X-Forwarded headers are to be believed.")
    ] = None,
    root_path: Annotated[
        str,
        typer.Option(envvar="GRADIO_ROOT_PATH", help="Path below which a proxy offers this server, as /desk."),
    ] = "",
) -> None:
    """Serve the page at / and the REST API at /api until told to stop."""
    from drishtiksha.server import create_app
    from drishtiksha.services.workbench import Workbench

    with failures_as_exit_codes():
        _refuse_taken(host, port)
        settings = load_settings().reached_at(host, proxied=bool(allow_host or behind_proxy or root_path))
        configure_logging(settings)
        bench = Workbench(settings, ModelManager(settings))
        names = [*LOOPBACK, *(allow_host or ())] if host in LOOPBACK or allow_host else []
        app = create_app(
            settings, workbench=bench, mount=None if no_ui else _page(settings, bench, root_path), allowed_hosts=names
        )
    if host not in LOOPBACK:
        _warn_of_what_is_open(settings, page=not no_ui)
    _run(app, host, port, behind_proxy, root_path)


def _refuse_taken(host: str, port: int) -> None:
    """Tell early of a port that another program listens on, before workers are started for it. Raises: OSError."""
    try:
        for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            socket.create_server(address, family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            told = f"Another program listens on port {port} of {host}. Choose another one with --port; 0 takes any that is free."
            raise OSError(error.errno, told) from error


def _run(app: FastAPI, host: str, port: int, behind_proxy: str | None, root_path: str) -> None:
    """Until told to stop. Raises: typer.Exit when it could not start."""
    import uvicorn

    from drishtiksha.server.connections import PromptProtocol

    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        root_path=root_path.rstrip("/"),
        http=PromptProtocol,
        lifespan="on",
        server_header=False,
        proxy_headers=behind_proxy is not None,
        forwarded_allow_ips=behind_proxy or "",
        timeout_graceful_shutdown=CLOSING_S,
    )
    server = uvicorn.Server(config)
    with contextlib.suppress(SystemExit):  # uvicorn's own, where it could not start; why is told here
        server.run()
    if app.state.failure is not None:
        err.print(f"[bold]{escape(str(app.state.failure))}[/bold]")
        raise typer.Exit(exit_code(app.state.failure))
    if not server.started:
        raise typer.Exit(1)


def _warn_of_what_is_open(settings: Settings, *, page: bool) -> None:
    if page and not settings.login:
        seen = "their own cases, and those whose link they have" if settings.public else "every case"
        err.print(f"Anybody who reaches this address may use the page and see {seen}: set login.", highlight=False)
    if not (settings.login or settings.api_keys_required):
        err.print("Anybody who reaches this address may use the API: set api_keys_required.", highlight=False)


def _page(settings: Settings, bench: Workbench, root_path: str) -> Callable[[FastAPI], FastAPI]:
    from drishtiksha.server.login import authenticator
    from drishtiksha.store.accounts import Accounts
    from drishtiksha.ui.blocks import mount

    if not settings.login:
        return lambda app: mount(app, settings, bench, root_path=root_path)
    accounts = Accounts(bench.store)
    if not accounts.count_users():
        err.print("Nobody can log in yet: drishtiksha users add NAME.", highlight=False)

    return lambda app: mount(
        app, settings, bench, authenticate=authenticator(accounts), viewer=accounts.viewer, root_path=root_path
    )
