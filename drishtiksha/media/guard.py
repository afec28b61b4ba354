"""Runs a decoder in its own thread, so that a stalled one can be given up and a running one cancelled at once.

A call into a decoder cannot be interrupted from Python. The work is done by a daemon thread that reports each packet and
frame through `Pulse.beat`; the caller waits on a short bounded queue, looks at the time since the last beat, and asks
`check` several times a second whether the user has cancelled. Time in which the machine was too busy to let the decoder
work, or in which this process was stopped, is no silence of the decoder (`_Silence`).

Every open and decode of evidence runs here, so this is also the one border at which whatever a third-party decoder raises
becomes an error about the file.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from drishtiksha.errors import (
    DecodeStalledError,
    DrishtikshaError,
    MediaError,
    MediaLimitError,
    TimeUpError,
    UnreadableMediaError,
)
from drishtiksha.media.formats import format_of, unreadable

log = logging.getLogger(__name__)

T = TypeVar("T")

DEPTH = 4
"""Items that are decoded ahead."""

POLL_S = 0.1
"""How often the waiting side looks up; cancelling must act within a second."""

JOIN_S = 0.5
"""How long an abandoned worker gets to close its file."""


WATCHED_S = 0.1
"""A decoder that was silent for so long is watched more closely: for its share of the processor."""

LEAP_S = 1.0
"""Two looks that lie further apart than this do so because this process, or its machine, stood still between them."""

SHORT_OF_PROCESSOR = 5
"""Times `stall_s` after which a silent decoder is given up however busy the machine is."""

TASKS = Path("/proc/self/task")


_given_up: dict[threading.Thread, float] = {}
"""Threads of decoders that did not answer in time, and since when."""


def astray_s() -> float:
    """For how long a decoder that was given up has worked on, s, of several the longest; 0 where none does. Nothing but the end
    of this process stops it."""
    for thread in [thread for thread in list(_given_up) if not thread.is_alive()]:
        _given_up.pop(thread, None)
    return time.monotonic() - min(list(_given_up.values()), default=time.monotonic())


class _Abandoned(BaseException):
    """Ends the worker once nobody waits for it. Not an Exception, so that no handler in a decoder loop keeps it."""


class Pulse:
    """Shared by the worker, which beats, and the caller, which listens."""

    def __init__(self) -> None:
        self.last_beat = time.monotonic()
        self._stop = threading.Event()

    def beat(self) -> None:
        """Say that the decode is getting on. Ends the worker when the caller has gone."""
        if self._stop.is_set():
            raise _Abandoned
        self.last_beat = time.monotonic()

    def stop(self) -> None:
        self._stop.set()


class _Silence:
    """For how long somebody has waited for a decoder that gave no sign although it could have: without the time that its
    threads waited for a processor, where the system tells that (Linux), and without that in which this process stood still."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._begin(time.monotonic())

    def _begin(self, since: float) -> None:
        self._beat, self._since, self._looked, self._stood_still_s = self._pulse.last_beat, since, time.monotonic(), 0.0
        self._waited: dict[str, float] | None = None

    def seconds(self, stall_s: float) -> float:
        """Call it often. More than `stall_s` is a stall."""
        if self._pulse.last_beat != self._beat:
            self._begin(self._pulse.last_beat)
        now = time.monotonic()
        if (late_s := now - self._looked - POLL_S) > LEAP_S:
            self._stood_still_s += late_s
        self._looked = now
        wall_s = now - self._since - self._stood_still_s
        if self._waited is None and wall_s > WATCHED_S:
            self._waited = _waits()
        if wall_s < stall_s or wall_s > SHORT_OF_PROCESSOR * stall_s or not self._waited:
            return wall_s
        before = self._waited
        return wall_s - max((s - before.get(task, 0.0) for task, s in _waits().items()), default=0.0)


