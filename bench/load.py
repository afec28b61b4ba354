"""`python -m bench.load [--users 50] [--pages 10] [--seconds 90] [--kinds picture]`: many people at once on one server.

Starts `drishtiksha serve` on a folder of its own. Each REST user sends a file, asks for its job once a second until that has
ended, and sends the next; each page client examines files through the page's own API. Beside them somebody with a process
of their own asks ten times a second for /healthz, from before the first network is loaded, and for one job. Refusals are
obeyed: a client comes back when `Retry-After` says. All clients are on the machine of the server, the REST users in one
process, where they wait for one another, too: how late their timers ring tells how long, before a request is even sent.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bench.measure import ROOT, machine

KINDS = {
    "picture": (ROOT / "assets" / "portrait.jpg", "FACE-BLEND-LITE-V1"),
    "video": (ROOT / "assets" / "clip_silent.mp4", "FACE-BLEND-LITE-V1"),
    "sound": (ROOT / "assets" / "clip_with_sound.mp4", "VOICE-SPOOF-LITE-V1"),
}
MEASURED = ("health", "steady", "poll", "send", "page", "own")
POLL_S, ASKED_S, COSTS_S, PAGE_AGAIN_S = 1.0, 0.1, 0.5, 2.0
START_S, ANSWER_S = 300.0, 120.0


@dataclass
class Seen:
    """What all clients saw. Seconds of each answer, by what was asked."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {what: [] for what in MEASURED})
    ended: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    web_bytes: int = 0
    worker_bytes: int = 0
    web_cpu_s: float = 0.0
    """Seconds of processor that the process took while the clients worked; of any machine, however busy, the same."""
    worker_cpu_s: float = 0.0

    def add(self, other: Seen) -> None:
        """What other clients saw at the same time."""
        for what, seconds in other.seconds.items():
            self.seconds[what] += seconds
        self.ended += other.ended
        self.refused += other.refused
        self.failed += other.failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=50, help="who use the REST API")
    parser.add_argument("--pages", type=int, default=10, help="who use the page")
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["picture"])
    parser.add_argument("--workers", choices=("processes", "threads"), default="processes")
    given = parser.parse_args()
    with served(given.workers) as (process, address):
        seen = load(address, process.pid, given.users, given.pages, given.seconds, given.kinds)
    print(table(seen, given))


@contextlib.contextmanager
def served(workers: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server of its own on a free port; its process and address."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        own = {
            "DRISHTIKSHA_DATA_DIR": f"{folder}/data",
            "DRISHTIKSHA_WORKERS": workers,
            "GRADIO_TEMP_DIR": f"{folder}/gradio",
        }
        with (Path(folder) / "log").open("wb") as log:
            command = [sys.executable, "-m", "drishtiksha", "serve", "--port", str(port)]
            process = subprocess.Popen(command, cwd=ROOT, env=os.environ | own, stdout=log, stderr=log)
        try:
            _wait_for(f"http://127.0.0.1:{port}", process, Path(folder) / "log")
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(60)


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{address}/healthz", timeout=5).is_success:
                return
        time.sleep(0.2)
    raise SystemExit(log.read_text())


def load(address: str, server: int, users: int, pages: int, seconds: float, kinds: Sequence[str]) -> Seen:
    """Let all clients work for so long. server: number of its process."""
    seen, until = Seen(), time.monotonic() + seconds
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as apart:  # else they keep one another waiting
        others = [
            apart.submit(_steady, address, until, kinds[0]),
            apart.submit(_page_clients, address, pages, until, kinds),
        ]
        asyncio.run(_rest(address, server, users, until, kinds, seen))
        for other in others:
            seen.add(other.result())
    return seen


def _page_clients(address: str, pages: int, until: float, kinds: Sequence[str]) -> Seen:
    seen = Seen()
    with ThreadPoolExecutor(max(pages, 1)) as each:
        for number in range(pages):
            each.submit(_page_client, address, seen, until, kinds[number % len(kinds)])
    return seen


async def _rest(address: str, server: int, users: int, until: float, kinds: Sequence[str], seen: Seen) -> None:
    limits = httpx.Limits(max_connections=users + 2)
    async with httpx.AsyncClient(base_url=address, timeout=ANSWER_S, limits=limits) as client:
        people = [_user(client, kinds[number % len(kinds)], until, seen) for number in range(users)]
        await asyncio.gather(*people, _own_delay(until, seen), _costs(server, until, seen))


async def _user(client: httpx.AsyncClient, kind: str, until: float, seen: Seen) -> None:
    path, model = KINDS[kind]
    body = path.read_bytes()
    await asyncio.sleep(random.random() * POLL_S)
    while time.monotonic() < until:
        sent = await _timed(
            seen, "send", client.post("/api/analyze", files={"file": (path.name, body)}, data={"model": model})
        )
        if sent is None or sent.status_code != 202:
            await _come_back(sent, seen, until)
            continue
        job = sent.json()["job_id"]
        while time.monotonic() < until:
            await asyncio.sleep(POLL_S)
            view = await _timed(seen, "poll", client.get(f"/api/jobs/{job}"))
            if view is None or view.status_code != 200:
                await _come_back(view, seen, until)
            elif view.json()["state"] in ("done", "failed", "cancelled"):
                seen.ended[view.json()["state"]] += 1
                break


async def _timed(seen: Seen, what: str, asked: object) -> httpx.Response | None:
    began = time.monotonic()
    try:
        return await asked  # type: ignore[misc]
    except httpx.TransportError as error:
        seen.failed[type(error).__name__] += 1
        return None
    finally:
        seen.seconds[what].append(time.monotonic() - began)


