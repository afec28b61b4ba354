"""Cases and jobs as every surface uses them, on a real database and real media."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gated_detector import counted
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from drishtiksha.analysis import analyze
from drishtiksha.casefile import LOCAL, Confidence, HumanVerdict, JobState, JobView, PinnedNote, Viewer
from drishtiksha.errors import (
    CaseGoneError,
    JobGoneError,
    JobStateError,
    ModelRegistryError,
    QueueFullError,
    QuotaError,
    UnreadableMediaError,
    WrongMediaKindError,
)
from drishtiksha.results import Prediction
from drishtiksha.services import workbench
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import ROOT
from drishtiksha.store.reviews import Reviews

CLIP, SILENT, PORTRAIT = (ROOT / "assets" / n for n in ("clip_with_sound.mp4", "clip_silent.mp4", "portrait.jpg"))
ADA, BOB = Viewer(name="ada"), Viewer(name="bob")
Benches = Callable[..., Workbench]


def ended(bench: Workbench, job_id: str) -> JobView:
    *_, last = bench.seen_by(LOCAL).watch(job_id, tick_s=0.02)
    return last


def until_it_waits(bench: Workbench, job_id: str) -> None:
    """Until GATED, at work in this job, has come to its gate."""
    waits, deadline = Path(f"{bench_gate(bench)}.waits"), time.monotonic() + 60
    for view in bench.seen_by(LOCAL).watch(job_id, tick_s=0.02):
        if view.state is JobState.RUNNING and waits.exists():
            return
        assert not view.state.ended, view
        assert time.monotonic() < deadline, view


def bench_gate(bench: Workbench) -> Path:
    return Path(bench.manager.model_configs["GATED"].gate)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_job_answers_as_the_analysis_does(bench, manager):
    case = bench.seen_by(LOCAL).take(CLIP, "statement.mp4", question="Is the voice real?")
    views = list(
        bench.seen_by(LOCAL).watch(bench.seen_by(LOCAL).open(case.case_id).submit(["BRIGHT", "EARS"]), tick_s=0.02)
    )
    last = views[-1]
    assert (last.state, last.errors, last.preview) == (JobState.DONE, {}, None)
    assert [result.model_name for result in last.results] == ["BRIGHT", "EARS"]
    direct = [
        analyze(bench.seen_by(LOCAL).open(case.case_id).evidence(), manager.load_model(name))
        for name in ("BRIGHT", "EARS")
    ]
    assert [r.scores for r in last.results] == [r.scores for r in direct]
    kept = bench.seen_by(LOCAL).open(case.case_id).read()
    assert kept.results == last.results
    assert (kept.question, kept.media.name) == ("Is the voice real?", "statement.mp4")
    assert bench.seen_by(LOCAL).open(case.case_id).plan(["BRIGHT"]).seconds[0] > 0


def test_a_file_that_cannot_be_examined_leaves_nothing(bench, tmp_path):
    bad = tmp_path / "text.mp4"
    bad.write_text("this is no video\n" * 100)
    with pytest.raises(UnreadableMediaError):
        bench.seen_by(LOCAL).take(bad, "text.mp4")
    assert list(bench.settings.cases_dir.iterdir()) == []
    assert bench.seen_by(LOCAL).cases() == []


@pytest.mark.slow
def test_a_model_that_cannot_run_stops_no_other(bench):
    case = bench.seen_by(LOCAL).take(SILENT, "clip.mp4")
    last = ended(bench, bench.seen_by(LOCAL).open(case.case_id).submit(["EARS", "ABSENT", "BRIGHT"]))
    assert last.state is JobState.DONE
    assert [result.model_name for result in last.results] == ["BRIGHT"]
    assert "no sound track" in last.errors["EARS"]
    assert "absent.pt" in last.errors["ABSENT"]


@pytest.mark.slow
def test_nothing_that_can_run_is_told_before_it_is_queued(bench):
    case = bench.seen_by(LOCAL).take(SILENT, "clip.mp4")
    with pytest.raises(WrongMediaKindError, match="no sound track"):
        bench.seen_by(LOCAL).open(case.case_id).submit(["EARS"])
    with pytest.raises(ModelRegistryError, match="NOBODY"):
        bench.seen_by(LOCAL).open(case.case_id).submit(["BRIGHT", "NOBODY"])
    assert bench.seen_by(LOCAL).open(case.case_id).jobs() == []
    assert ended(bench, bench.seen_by(LOCAL).open(case.case_id).submit(["ABSENT"])).state is JobState.FAILED


@pytest.mark.slow
def test_evidence_that_was_altered_is_not_analysed(bench):
    case = bench.seen_by(LOCAL).take(CLIP, "clip.mp4")
    path = bench.seen_by(LOCAL).open(case.case_id).evidence().path
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    last = ended(bench, bench.seen_by(LOCAL).open(case.case_id).submit(["BRIGHT"]))
    assert last.state is JobState.FAILED
    assert "no longer the file that was taken in" in last.errors["BRIGHT"]


@pytest.mark.slow
def test_cancel_stops_a_running_and_a_waiting_job(bench, tmp_path):
    case = bench.seen_by(LOCAL).take(SILENT, "clip.mp4")
    first, second = (bench.seen_by(LOCAL).open(case.case_id).submit(["GATED"]) for _ in range(2))
    until_it_waits(bench, first)
    waiting = bench.seen_by(LOCAL).job(second)
    assert (waiting.state, waiting.position) == (JobState.QUEUED, 1)
    bench.seen_by(LOCAL).cancel(second)
    assert bench.seen_by(LOCAL).job(second).state is JobState.CANCELLED
    bench.seen_by(LOCAL).cancel(first)
    bench_gate(bench).touch()
    assert ended(bench, first).state is JobState.CANCELLED
    assert len(counted(tmp_path / "counted")) < 12
    bench.seen_by(LOCAL).cancel(first)  # nothing happens to one that has ended


@pytest.mark.slow
def test_a_cancelled_job_can_be_tried_again_and_a_done_one_not(bench):
    case = bench.seen_by(LOCAL).take(SILENT, "clip.mp4")
    job_id = bench.seen_by(LOCAL).open(case.case_id).submit(["BRIGHT", "GATED"])
    until_it_waits(bench, job_id)
    with pytest.raises(JobStateError, match="not ended"):
        bench.seen_by(LOCAL).retry(job_id)
    bench.seen_by(LOCAL).cancel(job_id)
    bench_gate(bench).touch()
    cancelled = ended(bench, job_id)
    assert (cancelled.state, [r.model_name for r in cancelled.results]) == (JobState.CANCELLED, ["BRIGHT"])
    assert bench.seen_by(LOCAL).retry(job_id) == job_id
    again = ended(bench, job_id)
    assert (again.state, [r.model_name for r in again.results]) == (JobState.DONE, ["BRIGHT", "GATED"])
    assert again.results[0] == cancelled.results[0], "what is finished is not run again"
    with pytest.raises(JobStateError, match="complete"):
        bench.seen_by(LOCAL).retry(job_id)


@pytest.mark.slow
def test_a_stopped_server_puts_its_job_back_and_another_goes_on(bench_of, gate, tmp_path):
    first = bench_of()
    case = first.seen_by(LOCAL).take(SILENT, "clip.mp4")
    job_id = case.submit(["GATED"])
    until_it_waits(first, job_id)
    opener = threading.Timer(0.5, gate.touch)
    opener.start()
    first.stop()
    opener.join()
    if first.seen_by(LOCAL).job(job_id).state is JobState.QUEUED:
        second = bench_of()
        assert ended(second, job_id).state is JobState.DONE
    assert sorted(set(counted(tmp_path / "counted"))) == list(range(12))


@pytest.mark.slow
def test_interactive_jobs_go_before_batch_ones_and_one_runs_at_a_time(bench, gate):
    case = bench.seen_by(LOCAL).take(SILENT, "clip.mp4")
    running = bench.seen_by(LOCAL).open(case.case_id).submit(["GATED"])
    until_it_waits(bench, running)
    batch = bench.seen_by(LOCAL).open(case.case_id).submit(["BRIGHT"], batch=True)
    interactive = bench.seen_by(LOCAL).open(case.case_id).submit(["BRIGHT"])
    assert [bench.seen_by(LOCAL).job(job).position for job in (running, interactive, batch)] == [None, 1, 2]
    gate.touch()
    ends = [ended(bench, job) for job in (running, interactive, batch)]
    assert [view.state for view in ends] == [JobState.DONE] * 3
    assert ends[1].started_utc < ends[2].started_utc
    assert ends[0].ended_utc <= ends[1].started_utc


@pytest.mark.slow
def test_the_queue_is_bounded(bench_of, gate):
    bench = bench_of(max_queue=1)
    case = bench.seen_by(LOCAL).take(SILENT, "clip.mp4")
    until_it_waits(bench, bench.seen_by(LOCAL).open(case.case_id).submit(["GATED"]))
    bench.seen_by(LOCAL).open(case.case_id).submit(["BRIGHT"])
    with pytest.raises(QueueFullError, match="at most 1 may"):
        bench.seen_by(LOCAL).open(case.case_id).submit(["BRIGHT"])


@pytest.mark.slow
def test_an_estimate_comes_from_earlier_runs(bench, gate):
    case = bench.seen_by(LOCAL).take(SILENT, "clip.mp4")
    gate.touch()
    ended(bench, bench.seen_by(LOCAL).open(case.case_id).submit(["GATED"]))
    gate.unlink()
    running = bench.seen_by(LOCAL).open(case.case_id).submit(["GATED"])
    until_it_waits(bench, running)
    unknown, known = (
        bench.seen_by(LOCAL).open(case.case_id).submit(["BRIGHT"]),
        bench.seen_by(LOCAL).open(case.case_id).submit(["GATED"]),
    )
    assert bench.seen_by(LOCAL).job(running).estimate_s > 0
    assert bench.seen_by(LOCAL).job(unknown).estimate_range_s is not None, "a guess, until it has run here"
    bench.seen_by(LOCAL).cancel(unknown)
    assert bench.seen_by(LOCAL).job(known).estimate_s > bench.seen_by(LOCAL).job(running).estimate_s


@pytest.mark.slow
def test_deletion_leaves_no_byte(bench, database_url):
    secret = "a-secret-question-that-nobody-else-asks"
    case = bench.seen_by(LOCAL).take(CLIP, "private-name.mp4", question=secret)
    ended(bench, bench.seen_by(LOCAL).open(case.case_id).submit(["BRIGHT"]))
    (bench.seen_by(LOCAL).open(case.case_id).derived() / "copy.bin").write_bytes(b"derived")
    bench.seen_by(LOCAL).open(case.case_id).add_review("ada", HumanVerdict.GENUINE, Confidence.HIGH)
    files = [path for path in bench.settings.data_root.rglob("*") if case.case_id in str(path)]
    assert files
    bench.seen_by(LOCAL).open(case.case_id).delete()
    left = [path for path in bench.settings.data_root.rglob("*") if path.is_file()]
    assert not [path for path in left if case.case_id in str(path)]
    with bench.store.read() as session:
        tables = ("cases", "jobs", "chunks", "results", "reviews")
        assert [session.scalar(text(f"SELECT count(*) FROM {table}")) for table in tables] == [0] * 5
    if database_url is None:
        for path in left:
            content = path.read_bytes()
            assert secret.encode() not in content, path
            assert b"private-name" not in content, path
    with pytest.raises(CaseGoneError):
        bench.seen_by(LOCAL).open(case.case_id).read()


@pytest.mark.slow
def test_a_deletion_hides_a_case_at_once_and_can_be_taken_back(bench_of, monkeypatch):
    bench = bench_of(start=False)
    seen = bench.seen_by(LOCAL)
    case, other = seen.take(PORTRAIT, "p.jpg"), seen.take(PORTRAIT, "q.jpg")
    job_id = case.submit(["BRIGHT"])
    case.delete_soon()
    for gone in (lambda: seen.open(case.case_id), lambda: seen.job(job_id)):
        with pytest.raises((CaseGoneError, JobGoneError)):
            gone()
    assert [one.case_id for one in seen.cases()] == [other.case_id]
    bench.sweep()
    assert seen.restore(case.case_id).evidence().path.is_file(), "its time is not over"
    assert seen.job(job_id).state is JobState.CANCELLED
    seen.open(case.case_id).delete_soon()
    monkeypatch.setattr(workbench, "UNDO_S", -1.0)
    bench_of(start=False).sweep()  # another process, after this one was killed
    assert not (bench.settings.cases_dir / case.case_id).exists()
    with pytest.raises(CaseGoneError):
        seen.restore(case.case_id)


def test_a_note_for_the_report_may_be_changed(bench_of):
    case = bench_of(start=False).seen_by(LOCAL).take(PORTRAIT, "p.jpg", "Who?")
    case.set_question(" Whose picture is it? ")
    assert case.read().question == "Whose picture is it?"


@pytest.mark.slow
def test_deleting_a_case_ends_its_running_job(bench, gate):
    case = bench.seen_by(LOCAL).take(SILENT, "clip.mp4")
    job_id = bench.seen_by(LOCAL).open(case.case_id).submit(["GATED"])
    until_it_waits(bench, job_id)
    threading.Timer(0.2, gate.touch).start()
    bench.seen_by(LOCAL).open(case.case_id).delete()
    with pytest.raises(JobGoneError):
        bench.seen_by(LOCAL).job(job_id)
    other = bench.seen_by(LOCAL).take(SILENT, "clip.mp4")
    assert ended(bench, bench.seen_by(LOCAL).open(other.case_id).submit(["BRIGHT"])).state is JobState.DONE


def test_cases_whose_time_is_over_are_deleted_and_stray_folders_too(bench_of):
    bench = bench_of(start=False)
    old, young = (bench.seen_by(LOCAL).take(PORTRAIT, "p.jpg").case_id for _ in range(2))
    with bench.store.write() as session:
        session.execute(text("UPDATE cases SET opened = opened - 90000 WHERE id = :id"), {"id": old})
    stray = bench.settings.cases_dir / ("0" * 32)
    stray.mkdir()
    bench.sweep()
    assert [case.case_id for case in bench.seen_by(LOCAL).cases()] == [young]
    assert not (bench.settings.cases_dir / old).exists()
    assert stray.exists(), "its file may just be arriving"
    os.utime(stray, (0, 0))
    bench.sweep()
    assert not stray.exists()


@pytest.mark.slow
def test_the_disk_quota_holds(bench_of):
    bench = bench_of(disk_quota_mb=1)
    taken = [bench.seen_by(LOCAL).take(PORTRAIT, "p.jpg") for _ in range(1_000_000 // PORTRAIT.stat().st_size)]
    with pytest.raises(QuotaError, match="no room"):
        bench.seen_by(LOCAL).take(PORTRAIT, "p.jpg")
    assert len(bench.seen_by(LOCAL).cases()) == len(list(bench.settings.cases_dir.iterdir())) == len(taken) > 0
    bench.seen_by(LOCAL).open(taken[0].case_id).delete()
    bench.seen_by(LOCAL).take(PORTRAIT, "p.jpg")


@pytest.mark.slow
def test_somebody_elses_case_is_as_gone_as_a_deleted_one(bench):
    case = bench.seen_by(Viewer(name="ada")).take(SILENT, "clip.mp4")
    job_id = bench.seen_by(ADA).open(case.case_id).submit(["BRIGHT"])
    ended(bench, job_id)
    assert bench.seen_by(ADA).open(case.case_id).read().owner == "ada"
    for forbidden in (
        lambda: bench.seen_by(BOB).open(case.case_id).read(),
        lambda: bench.seen_by(BOB).open(case.case_id).evidence(),
        lambda: bench.seen_by(BOB).open(case.case_id).delete(),
        lambda: bench.seen_by(BOB).open(case.case_id).submit(["BRIGHT"]),
        lambda: bench.seen_by(BOB).open(case.case_id).jobs(),
        lambda: bench.seen_by(BOB).open(case.case_id).reviews(),
        lambda: bench.seen_by(BOB).open(case.case_id).add_review("bob", HumanVerdict.GENUINE, Confidence.LOW),
    ):
        with pytest.raises(CaseGoneError):
            forbidden()
    for forbidden in (
        lambda: bench.seen_by(BOB).job(job_id),
        lambda: bench.seen_by(BOB).cancel(job_id),
        lambda: bench.seen_by(BOB).retry(job_id),
        lambda: next(bench.seen_by(BOB).watch(job_id)),
    ):
        with pytest.raises(JobGoneError):
            forbidden()
    assert bench.seen_by(BOB).cases() == []
    assert (
        [c.case_id for c in bench.seen_by(ADA).cases()]
        == [c.case_id for c in bench.seen_by(LOCAL).cases()]
        == [case.case_id]
    )


@pytest.mark.slow
def test_filters(bench):
    dark, bright = bench.seen_by(LOCAL).take(SILENT, "a.mp4"), bench.seen_by(LOCAL).take(PORTRAIT, "b.jpg")
    for case in (dark, bright):
        ended(bench, bench.seen_by(LOCAL).open(case.case_id).submit(["BRIGHT"]))
    said = {case.case_id: case.results[0].prediction for case in bench.seen_by(LOCAL).cases()}
    for prediction in Prediction:
        wanted = {case_id for case_id, one in said.items() if one is prediction}
        assert {case.case_id for case in bench.seen_by(LOCAL).cases(prediction=prediction)} == wanted
    assert {c.case_id for c in bench.seen_by(LOCAL).cases(model="BRIGHT")} == {dark.case_id, bright.case_id}
    assert bench.seen_by(LOCAL).cases(model="EARS") == []
    bench.seen_by(LOCAL).open(dark.case_id).add_review("ada", HumanVerdict.GENUINE, Confidence.LOW)
    assert [c.case_id for c in bench.seen_by(LOCAL).cases(reviewed=True)] == [dark.case_id]
    assert [c.case_id for c in bench.seen_by(LOCAL).cases(reviewed=False)] == [bright.case_id]
    bench.seen_by(LOCAL).open(dark.case_id).add_review("bob", HumanVerdict.MANIPULATED, Confidence.LOW)
    assert [c.case_id for c in bench.seen_by(LOCAL).cases(disagreement=True)] == [dark.case_id]
    now = datetime.now(UTC)
    assert len(bench.seen_by(LOCAL).cases(since=now - timedelta(hours=1), until=now + timedelta(seconds=1))) == 2
    assert bench.seen_by(LOCAL).cases(until=now - timedelta(hours=1)) == []
    assert [c.case_id for c in bench.seen_by(LOCAL).cases(limit=1)] == [bright.case_id]


@pytest.mark.slow
def test_a_word_once_said_is_never_changed(bench):
    case = bench.seen_by(LOCAL).take(PORTRAIT, "p.jpg")
    note = PinnedNote(text="the left ear", region=(1.0, 2.0, 30.0, 40.0))
    first = (
        bench.seen_by(LOCAL).open(case.case_id).add_review("ada", HumanVerdict.GENUINE, Confidence.LOW, [note], ["ear"])
    )
    second = bench.seen_by(LOCAL).open(case.case_id).add_review("ada", HumanVerdict.MANIPULATED, Confidence.HIGH)
    assert bench.seen_by(LOCAL).open(case.case_id).reviews() == [first, second]
    assert (first.notes, first.tags) == ((note,), ("ear",))
    assert datetime.fromisoformat(first.made_utc).utcoffset() == timedelta(0)
    assert bench.seen_by(LOCAL).open(case.case_id).read().human_verdict is HumanVerdict.MANIPULATED
    with pytest.raises(DatabaseError), bench.store.write() as session:
        session.execute(text("UPDATE reviews SET verdict = 'genuine'"))
    assert bench.seen_by(LOCAL).open(case.case_id).reviews() == [first, second]


@pytest.mark.slow
def test_a_stress_test_is_a_job_too(bench):
    case = bench.seen_by(LOCAL).take(PORTRAIT, "p.jpg")
    folder, during = bench.settings.cases_dir / case.case_id, set()
    job_id = bench.seen_by(LOCAL).open(case.case_id).submit(["BRIGHT"], kind="stress")
    for _ in bench.seen_by(LOCAL).watch(job_id, tick_s=0.005):
        during.update(path.name.partition("-")[0] for path in folder.iterdir())
    last = bench.seen_by(LOCAL).job(job_id)
    assert (last.state, last.results) == (JobState.DONE, ())
    assert "stress" in during, "changed copies lie in the case's folder and go with it"
    assert len(list(folder.iterdir())) == 1
    assert last.stress.model_name == "BRIGHT"
    assert last.stress.points
    assert bench.seen_by(LOCAL).open(case.case_id).read().stress == (last.stress,)


def test_ids_of_nothing_are_gone(bench):
    for case_id in ("", "0" * 32, "../../etc/passwd", "a\0b"):
        with pytest.raises(CaseGoneError):
            bench.seen_by(LOCAL).open(case_id).read()
        with pytest.raises(JobGoneError):
            bench.seen_by(LOCAL).job(case_id)
        with pytest.raises(CaseGoneError):
            bench.seen_by(LOCAL).open(case_id).jobs()


@pytest.mark.slow
def test_an_older_word_that_is_taken_in_later_does_not_count_as_the_newest(bench):
    case = bench.seen_by(LOCAL).take(PORTRAIT, "p.jpg")
    now = bench.seen_by(LOCAL).open(case.case_id).add_review("ada", HumanVerdict.MANIPULATED, Confidence.HIGH)
    older = Reviews(bench.store).add(case.case_id, "ada", HumanVerdict.GENUINE, Confidence.LOW, made=1000.0)
    assert bench.seen_by(LOCAL).open(case.case_id).reviews() == [older, now]
    assert bench.seen_by(LOCAL).open(case.case_id).read().human_verdict is HumanVerdict.MANIPULATED
    assert bench.seen_by(LOCAL).open(case.case_id).read().current_reviews == (now,)
