"""Rates of neurons from a file's numbers: noise of float32 goes, small numbers stay."""

import nir
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.errors import FormatError
from spikeport.export.nir_import.graph import read
from spikeport.export.nir_import.neurons import snapped
from tests.export.nir_import.test_graph import run, written


def lif(**changes):
    values = {"tau": 4.0, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0, **changes}
    return nir.LIF(**{key: np.array([value]) for key, value in values.items()})


def neuron_of(path, node, **options):
    written(path, {"node": node}, [("input", "node"), ("node", "output")], (1,))
    network, _ = read(path, steps=10, dialect="nir", **options)
    return network.neurons[0].neuron


def test_small_gain_and_decay_stay_as_they_are(tmp_path):
    found = neuron_of(tmp_path / "a.nir", lif(tau=4e6, v_threshold=4e-7))
    assert (found.gain, found.decay_potential) == (2.5e-7, 2.5e-7)
    slow = neuron_of(tmp_path / "b.nir", lif(tau=5000.0), dt=1e-3)
    assert slow.decay_potential == 1e-3 / 5000
    assert neuron_of(tmp_path / "c.nir", nir.IF(*(np.array([v]) for v in (3e-7, 1.0, 0.0)))).gain == 3e-7


def test_neuron_of_small_gain_fires(tmp_path):
    """A gain of 2.5e-7 reaches a threshold of 4e-7 at the second step."""
    node = lif(tau=4e6, v_threshold=4e-7)
    written(tmp_path / "a.nir", {"node": node}, [("input", "node"), ("node", "output")], (1,))
    spikes = run(tmp_path / "a.nir", np.ones((1, 10, 1)), dialect="nir")["node"].ravel()
    assert spikes.astype(int).tolist() == [0, 1] * 5


def test_delay_of_a_small_part_of_a_step_is_no_delay_of_zero(tmp_path):
    nodes = {"d": nir.Delay(np.array([5e-7])), "node": lif()}
    written(tmp_path / "a.nir", nodes, [("input", "d"), ("d", "node"), ("node", "output")], (1,))
    with pytest.raises(FormatError, match="a delay of 5e-07 steps, each of 1; expected whole numbers"):
        read(tmp_path / "a.nir", steps=10, dialect="nir")


@given(st.floats(1e-60, 1e30))
def test_no_number_becomes_zero(value):
    assert snapped(np.array(value)) == pytest.approx(value, rel=4e-7, abs=0)


@given(st.integers(1, 4096), st.sampled_from([1e-4, 1e-3, 0.1, 1.0]))
def test_noise_of_float32_on_multiples_goes(multiple, dt):
    """Tau as frameworks write it, dt / decay in float32."""
    decay = multiple / 4096
    assert snapped(dt / np.float64(np.float32(dt / decay))) == decay
    assert snapped(np.float64(np.float32(decay)) * (1 + 1e-7)) == decay
