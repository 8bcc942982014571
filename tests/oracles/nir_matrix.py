"""How many files of other frameworks give the exporter's own spikes when we read them?

    python -m tests.oracles.nir_matrix

``recordings.zip`` holds networks that snnTorch, Norse, SpikingJelly and sinabs wrote with their own exporters, with
input and spikes of their own simulation (the recorders stand beside it). Each is read twice: in its framework's
dialect, told what the file does not hold, and with what we guess from the file alone. Every recorded layer and step
must be equal.
"""

import json
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikeport.export.errors import FormatError
from spikeport.export.executors import floating
from spikeport.export.nir_import.graph import read
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record

RECORDINGS = Path(__file__).parent / "nir" / "recordings.zip"


@dataclass(frozen=True)
class Outcome:
    """Cells that differ, of how many; an error instead where the file was refused."""

    different: int
    compared: int
    error: str = ""

    @property
    def identical(self) -> bool:
        return not self.error and self.different == 0

    def word(self):
        """Return what the matrix shows."""
        return "refused" if self.error else "identical" if self.identical else str(self.different)


def names():
    """Return the recorded networks."""
    with zipfile.ZipFile(RECORDINGS) as file:
        return sorted(Path(name).stem for name in file.namelist() if name.endswith(".nir"))


def unpacked(name, folder):
    """Return the paths of a recording's two files."""
    with zipfile.ZipFile(RECORDINGS) as file:
        return [Path(file.extract(f"{name}.{end}", folder)) for end in ("nir", "npz")]


def told(meta):
    """Return dialect and what the exporter dropped."""
    changes = dict(meta.get("told", {}))
    norm = bool(changes.pop("norm_input", False))
    if meta["framework"] == "sinabs":
        changes["normalized"] = norm
    if meta["framework"] == "snntorch":
        late = "late" if meta["reset_delay"] else "settle"
        zero = "pause" if meta["reset_delay"] else "hard"
        changes["reset"] = {"zero": zero, "subtract": late, "none": "none"}[meta["reset"]]
    if meta["framework"] == "norse":
        changes["dt"] = meta["cell_dt"] * meta["dt"]
        changes["v_reset"] = meta["v_reset"] or None
    if meta["framework"] == "spikingjelly":
        changes["dt"] = meta["dt"]
    if meta["framework"] in ("norse", "sinabs"):
        changes["reset"] = {"zero": "hard", "subtract": "subtract"}[meta["reset"]]
    return meta["framework"], changes


def compare(name, *, guessed=False):
    """Read one recording and compare every recorded layer."""
    with tempfile.TemporaryDirectory() as folder:
        path, recorded = unpacked(name, folder)
        with np.load(recorded) as file:
            arrays = dict(file)
        dialect, changes = ("auto", {}) if guessed else told(json.loads(str(arrays["meta"])))
        inputs = arrays["input"].swapaxes(0, 1)
        try:
            network, _ = read(path, dialect=dialect, steps=inputs.shape[1], **changes)
        except FormatError as error:
            return Outcome(0, 0, str(error))
    driven = stimulus(inputs.reshape(*inputs.shape[:2], *network.source.shape), network)
    trace = record(floating.steps(network, driven))
    different = compared = 0
    for key in (key for key in arrays if key.startswith("spikes_")):
        expected, found = arrays[key].swapaxes(0, 1), trace[key.removeprefix("spikes_")]
        different += int((expected.reshape(found.shape) != found).sum())
        compared += expected.size
    return Outcome(different, compared)


def main():
    """Print the matrix."""
    rows = {name: (compare(name), compare(name, guessed=True)) for name in names()}
    print(f"{'file':46} {'cells':>7} {'told':>9} {'guessed':>9}")
    for name, outcomes in rows.items():
        cells = [outcome.word() for outcome in outcomes]
        print(f"{name:46} {outcomes[0].compared:7} {cells[0]:>9} {cells[1]:>9}")
    frameworks = sorted({name.split("_")[0] for name in rows})
    for framework in frameworks:
        chosen = [outcomes for name, outcomes in rows.items() if name.startswith(framework)]
        counts = [sum(outcomes[column].identical for outcomes in chosen) for column in (0, 1)]
        print(f"{framework}: {counts[0]} of {len(chosen)} identical, {counts[1]} with the dialect guessed")
    guessed = sum(outcome.identical for _, outcome in rows.values())
    print(f"guessed identical {guessed} of {len(rows)}")
    print(f"identical {sum(outcome.identical for outcome, _ in rows.values())} of {len(rows)}")


if __name__ == "__main__":
    main()
