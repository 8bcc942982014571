"""Numbers of neurons stay inside the registers."""

import numpy as np
import pytest

from spikeport.export.errors import NetworkError
from spikeport.export.network import IntegerNeuron, Source


def neuron(**changes):
    return IntegerNeuron(**{"threshold": np.array(1), "bias_mantissa": np.array(0), **changes})


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: neuron(decay_u=4097), "decay_u lies in 0..4096, found 4097 to 4097"),
        (lambda: neuron(bias_mantissa=5000), "bias_mantissa lies in -4096..4095, found 5000"),
        (lambda: neuron(bias_exponent=-1), "bias_exponent lies in 0..7, found -1"),
        (lambda: neuron(threshold=2**32 + 5), "threshold lies in"),
        (lambda: neuron(threshold=7.9), "threshold must be whole numbers, found float64 7.9"),
        (lambda: neuron(reset_by=2**26), "reset_by lies in"),
        (lambda: neuron(threshold=np.nan), "threshold must be whole numbers"),
        (lambda: Source(unit=np.nan), "unit of the source holds numbers that are not finite"),
        (lambda: Source(unit=0.0), "unit of the source is 0; expected numbers from 1e-30"),
        (lambda: Source(unit=-1.0), "unit of the source is -1; expected numbers from 1e-30"),
        (lambda: neuron(scale=np.nan), "scale holds numbers that are not finite"),
        (lambda: neuron(scale=1e300), "scale is 1e.300; expected numbers from 1e-30"),
        (lambda: Source(levels=0), "levels of the source is 0; expected one whole number from 1 to 16,777,215"),
    ],
)
def test_numbers_outside_a_register_are_refused(build, message):
    with pytest.raises(NetworkError, match=message):
        build()
