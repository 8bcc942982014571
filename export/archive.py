"""The archive: one safetensors file that holds a network whole, sparse weights stored sparse.

The header's metadata is JSON: the dataclasses of `spikeport.export.network` by name, arrays by reference. An array
with many zeros is stored as its non-zero ``values`` and the ``gaps`` between their flat indices (the first counts from
-1), in the smallest unsigned type that holds them; every other array is stored as it is.
"""

import dataclasses
import hashlib
import json
import math
import tempfile
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from spikeport.export.errors import ArchiveError, one_line
from spikeport.export.files import write_bytes
from spikeport.export.network import (
    Array,
    AveragePooling,
    Bounds,
    Convolution,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    MaxPooling,
    Network,
    Normalization,
    Source,
)

FORMAT = "spikeport network 1"
KEY = "spikeport"
"""The only key of the metadata: safetensors writes several in random order."""
LARGEST_ARRAY = 2**32
"""Bytes; a file that asks for more is refused before anything is allocated."""
_CLASSES: dict[str, type] = {
    "AveragePooling": AveragePooling,
    "Bounds": Bounds,
    "Convolution": Convolution,
    "Dense": Dense,
    "FloatNetwork": FloatNetwork,
    "FloatNeuron": FloatNeuron,
    "FloatPopulation": FloatPopulation,
    "FloatProjection": FloatProjection,
    "IntegerNetwork": IntegerNetwork,
    "IntegerNeuron": IntegerNeuron,
    "IntegerPopulation": IntegerPopulation,
    "IntegerProjection": IntegerProjection,
    "MaxPooling": MaxPooling,
    "Normalization": Normalization,
    "Source": Source,
}
"""The types by the names that stand in files; a type that is renamed in the code keeps its name here."""
_NAMES = {value: name for name, value in _CLASSES.items()}


def to_bytes(network: Network) -> bytes:
    """Return the archive as bytes; equal networks give equal bytes."""
    tensors: dict[str, Array] = {}
    description = {"format": FORMAT, "network": _encode(network, "network", tensors)}
    return save(tensors, metadata={KEY: json.dumps(description, sort_keys=True)})


def write(network: Network, path: Path) -> None:
    """Write ``network`` to ``path``, whole or not at all."""
    write_bytes(path, to_bytes(network))


def digest(network: Network) -> str:
    """Return the SHA-256 of the archive, as hexadecimal."""
    return hashlib.sha256(to_bytes(network)).hexdigest()


def from_bytes(data: bytes) -> Network:
    """Return the network of `to_bytes`."""
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        file.write(data)
        file.flush()
        return read(Path(file.name))


def read(path: Path) -> Network:
    """Read an archive; `ArchiveError` names the file and what is wrong with it."""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except FileNotFoundError:
        raise ArchiveError(f"{path}: no such file") from None
    except Exception as error:  # noqa: BLE001 - damaged headers raise errors of every kind in numpy and safetensors
        raise ArchiveError(f"{path}: damaged or not a safetensors file ({one_line(error)})") from None
    try:
        network = _described(json.loads(metadata[KEY]), tensors)
    except KeyError as error:
        raise ArchiveError(f"{path}: not a spikeport archive, or damaged: {error} is missing") from None
    except Exception as error:  # noqa: BLE001 - a damaged description can reach any line of the network's own checks
        raise ArchiveError(f"{path}: damaged network description ({type(error).__name__}: {one_line(error)})") from None
    if not isinstance(network, FloatNetwork | IntegerNetwork):
        raise ArchiveError(f"{path}: holds a {type(network).__name__}; expected a network")
    return network


def _described(description: dict[str, Any], tensors: dict[str, Array]) -> Any:
    if description["format"] != FORMAT:
        raise ValueError(f"format is {description['format']!r}; expected {FORMAT!r}")
    return _decode(description["network"], tensors)


def read_integer(path: Path) -> IntegerNetwork:
    """Read an archive that must hold an integer network."""
    network = read(path)
    if not isinstance(network, IntegerNetwork):
        raise ArchiveError(f"{path}: holds a float network; run 'spikeport quantize' on it first")
    return network


