"""Choices of a user's own: a folder whose subfolders add files to those of the toolchain, for one run.

``DIR/objectives/mine.py`` holds a tagged subclass of `Objective`; a recipe then says ``objective = { kind = "mine" }``.
The files are run as Python code, so they are read only where the user names the folder.
"""

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from spikeport.export.errors import RecipeError, one_line
from spikeport.toolchain.attacks.attack import Attack
from spikeport.toolchain.choices import Choice, kinds
from spikeport.toolchain.data.dataset import DataSource
from spikeport.toolchain.nn.architectures.architecture import Architecture
from spikeport.toolchain.nn.encoders.encoder import Encoder
from spikeport.toolchain.nn.surrogates.surrogate import Surrogate
from spikeport.toolchain.objectives.objective import Objective
from spikeport.toolchain.pruning.pruner import Pruner
from spikeport.toolchain.stages.stage import Stage

FOLDERS: dict[str, type[Choice]] = {
    "architectures": Architecture,
    "attacks": Attack,
    "data": DataSource,
    "encoders": Encoder,
    "objectives": Objective,
    "pruning": Pruner,
    "stages": Stage,
    "surrogates": Surrogate,
}
"""Base classes by the name of the subfolder that adds choices."""


@contextmanager
def extended(folders: Sequence[Path]) -> Iterator[None]:
    """Add the choices of ``folders`` while the block runs; `RecipeError` names a file that cannot be one."""
    added: list[tuple[str, str]] = []
    modules: list[str] = []
    try:
        for folder in folders:
            for place, files in _files(Path(folder)):
                package = FOLDERS[place.name].__module__.rpartition(".")[0]
                path = importlib.import_module(package).__path__
                _check_names(files, list(path))
                path.append(str(place))
                added.append((package, str(place)))
                modules += [f"{package}.{file.stem}" for file in files]
                for file in files:
                    _load(file, package, FOLDERS[place.name])
        yield
    finally:
        _remove(added, modules)


def _files(folder: Path) -> list[tuple[Path, list[Path]]]:
    """Return the subfolders with Python files, which all have to be those that add choices."""
    if not folder.is_dir():
        raise RecipeError(f"--extend {folder}: no such folder")
    known = ", ".join(FOLDERS)
    loose = sorted(folder.glob("*.py"))
    if loose:
        raise RecipeError(f"{loose[0]}: expected it in a subfolder that says what it adds: {known}")
    found = [(place, sorted(place.glob("*.py"))) for place in sorted(folder.iterdir()) if place.is_dir()]
    found = [(place, files) for place, files in found if files]
    for place, _ in found:
        if place.name not in FOLDERS:
            raise RecipeError(f"{place}: no folder of choices; expected {known}")
    if not found:
        raise RecipeError(f"--extend {folder}: holds no Python file in a subfolder; expected {known}")
    return [(place.resolve(), [file.resolve() for file in files]) for place, files in found]


def _check_names(files: list[Path], places: list[str]) -> None:
    for file in files:
        taken = [Path(place) / file.name for place in places if (Path(place) / file.name).exists()]
        if taken:
            raise RecipeError(f"{file}: there is a {file.stem!r} already ({taken[0]}); give the file another name")
        if not file.stem.isidentifier():
            raise RecipeError(f"{file}: {file.stem!r} is no name of a Python module")


def _load(file: Path, package: str, base: type[Choice]) -> None:
    name = f"{package}.{file.stem}"
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise RecipeError(f"{file}: {type(error).__name__}: {one_line(error)}") from error
    own = [tag for tag, kind in kinds(base).items() if kind.__module__ == module.__name__]
    if own != [file.stem]:
        found = ", ".join(own) or "none"
        raise RecipeError(
            f"{file}: expected one subclass of {base.__name__} with tag={file.stem!r}, found the tags: {found}"
        )


def _remove(added: list[tuple[str, str]], modules: list[str]) -> None:
    for package, place in added:
        importlib.import_module(package).__path__.remove(place)
    for name in modules:
        sys.modules.pop(name, None)
        package, _, attribute = name.rpartition(".")
        vars(sys.modules[package]).pop(attribute, None)
