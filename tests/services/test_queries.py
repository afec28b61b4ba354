"""What a look at a job costs the database: the same number of statements whatever waits beside it."""

from __future__ import annotations

import pytest
from statements import counted

from drishtiksha.casefile import LOCAL, JobState
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import ROOT

PORTRAIT = ROOT / "assets" / "portrait.jpg"
MOST = 8


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
    assert look(bench, jobs[-1], JobState.QUEUED) <= MOST
    assert bench._jobs.queue.claim(["cpu", "auto"]).job_id == jobs[0]
    assert look(bench, jobs[0], JobState.RUNNING) <= MOST
    assert look(bench, done, JobState.DONE) <= MOST


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
