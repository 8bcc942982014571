"""Input and output that a user recorded in another framework, and how their axes can be read.

Layouts, with S the shape of one step: the input is (N, T, *S), (T, N, *S), (T, *S) of one sample, (N, *S) held over the
steps, or S. An output is laid out like it with its layer's shape, or has no time axis: counts, rates, or a score.
"""

import math
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO

import numpy as np

from spikeport.export.errors import SpikeportError, StimulusError, one_line
from spikeport.export.inputs import ROOM, Budget, check_regular
from spikeport.export.network import Array, Shape

PER_BYTE, LARGEST = 100, 2**32
"""Bytes of arrays per byte of file beyond `inputs.ROOM`, and at most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recorded:
    """What one layer put out: (N, T, *shape) where ``timed``, else (N, *shape)."""

    values: Array
    timed: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """A recording with its axes in order: ``inputs`` (N, T, *S), and the output of each recorded layer."""

    inputs: Array
    outputs: dict[str, Recorded]
    words: str

    @property
    def steps(self) -> int:
        """Steps of a sample."""
        return int(self.inputs.shape[1])

    def __len__(self) -> int:
        return len(self.inputs)

    def cells(self) -> int:
        """Return how many numbers are compared."""
        return sum(each.values.size for each in self.outputs.values())


def arrays(path: Path) -> dict[str, Array]:
    """Return the arrays of a .npz file by name, or that of a .npy file by the name ''; no pickle is loaded."""
    size = check_regular(path, StimulusError, expected="a recording (.npz or .npy)")
    budget = Budget(min(LARGEST, ROOM + PER_BYTE * size))
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                file.seek(0)
                return {"": _array(file, size, budget)}
            with zipfile.ZipFile(file) as archive:
                found = {}
                for info in archive.infolist():
                    budget.take(info.file_size, f"member {info.filename!r}")
                    data = archive.read(info)
                    found[info.filename.removesuffix(".npy")] = _array(BytesIO(data), len(data), budget)
                return found
    except SpikeportError as error:
        raise StimulusError(f"{path}: {error}") from None
    except Exception as error:  # noqa: BLE001 - a damaged file raises errors of zipfile, zlib, tokenize and numpy
        raise StimulusError(f"{path}: not a .npz or .npy file without pickles ({one_line(error)})") from None


def _array(file: IO[bytes], size: int, budget: Budget) -> Array:
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise StimulusError(f"version {version} of the .npy format; expected an array of numbers")
    shape, _, dtype = readers[version](file)
    needed = math.prod(shape) * dtype.itemsize
    if dtype.kind in "biuf" and needed > size - file.tell():
        raise StimulusError(f"an array of shape {shape} has fewer bytes than that")
    budget.take(needed, f"an array of shape {shape}")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def numbers_of(found: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays of numbers, of at least one value each; texts beside them, such as notes, are left out."""
    kept = {name: value for name, value in found.items() if value.dtype.kind in "biuf" and value.size}
    if not kept:
        raise StimulusError(f"holds {', '.join(list(found)[:5]) or 'nothing'}; expected arrays of numbers")
    bad = [name for name, value in kept.items() if value.dtype.kind == "f" and not np.all(np.isfinite(value))]
    if bad:
        raise StimulusError(f"array {bad[0]!r} holds numbers that are not finite")
    return kept


def readings(inputs: Array, source: Shape, outputs: dict[str, tuple[Array, Shape]], steps: int | None) -> list[Reading]:
    """Return every way to read the axes in which input and outputs agree on samples and steps."""
    lead = _lead(inputs, source)
    if lead is None:
        raise StimulusError(f"the input has shape {inputs.shape}; expected samples and steps of {source}")
    leads = {}
    for name, (values, shape) in outputs.items():
        found = _lead(values, shape)
        if found is None:
            raise StimulusError(f"the output of {name!r} has shape {values.shape}; the layer has shape {shape}")
        leads[name] = found
    made = []
    for count, length, words in _axes(lead, list(leads.values()), steps):
        ordered = {name: _ordered(outputs[name], leads[name], count, length, words) for name in outputs}
        if all(each is not None for each in ordered.values()) and (steps is None or length == steps):
            whole = {name: each for name, each in ordered.items() if each is not None}
            made.append(Reading(inputs=_timed(inputs, lead, source, count, length, words), outputs=whole, words=words))
    if not made:
        listed = ", ".join(f"{name} {values.shape}" for name, (values, _) in outputs.items())
        raise StimulusError(
            f"the input has shape {inputs.shape}, the outputs {listed}: samples and steps do not agree"
            + ("" if steps is None else f" with {steps} steps")
            + "; record both as (samples, steps, ...) or as (steps, samples, ...), or give the number of steps"
        )
    return made


def _lead(values: Array, shape: Shape) -> Shape | None:
    """Return the axes in front of those of one step, which may be flat or without axes of one."""
    short = tuple(side for side in shape if side != 1) or (1,)
    for own in dict.fromkeys((shape, short, (math.prod(shape),))):
        lead = values.shape[: values.ndim - len(own)]
        if values.ndim >= len(own) and values.shape[values.ndim - len(own) :] == own and len(lead) <= 2:
            return lead
    return values.shape if math.prod(shape) == 1 and values.ndim <= 2 else None


def _axes(lead: Shape, others: list[Shape], steps: int | None) -> Iterator[tuple[int, int, str]]:
    """Yield numbers of samples and steps with what they mean in words."""
    if len(lead) == 2:
        yield lead[0], lead[1], "(samples, steps, ...)"
        if lead != lead[::-1] or lead[0] > 1:
            yield lead[1], lead[0], "(steps, samples, ...)"
        return
    if len(lead) == 1:
        yield 1, lead[0], "(steps, ...) of one sample"
    count = lead[0] if lead else 1
    lengths = {each for other in others if len(other) == 2 for each in other} | ({steps} if steps else set())
    lengths |= {other[0] for other in others if len(other) == 1 and count == 1}
    for length in sorted(lengths):
        yield count, length, "(samples, ...) held over the steps"


def _timed(inputs: Array, lead: Shape, source: Shape, count: int, length: int, words: str) -> Array:
    if words.startswith("(steps, samples"):
        return inputs.reshape(*lead, *source).swapaxes(0, 1)
    if "held" in words:
        held = inputs.reshape(count, 1, *source)
        return np.broadcast_to(held, (count, length, *source))
    return inputs.reshape(count, length, *source)


def _ordered(output: tuple[Array, Shape], lead: Shape, count: int, length: int, words: str) -> Recorded | None:
    """Return an output with its axes in order, None where they do not fit samples and steps."""
    values, shape = output
    swapped = lead == (length, count) and (lead != (count, length) or words.startswith("(steps, samples"))
    if swapped:
        return Recorded(values=values.reshape(*lead, *shape).swapaxes(0, 1), timed=True)
    if lead == (count, length) or (lead == (length,) and count == 1):
        return Recorded(values=values.reshape(count, length, *shape), timed=True)
    if lead == (count,) or (lead == () and count == 1):
        return Recorded(values=values.reshape(count, *shape), timed=False)
    return None
