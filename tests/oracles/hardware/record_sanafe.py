"""Record what SANA-FE counts for the cases: spikes, synaptic operations, simulated time and energy.

Usage: python record_sanafe.py OUTFILE

It takes the architecture of Loihi that comes with SANA-FE. There a spike reaches the next layer one step later, so that
what belongs to an image's step t happens in step t + 1 in the first layer, in step t + 2 in the second and so on.

Time and energy are those of one image alone, from its first step until the readout has done its last one, with sparse
synapses. Time is recorded with two of SANA-FE's timing models: 'simple' adds up what a core does, 'detailed' follows
messages through queues.
"""

import json
import sys
from collections.abc import Iterator
from importlib import resources
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import sanafe
import yaml
from cases import Case, Layer, cases

CAPACITY = 1024  # of a core of SANA-FE's Loihi: as many neurons, and as many units for inputs
NEVER = 2.0**24  # a threshold that is out of reach; the default is 0
SYNAPSES = "loihi_sparse_synapse"
TIMING_MODELS = ("simple", "detailed")
PARTS = ("synapse", "soma", "network")


def main(outfile: Path) -> None:
    """Record every case."""
    recorded = {case.name: record(case) for case in cases()}
    found = {"tool": f"sanafe {version('sanafe')}", "constants": constants(), "cases": recorded}
    outfile.write_text(json.dumps(found, indent=1) + "\n")


def constants() -> dict[str, dict[str, float]]:
    """Return the numbers of SANA-FE's Loihi: of its units by name, of a tile, and of the synchronisation by tiles."""
    text = resources.files("sanafe.examples").joinpath("loihi.yaml").read_text(encoding="utf-8")
    architecture = yaml.safe_load(text)["architecture"]
    (tile,) = architecture["tile"]
    (core,) = tile["core"]
    units = [unit for kind in ("axon_in", "soma", "synapse", "axon_out") for unit in core[kind]]
    found = {unit["name"]: numbers(unit["attributes"]) for unit in units}
    table = {str(tiles): float(value) for tiles, value in architecture["attributes"]["latency_sync"].items()}
    return {**found, "tile": numbers(tile["attributes"]), "synchronisation": table}


def numbers(attributes: dict[str, Any]) -> dict[str, float]:
    """Return the energies and latencies among attributes."""
    return {key: float(value) for key, value in attributes.items() if key.startswith(("energy_", "latency_"))}


def record(case: Case) -> dict[str, object]:
    """Return one case's spikes by layer, and its synaptic operations by projection and by image."""
    results = {model: [simulate(case, frames, model) for frames in case.frames] for model in TIMING_MODELS}
    spikes, operations = np.stack([counts(case, result) for result in results["simple"]], axis=1)
    spiking = [number for number, layer in enumerate(case.layers) if layer.threshold is not None]
    return {
        "spikes": {f"layer{number}": int(spikes[:, number + 1].sum()) for number in spiking},
        "layers": operations[:, :-1].sum(0).tolist(),
        "images": operations.sum(1).tolist(),
        "seconds": {model: [each["sim_time"] for each in found] for model, found in results.items()},
        "joules": [{part: each["energy"][part] for part in PARTS} for each in results["simple"]],
        "updated": [each["neurons_updated"] for each in results["simple"]],
    }


def simulate(case: Case, frames: np.ndarray, timing_model: str) -> dict[str, Any]:
    """Simulate one image alone."""
    architecture = sanafe.load_loihi()
    chip = sanafe.SpikingChip(architecture)
    chip.load(build(case, frames, architecture))
    traces = dict.fromkeys(("spike_trace", "message_trace", "perf_trace"), True)
    steps = len(frames) + len(case.layers)
    result: dict[str, Any] = chip.sim(steps, timing_model=timing_model, processing_threads=1, **traces)
    return result


def counts(case: Case, result: dict[str, Any]) -> tuple[list[int], list[int]]:
    """Return the spikes of each group of neurons, and the operations at the synapses behind it."""
    names, steps = group_names(case), result["timesteps_executed"]
    spikes, operations = np.zeros((2, steps, len(names)), int)
    for step in range(steps):
        for neuron in result["spike_trace"][step]:
            spikes[step, names.index(neuron.group_name)] += 1
        for message in result["message_trace"][step]:
            operations[step, names.index(message["src_neuron_group_id"])] += message["spikes"]
    if operations.sum(1).tolist() != result["perf_trace"]["spikes"]:
        raise ValueError(f"{case.name}: the synapse units did not process as many spikes as the messages announce")
    own = steps - len(case.layers)
    return own_steps(spikes, own), own_steps(operations, own)


