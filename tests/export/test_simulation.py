"""Long runs: parts that are kept and resumed, counted operations, and a Dask cluster whose workers may die."""

import os
import signal
import sys
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from dask.distributed import Client, LocalCluster

from spikeport.export import simulation
from spikeport.export.errors import ExecutorError
from spikeport.export.estimates import Estimate
from spikeport.export.executors import fast, reference
from spikeport.export.lava.doctor import small_network
from spikeport.export.simulation import Cluster, estimate, simulate
from spikeport.export.stimulus import random_stimulus
from spikeport.export.trace import scores
from spikeport.hardware_profiles.counting import count, count_batches, gather

NETWORK = small_network()
DRIVEN = random_stimulus(NETWORK, 25, 0)
EXPECTED = scores(reference.steps(NETWORK, DRIVEN), NETWORK, 25)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(simulation, "PART", 4)


def test_parts_give_the_scores_of_one_run():
    found = simulate(NETWORK, DRIVEN, executor="fast")
    assert np.array_equal(found.scores, EXPECTED)
    assert found.operations is None


def test_counted_operations_are_those_of_the_reference():
    found = simulate(NETWORK, DRIVEN, executor="fast", count=True)
    expected = [
        layer.formula for layer in count_batches(NETWORK, gather(NETWORK, reference.steps(NETWORK, DRIVEN))).layers
    ]
    assert found.operations.tolist() == expected
    with pytest.raises(ExecutorError, match="executor 'onnx' does not count; the fast one does"):
        simulate(NETWORK, DRIVEN, executor="onnx", count=True)


def interrupted_after(parts, monkeypatch):
    """Let the run end by Ctrl-C once so many parts are done; return which parts were run."""
    run, seen = simulation._part, []

    def part(network, driven, executor, **options):
        if len(seen) == parts:
            raise KeyboardInterrupt
        seen.append(len(driven))
        return run(network, driven, executor, **options)

    monkeypatch.setattr(simulation, "_part", part)
    return seen


def test_interrupted_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    kept = tmp_path / "scores.npz.parts"
    with monkeypatch.context() as patch:
        interrupted_after(3, patch)
        with pytest.raises(KeyboardInterrupt):
            simulate(NETWORK, DRIVEN, executor="fast", count=True, kept=kept)
    assert sorted(path.name[20:] for path in kept.iterdir()) == ["-000000000.npz", "-000000004.npz", "-000000008.npz"]
    seen = interrupted_after(99, monkeypatch)
    found = simulate(NETWORK, DRIVEN, executor="fast", count=True, kept=kept, resume=True)
    assert seen == [4, 4, 4, 1]
    assert np.array_equal(found.scores, EXPECTED)
    expected = [
        layer.formula for layer in count_batches(NETWORK, gather(NETWORK, reference.steps(NETWORK, DRIVEN))).layers
    ]
    assert found.operations.tolist() == expected
    assert len(list(kept.iterdir())) == 7
    found.discard()
    assert not kept.exists()


def test_sampled_images_are_verified_in_parts_and_kept(tmp_path, monkeypatch):
    """Images 0, 8, 16 and 24 of 25 in parts of 4; an interrupted run goes on with the counts of its finished parts."""
    whole = count(NETWORK, DRIVEN, verify=4).verification
    found = simulate(NETWORK, DRIVEN, executor="fast", count=True, verify=4)
    assert found.verification == whole
    assert found.verification.images == (0, 8, 16, 24)
    assert found.verification.passed
    with monkeypatch.context() as patch:
        interrupted_after(3, patch)
        with pytest.raises(KeyboardInterrupt):
            simulate(NETWORK, DRIVEN, executor="fast", count=True, verify=4, kept=tmp_path)
    again = partial(simulate, NETWORK, DRIVEN, executor="fast", count=True, kept=tmp_path, resume=True)
    assert again(verify=4).verification == whole
    assert again(verify=5).verification == count(NETWORK, DRIVEN, verify=5).verification  # 18 in the part of 16
    assert again(verify=0).verification is None
    assert simulate(NETWORK, DRIVEN, executor="fast", verify=4).verification is None


