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
from drishtiksha.casefile import Confidence, HumanVerdict, JobState, JobView, PinnedNote, Viewer
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
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import ROOT
from drishtiksha.store.reviews import Reviews

CLIP, SILENT, PORTRAIT = (ROOT / "assets" / n for n in ("clip_with_sound.mp4", "clip_silent.mp4", "portrait.jpg"))
ADA, BOB = Viewer(name="ada", reviewer=False), Viewer(name="bob", reviewer=False)
Benches = Callable[..., Workbench]


def ended(bench: Workbench, job_id: str) -> JobView:
    *_, last = bench.watch(job_id, tick_s=0.02)
    return last


def until_it_waits(bench: Workbench, job_id: str) -> None:
    """Until GATED, at work in this job, has come to its gate."""
    waits, deadline = Path(f"{bench_gate(bench)}.waits"), time.monotonic() + 60
    for view in bench.watch(job_id, tick_s=0.02):
        if view.state is JobState.RUNNING and waits.exists():
            return
        assert not view.state.ended, view
        assert time.monotonic() < deadline, view


def bench_gate(bench: Workbench) -> Path:
    return Path(bench.manager.model_configs["GATED"].gate)  # type: ignore[attr-defined]


def test_a_job_answers_as_the_analysis_does(bench, manager):
    case = bench.take(CLIP, "statement.mp4", question="Is the voice real?")
    views = list(bench.watch(bench.submit(case.case_id, ["BRIGHT", "EARS"]), tick_s=0.02))
    last = views[-1]
    assert (last.state, last.errors, last.preview) == (JobState.DONE, {}, None)
    assert [result.model_name for result in last.results] == ["BRIGHT", "EARS"]
    direct = [analyze(bench.evidence(case.case_id), manager.load_model(name)) for name in ("BRIGHT", "EARS")]
    assert [r.scores for r in last.results] == [r.scores for r in direct]
    kept = bench.case(case.case_id)
    assert kept.results == last.results
    assert (kept.question, kept.media.name) == ("Is the voice real?", "statement.mp4")
    assert bench.plan(case.case_id, ["BRIGHT"]).known_seconds > 0


def test_a_file_that_cannot_be_examined_leaves_nothing(bench, tmp_path):
    bad = tmp_path / "text.mp4"
    bad.write_text("this is no video\n" * 100)
    with pytest.raises(UnreadableMediaError):
        bench.take(bad, "text.mp4")
    assert list(bench.settings.cases_dir.iterdir()) == []
    assert bench.cases() == []


def test_a_model_that_cannot_run_stops_no_other(bench):
    case = bench.take(SILENT, "clip.mp4")
    last = ended(bench, bench.submit(case.case_id, ["EARS", "ABSENT", "BRIGHT"]))
    assert last.state is JobState.DONE
    assert [result.model_name for result in last.results] == ["BRIGHT"]
    assert "no sound track" in last.errors["EARS"]
    assert "absent.pt" in last.errors["ABSENT"]


def test_nothing_that_can_run_is_told_before_it_is_queued(bench):
    case = bench.take(SILENT, "clip.mp4")
    with pytest.raises(WrongMediaKindError, match="no sound track"):
        bench.submit(case.case_id, ["EARS"])
    with pytest.raises(ModelRegistryError, match="NOBODY"):
        bench.submit(case.case_id, ["BRIGHT", "NOBODY"])
    assert bench.jobs(case.case_id) == []
    assert ended(bench, bench.submit(case.case_id, ["ABSENT"])).state is JobState.FAILED


def test_evidence_that_was_altered_is_not_analysed(bench):
    case = bench.take(CLIP, "clip.mp4")
    path = bench.evidence(case.case_id).path
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    last = ended(bench, bench.submit(case.case_id, ["BRIGHT"]))
    assert last.state is JobState.FAILED
    assert "no longer the file that was taken in" in last.errors["BRIGHT"]


