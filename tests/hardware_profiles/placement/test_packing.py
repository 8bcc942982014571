"""Blocks of several populations on one core: sums are exact, no rule breaks, and no more cores are taken."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.network import Dense, IntegerNetwork, IntegerNeuron, IntegerPopulation, IntegerProjection, Source
from spikeport.hardware_profiles.limits import first_violation
from spikeport.hardware_profiles.placement import STRATEGIES, place
from spikeport.hardware_profiles.profile import load_profile
from tests.hardware_profiles.networks import APART, READOUT, limited, needs
from tests.hardware_profiles.written_out import list_bits_of
from tests.strategies import cases, integer_networks


def layers(*sizes):
    """Return dense layers of so many neurons behind one input, all weights one."""
    hidden = IntegerNeuron(threshold=np.array(1), bias_mantissa=np.zeros((), np.int64))
    sizes = (1, *sizes)
    names = ["input", *(f"n{number}" for number in range(1, len(sizes)))]
    neurons = [Source(levels=1, unit=1.0), *[hidden] * (len(sizes) - 2), READOUT]
    return IntegerNetwork(
        populations=tuple(
            IntegerPopulation(name=name, shape=(size,), neuron=neuron)
            for name, size, neuron in zip(names, sizes, neurons, strict=True)
        ),
        projections=tuple(
            IntegerProjection(source=a, target=b, synapses=Dense(weight=np.ones((n, m), np.int8)))
            for a, b, m, n in zip(names, names[1:], sizes, sizes[1:], strict=False)
        ),
        steps=2,
    )


def test_a_readout_takes_no_core_of_its_own():
    placement = place(layers(100, 100, 10), load_profile("loihi1"))
    (core,) = placement.cores
    assert core.populations == ("n1", "n2", "n3")
    assert (core.use.neurons, core.use.input_axons, core.use.output_axons) == (210, 1 + 100 + 100, 100 + 100)
    assert (core.use.threshold_registers, core.use.decay_registers, core.use.synapse_registers) == (3, 3, 3)
    assert placement.several == 1
    assert "1 cores (at least 1), 1 of them with several populations, 1 chips" in placement.text()


def test_the_fullest_blocks_are_packed_first():
    """60 + 40 and 50 + 50 neurons fill two cores of 100; in the order of the network they would take three."""
    placement = place(layers(50, 40, 50, 60), limited(neurons=100))
    assert [core.populations for core in placement.cores] == [("n1", "n3"), ("n2", "n4")]


@pytest.mark.parametrize(
    "limit",
    [
        {"neurons": 199},
        {"input_axons": 100},
        {"threshold_registers": 1},
        {"decay_registers": 1},
        {"synapse_registers": 1},
        {"synaptic_memory": 2410},
    ],
)
def test_every_limit_holds_for_the_sum(limit):
    network = layers(100, 100)
    apart = place(network, limited(**APART)).cores
    assert len(apart) == 2
    assert all(first_violation(limited(**limit), core.use) is None for core in apart)
    assert len(place(network, limited(**limit)).cores) == 2
    assert len(place(network, limited()).cores) == 1


def test_output_axons_add_up():
    network = layers(100, 100, 100)
    assert [len(place(network, limited(output_axons=most)).cores) for most in (199, 200)] == [2, 1]


def test_an_index_tells_all_neurons_of_a_core_apart():
    """Two layers of 100: alone an index takes 7 bits, together 8; lists written out take as much."""
    network, sparse = layers(100, 100), {"lists": ("sparse",)}
    alone, together = (place(network, limited(**sparse, **limits)).cores for limits in (APART, {}))
    encoding = limited().encoding
    for cores, index in ((alone, 7), (together, 8)):
        for core in cores:
            assert core.use.synaptic_memory * 8 == list_bits_of(network, core, ("sparse",), index, encoding)
    assert together[0].use.synaptic_memory > sum(core.use.synaptic_memory for core in alone)
    exact = limited(**sparse, synaptic_memory=together[0].use.synaptic_memory)
    assert len(place(network, exact).cores) == 1
    assert len(place(network, limited(**sparse, synaptic_memory=together[0].use.synaptic_memory - 1)).cores) == 2


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(data=st.data(), network=integer_networks())
@cases(60)
def test_packing_never_costs_cores(strategy, data, network):
    """Against the same search where every population keeps its cores."""
    extra = data.draw(st.sampled_from([0, 3, 1000]))
    limits = {name: max(1, need) + extra for name, need in needs(network, strategy).items()}
    free = {"synapse_registers": None, "threshold_registers": None, "decay_registers": None}
    profile = limited(neurons=data.draw(st.sampled_from([2, 7, 1024])), **limits, **free)
    placement = place(network, profile, strategy)
    blocks = sum(len(core.blocks) for core in placement.cores)
    assert len(placement.cores) <= blocks == sum(cut.size for cut in placement.cuts.values())
    assert all(first_violation(profile, core.use) is None for core in placement.cores)


def test_a_thousand_populations_share_cores():
    """Readouts of one neuron: sixteen to a core, as each takes a register for its threshold."""
    hidden = layers(4, 1)
    readouts = [replace(hidden.populations[2], name=f"r{number}") for number in range(1000)]
    edges = [replace(hidden.projections[1], target=readout.name) for readout in readouts]
    network = replace(
        hidden, populations=(*hidden.populations[:2], *readouts), projections=(hidden.projections[0], *edges)
    )
    placement = place(network, load_profile("loihi1"), "unrolled")
    assert len(placement.cores) == -(-1001 // 16)
