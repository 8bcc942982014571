"""Trained PyTorch networks as safetensors with their specification; no pickle anywhere."""

import json
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from spikeport.export.archive import FORMAT as ARCHIVE
from spikeport.export.errors import ArchiveError, SpikeportError, one_line
from spikeport.export.files import write_bytes
from spikeport.export.inputs import LARGEST_FILE, read_bytes
from spikeport.export.numbers import STEPS, whole
from spikeport.export.tensors import metadata, strict_json
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.specification import Specification
from spikeport.toolchain.nn.spiking import Spiking, spiking_of

FORMAT = "spikeport checkpoint 2"
EARLIER = ("spikeport checkpoint 1",)
"""Formats that are read as well: projections without biases, with square kernels and averages only."""
KEY = "spikeport"
"""The only key of the metadata: safetensors writes several in random order. Older checkpoints have one per value."""


def write(model: ANN | SNN, path: Path) -> None:
    """Write parameters, masks and specification to ``path``, whole or not at all."""
    values = {
        "format": FORMAT,
        "kind": type(model).__name__,
        "specification": msgspec.json.encode(model.specification).decode(),
        "steps": str(model.steps if isinstance(model, SNN) else 0),
    }
    if isinstance(model, SNN):
        values["spiking"] = msgspec.json.encode(model.spiking).decode()
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    write_bytes(path, save(tensors, {KEY: json.dumps(values, sort_keys=True)}))


def is_checkpoint(path: Path) -> bool:
    """Return whether a file says that it is a checkpoint; `ArchiveError` where it cannot be read."""
    data = read_bytes(path, ArchiveError, most=LARGEST_FILE, expected="a checkpoint or an archive")
    try:
        return str(_values(metadata(data)).get("format")) in (FORMAT, *EARLIER)
    except (SafetensorError, ValueError, TypeError, KeyError, OverflowError, SpikeportError):
        return False


def read(path: Path) -> ANN | SNN:
    """Read a network of either kind."""
    return _read(path)


def read_ann(path: Path) -> ANN:
    """Read an ANN."""
    model = _read(path)
    if not isinstance(model, ANN):
        raise ArchiveError(f"{path}: holds an SNN; expected an ANN")
    return model


def read_snn(path: Path) -> SNN:
    """Read an SNN."""
    model = _read(path)
    if not isinstance(model, SNN):
        raise ArchiveError(f"{path}: holds an ANN; expected an SNN")
    return model


def _read(path: Path) -> ANN | SNN:
    data = read_bytes(
        path, ArchiveError, most=LARGEST_FILE, expected="a checkpoint; run the stage that writes it first"
    )
    try:
        values = _values(metadata(data))
        tensors = load(data)
    except (SafetensorError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise ArchiveError(f"{path}: damaged or not a safetensors file ({one_line(error)})") from None
    if str(values.get("format")).startswith(ARCHIVE):
        raise ArchiveError(
            f"{path}: holds a network for executors and chips (an archive, which convert, quantize and import write); "
            "expected a network as it was trained: a checkpoint of a run, or the .pt2 or .onnx file of a ReLU network"
        )
    if values.get("format") not in (FORMAT, *EARLIER):
        raise ArchiveError(f"{path}: format is {values.get('format')!r}; expected {FORMAT!r}")
    try:
        return _model(values, tensors)
    except SpikeportError as error:
        raise ArchiveError(f"{path}: {error}") from None
    except Exception as error:  # noqa: BLE001 - torch raises errors of every kind where sizes do not fit
        raise ArchiveError(f"{path}: damaged checkpoint ({one_line(error)})") from None


def _values(texts: dict[str, str]) -> dict[str, Any]:
    values = strict_json(texts[KEY]) if KEY in texts else texts
    if not isinstance(values, dict):
        raise ValueError("its metadata are no table")  # noqa: TRY004 - caught above with other damage
    return values


def _model(values: dict[str, Any], tensors: dict[str, torch.Tensor]) -> ANN | SNN:
    tensors = {_renamed(name): tensor for name, tensor in tensors.items()}
    specification = msgspec.json.decode(values["specification"], type=Specification)
    steps = whole(int(values["steps"]), "number of steps", STEPS) if values["kind"] == "SNN" else 0
    spiking = _spiking(values, steps) if steps else None
    with torch.device("meta"):
        _check_sizes(_made(specification, spiking), tensors)
    model = _made(specification, spiking)
    model.load_state_dict(tensors)
    return model


def _spiking(values: dict[str, Any], steps: int) -> Spiking:
    """Return the neurons' settings; checkpoints of version 0.1 have steps alone."""
    if "spiking" not in values:
        return Spiking(steps=steps)
    return msgspec.structs.replace(spiking_of(strict_json(values["spiking"])), steps=steps)


def _made(specification: Specification, spiking: Spiking | None) -> ANN | SNN:
    return ANN(specification) if spiking is None else SNN(specification, spiking)


def _check_sizes(model: ANN | SNN, tensors: dict[str, torch.Tensor]) -> None:
    """Refuse a specification that asks for other sizes than the file holds, before they are made."""
    for name, value in model.state_dict().items():
        if name not in tensors or tensors[name].shape != value.shape:
            shape = tuple(tensors[name].shape) if name in tensors else "missing"
            raise ArchiveError(f"array {name} is {shape}; its specification says {tuple(value.shape)}")


def _renamed(name: str) -> str:
    """Return the present name of a tensor; checkpoints of version 0.1 call projections links."""
    return f"projections.{name.removeprefix('links.')}" if name.startswith("links.") else name
