"""Every executor gives the reference's spikes and potentials: equality of integers on random networks."""

import importlib
import inspect
import typing
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export import bounds, executors, fidelity
from spikeport.export.errors import ExecutorError, FormatError
from spikeport.export.executors import executor, executor_names, reference
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import FloatNetwork
from spikeport.export.stimulus import random_stimulus, stimulus
from spikeport.export.trace import Step, record
from tests.strategies import cases, inputs, integer_networks

FILES = [path for path in sorted(Path(executors.__file__).parent.glob("*.py")) if path.stem != "__init__"]


def test_the_folder_is_the_registry():
    assert executor_names() == ["fast", "lava", "nir", "onnx", "reference"]
    assert executor_names(FloatNetwork) == ["floating", "nir", "onnx"]
    with pytest.raises(ExecutorError, match="no executor 'loihi' for integer networks; there are fast, lava, nir"):
        executor("loihi")
    with pytest.raises(ExecutorError, match="no executor 'fast' for float networks; there are floating, nir, onnx"):
        executor("fast", FloatNetwork)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_says_which_networks_it_runs(path):
    module = importlib.import_module(f"spikeport.export.executors.{path.stem}")
    found = inspect.signature(module.steps).parameters
    assert list(found)[:3] == ["network", "stimulus", "batch"]
    assert all(found[name].kind is inspect.Parameter.KEYWORD_ONLY for name in list(found)[2:])
    assert all(found[name].default is not inspect.Parameter.empty for name in list(found)[2:])
    hints = typing.get_type_hints(module.steps)
    taken = typing.get_args(hints["network"]) or (hints["network"],)
    assert set(taken) <= set(module.NETWORKS)
    assert all(issubclass(kind, taken) for kind in module.NETWORKS)
    assert hints["return"] == Iterator[Step]


@pytest.mark.parametrize("name", [name for name in executor_names() if name != "lava"])
def test_integer_executor_yields_every_step_of_every_batch(name):
    network = small_network()
    images = random_stimulus(network, 5, 0)
    assert [(s.rows, s.step) for s in executor(name)(network, images, batch=2)] == [
        (rows, step) for rows in (slice(0, 2), slice(2, 4), slice(4, 5)) for step in range(network.steps)
    ]


def delayed(network, delays):
    pairs = zip(network.projections, delays, strict=True)
    return replace(network, projections=tuple(replace(p, delay=p.delay + more) for p, more in pairs))


@given(st.data(), integer_networks(floors=True))
@cases(40)
def test_delays_beyond_the_sample_change_nothing_wherever_they_end(data, network):
    ends = st.sampled_from([0, 1, network.steps - 1, network.steps, network.steps + 1, 50_000])
    count = len(network.projections)
    network = delayed(network, data.draw(st.lists(ends, min_size=count, max_size=count)))
    short = network.with_short_delays()
    assert max(p.delay for p in short.projections) <= network.steps + count
    driven = stimulus(data.draw(inputs(network)), network)
    assert_equal("onnx", network, driven)
    whole, cut = (record(reference.steps(each, driven)) for each in (network, short))
    assert all(np.array_equal(whole[name], cut[name]) for name in whole)


@pytest.mark.lava
def test_lava_takes_delays_far_beyond_the_sample():
    network = delayed(small_network(), (0, 100_000))
    assert_equal("lava", network, random_stimulus(network, 2, 0))


@given(st.data(), integer_networks(floors=True))
@cases(100)
def test_onnx_equals_the_reference(data, network):
    assert_equal("onnx", network, stimulus(data.draw(inputs(network)), network))


@given(st.data(), integer_networks(leaky=False, resets=("zero", "value")))
@cases(100)
def test_nir_equals_the_reference(data, network):
    assert_equal("nir", network, stimulus(data.draw(inputs(network)), network))


@pytest.mark.lava
@given(st.data())
@cases(12)
def test_lava_equals_the_reference(data):
    network = data.draw(integer_networks(floors=True).filter(lambda n: n.steps > 1))
    assert_equal("lava", network, stimulus(data.draw(inputs(network)), network))


@pytest.mark.lava
@pytest.mark.slow
@given(st.data())
@cases(60)
def test_lava_equals_the_reference_on_many_networks(data):
    network = data.draw(integer_networks(floors=True))
    assert_equal("lava", network, stimulus(data.draw(inputs(network)), network))


def assert_equal(name, network, driven):
    if not bounds.is_safe(network):
        if name == "onnx":
            with pytest.raises(FormatError, match="not proven to stay in its registers"):
                fidelity.check(network, driven, [name])
        return
    found, classes = fidelity.check(network, driven, [name, "reference"])
    neurons = sum(int(np.prod(population.shape)) for population in network.neurons)
    assert found[name].compared == neurons * network.steps * len(driven)
    assert found[name].mismatches == found["reference"].mismatches == 0
    assert np.array_equal(classes[0], classes[1])
