"""The archive: one safetensors file that holds a network whole, sparse weights stored sparse.

The header's metadata is JSON: the dataclasses of `spikeport.export.network` by name, arrays by reference. An array
with many zeros is stored as its non-zero ``values`` and the ``gaps`` between their flat indices (the first counts from
-1), in the smallest unsigned type that holds them; every other array is stored as it is.

The description names its version, 'spikeport network 4'. A change of what stands in a description is a new version
with a function in `_UPGRADES` that turns a description of the version before into one of it; files stay as they are.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
from safetensors.numpy import save

from spikeport.export import tensors
from spikeport.export.errors import ArchiveError, SpikeportError, one_line
from spikeport.export.files import write_bytes
from spikeport.export.inputs import LARGEST_FILE, Budget, read_bytes, room
from spikeport.export.network import (
    Array,
    AveragePooling,
    BiasNetwork,
    Bounds,
    Coding,
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
    Reshape,
    Source,
)
from spikeport.export.numbers import described, flag

VERSION = 4
FORMAT = "spikeport network"
CHECKPOINT = "spikeport checkpoint"
"""What files of trained networks call themselves."""
"""What a description's ``format`` says, followed by the version."""
KEY = "spikeport"
"""The only key of the metadata: safetensors writes several in random order."""
ROOM_PER_BYTE = 64
"""Bytes of arrays per byte of file beyond `inputs.ROOM`: one stored number in a hundred may be other than zero."""
Upgrade = Callable[[dict[str, Any]], dict[str, Any]]


def _with_floors(description: dict[str, Any]) -> dict[str, Any]:
    """Version 1 -> 2: integer neurons may have a floor; those of version 1 have none."""
    for population in description["network"]["fields"]["populations"]:
        neuron = population["fields"]["neuron"]
        if neuron["class"] == "IntegerNeuron":
            neuron["fields"].setdefault("floor", None)
    return description


def _with_bias_networks(description: dict[str, Any]) -> dict[str, Any]:
    """Version 2 -> 3: a network may be a `BiasNetwork`; those of version 2 are not."""
    return description


def _with_codings(description: dict[str, Any]) -> dict[str, Any]:
    """Version 3 -> 4: a source may say how pixels are coded; those of version 3 do not."""
    for population in description["network"]["fields"]["populations"]:
        if population["fields"]["neuron"]["class"] == "Source":
            population["fields"]["neuron"]["fields"].setdefault("coding", None)
    return description


_UPGRADES: dict[int, Upgrade] = {1: _with_floors, 2: _with_bias_networks, 3: _with_codings}
"""By version: what turns a description of it into one of the next; `VERSION` is one more than the largest."""
_CLASSES: dict[str, type] = {
    "AveragePooling": AveragePooling,
    "BiasNetwork": BiasNetwork,
    "Bounds": Bounds,
    "Coding": Coding,
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
    "Reshape": Reshape,
    "Source": Source,
}
"""The types by the names that stand in files; a type that is renamed in the code keeps its name here."""
_NAMES = {value: name for name, value in _CLASSES.items()}


def to_bytes(network: Network) -> bytes:
    """Return the archive as bytes; equal networks give equal bytes."""
    arrays: dict[str, Array] = {}
    description = {"format": f"{FORMAT} {VERSION}", "network": _encode(network, "network", arrays)}
    return save(arrays, metadata={KEY: json.dumps(description, sort_keys=True)})


def write(network: Network, path: Path) -> None:
    """Write ``network`` to ``path``, whole or not at all."""
    write_bytes(path, to_bytes(network))


def digest(network: Network) -> str:
    """Return the SHA-256 of the archive, as hexadecimal."""
    return hashlib.sha256(to_bytes(network)).hexdigest()


def from_bytes(data: bytes, *, name: str = "the archive") -> Network:
    """Return the network of `to_bytes`; `ArchiveError` names the archive by ``name``."""
    metadata, arrays = tensors.parse(data, ArchiveError, name=name)
    try:
        network = _described(tensors.strict_json(metadata[KEY]), _Arrays(arrays, room(len(data), ROOM_PER_BYTE)))
    except KeyError as error:
        raise ArchiveError(f"{name}: not a spikeport archive, or damaged: {error} is missing") from None
    except SpikeportError as error:
        raise ArchiveError(f"{name}: {error}") from None
    except Exception as error:  # noqa: BLE001 - a damaged description can reach any line of the network's own checks
        raise ArchiveError(f"{name}: damaged network description ({type(error).__name__}: {one_line(error)})") from None
    if not isinstance(network, FloatNetwork | IntegerNetwork):
        raise ArchiveError(f"{name}: holds a {type(network).__name__}; expected a network")
    return network


def read(path: Path) -> Network:
    """Read an archive; `ArchiveError` names the file and what is wrong with it."""
    data = read_bytes(path, ArchiveError, most=LARGEST_FILE, expected="an archive")
    return from_bytes(data, name=str(path))


