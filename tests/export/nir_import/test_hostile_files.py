"""Small files that ask for much memory or time, and numbers that no network has: refused with the reason."""

import itertools
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from spikeport.export import hdf5
from spikeport.export.errors import AmbiguousOrigin, FormatError
from spikeport.export.nir_import.graph import read
from tests.spent import processor_seconds

pytestmark = pytest.mark.apart

GROWTH = 2**29
"""Bytes by which no file of this test may raise the largest memory ever used."""


def neuron(size=(), **changes):
    values = {"r": np.ones(size), "v_threshold": np.ones(size), "v_reset": np.zeros(size)}
    return {"type": "IF", **values, **changes}


def linear(shape=(1, 1)):
    return {"type": "Linear", "weight": np.ones(shape)}


def convolution(**changes):
    values = {"weight": np.ones((1, 1, 3, 3)), "stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    return {"type": "Conv2d", **values, **changes}


def pooling(size, padding=0):
    pairs = {"kernel_size": size, "stride": 1, "padding": padding}
    return {"type": "SumPool2d", **{key: np.array([value] * 2) for key, value in pairs.items()}}


def written(path, nodes, edges, shape=(1,)):
    """Write nodes, given as dictionaries, with the bare HDF5 library: nir would refuse many of them."""
    with h5py.File(path, "w", libver="latest") as file:
        outer = {"input": {"type": "Input", "shape": np.array(shape)}, "output": {"type": "Output", "shape": [1]}}
        for name, values in {**outer, **nodes}.items():
            group = file.create_group(f"node/nodes/{name}")
            for key, value in values.items():
                if callable(value):
                    value(group, key)
                else:
                    group[key] = value
        file["node/type"] = "NIRGraph"
        file["node/edges"] = np.array(edges, dtype="S30") if edges else np.zeros((0, 2))
    return path


def replaced(path, group, key, value):
    """Put another value at a place of a file."""
    with h5py.File(path, "a") as file:
        del file[f"{group}/{key}"]
        if callable(value):
            value(file[group], key)
        else:
            file[f"{group}/{key}"] = value


def one(node, shape=(1,)):
    """Return a graph of one node in front of a neuron."""
    return {"n": node, "i": neuron()}, [("input", "n"), ("n", "i"), ("i", "output")], shape


def chain(make, count):
    names = [f"n{index}" for index in range(count)]
    pairs = list(itertools.pairwise(names))
    return {name: make() for name in names}, [("input", "n0"), *pairs, (names[-1], "output")], (1,)


def doubling(depth):
    """Two ways from each node to the next: 2^depth paths."""
    nodes, edges, last = {"i": neuron()}, [], "input"
    for index in range(depth):
        nodes |= {f"{kind}{index}": linear() for kind in "abj"}
        edges += [(last, f"a{index}"), (last, f"b{index}"), (f"a{index}", f"j{index}"), (f"b{index}", f"j{index}")]
        last = f"j{index}"
    return nodes, [*edges, (last, "i"), ("i", "output")], (1,)


def bipartite(side):
    nodes = {f"{kind}{index}": linear() for kind in "ab" for index in range(side)} | {"i": neuron()}
    edges = [(f"a{first}", f"b{second}") for first in range(side) for second in range(side)]
    edges += [("input", f"a{index}") for index in range(side)] + [(f"b{index}", "i") for index in range(side)]
    return nodes, [*edges, ("i", "output")], (1,)


def shared_weights(count, size):
    nodes = {f"a{index}": neuron() for index in range(count)} | {"n": linear((size, size)), "i": neuron()}
    edges = [("input", f"a{index}") for index in range(count)] + [(f"a{index}", "n") for index in range(count)]
    return nodes, [*edges, ("n", "i"), ("i", "output")], (size,)


def unallocated(group, key):
    group.create_dataset(key, (25_000, 20_000), "i1")


def packed_ones(group, key):
    group.create_dataset(key, data=np.ones((6000, 3000), np.int8), chunks=(100, 3000), compression="gzip")


def huge_chunk(group, key):
    group.create_dataset(key, (1, 1), "f8", chunks=(20_000, 20_000), maxshape=(None, None), compression="gzip")


TOO_LARGE = {
    "unallocated array": (one({"type": "Linear", "weight": unallocated}, (20_000,)), "weight would bring .* memory"),
    "packed array": (one({"type": "Linear", "weight": packed_ones}, (3000,)), "weight would bring .* bytes of memory"),
    "huge chunk": (one({"type": "Linear", "weight": huge_chunk}), "a chunk of /node/nodes/n/weight would bring"),
    "scale as matrix": (one({"type": "Scale", "scale": np.arange(10_000.0)[None, None] + 1}, (1, 1, 10_000)),
                        "a matrix of 10,000 x 10,000 for a scale that differs within a channel would bring"),
    "pooling kernel": (one(pooling(10**6), (1, 4, 4)), "kernel_size is .*; expected .* from 1 to 65,536"),
    "pooling kernel with room": (one(pooling(60_000, 40_000), (1, 4, 4)), "a kernel of 1 x 60000 x 60000 would bring"),
    "padding": (one(convolution(padding=50_000), (1, 4, 4)),
            "node 'n' .Conv2d.: padding .50000, 50000. of a kernel that reaches over 3 x 3"),
    "padding and stride": (one(convolution(padding=65_536, stride=65_536), (1, 4, 4)),
            "node 'n' .Conv2d.: padding .65536"),
    "padding of a dilated kernel": (one(convolution(padding=9_000, dilation=4_000), (1, 4, 4)),
            "node 'n' .Conv2d.: a source of shape .* has 324,144,016 positions"),
    "input": (one(neuron(), (8_000, 8_000)),
            "size of population input is 64,000,000; expected .* 16,777,216"),
    "input of three axes": (one(neuron(), (64, 1_000, 1_000)), "size of population input is 64,000,000"),
    "doubling paths": (doubling(40), "the paths through population j.* become more than 20,000|more than 1,000,000"),
    "every edge": (bipartite(200), "the paths through population .* become more than 20,000 projections"),
    "shared weights": (shared_weights(400, 300), "the weights of all paths would bring"),
}  # fmt: skip


@pytest.mark.parametrize("name", TOO_LARGE)
def test_small_file_that_asks_for_much_is_refused_in_seconds(tmp_path, name):
    (nodes, edges, shape), message = TOO_LARGE[name]
    path = written(tmp_path / "bad.nir", nodes, edges, shape)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, processor_seconds()
    with pytest.raises(FormatError, match=rf"bad\.nir: .*({message})"):
        read(path, steps=4, dialect="nir")
    assert processor_seconds() - start < 10
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < GROWTH


@pytest.mark.parametrize(("make", "count"), [(linear, 1500), (neuron, 800)])
def test_long_chain_is_read_in_seconds(tmp_path, make, count):
    path = written(tmp_path / "long.nir", *chain(make, count))
    start = processor_seconds()
    read(path, steps=4, dialect="nir")
    assert processor_seconds() - start < 10


def test_names_that_become_equal_get_numbers(tmp_path):
    nodes = {f"n{chr(0x100 + index)}": neuron() for index in range(60)}
    names = list(nodes)
    edges = [("input", names[0]), *itertools.pairwise(names), (names[-1], "output")]
    path = tmp_path / "names.nir"
    with h5py.File(written(path, nodes, [("input", "output")]), "a") as file:
        del file["node/edges"]
        file["node/edges"] = np.array(edges, dtype=h5py.string_dtype())
    network, _ = read(path, steps=4, dialect="nir")
    assert len({population.name for population in network.populations}) == 61
    assert all(population.name.isascii() for population in network.populations)


def test_many_objects_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "MOST_OBJECTS", 20)
    nodes, edges, shape = chain(linear, 10)
    path = written(tmp_path / "many.nir", nodes, edges, shape)
    with pytest.raises(FormatError, match="holds more than 20 groups and arrays; at most so many are read"):
        read(path, steps=4, trusted=True)


