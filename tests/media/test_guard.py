import threading
import time
from collections.abc import Iterator

import pytest

from drishtiksha.errors import AnalysisCancelledError, DecodeStalledError
from drishtiksha.events import CancelToken
from drishtiksha.media.guard import Pulse, guarded, guarded_call


def test_yields_everything_in_order() -> None:
    assert list(guarded(lambda pulse: range(100), name="clip", stall_s=5)) == list(range(100))


def test_raises_what_the_work_raises_after_what_came_before() -> None:
    def work(pulse: Pulse) -> Iterator[int]:
        yield 1
        raise KeyError("broken")

    got = []
    with pytest.raises(KeyError, match="broken"):
        got.extend(guarded(work, name="clip", stall_s=5))
    items = guarded(work, name="clip", stall_s=5)
    assert next(items) == 1


def test_a_stall_is_given_up_and_names_the_file() -> None:
    release = threading.Event()

    def work(pulse: Pulse) -> Iterator[int]:
        yield 1
        release.wait(30)
        yield 2

    items = guarded(work, name="holiday.mp4", stall_s=0.3)
    assert next(items) == 1
    started = time.monotonic()
    with pytest.raises(DecodeStalledError, match=r"holiday\.mp4.*0\.3 seconds"):
        next(items)
    assert time.monotonic() - started < 2
    release.set()


def test_beats_without_items_are_no_stall() -> None:
    def work(pulse: Pulse) -> int:
        for _ in range(12):
            time.sleep(0.05)
            pulse.beat()
        return 7

    assert guarded_call(work, name="clip", stall_s=0.3) == 7


def test_a_slow_consumer_is_no_stall() -> None:
    items = guarded(lambda pulse: range(20), name="clip", stall_s=0.2, depth=1)
    assert next(items) == 0
    time.sleep(0.5)
    assert list(items) == list(range(1, 20))


def test_cancelling_acts_within_a_second_while_nothing_comes() -> None:
    token = CancelToken()

    def work(pulse: Pulse) -> Iterator[int]:
        while True:
            time.sleep(0.02)
            pulse.beat()
        yield 0

    threading.Timer(0.2, token.cancel).start()
    started = time.monotonic()
    with pytest.raises(AnalysisCancelledError):
        next(guarded(work, name="clip", stall_s=30, check=token.check))
    assert time.monotonic() - started < 1.2


def test_leaving_early_ends_the_worker() -> None:
    ended = threading.Event()

    def work(pulse: Pulse) -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            ended.set()

    items = guarded(work, name="clip", stall_s=5)
    assert next(items) == 0
    items.close()
    assert ended.wait(2), "the worker kept on decoding for nobody"
