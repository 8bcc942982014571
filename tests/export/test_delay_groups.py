"""Synapses parted by delay: every weight stands in one part, at its own delay."""

import numpy as np
import pytest

from spikeport.export.delay_groups import by_delay, count_of_delays, delays_of_weights
from spikeport.export.errors import NetworkError
from spikeport.export.network import Convolution, Dense


def test_every_weight_stands_in_the_part_of_its_source_and_target():
    synapses = Dense(weight=np.array([[1, 2, 0], [4, 5, 6]]))
    delays = delays_of_weights(synapses, np.array([0, 1, 2]), np.array([0, 3]))
    assert delays.tolist() == [[0, 1, 2], [3, 4, 5]]
    parts = dict(by_delay(synapses, delays))
    assert sorted(parts) == [0, 1, 3, 4, 5]
    assert count_of_delays(synapses, delays) == 5
    assert np.array_equal(sum(part.weight for part in parts.values()), synapses.weight)
    assert parts[4].weight.tolist() == [[0, 0, 0], [0, 5, 0]]


def test_a_kernel_takes_one_delay_per_channel():
    synapses = Convolution(weight=np.ones((2, 2, 1, 1)))
    rows = np.broadcast_to(np.array([0, 2])[:, None, None], (2, 3, 3))
    assert delays_of_weights(synapses, rows, np.zeros((), int))[:, :, 0, 0].tolist() == [[0, 2], [0, 2]]
    uneven = rows.copy()
    uneven[0, 0, 0] = 1
    with pytest.raises(NetworkError, match="differ between neurons of one channel"):
        delays_of_weights(synapses, uneven, np.zeros((), int))
