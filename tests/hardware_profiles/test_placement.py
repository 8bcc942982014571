"""Every rule holds on every core, every neuron has one place, and what does not fit is named."""

import itertools
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given

from export.errors import PlacementError
from export.lava.doctor import small_network
from hardware_profiles.limits import RULES, first_violation
from hardware_profiles.placement import list_bits, place
from hardware_profiles.profile import load_profile, profile_names
from hardware_profiles.unrolled import incoming
from tests.strategies import integer_networks

NETWORK = small_network()


def limited(**limits):
    """Return loihi1 with other limits."""
    profile = load_profile("loihi1")
    changed = {key: msgspec.structs.replace(getattr(profile.limits, key), value=value) for key, value in limits.items()}
    return msgspec.structs.replace(profile, limits=msgspec.structs.replace(profile.limits, **changed))


@pytest.mark.parametrize(
    "profile",
    [
        load_profile("loihi1"),
        load_profile("loihi2"),
        limited(neurons=5),
        limited(synaptic_memory=600),
        limited(input_axons=30, output_axons=60),
    ],
)
@given(network=integer_networks())
def test_all_rules_hold_and_every_neuron_is_placed_once(profile, network):
    try:
        placement = place(network, profile)
    except PlacementError as error:
        assert "one neuron takes" in str(error)
        return
    for core in placement.cores:
        assert first_violation(profile, core.use) is None
    for population in network.neurons:
        size = int(np.prod(population.shape))
        runs = [(core.first, core.last) for core in placement.cores if core.population == population.name]
        placed = list(itertools.chain.from_iterable(range(first, last + 1) for first, last in runs))
        assert placed == list(range(size))
    assert len(placement.cores) >= max(placement.bound_by_neurons, placement.bound_by_memory)
    assert output_axons(network, placement) == [core.use.output_axons for core in placement.cores]


def output_axons(network, placement):
    """Count (neuron, reached core) pairs the slow way."""
    reached = []
    for core in placement.cores:
        pairs = set()
        for target in placement.cores:
            matrix, start = incoming(network, target.population).toarray(), 0
            for projection in network.incoming(target.population):
                size = int(np.prod(network.population(projection.source).shape))
                block = matrix[target.first : target.last + 1, start : start + size]
                if projection.source == core.population:
                    hit = np.flatnonzero(block.any(axis=0))
                    pairs |= {
                        (int(n), target.first, projection.target, start) for n in hit if core.first <= n <= core.last
                    }
                start += size
        reached.append(len(pairs))
    return reached


@pytest.mark.parametrize(
    ("synapses", "bits"),
    [(0, 0), (1, 64), (3, 64), (4, 128), (64, 1216), (65, 1216 + 64), (128, 2432)],
)
def test_list_bits_by_hand(synapses, bits):
    """10 bits of header, 18 per synapse, words of 64, blocks of 64 (1,162 bits, 19 words)."""
    assert list_bits(load_profile("loihi1").encoding, np.array([synapses])).tolist() == [bits]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"synaptic_memory": 8}, "population readout does not fit a core of loihi1: one neuron takes .* of 8 synaptic"),
        ({"input_axons": 3}, "one neuron takes 36 of 3 input axons.*prune more"),
    ],
)
def test_what_does_not_fit_names_layer_amount_and_way_out(limits, message):
    with pytest.raises(PlacementError, match=message):
        place(NETWORK, limited(**limits))


def test_smaller_cores_need_more_of_them():
    assert len(place(NETWORK, limited(neurons=6)).cores) == 7
    assert len(place(NETWORK, load_profile("loihi1")).cores) == 2


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", profile_names())
def test_every_rule_has_its_sentence_and_its_resource(rule, name):
    assert rule.__doc__.endswith(".")
    use = place(NETWORK, load_profile(name)).cores[0].use
    found = rule(load_profile(name), use)
    assert found.resource == rule.__name__
    assert found.used == getattr(use, rule.__name__)


def test_pruned_synapses_take_no_memory():
    weight = NETWORK.projections[1].synapses.weight.copy()
    weight[:, 18:] = 0
    projection = replace(NETWORK.projections[1], synapses=replace(NETWORK.projections[1].synapses, weight=weight))
    pruned = replace(NETWORK, projections=(NETWORK.projections[0], projection))
    before, after = (place(net, load_profile("loihi1")).cores[-1].use for net in (NETWORK, pruned))
    removed = np.count_nonzero(NETWORK.projections[1].synapses.weight[:, 18:])
    assert after.synapses == before.synapses - removed
    assert after.input_axons == before.input_axons - 18
    assert after.synaptic_memory < before.synaptic_memory
