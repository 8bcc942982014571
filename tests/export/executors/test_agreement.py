"""Every executor gives the reference's spikes and potentials: equality of integers on random networks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeport.export import bounds, fidelity
from spikeport.export.errors import ExecutorError, FormatError
from spikeport.export.executors import executor, executor_names
from spikeport.export.stimulus import stimulus
from tests.strategies import inputs, integer_networks


def test_the_folder_is_the_registry():
    assert executor_names() == ["fast", "lava", "nir", "onnx", "reference"]
    with pytest.raises(ExecutorError, match="no executor 'loihi' for integer networks; there are fast, lava, nir"):
        executor("loihi")


@given(st.data(), integer_networks())
@settings(max_examples=150)
def test_onnx_equals_the_reference(data, network):
    assert_equal("onnx", network, stimulus(data.draw(inputs(network)), network))


@given(st.data(), integer_networks(leaky=False, resets=("zero", "value")))
@settings(max_examples=150)
def test_nir_equals_the_reference(data, network):
    assert_equal("nir", network, stimulus(data.draw(inputs(network)), network))


@pytest.mark.lava
@given(st.data())
@settings(max_examples=6)
def test_lava_equals_the_reference(data):
    network = data.draw(integer_networks().filter(lambda n: n.steps > 1))
    assert_equal("lava", network, stimulus(data.draw(inputs(network)), network))


@pytest.mark.lava
@pytest.mark.slow
@given(st.data())
@settings(max_examples=60)
def test_lava_equals_the_reference_on_many_networks(data):
    network = data.draw(integer_networks())
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