def test_cancel_stops_a_running_and_a_waiting_job(bench, tmp_path):
    case = bench.take(SILENT, "clip.mp4")
    first, second = (bench.submit(case.case_id, ["GATED"]) for _ in range(2))
    until_it_waits(bench, first)
    waiting = bench.job(second)
    assert (waiting.state, waiting.position) == (JobState.QUEUED, 1)
    bench.cancel(second)
    assert bench.job(second).state is JobState.CANCELLED
    bench.cancel(first)
    bench_gate(bench).touch()
    assert ended(bench, first).state is JobState.CANCELLED
    assert len(counted(tmp_path / "counted")) < 12
    bench.cancel(first)  # nothing happens to one that has ended


def test_a_cancelled_job_can_be_tried_again_and_a_done_one_not(bench):
    case = bench.take(SILENT, "clip.mp4")
    job_id = bench.submit(case.case_id, ["BRIGHT", "GATED"])
    until_it_waits(bench, job_id)
    with pytest.raises(JobStateError, match="not ended"):
        bench.retry(job_id)
    bench.cancel(job_id)
    bench_gate(bench).touch()
    cancelled = ended(bench, job_id)
    assert (cancelled.state, [r.model_name for r in cancelled.results]) == (JobState.CANCELLED, ["BRIGHT"])
    assert bench.retry(job_id) == job_id
    again = ended(bench, job_id)
    assert (again.state, [r.model_name for r in again.results]) == (JobState.DONE, ["BRIGHT", "GATED"])
    assert again.results[0] == cancelled.results[0], "what is finished is not run again"
    with pytest.raises(JobStateError, match="complete"):
        bench.retry(job_id)


def test_a_stopped_server_puts_its_job_back_and_another_goes_on(bench_of, gate, tmp_path):
    first = bench_of()
    case = first.take(SILENT, "clip.mp4")
    job_id = first.submit(case.case_id, ["GATED"])
    until_it_waits(first, job_id)
    opener = threading.Timer(0.5, gate.touch)
    opener.start()
    first.stop()
    opener.join()
    if first.job(job_id).state is JobState.QUEUED:
        second = bench_of()
        assert ended(second, job_id).state is JobState.DONE
    assert sorted(set(counted(tmp_path / "counted"))) == list(range(12))


def test_interactive_jobs_go_before_batch_ones_and_one_runs_at_a_time(bench, gate):
    case = bench.take(SILENT, "clip.mp4")
    running = bench.submit(case.case_id, ["GATED"])
    until_it_waits(bench, running)
    batch = bench.submit(case.case_id, ["BRIGHT"], batch=True)
    interactive = bench.submit(case.case_id, ["BRIGHT"])
    assert [bench.job(job).position for job in (running, interactive, batch)] == [None, 1, 2]
    gate.touch()
    ends = [ended(bench, job) for job in (running, interactive, batch)]
    assert [view.state for view in ends] == [JobState.DONE] * 3
    assert ends[1].started_utc < ends[2].started_utc
    assert ends[0].ended_utc <= ends[1].started_utc


def test_the_queue_is_bounded(bench_of, gate):
    bench = bench_of(max_queue=1)
    case = bench.take(SILENT, "clip.mp4")
    until_it_waits(bench, bench.submit(case.case_id, ["GATED"]))
    bench.submit(case.case_id, ["BRIGHT"])
    with pytest.raises(QueueFullError, match="at most 1 may"):
        bench.submit(case.case_id, ["BRIGHT"])


def test_an_estimate_comes_from_earlier_runs(bench, gate):
    case = bench.take(SILENT, "clip.mp4")
    gate.touch()
    ended(bench, bench.submit(case.case_id, ["GATED"]))
    gate.unlink()
    running = bench.submit(case.case_id, ["GATED"])
    until_it_waits(bench, running)
    unknown, known = bench.submit(case.case_id, ["BRIGHT"]), bench.submit(case.case_id, ["GATED"])
    assert bench.job(running).estimate_s > 0
    assert bench.job(unknown).estimate_s is None
    bench.cancel(unknown)
    assert bench.job(known).estimate_s > bench.job(running).estimate_s


