"""What runs and writes networks stands above `export.lava`, so no folder imports in a circle."""

import ast
from pathlib import Path

import pytest

from spikeport.export.lava import doctor, job

FOLDER = Path(doctor.__file__).parent
ABOVE = (
    "spikeport.export.executors",
    "spikeport.export.fidelity",
    "spikeport.export.formats",
    "spikeport.export.simulation",
)


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_module_imports_nothing_from_above(path):
    assert [name for name in imported(path) if name.startswith(ABOVE)] == []


def test_writers_import_no_executor():
    for path in (FOLDER.parent / "formats").glob("lava*.py"):
        assert [name for name in imported(path) if ".executors" in name] == []


def test_the_worker_has_every_module_that_it_imports():
    """What a module of the worker imports of ours is in the job folder too; the package itself loads names lazily."""
    package = job.PACKAGE
    listed = {f"spikeport/{module}".removesuffix("/__init__").replace("/", ".") for module in job.WORKER_MODULES}
    for module in set(job.WORKER_MODULES) - {"__init__"}:
        for name in imported(package / f"{module}.py"):
            if name.startswith("spikeport."):
                assert name in listed or name.rpartition(".")[0] in listed, (module, name)
