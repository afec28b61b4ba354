"""What a look at a job costs the database: the same number of statements whatever waits beside it."""

from __future__ import annotations

import pytest
from sqlalchemy import event
from statements import counted

from drishtiksha.casefile import LOCAL, JobState
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import ROOT
from drishtiksha.store import board
from drishtiksha.store.queue import Progress

PORTRAIT = ROOT / "assets" / "portrait.jpg"
MOST, POLL = 8, 2


def look(bench: Workbench, job_id: str, state: JobState) -> int:
    """Statements that one look at a job takes."""
    with counted(bench.store) as statements:
        assert bench.seen_by(LOCAL).job(job_id).state is state
    return len(statements)


def ran(bench: Workbench, models: list[str]) -> str:
    job_id = bench.seen_by(LOCAL).take(PORTRAIT, "p.jpg").submit(models)
    *_, last = bench.seen_by(LOCAL).watch(job_id, tick_s=0.02)
    assert last.state is JobState.DONE
    return job_id


@pytest.mark.slow
@pytest.mark.parametrize("ahead", [1, 20])
def test_a_waiting_and_a_running_job_cost_a_handful_of_statements(bench_of, ahead):
    bench = bench_of(max_queue=100)
    done = ran(bench, ["BRIGHT"])
    bench.stop()
    jobs = [bench.seen_by(LOCAL).take(PORTRAIT, "p.jpg").submit(["BRIGHT"]) for _ in range(ahead + 1)]
    view = bench.seen_by(LOCAL).job(jobs[-1])
    assert view.position == ahead
    assert view.estimate_s is not None
    assert view.estimate_s > 0
    assert look(bench, jobs[-1], JobState.QUEUED) <= POLL
    assert bench._jobs.queue.claim(["cpu", "auto"]).job_id == jobs[0]
    assert look(bench, jobs[0], JobState.RUNNING) <= POLL
    assert look(bench, done, JobState.DONE) <= POLL


@pytest.mark.slow
def test_polls_of_many_jobs_share_a_query_and_each_adds_one(bench_of, monkeypatch):
    monkeypatch.setattr(board, "FRESH_S", 60.0)
    bench = bench_of(start=False, max_queue=100)
    jobs = [bench.seen_by(LOCAL).take(PORTRAIT, "p.jpg").submit(["BRIGHT"]) for _ in range(20)]
    with counted(bench.store) as statements:
        views = [bench.seen_by(LOCAL).job(job) for job in jobs]
    assert [view.position for view in views] == list(range(20))
    assert len([one for one in statements if "LEFT OUTER JOIN results" in one]) == 1
    assert len(statements) == 20 + 1 + 1, "that of what models took before comes once"


def test_whoever_watches_asks_again_only_when_something_is_new(bench_of, monkeypatch):
    monkeypatch.setattr(board, "FRESH_S", 60.0)
    bench = bench_of(start=False)
    seen = bench.seen_by(LOCAL)
    job_id = seen.take(PORTRAIT, "p.jpg").submit(["BRIGHT"])
    view = seen.job(job_id)
    with counted(bench.store) as statements:
        assert all(seen.job_since(view) is view for _ in range(100))
    assert statements == []
    assert bench._jobs.queue.claim(["cpu", "auto"]).job_id == job_id
    with counted(bench.store) as statements:
        now = seen.job_since(view)
    assert (now.state, now.position) == (JobState.RUNNING, None)
    assert len(statements) <= POLL
    bench._jobs.queue.pulse(job_id, Progress("BRIGHT", "score", "Frame 1", 1, 4))
    assert seen.job_since(now).progress == 1
    bench._jobs.queue.end(job_id, JobState.FAILED)
    assert seen.job_since(now).state is JobState.FAILED


def test_the_queries_of_a_poll_are_answered_by_an_index(bench_of, database_url):
    if database_url is not None:
        pytest.skip("SQLite tells its plan")
    bench = bench_of(start=False)
    job_id = bench.seen_by(LOCAL).take(PORTRAIT, "p.jpg").submit(["BRIGHT"])
    asked: list[tuple] = []

    def note(_, __, statement, parameters, *___) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    event.listen(bench.store.engine, "before_cursor_execute", note)
    bench.seen_by(LOCAL).job(job_id)
    event.remove(bench.store.engine, "before_cursor_execute", note)
    with bench.store.engine.connect() as connection:
        plans = [
            row[-1]
            for statement, parameters in asked
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert plans
    assert not [step for step in plans if step.startswith("SCAN jobs") or step.startswith("SCAN cases")], plans


@pytest.mark.slow
def test_a_case_is_read_in_as_many_statements_whatever_was_found(bench):
    costs = []
    for models in (["BRIGHT"], ["BRIGHT", "GATED"]):
        gate = bench.manager.model_configs["GATED"].gate
        open(gate, "w").close()  # noqa: PTH123
        opened = bench.seen_by(LOCAL).open(bench.seen_by(LOCAL).job(ran(bench, models)).case_id)
        with counted(bench.store) as statements:
            opened.read()
            opened.evidence()
            opened.derived()
            opened.plan(models)
        costs.append(len(statements))
    assert costs[0] == costs[1] <= MOST
