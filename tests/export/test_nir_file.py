"""Our NIR files are those of the nir package: every group, array, type, shape, packing and text is the same."""

import io
import subprocess
import sys

import h5py
import nir
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.errors import FormatError
from spikeport.export.formats import nir as nir_format
from spikeport.export.formats import nir_portable
from spikeport.export.lava.doctor import small_network
from spikeport.export.nir_file import VERSION, Graph, input_node, node, output_node, to_bytes
from tests.strategies import integer_networks, reshaped_networks

WITHOUT_NIR = """
import sys
sys.modules["nir"] = None
from pathlib import Path
from spikeport.export.formats import nir, nir_portable
from spikeport.export.lava.doctor import small_network
from spikeport.export.nir_import.graph import read
folder = Path(sys.argv[1])
nir.write(small_network(), folder / "ours.nir")
nir_portable.write(small_network(), folder / "portable.nir")
assert read(folder / "ours.nir")[0].steps == small_network().steps
"""


def tree(data):
    """Return everything that an HDF5 file says: per object its type, shape, packing, values and attributes."""
    found = {}

    def visit(name, entry):
        found[name] = [type(entry).__name__, {key: repr(value) for key, value in entry.attrs.items()}]
        if isinstance(entry, h5py.Dataset):
            text = h5py.check_string_dtype(entry.dtype)
            packing = (entry.compression, entry.compression_opts, entry.chunks, entry.shuffle, entry.fillvalue)
            found[name] += [entry.dtype.str, text, entry.shape, packing, np.asarray(entry[()]).tolist()]

    with h5py.File(io.BytesIO(data), "r") as file:
        visit("/", file)
        file.visititems(visit)
    return found


def by_the_package(graph):
    """Return the file of a graph whose nodes are made and written by the nir package."""
    nodes = {name: nir.dict2NIRNode({"type": each.kind, **each.values}) for name, each in graph.nodes.items()}
    made = io.BytesIO()
    nir.write(made, nir.NIRGraph(nodes, graph.edges, metadata=dict(graph.metadata), type_check=False))
    return made.getvalue()


def graphs_of(network):
    """Return the graphs that the two formats write of a network, where they do."""
    for make in (nir_format.to_graph, nir_portable._portable):
        try:
            yield make(network)
        except FormatError:
            continue


@given(st.one_of(reshaped_networks(), integer_networks(leaky=False, resets=("zero", "value"), least=1)))
def test_the_file_of_any_network_is_the_packages_own(network):
    for graph in graphs_of(network):
        assert tree(to_bytes(graph)) == tree(by_the_package(graph))


def test_the_comparison_sees_types_values_packing_and_names():
    graph = nir_format.to_graph(small_network())
    expected = tree(by_the_package(graph))
    changes = [
        Graph({**graph.nodes, "more": node("Flatten", input_type=np.array([1]), start_dim=0, end_dim=-1)}, graph.edges),
        Graph(graph.nodes, graph.edges[::-1], graph.metadata),
        Graph(graph.nodes, graph.edges, {**graph.metadata, "steps": 1}),
        Graph({**graph.nodes, "input": node("Input", shape=(1, 8, 8))}, graph.edges, graph.metadata),
        Graph(
            {**graph.nodes, "input": node("Input", shape=np.array([1, 8, 8], np.int32))}, graph.edges, graph.metadata
        ),
    ]
    assert tree(to_bytes(graph)) == expected
    for changed in changes:
        assert tree(to_bytes(changed)) != expected


def test_the_package_of_the_written_version_reads_every_node():
    assert nir.version == VERSION
    ones = np.ones(3, np.float32)
    kinds = {
        "in": input_node((3,)),
        "n": node("LIF", tau=ones, r=ones, v_leak=0 * ones, v_threshold=ones, v_reset=0 * ones),
        "out": output_node((3,)),
    }
    graph = Graph(kinds, [("in", "n"), ("n", "out")])
    read = nir.read(io.BytesIO(to_bytes(graph)))
    assert read.edges == graph.edges
    assert np.array_equal(read.nodes["n"].v_reset, 0 * ones)


@pytest.mark.parametrize("module", ["spikeport.export.formats.nir", "spikeport.export.executors.nir"])
def test_nothing_of_the_product_imports_the_nir_package(module):
    code = f"import sys, {module}; assert not [name for name in sys.modules if name.split('.')[0] == 'nir']"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_files_are_written_and_read_where_the_nir_package_is_missing(tmp_path):
    subprocess.run([sys.executable, "-c", WITHOUT_NIR, tmp_path], check=True)
    assert nir.read(tmp_path / "ours.nir").nodes.keys() > {"input", "output"}
    assert nir.read(tmp_path / "portable.nir").nodes.keys() > {"input", "output"}
