"""Staggered steps of the chip: by hand for chains, paths and loops, and core by core on random networks."""

from functools import partial

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.network import (
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.stimulus import stimulus
from spikeport.hardware_profiles.chip_steps import in_a_ring, staggered
from spikeport.hardware_profiles.core_stages import Stage
from spikeport.hardware_profiles.counting import batches
from spikeport.hardware_profiles.encoding import list_bits, weight_bits
from spikeport.hardware_profiles.latency import latency
from spikeport.hardware_profiles.load import core_load
from spikeport.hardware_profiles.placement import STRATEGIES, place
from spikeport.hardware_profiles.profile import ByTiles, Latency
from spikeport.hardware_profiles.report.build import report
from spikeport.hardware_profiles.report.html import render
from spikeport.hardware_profiles.report.result import Report
from tests.hardware_profiles.networks import READOUT, limited
from tests.hardware_profiles.test_load import core_of
from tests.hardware_profiles.written_out import into_core
from tests.strategies import cases, inputs, integer_networks

AT_ONCE = IntegerNeuron(threshold=np.array(0), bias_mantissa=np.array(0))
"""Fires where its sum is above zero, and starts again from zero."""


def priced(profile, **seconds):
    """Return a profile whose latency has these constants alone."""
    given = profile.latency.accumulate
    times = {name: msgspec.structs.replace(given, value=value) for name, value in seconds.items()}
    return msgspec.structs.replace(profile, latency=Latency(**times))


def own_cores(most, **seconds):
    """Return a profile whose cores hold ``most`` neurons: no two of the populations here."""
    return priced(limited(neurons=most, input_axons=None, output_axons=None, synaptic_memory=2**24), **seconds)


def connected(inputs_, *layers, ends=None, steps=2):
    """Return layers (name, weight) in a row after an input; ``ends`` are further (source, target, weight, delay)."""
    populations = [IntegerPopulation(name="input", shape=(inputs_,), neuron=Source(levels=1, unit=1.0))]
    projections = []
    for name, weight in layers:
        weight = np.array(weight, np.int8)
        projections.append(IntegerProjection(source=populations[-1].name, target=name, synapses=Dense(weight=weight)))
        neuron = READOUT if name == "readout" else AT_ONCE
        populations.append(IntegerPopulation(name=name, shape=(len(weight),), neuron=neuron))
    projections += [
        IntegerProjection(source=source, target=target, synapses=Dense(weight=np.array(weight, np.int8)), delay=delay)
        for source, target, weight, delay in ends or ()
    ]
    return IntegerNetwork(populations=tuple(populations), projections=tuple(projections), steps=steps)


def found(network, frames, profile):
    """Return the times of a run on frames (images, steps, neurons)."""
    placement = place(network, profile)
    assert len(placement.cores) == len(network.neurons)
    load = core_load(network, stimulus(np.array(frames), network), placement)
    return load.times, latency(placement, load)


def test_two_layers_that_work_in_turn():
    """400 neurons a layer on loihi1. The first gets 160,000 synapses in even steps, which cancel; in odd ones one each.

    It fires in odd steps, so the second layer gets 160,000 in these. In the same step of both, one of them is always
    busy: 8 x 560 us. Staggered, they are busy together: 5 steps of 560 us and 6 of 2.12 us (400 x 5.3 ns) for an image
    alone, 4 and 4 back to back.
    """
    cancel = np.repeat([1, -1], 200)
    first = np.concatenate([np.tile(cancel, (400, 1)), np.ones((400, 1))], axis=1)
    network = connected(401, ("a", first), ("b", -np.ones((400, 400))), ("readout", np.ones((10, 400))), steps=8)
    frames = np.zeros((1, 8, 401), int)
    frames[:, ::2, :400], frames[:, 1::2, 400] = 1, 1
    profile = limited(neurons=400, input_axons=None, output_axons=None, synaptic_memory=2**24)
    _, time = found(network, frames, profile)
    assert time.latency == pytest.approx(5 * 560e-6 + 6 * 2.12e-6)
    assert time.interval == pytest.approx(4 * 560e-6 + 4 * 2.12e-6)
    assert (round(time.latency * 1e6), round(time.interval * 1e6)) == (2813, 2248)
    assert (time.latency_steps, time.interval_steps) == (11, 8)
    assert time.shares == {"neuron updates": 0.5, "synapses": 0.5}


CHAIN = connected(4, ("a", np.eye(4)), ("b", np.ones((3, 4))), ("readout", np.ones((2, 3))), steps=3)
FRAMES = [[[1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0]]]


def test_three_layers_one_step_after_the_other():
    """Accumulates 4 0 1 into a from chip step 0 on, 12 0 3 into b from 1 on, 6 0 6 into the readout from 2 on."""
    times, time = found(CHAIN, FRAMES, own_cores(4, accumulate=1.0))
    assert times.alone["synapses"].tolist() == [[4, 12, 6, 3, 6, 0]]
    assert times.back_to_back["synapses"].tolist() == [4, 12, 6]
    assert (time.latency, time.interval) == (31, 22)
    assert (time.latency_steps, time.interval_steps) == (6, 3)


def test_neurons_are_updated_in_every_chip_step_and_fire_in_their_own():
    """4 neurons of a and 3 of b, 1 s each and 10 s where they fire: a fires 4 0 1 from step 1 on, b 3 0 3 from 2 on."""
    times, _ = found(CHAIN, FRAMES, own_cores(4, neuron_update=1.0, neuron_update_active=10.0))
    assert times.alone["neurons"].tolist() == [[4, 40, 30, 13, 30, 4]]
    assert times.back_to_back["neurons"].tolist() == [13, 40, 30]


def test_messages_take_time_where_they_are_sent_and_where_they_are_received():
    """a sends 4 0 1 messages from step 1 on, b 3 0 3 from 2 on; the input's 4 0 1 are the host's to send."""
    times, _ = found(CHAIN, FRAMES, own_cores(4, message_sent=1.0, message_received=100.0))
    assert times.alone["neurons"].tolist() == [[0, 4, 3, 1, 3, 0]]
    assert times.alone["synapses"].tolist() == [[400, 400, 300, 100, 300, 0]]


def test_images_back_to_back_overlap():
    """Of two images, the first is loud and the second silent: its steps are those of the first one's deeper layers."""
    times, time = found(CHAIN, [*FRAMES, np.zeros((3, 4), int)], own_cores(4, accumulate=1.0))
    assert times.alone["synapses"].tolist() == [[4, 12, 6, 3, 6, 0], [0] * 6]
    assert times.back_to_back["synapses"].tolist() == [4, 12, 6, 3, 6, 0]
    assert (time.latency, time.interval) == (15.5, 15.5)


def test_a_shorter_path_arrives_when_it_is_sent():
    """input -> a -> b, and input -> b: spikes of the input arrive at both cores in chip step 0, those of a in step 1.

    The core of b has 6 and 3 accumulates from the input in steps 0 and 1, and 4 and 2 of a in steps 1 and 2.
    """
    network = connected(
        2, ("a", np.eye(2)), ("b", np.ones((2, 2))), ("readout", [[1, 1]]), ends=[("input", "b", np.ones((2, 2)), 0)]
    )
    times, _ = found(network, [[[1, 1], [1, 0]]], own_cores(2, accumulate=1.0))
    assert network.depths() == {"input": 0, "a": 1, "b": 2, "readout": 3}
    assert times.alone["synapses"].tolist() == [[4, 2 + 4, 2, 2, 0]]


def test_a_loop_adds_up_on_its_core_and_leaves_a_gap_between_images():
    """a: 2 accumulates of the input in step 0; in step 1 one of the input and 2 x 2 of its own, one step late."""
    network = connected(2, ("a", np.eye(2)), ("readout", [[1, 1]]), ends=[("a", "a", -np.ones((2, 2)), 1)])
    times, time = found(network, [[[1, 1], [1, 0]]], own_cores(2, accumulate=1.0))
    assert times.alone["synapses"].tolist() == [[2, 5, 0, 0]]
    assert times.back_to_back["synapses"].tolist() == [2, 5, 0]
    assert (time.latency_steps, time.interval_steps) == (4, 3)


def test_a_loop_shorter_than_its_projections_has_no_time():
    ends = [("b", "a", -np.ones((2, 2)), 1)]
    network = connected(2, ("a", np.eye(2)), ("b", np.eye(2)), ("readout", [[1, 1]]), ends=ends)
    times, time = found(network, [[[1, 1], [1, 0]]], own_cores(2, accumulate=1.0))
    assert (times.alone, time.latency, time.interval, time.kind) == ({}, None, None, None)
    assert "populations a, b form a loop with a shorter delay" in time.refused
    found_ = report(network, stimulus(np.array([[[1, 1], [1, 0]]]), network), ["loihi1"])
    assert f"\nloihi1, time: {time.refused}" in found_.text()
    assert time.refused in render(found_)
    assert found_.energy["loihi1"].unknown["static"] == f"no latency ({time.refused})"
    assert Report.from_dict(found_.to_dict()) == found_


def test_a_delay_beyond_the_sample_leaves_no_longer_gap_than_the_sample_needs():
    network = connected(2, ("a", np.eye(2)), ("readout", [[1, 1]]), ends=[("input", "a", np.eye(2), 1000)])
    _, time = found(network, [[[1, 1], [1, 0]]], own_cores(2, accumulate=1.0))
    assert time.interval_steps <= 2 * network.steps + len(network.projections)


def test_batches_are_one_run(monkeypatch):
    """Images that are counted in several batches overlap like those of one."""
    frames = np.random.default_rng(0).integers(0, 2, (5, 3, 4))
    whole, _ = found(CHAIN, frames, own_cores(4, accumulate=1.0, neuron_update=0.5))
    monkeypatch.setattr("spikeport.hardware_profiles.counting.run.BATCH", 2)
    parts, _ = found(CHAIN, frames, own_cores(4, accumulate=1.0, neuron_update=0.5))
    assert parts.images == 5
    for name in whole.alone:
        assert np.array_equal(parts.alone[name], whole.alone[name])
        assert np.array_equal(parts.back_to_back[name], whole.back_to_back[name])


SECONDS = {
    "neuron_update": 3.0,
    "neuron_update_active": 8.0,
    "message_sent": 5.0,
    "message_received": 7.0,
    "accumulate": 2.0,
    "accumulate_shared": 1.0,
    "memory_read": 4.0,
    "link_message": 6.0,
}


@pytest.mark.parametrize("strategy", STRATEGIES)
@cases(60)
@given(data=st.data(), network=integer_networks())
def test_cores_take_what_their_synapses_written_out_say(data, network, strategy):
    """Every kind of work of every core in every chip step, neuron by neuron; cores hold at most six neurons."""
    profile = priced(limited(neurons=6, input_axons=None, output_axons=None), **SECONDS)
    placement = place(network, profile, strategy)
    values = stimulus(data.draw(inputs(network)), network)
    load = core_load(network, values, placement)
    (batch,) = batches(network, values, len(values))
    spikes = {k: v.reshape(len(values), network.steps, -1).astype(np.int64) for k, v in batch.spikes.items()}
    alone, ring = written_out(network, placement, spikes)
    assert load.times.latency_steps == len(alone["neurons"][0])
    for name, expected in alone.items():
        assert np.array_equal(load.times.alone[name], expected), name
        assert np.array_equal(load.times.back_to_back[name], ring[name]), name


def written_out(network, placement, spikes):
    """Return the slowest core's seconds by kind of work: of images alone, and of images in a ring."""
    depths, delays = (
        network.depths(),
        [min(p.delay, network.steps + len(network.projections)) for p in network.projections],
    )
    images, width, period = len(spikes["input"]), network.steps + max(depths.values()), network.steps + max(delays)
    kinds = ("neurons", "synapses", "reads", "arriving", "leaving")
    alone = {kind: np.zeros((len(placement.cores), images, width)) for kind in kinds}
    ring = {kind: np.zeros((len(placement.cores), images * period)) for kind in kinds}

    def add(kind, core, depth, seconds):
        for image, step in np.ndindex(images, network.steps):
            alone[kind][core, image, depth + step] += seconds[image, step]
            ring[kind][core, (image * period + depth + step) % (images * period)] += seconds[image, step]

    for number, core in enumerate(placement.cores):
        alone["neurons"][number] += SECONDS["neuron_update"] * core.use.neurons
        ring["neurons"][number] += SECONDS["neuron_update"] * core.use.neurons
        for index, counts in into_core(network, core).items():
            projection = network.projections[index]
            source = projection.source
            if source == "input" and network.source.neuron.levels > 1:
                continue
            each = SECONDS["accumulate_shared" if index in placement.shared else "accumulate"]
            messages, depth = spikes[source] @ (counts > 0), depths[source]
            words = list_bits(placement.profile.encoding, counts, weight_bits(projection.synapses.weight)) // 64
            add("synapses", number, depth, each * (spikes[source] @ counts) + SECONDS["message_received"] * messages)
            add("reads", number, depth, SECONDS["memory_read"] * (spikes[source] @ words))
            add("arriving", number, depth, SECONDS["link_message"] * messages)
            for neuron in np.flatnonzero(counts) if source != "input" else ():
                home, sent = core_of(network, placement, source, neuron), spikes[source][:, :, neuron]
                add("neurons", home, depth, SECONDS["message_sent"] * sent)
                add("leaving", home, depth, SECONDS["link_message"] * sent)
    for population in network.spiking:
        for neuron in range(int(np.prod(population.shape))):
            home, fired = (
                core_of(network, placement, population.name, neuron),
                spikes[population.name][:, :, neuron] > 0,
            )
            more = SECONDS["neuron_update_active"] - SECONDS["neuron_update"]
            add("neurons", home, depths[population.name], more * fired)
    return ({kind: each.max(axis=0) for kind, each in times.items()} for times in (alone, ring))


def test_a_table_by_tiles_holds_from_its_number_on():
    table = ByTiles(tiles=(1, 2, 4, 29), value=(0.6, 1.0, 1.4, 1.8), unit="s", evidence="fitted", source="a test")
    assert [table.at(tiles) for tiles in (1, 2, 3, 4, 28, 29, 32)] == [0.6, 1.0, 1.0, 1.4, 1.4, 1.8, 1.8]


def test_work_of_several_depths_on_one_core_adds_up():
    """Core 0 is idle for 1 s and has work of depths 0 (3, 0) and 2 (4, 10); core 1, idle for 5 s, of depth 2 (1, 0)."""
    stage = Stage({0: np.array([0]), 2: np.array([0, 1])}, 2, np.array([1.0, 5.0]))
    stage.add(0, np.array([[[3.0, 9.0], [0.0, 9.0]]]))
    stage.add(2, np.array([[[4.0, 1.0], [10.0, 0.0]]]))
    assert stage.slowest((1, 4), partial(staggered, width=4)).tolist() == [[5, 5, 6, 11]]
    assert stage.slowest((2,), partial(in_a_ring, period=2)).tolist() == [8, 11]
