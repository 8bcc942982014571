"""Files that nobody has to trust: links, references, bombs, nesting, cut and foreign files."""

import pickle
import sys
import zipfile

import h5py
import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeport.export import isolated
from spikeport.export.errors import FormatError, SpikeportError
from spikeport.export.nir_import import nodes
from spikeport.export.nir_import.graph import read

pytestmark = pytest.mark.apart


@pytest.fixture
def good(tmp_path):
    nodes = {
        "input": nir.Input({"input": np.array([3])}),
        "w": nir.Affine(np.ones((2, 3)), np.ones(2)),
        "n": nir.IF(r=np.ones(2), v_threshold=np.ones(2), v_reset=np.zeros(2)),
        "output": nir.Output({"output": np.array([2])}),
    }
    path = tmp_path / "good.nir"
    nir.write(path, nir.NIRGraph(nodes, [("input", "w"), ("w", "n"), ("n", "output")]))
    return path


def test_good_file_is_read_as_it_is(good):
    graph = nodes.read(good)
    assert {name: node.kind for name, node in graph.nodes.items()} == {
        "input": "Input",
        "w": "Affine",
        "n": "IF",
        "output": "Output",
    }
    assert sorted(graph.edges) == [("input", "w"), ("n", "output"), ("w", "n")]
    assert graph.version == nir.version
    assert graph.nodes["w"].reals("weight").tolist() == [[1.0] * 3] * 2


def external_link(file, folder):
    with h5py.File(folder / "secret.h5", "w") as secret:
        secret["weight"] = np.ones((2, 3))
    del file["node/nodes/w/weight"]
    file["node/nodes/w/weight"] = h5py.ExternalLink(str(folder / "secret.h5"), "weight")


def soft_link(file, _):
    del file["node/nodes/w/weight"]
    file["node/nodes/w/weight"] = h5py.SoftLink("/node/nodes/w/bias")


def dangling_link(file, _):
    file["node/nodes/x"] = h5py.SoftLink("/nowhere")


def loop(file, _):
    file["node/nodes/inner"] = file["node"]


def shared(file, _):
    file["node/nodes/second"] = file["node/nodes/w"]


def external_storage(file, folder):
    (folder / "raw").write_bytes(bytes(48))
    del file["node/nodes/w/weight"]
    file["node/nodes/w"].create_dataset("weight", (2, 3), "f8", external=[(str(folder / "raw"), 0, 48)])


def virtual(file, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["data"] = np.ones((2, 3))
    layout = h5py.VirtualLayout((2, 3), "f8")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "data", (2, 3))
    del file["node/nodes/w/weight"]
    file["node/nodes/w"].create_virtual_dataset("weight", layout)


def bomb(file, _):
    del file["node/nodes/w/weight"]
    file["node/nodes/w"].create_dataset("weight", (2**20, 2**20), "f8", chunks=(1, 2**20), compression="gzip")


def other_filter(file, _):
    del file["node/nodes/w/weight"]
    file["node/nodes/w"].create_dataset("weight", data=np.ones((64, 64)), compression="szip")


def nested(file, _):
    group = file["node"]
    for _ in range(30):
        group = group["nodes"].create_group("deeper")
        group["type"] = "NIRGraph"
        group["edges"] = np.zeros((0, 2))
        group.create_group("nodes")


def group_as_weight(file, _):
    del file["node/nodes/w/weight"]
    file.create_group("node/nodes/w/weight")


def drop(*keys):
    def change(file, _):
        for key in keys:
            del file[key]

    return change


def put(key, value):
    def change(file, _):
        if key in file:
            del file[key]
        file[key] = value

    return change


