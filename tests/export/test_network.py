"""Networks that do not fit together are refused, with the name of what is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from export.errors import NetworkError
from export.lava.doctor import small_network
from export.network import Convolution, Dense, IntegerNeuron, IntegerPopulation, IntegerProjection, Source

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
        (lambda: replace(NETWORK, steps=0), "at least one step, found 0"),
        (lambda: replace(NETWORK, populations=(*NETWORK.populations, NETWORK.populations[0])), "share a name"),
        (lambda: replace(NETWORK, populations=(*NETWORK.populations, population())), "extra has no incoming"),
        (lambda: with_projection(projection(target="nobody")), "no population 'nobody'"),
        (lambda: with_projection(projection(target="input")), "readout|input"),
        (lambda: with_projection(projection(delay=-1)), "conv1 -> readout: the delay is -1"),
        (lambda: with_projection(projection(source="input")), "input -> readout: dense synapses from 36 sources"),
        (lambda: with_projection(projection(synapses=Dense(weight=np.zeros((2, 36), np.int8)))), "gives shape"),
        (lambda: projection(synapses=Dense(weight=np.zeros((3, 36)))), "integer weights are int8, found float64"),
        (lambda: projection(exponent=16), "exponent lies in 0..15, found 16"),
        (lambda: neuron(decay_u=4097), "decay_u lies in 0..4096, found 4097 to 4097"),
        (lambda: Source(levels=0), "1 to 2\\*\\*24 - 1 levels, found 0"),
        (lambda: Convolution(weight=np.zeros((1, 1, 1))), "4 dimensions, found 3"),
        (lambda: Convolution(weight=np.zeros((1, 1, 1, 1)), stride=(0, 1)), "stride \\(0, 1\\)"),
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


def test_loop_without_delay_is_refused_and_with_delay_allowed():
    loop = projection(source="readout", target="conv1", synapses=Dense(weight=np.zeros((36, 3), np.int8)))
    with pytest.raises(NetworkError, match="conv1, readout form a loop without delay"):
        with_projection(loop)
    assert [p.name for p in with_projection(replace(loop, delay=1)).neurons] == ["conv1", "readout"]


def test_depth_is_the_longest_path_and_shorter_ones_have_slack():
    skip = projection(source="input", synapses=Dense(weight=np.zeros((3, 30), np.int8)))
    for delay in (0, 2):
        network = with_projection(replace(skip, delay=delay))
        depths = network.depths()
        assert depths == {"input": 0, "conv1": 1, "readout": 2}
        assert [network.slack(p, depths) for p in network.projections] == [0, 0, 1 + delay]


def test_loop_faster_than_its_projections_is_refused():
    loop = projection(source="readout", target="conv1", synapses=Dense(weight=np.zeros((36, 3), np.int8)), delay=1)
    with pytest.raises(NetworkError, match="lies on, or behind, a loop with a shorter delay"):
        with_projection(loop).depths()
    assert with_projection(replace(loop, delay=2)).depths() == {"input": 0, "conv1": 1, "readout": 2}


def test_neuron_parameter_of_the_wrong_shape_is_named():
    wrong = replace(NETWORK.populations[2], neuron=neuron(threshold=None, bias_mantissa=np.zeros(4)))
    with pytest.raises(NetworkError, match="readout: bias_mantissa of shape \\(4,\\) does not fit \\(3,\\)"):
        replace(NETWORK, populations=(*NETWORK.populations[:2], wrong))
