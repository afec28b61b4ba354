"""`drishtiksha worker`: run the jobs of a server from another machine."""

from __future__ import annotations

import signal
import threading
from typing import Any

from drishtiksha.cli.console import err, failures_as_exit_codes
from drishtiksha.registry import ModelManager
from drishtiksha.settings import configure_logging, load_settings


def worker() -> None:
    """Run queued jobs until told to stop, one at a time on each device, for a server on the same database and data folder.

    Both must reach the same database (DRISHTIKSHA_DATABASE_URL) and the same folder (DRISHTIKSHA_DATA_DIR), and have the
    same models. A worker that crashes or hangs is started again; a job that is interrupted goes back to the queue.
    """
    from drishtiksha.services.processes import WorkerProcesses
    from drishtiksha.store.db import open_store
    from drishtiksha.store.jobs import Jobs
    from drishtiksha.store.queue import Queue, new_worker
    from drishtiksha.store.results import ResultReader

    stop = threading.Event()

    def end(*_: Any) -> None:
        stop.set()

    with failures_as_exit_codes():
        settings = load_settings()
        configure_logging(settings)
        store = open_store(settings.database_url, settings.data_root)
        jobs = Jobs(store, Queue(store, new_worker()), ResultReader())
        workers = WorkerProcesses(ModelManager(settings), jobs, takes_in=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end)
        workers.start()
    try:
        err.print("Waiting for jobs. Ctrl+C stops; what runs then goes back to the queue.", highlight=False)
        while not stop.wait(1.0):  # a wait without a limit cannot be interrupted on every system
            continue
    finally:
        workers.stop()
        store.close()
