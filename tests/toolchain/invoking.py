"""Small files for tests that run the command in this process."""

import sys

import numpy as np
import pytest

from spikeport.export import archive
from spikeport.export.network import Dense, FloatNetwork, FloatNeuron, FloatPopulation, FloatProjection, Source
from spikeport.export.quantize import quantize
from spikeport.toolchain import cli


def invoke(monkeypatch, capsys, *arguments):
    """Run the command here; return exit code, output and errors."""
    monkeypatch.setattr(sys, "argv", ["spikeport", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    out, err = capsys.readouterr()
    return left.value.code, out, err


def small_float(steps=4, levels=1):
    """Return a float network of 6 inputs, 5 neurons and 3 outputs that add up."""
    generator = np.random.default_rng(3)
    populations = (
        FloatPopulation(name="input", shape=(6,), neuron=Source(levels=levels, unit=1.0)),
        FloatPopulation(name="hidden", shape=(5,), neuron=FloatNeuron(threshold=np.array(1.0))),
        FloatPopulation(name="readout", shape=(3,), neuron=FloatNeuron(threshold=None)),
    )
    weights = [generator.normal(size=(5, 6)), generator.normal(size=(3, 5))]
    projections = tuple(
        FloatProjection(source=source, target=target, stages=(Dense(weight=weight),))
        for source, target, weight in zip(("input", "hidden"), ("hidden", "readout"), weights, strict=True)
    )
    return FloatNetwork(populations=populations, projections=projections, steps=steps)


def small_files(folder, steps=4):
    """Write float.safetensors, network.safetensors and samples.npz (12 held samples of spikes, with labels)."""
    network = small_float(steps)
    archive.write(network, folder / "float.safetensors")
    archive.write(quantize(network), folder / "network.safetensors")
    generator = np.random.default_rng(0)
    spikes = generator.integers(0, 2, (12, 6)).astype(np.uint8)
    np.savez(folder / "samples.npz", images=spikes, labels=generator.integers(0, 3, 12))
    return folder
