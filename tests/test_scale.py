"""The simulation of large batches against what can be worked out by hand, and the page that tells of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.scale import Cluster, Measured, Work, bounds, main, simulate, tables
from drishtiksha.settings import ROOT

WORK = Work("a clip", other_s=1.0, forward_s=3.0, clip_bytes=1e6, result_bytes=100.0)
PARTS = Measured("a machine", start_s=0.0, driver_s=1e-6, works=(WORK,))
SOLID = Cluster(nodes=4, cores=8, lost_h=1e9)


@pytest.mark.parametrize(
    ("part", "work", "parts", "cluster", "hours"),
    [
        ("cores", WORK, PARTS, SOLID, 100_000 * 4 / 32 / 3600),
        ("driver", WORK, replace(PARTS, driver_s=0.5), SOLID, 100_000 * 0.5 / 3600),
        ("store", WORK, PARTS, replace(SOLID, store_bytes=1e6), 100_000 / 3600),
        ("node network", WORK, PARTS, replace(SOLID, node_bytes=1e6), 100_000 / 4 / 3600),
        ("GPUs", WORK, PARTS, replace(SOLID, gpus=1, files=8, speedup=2.0), 100_000 * 1.5 / 4 / 3600),
        ("cores", WORK, PARTS, replace(SOLID, gpus=1, files=8, speedup=1e6), 100_000 / 32 / 3600),
    ],
)
def test_a_batch_takes_as_long_as_its_slowest_part(part, work, parts, cluster, hours):
    limits = bounds(work, parts, cluster, 100_000)
    assert max(limits, key=lambda name: limits[name]) == part
    assert limits[part] == pytest.approx(hours)
    found = simulate(work, parts, cluster, 100_000)
    assert found.bottleneck == part
    assert hours <= found.hours * 1.02
    assert found.hours == pytest.approx(hours, rel=0.12)
    assert all(share <= 1.0 + 1e-9 for share in found.busy.values())
    assert found.again == 0


def test_one_file_at_a_time_leaves_a_gpu_idle_while_it_is_decoded():
    alone = simulate(WORK, PARTS, replace(SOLID, gpus=1, files=1, speedup=3.0), 10_000)
    assert alone.hours == pytest.approx(10_000 * (1 + 1) / 4 / 3600, rel=0.12)
    assert alone.busy["GPUs"] == pytest.approx(0.5, abs=0.07)
    shared = simulate(WORK, PARTS, replace(SOLID, gpus=1, files=8, speedup=3.0), 10_000)
    assert shared.hours == pytest.approx(alone.hours / 2, rel=0.12)


def test_twice_the_nodes_take_half_as_long_until_the_driver_is_full():
    slow = replace(PARTS, driver_s=0.02)
    hours = [simulate(WORK, slow, replace(SOLID, nodes=nodes), 200_000).hours for nodes in (2, 4, 64, 128)]
    assert hours[0] / hours[1] == pytest.approx(2, rel=0.1)
    assert hours[3] == pytest.approx(hours[2], rel=0.1) == pytest.approx(200_000 * 0.02 / 3600, rel=0.1)


def test_lost_nodes_cost_what_was_at_work_on_them_and_the_wait():
    whole = simulate(WORK, PARTS, SOLID, 100_000)
    some = simulate(WORK, PARTS, replace(SOLID, lost_h=2.0), 100_000)
    assert 0 < some.again < 1000
    assert whole.hours < some.hours < whole.hours * 1.5
    assert simulate(WORK, PARTS, replace(SOLID, lost_h=2.0), 100_000) == some, "the same seed, the same batch"


def test_units_count_cores_and_gpus():
    assert Cluster(nodes=2, cores=10, gpus=0).units(3.0) == 60
    assert Cluster(nodes=2, cores=10, gpus=1, gpu_units=20.0).units(3.0) == 180


@pytest.mark.slow
def test_the_page_shows_what_was_measured(capsys):
    told = tables(Measured.read())
    assert told in (ROOT / "docs" / "SCALE.md").read_text(encoding="utf-8"), "run python -m bench.scale"
    main(["--clips", "1000", "--nodes", "2", "--gpus", "1"])
    assert capsys.readouterr().out.count("Outcome(hours=") == len(Measured.read().works)
