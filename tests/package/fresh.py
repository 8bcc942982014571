"""How long do the first minutes take? Run by ``make fresh-check``.

Builds the wheel, then times in an empty environment: ``pip install`` without torch, a NIR file that Norse wrote to
integers, check, report. Prints a table of seconds (on the clock, and of processor time, which other work on the machine
changes least), and the times of ``import spikeport`` and ``spikeport --help``, least and median of eleven. Exit code 1
where a command fails or a limit on processor time is broken: commands 60 s, import 0.2 s, help 0.4 s (medians).
"""

import io
import resource
import statistics
import sys
import tempfile
import time
import venv
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from check import ROOT, call, good

NAME = "norse_1.0.0_conv_lif_vec_grid"
COMMANDS_SECONDS, IMPORT_SECONDS, HELP_SECONDS = 60.0, 0.2, 0.4
RUNS = 11


@dataclass(frozen=True, kw_only=True)
class Times:
    """Seconds on the clock, and of processor time."""

    clock: float
    processor: float

    def text(self) -> str:
        """Return both."""
        return f"{self.clock:7.2f} {self.processor:9.2f}"


def timed(run: Callable[[], object]) -> Times:
    """Return what a program that ``run`` starts and waits for takes."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run()
    clock, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Times(clock=clock, processor=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def many(run: Callable[[], object]) -> tuple[Times, Times]:
    """Return least and median of several runs."""
    found = [timed(run) for _ in range(RUNS)]
    clocks, processor = [each.clock for each in found], [each.processor for each in found]
    least = Times(clock=min(clocks), processor=min(processor))
    return least, Times(clock=statistics.median(clocks), processor=statistics.median(processor))


def files(folder: Path) -> None:
    """Write the network of another framework, and the samples that were recorded with it, (N, T, C, H, W)."""
    with zipfile.ZipFile(ROOT / "tests" / "oracles" / "nir" / "recordings.zip") as recordings:
        (folder / "model.nir").write_bytes(recordings.read(f"{NAME}.nir"))
        with np.load(io.BytesIO(recordings.read(f"{NAME}.npz"))) as recorded:
            np.savez(folder / "samples.npz", frames=recorded["input"].swapaxes(0, 1))


def main() -> int:
    """Build, install, run, print; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="spikeport-fresh-") as name:
        folder = Path(name)
        good(sys.executable, "-m", "build", "--wheel", "--outdir", folder / "dist", ROOT, folder=folder)
        (wheel,) = (folder / "dist").glob("*.whl")
        files(folder)
        venv.create(folder / "env", with_pip=True)
        python, command = folder / "env" / "bin" / "python", folder / "env" / "bin" / "spikeport"
        limits = ROOT / "constraints.txt"
        samples, network = ("--input", "samples.npz"), "network.safetensors"
        steps = {
            "pip install": (python, "-m", "pip", "install", "--quiet", "--constraint", limits, wheel),
            "quantize": (command, "quantize", "model.nir", "--dialect", "norse", "--calibration", "samples.npz",
                         "--out", network),
            "check": (command, "check", network, *samples, "--executors", "onnx,nir"),
            "report": (command, "report", network, *samples),
        }  # fmt: skip
        print(f"{'':28} {'clock s':>7} {'processor':>9}")
        total = Times(clock=0.0, processor=0.0)
        for title, words in steps.items():
            found = timed(lambda words=words: good(*words, folder=folder))  # type: ignore[misc]
            total = Times(clock=total.clock + found.clock, processor=total.processor + found.processor)
            print(f"{title:28} {found.text()}", flush=True)
        print(f"{'all commands':28} {total.text()}")
        if not call(python, "-c", "import torch", folder=folder).returncode:
            sys.exit("torch was installed, too; expected an installation without")
        within = [total.processor < COMMANDS_SECONDS]
        lookups = {
            "import spikeport": ((python, "-c", "import spikeport"), IMPORT_SECONDS),
            "spikeport --help": ((command, "--help"), HELP_SECONDS),
        }
        bare = many(lambda: good(python, "-c", "pass", folder=folder))
        print(f"{'python alone, least':28} {bare[0].text()}\n{'python alone, median':28} {bare[1].text()}")
        for title, (words, limit) in lookups.items():
            least, median = many(lambda words=words: good(*words, folder=folder))  # type: ignore[misc]
            print(f"{title + ', least':28} {least.text()}\n{title + ', median':28} {median.text()}")
            within.append(median.processor < limit)
    return 0 if all(within) else 1


if __name__ == "__main__":
    sys.exit(main())
