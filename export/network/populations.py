"""Populations: groups of neurons with one shape and one neuron model, in real numbers or in integers."""

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from spikeport.export.errors import NetworkError
from spikeport.export.fixed_point import (
    ACTIVATION_SHIFT,
    BIAS_EXPONENT_MAX,
    BIAS_MANTISSA_MAX,
    BIAS_MANTISSA_MIN,
    THRESHOLD_MAX,
)
from spikeport.export.network.arrays import Array, Shape, frozen_array, set_fields
from spikeport.export.numbers import DELAY, LEVELS, MOST_SPIKES, POSITIVE, REAL, SEEDS, SHARE, real, reals, whole


@dataclass(frozen=True, kw_only=True)
class Coding:
    """How the host makes what a source sends of pixels in [0, 1], as the network was trained.

    ``encoder`` is a file of `spikeport.export.stimulus.encoders`, ``settings`` its numbers by name; sample n draws from
    the seeds (``seed``, n).
    """

    encoder: str
    seed: int = 0
    settings: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9_]{1,40}", self.encoder):
            raise NetworkError(f"the encoder of the source is called {self.encoder!r}; expected a name such as 'phase'")
        whole(self.seed, "seed of the encoder", SEEDS, error=NetworkError)
        for name, value in self.settings:
            real(value, f"{name} of the encoder", REAL, error=NetworkError)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Input population: graded spikes ``0..levels``; in a float network a level stands for ``level * unit``.

    With a ``coding``, pixels become what it sends; without, the numbers of a file are what it sends.
    """

    levels: int = 255
    unit: float = 1 / 255
    coding: Coding | None = None

    def __post_init__(self) -> None:
        whole(self.levels, "levels of the source", LEVELS, error=NetworkError)
        real(self.unit, "unit of the source", POSITIVE, error=NetworkError)


FLOAT_PARAMETERS = (
    *("threshold", "bias", "decay_current", "decay_potential"),
    *("reset_to", "reset_by", "gain", "start", "floor"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class FloatNeuron:
    """Leaky integrate-and-fire neuron in real numbers.

    Per step (Schmolli et al., CPAL 2025, Eq. 1 to 3, with a synaptic current)::

        u = u (1 - decay_current) + gain sum of W s;   v = v (1 - decay_potential) + u + bias
        s = v >= threshold                             (v > threshold where not inclusive)
        v = reset_to where s                           (v - s reset_by, with a ``reset_by``)

    from ``v = start``. What other frameworks have and Loihi does not: up to ``most`` spikes a step, as many as
    thresholds fit (None: any number); a ``floor`` below which the potential never falls after the reset; ``refractory``
    steps after a spike in which it stays at ``reset_to``; with ``overhang``, a potential that its reset left above the
    threshold is compared at ``v - reset_by`` in the next step. Parameters broadcast to the population's shape.
    ``threshold=None`` never fires; what its projections carry is then its potential.
    """

    threshold: Array | None
    bias: Array = field(default_factory=lambda: np.zeros(()))
    decay_current: Array = field(default_factory=lambda: np.ones(()))
    decay_potential: Array = field(default_factory=lambda: np.zeros(()))
    inclusive: bool = True
    reset_to: Array = field(default_factory=lambda: np.zeros(()))
    reset_by: Array | None = None
    gain: Array = field(default_factory=lambda: np.ones(()))
    start: Array = field(default_factory=lambda: np.zeros(()))
    most: int | None = 1
    floor: Array | None = None
    refractory: int = 0
    overhang: bool = False

    def __post_init__(self) -> None:
        for name in FLOAT_PARAMETERS:
            value = getattr(self, name)
            if value is not None:
                within = {"threshold": POSITIVE, "decay_current": SHARE, "decay_potential": SHARE}.get(name, REAL)
                set_fields(self, **{name: frozen_array(value, np.float64)})
                reals(getattr(self, name), name, within, error=NetworkError)
        if self.most is not None:
            whole(self.most, "most spikes a step", MOST_SPIKES, error=NetworkError)
        whole(self.refractory, "refractory", DELAY, error=NetworkError)

    @property
    def keeps_nothing(self) -> bool:
        """Whether current and potential forget everything at every step, so that a readout shows its input."""
        return bool(np.all(self.decay_current == 1) and np.all(self.decay_potential == 1))


REGISTERS = {
    "threshold": (-THRESHOLD_MAX, THRESHOLD_MAX),
    "bias_mantissa": (BIAS_MANTISSA_MIN, BIAS_MANTISSA_MAX),
    "bias_exponent": (0, BIAS_EXPONENT_MAX),
    "decay_u": (0, 4096),
    "decay_v": (0, 4096),
    "reset_to": (-THRESHOLD_MAX, THRESHOLD_MAX),
    "reset_by": (-THRESHOLD_MAX, THRESHOLD_MAX),
    "floor": (-THRESHOLD_MAX - 1, THRESHOLD_MAX),
}
"""Smallest and largest value of the numbers of an integer neuron; the smallest floor is below every potential."""


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerNeuron:
    """The integer neuron, in Lava's arithmetic; `spikeport.export.executors.reference` defines what it does.

    ``threshold`` is compared as ``v > 64 threshold``, ``v >= 64 threshold`` where ``inclusive`` (None: never fires); a
    spike sets ``v = 64 reset_to`` or, with a ``reset_by``, ``v = v - 64 reset_by``; with a ``floor``, every step ends
    with the potential at ``64 floor`` or above. The bias is ``bias_mantissa << bias_exponent``; ``decay_u`` of the
    current and ``decay_v`` of the potential are in 1/4096 (4096: no memory, 0: no leak). ``scale`` is the number of
    activation units per unit of the float network.
    """

    threshold: Array | None
    bias_mantissa: Array
    bias_exponent: int = 0
    decay_u: Array = field(default_factory=lambda: np.full((), 4096, np.int32))
    decay_v: Array = field(default_factory=lambda: np.zeros((), np.int32))
    reset_to: Array = field(default_factory=lambda: np.zeros((), np.int32))
    reset_by: Array | None = None
    floor: Array | None = None
    inclusive: bool = False
    scale: float = 1.0

    def __post_init__(self) -> None:
        for name, (least, most) in REGISTERS.items():
            value = getattr(self, name)
            if value is not None:
                set_fields(self, **{name: _integers(name, value, least, most)})
        real(self.scale, "scale", POSITIVE, error=NetworkError)

    @property
    def memoryless_current(self) -> bool:
        """Whether the synaptic current forgets everything at every step."""
        return bool(np.all(self.decay_u == 4096))

    @property
    def keeps_nothing(self) -> bool:
        """Whether current and potential forget everything at every step, so that a readout shows its input."""
        return self.memoryless_current and bool(np.all(self.decay_v == 4096))

    @property
    def stock(self) -> bool:
        """Whether Lava's own neurons can say it: '>', reset to zero, no floor, decay_u above 0, decay_v below 4096."""
        decays = bool(self.decay_u.all() and np.all(self.decay_v < 4096)) and self.floor is None
        return decays and self.reset_by is None and not self.reset_to.any() and not self.inclusive

    @property
    def level(self) -> Array | None:
        """The potential above which the neuron fires."""
        if self.threshold is None:
            return None
        return (self.threshold.astype(np.int64) << ACTIVATION_SHIFT) - int(self.inclusive)


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Largest and smallest values that the registers of a population can ever hold within one sample."""

    u_min: int
    u_max: int
    v_min: int
    v_max: int


@dataclass(frozen=True, kw_only=True, eq=False)
class FloatPopulation:
    """Neurons of one shape and one model: ``shape`` without the batch, ``neuron`` a `Source` for the input.

    ``name`` holds letters, digits, '_', '-' and '.'.
    """

    name: str
    shape: Shape
    neuron: FloatNeuron | Source


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerPopulation:
    """Neurons of one shape and one model, in integers.

    ``shape`` is without the batch; ``neuron`` is a `Source` for the input; ``name`` holds letters, digits, '_', '-' and
    '.'.
    """

    name: str
    shape: Shape
    neuron: IntegerNeuron | Source


def _integers(name: str, value: npt.ArrayLike, least: int, most: int) -> Any:
    """Return whole numbers in a register's range, an int for an int, else a read-only int32 array."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or not np.all(array == np.rint(array)):
        raise NetworkError(f"{name} must be whole numbers, found {array.dtype} {array}")
    if array.size and (array.min() < least or array.max() > most):
        raise NetworkError(f"{name} lies in {least}..{most}, found {array.min()} to {array.max()}")
    return int(array) if name == "bias_exponent" else frozen_array(array, np.int32)
