"""What arrives in the first step: Norse's loops are silent then, snnTorch's have their bias, spyx sends a step late."""

import nir
import numpy as np
import pytest

from spikeport.export.errors import FormatError
from tests.export.nir_import.test_graph import run, written


def rnn(path, bias, *, tau=2.0, kind=nir.LIF):
    """A neuron with a recurrent connection to itself, weight 0.5 and a bias."""
    one = {"v_leak": np.zeros(1), "v_threshold": np.ones(1), "v_reset": np.zeros(1), "r": np.ones(1)}
    taus = {"tau": np.array([tau])} if kind is nir.LIF else {"tau_mem": np.array([tau]), "tau_syn": np.array([tau])}
    nodes = {"n": kind(**taus, **one), "w": nir.Affine(np.array([[0.5]]), np.array([bias]))}
    return written(path, nodes, [("input", "n"), ("n", "w"), ("w", "n"), ("n", "output")], (1,))


def played(inputs, bias, *, silent):
    """The same neuron in plain numbers: tau 2, gain r dt / tau = 1 / 2."""
    v, spike, out = 0.0, 0.0, []
    for step, x in enumerate(inputs):
        back = 0.0 if silent and step == 0 else 0.5 * spike + bias
        v = v / 2 + (x + back) / 2
        spike = float(v > 1)
        v = 0.0 if spike else v
        out.append(spike)
    return out


@pytest.mark.parametrize("silent", [True, False])
@pytest.mark.parametrize("bias", [1.5, -1.5, 0.0])
def test_bias_of_a_loop_is_there_from_the_second_step_on_where_loops_are_silent(tmp_path, silent, bias):
    inputs = np.random.default_rng(0).uniform(0, 3, 30)
    path = rnn(tmp_path / "a.nir", bias)
    found = run(path, inputs[None, :, None], dialect="nir", silent_start=silent)["n"].ravel()
    assert found.tolist() == played(inputs, bias, silent=silent)
    assert played(inputs, 1.5, silent=True) != played(inputs, 1.5, silent=False)


def test_silent_bias_of_a_synaptic_current_is_refused(tmp_path):
    path = rnn(tmp_path / "a.nir", 1.5, kind=nir.CubaLIF)
    with pytest.raises(FormatError, match="population n: nothing arrives there in the first step"):
        run(path, np.ones((1, 4, 1)), dialect="nir", silent_start=True)


@pytest.mark.parametrize("bias", [0.0, 0.75])
def test_spyx_sends_what_the_potential_said_a_step_before(tmp_path, bias):
    """spyx: s = v > threshold; v = beta v + x - s threshold, with the v of the step before."""
    lif = nir.LIF(*(np.array([value]) for value in (2.0, 0.5, 0.0, 1.0, 0.0)))
    nodes = {"a": nir.Affine(np.array([[1.0]]), np.array([bias])), "n": lif}
    written(tmp_path / "a.nir", nodes, [("input", "a"), ("a", "n"), ("n", "output")], (1,))
    inputs = np.random.default_rng(1).uniform(-0.5, 1.5, 40)
    v, expected = 0.0, []
    for x in inputs:
        spike = float(v > 1)
        v = v / 2 + x + bias - spike
        expected.append(spike)
    assert run(tmp_path / "a.nir", inputs[None, :, None], dialect="spyx")["n"].ravel().tolist() == expected
    assert sum(expected) > 3
