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


def norm(name, source, slope=0.7):
    values = {"mean": [0.1, -0.2], "variance": [0.5, 2.0], "weight": [slope, 1.3], "bias": [0.3, -0.4]}
    return operation(name, "batch_norm", source, arrays={key: np.array(value) for key, value in values.items()})


def convolution(name, source):
    weight = np.random.default_rng(len(name)).normal(size=(2, 2, 3, 3))
    return operation(name, "convolution", source, arrays={"weight": weight}, padding=(1, 1, 1, 1))


def fire(name, source):
    return operation(name, "relu", source)


def largest(name, source, **settings):
    return operation(name, "max_pooling", source, **{"kernel": (2, 2), "stride": (2, 2)} | settings)


FACTORS = {"factor": np.array([2.0, -3.0]), "shift": np.array([0.5, 0.25])}
LISTS = {
    "a shift behind batch norm": [
        *(convolution("a", INPUT), norm("b", "a"), operation("c", "scale", "b", arrays=FACTORS), fire("end", "c")),
    ],
    "a shift behind synapses": [
        *(convolution("a", INPUT), operation("b", "scale", "a", arrays=FACTORS), fire("end", "b")),
    ],
    "a shift of spikes": [fire("a", INPUT), operation("b", "scale", "a", arrays=FACTORS), convolution("end", "b")],
    "zeros around averages": [
        fire("a", INPUT),
        operation("b", "pad", "a", padding=(2, 0, 1, 0)),
        operation("end", "average_pooling", "b", kernel=(2, 3), stride=(1, 2), padding=(1, 1, 0, 0)),
    ],
    "batch norm behind maxima": [convolution("a", INPUT), largest("b", "a"), norm("c", "b"), fire("end", "c")],
    "ReLU behind maxima": [convolution("a", INPUT), largest("b", "a"), fire("end", "b")],
    "maxima of maps side by side": [
        *(fire("a", INPUT), convolution("b", "a"), fire("c", "b"), operation("d", "concatenate", "a", "c")),
        *(operation("e", "concatenate", "d", "a"), convolution("x", "c"), largest("end", "e")),
    ],
    "maxima of maxima": [fire("a", INPUT), largest("b", "a"), largest("end", "b", padding=(1, 1, 1, 1))],
    "maxima of a batch norm of spikes": [fire("a", INPUT), norm("b", "a"), largest("end", "b", padding=(1, 1, 1, 1))],
    "maxima rounded up": [fire("a", INPUT), largest("end", "a", kernel=(3, 3), padding=(0, 1, 0, 1))],
    "maxima of averages": [
        *(fire("a", INPUT), operation("b", "average_pooling", "a", kernel=(2, 2), stride=(1, 1)), largest("end", "b")),
    ],
}


@pytest.mark.parametrize("name", LISTS)
def test_pairs_that_random_lists_seldom_hold(name):
    operations = LISTS[name]
    images = torch.from_numpy(np.random.default_rng(3).random((3, 2, 6, 6)) - 0.3)
    if name == "maxima rounded up":
        expected = torch.nn.functional.max_pool2d(images.relu(), 3, 2, ceil_mode=True)
    else:
        expected = computed(operations, images)["end"]
    size = int(np.prod(expected.shape[1:]))
    readout = [operation("flat", "flatten", "end"), linear("last", "flat", size)]
    rng = np.random.default_rng(4)
    readout[1].arrays["weight"][:] = rng.normal(size=(2, size))
    ended = operations if any(each.kind == "relu" for each in operations) else [*operations, fire("x", "end")]
    network = imported(build([*ended, *readout], "last", shape=(2, 6, 6), mean=[0.0] * 2, std=[1.0] * 2))
    with torch.no_grad():
        found = network.model(images)
    weight = torch.from_numpy(readout[1].arrays["weight"])
    torch.testing.assert_close(found, expected.flatten(1) @ weight.T, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "operations",
    [
        [convolution("a", INPUT), largest("b", "a"), norm("c", "b", slope=-0.7), fire("end", "c")],
        [fire("a", INPUT), norm("b", "a", slope=-0.7), largest("end", "b")],
        [fire("a", INPUT), norm("b", "a"), operation("c", "average_pooling", "b", kernel=(2, 2)), largest("end", "c")],
    ],
    ids=["a falling batch norm", "a falling batch norm before", "averages of batch norm"],
)
def test_maxima_of_what_may_be_below_zero_are_refused(operations):
    with pytest.raises(FormatError, match=r"largest of (sums of synapses|values of a batch norm), which spikes"):
        build(operations, "end", shape=(2, 6, 6), mean=[0.0] * 2, std=[1.0] * 2)


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
