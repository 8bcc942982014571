"""Saved spikes are those of every executor, whatever the batches, and the file is whole or not there."""

from dataclasses import replace

import numpy as np
import pytest

from spikeport.export import simulation
from spikeport.export.errors import ExecutorError, StimulusError
from spikeport.export.executors import executor
from spikeport.export.quantize import quantize
from spikeport.export.saved_spikes import saved_spikes
from spikeport.export.stimulus import Stimulus, random_stimulus, stimulus
from spikeport.export.trace import record
from tests.toolchain.invoking import small_float

NETWORK = quantize(small_float(steps=5))


def unpacked(file, name):
    """Return bits as docs/formats.md says to read them."""
    shape = tuple(file[f"{name}.shape"])
    bits = np.unpackbits(file[f"{name}.spikes"], axis=-1, count=int(np.prod(shape)))
    return bits.reshape(*bits.shape[:2], *shape).astype(bool)


@pytest.mark.parametrize("name", ["fast", "reference", "onnx", "nir"])
def test_saved_spikes_are_the_executors(tmp_path, name, monkeypatch):
    monkeypatch.setattr(simulation, "PART", 7)
    monkeypatch.setattr(simulation, "WATCHED", 3)
    samples = random_stimulus(NETWORK, 16, 1)
    path = tmp_path / "spikes.npz"
    with saved_spikes(path, NETWORK, samples) as watch:
        found = simulation.simulate(NETWORK, samples, executor=name, watches=[watch])
    expected = record(executor("reference")(NETWORK, samples))
    with np.load(path) as file:
        assert set(file) == {"input.spikes", "input.shape", "hidden.spikes", "hidden.shape", "samples"}
        assert np.array_equal(unpacked(file, "hidden"), expected["hidden"])
        assert np.array_equal(unpacked(file, "input"), np.repeat(samples.values[:, None], 5, axis=1))
        assert expected["hidden"].any()
    unwatched = simulation.simulate(NETWORK, samples, executor=name)
    assert np.array_equal(found.scores, unwatched.scores)


def test_chosen_samples_and_lengths(tmp_path, monkeypatch):
    monkeypatch.setattr(simulation, "PART", 4)
    values, lengths = np.random.default_rng(0).integers(0, 2, (9, 5, 6)), np.array([5, 1, 2, 3, 4, 5, 5, 1, 2])
    samples = stimulus(values, NETWORK, lengths=lengths)
    with saved_spikes(tmp_path / "s.npz", NETWORK, samples, [7, 2, 7]) as watch:
        simulation.simulate(NETWORK, samples, executor="fast", watches=[watch])
    whole = record(executor("reference")(NETWORK, samples))["hidden"]
    with np.load(tmp_path / "s.npz") as file:
        assert file["samples"].tolist() == [2, 7]
        assert file["lengths"].tolist() == [2, 1]
        assert np.array_equal(unpacked(file, "hidden"), whole[[2, 7]])
        assert not unpacked(file, "hidden")[1, 1:].any()


def test_several_spikes_a_step_are_counts(tmp_path):
    network = small_float()
    several = network.populations[1].neuron.__class__(threshold=np.array(0.25), most=None, reset_by=np.array(0.25))
    populations = tuple(replace(p, neuron=several) if p.name == "hidden" else p for p in network.populations)
    network = replace(network, populations=populations)
    samples = Stimulus(values=np.random.default_rng(0).normal(size=(6, 6)), steps=4, held=True)
    with saved_spikes(tmp_path / "s.npz", network, samples) as watch:
        simulation.simulate(network, samples, executor="floating", watches=[watch])
    with np.load(tmp_path / "s.npz") as file:
        expected = record(executor("floating", type(network))(network, samples))["hidden"]
        assert np.array_equal(file["hidden.counts"], expected)
        assert file["hidden.counts"].max() > 1
        assert "input.spikes" not in file


def test_an_interrupted_run_leaves_no_file(tmp_path):
    samples = random_stimulus(NETWORK, 4, 1)

    def interrupted(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), saved_spikes(tmp_path / "s.npz", NETWORK, samples) as watch:
        simulation.simulate(NETWORK, samples, executor="fast", watches=[watch, interrupted])
    assert list(tmp_path.iterdir()) == []


def test_samples_that_are_not_there_are_refused(tmp_path):
    samples = random_stimulus(NETWORK, 4, 1)
    with pytest.raises(StimulusError, match="samples 4 were asked for; expected 0 to 3"):
        saved_spikes(tmp_path / "s.npz", NETWORK, samples, [4]).__enter__()
    with pytest.raises(ExecutorError, match="leave cluster and resume out"):
        simulation.simulate(NETWORK, samples, executor="fast", watches=[print], resume=True)
