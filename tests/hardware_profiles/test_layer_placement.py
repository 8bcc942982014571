"""Chips with a whole layer per core: memory by hand, the matching, and every rule's sentence."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from spikeport.export.errors import PlacementError
from spikeport.export.network import Convolution, Dense, IntegerPopulation, IntegerProjection, Source
from spikeport.export.stimulus import random_stimulus
from spikeport.hardware_profiles.layer_placement import RULES
from spikeport.hardware_profiles.placement import place
from spikeport.hardware_profiles.profile import load_profile
from spikeport.hardware_profiles.report import build, html
from tests.hardware_profiles.networks import convolutional

SPECK = load_profile("speck")


def smaller(kernel_words, neuron_words):
    cores = SPECK.layer_cores
    changed = msgspec.structs.replace(
        cores,
        kernel_words=msgspec.structs.replace(cores.kernel_words, value=kernel_words),
        neuron_words=msgspec.structs.replace(cores.neuron_words, value=neuron_words),
    )
    return msgspec.structs.replace(SPECK, layer_cores=changed)


def test_memory_is_rounded_to_powers_of_two_and_zeros_take_theirs():
    """Two channels, 3x3 kernels (9 to 16), 4 filters: 2 x 2^(4 + 2); potentials: 4 x 2^(3 + 3); then 8x8 kernels."""
    placement = place(convolutional(), SPECK)
    conv, readout = (core.use for core in placement.cores)
    assert (conv.synaptic_memory, conv.core_memory) == (2 * 2**6, 2 * 2**6 + 2 * 4 * 2**6)
    assert (readout.synaptic_memory, readout.core_memory) == (4 * 2 ** (6 + 2), 4 * 2**8 + 2 * 3)
    assert placement.strategy == "layers"
    assert len(set(placement.numbers)) == 2
    assert placement.chips == 1


def test_matching_finds_the_only_way():
    """Either layer fits core 1, only the convolution's potentials fit core 0."""
    placement = place(convolutional(), smaller((128.0, 1024.0), (256.0, 256.0)))
    assert placement.numbers == (0, 1)
    used = {each.resource: (each.used, each.available) for each in placement.utilisation(0)}
    assert (used["kernel_words"], used["neuron_words"]) == ((128, 128), (256, 256))
    with pytest.raises(PlacementError, match="2 populations do not fit the 2 cores of speck, each taking one: 1 find"):
        place(convolutional(), smaller((127.0, 1024.0), (256.0, 256.0)))


@pytest.mark.parametrize(("words", "numbers"), [((256.0, 3.0), (0, 1)), ((3.0, 256.0), (1, 0))])
def test_matching_goes_by_potentials_too(words, numbers):
    """The convolution has 4 x 2^(3 + 3) words of potentials, the readout 3; every core holds either's kernels."""
    placement = place(convolutional(), smaller((1024.0, 1024.0), words))
    assert placement.numbers == numbers
    kernels, potentials = placement.utilisation(0)[-2:]
    assert (kernels.used, kernels.available) == (128, 1024)
    assert (potentials.used, potentials.available) == (256, 256)


def test_sides_of_maps_are_rounded_to_powers_of_two():
    """Four maps of 5 x 5 take 4 x 8 x 8 words of two bytes; 25 positions of 4 channels and 3 filters 4 x 2^(5 + 2)."""
    conv, readout = (core.use for core in place(convolutional(side=5), SPECK).cores)
    assert conv.core_memory - conv.synaptic_memory == 2 * 4 * 8 * 8
    assert readout.synaptic_memory == 4 * 2 ** (5 + 2)


def graded(network):
    first = replace(network.populations[0], neuron=Source())
    return replace(network, populations=(first, *network.populations[1:]))


def wide(_network):
    weight = np.ones((4, 2, 17, 17), np.int8)
    return convolutional(weight=weight, kernel=17, padding=8)


def doubled(network):
    projections = (
        *network.projections,
        replace(network.projections[1], synapses=Dense(weight=np.ones((3, 256), np.int8))),
    )
    return replace(network, projections=projections)


def with_first(network, synapses):
    return replace(network, projections=(replace(network.projections[0], synapses=synapses), network.projections[1]))


def test_groups_and_dilation_cost_their_zeros():
    """Nine taps of two groups, two apart, take a full 5 x 5 kernel: 2 x 2^(5 + 2) words."""
    network = convolutional()
    holes = Convolution(weight=np.ones((4, 1, 3, 3), np.int8), dilation=(2, 2), padding=(2, 2), groups=2)
    full = np.zeros((4, 2, 5, 5), np.int8)
    full[:2, 0, ::2, ::2] = full[2:, 1, ::2, ::2] = 1
    written_out = Convolution(weight=full, padding=(2, 2))
    (first, _), (second, _) = (place(with_first(network, each), SPECK).cores for each in (holes, written_out))
    assert first.use == second.use
    assert first.use.synaptic_memory == 2 * 2 ** (5 + 2)


def delayed(network):
    return replace(network, projections=(replace(network.projections[0], delay=1), network.projections[1]))


def strided(network):
    return with_first(network, Convolution(weight=np.ones((4, 2, 3, 3), np.int8), stride=(3, 3), padding=(8, 8)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (graded, "population conv does not fit a core of speck: spiking_input is 1 of 0. A core takes spikes"),
        (wide, "population conv does not fit .*kernel_side is 17 of 16. A kernel has at most"),
        (doubled, "population readout does not fit .*one_projection is 2 of 1"),
        (delayed, "population conv does not fit .*geometry is 1 of 0. Strides are 1, 2, 4 or 8"),
        (strided, "population conv does not fit .*geometry is 1 of 0. Strides are 1, 2, 4 or 8"),
        (lambda _: convolutional(side=66), "side is 66 of 64. A map has"),
        (
            lambda _: convolutional(weight=np.ones((1025, 2, 1, 1), np.int8), kernel=1, padding=0, side=1),
            "channels is 1,025 of 1,024",
        ),
        (
            lambda _: convolutional(weight=np.ones((300, 2, 3, 3), np.int8), side=16),
            "neuron_words is 76,800 of 65,536",
        ),
    ],
)
def test_rules_name_layer_amount_and_way_out(change, message):
    with pytest.raises(PlacementError, match=message):
        place(change(convolutional()), SPECK)


def test_a_kernel_too_large_is_named():
    network = convolutional(weight=np.ones((256, 2, 3, 3), np.int8), side=4)
    second = Convolution(weight=np.ones((32, 256, 3, 3), np.int8), padding=(1, 1))
    hidden = network.populations[1]
    populations = (*network.populations[:2], IntegerPopulation(name="conv2", shape=(32, 4, 4), neuron=hidden.neuron))
    projections = (network.projections[0], IntegerProjection(source="conv", target="conv2", synapses=second))
    with pytest.raises(PlacementError, match=r"population conv2 .*kernel_words is 131,072 of 65,536"):
        place(replace(network, populations=populations, projections=projections), SPECK)


def test_every_rule_is_a_sentence():
    assert all(rule.__doc__.endswith(".") for rule in RULES)


def test_report_has_the_cores_of_a_chip_whose_cores_differ():
    network = convolutional()
    report = build.report(network, random_stimulus(network, 3, 0), ["speck", "loihi1"])
    placed = report.placement["speck"]
    assert placed.cores == 2
    assert all(0 < core.utilisation["kernel_words"] <= 1 for core in placed.per_core)
    assert "layers" in report.text()
    assert "the strategy layers" in html.render(report)
