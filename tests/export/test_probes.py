"""Currents and potentials of probed populations: those of the reference, for every executor."""

from dataclasses import replace

import numpy as np
import pytest

from spikeport.export import simulation
from spikeport.export.errors import ExecutorError, NetworkError
from spikeport.export.executors import executor, floating, reference
from spikeport.export.input_as import taking
from spikeport.export.probes import saved_probes
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import Stimulus, random_stimulus, stimulus
from spikeport.export.trace import record
from tests.toolchain.invoking import small_float

FLOAT = small_float(steps=5, levels=7)
NETWORK = quantize(FLOAT)


def states(module, network, samples, monkeypatch):
    """Return u, compared and v after every step of the hidden population, recorded inside of an executor."""
    found, advance = [], module.advance

    def recorded(state, sums, neuron, *bias):
        spikes = advance(state, sums, neuron, *bias)
        if state.u.shape[1:] == (5,):
            found.append((state.u, state.compared, state.v))
        return spikes

    with monkeypatch.context() as patch:
        patch.setattr(module, "advance", recorded)
        list(module.steps(network, samples))
    return [np.stack(each, axis=1) for each in zip(*found, strict=True)]


def probed(path, network, given, name, names=("hidden",), **options):
    with saved_probes(path, network, given, names, executor=name, **options) as watch:
        simulation.simulate(network, given, executor=name, watches=[watch])
    with np.load(path) as file:
        return dict(file)


@pytest.mark.parametrize("name", ["fast", "reference", "onnx", "nir"])
def test_probes_of_integers_are_the_references_registers(tmp_path, monkeypatch, name):
    samples = random_stimulus(NETWORK, 8, 1)
    file = probed(tmp_path / "p.npz", NETWORK, samples, name, ("hidden", "readout"))
    expected = states(reference, NETWORK, samples, monkeypatch)
    for part, values in zip(("current", "potential", "after_reset"), expected, strict=True):
        assert np.array_equal(file[f"hidden.{part}"], values), part
        assert file[f"hidden.{part}"].dtype == np.int32
    assert np.array_equal(file["readout.after_reset"], record(executor(name)(NETWORK, samples))["readout"])
    assert (file["hidden.potential"] != file["hidden.after_reset"]).any()


def test_probes_of_an_input_as_biases(tmp_path, monkeypatch):
    network, samples = taking(NETWORK, "bias"), random_stimulus(NETWORK, 8, 1)
    file = probed(tmp_path / "p.npz", network, samples, "fast")
    expected = states(reference, network, samples, monkeypatch)
    assert np.array_equal(file["hidden.potential"], expected[1])
    assert not file["hidden.current"].any()


def test_probes_of_a_float_network_are_the_floating_executors(tmp_path, monkeypatch):
    samples = Stimulus(values=np.random.default_rng(0).normal(size=(8, 6)), steps=5, held=True)
    file = probed(tmp_path / "p.npz", FLOAT, samples, "floating", ("hidden",), samples=[1, 6])
    expected = states(floating, FLOAT, samples, monkeypatch)
    for part, values in zip(("current", "potential", "after_reset"), expected, strict=True):
        assert np.array_equal(file[f"hidden.{part}"], values[[1, 6]]), part


def test_a_state_stays_after_the_end_of_a_sample(tmp_path):
    values = np.random.default_rng(0).integers(0, 8, (3, 5, 6))
    samples = stimulus(values, NETWORK, lengths=np.array([5, 2, 1]))
    potential = probed(tmp_path / "p.npz", NETWORK, samples, "fast")["hidden.after_reset"]
    assert (potential[1, 2:] == potential[1, 1]).all()
    assert (potential[2] == potential[2, 0]).all()


def test_spikes_that_do_not_follow_from_the_currents_end_the_run(tmp_path, monkeypatch):
    samples, right = random_stimulus(NETWORK, 4, 1), executor("fast")

    def wrong(*args, **options):
        for step in right(*args, **options):
            yield replace(step, spikes={name: ~values for name, values in step.spikes.items()})

    monkeypatch.setattr(simulation, "find_executor", lambda *_: wrong)
    with pytest.raises(ExecutorError, match="neurons of hidden fire otherwise in executor 'fast'"):
        probed(tmp_path / "p.npz", NETWORK, samples, "fast")
    assert list(tmp_path.iterdir()) == []


def test_unknown_population_is_refused_with_those_that_there_are(tmp_path):
    with pytest.raises(NetworkError, match="no population 'input' with neurons to probe; there are hidden, readout"):
        probed(tmp_path / "p.npz", NETWORK, random_stimulus(NETWORK, 4, 1), "fast", ("input",))
