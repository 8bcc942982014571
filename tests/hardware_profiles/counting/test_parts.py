"""Several projections between the same two populations have names of their own."""

from dataclasses import replace

import numpy as np
import pytest

from spikeport.export.network import Coding, Dense, IntegerNetwork, IntegerPopulation, IntegerProjection, Source
from spikeport.export.stimulus import random_stimulus
from spikeport.hardware_profiles.counting import count
from spikeport.hardware_profiles.counting.parts import called, parts
from tests.hardware_profiles.networks import READOUT, convolutional


def network(shape, weights, *, delays=None, coding=None):
    """Return a network of one projection for each of ``weights`` from the input to the readout."""
    delays = [0] * len(weights) if delays is None else delays
    return IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=shape, neuron=Source(levels=1, unit=1.0, coding=coding)),
            IntegerPopulation(name="readout", shape=(1,), neuron=READOUT),
        ),
        projections=tuple(
            IntegerProjection(source="input", target="readout", synapses=Dense(weight=weight), delay=delay)
            for weight, delay in zip(weights, delays, strict=True)
        ),
        steps=2,
    )


def bits(channels):
    """Return for each bit weights from the channels that carry it, one of 2 pixels at least."""
    weights = np.zeros((8, 1, 8 * channels * 2), np.int8)
    for bit in range(8):
        weights[bit, 0, (bit + 1) * channels * 2 - 1] = 1
    return list(weights)


@pytest.mark.parametrize("channels", [1, 3])
def test_projections_of_a_phase_coded_input_are_called_by_their_bit(channels):
    coded = network((8 * channels, 1, 2), bits(channels), coding=Coding(encoder="phase_bits"))
    assert parts(coded) == [f"bit {2**bit}" for bit in (7, 6, 5, 4, 3, 2, 1, 0)]
    shown = count(coded, random_stimulus(coded, 2, 0)).text()
    assert "input (bit 128) -> readout" in shown
    assert "input (bit 1) -> readout" in shown


def test_others_are_called_by_delay_or_number():
    weights = [np.ones((1, 2), np.int8)] * 3
    assert parts(network((2,), weights, delays=[0, 2, 5])) == ["delay 0", "delay 2", "delay 5"]
    assert parts(network((2,), weights, delays=[0, 2, 2])) == ["1 of 3", "2 of 3", "3 of 3"]


def test_a_projection_that_carries_two_bits_is_called_by_its_number():
    weights = bits(1)
    weights[0] = weights[0] + weights[1]
    coded = network((8, 1, 2), weights, coding=Coding(encoder="phase_bits"))
    assert parts(coded) == [f"{number} of 8" for number in range(1, 9)]


def test_an_only_projection_has_no_part():
    one = convolutional()
    assert parts(one) == ["", ""]
    assert called("a", "b") == "a -> b"
    twice = replace(one, projections=(*one.projections, replace(one.projections[1])))
    assert parts(twice) == ["", "1 of 2", "2 of 2"]
