"""What a mutant is, and the copy of the tree that mutants are applied to.

A file ``<area>_table.py`` of this folder is an area: a tuple ``MUTANTS``. A mutant replaces one text by another in one
file of a temporary copy of the tree; its tests run there and must fail. A mutant that passes all of its tests shows a
rule that no test guards.
"""

import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("export", "hardware_profiles", "toolchain", "src", "tests", "examples", "docs", "pyproject.toml", "README.md")
FAILED = 1
"""What pytest exits with when tests ran and some failed; a mutant that cannot be imported gives 2 and shows nothing."""
LIMIT = 600
"""Seconds for the tests of one mutant."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change: ``old`` occurs once in ``file`` and becomes ``new``; ``tests`` are what pytest runs."""

    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def name(self) -> str:
        """A line that names the change."""
        return f"{self.file}: {' '.join(self.old.split())} => {' '.join(self.new.split()) or 'nothing'}"


def areas() -> dict[str, tuple[Mutant, ...]]:
    """Return the mutants by area, from the files ``<area>_table.py`` of this folder."""
    package = __package__ or "tests.mutation"
    found = sorted(m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if m.name.endswith("_table"))
    return {name.removesuffix("_table"): importlib.import_module(f"{package}.{name}").MUTANTS for name in found}


def copy_of_the_tree(folder: Path) -> Path:
    """Copy what the tests need into ``folder``, compiled files and links included, and return it."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, symlinks=True)
        else:
            shutil.copy2(ROOT / name, folder / name)
    return folder


@contextmanager
def applied(mutant: Mutant, tree: Path):
    """Apply ``mutant`` to ``tree``, and take it back with the file's time, by which compiled files are known."""
    path = tree / mutant.file
    text = path.read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1, f"{mutant.name}: the old text occurs {text.count(mutant.old)} times, expected 1"
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        yield
    finally:
        shutil.copy2(ROOT / mutant.file, path)


def run_tests(tests: tuple[str, ...], tree: Path) -> subprocess.CompletedProcess[str]:
    """Run pytest on ``tests`` with the packages of ``tree``, until the first failure."""
    environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=line", *tests]
    return subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT
    )


def killer(done: subprocess.CompletedProcess[str]) -> str | None:
    """Return the test that failed, or nothing where all passed; raise where the tests could not run."""
    if done.returncode == 0:
        return None
    assert done.returncode == FAILED, (
        f"pytest exited with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    assert line.startswith("FAILED "), done.stdout[-2000:]
    return line.removeprefix("FAILED ").split(" - ")[0]
