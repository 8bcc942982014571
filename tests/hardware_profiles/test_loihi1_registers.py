"""What `export --to loihi1` writes lies in the ranges of the profile, and what the profile holds is written."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export import loihi1
from spikeport.export.errors import FormatError
from spikeport.export.network import (
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.target_rules import misfits
from spikeport.hardware_profiles.chip_formats import target
from spikeport.hardware_profiles.profile import load_profile

FORMATS = load_profile("loihi1").formats


def test_ranges_are_the_profiles():
    assert (2 ** int(FORMATS.accumulator.value) >> 6) - 1 == loihi1.ACCUMULATOR[1]
    assert -(2 ** int(FORMATS.accumulator.value)) >> 6 == loihi1.ACCUMULATOR[0]
    assert 2 ** int(FORMATS.current.value) - 1 == loihi1.CURRENT_MAX
    assert FORMATS.weight_exponent.value == loihi1.WEIGHT_EXPONENTS
    assert FORMATS.threshold.value == loihi1.THRESHOLDS
    assert FORMATS.bias_mantissa.value == (-loihi1.BIAS_MANTISSA_MAX, loihi1.BIAS_MANTISSA_MAX)
    assert FORMATS.decay_current.value == loihi1.CURRENT_DECAYS
    assert FORMATS.decay_potential.value == loihi1.POTENTIAL_DECAYS
    assert int(FORMATS.delay.value) == loihi1.LONGEST_DELAY
    assert set(FORMATS.sign_modes.value) == set(loihi1.MANTISSAS)


@given(
    weight=st.lists(st.integers(-128, 127), min_size=1, max_size=300),
    exponent=st.integers(0, 15),
    decays=st.tuples(st.sampled_from([0, 1, 4096]), st.sampled_from([0, 4095, 4096])),
    threshold=st.sampled_from([0, 1, 2**17 - 1]),
)
def test_what_the_rules_hold_is_written_and_nothing_else(weight, exponent, decays, threshold):
    neuron = IntegerNeuron(
        threshold=np.array(threshold),
        bias_mantissa=np.array(0),
        decay_u=np.array(decays[0]),
        decay_v=np.array(decays[1]),
    )
    populations = (
        IntegerPopulation(name="input", shape=(len(weight),), neuron=Source(levels=1)),
        IntegerPopulation(name="a", shape=(1,), neuron=neuron),
    )
    synapses = Dense(weight=np.array([weight], np.int8))
    projection = IntegerProjection(source="input", target="a", synapses=synapses, exponent=exponent)
    network = IntegerNetwork(populations=populations, projections=(projection,), steps=2)
    broken = misfits(network, target("loihi1"))
    try:
        loihi1.check(network)
        loihi1.neurons(network.neurons[0])
        loihi1.weights(projection)
    except FormatError as error:
        assert broken, str(error)
    else:
        assert not broken
