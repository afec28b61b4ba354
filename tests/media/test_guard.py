import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drishtiksha.errors import (
    AnalysisCancelledError,
    DecodeStalledError,
    MediaLimitError,
    TimeUpError,
    UnreadableMediaError,
    WrongMediaKindError,
)
from drishtiksha.events import CancelToken
from drishtiksha.media import guard
from drishtiksha.media.guard import Pulse, guarded, guarded_call
from drishtiksha.settings import ROOT

FILE = Path("clip.mp4")
"""Of what is decoded here only the name matters."""


def test_yields_everything_in_order() -> None:
    assert list(guarded(lambda pulse: range(100), FILE, name="clip", stall_s=5)) == list(range(100))


@pytest.mark.parametrize("raised", [KeyError("broken"), RuntimeError(), OSError(5, "broken"), AssertionError()])
def test_whatever_a_decoder_raises_becomes_a_sentence_after_what_came_before(raised: Exception, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"FLV and more")

    def work(pulse: Pulse) -> Iterator[int]:
        yield 1
        raise raised

    got: list[int] = []
    with pytest.raises(UnreadableMediaError, match=r"^clip cannot be read.*begins as FLV") as caught:
        got.extend(guarded(work, tmp_path / "file", name="clip", stall_s=5))
    assert got == [1]
    assert caught.value.__cause__ is raised


@pytest.mark.parametrize(
    ("raised", "kind"), [(WrongMediaKindError("own"), WrongMediaKindError), (MemoryError(), MediaLimitError)]
)
def test_errors_with_a_reason_of_their_own_keep_it(raised: Exception, kind: type[Exception]) -> None:
    def work(pulse: Pulse) -> int:
        raise raised

    with pytest.raises(kind):
        guarded_call(work, FILE, name="clip", stall_s=5)


def test_work_that_gets_on_but_takes_too_long_is_ended() -> None:
    ended = threading.Event()

    def work(pulse: Pulse) -> Iterator[int]:
        try:
            while True:
                pulse.beat()
                time.sleep(0.01)
        finally:
            ended.set()
        yield 0

    with pytest.raises(TimeUpError, match=r"^clip took longer"):
        list(guarded(work, FILE, name="clip", stall_s=5, budget_s=0.3))
    assert ended.wait(2)


def test_raises_what_the_work_raises_after_what_came_before() -> None:
    def work(pulse: Pulse) -> Iterator[int]:
        yield 1
        raise WrongMediaKindError("broken")

    got = []
    with pytest.raises(WrongMediaKindError, match="broken"):
        got.extend(guarded(work, FILE, name="clip", stall_s=5))
    items = guarded(work, FILE, name="clip", stall_s=5)
    assert next(items) == 1


def test_a_stall_is_given_up_and_names_the_file() -> None:
    release = threading.Event()

    def work(pulse: Pulse) -> Iterator[int]:
        yield 1
        release.wait(30)
        yield 2

    items = guarded(work, FILE, name="holiday.mp4", stall_s=0.3)
    assert next(items) == 1
    started = time.monotonic()
    with pytest.raises(DecodeStalledError, match=r"holiday\.mp4.*0\.3 seconds"):
        next(items)
    assert time.monotonic() - started < 2
    assert guard.astray_s() >= 0
    astray = [thread for thread in guard._given_up if thread.name == "decode holiday.mp4"]
    assert astray
    release.set()
    for thread in astray:
        thread.join(10)
    guard.astray_s()
    assert not set(astray) & guard._given_up.keys(), "it has ended after all"


@pytest.mark.slow
def test_beats_without_items_are_no_stall() -> None:
    def work(pulse: Pulse) -> int:
        for _ in range(12):
            time.sleep(0.05)
            pulse.beat()
        return 7

    assert guarded_call(work, FILE, name="clip", stall_s=0.3) == 7


@pytest.mark.slow
def test_a_slow_consumer_is_no_stall() -> None:
    items = guarded(lambda pulse: range(20), FILE, name="clip", stall_s=0.2, depth=lambda _: 1)
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
        next(guarded(work, FILE, name="clip", stall_s=30, check=token.check))
    assert time.monotonic() - started < 1.2


def test_leaving_early_ends_the_worker() -> None:
    ended = threading.Event()

    def work(pulse: Pulse) -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            ended.set()

    items = guarded(work, FILE, name="clip", stall_s=5)
    assert next(items) == 0
    items.close()
    assert ended.wait(2), "the worker kept on decoding for nobody"


FROZEN = """
import os, sys, time
from pathlib import Path
from drishtiksha.media.guard import guarded_call

def work(pulse):
    print("begun", flush=True)
    end = time.process_time() + float(sys.argv[1])
    while time.process_time() < end:
        pass
    return 7

print(guarded_call(work, Path("clip.mp4"), name="clip", stall_s=0.5), flush=True)
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs signals of POSIX")
def test_a_process_that_stood_still_has_not_stalled() -> None:
    command = [sys.executable, "-c", FROZEN, "0.2"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(2.0)  # more than a leap and stall_s together
        process.send_signal(signal.SIGCONT)
        assert process.stdout.read() == "7\n"


@pytest.mark.slow
@pytest.mark.skipif(not guard._waits(), reason="needs a kernel that tells how long threads wait for a processor")
def test_a_decoder_that_gets_no_processor_has_not_stalled() -> None:
    """It shares one processor with a process that stands 10 steps before it, and gets about a tenth of it."""
    processor = min(os.sched_getaffinity(0))
    hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        os.sched_setaffinity(hog.pid, {processor})
        command = [sys.executable, "-c", FROZEN, "0.1"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            for task in Path(f"/proc/{process.pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), {processor})
                os.setpriority(os.PRIO_PROCESS, int(task.name), os.getpriority(os.PRIO_PROCESS, hog.pid) + 10)
            assert process.stdout.read() == "7\n"
    finally:
        hog.kill()
        hog.wait()


@pytest.mark.slow
def test_waiting_for_a_processor_is_taken_off_the_silence_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic()
    monkeypatch.setattr(guard, "_waits", lambda: {"1": time.monotonic() - began, "2": 0.0})
    with pytest.raises(DecodeStalledError):
        guarded_call(lambda pulse: time.sleep(10), FILE, name="clip", stall_s=0.2)
    assert guard.SHORT_OF_PROCESSOR * 0.2 <= time.monotonic() - began < 2.5
