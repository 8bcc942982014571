"""Any list of operations becomes an ANN that computes what PyTorch's functions compute, and the same as an SNN."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given

from spikeport.export.errors import FormatError
from spikeport.export.executors import floating
from spikeport.export.passes import folded
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from spikeport.toolchain.importing.builder import build
from spikeport.toolchain.importing.imported import imported
from spikeport.toolchain.importing.operations import INPUT, Operation, Settings
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.spiking import Spiking
from tests.strategies import cases
from tests.toolchain.importing.operation_lists import computed, operation_lists


def built(drawn):
    """Return the network of a drawn list; only max pooling of sums and of the image is refused."""
    operations, output, shape = drawn
    statistics = {"mean": [0.3] * shape[0], "std": [0.6] * shape[0]}
    try:
        return imported(build(operations, output, shape=shape, **statistics))
    except FormatError as error:
        if "takes the largest of" not in str(error):
            raise
    return None


@cases(200)
@given(operation_lists())
def test_the_ann_computes_what_pytorch_does(drawn):
    network = built(drawn)
    assume(network is not None)
    operations, output, shape = drawn
    images = torch.from_numpy(np.random.default_rng(0).random((2, *shape)))
    with torch.no_grad():
        expected = computed(operations, (images - 0.3) / 0.6)[output]
        given_ = network.model(images)
    scale = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(given_ / scale, expected / scale, rtol=1e-10, atol=1e-12)


@cases(50)
@given(operation_lists())
def test_the_spikes_of_the_lowered_network_are_pytorchs(drawn):
    network = built(drawn)
    assume(network is not None)
    snn = SNN(network.specification, Spiking(steps=3)).double().eval()
    snn.load_state_dict(network.model.state_dict(), strict=False)
    for index, neurons in enumerate(snn.neuron_list()):
        neurons.threshold.data.fill_(0.3717 + 0.1137 * index)
    pixels = np.random.default_rng(1).integers(0, 256, (2, *network.specification.input_shape), dtype=np.uint8)
    with torch.no_grad():
        expected = snn.spikes(torch.from_numpy(pixels / 255.0))
    for lowered in (lower(snn), folded(lower(snn))):
        found = record(floating.steps(lowered, stimulus(pixels, lowered)))
        for name, spikes in expected.items():
            assert np.array_equal(spikes.numpy().swapaxes(0, 1).reshape(found[name].shape) == 1, found[name])


def operation(name, kind, *inputs, arrays=None, **settings):
    return Operation(
        name=name, kind=kind, inputs=inputs, place=f"{name} (x)", arrays=arrays or {}, settings=Settings(**settings)
    )


def linear(name, source, size, classes=2):
    return operation(name, "linear", source, arrays={"weight": np.ones((classes, size))})


def test_axes_in_another_order_become_an_order_of_weights():
    rng = np.random.default_rng(0)
    weight, image = rng.normal(size=(3, 24)), rng.random((1, 2, 3, 4))
    operations = [
        operation("fire", "relu", INPUT),
        operation("last", "permute", "fire", order=(1, 2, 0)),
        operation("flat", "flatten", "last"),
        operation("end", "linear", "flat", arrays={"weight": weight}),
    ]
    network = imported(build(operations, "end", shape=(2, 3, 4), mean=[0.0] * 2, std=[1.0] * 2))
    expected = image[0].transpose(1, 2, 0).ravel() @ weight.T
    with torch.no_grad():
        np.testing.assert_allclose(network.model(torch.from_numpy(image)).numpy()[0], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        ([operation("a", "relu", "nothing"), linear("end", "a", 4)], "reads 'nothing', which nothing before it gives"),
        ([operation("a", "relu", INPUT), linear("end", "a", 4)], r"end \(x\): reads 4 values of 1x2x2; .*a flatten"),
        (
            [
                operation("a", "permute", INPUT, order=(0, 2, 1)),
                operation("end", "average_pooling", "a", kernel=(2, 2)),
            ],
            "gets axes in another order",
        ),
        ([operation("end", "pad", INPUT, padding=(-1, 0, 0, 0))], "cuts values off the map"),
        ([operation("end", "average_pooling", INPUT, kernel=(3, 3))], "nothing is left of maps of 2x2"),
    ],
    ids=["unknown", "not flat", "order", "crop", "too small"],
)
def test_lists_that_do_not_fit_are_refused(operations, message):
    with pytest.raises(FormatError, match=message):
        build(operations, "end", shape=(1, 2, 2), mean=[0.0], std=[1.0])
