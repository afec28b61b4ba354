"""Connections over which no request comes end; those that wait for an answer do not."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from server_kit import connection, served

from drishtiksha.server import connections

HEAD = b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n"
SLOW_S = 1.5

app = FastAPI()


@app.get("/slow")
async def slow() -> str:
    await asyncio.sleep(SLOW_S)
    return "done"


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connections, "HEAD_S", 0.5)
    with served(app, http=connections.PromptProtocol) as client:
        yield client.base_url.port


def seconds_until_closed(line: socket.socket, drip: bytes = b"") -> float:
    """drip: sent byte by byte meanwhile."""
    began = time.monotonic()
    line.settimeout(0.1)
    while time.monotonic() - began < 10:
        try:
            if not line.recv(4096):
                break
        except TimeoutError:
            line.send(drip[:1])
            drip = drip[1:] or drip
        except ConnectionError:
            break
    return time.monotonic() - began


@pytest.mark.parametrize("drip", [b"", HEAD[:-2]], ids=["nothing", "a head that does not end"])
def test_a_connection_without_a_request_is_closed(port, drip):
    with connection(port) as line:
        assert 0.3 < seconds_until_closed(line, drip) < 5


def test_a_request_is_answered_however_long_it_takes_and_the_next_one_has_its_time(port):
    with connection(port) as line:
        for _ in range(2):
            began = time.monotonic()
            line.sendall(HEAD)
            answer = line.recv(4096)
            while b"done" not in answer:
                answer += line.recv(4096)
            assert time.monotonic() - began > SLOW_S
        assert 0.3 < seconds_until_closed(line, HEAD[:-2]) < 5
