"""For how many recordings does `identify` find the rules from input and output alone?

    python -m tests.oracles.nir_identify [START_OF_NAME ...]

Of each recording of `tests.oracles.nir_matrix` it gets the input and what the last layer put out, as a user would
record them, and nothing about the framework. Read again with the rules that were found, the file must give every
recorded layer.
"""

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass

import numpy as np

import spikeport
from spikeport.export.errors import SpikeportError
from tests.oracles.nir_matrix import Outcome, differences, names, unpacked


@dataclass(frozen=True)
class Identified:
    """The rules' name, whether they reproduce what they were found from, and how they do on every layer."""

    dialect: str
    exact: int
    outcome: Outcome
    seconds: float


def last(arrays):
    """Return what the last layer put out: the readout's potentials, else its spikes."""
    readouts = [key for key in arrays if key.startswith("potentials_")]
    return {key.split("_", 1)[1]: arrays[key] for key in readouts} or arrays["spikes"]


def identified(name):
    """Identify the rules of one recording and compare every layer."""
    with tempfile.TemporaryDirectory() as folder:
        path, recorded = unpacked(name, folder)
        with np.load(recorded) as file:
            arrays = dict(file)
        settings = spikeport.ImportSettings(steps=len(arrays["input"]))
        start = time.perf_counter()
        try:
            result = spikeport.identify(path, arrays["input"], last(arrays), settings=settings)
        except SpikeportError as error:
            return Identified("", 0, Outcome(0, 0, str(error)), time.perf_counter() - start)
        seconds, found = time.perf_counter() - start, result.found
        if not result.passed:
            return Identified(result.dialect.name, 0, Outcome(found.different, found.cells), seconds)
        return Identified(result.dialect.name, len(found.exact), differences(path, arrays, "auto"), seconds)


def main():
    """Print one line a recording, and what was found."""
    rows = {}
    for name in (name for name in names() if name.startswith(tuple(sys.argv[1:] or ("",)))):
        rows[name] = each = identified(name)
        print(f"{name:56} {each.dialect:13} {each.exact:3} {each.outcome.word():>9} {each.seconds:6.2f} s", flush=True)
    seconds = [each.seconds for each in rows.values()]
    print(f"median {statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s")
    print(f"identified {sum(each.exact > 0 for each in rows.values())} of {len(rows)}")
    print(f"identical {sum(each.outcome.identical for each in rows.values())} of {len(rows)}")


if __name__ == "__main__":
    main()
