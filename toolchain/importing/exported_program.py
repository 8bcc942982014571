"""Saved PyTorch programs (.pt2) read without PyTorch's loader, which unpickles what stands in them.

A .pt2 file is a zip archive: ``models/NAME.json`` holds the calls with the names of their arguments, ``data/weights``
and ``data/constants`` hold the bytes of each tensor as it is, and a table of sizes, strides and types.
`torch.export.load` also unpickles example inputs, tensor subclasses and other objects; here they are left or refused.
"""

import io
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spikeport.export.errors import FormatError, SpikeportError, one_line
from spikeport.export.inputs import LARGEST_FILE, read_bytes
from spikeport.export.tensors import strict_json
from spikeport.toolchain.importing.imported import ImportedNetwork
from spikeport.toolchain.importing.program import Call, Program, Ref, place
from spikeport.toolchain.importing.torch_module import Statistics, one, to_network

OLD = ("serialized_exported_program.json", "serialized_state_dict.pt", "serialized_state_dict.json")
TYPES = {5: torch.int64, 6: torch.float16, 7: torch.float32, 8: torch.float64, 12: torch.bool, 13: torch.bfloat16}
"""Numbers of types in the file; the weights of layers are floats, batch counts and masks the others."""
PLAIN = ("as_int", "as_ints", "as_float", "as_floats", "as_bool", "as_bools", "as_string")
SKIPPED = ("as_none", "as_device", "as_layout", "as_memory_format")
"""Arguments that say nothing about what is computed from values."""


def from_exported(path: Path, *, mean: Statistics | None = None, std: Statistics | None = None) -> ImportedNetwork:
    """Return the network of a file that `torch.export.save` wrote, as `from_torch` does for a module.

    Its weights are read as bytes, and nothing in it is unpickled or run. Raises `FormatError`, which names the file.
    """
    try:
        program = _read(read_bytes(path, FormatError, most=LARGEST_FILE, expected="a .pt2 file"))
        return to_network(program, mean=mean, std=std)
    except SpikeportError as error:
        raise FormatError(error if str(error).startswith(str(path)) else f"{path}: {error}") from None
    except Exception as error:  # noqa: BLE001 - damaged tables raise errors of every kind
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise FormatError(f"{path}: damaged, or no file that torch.export.save wrote ({reason})") from None


def _read(data: bytes) -> Program:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = _Files(archive)
        graph = files.table(f"models/{files.model}.json")["graph_module"]
        tensors = {kind: files.tensors(kind) for kind in ("weights", "constants")}
    return _program(graph, {**tensors["constants"], **tensors["weights"]})


class _Files:
    """The files of an archive, below its one folder."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        names = archive.namelist()
        if any(name.rpartition("/")[2] in OLD for name in names):
            raise FormatError(
                "written by a PyTorch before 2.9, which pickled weights, and no pickle is loaded; expected a file that "
                "torch.export.save of PyTorch 2.9 or later wrote, or the module itself: spikeport.from_torch"
            )
        self.root = names[0].partition("/")[0] + "/"
        models = [name for name in names if name.startswith(f"{self.root}models/") and name.endswith(".json")]
        if len(models) != 1:
            raise FormatError(f"holds {len(models)} programs; expected one, as torch.export.save writes")
        if f"{self.root}byteorder" in names and self.bytes("byteorder").decode() != sys.byteorder:
            raise FormatError(f"its numbers are not {sys.byteorder} endian; expected a file of a machine like this one")
        self.model = models[0].rpartition("/")[2].removesuffix(".json")

    def bytes(self, name: str) -> bytes:
        """Return one file; only stored ones, whose size the archive's own limits."""
        info = self.archive.getinfo(self.root + name)
        if info.compress_type != zipfile.ZIP_STORED:
            raise FormatError(f"{name} is compressed; expected a file as torch.export.save writes it")
        return self.archive.read(info)

    def table(self, name: str) -> dict[str, Any]:
        """Return a JSON table."""
        found: dict[str, Any] = strict_json(self.bytes(name).decode("utf-8"))
        return found

    def tensors(self, kind: str) -> dict[str, Tensor]:
        """Return the tensors of a folder by their names in the module."""
        config = self.table(f"data/{kind}/{self.model}_{kind}_config.json")["config"]
        return {name: self._tensor(f"data/{kind}/", name, entry) for name, entry in config.items()}

    def _tensor(self, folder: str, name: str, entry: Mapping[str, Any]) -> Tensor:
        if entry["use_pickle"] or entry["tensor_meta"] is None:
            raise FormatError(
                f"the tensor {name} is pickled, and no pickle is loaded; expected plain tensors: "
                "use spikeport.from_torch with the module itself"
            )
        meta = entry["tensor_meta"]
        if meta["dtype"] not in TYPES:
            raise FormatError(f"the tensor {name} has type number {meta['dtype']}; expected floats or whole numbers")
        sizes, strides = _sizes(meta["sizes"]), _sizes(meta["strides"])
        start = int(meta["storage_offset"]["as_int"])
        data = self.bytes(folder + entry["path_name"]) if 0 not in sizes else b""
        flat = torch.frombuffer(bytearray(data), dtype=TYPES[meta["dtype"]]) if data else torch.zeros(0)
        last = start + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        if 0 not in sizes and (min(start, *strides, 0) < 0 or last >= len(flat)):
            raise FormatError(f"the tensor {name} of {sizes} lies outside of its {len(flat):,} values")
        return flat.as_strided(sizes, strides, start).clone() if data else torch.zeros(sizes)


