"""What the costs of the paper's VGG-16 are and how long they take: counts, other tools, placement, a report.

    python benchmarks/hardware.py [--json PATH] [--markdown PATH]

Random weights at 0, 90 and 99 % sparsity, thresholds set so that every layer fires in 13 % of its neuron steps, as in
benchmarks/simulator.py. Placement and report run in processes of their own; seconds are single runs.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import placement
from count_mutants import mutants, verify_share
from sanafe_time import ratios
from simulator import processor, vgg16

from spikeport.export import archive
from spikeport.export.errors import PlacementError
from spikeport.export.geometry import fan_out, geometry_of, pooled
from spikeport.export.network import IntegerNetwork
from spikeport.export.stimulus import random_stimulus
from spikeport.hardware_profiles.counting import count
from spikeport.hardware_profiles.placement import place
from spikeport.hardware_profiles.profile import HardwareProfile, load_profile

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.oracles.hardware.compare import TOOLS
from tests.oracles.hardware.emulators.compare import counts as emulators

IMAGES = 100
BEFORE = {
    "loihi1, unrolled": (None, 6879, 871),
    "loihi1, unrolled, axons ignored": (6602, 1299, 303),
    "loihi1, shared, a copy per border class": (1770, 347, 273),
    "loihi1, shared, one copy": (426, 291, 273),
    "loihi2, unrolled": (7314, 1499, 245),
    "loihi2, shared, a copy per border class": (898, 151, 46),
    "loihi2, shared, one copy": (230, 77, 39),
}
"""Cores at 0, 90 and 99 % by a model of expected values under uniform random sparsity, made before this one."""


def shape_of(network: IntegerNetwork) -> dict[str, int]:
    """Return neurons, weights before pooling is folded, and synapses of a network whose weights are all non-zero."""
    full = 0
    for projection in network.projections:
        if projection.source != network.source.name:
            ones = replace(projection.synapses, weight=np.ones_like(projection.synapses.weight))
            source = network.population(projection.source).shape
            full += int(fan_out(ones, source, projection.output_shape(source)).sum())
    return {
        "neurons": sum(int(np.prod(population.shape)) for population in network.spiking),
        "weights": sum(pooled(geometry_of(network, projection))[0].weight.size for projection in network.projections),
        "fused_synapses": full,
    }


def differences(network: IntegerNetwork) -> dict[str, int]:
    """Return Eq. 12 minus what the kernels count on 8 images, and minus the events of the first."""
    counts = count(network, random_stimulus(network, 8, 2), verify=8)
    assert counts.verification is not None
    layers = counts.verification.layers
    return {
        "simulated": sum(abs(layer.difference) for layer in layers),
        "events": sum(abs(layer.reference_difference) for layer in layers),
        "neurons": sum(layer.neurons_different or 0 for layer in layers),
        "accumulates": counts.formula // counts.images,
    }


def oracles() -> dict[str, dict[str, int]]:
    """Return how many integers were compared with each tool, and how many differ."""
    pairs = {tool: list(found()) for tool, found in TOOLS.items()}
    return {t: {"compared": len(p), "different": sum(a != b for _, a, b in p)} for t, p in pairs.items()}


def chips() -> dict[str, tuple[HardwareProfile, str]]:
    """Return the profiles and strategies of the table of cores."""
    one, two = (load_profile(name) for name in ("loihi1", "loihi2"))
    assert one.limits is not None
    without = msgspec.structs.replace(one.limits, input_axons=None, output_axons=None)
    return {
        "loihi1, unrolled": (one, "unrolled"),
        "loihi1, unrolled, axons ignored": (msgspec.structs.replace(one, limits=without), "unrolled"),
        "loihi1, shared, a copy per border class": (one, "shared"),
        "loihi1, shared, one copy": (one_copy(one), "shared"),
        "loihi2, unrolled": (two, "unrolled"),
        "loihi2, shared, a copy per border class": (two, "shared"),
        "loihi2, shared, one copy": (one_copy(two), "shared"),
    }


def one_copy(profile: HardwareProfile) -> HardwareProfile:
    """Return a profile whose cores store a kernel once."""
    assert profile.encoding is not None
    assert profile.encoding.shared is not None
    shared = msgspec.structs.replace(profile.encoding.shared, value="one_copy")
    return msgspec.structs.replace(profile, encoding=msgspec.structs.replace(profile.encoding, shared=shared))


def cores(network: IntegerNetwork) -> dict[str, int | str]:
    """Return the cores that the network takes, or what does not fit."""
    found: dict[str, int | str] = {}
    for name, (profile, strategy) in chips().items():
        try:
            found[name] = len(place(network, profile, strategy).cores)
        except PlacementError as error:
            found[name] = str(error)
    return found


def cells_won(found: dict[int, dict[str, int | str]]) -> int:
    """Return in how many of the 21 cells a network takes no more cores than in the earlier model."""
    pairs = [
        (found[key][name], model) for name, row in BEFORE.items() for key, model in zip((0, 90, 99), row, strict=True)
    ]
    return sum(model is None or (isinstance(ours, int) and ours <= model) for ours, model in pairs)


def reported(path: Path, network: IntegerNetwork, folder: Path) -> float:
    """Return the seconds of the command `spikeport report` on 100 images, start included."""
    images = random_stimulus(network, IMAGES, 3).values
    np.savez(folder / "images.npz", images=images)
    command = [
        sys.executable,
        "-m",
        "spikeport.toolchain.cli",
        "report",
        str(path),
        "--input",
        str(folder / "images.npz"),
    ]
    times = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run([*command, "--out", str(folder / "report")], check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def measure() -> dict[str, Any]:
    """Run all of it."""
    found: dict[str, Any] = {"machine": {"cores": len(os.sched_getaffinity(0)), "processor": processor()}}
    found |= {"oracles": oracles(), "sanafe_time_ratio": ratios(), "mutants": mutants(), "counts": {}, "cores": {}}
    found |= {"loihi_emulators": emulators(), "placement": {"hops": {}, "large": placement.large()}}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for sparsity in (0.0, 0.9, 0.99):
            network, key = vgg16(sparsity), round(sparsity * 100)
            path = folder / f"{key}.safetensors"
            archive.write(network, path)
            found["counts"][key], found["cores"][key] = differences(network), cores(network)
            print(key, found["counts"][key], found["cores"][key], file=sys.stderr, flush=True)
            if key == 0:
                found["shape"] = shape_of(network)
            if key == 90:
                found["placement"]["speed"] = placement.speed(path)
            for sparse, name, strategy in placement.NETWORKS:
                if sparse == key:
                    ways = placement.hops(network, name, strategy)
                    found["placement"]["hops"][f"{key} % {strategy} on {name}"] = ways
            if key == 99:
                found["report_seconds"] = reported(path, network, folder)
                found["verify"] = verify_share(network)
    found["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return found


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers by their published keys."""
    return {
        **found["shape"],
        "formula_minus_simulated": sum(
            each["simulated"] + each["events"] + each["neurons"] for each in found["counts"].values()
        ),
        "count_mutants": found["mutants"]["count_mutants"],
        "count_mutants_caught": found["mutants"]["count_mutants_caught"],
        "verify_share": found["verify"]["verify_share"],
        "oracle_mismatches": sum(each["different"] for each in found["oracles"].values()),
        "loihi_emulators_compared": sum(each["compared"] for each in found["loihi_emulators"].values()),
        "loihi_emulators_mismatches": sum(each["different"] for each in found["loihi_emulators"].values()),
        "cores_cells_won": cells_won(found["cores"]),
        "placement_seconds": found["placement"]["speed"]["now"]["seconds"],
        "placement_gb": found["placement"]["speed"]["now"]["gb"],
        **placement.summary(found["placement"]),
        "report_seconds": found["report_seconds"],
        "sanafe_time_ratio": found["sanafe_time_ratio"],
    }


