"""Core by core: operations and messages add up to the formula's, hops and times by hand."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeport.export.errors import PlacementError
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import Dense
from spikeport.export.stimulus import random_stimulus, stimulus
from spikeport.hardware_profiles.counting import batches, count
from spikeport.hardware_profiles.energy import energy
from spikeport.hardware_profiles.latency import latency
from spikeport.hardware_profiles.load import CoreLoad, LoadCounter
from spikeport.hardware_profiles.placement import STRATEGIES, place
from spikeport.hardware_profiles.profile import load_profile
from tests.hardware_profiles.test_placement import convolutional, limited
from tests.hardware_profiles.written_out import into_core
from tests.strategies import inputs, integer_networks

NETWORK = small_network()


def loaded(network, placement, driven):
    loads = LoadCounter(network, placement)
    for batch in batches(network, driven, 2):
        loads.add(batch)
    return loads.load()


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(data=st.data(), network=integer_networks())
@settings(max_examples=40)
def test_cores_add_up_to_the_layers(data, network, strategy):
    try:
        placement = place(network, limited(neurons=6, input_axons=None, output_axons=None), strategy)
    except PlacementError:
        return
    driven = stimulus(data.draw(inputs(network)), network)
    counts, load = count(network, driven), loaded(network, placement, driven)
    for population in network.neurons:
        cores = [n for n, core in enumerate(placement.cores) if core.population == population.name]
        total = sum(each.formula for each in counts.layers if each.target == population.name and not each.graded)
        assert round(load.operations[cores].sum() * counts.images) == total
    assert load.operations_max.max(initial=0) >= load.operations.max(initial=0)
    spikes = {batch.images: batch.spikes for batch in batches(network, driven, len(driven))}[len(driven)]
    messages = 0
    for core in placement.cores:
        for number, reached in into_core(network, core).items():
            source = network.projections[number].source
            if source != network.source.name:
                fired = spikes[source].reshape(len(driven) * network.steps, -1).sum(axis=0, dtype=np.int64)
                messages += int((fired * (reached > 0)).sum())
    assert round(load.messages * counts.images) == messages


def test_hops_follow_the_mesh():
    """A readout on core 40 is on tile 10: row 1, column 2; one on the next chip has no known way."""
    placement = place(NETWORK, limited(neurons=1))
    loads = LoadCounter(NETWORK, placement)
    chip, row, column = loads._places(np.array([0, 3, 4, 40, 127, 128]))
    assert chip.tolist() == [0, 0, 0, 0, 0, 1]
    assert list(zip(row.tolist(), column.tolist(), strict=True)) == [(0, 0), (0, 0), (0, 1), (1, 2), (3, 7), (0, 0)]


def load_of(operations, messages):
    operations, messages = np.array(operations), np.array(messages)
    return CoreLoad(
        operations=operations.sum(axis=1).astype(float),
        operations_max=operations.sum(axis=1),
        messages=10.0,
        hops=(3.0, 4.0),
        off_chip=0.0,
        busiest_operations=operations,
        busiest_messages=messages,
    )


def test_latency_is_the_largest_term_of_every_step():
    """200 accumulates of 3.5 ns, then 36 neurons of 5.3 ns, which take longer than a barrier of 113 ns."""
    placement = place(NETWORK, load_profile("loihi1"))
    found = latency(placement, load_of([[200, 1]], [[1, 1]]))
    assert found.seconds == pytest.approx(200 * 3.5e-9 + 36 * 5.3e-9)
    assert found.shares == {"accumulates": 0.5, "neuron updates": 0.5}
    assert found.unknown == ("memory reads", "messages over a link")


def test_latency_without_constants_is_unknown():
    placement = place(NETWORK, load_profile("spinnaker2"))
    found = latency(placement, load_of([[200, 1]], [[1, 1]]))
    assert found.seconds is None
    assert len(found.unknown) == 5


def test_memory_reads_and_links_count_where_a_profile_has_them():
    profile = load_profile("loihi1")
    second = msgspec.structs.replace(profile.latency.barrier, value=1.0)
    changed = msgspec.structs.replace(profile.latency, link_message=second)
    placement = place(NETWORK, msgspec.structs.replace(profile, latency=changed))
    assert latency(placement, load_of([[200, 1]], [[7, 5]])).seconds == 12.0


def test_energy_is_split_and_says_what_it_does_not_know():
    driven = random_stimulus(NETWORK, 5, 0)
    counts, placement = count(NETWORK, driven), place(NETWORK, load_profile("loihi1"))
    load = loaded(NETWORK, placement, driven)
    found = energy(counts, placement.profile, placement=placement, load=load)
    updates, fired = 39 * NETWORK.steps, counts.total_spikes / 5
    assert found.synaptic_operations == pytest.approx(counts.formula / 5 * 23.6e-12)
    assert found.neuron_updates == pytest.approx((updates - fired) * 52e-12 + fired * 81e-12)
    assert found.neuron_updates_all_active == pytest.approx(updates * 81e-12)
    assert found.spike_traffic == pytest.approx(
        load.messages * 1.7e-12 + load.hops[0] * 4.0e-12 + load.hops[1] * 3.0e-12
    )
    assert found.static == pytest.approx(0.104 * latency(placement, load).seconds)
    assert found.first_layer_host == pytest.approx(counts.first_layer_macs / 5 * 0.9e-9)
    assert found.first_layer_chip is None
    assert found.unknown == {"first_layer_chip": "loihi1 gives no energy of a multiply-accumulate"}
    parts = (found.synaptic_operations, found.neuron_updates, found.spike_traffic, found.first_layer_host, found.static)
    assert found.sum_of_known == pytest.approx(sum(parts))


def test_shared_kernels_have_their_own_energy_where_it_was_fitted():
    """Dense synapses share nothing and cost what they cost."""
    network, profile = convolutional(), load_profile("loihi1_silicon_fit")
    counts = count(network, random_stimulus(network, 5, 0))
    conv, dense = (layer.formula for layer in counts.layers)
    for strategy, each in (("unrolled", 33.6e-12), ("shared", 24.0e-12)):
        placement, expected = place(network, profile, strategy), (conv * each + dense * 33.6e-12) / 5
        assert energy(counts, profile, placement=placement).synaptic_operations == pytest.approx(expected)


def test_a_graded_input_takes_no_time_on_the_cores():
    """The host may do its MACs, so a lower bound leaves them out."""
    driven = random_stimulus(NETWORK, 5, 0)
    placement = place(NETWORK, load_profile("loihi1"))
    load = loaded(NETWORK, placement, driven)
    conv = [number for number, core in enumerate(placement.cores) if core.population == "conv1"]
    assert load.operations[conv].sum() == 0
    assert load.operations.sum() > 0


def test_sums_beyond_float32_are_exact():
    """Kernels of 512 x 2 x 9 ones over 32x32 on one core: 9 M synapses a step, an odd number of them beyond 2**24."""
    network = convolutional(weight=np.ones((512, 2, 3, 3), np.int8), side=64, padding=1)
    profile = limited("loihi2", neurons=2**22, core_memory=2**30, synaptic_memory=2**30)
    readout = replace(network.projections[1], synapses=Dense(weight=np.ones((1, 512 * 64 * 64), np.int8)))
    populations = (*network.populations[:2], replace(network.populations[2], shape=(1,)))
    network = replace(network, populations=populations, projections=(network.projections[0], readout), steps=1)
    driven = random_stimulus(network, 1, 0)
    frames = np.ones_like(driven.values)
    frames[..., 0, 0, 0] = 0
    driven = replace(driven, values=frames)
    placement = place(network, profile, "shared")
    load, counts = loaded(network, placement, driven), count(network, driven)
    assert counts.layers[0].formula > 2**24
    assert [int(each) for each in load.operations] == [layer.formula for layer in counts.layers]


def test_arithmetic_alone_has_no_neurons_no_traffic_and_no_time():
    driven = random_stimulus(NETWORK, 5, 0)
    counts = count(NETWORK, driven)
    found = energy(counts, load_profile("cmos45_fp32"))
    assert found.synaptic_operations == pytest.approx(counts.formula / 5 * 0.9e-12)
    assert found.first_layer_chip == pytest.approx(counts.first_layer_macs / 5 * 4.6e-12)
    assert (found.neuron_updates, found.spike_traffic, found.static) == (None, None, None)
    assert set(found.unknown) == {"neuron_updates", "spike_traffic", "static"}
