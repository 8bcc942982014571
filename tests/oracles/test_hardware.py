"""Counts and memory against what other tools say of the same networks; recorded in their own environments.

`tests/oracles/hardware/record_*.py` wrote the recordings. Times are floating-point sums, so they are compared to 12
digits; counts are compared as integers. Named differences: NeuroBench calls a pooled input
multiply-accumulate where it is not binary, so both kinds are added; it pools apart, so it is mode relay. nengo-loihi
joins the lists of all channels of a position into one, and never compares weights.
"""

import msgspec
import numpy as np
import pytest

from spikeport.export.network import (
    Convolution,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.hardware_profiles.encoding import list_bits
from spikeport.hardware_profiles.energy import synaptic_energy
from spikeport.hardware_profiles.placement import place
from spikeport.hardware_profiles.profile import load_profile
from tests.oracles.hardware.cases import cases
from tests.oracles.hardware.compare import TOOLS, counted, recorded
from tests.oracles.hardware.times import PROFILE, costs, times, with_neurons_at_rest

pytestmark = pytest.mark.oracle
ENCODING = load_profile("loihi1").encoding


@pytest.mark.parametrize(("tool", "least"), [("SANA-FE", 100), ("NeuroBench", 80), ("nengo-loihi", 600)])
def test_every_number_is_the_other_tools(tool, least):
    pairs = list(TOOLS[tool]())
    assert len(pairs) >= least
    assert [(what, ours, theirs) for what, ours, theirs in pairs if ours != theirs] == []


def test_networks_are_not_trivial():
    for case in cases():
        rates = [each.rate for each in counted(case).spikes]
        assert all(0.003 < rate < 0.5 for rate in rates), case.name


def test_limits_are_nengo_loihis():
    limits, constants = load_profile("loihi1").limits, recorded("nengo_loihi")["constants"]
    assert limits.neurons.value == constants["MAX_COMPARTMENTS"]
    assert limits.input_axons.value == constants["MAX_IN_AXONS"]
    assert limits.output_axons.value == constants["MAX_OUT_AXONS"]
    assert limits.synaptic_memory.value * 8 == constants["MAX_SYNAPSE_BITS"]


def placed(synapses, shape, lists, strategy):
    """Return the cores of a hidden population of ``shape`` that sends through ``synapses`` to one core."""
    profile = load_profile("loihi1")
    kinds = msgspec.structs.replace(profile.encoding.lists, value=lists)
    one = msgspec.structs.replace(profile.limits.threshold_registers, value=1)  # no core holds two populations
    limits = msgspec.structs.replace(profile.limits, threshold_registers=one)
    encoding = msgspec.structs.replace(profile.encoding, lists=kinds)
    profile = msgspec.structs.replace(profile, limits=limits, encoding=encoding)
    neuron = IntegerNeuron(threshold=np.array(1), bias_mantissa=np.zeros((), np.int64))
    one = Convolution(weight=np.ones((shape[0], 1, 1, 1), np.int8))
    populations = (
        IntegerPopulation(name="input", shape=(1, *shape[1:]), neuron=Source(levels=1, unit=1.0)),
        IntegerPopulation(name="source", shape=shape, neuron=neuron),
        IntegerPopulation(name="target", shape=synapses.output_shape(shape), neuron=neuron),
    )
    projections = (
        IntegerProjection(source="input", target="source", synapses=one),
        IntegerProjection(source="source", target="target", synapses=synapses),
    )
    network = IntegerNetwork(populations=populations, projections=projections, steps=1)
    return [core.use for core in place(network, profile, strategy).cores]


def test_dense_matrix_takes_nengo_loihis_bits():
    expected = recorded("nengo_loihi")["blocks"]["dense"]
    source, target = placed(Dense(weight=np.full((40, 60), 100, np.int8)), (60, 1, 1), ("dense",), "unrolled")
    assert target.synaptic_memory * 8 == expected["bits"]
    assert target.input_axons == expected["target"]["in-axons"][0]
    assert source.output_axons == expected["source"]["out-axons"][0]


def test_sparse_lists_take_nengo_loihis_bits_where_it_charges_the_index():
    expected = recorded("nengo_loihi")["blocks"]["sparse_indexed"]
    entries = np.array([np.prod(shape) for shape in expected["list_shapes"]])
    assert list_bits(ENCODING, entries, 8 + expected["index_bits"]).sum() == expected["bits"]
    weight = np.zeros((40, len(entries)), np.int8)
    for source, count_ in enumerate(entries):
        weight[:count_, source] = 100
    _, target = placed(Dense(weight=weight), (len(entries), 1, 1), ("sparse",), "unrolled")
    assert target.synaptic_memory * 8 == expected["bits"]


@pytest.mark.parametrize(
    ("block", "padding", "stride", "index"),
    [
        ("conv_same_pop32_channels_first", 1, 1, 9),
        ("conv_valid_pop32_channels_first", 0, 1, 9),
        ("conv_valid_strided_pop32", 0, 2, 7),
    ],
)
def test_shared_kernels_are_nengo_loihis_lists(block, padding, stride, index):
    """The same copies per border class and the same axons.

    Rules that differ: nengo-loihi joins the four channels of a list, so only ours are rounded to words one by one; its
    index leaves out the base of a list, so a strided kernel's is a bit shorter than ours.
    """
    expected = recorded("nengo_loihi")["blocks"][block]
    joined = sum(
        int(list_bits(ENCODING, np.array(a * b), 8 + expected["index_bits"])) for a, b in expected["list_shapes"]
    )
    assert joined == expected["bits"]
    synapses = Convolution(
        weight=np.full((8, 4, 3, 3), 100, np.int8), stride=(stride, stride), padding=(padding, padding)
    )
    source, target = placed(synapses, (4, 8, 8), ("sparse",), "shared")
    ours = sum(channels * int(list_bits(ENCODING, np.array(n), 8 + index)) for channels, n in expected["list_shapes"])
    assert target.synaptic_memory * 8 == ours
    assert target.input_axons == expected["n_axons"] - expected["unused_axons"]
    assert source.output_axons == (expected["n_axons"] - expected["unused_axons"]) * expected["slots_per_axon"]
    assert target.neurons == expected["target"]["compartments"][0]


RATIOS = {
    "dense": (1.001, 1.001),
    "sparse": (1.073, 1.041),
    "pooled": (1.072, 1.040),
    "pooled_sparser": (1.225, 1.225),
    "strided": (1.014, 1.008),
    "unpadded": (1.011, 1.001),
    "flat": (1.003, 0.995),
}
"""Our seconds of one image alone over those of SANA-FE's models 'simple' and 'detailed', as in docs/hardware.md."""


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_the_time_is_sana_fes_but_for_neurons_at_rest(case):
    """SANA-FE only accesses a neuron without potential, input and bias: with that rule, its simple model's time."""
    expected = recorded("sanafe")["cases"][case.name]["seconds"]["simple"]
    assert with_neurons_at_rest(case) == pytest.approx(expected, rel=1e-12)
    assert np.mean(expected) < costs(case).time.latency


def test_times_over_sana_fes():
    found = {name: tuple(round(ratio, 3) for ratio in each.ratios.values()) for name, each in times().items()}
    assert found == RATIOS
    assert costs(next(cases())).time.unknown == ("memory reads", "messages over a link")


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_energy_of_synapses_is_sana_fes(case):
    found, parts = costs(case), recorded("sanafe")["cases"][case.name]["joules"]
    ours = synaptic_energy(found.counts, load_profile(PROFILE), found.placement)
    assert ours == pytest.approx(np.mean([each["synapse"] for each in parts]), rel=1e-11)


def test_constants_are_those_of_sana_fes_loihi():
    """Read out of the file that comes with SANA-FE when the recording was made."""
    theirs, profile = recorded("sanafe")["constants"], load_profile(PROFILE)
    soma, latency, energy = theirs["loihi_lif"], profile.latency, profile.energy
    access, update, spike = (soma[f"latency_{name}"] for name in ("access_neuron", "update_neuron", "spike_out"))
    assert latency.neuron_update.value == pytest.approx(access + update)
    assert latency.neuron_update_active.value == pytest.approx(access + update + spike)
    access, update, spike = (soma[f"energy_{name}"] for name in ("access_neuron", "update_neuron", "spike_out"))
    assert energy.neuron_update_inactive.value == pytest.approx(access + update)
    assert energy.neuron_update_active.value == pytest.approx(access + update + spike)
    assert latency.message_received.value == theirs["loihi_in"]["latency_message_in"]
    assert latency.message_sent.value == theirs["loihi_out"]["latency_message_out"]
    assert energy.message.value == theirs["loihi_out"]["energy_message_out"]
    for own, name in (("accumulate", "loihi_sparse_synapse"), ("accumulate_shared", "loihi_conv_synapse")):
        assert getattr(latency, own).value == theirs[name]["latency_process_spike"]
        assert getattr(energy, own).value == theirs[name]["energy_process_spike"]
    assert energy.hop_vertical.value == theirs["tile"]["energy_north_hop"]
    assert energy.hop_horizontal.value == theirs["tile"]["energy_east_hop"]
    table = {
        str(tiles): value
        for tiles, value in zip(latency.synchronisation.tiles, latency.synchronisation.value, strict=True)
    }
    assert table == theirs["synchronisation"]
