"""What pages take for granted: small files under the names that they use, and the objects that a reader has already."""

import shutil

import numpy as np
import torch
from torch import nn

import spikeport
from spikeport.export.network import Dense, FloatNetwork, FloatNeuron, FloatPopulation, FloatProjection, Source
from spikeport.toolchain.objectives.objective import Objective
from tests.doc_blocks import ROOT

IMAGES = 6


def files(folder):
    """Write the example's networks, a few of its images and a NIR file of events into a folder, and return it."""
    digits = ROOT / "examples" / "digits"
    shutil.copytree(ROOT / "examples", folder / "examples")
    shutil.copy(digits / "network_float.safetensors", folder / "net_float.safetensors")
    spikeport.quantize(digits / "network_float.safetensors", out=folder / "network.safetensors")
    with np.load(digits / "held_out.npz") as held_out:
        few = {name: values[:IMAGES] for name, values in held_out.items()}
    for name in ("held_out", "images", "digits", "x"):
        np.savez(folder / f"{name}.npz", **few)
    np.savez(folder / "examples" / "digits" / "held_out.npz", **few)
    spikeport.simulate(folder / "network.safetensors", folder / "x.npz", save_spikes=folder / "spikes.npz")
    spikeport.export_network(of_events(), folder / "model.nir", to="nir-float")
    return folder


def of_events():
    """Return a float network of two layers that takes counts of events, (2, 4, 4)."""
    rng = np.random.default_rng(0)
    neuron = FloatNeuron(threshold=np.array(1.0), inclusive=False)
    populations = (
        FloatPopulation(name="input", shape=(2, 4, 4), neuron=Source(levels=15, unit=1.0)),
        FloatPopulation(name="hidden", shape=(6, 1, 1), neuron=neuron),
        FloatPopulation(name="output", shape=(3, 1, 1), neuron=neuron),
    )
    projections = tuple(
        FloatProjection(source=source, target=target, stages=(Dense(weight=rng.normal(0, 0.3, (to, of))),))
        for source, target, of, to in (("input", "hidden", 32, 6), ("hidden", "output", 6, 3))
    )
    return FloatNetwork(populations=populations, projections=projections, steps=40)


def own_networks():
    """A trained model in PyTorch, a batch of its input, and a module with batch norm behind its layers."""
    torch.manual_seed(0)
    parts = {"conv1": nn.Conv2d(3, 4, 3), "bn1": nn.BatchNorm2d(4), "relu": nn.ReLU(), "flat": nn.Flatten()}
    module = nn.Sequential()
    for name, part in parts.items():
        module.add_module(name, part)
    module.add_module("fc2", nn.Linear(4 * 6 * 6, 5))
    module.add_module("bn2", nn.BatchNorm1d(5))
    example = torch.rand(2, 3, 8, 8)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 5)).eval()
    return {"model": model, "example": example, "module": module, "export_to_nir": lambda _module, _example: None}


def inputs():
    """A data set of tonic's and a transform: recordings of different length with their labels."""
    rng = np.random.default_rng(0)
    recordings = [(rng.integers(0, 3, (length, 2, 4, 4)), label) for label, length in enumerate((12, 40, 25))]
    return {"np": np, "dataset": recordings, "frames": lambda events: events}


def recipes():
    """The base class of objectives."""
    return {"Objective": Objective}


NAMES = {"docs/own_networks.md": own_networks, "docs/input.md": inputs, "docs/recipes.md": recipes}
"""Page -> what its reader has."""
