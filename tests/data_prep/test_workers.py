"""Work distributed over processes and over a Dask cluster: in order, bounded, and safe to kill."""

import math
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from data_prep.errors import InputError
from data_prep.files.atomic import replacing
from data_prep.graphs import build_graphs
from data_prep.shards import VoxelStore, build_shards
from data_prep.workers import AHEAD, WORTH_SHARING, in_order, on_all_cores
from tests.support.made_up_crystals import made_up_crystals

CRYSTALS = made_up_crystals(10)


class Counted(list):
    """A list that knows how many of its items have been asked for."""

    asked = 0

    def __iter__(self):
        for item in super().__iter__():
            self.asked += 1
            yield item


def test_results_come_in_order_and_few_tasks_wait():
    numbers = Counted(range(100))
    results = in_order(math.sqrt, numbers, workers=2)
    assert next(results) == 0.0
    assert numbers.asked == 2 * AHEAD + 1
    assert [0.0, *results] == [math.sqrt(n) for n in range(100)]


def test_few_tasks_stay_in_this_process():
    assert set(in_order(_process, range(3), worth=4)) == {os.getpid()}
    assert set(on_all_cores(_process, range(WORTH_SHARING - 8), "pids")) == {os.getpid()}


@pytest.mark.slow
def test_a_killed_worker_leaves_no_half_of_a_shard(tmp_path):
    build_shards(tmp_path, CRYSTALS, 16, "ionic", 4, processes=1)
    whole = (tmp_path / "shard-0001.npz").read_bytes()
    with pytest.raises(InputError, match="A worker was killed"):
        list(in_order(_killed_while_writing, [tmp_path / "shard-0001.npz", tmp_path / "shard-0009.npz"], workers=2))
    assert (tmp_path / "shard-0001.npz").read_bytes() == whole
    assert not (tmp_path / "shard-0009.npz").exists()
    assert list(tmp_path.glob(".writing-*"))
    build_shards(tmp_path, CRYSTALS, 16, "ionic", 4, processes=1)
    assert not list(tmp_path.glob(".writing-*"))
    assert len(VoxelStore(tmp_path)) == 10


def test_a_scheduler_that_is_not_there_is_named(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("data_prep.workers.SECONDS_TO_CONNECT", 1)
    with pytest.raises(InputError, match="No Dask scheduler answers at tcp://127.0.0.1:1"):
        list(in_order(math.sqrt, [1.0], scheduler="tcp://127.0.0.1:1"))
    with pytest.raises(InputError, match="No Dask scheduler answers at nowhere"):
        list(in_order(math.sqrt, [1.0], scheduler="nowhere"))


@pytest.fixture(scope="module")
def cluster():
    """Two Dask workers in processes of their own."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None) as local:
        yield local


@pytest.mark.nightly
def test_a_cluster_writes_the_same_bytes_as_any_number_of_processes(cluster, tmp_path):
    ways = {"one": {"processes": 1}, "two": {"processes": 2}, "dask": {"scheduler": cluster.scheduler_address}}
    made = [build_shards(tmp_path / name, CRYSTALS, 16, "ionic", 2, **way) for name, way in ways.items()]
    assert made[0] == made[1] == made[2] and len(made[0]["shards"]) == 5


@pytest.mark.nightly
def test_a_cluster_draws_the_same_graphs(cluster):
    crystals = made_up_crystals(70)
    here, there = (
        build_graphs(crystals, **way) for way in ({"processes": 1}, {"scheduler": cluster.scheduler_address})
    )
    assert [graph.id for graph in there] == [crystal.id for crystal in crystals]
    for one, other in zip(here, there, strict=True):
        for name in ("numbers", "neighbours", "distances", "mask"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.nightly
def test_the_shards_survive_a_worker_of_the_cluster(cluster, tmp_path):
    """A worker kills itself in the middle of its first shard; others make it, and nothing is half written."""
    paths = [tmp_path / f"shard-{index:04d}.npz" for index in range(6)]
    assert list(in_order(_killed_once, paths, scheduler=cluster.scheduler_address)) == [path.name for path in paths]
    assert all(path.read_bytes() == path.name.encode() for path in paths)
    assert (tmp_path / "killed").exists()


@pytest.mark.nightly
def test_a_task_that_kills_every_worker_is_given_up(cluster, tmp_path):
    with pytest.raises(InputError, match="A worker was killed"):
        list(in_order(_killed_while_writing, [tmp_path / "shard-0000.npz"], scheduler=cluster.scheduler_address))


def _process(_) -> int:
    return os.getpid()


def _killed_while_writing(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(b"half of it")
        time.sleep(0.5)  # both workers are at work by then
        os.kill(os.getpid(), signal.SIGKILL)


def _killed_once(path: Path) -> str:
    with replacing(path) as temporary:
        temporary.write_bytes(path.name.encode())
        if path.name == "shard-0002.npz" and not (path.parent / "killed").exists():
            (path.parent / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return path.name