def _sizes(entries: list[dict[str, Any]]) -> tuple[int, ...]:
    """Return sizes; a dynamic one, the batch, by its hint."""
    return tuple(_size(entry) for entry in entries)


def _size(entry: dict[str, Any]) -> int:
    if "as_int" in entry:
        return int(entry["as_int"])
    hint = (entry.get("as_expr") or {}).get("hint") or {}
    return int(hint.get("as_int", 1))


def _program(module: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Program:
    graph, signature = module["graph"], module["signature"]
    names: dict[str, str] = {}
    inputs: list[Any] = []
    for spec in signature["input_specs"]:
        ((kind, entry),) = spec.items()
        if kind == "user_input":
            inputs.append((entry["arg"].get("as_tensor") or {}).get("name"))
        elif kind in _CONSTANTS:
            names[entry["arg"]["name"]] = entry[_CONSTANTS[kind]]
        else:
            raise FormatError(
                f"the program has an input of the kind {kind}; expected parameters, buffers and one image"
            )
    outputs = [spec["user_output"]["arg"] for spec in signature["output_specs"] if "user_output" in spec]
    shapes = {name: _sizes(meta["sizes"]) for name, meta in graph["tensor_values"].items()}
    return Program(
        calls=tuple(call for node in graph["nodes"] for call in _calls(node)),
        constants={name: tensors[full] for name, full in names.items()},
        parameters=names,
        shapes=shapes,
        input=one("input", inputs),
        output=one("output", [(arg.get("as_tensor") or {}).get("name") for arg in outputs]),
    )


_CONSTANTS = {"parameter": "parameter_name", "buffer": "buffer_name", "tensor_constant": "tensor_constant_name"}


def _calls(node: Mapping[str, Any]) -> list[Call]:
    """Return the call of a node under the name of its first result; none where it gives no tensor."""
    outputs = [each for output in node["outputs"] for each in _tensor_names(output)]
    if not outputs:
        return []
    target = node["target"].removeprefix("torch.ops.").removeprefix("aten.")
    stack = _stack(node.get("metadata") or {})
    module, where = place(stack, target.partition(".")[0].removesuffix("_"))
    arguments = {}
    for entry in node["inputs"]:
        ((kind, value),) = entry["arg"].items()
        if kind not in SKIPPED:
            arguments[entry["name"]] = _argument(kind, value, where)
    return [Call(name=outputs[0], target=target, arguments=arguments, module=module, place=where)]


def _tensor_names(output: Mapping[str, Any]) -> list[str]:
    if output.get("as_tensor"):
        return [output["as_tensor"]["name"]]
    return [each["name"] for each in output.get("as_tensors") or []]


def _argument(kind: str, value: Any, where: str) -> Any:
    if kind == "as_tensor":
        return Ref(name=value["name"])
    if kind == "as_tensors":
        return [Ref(name=each["name"]) for each in value]
    if kind == "as_optional_tensors":
        return [_argument(name, each, where) for entry in value for name, each in entry.items()]
    if kind in PLAIN:
        return value
    if kind == "as_scalar_type":
        return TYPES.get(value)
    if kind in ("as_sym_int", "as_sym_ints"):
        return None
    raise FormatError(f"{where}: has an argument of the kind {kind}; expected tensors and numbers")


def _stack(metadata: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the modules around a call: (path, class)."""
    entries = [entry.split(",") for entry in metadata.get("nn_module_stack", "").split(";") if entry]
    return [(entry[1].partition("@")[0], entry[-1]) for entry in entries if len(entry) >= 3]
