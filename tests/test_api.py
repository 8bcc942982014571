"""The public names: documented, typed, loaded when used, and nothing else."""

import ast
import inspect
import subprocess
import sys
from dataclasses import is_dataclass
from importlib import metadata
from pathlib import Path

import pytest

import spikeport
from spikeport.export.shown import Shown

SOURCE = Path(spikeport.__file__)
FUNCTIONS = [name for name in spikeport.__all__ if inspect.isfunction(getattr(spikeport, name))]


def imported_for_type_checkers():
    """Return the names that ``if TYPE_CHECKING`` imports, with their modules."""
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    return {alias.name: node.module for node in block.body for alias in node.names}


def test_every_public_name_loads_and_is_typed_where_it_is_loaded_from():
    homes = {name: f"spikeport.{module}" for module, names in spikeport._HOMES.items() for name in names}
    assert sorted([*homes, "__version__"]) == sorted(spikeport.__all__) == sorted(dir(spikeport))
    assert homes == imported_for_type_checkers()
    for name in spikeport.__all__:
        assert getattr(spikeport, name) is not None


def test_version_is_the_installed_one():
    assert spikeport.__version__ == metadata.version("spikeport")


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'spikeport' has no attribute 'quantise'"):
        spikeport.quantise  # noqa: B018


@pytest.mark.parametrize("name", [name for name in spikeport.__all__ if name != "__version__"])
def test_every_public_name_says_what_it_is(name):
    value = getattr(spikeport, name)
    if not isinstance(value, type) and not callable(value):
        return
    text = inspect.getdoc(value)
    assert text, name
    assert not is_dataclass(value) or not text.startswith(f"{name}("), f"{name} has only a generated docstring"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_argument_of_a_function_is_typed_and_in_its_docstring(name):
    function = getattr(spikeport, name)
    text = inspect.getdoc(function)
    for argument, parameter in inspect.signature(function).parameters.items():
        assert parameter.annotation is not inspect.Parameter.empty
        assert argument.rstrip("_") in text, f"{name}: the docstring does not mention {argument!r}"
    assert inspect.signature(function).return_annotation is not inspect.Signature.empty


def test_every_public_result_shows_as_its_text():
    results = [
        value for name in spikeport.__all__ if callable(getattr(value := getattr(spikeport, name), "text", None))
    ]
    assert len(results) > 8
    assert [each for each in results if not issubclass(each, Shown)] == []


def test_the_package_is_marked_as_typed():
    assert SOURCE.with_name("py.typed").is_file()


def test_import_loads_nothing_heavy():
    probe = "import sys, spikeport; print([m for m in ('numpy', 'torch', 'numba', 'onnx', 'h5py') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
