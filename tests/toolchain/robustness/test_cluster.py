"""Parts in other processes: of this machine and of a Dask cluster, to the same figures as in one process."""

import pytest
import torch
from dask.distributed import LocalCluster

from spikeport.export.cluster import Cluster
from spikeport.export.errors import ExecutorError
from spikeport.toolchain.robustness import cluster
from spikeport.toolchain.robustness.cluster import Workers, executor_of
from tests.toolchain.robustness.test_assessment import assessed


def same(first, second):
    """Whether two assessments found the same of every image; seconds differ."""
    for (_, one), (_, other) in zip(first[1], second[1], strict=True):
        for a, b in zip(one, other, strict=True):
            assert torch.equal(a.case.success, b.case.success)
            assert torch.equal(a.case.tried, b.case.tried)
            assert torch.equal(a.case.worst, b.case.worst)
            assert a.row.queries == b.row.queries
            assert a.row.order == b.row.order
    return first[0].epsilons[0].deployed == second[0].epsilons[0].deployed


def test_no_cluster_is_this_process():
    with executor_of(None) as executor:
        assert executor is None


def test_a_scheduler_that_does_not_answer_is_an_error(monkeypatch):
    monkeypatch.setattr(cluster, "SECONDS", 1)
    with (
        pytest.raises(ExecutorError, match="no Dask scheduler answers"),
        executor_of(Cluster(address="tcp://127.0.0.1:9")),
    ):
        pass


@pytest.mark.slow
def test_two_processes_find_what_one_finds(tmp_path):
    with executor_of(Cluster(workers=2)) as executor:
        assert same(assessed(executor=executor, folder=tmp_path), assessed())
    assert len(list(tmp_path.rglob("part-*.npz"))) == 6 * 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::Warning")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_dask_cluster_finds_what_one_process_finds(threads):
    with (
        LocalCluster(n_workers=2, threads_per_worker=threads, dashboard_address=None) as own,
        executor_of(Cluster(address=own.scheduler_address)) as executor,
    ):
        assert isinstance(executor, Workers)
        assert same(assessed(executor=executor), assessed())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::Warning")
def test_an_error_of_a_worker_is_a_sentence():
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as own,
        pytest.raises(ExecutorError, match="a worker failed: ValueError: invalid literal"),
        executor_of(Cluster(address=own.scheduler_address)) as executor,
    ):
        executor.submit(int, "none of these").result()
