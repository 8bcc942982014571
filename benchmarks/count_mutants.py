"""Whether wrong kernels give a bad verdict, compiled; and what the verification costs of a report.

    python benchmarks/count_mutants.py [--json PATH]

Every mutant of `tests.export.engine.kernel_mutants` (a synapse dropped, doubled or shifted) is compiled anew and
counted on a small network. The cost is the share of processor time that `verify=4` takes within a report on 100
images, of the paper's VGG-16 with 99 % zeros.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from simulator import vgg16

from spikeport.export.executors import fast
from spikeport.export.network import IntegerNetwork
from spikeport.export.stimulus import random_stimulus
from spikeport.export.three_counts import VERIFY
from spikeport.hardware_profiles.counting import count, counter
from spikeport.hardware_profiles.report.build import report

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.export.engine.kernel_mutants import KERNELS, TABLES, Mutant, apply, force, network_of

IMAGES = 100


def caught(mutant: Mutant | None, case: str) -> bool:
    """Return whether the three counts differ with a mutant; without one they must not."""
    network, driven, kernel = network_of(case)
    patches: list[Any] = []

    def patch(owner: Any, name: str, value: Any) -> None:
        patches.append(mock.patch.object(owner, name, value))
        patches[-1].start()

    force(kernel, patch)
    if mutant is not None:
        apply(mutant, patch, compiled=True)
    try:
        verification = count(network, driven, verify=len(driven)).verification
        return verification is None or not verification.passed
    finally:
        for each in reversed(patches):
            each.stop()


def mutants() -> dict[str, Any]:
    """Return how many mutants there are and give a bad verdict; the right kernels must give a good one."""
    tried = (*KERNELS, *TABLES)
    wrong = [case for case in dict.fromkeys(mutant.case for mutant in tried) if caught(None, case)]
    assert not wrong, f"the right kernels give a bad verdict on {wrong}"
    missed = [mutant.label for mutant in tried if not caught(mutant, mutant.case)]
    return {"count_mutants": len(tried), "count_mutants_caught": len(tried) - len(missed), "missed": missed}


def verify_share(network: IntegerNetwork) -> dict[str, float]:
    """Return the share of a report's processor time that the verification takes, and both times in seconds.

    Measured within one report, by the time of the threads that count in the kernels and of what compares the counts.
    """
    images, spent = random_stimulus(network, IMAGES, 3), [0.0]

    def timed(work: Callable[..., Any], clock: Callable[[], float]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            started = clock()
            try:
                return work(*arguments, **options)
            finally:
                spent[0] += clock() - started

        return run

    report(network, images.first(16), verify=VERIFY)  # compiles, and reads what is compiled
    with (
        mock.patch.object(fast, "tally", timed(fast.tally, time.thread_time)),
        mock.patch.object(counter, "compared", timed(counter.compared, time.process_time)),
    ):
        started = time.process_time()
        report(network, images, verify=VERIFY)
        whole = time.process_time() - started
    return {"verify_share": spent[0] / whole, "verify_seconds": spent[0], "report_seconds": whole}


def main() -> None:
    """Measure, print, write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = {**mutants(), **verify_share(vgg16(0.99))}
    print(json.dumps(found, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
