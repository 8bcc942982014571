"""Record networks of lava-dl's slayer: the .nir files of NIR's own converter and the spikes of slayer's simulation.

Usage: python record_lava_dl.py OUTDIR

`lava_to_nir.py` (in NIR's repository, docs/source/examples/lava) converts the .net file that slayer exports; it takes
two dense layers. slayer keeps 12 bits behind the point and rounds a leak towards zero in every step, which no NIR file
says. Of six networks drawn, "mlp_cuba_grid" (current_decay 0.5, voltage_decay 0.25) differs from exact arithmetic for
that reason, in 4 of 2,520 cells, and is not kept.
"""

import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from unittest import mock

import h5py
import lava_to_nir
import nir
import numpy as np
import torch
from common import HIDDEN, IN, OUT, Draw, Recording, record
from lava.lib.dl import slayer


def main(outdir: Path) -> None:
    """Record every network."""
    for name, model in NETWORKS.items():
        record(outdir, f"lava-dl_{name}", lambda draw, model=model: build(draw, **model))


def build(draw: Draw, *, current: float, voltage: float) -> Recording:
    """Build, export and run one network; ``current`` and ``voltage`` are what a step forgets."""
    blocks = [block(draw, *sizes, current=current, voltage=voltage) for sizes in ((IN, HIDDEN), (HIDDEN, OUT))]
    inputs = draw.inputs(IN)
    values = torch.tensor(np.moveaxis(inputs, 0, -1), dtype=torch.float32)
    layers = {}
    with torch.no_grad():
        for index, each in enumerate(blocks):
            values = each(values)
            layers[str(2 * index + 1)] = np.moveaxis(values.numpy(), -1, 0).copy()
    meta = {
        "framework": "lava-dl",
        "version": version("lava-dl"),
        "model": "cuba.Dense",
        "reset": "zero",
        "dt": 1e-4,
        "not_in_file": ["rounding of leaks towards zero, 12 bits behind the point"],
    }
    return Recording(graph=exported(blocks), inputs=inputs, layers=layers, meta=meta)


def block(draw: Draw, inputs: int, outputs: int, *, current: float, voltage: float) -> torch.nn.Module:
    """Return a dense layer of CUBA neurons; weights are multiples of 1/32, as slayer quantizes them."""
    neuron = {"threshold": draw.vector(0.5, 1.5).item(), "current_decay": current, "voltage_decay": voltage}
    made = slayer.block.cuba.Dense(neuron, inputs, outputs, weight_norm=False, delay=False, delay_shift=False)
    weight = torch.clamp(torch.round(draw.weight(outputs, inputs) * 32) / 32, -3, 3)
    made.synapse.weight.data = weight.reshape(made.synapse.weight.shape)
    return made


def exported(blocks: list[torch.nn.Module]) -> nir.NIRGraph:
    """Return the graph that the converter would write."""
    graphs: list[nir.NIRGraph] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.net")
        with h5py.File(path, "w") as file:
            layer = file.create_group("layer")
            for index, each in enumerate(blocks):
                each.export_hdf5(layer.create_group(str(index)))
        with mock.patch.object(nir, "write", side_effect=lambda _path, graph: graphs.append(graph)):
            lava_to_nir.convert_to_nir(path, Path(folder, "network.nir"))
    return graphs[0]


NETWORKS: dict[str, dict[str, float]] = {
    "mlp_if_grid": {"current": 1.0, "voltage": 0.0},
    "mlp_if_float": {"current": 1.0, "voltage": 0.0},
    "mlp_forget_grid": {"current": 1.0, "voltage": 1.0},
    "mlp_lif_grid": {"current": 1.0, "voltage": 0.5},
    "mlp_cuba_float": {"current": 0.3, "voltage": 0.1},
}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
