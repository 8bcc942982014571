"""The input of a run as integers: graded levels, held for all steps or given step by step."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikeport.export.errors import StimulusError, one_line
from spikeport.export.network import Array, FloatNetwork, Network, Source, frozen_array


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
    """Return the levels of real numbers; spikes cannot be rounded into being."""
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
    return levels.astype(np.int64)


def read(path: Path, network: Network) -> tuple[Stimulus, Array | None]:
    """Read images (and labels, where there are any) from .npz (``images``, ``labels``) or .npy (images)."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            images, labels = (loaded, None) if isinstance(loaded, np.ndarray) else _members(loaded)
        return stimulus(images, network), _one_per_image(labels, len(images))
    except StimulusError as error:
        raise StimulusError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise StimulusError(f"{path}: no such file") from None
    except Exception as error:  # noqa: BLE001 - a damaged header raises errors of zipfile, tokenize, ast and numpy
        raise StimulusError(f"{path}: not a .npy or .npz file without pickles ({one_line(error)})") from None


def random_stimulus(network: Network, samples: int, seed: int) -> Stimulus:
    """Return uniform random levels for ``samples`` samples."""
    if samples < 1 or seed < 0:
        raise StimulusError(f"{samples} random samples with seed {seed}; expected at least 1, and a seed from 0")
    neuron = network.source.neuron
    assert isinstance(neuron, Source)
    shape = (samples, *network.source.shape)
    return stimulus(np.random.default_rng(seed).integers(0, neuron.levels + 1, shape), network)


def _members(loaded: Mapping[str, Array]) -> tuple[Array, Array | None]:
    if "images" not in loaded:
        raise StimulusError(f"it holds {', '.join(loaded) or 'nothing'}; expected an array 'images'")
    try:
        return loaded["images"], loaded.get("labels")
    except Exception as error:  # noqa: BLE001 - a damaged member raises errors of zipfile, zlib and numpy
        raise StimulusError(f"damaged ({one_line(error)})") from None


def _one_per_image(labels: Array | None, count: int) -> Array | None:
    if labels is not None and (labels.shape != (count,) or labels.dtype.kind not in "iu"):
        raise StimulusError(f"'labels' is {labels.dtype} of shape {labels.shape}; expected {count} integers")
    return labels


def _join(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))