async def _come_back(refusal: httpx.Response | None, seen: Seen, until: float) -> None:
    """Wait as long as the server says, which it must."""
    if refusal is None:
        await asyncio.sleep(POLL_S)
        return
    kind = refusal.json().get("error", "") if "json" in refusal.headers.get("content-type", "") else ""
    seen.refused[f"{refusal.status_code} {kind}".strip()] += 1
    after = float(refusal.headers.get("retry-after", 0))
    if not after:
        seen.failed["a refusal without Retry-After"] += 1
    await asyncio.sleep(min(max(after, POLL_S) * (1 + random.random() / 4), max(until - time.monotonic(), 0)))


def _steady(address: str, until: float, kind: str) -> Seen:
    """Somebody who only looks: at the health of the server, and at one job."""
    seen, job = Seen(), ""
    path, model = KINDS[kind]
    with httpx.Client(base_url=address, timeout=ANSWER_S) as client:
        while time.monotonic() < until:
            asked = {"health": "/healthz"} | ({"steady": f"/api/jobs/{job}"} if job else {})
            for what, where in asked.items():
                began = time.monotonic()
                try:
                    client.get(where).raise_for_status()
                except httpx.HTTPError as error:
                    seen.failed[f"{what}: {type(error).__name__}"] += 1
                seen.seconds[what].append(time.monotonic() - began)
            if not job:
                sent = client.post(
                    "/api/analyze", files={"file": (path.name, path.read_bytes())}, data={"model": model}
                )
                job = sent.json().get("job_id", "")
            time.sleep(ASKED_S)
    return seen


async def _own_delay(until: float, seen: Seen) -> None:
    """How late a timer of this process rings."""
    while time.monotonic() < until:
        began = time.monotonic()
        await asyncio.sleep(ASKED_S)
        seen.seconds["own"].append(time.monotonic() - began - ASKED_S)


async def _costs(server: int, until: float, seen: Seen) -> None:
    """Memory and processor time, of the workers that are there at the end."""
    began = _cpu_s(server)
    while time.monotonic() < until:
        seen.web_bytes = max(seen.web_bytes, _held(server))
        seen.worker_bytes = max([seen.worker_bytes, *map(_held, _children(server))])
        await asyncio.sleep(COSTS_S)
    seen.web_cpu_s, seen.worker_cpu_s = _cpu_s(server) - began, sum(map(_cpu_s, _children(server)))


def _held(process: int) -> int:
    """Bytes of memory that it holds now, where /proc tells."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024
    return 0


def _cpu_s(process: int) -> float:
    """Seconds of processor time that it took, where /proc tells."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _children(process: int) -> list[int]:
    with contextlib.suppress(OSError):
        tasks = Path(f"/proc/{process}/task").glob("*/children")
        return [int(number) for task in tasks for number in task.read_text().split()]
    return []


def _page_client(address: str, seen: Seen, until: float, kind: str) -> None:
    import gradio_client

    path, model = KINDS[kind]
    page = gradio_client.Client(f"{address}/", verbose=False)
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            page.predict(gradio_client.handle_file(path), model, api_name="/analyze")
        except gradio_client.exceptions.AppError as error:  # the page says in words what the API says by a header
            full = "Try again when" in str(error)
            (seen.refused if full else seen.failed)["page: the queue is full" if full else str(error)[:80]] += 1
            time.sleep(PAGE_AGAIN_S)
        except httpx.TransportError as error:
            seen.failed[f"page: {type(error).__name__}"] += 1
        else:
            seen.seconds["page"].append(time.monotonic() - began)
            seen.ended["page"] += time.monotonic() < until


def table(seen: Seen, given: argparse.Namespace) -> str:
    """A table for RESULTS.md."""
    ended = seen.ended.total()
    rows = [
        ("analyses that ended", f"{ended}, {ended / given.seconds:.2f} a second ({_counts(seen.ended)})"),
        ("`/healthz`: median, 95 %, longest", _spread(seen.seconds["health"])),
        ("`GET /api/jobs/{id}`, by somebody who only looks", _spread(seen.seconds["steady"])),
        ("`GET /api/jobs/{id}`, by the REST users", _spread(seen.seconds["poll"])),
        ("`POST /api/analyze`, with the file", _spread(seen.seconds["send"])),
        ("how late the timers of the REST users rang", _spread(seen.seconds["own"])),
        ("an analysis through the page", _spread(seen.seconds["page"])),
        ("refusals, each with `Retry-After`", _counts(seen.refused)),
        ("failures", _counts(seen.failed)),
        ("processor time of the web process, and of the workers from their start", f"{seen.web_cpu_s:.1f} s, {seen.worker_cpu_s:.1f} s"),
        ("memory of the web process, and of the largest worker, at most", f"{seen.web_bytes / 1e6:.0f}, {seen.worker_bytes / 1e6:.0f} MB"),
    ]  # fmt: skip
    one, five, _ = os.getloadavg()
    head = (
        f"{given.users} REST users, {given.pages} page clients, {given.seconds:.0f} s, {', '.join(given.kinds)}; workers: "
        f"{given.workers}; {machine()}; load average {one:.1f} at the end, {five:.1f} over five minutes"
    )
    return "\n".join([f"| {head} | |", "|---|---|", *(f"| {what} | {value} |" for what, value in rows)])


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return "none"
    known = sorted(seconds)
    chosen = (known[len(known) // 2], known[int(len(known) * 0.95)], known[-1])
    return f"{', '.join(f'{value * 1000:.0f} ms' for value in chosen)} ({len(known)})"


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counter.items())) or "none"


if __name__ == "__main__":
    main()
