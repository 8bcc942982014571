"""How many files of other frameworks give the exporter's own spikes when we read them?

    python -m tests.oracles.nir_matrix

``recordings.zip`` holds networks that other frameworks wrote with their own exporters, with input and output of their
own simulation (the recorders stand beside it). Each is read twice: in its framework's dialect, told what the file does
not hold, and with nothing told. Every recorded layer and step must be equal: spikes as integers, potentials of readouts
as 32-bit numbers. With nothing told, a reader that asks instead of guessing is not wrong; a third reading has it guess,
which it must say.
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
RESETS = {"zero": "hard", "subtract": "subtract", "none": "none"}


@dataclass(frozen=True)
class Outcome:
    """Cells that differ, of how many; an error instead where the file was refused; what the reader said of itself."""

    different: int
    compared: int
    error: str = ""
    notes: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        return not self.error and self.different == 0

    @property
    def asked(self) -> bool:
        return bool(self.error)

    def word(self, refusal="refused"):
        """Return what the matrix shows."""
        return refusal if self.error else "identical" if self.identical else str(self.different)


def names():
    """Return the recorded networks, FRAMEWORK_VERSION_NAME each."""
    with zipfile.ZipFile(RECORDINGS) as file:
        return sorted(name.removesuffix(".nir") for name in file.namelist() if name.endswith(".nir"))


def unpacked(name, folder):
    """Return the paths of a recording's two files."""
    with zipfile.ZipFile(RECORDINGS) as file:
        return [Path(file.extract(f"{name}.{end}", folder)) for end in ("nir", "npz")]


def meta_of(path):
    """Return what the recorder wrote about a network."""
    with np.load(path) as file:
        return json.loads(str(file["meta"]))


def told(meta):
    """Return dialect and what the exporter dropped."""
    changes = {key: value for key, value in meta.get("told", {}).items() if not key.startswith("norm_")}
    framework = {"sc-neurocore": "nir"}.get(meta["framework"], meta["framework"])
    return framework, changes | TOLD.get(meta["framework"], lambda _meta: {})(meta)


def _snntorch(meta):
    late = "late" if meta["reset_delay"] else "settle"
    zero = "pause" if meta["reset_delay"] else "hard"
    return {"reset": {"zero": zero, "subtract": late, "none": "none"}[meta["reset"]]}


def _sinabs(meta):
    kinds = {"norm_input": "LIF", "norm_readout": "LI"}
    normalized = [kind for key, kind in kinds.items() if key in meta["told"]]
    floor = meta["told"].get("floor", "none")
    return {"reset": RESETS[meta["reset"]], "normalized": ",".join(normalized) or "none", "floor": floor}


def _norse(meta):
    step = meta["cell_dt"] * meta["dt"]
    return {"dt": step, "v_reset": meta["v_reset"] or None, "reset": RESETS[meta["reset"]]}


TOLD = {
    "snntorch": _snntorch,
    "norse": _norse,
    "sinabs": _sinabs,
    "spikingjelly": lambda meta: {"dt": meta["dt"]},
    "rockpool": lambda meta: {"dt": meta["dt"]},
    "spyx": lambda meta: {"dt": meta["dt"]},
    "sc-neurocore": lambda meta: {"dt": meta["dt"], "reset": RESETS[meta["reset"]], "start": "v_leak"},
}
"""What to tell of each framework's files."""


def compare(name, **how):
    """Read one recording and compare every recorded layer; ``how`` as for `compare_files`."""
    with tempfile.TemporaryDirectory() as folder:
        path, recorded = unpacked(name, folder)
        return compare_files(path, recorded, **how)


def compare_files(path, recorded, *, guessed=False, guess=False):
    """Read the file at ``path`` and compare every layer of ``recorded``.

    ``guessed``: the reader is told nothing; ``guess``: nor may it ask.
    """
    with np.load(recorded) as file:
        arrays = dict(file)
    nothing = guessed or guess
    dialect, changes = ("auto", {"guess": guess}) if nothing else told(json.loads(str(arrays["meta"])))
    try:
        return differences(path, arrays, dialect, **changes)
    except FormatError as error:
        return Outcome(0, 0, str(error))


def differences(path, arrays, dialect, **changes):
    """Return how many cells of a recording differ when the file is read so."""
    inputs = arrays["input"].swapaxes(0, 1)
    network, rules = read(path, dialect=dialect, steps=inputs.shape[1], trusted=True, **changes)
    driven = stimulus(inputs.reshape(*inputs.shape[:2], *network.source.shape), network)
    trace = record(floating.steps(network, driven))
    different = compared = 0
    for kind in ("spikes_", "potentials_"):
        for key in (key for key in arrays if key.startswith(kind)):
            expected, found = arrays[key].swapaxes(0, 1), trace[key.removeprefix(kind)]
            different += int((expected.reshape(found.shape) != found.astype(np.float32)).sum())
            compared += expected.size
    return Outcome(different, compared, notes=rules.notes)


def main():
    """Print the matrix."""
    rows = {name: (compare(name), compare(name, guessed=True)) for name in names()}
    print(f"{'framework':13} {'version':14} {'file':36} {'cells':>6} {'told':>9} {'guessed':>9}")
    for name, (known, guessed) in rows.items():
        framework, version, rest = name.split("_", 2)
        line = f"{framework:13} {version:14} {rest:36} {known.compared:6}"
        print(f"{line} {known.word():>9} {guessed.word('asked'):>9}")
    print()
    for framework, version in dict.fromkeys(tuple(name.split("_", 2)[:2]) for name in rows):
        print(summary(f"{framework} {version}", [rows[n] for n in rows if n.startswith(f"{framework}_{version}_")]))
    with_guess = [compare(name, guess=True) for name in rows]
    different = [each for each in with_guess if each.different]
    said = sum(any("guessed" in note for note in each.notes) for each in different)
    print(
        f"with --guess: identical {sum(each.identical for each in with_guess)}, different {len(different)} "
        f"({said} say that they are a guess), refused {sum(each.asked for each in with_guess)}"
    )
    print(f"identical {sum(known.identical for known, _ in rows.values())} of {len(rows)}")
    identical = sum(guessed.identical for _, guessed in rows.values())
    asked = sum(guessed.asked for _, guessed in rows.values())
    print(f"guessed: identical {identical}, asked {asked}, wrong {len(rows) - identical - asked}")


def summary(title, outcomes):
    """Return one line about the files of one version."""
    told_, guessed = zip(*outcomes, strict=True)
    identical, asked = sum(each.identical for each in guessed), sum(each.asked for each in guessed)
    wrong = len(outcomes) - identical - asked
    return (
        f"{title:28} identical {sum(each.identical for each in told_):2} of {len(outcomes):2}; guessed: "
        f"identical {identical:2}, asked {asked:2}, wrong {wrong:2}"
    )


if __name__ == "__main__":
    main()
