"""Biases of the images of a run: of networks that take them, and of held images alone."""

import numpy as np
import pytest

from spikeport.export import biases
from spikeport.export.bias_form import as_bias
from spikeport.export.errors import StimulusError
from spikeport.export.image_biases import values_of
from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import random_stimulus, stimulus


def test_rows_of_a_run_get_their_own_biases():
    network = as_bias(small_network())
    images = random_stimulus(network, 5, 0)
    (found,) = values_of(network, images, slice(2, 4)).values()
    assert np.array_equal(found, biases.written(network, images.values)["conv1"].values[2:4])


def test_input_that_changes_cannot_be_a_bias():
    network = as_bias(small_network())
    frames = np.zeros((2, network.steps, *network.source.shape), np.uint8)
    with pytest.raises(StimulusError, match=r"a bias is written once per image; expected held images, \(N, \.\.\.\)"):
        stimulus(frames, network)
    driven = stimulus(frames, small_network())
    with pytest.raises(StimulusError, match="a bias is written once per image"):
        values_of(network, driven, slice(0, 1))
    assert values_of(small_network(), driven, slice(0, 1)) == {}