FAULTS = {
    "external link": (external_link, "is a link to somewhere else"),
    "soft link": (soft_link, "is a link to somewhere else"),
    "dangling link": (dangling_link, "is a link to somewhere else"),
    "link to itself": (loop, "is reached twice"),
    "object in two places": (shared, "is reached twice"),
    "external storage": (external_storage, "lies in another file"),
    "virtual array": (virtual, "lies in another file"),
    "bomb": (bomb, "/node/nodes/w/weight would bring what is made of the file to .* bytes of memory"),
    "other filter": (other_filter, "is packed with szip; only gzip and lzf are read"),
    "deep nesting": (nested, "nested more than"),
    "no node": (drop("node"), "expected a group 'node'"),
    "no nodes": (drop("node/nodes"), "has no 'nodes'; it may be half-written"),
    "no edges": (drop("node/edges"), "has no 'edges'; it may be half-written"),
    "no type": (drop("node/nodes/w/type"), "node 'w' has no type"),
    "no weight": (drop("node/nodes/w/weight"), "node 'w' .Affine.: weight is missing"),
    "no threshold": (drop("node/nodes/n/v_threshold"), "v_threshold is missing"),
    "unknown type": (put("node/nodes/w/type", "Quantum"), "node 'w' .Quantum.: a Quantum node; expected one of Linear"),
    "class as type": (put("node/nodes/w/type", "__class__"), "a __class__ node; expected one of"),
    "type as number": (put("node/nodes/w/type", 5), "node 'w' has no type"),
    "complex weight": (put("node/nodes/w/weight", np.ones((2, 3), complex)), "holds complex128; expected real"),
    "text as weight": (put("node/nodes/w/weight", "heavy"), "weight is the text 'heavy'"),
    "group as weight": (group_as_weight, "weight is a group; expected numbers"),
    "array as node": (put("node/nodes/w", np.ones(3)), "'w' is .1.0, 1.0, 1.0.; expected a group"),
    "edges of three": (put("node/edges", np.array([[b"a", b"b", b"c"]])), "'edges' holds something else"),
    "edges as numbers": (put("node/edges", np.array([[1, 2]])), "'edges' holds something else"),
    "empty edges": (put("node/edges", np.zeros((0, 2))), "is reached by no edge"),
    "zero-size weight": (put("node/nodes/w/weight", np.ones((0, 3))), "'w'|fit|holds"),
    "two inputs": (lambda file, _: file.copy("node/nodes/input", "node/nodes/input2"), "the graph has 2 inputs"),
    "no input": (drop("node/nodes/input"), "there is no node 'input'|0 inputs"),
    "input shape empty": (put("node/nodes/input/shape", np.zeros(0, int)), "shape is an empty array"),
    "input shape negative": (put("node/nodes/input/shape", np.array([-3])), "shape is -3; expected .* from 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_refused_with_its_place(good, tmp_path, name):
    change, message = FAULTS[name]
    with h5py.File(good, "a") as file:
        change(file, tmp_path)
    with pytest.raises(FormatError, match=rf"good\.nir: .*({message})"):
        read(good, steps=4, dialect="nir")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an HDF5 file"),
        (b"hello", "not an HDF5 file"),
        (pickle.dumps({"a": 1}), "a pickle or a PyTorch checkpoint, which is never loaded"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "damaged|not an HDF5 file"),
    ],
)
def test_foreign_files_are_named(tmp_path, data, message):
    path = tmp_path / "foreign.nir"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=rf"foreign\.nir: .*({message})"):
        read(path, steps=4)


def test_checkpoint_missing_file_and_folder_are_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.nir", "w") as file:
        file.writestr("data.pkl", b"")
    with pytest.raises(FormatError, match="never loaded; export the model to NIR"):
        read(tmp_path / "model.nir", steps=4)
    with pytest.raises(FormatError, match="no such file; expected a NIR file"):
        read(tmp_path / "none.nir", steps=4)
    with pytest.raises(FormatError, match="a folder; expected a NIR file"):
        read(tmp_path, steps=4)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_cut_file_is_named(good, share):
    data = good.read_bytes()
    good.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(FormatError, match=r"good\.nir: "):
        read(good, steps=4)


def mutated(good, data):
    """Change a few bytes of a valid file and read it: one of our errors, or a network."""
    content = bytearray(good.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = good.with_name("mutated.nir")
    path.write_bytes(bytes(content))
    try:
        network, _ = read(path, steps=4, dialect="nir")
        assert network.steps == 4
    except SpikeportError as error:
        assert str(path) in str(error)


@pytest.fixture
def patience(monkeypatch):
    """Damage can keep the HDF5 library busy for ever; a test waits less long than a user."""
    monkeypatch.setattr(isolated, "SECONDS", 10)


@pytest.mark.usefixtures("patience")
def test_random_damage_gives_an_error_or_a_network(good):
    @given(st.data())
    @settings(max_examples=20)
    def check(data):
        mutated(good, data)

    check()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import time; time.sleep(60)", "did not end within 4 s"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended with code -11"),
        ("x = bytearray(2**34)", "MemoryError"),
    ],
)
def test_hang_crash_and_hunger_of_the_reading_process_are_errors(good, monkeypatch, code, message):
    run = isolated.subprocess.run
    limits = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({2**32}, {2**32}));"
    monkeypatch.setattr(isolated, "SECONDS", 1)
    monkeypatch.setattr(isolated.subprocess, "run", lambda _, **o: run([sys.executable, "-c", limits + code], **o))
    with pytest.raises(FormatError, match=rf"good\.nir: damaged \(.*{message}"):
        read(good, steps=4)


def test_both_ways_of_reading_give_the_same(good):
    alone, here = nodes.read(good), nodes.read(good, trusted=True)
    assert (alone.edges, alone.version, alone.nodes.keys()) == (here.edges, here.version, here.nodes.keys())
    for name, node in alone.nodes.items():
        assert node.kind == here.nodes[name].kind
        for key, value in node.values.items():
            assert np.array_equal(value, here.nodes[name].values[key])
