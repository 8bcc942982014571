"""How much faster the reference executor is than Lava's own simulation, on the same network and images.

Both run in turn within one process, several times; the figures are medians of ratios. Lava's time is split into the
start (building and starting its processes) and the time per image, by runs of two lengths.

    python benchmarks/reference_against_lava.py
"""

import os
import statistics
import time
from pathlib import Path

from spikeport.export import archive
from spikeport.export.executors import executor
from spikeport.export.network import IntegerNetwork
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import Stimulus, read

EXAMPLE = Path(__file__).parents[1] / "examples" / "digits"
REPEATS, SHORT, LONG = 5, 10, 60


def seconds(name: str, network: IntegerNetwork, samples: Stimulus) -> float:
    """Return the wall time of one run to its last step."""
    steps, started = executor(name), time.perf_counter()
    for _ in steps(network, samples):
        pass
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    network = quantize(folded(archive.read_float(EXAMPLE / "network_float.safetensors")))
    samples, _ = read(EXAMPLE / "held_out.npz", network)
    rows = []
    for _ in range(REPEATS):
        times = {n: [seconds(n, network, samples.first(c)) for c in (SHORT, LONG)] for n in ("reference", "lava")}
        start = times["lava"][0] - SHORT * (times["lava"][1] - times["lava"][0]) / (LONG - SHORT)
        per_image = {name: (long - short) / (LONG - SHORT) for name, (short, long) in times.items()}
        rows.append((per_image["lava"] / per_image["reference"], times["lava"][1] / times["reference"][1], start))
        print(f"per image {rows[-1][0]:.0f}x, {LONG} images with the start {rows[-1][1]:.0f}x, start {start:.1f} s")
    ratio, whole, start = (statistics.median(column) for column in zip(*rows, strict=True))
    print(
        f"median of {REPEATS} on {os.cpu_count()} cores: Lava takes {ratio:.0f} times the reference's time per image,"
    )
    print(f"{whole:.0f} times with its start ({start:.1f} s) over {LONG} images")


if __name__ == "__main__":
    main()
