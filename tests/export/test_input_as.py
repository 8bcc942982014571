"""A network made ready for its input: spikes worth the full scale of a float network's source, biases of integers."""

import numpy as np
import pytest

from spikeport.export.bias_form import as_bias
from spikeport.export.errors import NetworkError
from spikeport.export.executors import floating
from spikeport.export.input_as import taking
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import BiasNetwork
from spikeport.export.stimulus import InputSettings, stimulus
from spikeport.export.stimulus.encoders import encoder
from spikeport.export.trace import record
from tests.export.stimulus.test_encoders import network_of


def test_bias_makes_the_bias_form():
    assert type(taking(small_network(), "bias")) is BiasNetwork


@pytest.mark.parametrize("name", ["phase", "poisson"])
def test_a_float_network_of_grey_levels_gets_spikes_that_are_worth_its_full_scale(name):
    """Full scale is 15 * 0.2 = 3; a white pixel brings that in every step of Poisson, once a period of phases."""
    spiking = taking(network_of(15, 0.2, steps=16), name)
    source = spiking.source.neuron
    assert source.levels == encoder(name).levels
    assert source.levels * source.unit == pytest.approx(3.0)
    white = stimulus(np.full((1, 4), 3.0), spiking, settings=InputSettings(input_as=name))
    total = record(floating.steps(spiking, white))["out"][0, -1]
    assert total == pytest.approx(np.full(4, 3.0 * (16 if name == "poisson" else 2)))


def test_networks_that_take_the_encoders_spikes_stay_as_they_are():
    network = network_of()
    assert taking(network, "poisson") is network
    assert taking(network, None) is network


@pytest.mark.parametrize("name", ["latency", "poisson"])
def test_integers_for_grey_levels_are_refused_with_the_way_out(name):
    with pytest.raises(NetworkError, match=rf"the integers take levels 0\.\.255 .* --input-as {name} --out NETWORK"):
        taking(small_network(), name)


def test_networks_that_take_biases_get_no_spikes():
    with pytest.raises(NetworkError, match="takes its input as biases; expected one that takes what poisson sends"):
        taking(as_bias(small_network()), "poisson")
    with pytest.raises(NetworkError, match="a float network has no bias registers; quantize it"):
        taking(network_of(), "bias")