def _waits() -> dict[str, float]:
    """For how long each thread of this process, those of decoders included, was ready and had no processor, s. Empty where
    the system does not tell."""
    waits = {}
    try:
        for task in TASKS.iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                waits[task.name] = int((task / "schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return {}
    return waits


@dataclass(frozen=True)
class _Failure:
    error: BaseException


_END = object()


def no_check() -> None:
    """The `check` of a decode that nobody cancels."""


def guarded(
    produce: Callable[[Pulse], Iterable[T]],
    path: Path,
    *,
    name: str,
    stall_s: float,
    budget_s: float | None = None,
    check: Callable[[], None] = no_check,
    depth: Callable[[T], int] = lambda _: DEPTH,
) -> Generator[T, None, None]:
    """Yield what `produce` yields, decoded ahead. path: the file that it decodes. depth: how many items like this one may wait.

    Raises: DecodeStalledError after `stall_s` seconds of waiting without a beat, in which the decoder could have worked;
    TimeUpError after `budget_s` seconds in all, None: no bound; UnreadableMediaError, with the name of the file's format, for
    what a decoder raises; MediaLimitError when the memory is not enough; errors of our own and whatever `check` raises as they
    are.
    """
    pulse = Pulse()
    items: queue.Queue[object] = queue.Queue(maxsize=1)
    worker = threading.Thread(target=_work, args=(produce, pulse, items, depth), name=f"decode {name}", daemon=True)
    worker.start()
    ends_at = None if budget_s is None else time.monotonic() + budget_s
    stalled = False
    try:
        while True:
            item = _next_item(items, pulse, name, stall_s, check, ends_at)
            if item is _END:
                return
            if isinstance(item, _Failure):
                if isinstance(item.error, DrishtikshaError) or not isinstance(item.error, Exception):
                    raise item.error
                raise as_sentence(item.error, path, name) from item.error
            yield item  # type: ignore[misc]
            del item  # or a large one would be kept while the next is waited for
    except (DecodeStalledError, TimeUpError):
        stalled = True
        _given_up[worker] = time.monotonic()
        raise
    finally:
        pulse.stop()
        if not stalled:
            worker.join(JOIN_S)


def guarded_call(
    work: Callable[[Pulse], T],
    path: Path,
    *,
    name: str,
    stall_s: float,
    budget_s: float | None = None,
    check: Callable[[], None] = no_check,
) -> T:
    """The one result of `work`, under the same watch as `guarded`."""
    one = guarded(lambda pulse: [work(pulse)], path, name=name, stall_s=stall_s, budget_s=budget_s, check=check)
    return next(iter(one))


def as_sentence(error: Exception, path: Path, name: str) -> MediaError:
    """What to raise in place of an error that a decoder raised on the file at `path`."""
    log.info("%s: a decoder failed", name, exc_info=error)
    if isinstance(error, MemoryError):
        return MediaLimitError(
            f"{name} needs more memory than this computer has free. Make a smaller copy or cut out the part in question."
        )
    if type(error) in (FileNotFoundError, PermissionError):
        return UnreadableMediaError(f"{name} cannot be opened any more: {error.strerror}. Choose it again.")  # type: ignore[attr-defined]
    known = format_of(path)
    begins = f"it begins as {known.name}, but is" if known is not None else "it is"
    return unreadable(name, f"{begins} damaged, or written in a way that its decoder does not take")


def _work(
    produce: Callable[[Pulse], Iterable[T]], pulse: Pulse, items: queue.Queue[object], depth: Callable[[T], int]
) -> None:
    try:
        try:
            for item in produce(pulse):
                items.maxsize = depth(item)
                _put(items, item, pulse)
                del item
        except _Abandoned:
            raise
        except BaseException as error:  # noqa: BLE001 - handed to the waiting side, which raises it
            _put(items, _Failure(error), pulse)
        else:
            _put(items, _END, pulse)
    except _Abandoned:
        return


def _put(items: queue.Queue[object], item: object, pulse: Pulse) -> None:
    while True:
        pulse.beat()
        try:
            items.put(item, timeout=POLL_S)
        except queue.Full:
            continue
        return


def _next_item(
    items: queue.Queue[object],
    pulse: Pulse,
    name: str,
    stall_s: float,
    check: Callable[[], None],
    ends_at: float | None,
) -> object:
    silence = _Silence(pulse)
    while True:
        check()
        if ends_at is not None and time.monotonic() > ends_at:
            raise TimeUpError(f"{name} took longer to read than there was time for, so it was stopped.")
        try:
            return items.get(timeout=POLL_S)
        except queue.Empty:
            # A worker that waits for room in the queue beats too: a slow caller is no stall.
            if silence.seconds(stall_s) > stall_s:
                raise DecodeStalledError(
                    f"{name} could not be decoded: nothing came out of it for {stall_s:g} seconds, so it was stopped. "
                    "The file may be damaged or its disk too slow; convert it to MP4 (H.264) and try again."
                ) from None
