"""Placement now against the search as it was, and hops against cores in the order of the network.

`hardware.py` calls it; alone, ``python benchmarks/placement.py NETWORK.safetensors`` prints the figures of one network.
Times are of processes that only place one network on loihi1, written out, the two in turns; the earlier one finds cuts
and nothing else. Hops are those of real spikes: the same cores, once with their numbers on the mesh, and once numbered
row by row in the order of the network.
"""

import json
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from spikeport.export import archive
from spikeport.export.network import (
    Convolution,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.stimulus import random_stimulus
from spikeport.hardware_profiles.load import CoreLoad, core_load
from spikeport.hardware_profiles.placement import place
from spikeport.hardware_profiles.profile import load_profile

REPEATS, IMAGES = 3, 2
TIMED = """
import resource, sys, time
from pathlib import Path
from spikeport.export import archive
from spikeport.hardware_profiles.profile import load_profile
sys.path.insert(0, sys.argv[2])
network, profile = archive.read_integer(Path(sys.argv[1])), load_profile("loihi1")
if sys.argv[3] == "now":
    from spikeport.hardware_profiles.placement import place
    cores = lambda network, profile, strategy: len(place(network, profile, strategy).cores)
else:
    from earlier_placement import cores
started, used = time.perf_counter(), time.process_time()
found = cores(network, profile, "unrolled")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(time.perf_counter() - started, time.process_time() - used, peak, found)
"""


def speed(path: Path) -> dict[str, dict[str, float]]:
    """Return seconds, processor seconds, GB and cores of placing an archive, 'now' and 'earlier', medians of 3."""
    runs: dict[str, list[list[float]]] = {"earlier": [], "now": []}
    for _ in range(REPEATS):
        for which, found in runs.items():
            command = [sys.executable, "-c", TIMED, str(path), str(Path(__file__).parent), which]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found.append([float(each) for each in done.stdout.split()])
    return {which: _medians(found) for which, found in runs.items()}


def _medians(runs: list[list[float]]) -> dict[str, float]:
    seconds, used, peak, cores = (statistics.median(each) for each in zip(*runs, strict=True))
    return {"seconds": seconds, "processor_seconds": used, "gb": peak * 1024 / 1e9, "cores": cores}


NETWORKS = (
    *((90, "loihi1", "shared"), (90, "loihi1", "unrolled")),
    *((99, "loihi1", "shared"), (99, "loihi1", "unrolled"), (99, "loihi2", "shared")),
)
"""Sparsity in percent, profile and strategy whose hops are measured."""


def hops(network: IntegerNetwork, name: str, strategy: str) -> dict[str, float]:
    """Return messages and hops of a mean image on a chip, with numbers on the mesh and in the order of the network."""
    placement = place(network, load_profile(name), strategy)
    in_order = replace(placement, numbers=tuple(range(len(placement.cores))))
    images = random_stimulus(network, IMAGES, 3)
    now, before = (core_load(network, images, each) for each in (placement, in_order))
    found = {"cores": len(placement.cores), "messages": now.messages, "from_host": now.host_messages}
    both = (("now", now), ("in_order", before))
    return found | {f"{key}_{when}": value for when, load in both for key, value in _ways(load).items()}


def _ways(load: CoreLoad) -> dict[str, float]:
    return {"hops": sum(load.hops), "between_chips": load.off_chip}


def summary(found: dict[str, dict[str, dict[str, float]]]) -> dict[str, float]:
    """Return `placement_speedup` in processor time, and hops and messages between chips against the network's order.

    `hops_ratio` is the largest over the networks of which a tenth of the messages stay on a chip either way; the
    others' hops grow, because more messages stay.
    """
    times, ways = found["speed"], found["hops"].values()
    near = [each for each in ways if each["between_chips_in_order"] <= 0.9 * each["messages"]]
    far = [each for each in ways if each["between_chips_in_order"]]
    return {
        "placement_speedup": times["earlier"]["processor_seconds"] / times["now"]["processor_seconds"],
        "hops_ratio": max(each["hops_now"] / each["hops_in_order"] for each in near),
        "between_chips_ratio": max(each["between_chips_now"] / each["between_chips_in_order"] for each in far),
    }


def table(found: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """Return the results as lines of markdown."""
    lines = ["| placement, 90 % unrolled on loihi1 | seconds | processor seconds | GB | cores |", "| --- " * 5 + "|"]
    for which, each in found["speed"].items():
        numbers = f"{each['seconds']:.1f} | {each['processor_seconds']:.1f} | {each['gb']:.2f} | {each['cores']:,.0f}"
        lines.append(f"| {which} | {numbers} |")
    lines += ["", "| large | seconds | cores |", "| --- | --- | --- |"]
    lines += [f"| {name} | {each['seconds']:.1f} | {each['cores']:,} |" for name, each in found["large"].items()]
    lines += [
        "",
        "| per image, numbers on the mesh (in order) | cores | messages | hops on chip | between chips |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, each in found["hops"].items():
        hops_of, between = (
            f"{each[f'{key}_now']:,.0f} ({each[f'{key}_in_order']:,.0f})" for key in ("hops", "between_chips")
        )
        lines.append(f"| {name} | {each['cores']:,} | {each['messages']:,.0f} | {hops_of} | {between} |")
    return lines


def large() -> dict[str, dict[str, float]]:
    """Return seconds and cores of 1,000 populations, and of one population of 10^6 neurons, on loihi1."""
    found = {}
    for name, network in (("1,000 populations", populations(1000)), ("10^6 neurons", neurons(64, 125))):
        found[name] = _timed(network)
    return found


def _timed(network: IntegerNetwork) -> dict[str, float]:
    started = time.perf_counter()
    cores = len(place(network, load_profile("loihi1")).cores)
    return {"seconds": time.perf_counter() - started, "cores": cores}


def populations(number: int) -> IntegerNetwork:
    """Return a chain of so many dense populations of 40 neurons, a tenth of their weights not zero."""
    rng = np.random.default_rng(0)
    neuron = IntegerNeuron(threshold=np.array(100), bias_mantissa=np.zeros((), np.int64))
    made = [IntegerPopulation(name="input", shape=(40,), neuron=Source(levels=1, unit=1.0))]
    edges = []
    for each in range(number):
        weight = np.where(rng.random((40, 40)) < 0.1, rng.integers(-127, 128, (40, 40)), 0).astype(np.int8)
        edges.append(IntegerProjection(source=made[-1].name, target=f"n{each}", synapses=Dense(weight=weight)))
        made.append(IntegerPopulation(name=f"n{each}", shape=(40,), neuron=neuron))
    return IntegerNetwork(populations=tuple(made), projections=tuple(edges), steps=1)


def neurons(channels: int, side: int) -> IntegerNetwork:
    """Return one convolution into channels of side x side neurons, a tenth of its weights not zero."""
    rng = np.random.default_rng(0)
    weight = np.where(rng.random((channels, 3, 3, 3)) < 0.1, rng.integers(-127, 128, (channels, 3, 3, 3)), 0)
    neuron = IntegerNeuron(threshold=np.array(100), bias_mantissa=np.zeros((), np.int64))
    shape = (channels, side, side)
    return IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(3, side, side), neuron=Source(levels=1, unit=1.0)),
            IntegerPopulation(name="conv", shape=shape, neuron=neuron),
        ),
        projections=(
            IntegerProjection(
                source="input", target="conv", synapses=Convolution(weight=weight.astype(np.int8), padding=(1, 1))
            ),
        ),
        steps=1,
    )


def main() -> None:
    """Print the figures of one network."""
    path = Path(sys.argv[1])
    network = archive.read_integer(path)
    print(json.dumps({"speed": speed(path), "hops": hops(network, "loihi1", "shared"), "large": large()}, indent=1))


if __name__ == "__main__":
    main()
