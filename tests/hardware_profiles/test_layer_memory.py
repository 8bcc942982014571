"""Synaptic memory by projection: it adds up to that of the cores, and is that of lists counted by hand."""

from types import SimpleNamespace

import numpy as np
from hypothesis import given

from spikeport.export.errors import PlacementError
from spikeport.hardware_profiles.layer_memory import layer_memory
from spikeport.hardware_profiles.placement import place, strategies_of
from spikeport.hardware_profiles.placement.block_memory import index_bits
from spikeport.hardware_profiles.profile import load_profile
from tests.hardware_profiles.placement.test_packing import layers
from tests.hardware_profiles.written_out import list_bits_of
from tests.strategies import cases, integer_networks

LOIHI1 = load_profile("loihi1")


@given(integer_networks())
@cases(25)
def test_projections_add_up_to_the_cores(network):
    """Cores round up to whole bytes, and so does every projection."""
    for strategy in strategies_of(LOIHI1):
        try:
            placement = place(network, LOIHI1, strategy)
        except PlacementError:
            continue
        found = layer_memory(network, placement)
        cores = sum(core.use.synaptic_memory for core in placement.cores)
        assert -len(placement.cores) <= sum(found) - cores <= len(network.projections)


def test_a_dense_layer_on_one_core_takes_a_list_for_every_source():
    network = layers(30, 20)
    placement = place(network, LOIHI1)
    (core,) = placement.cores
    alone = [
        SimpleNamespace(
            projections=[each], populations=network.populations, population=network.population, steps=network.steps
        )
        for each in network.projections
    ]
    index = int(index_bits(LOIHI1.encoding, np.array([50]))[0])
    kinds = LOIHI1.encoding.lists.value
    bits = [list_bits_of(each, core, kinds, index, LOIHI1.encoding) for each in alone]
    assert layer_memory(network, placement) == [each / 8 for each in bits]
    assert bits[0] < bits[1]


def test_a_chip_of_whole_layers_says_the_words_of_each_kernel():
    speck = load_profile("speck")
    network = layers(30, 20)
    placement = place(network, speck)
    words = {core.blocks[0].population: core.use.synaptic_memory for core in placement.cores}
    assert layer_memory(network, placement) == [words[each.target] for each in network.projections]
