"""The input of a run as integers: graded levels, held for all steps or given step by step."""

import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from spikeport.export.errors import SpikeportError, StimulusError, one_line
from spikeport.export.inputs import ROOM, Budget, check_regular
from spikeport.export.network import Array, FloatNetwork, Network, Source, frozen_array
from spikeport.export.numbers import Range, whole

PER_BYTE = 100
"""Bytes of images per byte of file beyond `inputs.ROOM`: spikes are mostly zeros, which a .npz packs."""
LARGEST_IMAGES = 2**33
"""Bytes of all images of a file."""
AT_ONCE = 2**20
"""Real numbers that are turned into levels at a time."""
SAMPLES = Range(least=1, most=10**7)
SEEDS = Range(least=0, most=2**63 - 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Stimulus:
    """``values`` are (N, *shape) held over the steps (direct coding), or (N, T, *shape)."""

    values: Array
    steps: int
    held: bool

    def __len__(self) -> int:
        return len(self.values)

    def frame(self, rows: slice, step: int) -> Array:
        """Return the input of samples ``rows`` at ``step`` (from 0)."""
        values: Array = self.values[rows]
        return values if self.held else values[:, step]

    def batches(self, size: int) -> Iterator[slice]:
        """Yield consecutive slices of at most ``size`` samples."""
        for start in range(0, len(self), size):
            yield slice(start, min(start + size, len(self)))

    def part(self, rows: slice) -> "Stimulus":
        """Return the stimulus with only the samples ``rows``."""
        return Stimulus(values=self.values[rows], steps=self.steps, held=self.held)

    def first(self, count: int) -> "Stimulus":
        """Return the stimulus with only its first ``count`` samples."""
        return self.part(slice(0, count))


def stimulus(values: Array, network: Network) -> Stimulus:
    """Check ``values`` against the network's source and return them as a stimulus.

    Shape (N, *shape) to be held over the steps, or (N, steps, *shape). Integers are spikes or levels ``0..levels``;
    real numbers are encoded as the source says, to the nearest of its levels of ``unit`` each (pixels in [0, 1]). A
    float network takes real numbers as they are.
    """
    shape, neuron = network.source.shape, network.source.neuron
    assert isinstance(neuron, Source)
    values = np.asarray(values)
    timed = (network.steps, *shape)
    if values.shape[1:] not in (shape, timed) or len(values) == 0:
        raise StimulusError(
            f"the input has shape {values.shape}; expected (N, {_join(shape)}), or (N, {_join(timed)}) step by step"
        )
    if isinstance(network, FloatNetwork) and values.dtype.kind == "f":
        return Stimulus(values=frozen_array(values), steps=network.steps, held=values.shape[1:] == shape)
    if values.dtype.kind == "f":
        values = _encoded(values, neuron)
    if values.dtype.kind not in "biu":
        raise StimulusError(
            f"the input has type {values.dtype}; expected integers 0..{neuron.levels} "
            "(for pixels in [0, 1]: numpy.rint(255 * pixels).astype('uint8'))"
        )
    if values.min() < 0 or values.max() > neuron.levels:
        raise StimulusError(f"the input spans {values.min()}..{values.max()}; expected 0..{neuron.levels}")
    levels = frozen_array(values, np.min_scalar_type(neuron.levels))
    return Stimulus(values=levels, steps=network.steps, held=values.shape[1:] == shape)


def _encoded(values: Array, source: Source) -> Array:
    """Return the levels of real numbers, a few samples at a time; spikes cannot be rounded into being."""
    levels = np.empty(values.shape, np.min_scalar_type(source.levels))
    rows = max(1, AT_ONCE // max(1, math.prod(values.shape[1:])))
    for start in range(0, len(values), rows):
        part = slice(start, start + rows)
        levels[part] = _encoded_part(values[part], source)
    return levels


def _encoded_part(values: Array, source: Source) -> Array:
    if not np.all(np.isfinite(values)):
        raise StimulusError("the input holds numbers that are not finite")
    levels = np.rint(values / source.unit)
    if levels.min() < 0 or levels.max() > source.levels:
        raise StimulusError(
            f"the input spans {values.min():g}..{values.max():g}; expected 0..{source.levels * source.unit:g}, which "
            f"the network's encoding maps to levels 0..{source.levels}"
        )
    if source.levels == 1 and np.any(levels * source.unit != values):
        raise StimulusError("the network's input are spikes; expected only zeros and ones")
    return levels


def read(path: Path, network: Network) -> tuple[Stimulus, Array | None]:
    """Read images (and labels, where there are any) from .npz (``images``, ``labels``) or .npy (images).

    What an array takes is read from its header, and limited by the file's size, before it is unpacked.
    """
    size = check_regular(path, StimulusError, expected="images (.npy or .npz)")
    try:
        with path.open("rb") as file:
            budget = Budget(min(LARGEST_IMAGES, ROOM + PER_BYTE * size))
            images, labels = _members(file, budget) if zipfile.is_zipfile(file) else (_array(file, size, budget), None)
        return stimulus(images, network), _one_per_image(labels, len(images))
    except SpikeportError as error:
        raise StimulusError(f"{path}: {error}") from None
    except Exception as error:  # noqa: BLE001 - a damaged header raises errors of zipfile, tokenize, ast and numpy
        raise StimulusError(f"{path}: not a .npy or .npz file without pickles ({one_line(error)})") from None


def random_stimulus(network: Network, samples: int, seed: int) -> Stimulus:
    """Return uniform random levels for ``samples`` samples."""
    whole(samples, "number of random samples", SAMPLES, error=StimulusError)
    whole(seed, "seed", SEEDS, error=StimulusError)
    neuron = network.source.neuron
    assert isinstance(neuron, Source)
    shape = (samples, *network.source.shape)
    if math.prod(shape) * 8 > LARGEST_IMAGES:
        raise StimulusError(f"{samples:,} random samples of shape {shape[1:]} take more than {LARGEST_IMAGES:,} bytes")
    return stimulus(np.random.default_rng(seed).integers(0, neuron.levels + 1, shape), network)


def _members(file: IO[bytes], budget: Budget) -> tuple[Array, Array | None]:
    """Return ``images`` and, where there are any, ``labels`` of a .npz file."""
    with zipfile.ZipFile(file) as archive:
        infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if "images" not in infos:
            raise StimulusError(f"it holds {', '.join(list(infos)[:5]) or 'nothing'}; expected an array 'images'")
        images, labels = (
            _member(archive, infos[key], budget) if key in infos else None for key in ("images", "labels")
        )
    assert images is not None
    return images, labels


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget) -> Array:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise StimulusError(f"member {info.filename!r} is packed in a way that numpy does not write; expected deflate")
    try:
        with archive.open(info) as member:
            return _array(member, info.file_size, budget)
    except SpikeportError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged member raises errors of zipfile, zlib and numpy
        raise StimulusError(f"damaged ({one_line(error)})") from None


def _array(file: IO[bytes], size: int, budget: Budget) -> Array:
    """Read one array of a file or member of ``size`` bytes, whose header must fit to that and to the budget."""
    file.seek(0)
    version = np.lib.format.read_magic(file)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in header:
        raise StimulusError(f"version {version} of the .npy format, which holds tables; expected an array of numbers")
    shape, _, dtype = header[version](file)
    if dtype.kind not in "biuf":
        raise StimulusError(f"the input has type {dtype}; expected numbers")
    needed = math.prod(shape) * dtype.itemsize
    if needed > size - file.tell():
        raise StimulusError(
            f"its header says {shape} of {dtype}, {needed:,} bytes; the file holds fewer: it is cut off"
        )
    budget.take(needed, f"an array of shape {shape} and type {dtype}")
    file.seek(0)
    array: Array = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _one_per_image(labels: Array | None, count: int) -> Array | None:
    if labels is not None and (labels.shape != (count,) or labels.dtype.kind not in "iu"):
        raise StimulusError(f"'labels' is {labels.dtype} of shape {labels.shape}; expected {count} integers")
    return labels


def _join(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))
