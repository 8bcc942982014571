"""A folder that runs the network in Lava on another machine: worker, network, one sample, and how to use it."""

import shutil
from pathlib import Path

from spikeport.export.files import atomic, locked
from spikeport.export.lava import job
from spikeport.export.lava.environment import PYTHON_VERSION, REQUIREMENTS, pinned
from spikeport.export.lava.limits import check
from spikeport.export.network import BiasNetwork, IntegerNetwork, Source
from spikeport.export.stimulus import random_stimulus

NETWORKS = (IntegerNetwork, BiasNetwork)
README = """# A network for Lava

Made by spikeport. This folder needs nothing but Python {python} and Lava (`requirements.txt`: {lava} and what it
needs, with hashes, for Linux x86-64):

    python{python} -m venv env
    env/bin/pip install --require-hashes --no-deps -r requirements.txt
    env/bin/python -m spikeport.export.lava.worker .

It runs the samples in `stimulus.npy` (now one random sample): integers of shape (N, {shape}), 0 to {levels},
each held for {steps} steps{timed}. Every line it prints is JSON;
the last one says `finished`, those before name the phase. Remove the folder `trace` before the next run.

`trace` then holds one file per population, samples one after another, {steps} rows each:

{populations}

`network.safetensors` is a spikeport archive: `spikeport simulate` runs the same integers without Lava.
"""
TIMED = ', or (N, {steps}, {shape}) with `"held": false` in `job.json`'
BIASES = ", which the worker writes as biases of the first neurons, as a host would"


def write(network: IntegerNetwork, path: Path) -> None:
    """Write the folder ``path``; `FormatError` names what Lava cannot run."""
    check(network)
    source = network.source
    assert isinstance(source.neuron, Source)
    shape = ", ".join(map(str, source.shape))
    with locked(path), atomic(path, folder=True) as draft:
        draft.mkdir()
        job.write(network, random_stimulus(network, 1, 0), draft)
        shutil.copyfile(REQUIREMENTS, draft / REQUIREMENTS.name)
        text = README.format(
            python=PYTHON_VERSION,
            lava=next(package for package in pinned() if package.startswith("lava-nc")),
            shape=shape,
            levels=source.neuron.levels,
            steps=network.steps,
            timed=BIASES if isinstance(network, BiasNetwork) else TIMED.format(steps=network.steps, shape=shape),
            populations="\n".join(_described(network)),
        )
        (draft / "README.md").write_text(text, encoding="utf-8")


def _described(network: IntegerNetwork) -> list[str]:
    rows = [f"- `{p.name}`: spikes of shape {p.shape}, packed bits (`numpy.packbits`)" for p in network.spiking]
    return rows + [f"- `{p.name}`: potentials of shape {p.shape}, int32 little-endian" for p in network.silent]
