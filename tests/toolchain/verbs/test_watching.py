"""`simulate` with other steps, and with spikes and probes in files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import spikeport
from spikeport.export import archive
from spikeport.export.errors import ExecutorError, StimulusError
from spikeport.export.executors import executor
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import scores
from spikeport.toolchain.verbs.watching import with_steps
from tests.toolchain.invoking import invoke, small_files

Settings = spikeport.SimulationSettings


@pytest.mark.parametrize("steps", [1, 9])
def test_other_steps_are_those_of_a_network_that_has_so_many(tmp_path, steps):
    path = small_files(tmp_path) / "network.safetensors"
    found = spikeport.simulate(path, tmp_path / "samples.npz", settings=Settings(steps=steps))
    other = replace(archive.read_integer(path), steps=steps, bounds={})
    values = np.load(tmp_path / "samples.npz")["images"]
    expected = scores(executor("reference")(other, stimulus(values, other)), other, 12)
    assert np.array_equal(found.scores, expected)
    assert found.steps == steps
    assert found.text().startswith(f"T is {steps} steps in place of the network's 4; ")
    assert "register" in found.text().splitlines()[0]


def test_samples_with_so_many_steps_fit(tmp_path):
    path = small_files(tmp_path) / "network.safetensors"
    frames = np.random.default_rng(1).integers(0, 2, (3, 9, 6))
    assert len(spikeport.simulate(path, frames, settings=Settings(steps=9)).classes) == 3
    with pytest.raises(StimulusError, match="its samples have 9 steps, the network 4; --steps of import, quantize"):
        spikeport.simulate(path, frames)


def test_the_networks_own_steps_change_nothing(tmp_path):
    network = archive.read(small_files(tmp_path) / "network.safetensors")
    assert with_steps(network, 4) == (network, ())
    assert with_steps(network, None) == (network, ())
    with pytest.raises(StimulusError, match="steps is 0; expected"):
        with_steps(network, 0)


def test_spikes_and_probes_are_written_and_named(monkeypatch, capsys, tmp_path):
    small_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    saving = ("--save-spikes", "spikes.npz", "--probe", "hidden", "--samples", "0,2-3", "--steps", 6)
    code, out, err = invoke(monkeypatch, capsys, "simulate", "network.safetensors", "--input", "samples.npz", *saving)
    assert (code, err) == (0, "")
    assert "wrote spikes.npz (" in out
    assert "wrote probes.npz (" in out
    with np.load("spikes.npz") as spikes, np.load("probes.npz") as probes:
        assert spikes["hidden.spikes"].shape == (3, 6, 1)
        assert probes["hidden.potential"].shape == (3, 6, 5)
        assert spikes["samples"].tolist() == [0, 2, 3]


FAULTS = {
    "--probe nothing": "no population 'nothing' with neurons to probe; there are hidden, readout",
    "--save-probes p.npz": "expected --probe LAYER beside --save-probes FILE.npz",
    "--samples 1": "nothing of them is saved",
    "--samples 1,x --save-spikes s.npz": "are no numbers of samples",
    "--samples 99 --save-spikes s.npz": "expected 0 to 11",
    "--save-spikes samples.npz": "is the input samples.npz, which would be written over",
    "--save-spikes s.npz --probe hidden --save-probes s.npz": "spikes and probes both go to s.npz",
    "--save-spikes s.npz --resume --out o.npz": "leave cluster and resume out",
    "--save-spikes no/such/../../network.safetensors/x": "network.safetensors",
}


@pytest.mark.parametrize("options", FAULTS)
def test_what_cannot_be_saved_is_refused_and_nothing_is_written(monkeypatch, capsys, tmp_path, options):
    small_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    arguments = ("simulate", "network.safetensors", "--input", "samples.npz", *options.split())
    code, out, err = invoke(monkeypatch, capsys, *arguments)
    assert (code, out) == (2, "")
    assert FAULTS[options] in " ".join(err.replace("│", " ").split())
    assert sorted(tmp_path.iterdir()) == before


def test_files_of_two_names_are_two(tmp_path):
    small_files(tmp_path)
    with pytest.raises(ExecutorError, match="probes need layers and a file"):
        spikeport.simulate(
            tmp_path / "network.safetensors", tmp_path / "samples.npz", settings=Settings(probe=("hidden",))
        )


@pytest.mark.lava
def test_lava_saves_the_spikes_that_the_fast_executor_saves(monkeypatch, capsys, tmp_path):
    root = Path(__file__).parents[3] / "examples/digits"
    spikeport.quantize(root / "network_float.safetensors", out=tmp_path / "network.safetensors")
    with np.load(root / "held_out.npz") as held_out:
        np.savez(tmp_path / "x.npz", images=held_out["images"][:3], labels=held_out["labels"][:3])
    monkeypatch.chdir(tmp_path)
    for name in ("fast", "lava"):
        saving = ("--executor", name, "--save-spikes", f"{name}.npz")
        assert invoke(monkeypatch, capsys, "simulate", "network.safetensors", "--input", "x.npz", *saving)[0] == 0
    with np.load("fast.npz") as fast, np.load("lava.npz") as lava:
        assert lava.files == fast.files
        spikes = [name for name in fast.files if name.endswith(".spikes")]
        assert len(spikes) > 1
        assert sum(int(np.unpackbits(fast[name]).sum()) for name in spikes) > 1000
        for name in fast.files:
            assert fast[name].dtype.kind in "iu"
            assert np.array_equal(lava[name], fast[name])
