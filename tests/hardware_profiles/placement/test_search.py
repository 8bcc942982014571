"""Every rule holds on every core, every neuron has one place, and what does not fit is named."""

import re
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeport.export.errors import PlacementError
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import (
    Convolution,
    Dense,
    IntegerNetwork,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.hardware_profiles.encoding import list_bits, weight_bits
from spikeport.hardware_profiles.limits import RULES, first_violation, sentence
from spikeport.hardware_profiles.placement import STRATEGIES, place
from spikeport.hardware_profiles.profile import load_profile, profile_names
from tests.hardware_profiles.networks import READOUT, convolutional, limited
from tests.hardware_profiles.written_out import block_of, grid_shape, into_core, list_bits_of, synapses
from tests.strategies import integer_networks

NETWORK = small_network()
CHIPS = [name for name in profile_names() if load_profile(name).limits is not None]


def needs(network, strategy):
    """Return limits that a core needs for any one neuron: synaptic memory, input and output axons.

    By synapses written out; exact for strategy unrolled and the axons, an upper bound otherwise.
    """
    memory, inputs = [0], [0]
    outputs = {population.name: 0 for population in network.populations}
    for population in network.neurons:
        per_neuron = sum(_arriving(network, projection, strategy) for projection in network.incoming(population.name))
        inputs.append(int(per_neuron.max()))
        memory.append(8 * inputs[-1])
    for projection in network.projections:
        full = synapses(network, projection)
        targets = full.sum(axis=(0, 1, 2)).reshape(network.population(projection.source).shape)
        reached = targets.max() if strategy == "unrolled" else 2 * targets.reshape(len(targets), -1).sum(axis=0).max()
        outputs[projection.source] += int(reached)
    sent = [number for name, number in outputs.items() if name != network.source.name]
    return {"synaptic_memory": max(memory), "input_axons": max(inputs), "output_axons": max(sent)}


def _arriving(network, projection, strategy):
    """Return the axons into every target neuron: source neurons, or all channels of their positions."""
    full, shape = synapses(network, projection), grid_shape(network.population(projection.source).shape)
    if strategy == "unrolled":
        return full.sum(axis=3)
    return full.reshape(*full.shape[:3], *shape).any(axis=3).sum(axis=(3, 4)) * shape[0]


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
        p.name: int(sum(_arriving(network, q, "unrolled") for q in network.incoming(p.name)).max())
        for p in reversed(network.neurons)
    }
    most = max(need.values())
    profile = limited(input_axons=most - 1, output_axons=None)
    name = next(name for name, number in need.items() if number == most)
    message = f"population {name} does not fit a core of loihi1 (unrolled): one neuron takes {most} of {most - 1} input"
    with pytest.raises(PlacementError, match=re.escape(message)):
        place(network, profile, "unrolled")


