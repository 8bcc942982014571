"""Networks that do not fit together are refused, with the name of what is wrong."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.errors import NetworkError
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import (
    Convolution,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)

NETWORK = small_network()


def test_populations_come_in_order_with_their_roles():
    assert [p.name for p in NETWORK.ordered()] == ["input", "conv1", "readout"]
    assert [p.name for p in NETWORK.spiking] == ["conv1"]
    assert NETWORK.readout.name == "readout"
    assert NETWORK.depths() == {"input": 0, "conv1": 1, "readout": 2}


def projection(source="conv1", target="readout", **changes):
    weight = np.zeros((3, 36), np.int8)
    return IntegerProjection(**{"source": source, "target": target, "synapses": Dense(weight=weight), **changes})


def neuron(**changes):
    return IntegerNeuron(**{"threshold": np.array(1), "bias_mantissa": np.array(0), **changes})


def population(**changes):
    return IntegerPopulation(**{"name": "extra", "shape": (3,), "neuron": neuron(), **changes})


def wide(*sizes):
    """Return a network whose source is the first of ``sizes``, and every other population is a row of 1 x 1 kernels."""
    source = IntegerPopulation(name="input", shape=(1, 1, sizes[0]), neuron=Source())
    names = [f"p{index}" for index in range(1, len(sizes))]
    populations = [population(name=name, shape=(1, 1, size)) for name, size in zip(names, sizes[1:], strict=True)]
    kernel = Convolution(weight=np.ones((1, 1, 1, 1), np.int8))
    projections = [projection(source="input", target=name, synapses=kernel) for name in names]
    return IntegerNetwork(populations=(source, *populations), projections=tuple(projections), steps=1)


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
        (
            lambda: wide(2**24 + 1),
            "size of population input is 16,777,217; expected one whole number from 1 to 16,777,216",
        ),
        (lambda: wide(2**24, 2**24, 2**24), "number of neurons of 3 populations is 50,331,648; expected .* 33,554,432"),
        (lambda: projection(exponent=16), "exponent lies in 0..15, found 16"),
        (lambda: with_projection(NETWORK.projections[0]), "a projection stands twice"),
        (lambda: replace(NETWORK, populations=(*NETWORK.populations, population(name="../a"))), "'../a': a name holds"),
    ],
)
def test_what_does_not_fit_is_named(build, message):
    with pytest.raises(NetworkError, match=message):
        build()


def with_projection(extra):
    return replace(NETWORK, projections=(*NETWORK.projections, extra))


def loop(delay):
    """Return the small network with a readout that fires and projects back."""
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


def test_what_never_fires_is_no_source():
    after = population(name="after")
    outgoing = projection(source="readout", target="after", synapses=Dense(weight=np.zeros((3, 3), np.int8)))
    with pytest.raises(NetworkError, match="readout never fires; it cannot be the source of a projection"):
        replace(NETWORK, populations=(*NETWORK.populations, after), projections=(*NETWORK.projections, outgoing))


def test_neuron_parameter_of_the_wrong_shape_is_named():
    for shape in ((4,), (3, 1), (2, 3)):
        wrong = replace(NETWORK.populations[2], neuron=neuron(threshold=None, bias_mantissa=np.zeros(shape)))
        with pytest.raises(NetworkError, match=r"readout: bias_mantissa of shape \(.*\) does not fit \(3,\)"):
            replace(NETWORK, populations=(*NETWORK.populations[:2], wrong))


def graph(names, ends):
    """Return a network of single neurons with projections (source, target, delay); the first name is the source."""
    one = Dense(weight=np.ones((1, 1), np.int8))
    populations = [population(name=name, shape=(1,), neuron=neuron()) for name in names[1:]]
    return IntegerNetwork(
        populations=(IntegerPopulation(name=names[0], shape=(1,), neuron=Source()), *populations),
        projections=tuple(IntegerProjection(source=s, target=t, synapses=replace(one), delay=d) for s, t, d in ends),
        steps=1,
    )


@st.composite
def graphs(draw):
    """Return names and ends: every population is a target, delays may close loops."""
    names = [f"p{number}" for number in range(draw(st.integers(2, 8)))]
    into = [(draw(st.sampled_from(names)), name, draw(st.integers(0, 2))) for name in names[1:]]
    more = st.tuples(st.sampled_from(names), st.sampled_from(names[1:]), st.integers(0, 2))
    return draw(st.permutations(names[1:])), names, [*into, *draw(st.lists(more, max_size=8))]


@given(graphs())
def test_order_and_depths_are_those_of_the_plain_algorithms(drawn):
    """Placing what is ready, round by round, gives the order; relaxing each projection in turn gives the depths."""
    order, names, ends = drawn
    names = [names[0], *order]
    rounds, waiting = [], list(names)
    while waiting:
        ready = [n for n in waiting if all(s in rounds for s, t, d in ends if t == n and d == 0)]
        if not ready:
            with pytest.raises(NetworkError, match="form a loop without delay"):
                graph(names, ends)
            return
        rounds += ready
        waiting = [n for n in waiting if n not in ready]
    network = graph(names, ends)
    assert [p.name for p in network.ordered()] == rounds
    depths = dict.fromkeys(names, 0)
    for _ in names:
        for source, target, delay in ends:
            depths[target] = max(depths[target], depths[source] + 1 - delay)
    if any(depths[s] + 1 - d > depths[t] for s, t, d in ends):
        with pytest.raises(NetworkError, match="form a loop with a shorter delay than it has projections"):
            network.depths()
    else:
        assert network.depths() == depths


def test_a_chain_of_5000_populations_is_built_in_one_pass():
    """The order of each population given is the reverse of the chain's, the worst for placing round by round."""
    names = [f"p{number}" for number in range(5_000)]
    chain = graph([names[0], *reversed(names[1:])], [(a, b, 0) for a, b in pairwise(names)])
    assert [p.name for p in chain.ordered()] == names
    assert chain.depths() == {name: number for number, name in enumerate(names)}


def test_shortened_delays_leave_a_loop_the_steps_that_it_needs():
    loop = replace(
        NETWORK,
        steps=1,
        projections=(
            *NETWORK.projections[:1],
            *(projection(target="conv1", synapses=Dense(weight=np.zeros((36, 36), np.int8)), delay=9) for _ in "ab"),
            *NETWORK.projections[1:],
        ),
    )
    short = loop.with_short_delays()
    assert [p.delay for p in short.projections] == [0, 5, 5, 0]
    assert short.depths() == loop.depths()
    assert short.with_short_delays() is short