def table(found: dict[str, Any]) -> str:
    """Return the results as markdown."""
    used, shape = found["machine"], found["shape"]
    lines = [
        f"{used['cores']} cores of {used['processor']}.",
        "",
        f"{shape['neurons']:,} IF neurons, {shape['weights']:,} weights, {shape['fused_synapses']:,} fused synapses.",
        "",
        "| sparsity | accumulates per image, fused | Eq. 12 minus simulation | minus events | neurons that differ |",
        "| --- | --- | --- | --- | --- |",
    ]
    for key, each in found["counts"].items():
        lines.append(
            f"| {key} % | {each['accumulates']:,} | {each['simulated']} | {each['events']} | {each['neurons']} |"
        )
    tried, cost = found["mutants"], found["verify"]
    share = f"{100 * cost['verify_share']:.0f} % of the report's processor time at 99 %"
    caught = f"{tried['count_mutants_caught']} of {tried['count_mutants']} mutants of the kernels give a bad verdict."
    lines += ["", f"{caught} Verifying 4 of {IMAGES} images takes {share}."]
    lines += ["", "| other tool | integers compared | different |", "| --- | --- | --- |"]
    lines += [f"| {tool} | {each['compared']} | {each['different']} |" for tool, each in found["oracles"].items()]
    lines += ["", "| our time over SANA-FE's | simple model | detailed model |", "| --- | --- | --- |"]
    lines += [f"| {n} | {r['simple']:.3f} | {r['detailed']:.3f} |" for n, r in found["sanafe_time_ratio"].items()]
    lines += ["", "| emulator of Loihi 1 | neuron states compared | different |", "| --- | --- | --- |"]
    lines += [f"| {n} | {e['compared']:,} | {e['different']} |" for n, e in found["loihi_emulators"].items()]
    lines += ["", "| cores (earlier model) | 0 % | 90 % | 99 % |", "| --- | --- | --- | --- |"]
    for name, before in BEFORE.items():
        ours = [found["cores"][key][name] for key in (0, 90, 99)]
        cells = [f"{_cores(a)} ({_cores(b)})" for a, b in zip(ours, before, strict=True)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    report_line = f"Report of the 99 % network on {IMAGES} images, start included: {found['report_seconds']:.1f} s."
    lines += ["", *placement.table(found["placement"]), "", report_line]
    return "\n".join(lines) + "\n"


def _cores(found: int | str | None) -> str:
    return f"{found:,}" if isinstance(found, int) else "does not fit"


def main() -> None:
    """Measure, print the table, write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    found = measure()
    print(table(found))
    if arguments.json:
        arguments.json.write_text(json.dumps({**summary(found), "measured": found}, indent=1) + "\n")
    if arguments.markdown:
        arguments.markdown.write_text(table(found))


if __name__ == "__main__":
    main()