def _described(description: dict[str, Any], arrays: "_Arrays") -> Any:
    name, _, version = str(description["format"]).rpartition(" ")
    if name == CHECKPOINT:
        raise ArchiveError(
            "holds a network as it was trained (a checkpoint); expected an archive: 'spikeport convert' writes one of "
            "a ReLU network, the stage 'lower' of a run one of a spiking network"
        )
    if name != FORMAT or not version.isdecimal() or int(version) < 1:
        raise ValueError(f"format is {description['format']!r}; expected '{FORMAT} {VERSION}'")
    if int(version) > VERSION:
        raise ArchiveError(
            f"written by a newer spikeport, as version {version} of the format; this one reads {VERSION}"
        )
    for step in range(int(version), VERSION):
        description = _UPGRADES[step](description)
    return _decode(description["network"], arrays)


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


def _encode(value: Any, name: str, arrays: dict[str, Array]) -> Any:
    if isinstance(value, np.ndarray):
        return _encode_array(value, name, arrays)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        encoded = {key: _encode(item, f"{name}.{key}", arrays) for key, item in fields.items()}
        return {"class": _NAMES[type(value)], "fields": encoded}
    if isinstance(value, tuple):
        return [_encode(item, f"{name}.{index}", arrays) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {"mapping": {key: _encode(item, f"{name}.{key}", arrays) for key, item in value.items()}}
    if isinstance(value, np.generic):
        return value.item()
    return value


def _encode_array(value: Array, name: str, arrays: dict[str, Array]) -> dict[str, Any]:
    value = value.astype(value.dtype.newbyteorder("<"), copy=False)
    reference = {"array": name, "shape": list(value.shape), "dtype": value.dtype.str}
    flat = value.reshape(-1)
    if np.count_nonzero(flat) * (value.itemsize + 1) >= value.nbytes:
        arrays[name] = value.copy()
        return {**reference, "sparse": False}
    (places,) = np.nonzero(flat)
    gaps = np.diff(places, prepend=-1)
    gaps = gaps.astype(np.min_scalar_type(int(gaps.max(initial=0))))
    if len(places) * (value.itemsize + gaps.itemsize) < value.nbytes:
        arrays[f"{name}.values"], arrays[f"{name}.gaps"] = flat[places], gaps
        return {**reference, "sparse": True}
    arrays[name] = value.copy()
    return {**reference, "sparse": False}


@dataclass
class _Arrays:
    """The arrays of a file, each read once, and how many bytes may become of them."""

    stored: dict[str, Array]
    most: int

    def __post_init__(self) -> None:
        self.budget = Budget(self.most)

    def decoded(self, reference: dict[str, Any]) -> Array:
        """Return the array that a description refers to."""
        name, shape, dtype = reference["array"], tuple(reference["shape"]), np.dtype(reference["dtype"])
        if not isinstance(name, str) or not all(type(side) is int and side >= 0 for side in shape):
            raise ValueError(f"array {name!r} of shape {shape} is not allowed")
        if dtype.kind not in "iuf" or dtype.itemsize > 8:
            raise ValueError(f"array {name} of type {dtype} is not allowed; expected numbers of at most 64 bit")
        size = math.prod(shape)
        self.budget.take(size * dtype.itemsize, f"array {name} of shape {shape}")
        if flag(reference["sparse"], "sparse"):
            return self._sparse(name, size, dtype).reshape(shape)
        stored = self.stored[name]
        if stored.shape != shape or stored.dtype != dtype:
            raise ValueError(f"array {name} is {stored.dtype} {stored.shape}, its description says {dtype} {shape}")
        return stored

    def _sparse(self, name: str, size: int, dtype: "np.dtype[Any]") -> Array:
        values, gaps = self.stored[f"{name}.values"], self.stored[f"{name}.gaps"]
        if gaps.dtype.kind != "u" or values.dtype != dtype or gaps.shape != values.shape or gaps.ndim != 1:
            raise ValueError(f"the sparse form of array {name} does not fit its description")
        if len(gaps) and (gaps.min() < 1 or gaps.max() > size):
            raise ValueError(f"the sparse form of array {name} points outside its {size} entries")
        places = np.cumsum(gaps, dtype=np.int64) - 1
        if len(places) and (places.min() < 0 or places.max() >= size):
            raise ValueError(f"the sparse form of array {name} points outside its {size} entries")
        array = np.zeros(size, dtype)
        array[places] = values
        return array


def _decode(value: Any, arrays: _Arrays) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, arrays) for item in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays.decoded(value)
    if "mapping" in value:
        return {key: _decode(item, arrays) for key, item in value["mapping"].items()}
    cls, fields = _CLASSES[value["class"]], {key: _decode(item, arrays) for key, item in value["fields"].items()}
    hints = _hints(cls)
    for key, item in fields.items():
        if not _fits(item, hints.get(key)):
            expected = getattr(hints.get(key), "__name__", str(hints.get(key, "no such field")))
            raise TypeError(f"{cls.__name__}.{key} is {described(item)}; expected {expected}")
    return cls(**fields)


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


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
    if isinstance(value, int) and not isinstance(value, bool):
        return hint in (int, float) and -(2**63) <= value < 2**63
    return hint is bool if isinstance(value, bool) else isinstance(value, origin or hint or ())
