"""The nodes and edges of a NIR file, read from HDF5 as data that nobody has to trust.

HDF5 can point at other files, at raw storage and at itself, and unpack kilobytes to gigabytes. Here only hard links
count, each object once, arrays lie in the file itself, plain or packed with gzip, and sizes are added up before
anything is read. A damaged file can still send the HDF5 library into an endless loop or crash it, so it is read by a
process of its own, with limits of time and memory, which hands over safetensors.
"""

import json
import math
import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from export.errors import FormatError
from export.network import Array

LARGEST_BYTES = 2**31
"""Bytes of all arrays of a file together."""
DEEPEST = 8
"""Graphs within graphs."""
SECONDS = 120
"""Time for reading a file."""
REFUSED = 3
"""Exit code of the reading process where the file is at fault."""
PICKLE, ZIP = b"\x80", b"PK"


@dataclass(frozen=True)
class Node:
    """One node: its type's name and its parameters as arrays and texts."""

    kind: str
    values: dict[str, Array | str]

    def array(self, name: str, *, default: float | None = None) -> Array:
        """Return a parameter as float64; `FormatError` where it is missing, no number, or not finite."""
        value = self.values.get(name)
        if value is None and default is not None:
            return np.array(default)
        if not isinstance(value, np.ndarray):
            found = "missing" if value is None else f"the text {value!r}"
            raise FormatError(f"parameter {name!r} is {found}; expected numbers")
        return np.asarray(value, np.float64)


