"""Safetensors files read from a copy of their bytes: a mapped file that is cut meanwhile would end the process."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy.typing as npt
from safetensors.numpy import load

from spikeport.export.errors import SpikeportError, one_line
from spikeport.export.inputs import LARGEST_FILE, read_bytes

LARGEST_HEADER = 100_000_000
"""Bytes, as in the library."""
Tensors = dict[str, npt.NDArray[Any]]


def read(path: Path, error: type[SpikeportError], *, expected: str = "a file") -> tuple[dict[str, str], Tensors]:
    """Return the metadata and the arrays of a safetensors file; ``error`` names the file and what is wrong."""
    return parse(read_bytes(path, error, most=LARGEST_FILE, expected=expected), error, name=str(path))


def parse(data: bytes, error: type[SpikeportError], *, name: str) -> tuple[dict[str, str], Tensors]:
    """Return the metadata and the arrays of the bytes of a file called ``name``."""
    try:
        return metadata(data), load(data)
    except Exception as fault:  # noqa: BLE001 - damaged headers raise errors of every kind in numpy and safetensors
        raise error(f"{name}: damaged or not a safetensors file ({one_line(fault)})") from None


def metadata(data: bytes) -> dict[str, str]:
    """Return the texts of the header's ``__metadata__``; `ValueError` for a header that is none."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > min(LARGEST_HEADER, len(data) - 8):
        raise ValueError("the header is cut off or missing")
    header = strict_json(data[8 : 8 + size].decode("utf-8"))
    texts = header.get("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(texts, dict) or not all(isinstance(value, str) for value in texts.values()):
        raise ValueError("the header's metadata are no texts")
    return texts


def strict_json(text: str) -> Any:
    """Return a JSON document whose keys are unique and whose numbers are finite; `ValueError` for others."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refused)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice!r} stands twice")
    return table


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no finite number")