def test_deletion_leaves_no_byte(bench, database_url):
    secret = "a-secret-question-that-nobody-else-asks"
    case = bench.take(CLIP, "private-name.mp4", question=secret)
    ended(bench, bench.submit(case.case_id, ["BRIGHT"]))
    (bench.derived_dir(case.case_id) / "copy.bin").write_bytes(b"derived")
    bench.add_review(case.case_id, "ada", HumanVerdict.GENUINE, Confidence.HIGH)
    files = [path for path in bench.settings.data_root.rglob("*") if case.case_id in str(path)]
    assert files
    bench.delete_case(case.case_id)
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
        bench.case(case.case_id)


def test_deleting_a_case_ends_its_running_job(bench, gate):
    case = bench.take(SILENT, "clip.mp4")
    job_id = bench.submit(case.case_id, ["GATED"])
    until_it_waits(bench, job_id)
    threading.Timer(0.2, gate.touch).start()
    bench.delete_case(case.case_id)
    with pytest.raises(JobGoneError):
        bench.job(job_id)
    other = bench.take(SILENT, "clip.mp4")
    assert ended(bench, bench.submit(other.case_id, ["BRIGHT"])).state is JobState.DONE


def test_cases_whose_time_is_over_are_deleted_and_stray_folders_too(bench_of):
    bench = bench_of(start=False)
    old, young = (bench.take(PORTRAIT, "p.jpg").case_id for _ in range(2))
    with bench.store.write() as session:
        session.execute(text("UPDATE cases SET opened = opened - 90000 WHERE id = :id"), {"id": old})
    stray = bench.settings.cases_dir / ("0" * 32)
    stray.mkdir()
    bench.sweep()
    assert [case.case_id for case in bench.cases()] == [young]
    assert not (bench.settings.cases_dir / old).exists()
    assert stray.exists(), "its file may just be arriving"
    os.utime(stray, (0, 0))
    bench.sweep()
    assert not stray.exists()


