"""Every rule holds on every core and every neuron has one place, on chips where each neuron just fits."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeport.export.errors import PlacementError
from spikeport.hardware_profiles.limits import first_violation
from spikeport.hardware_profiles.placement import STRATEGIES, place
from spikeport.hardware_profiles.profile import load_profile, profile_names
from tests.hardware_profiles.networks import arriving_axons, limited, needs
from tests.hardware_profiles.written_out import block_of, grid_shape
from tests.strategies import integer_networks

CHIPS = [name for name in profile_names() if load_profile(name).limits is not None]


@st.composite
def tight_chips(draw, network, strategy):
    """Draw a chip on which every neuron of a network just fits a core."""
    extra = draw(st.sampled_from([0, 1, 5, 1000]))
    limits = {name: max(1, need) + extra for name, need in needs(network, strategy).items()}
    return limited(neurons=draw(st.sampled_from([1, 3, 7, 1024])), **limits)


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(data=st.data(), network=integer_networks())
@settings(max_examples=40)
def test_all_rules_hold_and_every_neuron_is_placed_once(strategy, data, network):
    profile = data.draw(tight_chips(network, strategy))
    placement = place(network, profile, strategy)
    for core in placement.cores:
        assert first_violation(profile, core.use) is None
    assert_every_neuron_has_one_core(network, placement)
    assert len(placement.cores) >= max(placement.lower_bounds.neurons, placement.lower_bounds.memory) >= 1


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
            if core.population == population.name:
                seen[block_of(core)] += 1
                assert core.use.neurons == seen[block_of(core)].size
        assert (seen == 1).all()


@given(network=integer_networks())
@settings(max_examples=40)
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