BAD = {
    "NaN": np.nan, "infinite": np.inf, "negative": -1.0, "matrix": np.ones((2, 3)), "empty": np.zeros(0),
    "text": "heavy", "truth": np.array([True]), "complex": 1j, "huge": 1e308, "beyond 64 bit": 2.0**62,
    "enumeration": lambda group, key: group.create_dataset(
        key, data=np.array(1, np.int8), dtype=h5py.enum_dtype({"A": 0, "B": 1}, "i1")),
}  # fmt: skip
PLACES = {
    "input shape": lambda value: ({"i": neuron()}, [("input", "i"), ("i", "output")], value),
    **{
        key: lambda value, key=key: one(convolution(**{key: value}), (1, 4, 4))
        for key in ("stride", "padding", "dilation", "groups", "weight")
    },
    "kernel_size": lambda value: one({**pooling(2), "kernel_size": value}, (1, 4, 4)),
    "tau": lambda value: one(
        {"type": "LIF", **dict.fromkeys(("r", "v_threshold"), 1.0), "v_leak": 0.0, "v_reset": 0.0, "tau": value}
    ),
    "threshold": lambda value: one(neuron(v_threshold=value)),
    "r": lambda value: one(neuron(r=value)),
    "delay": lambda value: one({"type": "Delay", "delay": value}),
    "scale": lambda value: one({"type": "Scale", "scale": value}),
}
FINE = {
    *(("tau", name) for name in ("infinite", "beyond 64 bit")),
    *((place, name) for place in ("r", "scale") for name in ("negative", "beyond 64 bit")),
    ("threshold", "beyond 64 bit"),
}
"""Senseful, and in range."""


