"""Run spikeport's portable NIR files in snnTorch, Norse and SpikingJelly.

Usage: ``python import_portable.py FOLDER`` in the environment with the three. For every NAME.nir in FOLDER with
NAME.npz (``input``: spikes (T, N, *shape)), writes NAME_out.npz with the output currents (T, N, outputs) of each.
"""

import sys
from pathlib import Path

import nir
import norse.torch
import numpy as np
import torch
from snntorch.import_nir import import_from_nir
from spikingjelly.activation_based.nir_exchange import import_from_nir as jelly

IMPORTERS = {
    "snntorch": lambda path: import_from_nir(nir.read(path)),
    "norse": lambda path: norse.torch.from_nir(nir.read(path), dt=1e-4),
    "spikingjelly": lambda path: jelly(nir.read(path), dt=1e-4),
}


def run(model, inputs, *, stateful):
    """Return the output of every step; two of the frameworks hand their state back and forth."""
    state, outputs = None, []
    for x in inputs:
        out = model(x, state) if stateful else model(x)
        if isinstance(out, tuple):
            out, state = out[0], out[1]
        outputs.append(out.numpy())
    return np.stack(outputs)


def main(folder):
    """Write the outputs of every file."""
    for path in sorted(folder.glob("*.nir")):
        inputs = torch.tensor(np.load(path.with_suffix(".npz"))["input"], dtype=torch.float32)
        outputs = {}
        for name, load in IMPORTERS.items():
            with torch.no_grad():
                outputs[name] = run(load(path), inputs, stateful=True)
        np.savez_compressed(folder / f"{path.stem}_out.npz", **outputs)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