def test_the_disk_quota_holds(bench_of):
    bench = bench_of(disk_quota_mb=1)
    taken = [bench.take(PORTRAIT, "p.jpg") for _ in range(1_000_000 // PORTRAIT.stat().st_size)]
    with pytest.raises(QuotaError, match="no room"):
        bench.take(PORTRAIT, "p.jpg")
    assert len(bench.cases()) == len(list(bench.settings.cases_dir.iterdir())) == len(taken) > 0
    bench.delete_case(taken[0].case_id)
    bench.take(PORTRAIT, "p.jpg")


def test_somebody_elses_case_is_as_gone_as_a_deleted_one(bench):
    case = bench.take(SILENT, "clip.mp4", owner="ada")
    job_id = bench.submit(case.case_id, ["BRIGHT"], viewer=ADA)
    ended(bench, job_id)
    assert bench.case(case.case_id, ADA).owner == "ada"
    for forbidden in (
        lambda: bench.case(case.case_id, BOB),
        lambda: bench.evidence(case.case_id, BOB),
        lambda: bench.delete_case(case.case_id, BOB),
        lambda: bench.submit(case.case_id, ["BRIGHT"], viewer=BOB),
        lambda: bench.jobs(case.case_id, BOB),
        lambda: bench.reviews(case.case_id, BOB),
        lambda: bench.add_review(case.case_id, "bob", HumanVerdict.GENUINE, Confidence.LOW, viewer=BOB),
    ):
        with pytest.raises(CaseGoneError):
            forbidden()
    for forbidden in (
        lambda: bench.job(job_id, BOB),
        lambda: bench.cancel(job_id, BOB),
        lambda: bench.retry(job_id, BOB),
        lambda: next(bench.watch(job_id, BOB)),
    ):
        with pytest.raises(JobGoneError):
            forbidden()
    assert bench.cases(BOB) == []
    assert [c.case_id for c in bench.cases(ADA)] == [c.case_id for c in bench.cases()] == [case.case_id]


def test_filters(bench):
    dark, bright = bench.take(SILENT, "a.mp4"), bench.take(PORTRAIT, "b.jpg")
    for case in (dark, bright):
        ended(bench, bench.submit(case.case_id, ["BRIGHT"]))
    said = {case.case_id: case.results[0].prediction for case in bench.cases()}
    for prediction in Prediction:
        wanted = {case_id for case_id, one in said.items() if one is prediction}
        assert {case.case_id for case in bench.cases(prediction=prediction)} == wanted
    assert {c.case_id for c in bench.cases(model="BRIGHT")} == {dark.case_id, bright.case_id}
    assert bench.cases(model="EARS") == []
    bench.add_review(dark.case_id, "ada", HumanVerdict.GENUINE, Confidence.LOW)
    assert [c.case_id for c in bench.cases(reviewed=True)] == [dark.case_id]
    assert [c.case_id for c in bench.cases(reviewed=False)] == [bright.case_id]
    bench.add_review(dark.case_id, "bob", HumanVerdict.MANIPULATED, Confidence.LOW)
    assert [c.case_id for c in bench.cases(disagreement=True)] == [dark.case_id]
    now = datetime.now(UTC)
    assert len(bench.cases(since=now - timedelta(hours=1), until=now + timedelta(seconds=1))) == 2
    assert bench.cases(until=now - timedelta(hours=1)) == []
    assert [c.case_id for c in bench.cases(limit=1)] == [bright.case_id]


def test_a_word_once_said_is_never_changed(bench):
    case = bench.take(PORTRAIT, "p.jpg")
    note = PinnedNote(text="the left ear", region=(1.0, 2.0, 30.0, 40.0))
    first = bench.add_review(case.case_id, "ada", HumanVerdict.GENUINE, Confidence.LOW, [note], ["ear"])
    second = bench.add_review(case.case_id, "ada", HumanVerdict.MANIPULATED, Confidence.HIGH)
    assert bench.reviews(case.case_id) == [first, second]
    assert (first.notes, first.tags) == ((note,), ("ear",))
    assert datetime.fromisoformat(first.made_utc).utcoffset() == timedelta(0)
    assert bench.case(case.case_id).human_verdict is HumanVerdict.MANIPULATED
    with pytest.raises(DatabaseError), bench.store.write() as session:
        session.execute(text("UPDATE reviews SET verdict = 'genuine'"))
    assert bench.reviews(case.case_id) == [first, second]


def test_a_stress_test_is_a_job_too(bench):
    case = bench.take(PORTRAIT, "p.jpg")
    folder, during = bench.settings.cases_dir / case.case_id, set()
    job_id = bench.submit(case.case_id, ["BRIGHT"], kind="stress")
    for _ in bench.watch(job_id, tick_s=0.005):
        during.update(path.name.partition("-")[0] for path in folder.iterdir())
    last = bench.job(job_id)
    assert (last.state, last.results) == (JobState.DONE, ())
    assert "stress" in during, "changed copies lie in the case's folder and go with it"
    assert len(list(folder.iterdir())) == 1
    assert last.stress.model_name == "BRIGHT"
    assert last.stress.points
    assert bench.case(case.case_id).stress == (last.stress,)


def test_ids_of_nothing_are_gone(bench):
    for case_id in ("", "0" * 32, "../../etc/passwd", "a\0b"):
        with pytest.raises(CaseGoneError):
            bench.case(case_id)
        with pytest.raises(JobGoneError):
            bench.job(case_id)
        with pytest.raises(CaseGoneError):
            bench.jobs(case_id)


def test_an_older_word_that_is_taken_in_later_does_not_count_as_the_newest(bench):
    case = bench.take(PORTRAIT, "p.jpg")
    now = bench.add_review(case.case_id, "ada", HumanVerdict.MANIPULATED, Confidence.HIGH)
    older = Reviews(bench.store).add(case.case_id, "ada", HumanVerdict.GENUINE, Confidence.LOW, made=1000.0)
    assert bench.reviews(case.case_id) == [older, now]
    assert bench.case(case.case_id).human_verdict is HumanVerdict.MANIPULATED
    assert bench.case(case.case_id).current_reviews == (now,)
