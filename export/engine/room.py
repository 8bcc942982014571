"""Memory of the fast executor: what a thread keeps from block to block, and what a block leaves."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from spikeport.export.engine.tables import Frame
from spikeport.export.network import Array


@dataclass
class Scratch:
    """Memory of one thread, used again by the next block."""

    kept: dict[str, Array] = field(default_factory=dict)
    framed: dict[tuple[str, Frame], Array] = field(default_factory=dict)
    works: dict[Any, Any] = field(default_factory=dict)

    def array(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Return an array with anything in it."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if name not in self.kept or self.kept[name].nbytes < size:
            self.kept[name] = np.empty(size, np.uint8)
        return self.kept[name][:size].view(dtype).reshape(shape)

    def bordered(self, name: str, frame: Frame, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Return an array that is zero where nobody writes but inside of this name's ``frame``."""
        key = (name, frame)
        if key not in self.framed or self.framed[key].shape != shape:
            self.framed[key] = np.zeros(shape, dtype)
        return self.framed[key]


@dataclass(eq=False)
class Block:
    """What a block of samples leaves: spikes in planes or events order, potentials alike, spike counts (C, H, W).

    ``left`` is what the caller's function made of it.
    """

    samples: int
    values: dict[str, Array]
    active: dict[str, Array]
    in_planes: Mapping[str, bool]
    left: Any = None
