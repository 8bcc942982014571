"""Damaged files of every format: a sentence that names the file, or a result; within 10 s and 1 GB each."""

import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest

from spikeport.export import archive
from spikeport.export.formats import netx
from tests.export.formats.test_netx import chain
from tests.toolchain import campaign

pytestmark = pytest.mark.apart

NORMAL, ALL = 68, 3400


def nir_file(path):
    """Write a graph of most node types, with a loop, a nested graph and several edges into one node."""
    pair = {"stride": np.array([1, 1]), "padding": np.array([0, 0])}
    spiking = {"r": 1.0, "v_threshold": np.ones((2, 3, 3)), "v_reset": 0.0}
    nodes = {
        "input": {"type": "Input", "shape": np.array([1, 6, 6])},
        "conv": {
            "type": "Conv2d",
            "weight": np.ones((2, 1, 3, 3)),
            "bias": np.ones(2),
            "dilation": 1,
            "groups": 1,
            **pair,
        },
        "scale": {"type": "Scale", "scale": np.array(0.5)},
        "wait": {"type": "Delay", "delay": 1.0},
        "pool": {"type": "SumPool2d", "kernel_size": np.array([2, 2]), **pair},
        "spiking": {"type": "IF", **spiking},
        "flat": {"type": "Flatten", "start_dim": 1, "end_dim": -1},
        "dense": {"type": "Affine", "weight": np.ones((3, 18)), "bias": np.zeros(3)},
        "leaky": {"type": "LIF", "tau": np.full(3, 4.0), "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0},
        "loop": {"type": "Linear", "weight": np.eye(3)},
        "output": {"type": "Output", "shape": np.array([3])},
    }
    edges = [
        *(("input", "wait"), ("wait", "conv"), ("conv", "scale"), ("scale", "pool"), ("pool", "spiking")),
        *(("spiking", "flat"), ("flat", "dense"), ("dense", "leaky"), ("leaky", "loop"), ("loop", "leaky")),
        ("leaky", "output"),
    ]
    with h5py.File(path, "w") as file:
        for name, values in nodes.items():
            for key, value in values.items():
                file[f"node/nodes/{name}/{key}"] = value
        file["node/type"], file["version"] = "NIRGraph", "1.0.8"
        file["node/edges"] = np.array(edges, dtype=h5py.string_dtype())
    return path


@pytest.fixture(scope="module")
def files(tiny_run, tmp_path_factory):
    """Return where the valid files lie."""
    folder = tmp_path_factory.mktemp("valid")
    netx.write(chain(), folder / "chain.net")
    return tiny_run, folder / "chain.net", nir_file(folder / "graph.nir")


def test_undamaged_files_are_read(files, tmp_path):
    for name, kind in campaign.kinds(*files).items():
        path = tmp_path / f"whole{kind.ending}"
        path.write_bytes(kind.data)
        assert kind.read(path, tmp_path / "out.safetensors") is not None, name
    assert archive.read(tmp_path / "out.safetensors")


def report(results):
    """Return the outcomes per kind, and assert that nothing bad is among them."""
    bad = [result for result in results if result.bad]
    assert not bad, "\n\n".join(str(result)[:3000] for result in bad[:5])
    return Counter((result.kind, result.outcome) for result in results)


def _part(files, folder, seeds):
    every, folder = campaign.kinds(*files), Path(folder)
    folder.mkdir()
    return [campaign.attempt(every, seed, folder) for seed in seeds]


def test_damaged_files_are_refused_or_read(files, tmp_path):
    """In a process of its own, whose children have not taken memory for something else before."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        outcomes = report(pool.submit(_part, files, str(tmp_path / "damaged"), range(NORMAL)).result())
    assert all(outcomes[name, "refused"] for name in campaign.kinds(*files)), outcomes


@pytest.mark.slow
def test_thousands_of_damaged_files_are_refused_or_read(files, tmp_path, record_property):
    processes = 2
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = [
            pool.submit(_part, files, str(tmp_path / str(each)), range(NORMAL + each, NORMAL + ALL, processes))
            for each in range(processes)
        ]
        results = [result for job in jobs for result in job.result()]
    outcomes = report(results)
    slowest, largest = max(result.seconds for result in results), max(result.bytes for result in results)
    line = f"{len(results)} files: {dict(outcomes)}; longest {slowest:.1f} s, largest {largest / 1e6:.0f} MB"
    record_property("campaign", line)
    (tmp_path / "campaign.txt").write_text(line)
