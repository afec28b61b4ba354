"""A Ray cluster of three nodes on this machine, and what becomes of a batch when parts of it are killed."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from deadly_detector import pictures, written_config

from drishtiksha.batch import cluster as cluster_module
from drishtiksha.batch.cluster import ITEM, TOLD, RayEngine, _Actor, _connect
from drishtiksha.batch.items import items_of
from drishtiksha.batch.judge import Here, Job, Told
from drishtiksha.batch.worker import Share
from drishtiksha.settings import ROOT, load_settings

pytestmark = pytest.mark.slow  # starts a cluster
pytest.importorskip("ray.data", reason="Ray is not installed: pip install 'ray[data]'")
FILES = 300


@pytest.fixture
def cluster(monkeypatch) -> Iterator[object]:
    """A head without CPUs, and two nodes with one each."""
    import ray
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")  # as the engine does, for clusters that it starts
    one = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    one.nodes = [one.add_node(num_cpus=1) for _ in range(2)]
    one.wait_for_nodes()
    ray.init(address=one.address, log_to_driver=False, logging_level="error")
    yield one
    ray.shutdown()
    one.shutdown()


def facts(told: list[Told]) -> list[tuple[object, ...]]:
    rows = [one.row for one in told]
    return sorted(
        (row.name, row.model, row.p_fake, row.prediction, row.sha256, row.recipe, row.error_kind) for row in rows
    )


def test_every_file_is_there_once_whatever_is_killed(cluster, tmp_path, monkeypatch):
    """A worker process, then an actor with its worker, then a whole node."""
    noted = tmp_path / "noted"
    config = written_config(tmp_path, noted=str(noted), slow_s=0.02)
    monkeypatch.setenv("DRISHTIKSHA_CONFIG", str(config))
    settings = load_settings()
    items = list(items_of(sorted(pictures(tmp_path / "media", [n % 250 for n in range(FILES)]).iterdir())))
    here: list[Told] = []
    Here().run(Job(settings, ("BRIGHT",)), items, here.append)

    there: list[Told] = []
    killed: list[str] = []

    def take(told: Told) -> None:
        there.append(told)
        if len(there) == 30:
            killed.append("worker")
            os.kill(last_worker(noted), signal.SIGKILL)
        elif len(there) == 90:
            killed.append("actor")
            os.kill(parent_of(last_worker(noted)), signal.SIGKILL)
        elif len(there) == 150:
            killed.append("node")
            cluster.remove_node(cluster.nodes[0], allow_graceful=False)
            cluster.nodes[0] = cluster.add_node(num_cpus=1)

    RayEngine(workers=2).run(Job(settings, ("DEADLY",)), items, take)
    assert killed == ["worker", "actor", "node"]
    assert [fact[:1] + fact[2:5] for fact in facts(there)] == [fact[:1] + fact[2:5] for fact in facts(here)]
    assert len(there) == FILES


@pytest.mark.parametrize(
    ("asked", "there", "device", "wanted"),
    [
        ({}, {"CPU": 6.0}, "auto", (3, 0.0)),
        ({}, {}, "auto", (1, 0.0)),
        ({}, {"CPU": 64.0, "GPU": 4.0}, "auto", (4, 1.0)),
        ({}, {"CPU": 64.0, "GPU": 4.0}, "cpu", (32, 0.0)),
        ({"workers": 3}, {"CPU": 64.0, "GPU": 4.0}, "cuda", (3, 1.0)),
        ({"workers": 8}, {"CPU": 64.0, "GPU": 1.0}, "auto", (8, 0.125)),
        ({"workers": 5}, {"CPU": 64.0, "GPU": 2.0}, "auto", (5, 1 / 3)),
        ({"gpus": 0.5}, {"CPU": 64.0, "GPU": 2.0}, "auto", (4, 0.5)),
    ],
)
def test_workers_share_what_the_cluster_has(asked, there, device, wanted):
    assert RayEngine(**asked)._shares(there, device, threads=2) == wanted


def test_an_actor_answers_for_each_item_of_its_batch(tmp_path, monkeypatch):
    """Also for one that is named twice, and for one with the same bytes as another."""
    monkeypatch.setenv("DRISHTIKSHA_CONFIG", str(written_config(tmp_path)))
    monkeypatch.setattr(cluster_module, "_ray", lambda: SimpleNamespace(get=lambda job: job))
    media = pictures(tmp_path / "media", [20, 200])
    (media / "002.png").write_bytes((media / "000.png").read_bytes())
    items = list(items_of(sorted(media.iterdir())))
    actor = _Actor(Job(load_settings(), ("BRIGHT", "DARK")), 1, Share(3))
    try:
        given = enumerate([*items, items[1]], 5)
        answers = dict(pickle.loads(one) for one in actor({ITEM: [pickle.dumps(one) for one in given]})[TOLD])
    finally:
        actor._crew.__exit__()
    assert {number: sorted(told.model for told in pieces) for number, pieces in answers.items()} == {
        number: ["BRIGHT", "DARK"] for number in (5, 6, 7, 8)
    }
    assert {number for number, pieces in answers.items() if all(told.row for told in pieces)} == {5, 6}
    assert [told.item.name for told in answers[8]] == [items[1].name] * 2


def test_ray_reports_to_nobody_unless_told_to(monkeypatch):
    from ray._common.usage.usage_lib import usage_stats_enabled

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED")
    import ray

    assert usage_stats_enabled()
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    _connect(ray, None)
    assert not usage_stats_enabled()


def last_worker(noted: Path) -> int:
    return int(noted.read_text().splitlines()[-1].split()[0])


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
