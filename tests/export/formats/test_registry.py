"""The folder of formats is the registry: each file says which networks it writes."""

import importlib
import inspect
import typing
from pathlib import Path

import pytest

from spikeport.export import formats
from spikeport.export.errors import FormatError
from spikeport.export.formats import format_names, writer, written_by
from spikeport.export.network import FloatNetwork, IntegerNetwork


@pytest.mark.parametrize("name", format_names())
def test_file_says_which_networks_it_writes(name):
    write = importlib.import_module(f"spikeport.export.formats.{name.replace('-', '_')}").write
    hints = typing.get_type_hints(write)
    first, second, *options = inspect.signature(write).parameters.values()
    assert (first.name, second.name) == ("network", "path")
    assert all(option.kind == option.KEYWORD_ONLY and option.default is not option.empty for option in options)
    assert (hints["path"], hints["return"]) == (Path, type(None))
    taken, kinds = typing.get_args(hints["network"]) or (hints["network"],), written_by(name)
    assert set(taken) <= set(kinds)
    assert all(issubclass(kind, taken) for kind in kinds)
    assert all(writer(name, kind) is write for kind in kinds)


def test_formats_are_the_files():
    names = {path.stem for path in Path(formats.__file__).parent.glob("*.py")}
    assert {name.replace("-", "_") for name in format_names()} == names - {"__init__"}


def test_wrong_format_is_named():
    with pytest.raises(FormatError, match="no format 'hdf5'; there are archive, lava-job, loihi1, netx"):
        writer("hdf5", IntegerNetwork)
    with pytest.raises(
        FormatError, match="format 'onnx' does not take float networks; archive, nir-float, onnx-float do"
    ):
        writer("onnx", FloatNetwork)