def read_float(path: Path) -> FloatNetwork:
    """Read an archive that must hold a float network."""
    network = read(path)
    if not isinstance(network, FloatNetwork):
        raise ArchiveError(f"{path}: holds an integer network; expected a float one")
    return network


def _encode(value: Any, name: str, tensors: dict[str, Array]) -> Any:
    if isinstance(value, np.ndarray):
        return _encode_array(value, name, tensors)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        encoded = {key: _encode(item, f"{name}.{key}", tensors) for key, item in fields.items()}
        return {"class": _NAMES[type(value)], "fields": encoded}
    if isinstance(value, tuple):
        return [_encode(item, f"{name}.{index}", tensors) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {"mapping": {key: _encode(item, f"{name}.{key}", tensors) for key, item in value.items()}}
    if isinstance(value, np.generic):
        return value.item()
    return value


def _encode_array(value: Array, name: str, tensors: dict[str, Array]) -> dict[str, Any]:
    value = value.astype(value.dtype.newbyteorder("<"), copy=False)
    reference = {"array": name, "shape": list(value.shape), "dtype": value.dtype.str}
    flat = value.reshape(-1)
    (places,) = np.nonzero(flat)
    gaps = np.diff(places, prepend=-1)
    gaps = gaps.astype(np.min_scalar_type(int(gaps.max(initial=0))))
    if len(places) * (value.itemsize + gaps.itemsize) < value.nbytes:
        tensors[f"{name}.values"], tensors[f"{name}.gaps"] = flat[places], gaps
        return {**reference, "sparse": True}
    tensors[name] = value.copy()
    return {**reference, "sparse": False}


def _decode(value: Any, tensors: dict[str, Array]) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, tensors) for item in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return _decode_array(value, tensors)
    if "mapping" in value:
        return {key: _decode(item, tensors) for key, item in value["mapping"].items()}
    cls, fields = _CLASSES[value["class"]], {key: _decode(item, tensors) for key, item in value["fields"].items()}
    hints = get_type_hints(cls)
    for key, item in fields.items():
        if not _fits(item, hints.get(key)):
            raise TypeError(f"{cls.__name__}.{key} is {item!r:.60}; expected {hints.get(key, 'no such field')}")
    return cls(**fields)


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a decoded value has the type that its field is declared with."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is tuple:
        inner = inner[:1] * len(value) if isinstance(value, tuple) and inner[-1] is Ellipsis else inner
        return isinstance(value, tuple) and len(value) == len(inner) and all(map(_fits, value, inner))
    if origin is dict:
        return isinstance(value, dict) and all(_fits(item, inner[1]) for item in value.values())
    if origin in (Union, UnionType):
        return any(_fits(value, each) for each in inner)
    if origin is np.ndarray:
        return isinstance(value, np.ndarray)
    if isinstance(value, bool) != (hint is bool):
        return False
    return isinstance(value, (int, float) if hint is float else hint or ())


def _decode_array(reference: dict[str, Any], tensors: dict[str, Array]) -> Array:
    name, shape, dtype = reference["array"], tuple(reference["shape"]), np.dtype(reference["dtype"])
    size = math.prod(shape)
    if dtype.kind not in "iufb" or min(shape, default=1) < 0 or size * dtype.itemsize > LARGEST_ARRAY:
        raise ValueError(f"array {name} of shape {shape} and type {dtype} is not allowed")
    if not reference["sparse"]:
        stored = tensors[name]
        if stored.shape != shape or stored.dtype != dtype:
            raise ValueError(f"array {name} is {stored.dtype} {stored.shape}, its description says {dtype} {shape}")
        return stored
    values, gaps = tensors[f"{name}.values"], tensors[f"{name}.gaps"]
    places = np.cumsum(gaps.astype(np.int64)) - 1
    if gaps.dtype.kind != "u" or values.dtype != dtype or len(places) != len(values):
        raise ValueError(f"the sparse form of array {name} does not fit its description")
    if len(places) and (gaps.min() < 1 or places[-1] >= size):
        raise ValueError(f"the sparse form of array {name} points outside its {size} entries")
    array = np.zeros(size, dtype)
    array[places] = values
    return array.reshape(shape)
