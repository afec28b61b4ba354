from __future__ import annotations

import threading
import time

import pytest
from sample_results import result

from drishtiksha.errors import AnalysisCancelledError, UnreadableMediaError
from drishtiksha.events import CancelToken, ProgressEvent
from drishtiksha.results import AnalysisResult
from drishtiksha.ui.runner import Clockwork, Heartbeat, time_left, watch


def event(
    progress: int, phase: str = "score", total: int | None = 40, preview: AnalysisResult | None = None
) -> ProgressEvent:
    return ProgressEvent("M", progress, total, phase, "message", preview)


def test_the_result_comes_last_and_no_preview_is_lost() -> None:
    def work(report) -> AnalysisResult:
        for i in range(50):
            report(event(i, preview=result() if i == 7 else None))
        return result()

    news = list(watch(work, CancelToken()))
    assert isinstance(news[-1], AnalysisResult)
    assert [item for item in news[:-1] if isinstance(item, ProgressEvent) and item.preview is not None]


def test_progress_arrives_in_the_callers_thread_while_the_work_goes_on() -> None:
    go_on = threading.Event()
    worker: list[int] = []

    def work(report) -> AnalysisResult:
        worker.append(threading.get_ident())
        report(event(1))
        assert go_on.wait(5)
        return result()

    stream = watch(work, CancelToken())
    first = next(item for item in stream if isinstance(item, ProgressEvent))
    assert first.progress == 1
    assert worker[0] != threading.get_ident()
    go_on.set()
    assert isinstance(list(stream)[-1], AnalysisResult)


def test_silence_gives_heartbeats() -> None:
    done = threading.Event()

    def work(report) -> AnalysisResult:
        done.wait(5)
        return result()

    stream = watch(work, CancelToken())
    assert isinstance(next(stream), Heartbeat)
    done.set()
    assert isinstance(list(stream)[-1], AnalysisResult)


def test_a_failure_is_raised_to_the_caller() -> None:
    def work(report) -> AnalysisResult:
        raise UnreadableMediaError("broken")

    with pytest.raises(UnreadableMediaError, match="broken"):
        list(watch(work, CancelToken()))


def test_closing_the_stream_cancels_the_work() -> None:
    token, stopped = CancelToken(), threading.Event()

    def work(report) -> AnalysisResult:
        try:
            while True:
                token.check()
                time.sleep(0.01)
        except AnalysisCancelledError:
            stopped.set()
            raise

    stream = watch(work, token)
    next(stream)
    stream.close()
    assert stopped.wait(1)


def test_work_that_cannot_stop_at_once_does_not_keep_the_user_waiting() -> None:
    token, release = CancelToken(), threading.Event()

    def work(report) -> AnalysisResult:
        release.wait(10)
        return result()

    stream = watch(work, token)
    next(stream)
    token.cancel()
    started = time.monotonic()
    with pytest.raises(AnalysisCancelledError):
        list(stream)
    assert time.monotonic() - started < 1
    release.set()


def test_the_time_left_follows_the_rate_of_the_phase() -> None:
    now = [100.0]
    clockwork = Clockwork(lambda: now[0])
    assert clockwork.read(event(0)) == ((0, 40), "Scoring")
    now[0] += 10
    count, words = clockwork.read(event(10))
    assert count == (10, 40)
    assert words == "Scoring, 10 of 40, about 30 s left"
    now[0] += 1
    assert clockwork.read(event(1, "explain", 4))[1] == "Preparing heatmaps, 1 of 4, a few seconds left"


def test_an_unknown_total_gives_no_estimate() -> None:
    assert Clockwork().read(event(3, "load", None)) == (0.0, "Loading the detector")


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "a few seconds left"), (22, "about 20 s left"), (100, "about 2 min left")]
)
def test_time_left_in_words(seconds: float, words: str) -> None:
    assert time_left(seconds) == words
