"""ONNX files: a full check by onnx, dynamic batch and steps, and state that can be carried on."""

from dataclasses import replace

import numpy as np
import onnx as onnx_package
import onnxruntime
import pytest

from spikeport.export import bounds
from spikeport.export.errors import FormatError
from spikeport.export.executors import reference
from spikeport.export.formats import onnx
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import IntegerPopulation, Source
from spikeport.export.onnx_graph import OPSET
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record

NETWORK = small_network()
IMAGES = np.random.default_rng(0).integers(0, 256, (5, *NETWORK.source.shape)).astype(np.uint8)
TRACE = record(reference.steps(NETWORK, stimulus(IMAGES, NETWORK)))


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "network.onnx"
    onnx.write(NETWORK, path)
    onnx_package.checker.check_model(onnx_package.load(path), full_check=True)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def run(session, images, steps, state):
    """Run ``steps`` steps and return what every output holds by name."""
    held = np.repeat(images[None], steps, axis=0)
    outputs = session.run(None, {"input": held, **state})
    return dict(zip([output.name for output in session.get_outputs()], outputs, strict=True))


@pytest.mark.parametrize("count", [1, 3, 5])
def test_batch_is_dynamic(session, count):
    found = run(session, IMAGES[:count], NETWORK.steps, onnx.rest(NETWORK, count))
    assert np.array_equal(found["spikes_conv1"].swapaxes(0, 1), TRACE["conv1"][:count])
    assert np.array_equal(found["potential_readout"].swapaxes(0, 1), TRACE["readout"][:count])


def test_number_of_steps_is_dynamic_and_state_carries_on(session):
    state, spikes, potentials = onnx.rest(NETWORK, 5), [], []
    for steps in (1, 2, NETWORK.steps - 3):
        found = run(session, IMAGES, steps, state)
        state = {name: found[f"{name}:out"] for name in state}
        spikes.append(found["spikes_conv1"])
        potentials.append(found["potential_readout"])
    assert np.array_equal(np.concatenate(spikes).swapaxes(0, 1), TRACE["conv1"])
    assert np.array_equal(np.concatenate(potentials).swapaxes(0, 1), TRACE["readout"])


def test_model_is_integer_throughout():
    model = onnx.to_model(NETWORK)
    used = {tensor.data_type for tensor in model.graph.initializer}
    assert onnx_package.TensorProto.FLOAT not in used
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]


def test_what_the_model_cannot_say_is_refused_and_nothing_written(tmp_path):
    source = IntegerPopulation(name="input", shape=NETWORK.source.shape, neuron=Source(levels=1000))
    zero = tuple(replace(p, synapses=replace(p.synapses, weight=p.synapses.weight * 0)) for p in NETWORK.projections)
    wide = replace(NETWORK, populations=(source, *NETWORK.populations[1:]), projections=zero)
    unsafe = replace(NETWORK, projections=tuple(replace(p, exponent=15) for p in NETWORK.projections))
    assert not bounds.is_safe(unsafe)
    for network, message in (
        (wide, "the source has 1000 levels"),
        (unsafe, "not proven to stay in its registers"),
    ):
        with pytest.raises(FormatError, match=message):
            onnx.write(network, tmp_path / "network.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("first", "second"), [(100_000, 0), (4000, 97)])
def test_more_earlier_steps_than_a_model_keeps_are_refused(tmp_path, first, second):
    pairs = zip(NETWORK.projections, (first, second), strict=True)
    late = replace(NETWORK, projections=tuple(replace(p, delay=delay) for p, delay in pairs))
    with pytest.raises(FormatError, match=rf"would keep {first + second:,} earlier steps; at most 4,096 are kept"):
        onnx.write(late, tmp_path / "late.onnx")
    assert not (tmp_path / "late.onnx").exists()
