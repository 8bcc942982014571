"""Trained PyTorch networks as safetensors with their specification; no pickle anywhere."""

from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from spikeport.export.errors import ArchiveError, one_line
from spikeport.export.files import write_bytes
from spikeport.toolchain.nn.networks import ANN, SNN
from spikeport.toolchain.nn.specification import Specification

FORMAT = "spikeport checkpoint 1"


def write(model: ANN | SNN, path: Path) -> None:
    """Write parameters, masks and specification to ``path``, whole or not at all."""
    metadata = {
        "format": FORMAT,
        "kind": type(model).__name__,
        "specification": msgspec.json.encode(model.specification).decode(),
        "steps": str(model.steps if isinstance(model, SNN) else 0),
    }
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    write_bytes(path, save(tensors, metadata))


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
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except FileNotFoundError:
        raise ArchiveError(f"{path}: no such file; run the stage that writes it first") from None
    except (SafetensorError, OSError) as error:
        raise ArchiveError(f"{path}: damaged or not a safetensors file ({one_line(error)})") from None
    if metadata.get("format") != FORMAT:
        raise ArchiveError(f"{path}: format is {metadata.get('format')!r}; expected {FORMAT!r}")
    try:
        return _model(metadata, tensors)
    except (KeyError, ValueError, RuntimeError, msgspec.MsgspecError) as error:
        raise ArchiveError(f"{path}: damaged checkpoint ({one_line(error)})") from None


def _model(metadata: dict[str, str], tensors: dict[str, torch.Tensor]) -> ANN | SNN:
    specification = msgspec.json.decode(metadata["specification"], type=Specification)
    model = ANN(specification) if metadata["kind"] == "ANN" else SNN(specification, int(metadata["steps"]))
    model.load_state_dict({_renamed(name): tensor for name, tensor in tensors.items()})
    return model


def _renamed(name: str) -> str:
    """Return the present name of a tensor; checkpoints of version 0.1 call projections links."""
    return f"projections.{name.removeprefix('links.')}" if name.startswith("links.") else name
