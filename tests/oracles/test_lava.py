"""The reference against what Lava itself recorded; see the two scripts in ``golden`` for how."""

from pathlib import Path

import numpy as np
import pytest

from spikeport.export import archive, fidelity
from spikeport.export.errors import WorkerError
from spikeport.export.executors import lava, reference
from spikeport.export.executors.reference import State, advance
from spikeport.export.lava import job
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import IntegerNeuron
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from tests.oracles.golden import network_in_lava

GOLDEN = Path(__file__).parent / "golden"
NEURONS = np.load(GOLDEN / "neurons.npz", allow_pickle=False)


@pytest.mark.parametrize("case", range(len(NEURONS["parameters"])))
def test_neurons_equal_lava_at_the_ends_of_the_registers(case):
    du, dv, threshold, mantissa, exponent = (int(value) for value in NEURONS["parameters"][case])
    neuron = IntegerNeuron(
        threshold=np.array(threshold),
        bias_mantissa=np.array(mantissa),
        bias_exponent=exponent,
        decay_u=du + 1,
        decay_v=dv,
    )
    zero = np.zeros(NEURONS[f"a{case}"].shape[1], np.int64)
    state = State(u=zero, v=zero)
    for step, arriving in enumerate(NEURONS[f"a{case}"].astype(np.int64)):
        if step % int(NEURONS["reset_interval"]) == 0:
            state = State(u=zero, v=zero)
        spikes = advance(state, arriving, neuron)
        assert np.array_equal(spikes, NEURONS[f"s{case}"][step])
        assert np.array_equal(state.v, NEURONS[f"v{case}"][step])
        assert np.array_equal(state.u, NEURONS[f"u{case}"][step])


def test_golden_neurons_reach_the_boundaries():
    """The recording must hold wraps, saturation, and potentials exactly at and just above a threshold."""
    wrapped = sum(int((np.abs(NEURONS[f"a{case}"].astype(np.int64)) > 2**17).sum()) for case in range(6))
    saturated = sum(int((np.abs(NEURONS[f"v{case}"]) == 2**23 - 1).sum()) for case in range(6))
    at_threshold = int((NEURONS["v0"] == 64 * 100).sum())
    assert wrapped > 100
    assert saturated > 10
    assert at_threshold > 5
    assert all(NEURONS[f"s{case}"].any() for case in (0, 2, 5))


def test_network_equals_lavas_recording():
    network = archive.read_integer(GOLDEN / "network.safetensors")
    with np.load(GOLDEN / "network.npz", allow_pickle=False) as golden:
        trace = record(reference.steps(network, stimulus(golden["images"], network)))
        assert trace.keys() == golden.keys() - {"images"}
        for name, values in trace.items():
            assert np.array_equal(values, golden[name])
            assert values.any()


def test_todays_quantizer_still_gives_the_golden_network():
    assert archive.digest(network_in_lava.network()) == archive.digest(archive.read(GOLDEN / "network.safetensors"))


@pytest.mark.lava
def test_lava_still_gives_its_recording():
    network = archive.read_integer(GOLDEN / "network.safetensors")
    with np.load(GOLDEN / "network.npz", allow_pickle=False) as golden:
        found = fidelity.check(network, stimulus(golden["images"], network), ["lava", "onnx"])[0]
    assert {name: each.mismatches for name, each in found.items()} == {"lava": 0, "onnx": 0}
    assert found["lava"].compared == 12 * 6 * (288 + 96 + 12 + 5)


@pytest.mark.lava
def test_a_worker_that_fails_in_lava_gives_its_own_error(tmp_path, monkeypatch):
    """A kernel that Lava's process cannot take is reported with Lava's words, and the job folder is gone."""
    network = small_network()
    given = stimulus(np.zeros((1, 1, 6, 5), np.uint8), network)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    original = job.write

    def broken(net, stim, folder, **options):
        original(net, stim, folder, **options)
        np.save(folder / "stimulus.npy", np.zeros((1, 7), np.uint8))

    monkeypatch.setattr(job, "write", broken)
    with pytest.raises(WorkerError, match=r"failed with exit code 1( while building)?: ValueError: cannot reshape"):
        list(lava.steps(network, given))
    assert list(tmp_path.iterdir()) == []
