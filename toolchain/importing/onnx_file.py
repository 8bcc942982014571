"""ONNX files: nodes, constants and the ends of the graph, read within the limits for files of others.

No operator runs here, and no code of the file. External data are read from files beside it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, TensorProto, numpy_helper

from spikeport.export.errors import FormatError, one_line
from spikeport.export.inputs import LARGEST_ROOM, Budget, read_bytes, room

OLDEST = 7
"""The first opset whose arithmetic broadcasts as numpy does."""
DOMAINS = ("", "ai.onnx")
HALVES = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, *HALVES)
MOST_NODES = 2**17


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """One node of the graph; ``place`` is where a user finds it: "node 'conv1' (Conv)"."""

    kind: str
    place: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """``input``, its axes, batch first (None: not said), and its precision; ``output``; the nodes that it needs."""

    input: str
    axes: tuple[int | None, ...]
    dtype: np.dtype[Any]
    output: str
    nodes: tuple[Node, ...]
    constants: dict[str, np.ndarray[Any, Any]]
    opset: int
    budget: Budget


def read(path: Path) -> Graph:
    """Read the ONNX file at ``path``; `FormatError` names the file and what is wrong in it."""
    data = read_bytes(path, FormatError, most=LARGEST_ROOM, expected="an ONNX file (.onnx)")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, ValueError) as error:
        raise FormatError(f"{path}: damaged or not an ONNX file ({one_line(error)})") from None
    try:
        return _graph(model, path.parent, Budget(room(len(data)) + _external(model, path.parent)))
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def _external(model: onnx.ModelProto, folder: Path) -> int:
    """Return the bytes of the files beside a model that it names."""
    named = {_location(tensor) for tensor in model.graph.initializer if _is_external(tensor)}
    return sum((folder / name).stat().st_size for name in named if (folder / name).is_file())


def _graph(model: onnx.ModelProto, folder: Path, budget: Budget) -> Graph:
    graph = model.graph
    if not graph.node or len(graph.node) > MOST_NODES:
        raise FormatError(f"holds {len(graph.node):,} nodes; expected an ONNX model of 1 to {MOST_NODES:,} nodes")
    constants = {tensor.name: _array(tensor, folder, budget, tensor.name) for tensor in graph.initializer}
    if graph.sparse_initializer:
        raise FormatError("holds sparse initializers; expected dense ones")
    inputs = [value for value in graph.input if value.name not in constants]
    ends = {"inputs": inputs, "outputs": list(graph.output)}
    for word, values in ends.items():
        if len(values) != 1:
            names = ", ".join(value.name for value in values) or "none"
            raise FormatError(f"has {len(values)} {word} ({names}); expected one: a network from images to classes")
    nodes = [_node(node, index, folder, budget) for index, node in enumerate(graph.node)]
    return Graph(
        input=inputs[0].name,
        axes=_axes(inputs[0]),
        dtype=np.dtype(np.float64 if inputs[0].type.tensor_type.elem_type == TensorProto.DOUBLE else np.float32),
        output=graph.output[0].name,
        nodes=tuple(_needed(nodes, graph.output[0].name)),
        constants=constants,
        opset=_opset(model),
        budget=budget,
    )


def _opset(model: onnx.ModelProto) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in DOMAINS]
    newest = onnx.defs.onnx_opset_version()
    if len(versions) != 1 or not OLDEST <= versions[0] <= newest:
        found = ", ".join(map(str, versions)) or "none"
        raise FormatError(f"is of opset {found}; expected one from {OLDEST} to {newest}: export it anew")
    return int(versions[0])


def _axes(value: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    kind = value.type.tensor_type
    if kind.elem_type not in FLOATS:
        found = TensorProto.DataType.Name(kind.elem_type)
        raise FormatError(f"its input {value.name!r} is {found}; expected floating-point images")
    return tuple(axis.dim_value if axis.dim_value > 0 else None for axis in kind.shape.dim)


def _needed(nodes: list[Node], output: str) -> list[Node]:
    """Return the nodes that the output depends on, each behind those that make its inputs; files may mix the order."""
    makers = {name: node for node in nodes for name in node.outputs if name}
    ordered: dict[Node, None] = {}
    waiting, entered = [output], set[str]()
    while waiting:
        name = waiting[-1]
        node = makers.get(name)
        if node is None or node in ordered:
            waiting.pop()
            continue
        missing = [each for each in node.inputs if each in makers and makers[each] not in ordered]
        if name in entered and missing:
            raise FormatError(f"{node.place}: depends on its own result; the file is damaged")
        if name in entered:
            ordered[node] = None
        else:
            entered.add(name)
            waiting += missing
    return list(ordered)


def _node(node: onnx.NodeProto, index: int, folder: Path, budget: Budget) -> Node:
    place = f"node {node.name!r} ({node.op_type})" if node.name else f"node {index} ({node.op_type})"
    if node.domain not in DOMAINS:
        raise FormatError(f"{place}: is of the domain {node.domain!r}; expected operators of ONNX itself")
    attributes = {each.name: _attribute(each, place, folder, budget) for each in node.attribute}
    return Node(
        kind=node.op_type,
        place=place,
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attributes=attributes,
    )


def _attribute(attribute: onnx.AttributeProto, place: str, folder: Path, budget: Budget) -> Any:
    """Return a number, a text, a list of them, or an array."""
    kind, name = AttributeProto.AttributeType.Name(attribute.type), attribute.name
    if kind == "TENSOR":
        return _array(attribute.t, folder, budget, f"{place}: {name}")
    if kind in ("FLOAT", "INT"):
        return attribute.f if kind == "FLOAT" else attribute.i
    if kind in ("FLOATS", "INTS"):
        return tuple(attribute.floats if kind == "FLOATS" else attribute.ints)
    if kind == "STRING":
        return attribute.s.decode("utf-8", "replace")
    raise FormatError(f"{place}: attribute {name} is of kind {kind}; expected numbers: graphs within nodes do not run")


def _array(tensor: TensorProto, folder: Path, budget: Budget, name: str) -> np.ndarray[Any, Any]:
    """Return the numbers of a tensor."""
    size = int(np.prod([max(side, 0) for side in tensor.dims], dtype=object))
    budget.take(8 * size, f"the tensor {name}")
    try:
        if _is_external(tensor):
            tensor = _loaded(tensor, folder)
        array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FormatError(f"the tensor {name} is damaged ({one_line(error)})") from None
    array = array.astype(np.float32) if tensor.data_type in HALVES else array
    if array.dtype.kind not in "biuf":
        raise FormatError(f"the tensor {name} holds {array.dtype}; expected numbers")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise FormatError(f"the tensor {name} holds values that are not finite")
    array.flags.writeable = False
    return array


def _is_external(tensor: TensorProto) -> bool:
    return bool(tensor.data_location == TensorProto.EXTERNAL)


def _location(tensor: TensorProto) -> str:
    """Return the file of external data: a relative path that stays in the model's folder."""
    values = _entries(tensor.external_data)
    name = values.get("location", "")
    if not name or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
        raise FormatError(f"the tensor {tensor.name} names {name!r} for its data; expected a file beside the model")
    return name


def _entries(entries: Iterable[Any]) -> dict[str, str]:
    return {entry.key: entry.value for entry in entries}


def _loaded(tensor: TensorProto, folder: Path) -> TensorProto:
    """Return a tensor with the bytes of its file."""
    name, values = _location(tensor), _entries(tensor.external_data)
    data = read_bytes(folder / name, FormatError, most=LARGEST_ROOM, expected=f"the data of the tensor {tensor.name}")
    start = int(values.get("offset", 0))
    length = int(values.get("length", len(data) - start))
    if start < 0 or length < 0 or start + length > len(data):
        raise FormatError(
            f"the tensor {tensor.name} ends at byte {start + length:,} of {name}, which has {len(data):,}"
        )
    made = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    made.raw_data = data[start : start + length]
    return made
