"""Every rule holds on every core, every neuron has one place, and what does not fit is named."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings

from spikeport.export.errors import PlacementError
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
from spikeport.hardware_profiles.encoding import list_bits, weight_bits
from spikeport.hardware_profiles.limits import RULES, first_violation, sentence
from spikeport.hardware_profiles.placement import STRATEGIES, place
from spikeport.hardware_profiles.profile import load_profile, profile_names
from tests.hardware_profiles.written_out import into_core, synapses
from tests.strategies import integer_networks

NETWORK = small_network()
CHIPS = [name for name in profile_names() if load_profile(name).limits is not None]


def limited(name="loihi1", lists=None, **limits):
    """Return a profile with other limits and kinds of lists."""
    profile = load_profile(name)
    changed = {
        key: None if value is None else msgspec.structs.replace(getattr(profile.limits, key), value=value)
        for key, value in limits.items()
    }
    profile = msgspec.structs.replace(profile, limits=msgspec.structs.replace(profile.limits, **changed))
    if lists is None:
        return profile
    kinds = msgspec.structs.replace(profile.encoding.lists, value=lists)
    return msgspec.structs.replace(profile, encoding=msgspec.structs.replace(profile.encoding, lists=kinds))


PROFILES = [
    load_profile("loihi1"),
    load_profile("loihi2"),
    limited(neurons=5),
    limited(synaptic_memory=600),
    limited(input_axons=30, output_axons=60),
]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("profile", PROFILES)
@given(network=integer_networks())
@settings(max_examples=25)
def test_all_rules_hold_and_every_neuron_is_placed_once(profile, strategy, network):
    try:
        placement = place(network, profile, strategy)
    except PlacementError as error:
        assert "one neuron takes" in str(error)
        return
    for core in placement.cores:
        assert first_violation(profile, core.use) is None
    for population in network.neurons:
        shape = population.shape if len(population.shape) == 3 else (int(np.prod(population.shape)), 1, 1)
        seen = np.zeros(shape, int)
        for core in placement.cores:
            if core.population == population.name:
                seen[tuple(slice(*edges) for edges in (core.channels, core.rows, core.columns))] += 1
        assert (seen == 1).all()
    assert len(placement.cores) >= max(placement.lower_bounds.neurons, placement.lower_bounds.memory)


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
        assert core.use.synapses == sum(counts.sum() for counts in each.values())
        assert core.use.input_axons == sum(int((counts > 0).sum()) for counts in each.values())
        bits = 0
        for number, counts in each.items():
            entry = weight_bits(network.projections[number].synapses.weight) + 6
            bits += int(list_bits(profile.encoding, counts, entry).sum())
        assert core.use.synaptic_memory == -(-bits // 8)
        shape = network.population(core.population).shape
        shape = shape if len(shape) == 3 else (int(np.prod(shape)), 1, 1)
        block = tuple(slice(*edges) for edges in (core.channels, core.rows, core.columns))
        assert core.use.output_axons == reached[core.population].reshape(shape)[block].sum()


@pytest.mark.parametrize("lists", [("dense",), ("run_length",), ("dense", "sparse", "run_length")])
@given(network=integer_networks())
@settings(max_examples=20)
def test_dense_lists_hold_every_pair_and_the_best_kind_is_taken(lists, network):
    free = {"neurons": 6, "input_axons": None, "output_axons": None}
    placement = place(network, limited(lists=lists, **free), "unrolled")
    for core in placement.cores:
        least = sum(
            int(counts[counts > 0].size) * weight_bits(network.projections[number].synapses.weight)
            for number, counts in into_core(network, core).items()
        )
        assert core.use.synaptic_memory * 8 >= least
        if lists == ("dense",) and core.use.synapses:
            assert core.use.synaptic_memory >= 8
    if len(lists) == 3:
        alone = [place(network, limited(lists=(kind,), **free), "unrolled") for kind in lists]
        for number, core in enumerate(placement.cores):
            assert core.use.synaptic_memory <= min(each.cores[number].use.synaptic_memory for each in alone)


def convolutional(stride=1, padding=1, kernel=3, side=8, weight=None):
    """Return a network of one convolution over (2, side, side) into 4 channels, and a readout."""
    weight = (
        np.random.default_rng(0).integers(1, 100, (4, 2, kernel, kernel)).astype(np.int8) if weight is None else weight
    )
    synapses_ = Convolution(weight=weight, stride=(stride, stride), padding=(padding, padding))
    shape = synapses_.output_shape((2, side, side))
    hidden = IntegerNeuron(threshold=np.array(100), bias_mantissa=np.zeros((), np.int64))
    out = IntegerNeuron(threshold=None, bias_mantissa=np.zeros((), np.int64))
    dense = Dense(weight=np.ones((3, int(np.prod(shape))), np.int8))
    return IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(2, side, side), neuron=Source(levels=1, unit=1.0)),
            IntegerPopulation(name="conv", shape=shape, neuron=hidden),
            IntegerPopulation(name="readout", shape=(3,), neuron=out),
        ),
        projections=(
            IntegerProjection(source="input", target="conv", synapses=synapses_),
            IntegerProjection(source="conv", target="readout", synapses=dense),
        ),
        steps=4,
    )


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


@pytest.mark.parametrize("lists", [("sparse",), ("dense", "sparse"), ("run_length",)])
@given(network=integer_networks())
@settings(max_examples=30)
def test_lower_bounds_are_below_what_is_taken(lists, network):
    placement = place(network, limited("loihi2", lists=lists, synaptic_memory=2**20, core_memory=2**20))
    taken = sum(core.use.synaptic_memory for core in placement.cores)
    assert placement.lower_bounds.memory * 2**20 < taken + 2**20
    for strategy in STRATEGIES:
        profile = limited("loihi2", lists=lists, synaptic_memory=64)
        try:
            found = place(network, profile, strategy)
        except PlacementError:
            continue
        assert found.lower_bounds.memory <= len(found.cores)


def test_kernels_larger_than_the_map_bound_by_what_is_met():
    network = convolutional(weight=np.ones((64, 2, 15, 15), np.int8), kernel=15, padding=7, side=2)
    placement = place(network, limited("loihi2", synaptic_memory=2048), "shared")
    assert placement.lower_bounds.memory <= len(placement.cores)


def test_run_length_lists_fit_where_they_fit():
    weight = np.ones((64, 40), np.int8)
    network = convolutional(side=2)
    out = IntegerNeuron(threshold=None, bias_mantissa=np.zeros((), np.int64))
    network = IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(40,), neuron=Source(levels=1, unit=1.0)),
            IntegerPopulation(name="a", shape=(64,), neuron=out),
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
