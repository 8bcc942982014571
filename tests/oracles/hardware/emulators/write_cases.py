"""Write the cases for the recorders.

Usage: python -m tests.oracles.hardware.emulators.write_cases FOLDER
"""

import sys
from pathlib import Path

import numpy as np

from spikeport.export.formats import loihi1
from tests.oracles.hardware.emulators.cases import Case, cases


def write(case: Case, folder: Path) -> Path:
    """Write a case's registers and, beside them, its spikes; return the path of the registers."""
    path = folder / f"{case.name}.npz"
    loihi1.write(case.network, path, unproven=True)
    np.save(path.with_suffix(".spikes.npy"), case.spikes.reshape(len(case.spikes), -1).astype(np.uint8))
    return path


def main() -> None:
    """Write all of them."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    for case in cases():
        write(case, folder)


if __name__ == "__main__":
    main()