def own_steps(counts: np.ndarray, steps: int) -> list[int]:
    """Sum up each group's counts over the steps that belong to the image."""
    return [int(counts[delay : delay + steps, delay].sum()) for delay in range(counts.shape[1])]


def group_names(case: Case) -> list[str]:
    """Name the groups of neurons from the input to the readout."""
    return ["input", *(f"layer{number}" for number in range(len(case.layers)))]


def build(case: Case, frames: np.ndarray, architecture: sanafe.Architecture) -> sanafe.Network:
    """Build the network, each group of neurons on its own cores, with the image's frames as its input."""
    net = sanafe.Network()
    cores = iter(architecture.cores())
    names = group_names(case)
    shape = frames.shape[1:]
    size = int(np.prod(shape))
    groups = [net.create_neuron_group(names[0], size, log_spikes=True, default_synapse_hw_name=SYNAPSES)]
    for neuron, train in enumerate(frames.reshape(len(frames), size).T.astype(bool).tolist()):
        unit = f"loihi_inputs[{neuron % CAPACITY}]"
        groups[0][neuron].set_attributes(soma_hw_name=unit, model_attributes={"spikes": train})
    projections = []
    for name, layer in zip(names[1:], case.layers, strict=True):
        pairs, weights, shape = synapses(layer, shape)
        projections.append((pairs, weights))
        neurons = {
            "threshold": NEVER if layer.threshold is None else float(layer.threshold),
            "leak_decay": 1.0,
            "reset_mode": "hard",
            "reset": 0.0,
        }
        options = {"model_attributes": neurons, "soma_hw_name": "loihi_lif", "log_spikes": True}
        options["default_synapse_hw_name"] = SYNAPSES
        groups.append(net.create_neuron_group(name, int(np.prod(shape)), **options))
    for group in groups:
        place(group, cores)
    for (source, target), (pairs, weights) in zip(pairwise(groups), projections, strict=True):
        source.connect_neurons_sparse(target, {"w": weights}, pairs)
    return net


def place(group: sanafe.NeuronGroup, cores: Iterator[object]) -> None:
    """Map a group onto the next cores, as many as it needs."""
    for neuron in range(len(group)):
        if neuron % CAPACITY == 0:
            core = next(cores)
        group[neuron].map_to_core(core)


def synapses(layer: Layer, shape: tuple[int, ...]) -> tuple[list[tuple[int, int]], list[float], tuple[int, ...]]:
    """Return pairs of source and target, the weight of each, none of them zero, and the shape of the targets.

    A dense layer is a convolution with a kernel of the input's size; a pool repeats each tap over its window.
    """
    pool, planes, height, width = layer.pool, shape[0], shape[1] // layer.pool, shape[2] // layer.pool
    kernel = layer.weight.shape[2:] or (height, width)
    rows, columns = (
        (side + 2 * layer.padding - span) // layer.stride + 1
        for side, span in zip((height, width), kernel, strict=True)
    )
    filters = layer.weight.reshape(-1, planes, *kernel)
    to_plane, plane, down, right = taps = np.nonzero(filters)
    tap, row, column, pool_y, pool_x = np.indices((len(plane), rows, columns, pool, pool)).reshape(5, -1)
    y = row * layer.stride - layer.padding + down[tap]
    x = column * layer.stride - layer.padding + right[tap]
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    from_indices = plane[tap], y * pool + pool_y, x * pool + pool_x
    sources = np.ravel_multi_index([index[inside] for index in from_indices], shape)
    to_shape = (len(filters), rows, columns)
    targets = np.ravel_multi_index([index[inside] for index in (to_plane[tap], row, column)], to_shape)
    weights = filters[taps][tap][inside].astype(float)
    return list(zip(sources.tolist(), targets.tolist(), strict=True)), weights.tolist(), to_shape


if __name__ == "__main__":
    main(Path(sys.argv[1]))