@dataclass
class Graph:
    """A graph with its nested graphs laid flat: names of nodes inside are joined with a dot."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    version: str = ""


def read(path: Path, *, trusted: bool = False) -> Graph:
    """Read a NIR file; `FormatError` names the file, the place in it, and what is wrong.

    A ``trusted`` file, one that we have just written, is read without a process of its own.
    """
    _check_kind(path)
    try:
        return _parsed(path) if trusted else _isolated(path)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def _parsed(path: Path) -> Graph:
    try:
        with h5py.File(path, "r") as file:
            return _Reader().graph(file)
    except FormatError:
        raise
    except Exception as error:  # noqa: BLE001 - h5py raises errors of every kind on damaged files
        raise FormatError(f"damaged ({type(error).__name__}: {error})") from None


def _isolated(path: Path) -> Graph:
    """Let a process of its own read the file."""
    with tempfile.TemporaryDirectory(prefix="spikeport-nir-") as folder:
        out = Path(folder) / "graph.safetensors"
        package = str(Path(__file__).parents[2])
        found = os.environ.get("PYTHONPATH")
        environment = {**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{found}" if found else package}
        command = [sys.executable, "-m", "export.nir_import.hdf5", str(path.absolute()), str(out)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False, env=environment
            )
        except subprocess.TimeoutExpired:
            raise FormatError(f"damaged (reading it did not end within {SECONDS} s)") from None
        if done.returncode == REFUSED:
            raise FormatError(done.stderr.strip())
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise FormatError(f"damaged (reading it ended with code {done.returncode}: {lines[-1]})")
        return _unpacked(out)


def _pack(graph: Graph, path: Path) -> None:
    """Write a graph as safetensors: arrays by number, everything else as JSON."""
    arrays: list[Array] = []

    def number(value: Array | str) -> int | str:
        if isinstance(value, str):
            return value
        arrays.append(np.array(value, value.dtype.newbyteorder("<"), order="C"))
        return len(arrays) - 1

    nodes = {
        name: [node.kind, {key: number(value) for key, value in node.values.items()}]
        for name, node in graph.nodes.items()
    }
    metadata = {key: number(value) for key, value in graph.metadata.items()}
    text = json.dumps({"nodes": nodes, "edges": graph.edges, "metadata": metadata, "version": graph.version})
    save_file({str(index): array for index, array in enumerate(arrays)}, path, {"graph": text})


def _unpacked(path: Path) -> Graph:
    with safe_open(path, framework="numpy") as file:
        plain = json.loads(file.metadata()["graph"])

        def value(number: int | str) -> Any:
            return number if isinstance(number, str) else file.get_tensor(str(number))

        nodes = {
            name: Node(kind, {key: value(number) for key, number in values.items()})
            for name, (kind, values) in plain["nodes"].items()
        }
        metadata = {key: value(number) for key, number in plain["metadata"].items()}
    edges = [(start, end) for start, end in plain["edges"]]
    return Graph(nodes=nodes, edges=edges, metadata=metadata, version=plain["version"])


def main(path: Path, out: Path) -> int:
    """Read ``path`` under limits and write the graph to ``out``."""
    memory = 2 * LARGEST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        _pack(_parsed(path), out)
    except FormatError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    return 0


def _check_kind(path: Path) -> None:
    if not path.is_file():
        raise FormatError(f"{path}: {'a folder' if path.is_dir() else 'no such file'}; expected a NIR file")
    with path.open("rb") as file:
        start = file.read(8)
    if start[:1] == PICKLE or start[:2] == ZIP:
        raise FormatError(f"{path}: a pickle or a PyTorch checkpoint, which is never loaded; export the model to NIR")
    if not h5py.is_hdf5(path):
        raise FormatError(f"{path}: not an HDF5 file, which a NIR file is; it may be cut off or half-written")


class _Reader:
    def __init__(self) -> None:
        self.seen: set[tuple[int, ...]] = set()
        self.bytes = 0

    def graph(self, file: h5py.File) -> Graph:
        """Return the graph of a whole file."""
        graph = Graph()
        if "version" in file:
            version = self.value(file, "version")
            graph.version = version if isinstance(version, str) else str(version)
        if "node" not in file:
            raise FormatError(f"holds {', '.join(list(file)[:5]) or 'nothing'}; expected a group 'node'")
        self.add(graph, self.group(file, "node"), "", 0)
        return graph

    def add(self, graph: Graph, group: h5py.Group, prefix: str, depth: int) -> None:
        """Add the nodes and edges of one graph, and of those inside it."""
        if depth > DEEPEST:
            raise FormatError(f"{prefix.rstrip('.')}: graphs are nested more than {DEEPEST} deep")
        for key in ("nodes", "edges"):
            if key not in group:
                raise FormatError(f"graph {prefix or 'of the file'!r} has no {key!r}; it may be half-written")
        nodes = self.group(group, "nodes")
        for name in nodes:
            self.node(graph, nodes, name, prefix, depth)
        for source, target in self.edges(group):
            graph.edges.append((prefix + source, prefix + target))
        if "metadata" in group and not prefix:
            metadata = self.group(group, "metadata")
            graph.metadata = {key: self.value(metadata, key) for key in metadata}

    def node(self, graph: Graph, nodes: h5py.Group, name: str, prefix: str, depth: int) -> None:
        """Add one node, or the graph that it is."""
        group = self.group(nodes, name)
        kind = self.value(group, "type") if "type" in group else None
        if not isinstance(kind, str):
            raise FormatError(f"node {prefix + name!r} has no type")
        if kind == "NIRGraph":
            self.add(graph, group, f"{prefix}{name}.", depth + 1)
            graph.nodes[prefix + name] = Node("NIRGraph", {})
            return
        values = {key: self.value(group, key) for key in group if key not in ("type", "metadata")}
        graph.nodes[prefix + name] = Node(kind, values)

    def edges(self, group: h5py.Group) -> list[tuple[str, str]]:
        """Return the edges as pairs of names."""
        dataset = self.dataset(group, "edges")
        if dataset.size == 0:
            return []
        rows = dataset[()]
        if rows.ndim != 2 or rows.shape[1] != 2:
            raise FormatError(f"'edges' has shape {rows.shape}; expected pairs of names")
        return [(_text(source), _text(target)) for source, target in rows]

    def group(self, parent: h5py.Group, name: str) -> h5py.Group:
        """Return a group that is reached by a hard link and was not met before."""
        found = self.open(parent, name)
        if not isinstance(found, h5py.Group):
            raise FormatError(f"{name!r} is an array; expected a group")
        return found

    def dataset(self, parent: h5py.Group, name: str) -> h5py.Dataset:
        """Return an array that lies in the file itself, within the limit of bytes."""
        found = self.open(parent, name)
        if not isinstance(found, h5py.Dataset):
            raise FormatError(f"{name!r} is a group; expected an array")
        if found.is_virtual or found.external:
            raise FormatError(f"{name!r} lies in another file; only arrays in the file itself are read")
        if found.compression not in (None, "gzip"):
            raise FormatError(f"{name!r} is packed with {found.compression}; only gzip is read")
        self.bytes += math.prod(found.shape or (1,)) * found.dtype.itemsize
        if self.bytes > LARGEST_BYTES:
            raise FormatError(f"{name!r}: the arrays take more than {LARGEST_BYTES:,} bytes")
        return found

    def open(self, parent: h5py.Group, name: str) -> Any:
        """Follow a hard link, once."""
        if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
            raise FormatError(f"{name!r} is a link to somewhere else; only what is in the file itself is read")
        found = parent[name]
        info = h5py.h5o.get_info(found.id)
        place = (info.fileno, info.addr)
        if place in self.seen:
            raise FormatError(f"{name!r} is reached twice; each object of a NIR file stands in one place")
        self.seen.add(place)
        return found

    def value(self, group: h5py.Group, name: str) -> Array | str:
        """Return an array of numbers, or a text."""
        dataset = self.dataset(group, name)
        value = dataset[()]
        if isinstance(value, bytes | str):
            return _text(value)
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise FormatError(f"{name!r} holds {array.dtype}; expected real numbers or a text")
        return array


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