def test_parts_of_another_run_and_other_files_are_left_alone(tmp_path, monkeypatch):
    kept = tmp_path / "parts"
    with monkeypatch.context() as patch:
        interrupted_after(2, patch)
        with pytest.raises(KeyboardInterrupt):
            simulate(NETWORK, DRIVEN, executor="fast", kept=kept)
    (kept / "notes.txt").write_text("mine")
    other = random_stimulus(NETWORK, 25, 1)
    seen = interrupted_after(99, monkeypatch)
    found = simulate(NETWORK, other, executor="fast", kept=kept, resume=True)
    assert len(seen) == 7
    assert np.array_equal(found.scores, scores(reference.steps(NETWORK, other), NETWORK, 25))
    found.discard()
    assert len(list(kept.glob("*.npz"))) == 2
    assert (kept / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("damage", [b"", b"text", "cut", "other"])
def test_damaged_part_runs_again(tmp_path, monkeypatch, damage):
    found = simulate(NETWORK, DRIVEN, executor="fast", kept=tmp_path)
    path = found.parts[2]
    if damage == "other":
        with path.open("wb") as file:
            np.savez(file, scores=np.zeros((1, 1)), operations=np.zeros(1))
    else:
        path.write_bytes(path.read_bytes()[:100] if damage == "cut" else damage)
    seen = interrupted_after(99, monkeypatch)
    again = simulate(NETWORK, DRIVEN, executor="fast", kept=tmp_path, resume=True)
    assert seen == [4]
    assert np.array_equal(again.scores, EXPECTED)


@pytest.fixture
def _slow(monkeypatch):
    """Let every run count as long, and every block as short."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    monkeypatch.setattr(fast, "BLOCK", 5)
    monkeypatch.setattr(
        simulation, "rough", lambda _, driven, **__: Estimate(operations=0, seconds=len(driven), memory=0)
    )
    monkeypatch.setattr(simulation, "QUICK", 10)


@pytest.mark.usefixtures("_slow")
def test_estimate_is_the_work_of_the_first_images_times_all():
    found = estimate(NETWORK, DRIVEN)
    first = count_batches(NETWORK, gather(NETWORK, reference.steps(NETWORK, DRIVEN.first(5))))
    assert found.operations == 5 * sum(layer.formula for layer in first.layers)
    assert found.seconds > 0
    assert found.measured
    assert "25 images on this machine: about" in found.sentence(25)


@pytest.mark.usefixtures("_slow")
def test_nothing_runs_where_a_block_would_take_long_or_the_run_is_short(monkeypatch):
    monkeypatch.setattr(simulation, "_part", None)
    for quick in (4.9, 25.1):
        monkeypatch.setattr(simulation, "QUICK", quick)
        assert not estimate(NETWORK, DRIVEN).measured
    assert not estimate(NETWORK, DRIVEN.first(5)).measured


def dying_once(mark, *arguments, **options):
    """Kill the worker's process the first time; run the part afterwards."""
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return simulation._part(*arguments, **options)


@pytest.mark.filterwarnings("ignore::Warning")
def test_local_cluster_gives_the_same_and_survives_the_death_of_a_worker(tmp_path):
    """A part kills its worker: Dask gives it to another, and nothing is lost."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        client.run(sys.path.insert, 0, str(Path.cwd()))
        before = set(client.run(os.getpid).values())
        found = simulate(NETWORK, DRIVEN, executor="fast", cluster=Cluster(address=cluster.scheduler_address))
        assert np.array_equal(found.scores, EXPECTED)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(simulation, "PART_OF_A_WORKER", partial(dying_once, tmp_path / "died"))
            found = simulate(NETWORK, DRIVEN, executor="fast", cluster=Cluster(address=cluster.scheduler_address))
        assert np.array_equal(found.scores, EXPECTED)
        assert (tmp_path / "died").exists()
        client.wait_for_workers(2)
        assert set(client.run(os.getpid).values()) != before


@pytest.mark.filterwarnings("ignore::Warning")
def test_own_local_cluster():
    found = simulate(NETWORK, DRIVEN, executor="fast", count=True, verify=4, cluster=Cluster(workers=2))
    assert np.array_equal(found.scores, EXPECTED)
    assert found.operations.sum() > 0
    assert found.verification == count(NETWORK, DRIVEN, verify=4).verification


def test_scheduler_that_does_not_answer_is_an_error(monkeypatch):
    monkeypatch.setattr(simulation, "SECONDS", 1)
    with pytest.raises(ExecutorError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        simulate(NETWORK, DRIVEN, executor="fast", cluster=Cluster(address="tcp://127.0.0.1:9"))


@pytest.mark.filterwarnings("ignore::Warning")
def test_cluster_without_workers_is_an_error(monkeypatch):
    monkeypatch.setattr(simulation, "SECONDS", 1)
    with (
        LocalCluster(n_workers=0, dashboard_address=None) as cluster,
        pytest.raises(ExecutorError, match="has no workers; start some"),
    ):
        simulate(NETWORK, DRIVEN, executor="fast", cluster=Cluster(address=cluster.scheduler_address))


@pytest.mark.filterwarnings("ignore::Warning")
def test_error_of_a_worker_is_a_sentence(monkeypatch):
    monkeypatch.setattr(simulation, "PART_OF_A_WORKER", lambda *_, **__: import_module("export"))
    monkeypatch.setattr(simulation, "RETRIES", 0)
    with pytest.raises(ExecutorError, match="a worker failed: ModuleNotFoundError: No module named 'export'"):
        simulate(NETWORK, DRIVEN, executor="fast", cluster=Cluster(workers=1))
