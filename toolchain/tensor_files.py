"""Reads samples of .pt files in a process of its own: `spikeport.export.isolated` starts it.

``torch.load(weights_only=True)`` makes tensors and plain containers only.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spikeport.export import isolated
from spikeport.export.errors import FormatError, one_line
from spikeport.export.inputs import Budget
from spikeport.export.network import Array
from spikeport.export.stimulus.foreign import Named, handing_over

PARTS = ("images", "labels", "lengths")
"""What the members of a tuple are."""


def torch_file(path: Path, budget: Budget) -> Named:
    """Return the tensors of a file: one, a tuple (samples, labels, lengths), a dictionary, or a list of samples."""
    torch.sparse.check_sparse_tensor_invariants.enable()  # type: ignore[no-untyped-call]
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - damaged files raise errors of every kind
        start = one_line(error).split(". ")[0]
        raise FormatError(f"torch.load(weights_only=True) refuses it ({start[:200]}): save tensors alone") from None
    if isinstance(held, Mapping):
        return {str(name): _array(value, budget, str(name)) for name, value in held.items()}
    if _is_number(held) or not isinstance(held, tuple | list):
        return {"images": _array(held, budget, "it")}
    if all(isinstance(each, tuple | list) and len(each) == 2 for each in held):
        samples, labels = ([_array(each[index], budget, "a sample") for each in held] for index in (0, 1))
        return {"images": _stacked(samples), "labels": _stacked([each.reshape(()) for each in labels])}
    if isinstance(held, list) and not _with_labels(held):
        return {"images": _stacked([_array(each, budget, "a sample") for each in held])}
    if len(held) > len(PARTS):
        raise FormatError(f"it holds a tuple of {len(held)}; expected (samples, labels)")
    return {name: _array(value, budget, name) for name, value in zip(PARTS, held, strict=False)}


def _with_labels(held: list[Any]) -> bool:
    """Return whether a list holds all samples and all labels, instead of a sample each."""
    dimensions = [getattr(each, "ndim", 0) for each in held]
    return len(held) == 2 and dimensions[0] > dimensions[1] == 1 and len(held[0]) == len(held[1])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | bool)


def _array(value: Any, budget: Budget, name: str) -> Array:
    """Return a tensor, or a list of numbers, as an array."""
    if isinstance(value, list) and all(map(_is_number, value)):
        value = torch.tensor(value)
    if _is_number(value):
        value = torch.tensor(value)
    if not isinstance(value, torch.Tensor):
        raise FormatError(f"{name} is a {type(value).__name__}; expected a tensor")
    budget.take(value.numel() * max(4, value.element_size()), f"{name} of shape {tuple(value.shape)}")
    value = value.detach()
    value = value.to_dense() if value.layout != torch.strided else value
    value = value.dequantize() if value.is_quantized else value
    if value.dtype in (torch.bfloat16, torch.float16):
        value = value.float()
    array: Array = value.contiguous().numpy()
    return array


def _stacked(arrays: list[Array]) -> Array:
    shapes = {each.shape for each in arrays}
    if len(shapes) != 1:
        raise FormatError(
            f"its samples have shapes {sorted(shapes)[:3]}; expected one shape, or a file for each sample"
        )
    return np.stack(arrays)


_read_here = handing_over(torch_file)

if __name__ == "__main__":
    sys.exit(isolated.serve(_read_here, sys.argv[1:]))