@pytest.mark.parametrize("dialect", ["auto", "nir", "spikingjelly"])
@pytest.mark.parametrize("place", PLACES)
def test_number_of_any_other_kind_is_an_error_with_its_node(tmp_path, place, dialect):
    for name, bad in BAD.items():
        path = tmp_path / f"{name}.nir"
        nodes, edges, shape = PLACES[place](bad)
        written(path, nodes, edges, [1] if place == "input shape" else shape)
        if place == "input shape":
            replaced(path, "node/nodes/input", "shape", bad)
        try:
            read(path, steps=4, dialect=dialect, trusted=True)
        except FormatError as error:
            assert str(path) in str(error)
            named = "node '" in str(error) or "/node/nodes/" in str(error) or "dt is" in str(error)
            assert named or ((place, name) in FINE and isinstance(error, AmbiguousOrigin))
        else:
            assert (place, name) in FINE, name


def test_rate_of_zero_is_named(tmp_path):
    path = written(tmp_path / "zero.nir", *chain(lambda: neuron(r=0.0), 1))
    with pytest.raises(FormatError, match=r"zero\.nir: node 'n0' \(IF\): r is 0; expected numbers from 1e-30"):
        read(path, steps=4, dialect="spikingjelly")


def test_input_without_edges_is_named(tmp_path):
    path = written(tmp_path / "alone.nir", {}, [])
    with h5py.File(path, "a") as file:
        del file["node/nodes/output"]
    with pytest.raises(FormatError, match="no edge leads from the input 'input'"):
        read(path, steps=4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 10**9}, "number of steps is 1,000,000,000; expected one whole number from 1 to 100,000"),
        ({"steps": 4.5}, "number of steps is 4.5; expected one whole number"),
        ({"steps": 4, "levels": 0}, "levels is 0; expected one whole number from 1"),
        ({"steps": 4, "levels": 10**30}, "levels is a number of 100 bits"),
        ({"steps": 4, "dt": np.nan}, "dt holds numbers that are not finite"),
        ({"steps": 4, "dt": np.inf}, "dt holds numbers that are not finite"),
        ({"steps": 4, "dt": -1.0}, "dt is -1; expected numbers from 1e-30"),
        ({"steps": 4, "dt": 1e-300}, "dt is 1e-300; expected numbers from 1e-30"),
        ({"steps": 4, "most": 0}, "most is 0; expected one whole number from 1"),
        ({"steps": 4, "most": 10**18}, "most is .*; expected one whole number from 1"),
        ({"steps": 4, "reset": "soft"}, "reset is 'soft'; expected one of hard"),
        ({"steps": 4, "start": "one"}, "start is 'one'; expected one of zero, v_reset, v_leak"),
        ({"steps": 4, "floor": np.nan}, "floor holds numbers that are not finite"),
    ],
)
def test_options_go_through_the_same_checks(tmp_path, options, message):
    path = written(tmp_path / "a.nir", *chain(neuron, 2))
    with pytest.raises(FormatError, match=rf"a\.nir: .*{message}"):
        read(path, **{"dialect": "nir", **options})


