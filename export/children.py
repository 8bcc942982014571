"""Child processes of Python that import nothing from the user's folder.

A file that somebody else wrote is read in a process of its own. Python puts the current folder, or the folder of a
script, in front of its module path; an ``h5py.py`` beside a downloaded model would run. `command` starts the child
isolated (``python -I``: no current folder, no PYTHON* variables) and hands over `spikeport` by its folder.
"""

import json
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

PACKAGE = Path(__file__).absolute().parents[1]
"""The folder of `spikeport` itself."""
LIBRARIES = ("numpy", "safetensors", "h5py")
"""What children of this interpreter import; a child finds each in the folder from which its parent took it."""
START = """
import importlib.util, json, pathlib, runpy, sys
package, module, libraries = sys.argv[1:4]
sys.argv[1:] = sys.argv[4:]
sys.path += [folder for folder in json.loads(libraries) if folder not in sys.path]
place = pathlib.Path(package)
spec = importlib.util.spec_from_file_location("spikeport", place / "__init__.py", submodule_search_locations=[package])
sys.modules["spikeport"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["spikeport"])
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def command(
    module: str,
    arguments: Sequence[str],
    *,
    interpreter: Path | None = None,
    package: Path = PACKAGE,
    libraries: Sequence[str] = LIBRARIES,
) -> list[str]:
    """Return the command that runs ``module`` of ``package`` as a program, isolated from the user's folder.

    ``interpreter``: another Python with libraries of its own (Lava's); without it this one, with this one's
    ``libraries``.
    """
    folders = [] if interpreter else _library_folders(libraries)
    head = [str(interpreter or sys.executable), "-I", "-c", START]
    return [*head, str(package), module, json.dumps(folders), *arguments]


def environment() -> dict[str, str]:
    """Return this process's variables without those that make Python or HDF5 load code from other folders."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "HDF5_"))}


def _library_folders(libraries: Sequence[str]) -> list[str]:
    """Return the folders from which this process takes ``libraries``, without loading those that it has not."""
    files = [Path(str(spec.origin)) for name in libraries if (spec := find_spec(name)) is not None]
    return list(dict.fromkeys(str(file.parents[1]) for file in files))
