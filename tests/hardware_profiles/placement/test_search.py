"""Every rule holds on every core and every neuron has one place, on chips where each neuron just fits."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeport.export.errors import PlacementError
from spikeport.export.network import (
    Convolution,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.hardware_profiles.limits import first_violation
from spikeport.hardware_profiles.placement import STRATEGIES, place, search
from spikeport.hardware_profiles.profile import load_profile, profile_names
from tests.hardware_profiles.networks import (
    APART,
    READOUT,
    arriving_axons,
    limited,
    needs,
    two_convolutions,
)
from tests.hardware_profiles.written_out import block_of, grid_shape
from tests.strategies import cases, integer_networks

CHIPS = [name for name in profile_names() if load_profile(name).limits is not None]


@st.composite
def tight_chips(draw, network, strategy):
    """Draw a chip on which every neuron of a network just fits a core."""
    extra = draw(st.sampled_from([0, 1, 5, 1000]))
    limits = {name: max(1, need) + extra for name, need in needs(network, strategy).items()}
    return limited(neurons=draw(st.sampled_from([1, 3, 7, 1024])), **limits)


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(data=st.data(), network=integer_networks())
@cases(40)
def test_all_rules_hold_and_every_neuron_is_placed_once(strategy, data, network):
    profile = data.draw(tight_chips(network, strategy))
    placement = place(network, profile, strategy)
    for core in placement.cores:
        assert first_violation(profile, core.use) is None
    assert_every_neuron_has_one_core(network, placement)
    assert len(placement.cores) >= max(placement.lower_bounds.neurons, placement.lower_bounds.memory) >= 1


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(data=st.data(), network=integer_networks())
@cases(40)
def test_the_last_round_assumes_what_every_cut_keeps(strategy, data, network):
    """With that round alone, networks with loops are placed on chips where every neuron just fits."""
    profile = data.draw(tight_chips(network, strategy))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "ROUNDS", 1)
        placement = place(network, profile, strategy)
    assert all(first_violation(profile, core.use) is None for core in placement.cores)


@pytest.mark.parametrize("name", [name for name in CHIPS if name != "truenorth"])
@given(network=integer_networks(delays=False))
@settings(max_examples=15)
def test_small_networks_fit_every_chip(name, network):
    profile = load_profile(name)
    placement = place(network, profile)
    assert all(first_violation(profile, core.use) is None for core in placement.cores)
    assert_every_neuron_has_one_core(network, placement)


def assert_every_neuron_has_one_core(network, placement):
    for population in network.neurons:
        seen = np.zeros(grid_shape(population.shape), int)
        for core in placement.cores:
            assert len(set(core.populations)) == len(core.blocks)
            for block in core.blocks:
                if block.population == population.name:
                    seen[block_of(block)] += 1
        assert (seen == 1).all()
    assert sum(core.use.neurons for core in placement.cores) == sum(int(np.prod(p.shape)) for p in network.neurons)
    assert len(set(placement.numbers)) == len(placement.cores)


@given(network=integer_networks())
@cases(40)
def test_one_axon_too_few_is_refused_with_the_neurons_axons(network):
    """The population nearest to the output whose neuron takes more than there is, and how many it takes."""
    need = {
        p.name: int(sum(arriving_axons(network, q, "unrolled") for q in network.incoming(p.name)).max())
        for p in reversed(network.neurons)
    }
    most = max(need.values())
    profile = limited(input_axons=most - 1, output_axons=None)
    name = next(name for name, number in need.items() if number == most)
    message = f"population {name} does not fit a core of loihi1 (unrolled): one neuron takes {most} of {most - 1} input"
    with pytest.raises(PlacementError, match=re.escape(message)):
        place(network, profile, "unrolled")


def chain(*layers, steps=2):
    """Return input -> first -> second ... -> readout of ones; ``layers`` are (name, convolution)."""
    populations = [IntegerPopulation(name="input", shape=(1, 8, 2), neuron=Source(levels=1, unit=1.0))]
    hidden = IntegerNeuron(threshold=np.array(1), bias_mantissa=np.zeros((), np.int64))
    projections = []
    for name, synapses in layers:
        shape = synapses.output_shape(populations[-1].shape)
        projections.append(IntegerProjection(source=populations[-1].name, target=name, synapses=synapses))
        populations.append(IntegerPopulation(name=name, shape=shape, neuron=hidden))
    dense = Dense(weight=np.ones((3, int(np.prod(populations[-1].shape))), np.int8))
    projections.append(IntegerProjection(source=populations[-1].name, target="readout", synapses=dense))
    populations.append(IntegerPopulation(name="readout", shape=(3,), neuron=READOUT))
    return IntegerNetwork(populations=tuple(populations), projections=tuple(projections), steps=steps)


def test_cuts_are_chosen_with_the_population_before_them():
    """b takes four cores in any case. Cut into 2 x 2, the 16 neurons of a take 40 output axons; into four rows, 28."""
    copy = Convolution(weight=np.ones((1, 1, 1, 1), np.int8))
    wide = Convolution(weight=np.ones((4, 1, 3, 3), np.int8), padding=(1, 1))
    network = chain(("a", copy), ("b", wide))
    for axons, shape, cores in ((30, (4, 1), 6), (40, (2, 2), 6), (1000, (2, 2), 6)):
        placement = place(network, limited(neurons=16, output_axons=axons, **APART), "unrolled")
        cut = placement.cuts["b"]
        assert (len(cut.rows) - 1, len(cut.columns) - 1) == shape
        assert cut.channels == ((0, 4),) * 4
        assert len(placement.cores) == cores
    first = next(core for core in placement.cores if core.populations == ("a",))
    assert first.use.output_axons == 40


def test_output_axons_into_the_population_itself_count():
    """Each of 16 neurons sends to the readout and to all cores of its own population that it reaches."""
    copy = Convolution(weight=np.ones((1, 1, 1, 1), np.int8))
    network = chain(("a", copy))
    loop = IntegerProjection(source="a", target="a", synapses=Dense(weight=np.ones((16, 16), np.int8)), delay=1)
    network = replace(network, projections=(*network.projections, loop))
    whole = place(network, limited(output_axons=32, **APART), "unrolled")
    assert [core.use.output_axons for core in whole.cores] == [32, 0]
    halves = place(network, limited(neurons=8, output_axons=24), "unrolled")
    assert [core.use.output_axons for core in halves.cores] == [24, 24, 0]
    with pytest.raises(PlacementError, match=r"population a does not fit .* one neuron takes .* output axons"):
        place(network, limited(neurons=8, output_axons=2), "unrolled")


def test_axons_of_a_source_on_several_cores_are_looked_at_again():
    """Cores of two neurons part the four channels of conv, so a neuron of conv2 takes 8 axons and not 4."""
    network = two_convolutions()
    assert place(network, limited(neurons=2, input_axons=8), "shared").cores
    with pytest.raises(PlacementError, match=r"population conv2 does not fit .* takes 8 of 6 input axons"):
        place(network, limited(neurons=2, input_axons=6), "shared")
