"""Networks that do not fit together are refused, with the name of what is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from spikeport.export.errors import NetworkError
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import Convolution, Dense, IntegerNeuron, IntegerPopulation, IntegerProjection, Source

NETWORK = small_network()


def test_populations_come_in_order_with_their_roles():
    assert [p.name for p in NETWORK.ordered()] == ["input", "conv1", "readout"]
    assert [p.name for p in NETWORK.spiking] == ["conv1"]
    assert NETWORK.readout.name == "readout"
    assert NETWORK.depths() == {"input": 0, "conv1": 1, "readout": 2}


def test_arrays_are_read_only_copies():
    weight = np.ones((1, 1), np.int8)
    dense = Dense(weight=weight)
    weight[0, 0] = 5
    assert dense.weight[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        dense.weight[0, 0] = 2


def projection(source="conv1", target="readout", **changes):
    weight = np.zeros((3, 36), np.int8)
    return IntegerProjection(**{"source": source, "target": target, "synapses": Dense(weight=weight), **changes})


def neuron(**changes):
    return IntegerNeuron(**{"threshold": np.array(1), "bias_mantissa": np.array(0), **changes})


def population(**changes):
    return IntegerPopulation(**{"name": "extra", "shape": (3,), "neuron": neuron(), **changes})


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: replace(NETWORK, steps=0), "number of steps is 0; expected one whole number from 1 to 100,000"),
        (lambda: replace(NETWORK, populations=(*NETWORK.populations, NETWORK.populations[0])), "share a name"),
        (lambda: replace(NETWORK, populations=(*NETWORK.populations, population())), "extra has no incoming"),
        (lambda: with_projection(projection(target="nobody")), "no population 'nobody'"),
        (lambda: with_projection(projection(target="input")), "readout|input"),
        (
            lambda: with_projection(projection(delay=-1)),
            "delay of projection conv1 -> readout is -1; expected one whole number from 0",
        ),
        (lambda: with_projection(projection(source="input")), "input -> readout: dense synapses from 36 sources"),
        (lambda: with_projection(projection(synapses=Dense(weight=np.zeros((2, 36), np.int8)))), "gives shape"),
        (lambda: projection(synapses=Dense(weight=np.zeros((3, 36)))), "integer weights are int8, found float64"),
        (lambda: projection(exponent=16), "exponent lies in 0..15, found 16"),
        (lambda: neuron(decay_u=4097), "decay_u lies in 0..4096, found 4097 to 4097"),
        (lambda: neuron(bias_mantissa=5000), "bias_mantissa lies in -4096..4095, found 5000"),
        (lambda: neuron(bias_exponent=-1), "bias_exponent lies in 0..7, found -1"),
        (lambda: neuron(threshold=2**32 + 5), "threshold lies in"),
        (lambda: neuron(threshold=7.9), "threshold must be whole numbers, found float64 7.9"),
        (lambda: neuron(reset_by=2**26), "reset_by lies in"),
        (lambda: neuron(threshold=np.nan), "threshold must be whole numbers"),
        (lambda: with_projection(NETWORK.projections[0]), "a projection stands twice"),
        (lambda: replace(NETWORK, populations=(*NETWORK.populations, population(name="../a"))), "'../a': a name holds"),
        (lambda: Source(levels=0), "levels of the source is 0; expected one whole number from 1 to 16,777,215"),
        (lambda: Convolution(weight=np.zeros((1, 1, 1))), "4 dimensions, found 3"),
        (
            lambda: Convolution(weight=np.zeros((1, 1, 1, 1)), stride=(0, 1)),
            "stride is 0; expected one whole number from 1",
        ),
        (lambda: Convolution(weight=np.zeros((3, 1, 1, 1)), groups=2), "3 output channels cannot form 2 groups"),
        (lambda: Convolution(weight=np.zeros((1, 1, 5, 5))).output_shape((1, 3, 3)), "does not fit into a source"),
        (lambda: Convolution(weight=np.zeros((1, 2, 1, 1))).output_shape((1, 3, 3)), "over 2 channels cannot read"),
    ],
)
def test_what_does_not_fit_is_named(build, message):
    with pytest.raises(NetworkError, match=message):
        build()


def with_projection(extra):
    return replace(NETWORK, projections=(*NETWORK.projections, extra))


def loop(delay):
    """Return the small network with a readout that fires and is heard by the layer before it."""
    readout = replace(NETWORK.populations[2], neuron=neuron())
    back = projection(source="readout", target="conv1", synapses=Dense(weight=np.zeros((36, 3), np.int8)), delay=delay)
    populations = (*NETWORK.populations[:2], readout)
    return replace(NETWORK, populations=populations, projections=(*NETWORK.projections, back))


def test_loop_without_delay_is_refused_and_with_delay_allowed():
    with pytest.raises(NetworkError, match="conv1, readout form a loop without delay"):
        loop(0)
    assert [p.name for p in loop(1).neurons] == ["conv1", "readout"]


def test_depth_is_the_longest_path_and_shorter_ones_have_slack():
    skip = projection(source="input", synapses=Dense(weight=np.zeros((3, 30), np.int8)))
    for delay in (0, 2):
        network = with_projection(replace(skip, delay=delay))
        depths = network.depths()
        assert depths == {"input": 0, "conv1": 1, "readout": 2}
        assert [network.slack(p, depths) for p in network.projections] == [0, 0, 1 + delay]


def test_loop_faster_than_its_projections_is_refused():
    with pytest.raises(NetworkError, match="conv1, readout form a loop with a shorter delay"):
        loop(1).depths()
    assert loop(2).depths() == {"input": 0, "conv1": 1, "readout": 2}


def test_labels_are_unique():
    populations = (*NETWORK.populations, population(name="conv1_2"), population(name="end"))
    ends = (("conv1", "end"), ("conv1", "end"), ("conv1", "conv1_2"), ("conv1_2", "end"))
    dense = [Dense(weight=np.zeros((3, 3 if source == "conv1_2" else 36), np.int8)) for source, _ in ends]
    added = [projection(source=s, target=t, synapses=w) for (s, t), w in zip(ends, dense, strict=True)]
    network = replace(NETWORK, populations=populations, projections=(*NETWORK.projections, *added))
    labels = [network.label(p) for p in network.projections]
    assert len(set(labels)) == len(labels)


def test_what_never_fires_cannot_be_heard():
    after = population(name="after")
    heard = projection(source="readout", target="after", synapses=Dense(weight=np.zeros((3, 3), np.int8)))
    with pytest.raises(NetworkError, match="readout never fires, so no other population can hear it"):
        replace(NETWORK, populations=(*NETWORK.populations, after), projections=(*NETWORK.projections, heard))


def test_neuron_parameter_of_the_wrong_shape_is_named():
    for shape in ((4,), (3, 1), (2, 3)):
        wrong = replace(NETWORK.populations[2], neuron=neuron(threshold=None, bias_mantissa=np.zeros(shape)))
        with pytest.raises(NetworkError, match=r"readout: bias_mantissa of shape \(.*\) does not fit \(3,\)"):
            replace(NETWORK, populations=(*NETWORK.populations[:2], wrong))
