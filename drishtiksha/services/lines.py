"""What a supervisor and its worker tell each other: a JSON object a line, through the worker's standard input and output."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import IO, Any, Literal

from drishtiksha import errors
from drishtiksha.errors import DrishtikshaError, ModelRegistryError

Task = Literal["look", "key_frames", "picture", "times", "moments", "seen", "conditions", "report"]
"""The name of a task of `services.apart`."""

log = logging.getLogger(__name__)


class Lines:
    """One end of such a pair of pipes. `send` is safe to share between threads."""

    def __init__(self, incoming: IO[str], outgoing: IO[str]) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self._lock = threading.Lock()

    def send(self, **message: Any) -> bool:
        """Whether it could be sent; not when the other end is closed."""
        try:
            with self._lock:
                self._outgoing.write(json.dumps(message) + "\n")
                self._outgoing.flush()
        except (OSError, ValueError):
            return False
        return True

    def received(self) -> Iterator[dict[str, Any]]:
        """The messages of the other end, until it closes."""
        for line in self._incoming:
            yield json.loads(line)

    def close(self) -> None:
        """Nothing more is sent; the other end sees that."""
        with self._lock:
            try:
                self._outgoing.close()
            except OSError:  # the other end is gone already
                return


def to_supervisor() -> Lines:
    """The worker's end. What libraries print goes to standard error from now on."""
    outgoing = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return Lines(sys.stdin, outgoing)


def answer(lines: Lines, number: int, work: Callable[[], Any], done: Callable[[], None] = lambda: None) -> None:
    """Send what `work` returns, or the error that it raises, as the answer to a request, later and from a thread of its own.
    done: called before it is sent."""

    def run() -> None:
        try:
            value, error = work(), None
        except DrishtikshaError as refusal:
            value, error = None, told(refusal)
        except Exception as failure:
            log.exception("A request failed")
            value, error = None, told(failure)
        done()
        lines.send(reply=number, value=value, error=error)

    threading.Thread(target=run, name="request", daemon=True).start()


def told(error: Exception) -> dict[str, Any]:
    """An error as one that can be sent."""
    cause = error.__cause__
    return {
        "kind": "OSError" if isinstance(error, OSError) else type(error).__name__,
        "number": error.errno if isinstance(error, OSError) else None,
        "text": str(error.strerror or error) if isinstance(error, OSError) else str(error),
        "cause": told(cause) if isinstance(cause, Exception) else None,
    }


def raised(error: dict[str, Any]) -> DrishtikshaError | OSError:
    """The error that was sent, of the same kind where it is one of ours or the operating system's."""
    if error["kind"] == "OSError":
        return OSError(error["number"], error["text"])
    kind = getattr(errors, error["kind"], None)
    try:
        found = kind(error["text"]) if isinstance(kind, type) and issubclass(kind, DrishtikshaError) else None
    except TypeError:  # it wants more than a sentence
        found = None
    again = found or ModelRegistryError(error["text"])
    if error["cause"] is not None:
        again.__cause__ = raised(error["cause"])
    return again
