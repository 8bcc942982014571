"""Write the cases for the recorders.

Usage: python -m tests.oracles.hardware.emulators.write_cases FOLDER
"""

import json
import sys
from pathlib import Path

import numpy as np

from spikeport.export.formats import loihi1
from tests.oracles.hardware.emulators.cases import Case, cases


def write(case: Case, folder: Path) -> Path:
    """Write a case's registers and, beside them, its spikes; return the path of the registers."""
    path = folder / f"{case.name}.npz"
    loihi1.write(case.network, path, unproven=True)
    if case.image is not None:
        _write_biases(case, path)
    np.save(path.with_suffix(".spikes.npy"), case.spikes.reshape(len(case.spikes), -1).astype(np.uint8))
    return path


def _write_biases(case: Case, path: Path) -> None:
    """Put what the host writes for the case's image into the registers."""
    arrays = dict(np.load(path))
    names = [each["name"] for each in json.loads(str(arrays["description"]))["populations"]]
    for name, biases in case.biases().items():
        for register, values in vars(biases).items():
            arrays[f"populations/{names.index(name)}/bias_{register}"] = values.reshape(-1).astype(np.int32)
    np.savez_compressed(path, **arrays)


def main() -> None:
    """Write all of them."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    for case in cases():
        write(case, folder)


if __name__ == "__main__":
    main()
