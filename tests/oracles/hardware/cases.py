"""Small spiking networks as plain numbers, the same in every oracle's environment: needs numpy only.

Neurons integrate without leak, fire where ``v > threshold`` and reset to zero; inputs are spikes. Average pooling is
summed, so potentials are whole numbers: the threshold of the layer behind it is that many times larger.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

STEPS = 8
IMAGES = 3


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Synapses and the neurons behind them.

    ``weight`` is int8, (out, in, height, width) or (out, in); ``pool`` is the window and stride of a sum before it;
    ``threshold`` None is the readout, which never fires.
    """

    weight: np.ndarray
    threshold: int | None
    stride: int = 1
    padding: int = 0
    pool: int = 1


@dataclass(frozen=True, kw_only=True)
class Case:
    """A chain of layers and its input spikes ``frames``, uint8 (images, steps, channels, height, width)."""

    name: str
    frames: np.ndarray
    layers: tuple[Layer, ...]


def cases() -> Iterator[Case]:
    """Yield all cases; the random numbers depend on the name only."""
    yield _convolutional("dense", density=1.0)
    yield _convolutional("sparse", density=0.1)
    yield _convolutional("pooled", density=0.1, pool=2)
    yield _convolutional("pooled_sparser", density=0.03, pool=2)
    yield _convolutional("strided", density=0.3, stride=2)
    yield _convolutional("unpadded", density=0.3, padding=0)
    yield _flat("flat", density=0.2)


def _rng(name: str) -> np.random.Generator:
    return np.random.default_rng(sum(ord(letter) * 31**place for place, letter in enumerate(name)) % 2**32)


def _weights(rng: np.random.Generator, shape: tuple[int, ...], density: float) -> np.ndarray:
    """Return whole numbers from -40 to 80 of which ``density`` are not zero."""
    weight = rng.integers(-40, 81, shape)
    weight[weight == 0] = 1
    return np.where(rng.random(shape) < density, weight, 0).astype(np.int8)


def _threshold(weight: np.ndarray, pool: int) -> int:
    """Return a threshold that lets some neurons fire in some steps."""
    inputs = np.count_nonzero(weight) / len(weight)
    return int(30 + 14 * inputs * pool**2)


def _convolutional(name: str, *, density: float, pool: int = 1, stride: int = 1, padding: int = 1) -> Case:
    rng = _rng(name)
    one = _weights(rng, (8, 3, 3, 3), max(density, 0.3))
    two = _weights(rng, (16, 8, 3, 3), density)
    three = _weights(rng, (16, 16, 3, 3), density)
    side = _side(_side(_side(8, 1, padding, 1), stride, padding, 1), 1, padding, pool)
    four = _weights(rng, (32, 16 * side * side), max(density, 0.05))
    five = _weights(rng, (10, 32), max(density, 0.2))
    layers = (
        Layer(weight=one, padding=padding, threshold=_threshold(one, 1)),
        Layer(weight=two, padding=padding, stride=stride, threshold=_threshold(two, 1)),
        Layer(weight=three, padding=padding, pool=pool, threshold=_threshold(three, pool)),
        Layer(weight=four, threshold=_threshold(four, 1)),
        Layer(weight=five, threshold=None),
    )
    return Case(name=name, frames=_frames(rng, (3, 8, 8)), layers=layers)


def _side(side: int, stride: int, padding: int, pool: int) -> int:
    """Return the side of a 3x3 convolution's output behind a pool."""
    return (side // pool + 2 * padding - 3) // stride + 1


def _flat(name: str, *, density: float) -> Case:
    rng = _rng(name)
    shapes = ((40, 60), (30, 40), (10, 30))
    weights = [_weights(rng, shape, density) for shape in shapes]
    layers = [Layer(weight=weight, threshold=_threshold(weight, 1)) for weight in weights[:-1]]
    return Case(name=name, frames=_frames(rng, (60, 1, 1)), layers=(*layers, Layer(weight=weights[-1], threshold=None)))


def _frames(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return (rng.random((IMAGES, STEPS, *shape)) < 0.3).astype(np.uint8)