@pytest.mark.parametrize("key", ["steps", "levels"])
def test_metadata_go_through_the_same_checks(tmp_path, key):
    for name, bad in BAD.items():
        path = written(tmp_path / f"{name}.nir", *chain(neuron, 2))
        with h5py.File(path, "a") as file:
            group = file.create_group("node/metadata")
            group["spikeport"] = 1
            group["steps"] = group["levels"] = 4
        replaced(path, "node/metadata", key, bad)
        with pytest.raises(FormatError, match=rf"{key} .*; expected|metadata/{key} holds"):
            read(path, trusted=True)


@pytest.mark.parametrize("text", ["a\x1b[31mb", "a\nb", "a\u202eb", "x" * 100_000])
def test_names_from_files_are_escaped_and_cut(tmp_path, text):
    path = written(tmp_path / "names.nir", *one({"type": text}))
    with h5py.File(path, "a") as file:
        file.move("node/nodes/n", f"node/nodes/{text[:1000]}")
        del file["node/edges"]
        file["node/edges"] = np.array([("input", text[:1000]), (text[:1000], "i")], dtype=h5py.string_dtype())
    with pytest.raises(FormatError, match=r"names\.nir: ") as found:
        read(path, steps=4, dialect="nir")
    assert str(found.value).isprintable()
    assert len(str(found.value)) <= 1000


PARENT = '''
import sys
from pathlib import Path
from spikeport.export import hdf5, isolated
SLEEP = """
import os, time
import spikeport.export.isolated as reader
reader._limit(2**27, 60, int(sys.argv[4]))
pathlib.Path(sys.argv[1] + ".pid").write_text(str(os.getpid()))
time.sleep(60)
"""
command = isolated.children.command
def slow(module, arguments, **options):
    made = command(module, arguments, **options)
    at = next(i for i, each in enumerate(made) if "runpy.run_module" in each)
    made[at] = made[at].replace("runpy.run_module(module", SLEEP + "runpy.run_module(module")
    return made
isolated.children.command = slow
hdf5.read(Path(sys.argv[1]), kind="NIR")
'''


def test_reading_process_ends_with_its_parent(tmp_path):
    path = written(tmp_path / "a.nir", *chain(neuron, 2))
    folder = tmp_path / "scratch"
    folder.mkdir()
    environment = {**os.environ, "TMPDIR": str(folder)}
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(path)], env=environment)
    deadline = time.monotonic() + 20
    while not (files := [each for each in folder.glob("*/*.pid") if each.read_text().strip()]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child = int(files[0].read_text())
    os.kill(child, 0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while time.monotonic() < deadline and _lives(child):
        time.sleep(0.05)
    assert not _lives(child)
    subprocess.run([sys.executable, "-c", RESTART, str(path)], env=environment, check=True)
    assert list(folder.glob("spikeport-read-*")) == []


RESTART = (
    "import sys; from pathlib import Path; from spikeport.export import hdf5; hdf5.read(Path(sys.argv[1]), kind='NIR')"
)


def _lives(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