@given(network=integer_networks())
@settings(max_examples=40)
def test_uses_are_those_of_the_synapses_written_out(network):
    profile = limited(neurons=7, lists=("sparse",), input_axons=None, output_axons=None, synapse_registers=None)
    placement = place(network, profile, "unrolled")
    reached = {p.name: np.zeros(int(np.prod(p.shape)), int) for p in network.populations}
    for core in placement.cores:
        for number, counts in into_core(network, core).items():
            reached[network.projections[number].source] += counts > 0
    for core in placement.cores:
        each = into_core(network, core)
        use, encoding = core.use, profile.encoding
        assert use.synapses == sum(counts.sum() for counts in each.values())
        assert use.input_axons == sum(int((counts > 0).sum()) for counts in each.values())
        assert use.synaptic_memory == -(-list_bits_of(network, core, ("sparse",), 6, encoding) // 8)
        state, entry = encoding.neuron_state.value, encoding.input_axon_entry.value
        assert use.core_memory == use.synaptic_memory + use.neurons * state + use.input_axons * entry
        assert use.synapse_registers == len(each)
        shape = grid_shape(network.population(core.population).shape)
        assert use.output_axons == reached[core.population].reshape(shape)[block_of(core)].sum()
        neuron = network.population(core.population).neuron
        assert use.threshold_registers == different(network, core, neuron.threshold)
        assert use.decay_registers == different(network, core, neuron.decay_u, neuron.decay_v)


def different(network, core, *values):
    """Return how many different tuples of values the neurons of a core have."""
    shape = network.population(core.population).shape
    arrays = [np.broadcast_to(0 if value is None else value, shape).reshape(grid_shape(shape)) for value in values]
    return len(set(zip(*(array[block_of(core)].ravel().tolist() for array in arrays), strict=True)))


KINDS = [("dense",), ("run_length",), ("dense", "sparse", "run_length")]


@pytest.mark.parametrize("lists", KINDS)
@given(network=integer_networks())
@settings(max_examples=25)
def test_lists_of_every_kind_are_those_written_out(lists, network):
    profile = limited(neurons=6, lists=lists, input_axons=None, output_axons=None)
    for core in place(network, profile, "unrolled").cores:
        expected = list_bits_of(network, core, lists, 6, profile.encoding)
        assert core.use.synaptic_memory == -(-expected // 8)


@pytest.mark.parametrize("lists", [("sparse",), *KINDS])
@given(network=integer_networks(delays=False))
@settings(max_examples=10)
def test_shared_kernels_never_take_more_memory_than_written_out(lists, network):
    profile = limited(
        lists=lists, neurons=2**20, input_axons=None, output_axons=None, threshold_registers=None, decay_registers=None
    )
    shared, unrolled = (place(network, profile, strategy) for strategy in ("shared", "unrolled"))
    for one, other in zip(shared.cores, unrolled.cores, strict=True):
        assert one.use.synaptic_memory <= other.use.synaptic_memory
        assert one.use.synapses == other.use.synapses
        assert one.use.input_axons <= other.use.input_axons


def test_indices_tell_the_neurons_of_a_core_apart():
    """256 neurons take 8 bits, 64 and fewer the least of 6: 4 * 64 on one core, then 8 on each."""
    network = convolutional(weight=np.full((4, 2, 3, 3), 100, np.int8))
    for neurons, index in ((1024, 8), (32, 6)):
        profile = limited(lists=("sparse",), neurons=neurons, input_axons=None, output_axons=None)
        core = place(network, profile, "unrolled").cores[0]
        expected = list_bits_of(network, core, ("sparse",), index, profile.encoding)
        assert core.use.synaptic_memory == -(-expected // 8)


def one_copy(profile):
    shared = msgspec.structs.replace(profile.encoding.shared, value="one_copy")
    return msgspec.structs.replace(profile, encoding=msgspec.structs.replace(profile.encoding, shared=shared))


@pytest.mark.parametrize(("stride", "kernel", "phases"), [(1, 3, [9]), (2, 4, [4] * 4), (2, 3, [4, 2, 2, 1])])
def test_one_copy_is_a_list_per_phase_of_the_stride(stride, kernel, phases):
    network, profile = convolutional(stride, 1, kernel), one_copy(limited(lists=("sparse",)))
    core = place(network, profile, "shared").cores[0]
    entry = 8 + max(6, (core.use.neurons - 1).bit_length())
    bits = sum(2 * int(list_bits(profile.encoding, np.array(4 * taps), entry)) for taps in phases)
    assert core.use.synaptic_memory == -(-bits // 8)


@pytest.mark.parametrize(
    ("stride", "padding", "kernel", "lists"),
    [(1, 1, 3, 9), (1, 0, 3, 25), (2, 0, 3, 16), (1, 2, 5, 25), (2, 1, 4, 16)],
)
def test_shared_kernels_are_stored_once_per_set_of_taps(stride, padding, kernel, lists):
    """Over 8x8 on one core: as many lists a channel as sets of taps that a source position meets, found one by one."""
    network, profile = convolutional(stride, padding, kernel), limited(lists=("sparse",))
    core = place(network, profile, "shared").cores[0]
    side = network.population("conv").shape[1]
    sets = {
        y: frozenset(y + padding - o * stride for o in range(side) if 0 <= y + padding - o * stride < kernel)
        for y in range(8)
    }
    chosen = {(a, b) for a in sets.values() for b in sets.values() if a and b}
    assert len(chosen) == lists
    entry = weight_bits(network.projections[0].synapses.weight) + max(6, (core.use.neurons - 1).bit_length())
    bits = sum(2 * int(list_bits(profile.encoding, np.array(4 * len(a) * len(b)), entry)) for a, b in chosen)
    assert core.use.synaptic_memory == -(-bits // 8)
    assert core.use.synapses == synapses(network, network.projections[0]).sum()


def test_pooled_positions_share_their_lists():
    """The kernel of a 2x2 pool and a 3x3 convolution repeats every weight: one list for the four pixels of a pool."""
    small = np.random.default_rng(0).integers(1, 100, (4, 2, 3, 3)).astype(np.int8)
    folded = convolutional(2, 2, 6, 16, small.repeat(2, axis=2).repeat(2, axis=3))
    apart = convolutional(1, 1, 3, 8, small)
    memory = [place(network, limited(), "shared").cores[0].use.synaptic_memory for network in (folded, apart)]
    assert memory[0] == memory[1]


def test_population_axons_carry_all_channels_of_a_position():
    network = convolutional()
    unrolled, shared = (place(network, limited(), strategy) for strategy in STRATEGIES)
    assert (unrolled.cores[0].use.input_axons, shared.cores[0].use.input_axons) == (128, 64)
    assert shared.cores[0].use.output_axons == unrolled.cores[0].use.output_axons == 256


def test_source_on_several_cores_takes_axons_for_each():
    """conv's 4 channels lie on two cores of 2, so each of 4 positions arrives at conv2 twice, and takes two slots."""
    first = convolutional(side=2)
    weight = np.random.default_rng(1).integers(1, 100, (2, 4, 3, 3)).astype(np.int8)
    second = Convolution(weight=weight, padding=(1, 1))
    hidden = first.populations[1]
    network = replace(
        first,
        populations=(*first.populations[:2], replace(hidden, name="conv2", shape=(2, 2, 2)), first.populations[2]),
        projections=(
            first.projections[0],
            IntegerProjection(source="conv", target="conv2", synapses=second),
            IntegerProjection(source="conv2", target="readout", synapses=Dense(weight=np.ones((3, 8), np.int8))),
        ),
    )
    placement = place(network, limited(neurons=2), "shared")
    conv, conv2 = ([core for core in placement.cores if core.population == name] for name in ("conv", "conv2"))
    assert [core.channels for core in conv] == [(0, 2)] * 4 + [(2, 4)] * 4
    assert [core.use.input_axons for core in conv2] == [2 * 4] * 4
    assert [core.use.output_axons for core in conv] == [4 * 2] * 8


def test_the_strategy_with_fewer_cores_is_taken_and_the_other_explained():
    network = convolutional(side=16)
    profile = limited(synaptic_memory=12000)
    counts = {strategy: len(place(network, profile, strategy).cores) for strategy in STRATEGIES}
    best = place(network, profile)
    assert best.strategy == "shared"
    assert counts["shared"] < counts["unrolled"]
    assert best.refused == {"unrolled": f"{counts['unrolled']:,} cores"}


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (
            {"synaptic_memory": 8},
            "population readout does not fit a core of loihi1 .*one neuron takes .* of 8 bytes of synaptic",
        ),
        ({"input_axons": 3}, r"one neuron takes 36 of 3 input axons, 12 times what there is\. .*prune until"),
        ({"output_axons": 1, "neurons": 1}, "population conv1 does not fit .* takes 3 of 1 output axons, 3 times"),
    ],
)
def test_what_does_not_fit_names_layer_amount_and_way_out(limits, message):
    with pytest.raises(PlacementError, match=message):
        place(NETWORK, limited(**limits), "unrolled")


def test_a_chip_without_cores_and_an_unknown_strategy_are_refused():
    with pytest.raises(PlacementError, match="cmos45_fp32 has no cores to place neurons on"):
        place(NETWORK, load_profile("cmos45_fp32"))
    with pytest.raises(PlacementError, match="truenorth cannot place 'shared'; it can unrolled"):
        place(NETWORK, load_profile("truenorth"), "shared")


def test_smaller_cores_need_more_of_them():
    assert len(place(NETWORK, limited(neurons=6)).cores) == 7
    assert len(place(NETWORK, load_profile("loihi1")).cores) == 2


def test_thresholds_and_decays_take_registers():
    values = np.arange(36).reshape(4, 3, 3)
    hidden = NETWORK.populations[1]
    shape = hidden.shape
    values = np.arange(int(np.prod(shape))).reshape(shape)
    many = replace(hidden, neuron=replace(hidden.neuron, threshold=values))
    network = replace(NETWORK, populations=(NETWORK.populations[0], many, *NETWORK.populations[2:]), bounds={})
    cores = [core for core in place(network, load_profile("loihi1")).cores if core.population == hidden.name]
    assert max(core.use.threshold_registers for core in cores) <= 16
    assert sum(core.use.threshold_registers for core in cores) == values.size
    alike = replace(
        hidden, neuron=replace(hidden.neuron, decay_v=np.broadcast_to([[[5]], [[6]]] * (shape[0] // 2), shape))
    )
    network = replace(NETWORK, populations=(NETWORK.populations[0], alike, *NETWORK.populations[2:]), bounds={})
    assert place(network, load_profile("loihi1")).cores[0].use.decay_registers == 2


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", CHIPS)
def test_every_rule_has_its_sentence_and_its_resource(rule, name):
    assert sentence(rule).endswith(".")
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


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("lists", [("sparse",), ("dense", "sparse"), ("run_length",)])
@given(network=integer_networks())
@settings(max_examples=20)
def test_lower_bounds_are_below_what_is_taken(lists, strategy, network):
    memory = max(64, needs(network, strategy)["synaptic_memory"])
    free = {"core_memory": 2**20, "input_axons": None, "output_axons": None}
    for limit in (memory, 2**20):
        placement = place(network, limited("loihi2", lists=lists, synaptic_memory=limit, **free), strategy)
        taken = sum(core.use.synaptic_memory for core in placement.cores)
        assert (placement.lower_bounds.memory - 1) * limit < taken
        assert placement.lower_bounds.memory <= len(placement.cores)
        neurons = sum(int(np.prod(population.shape)) for population in network.neurons)
        assert placement.lower_bounds.neurons == -(-neurons // 8192)


def test_kernels_larger_than_the_map_bound_by_what_is_met():
    network = convolutional(weight=np.ones((64, 2, 15, 15), np.int8), kernel=15, padding=7, side=2)
    placement = place(network, limited("loihi2", synaptic_memory=2048), "shared")
    assert placement.lower_bounds.memory <= len(placement.cores)


def test_run_length_lists_fit_where_they_fit():
    weight = np.ones((64, 40), np.int8)
    network = IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(40,), neuron=Source(levels=1, unit=1.0)),
            IntegerPopulation(name="a", shape=(64,), neuron=READOUT),
        ),
        projections=(IntegerProjection(source="input", target="a", synapses=Dense(weight=weight)),),
        steps=2,
    )
    placement = place(network, limited(lists=("run_length",), synaptic_memory=800))
    assert max(core.use.synaptic_memory for core in placement.cores) <= 800


def test_narrow_weights_take_less_memory():
    """Weights of 4 bits take 4 bits, not the 8 of the widest."""
    wide = convolutional(weight=np.full((4, 2, 3, 3), 100, np.int8))
    narrow = convolutional(weight=np.full((4, 2, 3, 3), 7, np.int8))
    bits = [place(network, limited(lists=("sparse",))).cores[0].use.synaptic_memory for network in (wide, narrow)]
    assert bits[1] < bits[0]
