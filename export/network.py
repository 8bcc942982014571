"""A spiking network as plain data: populations of neurons and the projections between them.

Terms are PyNN's. Shapes are (channels, height, width) or (features,); batches come before them. Float and integer
networks are different types. Everything is frozen and every array is read-only; passes return new networks.
"""

import math
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from export.errors import NetworkError
from export.fixed_point import ACTIVATION_SHIFT, BIAS_EXPONENT_MAX, BIAS_MANTISSA_MAX, BIAS_MANTISSA_MIN, THRESHOLD_MAX

Array = npt.NDArray[Any]
NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
"""What a population may be called: it becomes a name in files of every format."""
Shape = tuple[int, ...]
Pair = tuple[int, int]


def frozen_array(values: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> Array:
    """Return a read-only array of its own."""
    array = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, kw_only=True, eq=False)
class Convolution:
    """Synapses that share one kernel; cross-correlation as in every deep-learning framework.

    ``weight`` is (out channels, in channels / groups, kernel height, kernel width); pairs are (vertical, horizontal).
    """

    weight: Array
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        _set(self, weight=frozen_array(self.weight))
        if self.weight.ndim != 4:
            raise NetworkError(f"a convolution's weight has 4 dimensions, found {self.weight.ndim}")
        if min(self.stride) < 1 or min(self.dilation) < 1 or self.groups < 1 or min(self.padding) < 0:
            raise NetworkError(
                f"convolution with stride {self.stride}, padding {self.padding}, dilation {self.dilation} and "
                f"{self.groups} groups; all must be positive and padding not negative"
            )
        if self.weight.shape[0] % self.groups:
            raise NetworkError(f"{self.weight.shape[0]} output channels cannot form {self.groups} groups")

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the target of a source with ``shape``."""
        channels = self.weight.shape[1] * self.groups
        if len(shape) != 3 or shape[0] != channels:
            raise NetworkError(f"a convolution over {channels} channels cannot read a source of shape {shape}")
        sides = tuple(
            (shape[axis + 1] + 2 * self.padding[axis] - self.dilation[axis] * (self.weight.shape[axis + 2] - 1) - 1)
            // self.stride[axis]
            + 1
            for axis in (0, 1)
        )
        if min(sides) < 1:
            raise NetworkError(f"kernel {self.weight.shape[2:]} does not fit into a source of shape {shape}")
        return (self.weight.shape[0], *sides)


@dataclass(frozen=True, kw_only=True, eq=False)
class Dense:
    """One weight for every pair: ``weight`` is (targets, sources), over sources flattened in C order."""

    weight: Array

    def __post_init__(self) -> None:
        _set(self, weight=frozen_array(self.weight))
        if self.weight.ndim != 2:
            raise NetworkError(f"a dense weight has 2 dimensions, found {self.weight.ndim}")

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the target of a source with ``shape``."""
        if math.prod(shape) != self.weight.shape[1]:
            raise NetworkError(f"dense synapses from {self.weight.shape[1]} sources cannot read shape {shape}")
        return (self.weight.shape[0],)


@dataclass(frozen=True, kw_only=True, eq=False)
class AveragePooling:
    """Mean over windows of ``size`` that do not overlap; float networks only, a pass folds it away."""

    size: Pair

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise NetworkError(f"average pooling by {self.size}; both must be positive")

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape after pooling."""
        if len(shape) != 3 or shape[1] % self.size[0] or shape[2] % self.size[1]:
            raise NetworkError(f"average pooling by {self.size} does not divide a source of shape {shape}")
        return (shape[0], shape[1] // self.size[0], shape[2] // self.size[1])


@dataclass(frozen=True, kw_only=True, eq=False)
class MaxPooling:
    """Largest value of windows of ``size``; of spikes, whether any fired. Float networks only."""

    size: Pair
    stride: Pair
    padding: Pair = (0, 0)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape after pooling."""
        window = Convolution(
            weight=np.zeros((shape[0], 1, *self.size)), stride=self.stride, padding=self.padding, groups=shape[0]
        )
        return window.output_shape(shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class Normalization:
    """Per channel ``x * scale + shift``: batch norm, or a pixel's mean and standard deviation; float networks only."""

    scale: Array
    shift: Array

    def __post_init__(self) -> None:
        _set(self, scale=frozen_array(self.scale), shift=frozen_array(self.shift))

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``shape``; the first axis are the channels."""
        if self.scale.shape != (shape[0],) or self.shift.shape != (shape[0],):
            raise NetworkError(f"normalisation of {self.scale.shape[0]} channels cannot read shape {shape}")
        return shape


Synapses = Convolution | Dense
Stage = Convolution | Dense | AveragePooling | MaxPooling | Normalization


@dataclass(frozen=True, kw_only=True)
class Source:
    """Input population: graded spikes ``0..levels``; in a float network a level stands for ``level * unit``."""

    levels: int = 255
    unit: float = 1 / 255

    def __post_init__(self) -> None:
        if not 1 <= self.levels < 2**24:
            raise NetworkError(f"a source has 1 to 2**24 - 1 levels, found {self.levels}")


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
                _set(self, **{name: frozen_array(value, np.float64)})
                if not np.all(np.isfinite(getattr(self, name))):
                    raise NetworkError(f"{name} must be finite, found {value}")
        if self.threshold is not None and np.any(self.threshold <= 0):
            raise NetworkError(f"thresholds must be positive and finite, found {np.min(self.threshold)}")
        for name in ("decay_current", "decay_potential"):
            decay = getattr(self, name)
            if np.min(decay) < 0 or np.max(decay) > 1:
                raise NetworkError(f"{name} lies in [0, 1], found {np.min(decay)} to {np.max(decay)}")
        if (self.most is not None and self.most < 1) or self.refractory < 0:
            raise NetworkError(f"most is {self.most} and refractory {self.refractory}; expected from 1 and from 0")


REGISTERS = {
    "threshold": (-THRESHOLD_MAX, THRESHOLD_MAX),
    "bias_mantissa": (BIAS_MANTISSA_MIN, BIAS_MANTISSA_MAX),
    "bias_exponent": (0, BIAS_EXPONENT_MAX),
    "decay_u": (0, 4096),
    "decay_v": (0, 4096),
    "reset_to": (-THRESHOLD_MAX, THRESHOLD_MAX),
    "reset_by": (-THRESHOLD_MAX, THRESHOLD_MAX),
}
"""Smallest and largest value of the numbers of an integer neuron."""


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerNeuron:
    """Loihi's neuron; `export.executors.reference` defines what it does.

    ``threshold`` is compared as ``v > 64 threshold``, ``v >= 64 threshold`` where ``inclusive`` (None: never fires); a
    spike sets ``v = 64 reset_to`` or, with a
    ``reset_by``, ``v = v - 64 reset_by``; the bias is ``bias_mantissa << bias_exponent``; decays are in 1/4096
    (4096: no memory, 0: no leak). ``scale`` is the number of activation units per unit of the float network.
    """

    threshold: Array | None
    bias_mantissa: Array
    bias_exponent: int = 0
    decay_u: Array = field(default_factory=lambda: np.full((), 4096, np.int32))
    decay_v: Array = field(default_factory=lambda: np.zeros((), np.int32))
    reset_to: Array = field(default_factory=lambda: np.zeros((), np.int32))
    reset_by: Array | None = None
    inclusive: bool = False
    scale: float = 1.0

    def __post_init__(self) -> None:
        for name, (least, most) in REGISTERS.items():
            value = getattr(self, name)
            if value is not None:
                _set(self, **{name: _integers(name, value, least, most)})

    @property
    def memoryless_current(self) -> bool:
        """Whether the synaptic current forgets everything at every step."""
        return bool(np.all(self.decay_u == 4096))

    @property
    def stock(self) -> bool:
        """Whether Lava's own neurons can say it: '>', reset to zero, decay_u from 1 on, decay_v up to 4095."""
        decays = bool(self.decay_u.all() and np.all(self.decay_v < 4096))
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
    """Neurons of one shape and one model."""

    name: str
    shape: Shape
    neuron: FloatNeuron | Source


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerPopulation:
    """Neurons of one shape and one model, in integers."""

    name: str
    shape: Shape
    neuron: IntegerNeuron | Source


@dataclass(frozen=True, kw_only=True, eq=False)
class FloatProjection:
    """Linear ``stages`` from source to target, applied in order; passes fold them into one synapse stage.

    A ``delay`` waits in front of them, and what came before the first step is zero.
    """

    source: str
    target: str
    stages: tuple[Stage, ...]
    delay: int = 0

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape after all stages."""
        for stage in self.stages:
            shape = stage.output_shape(shape)
        return shape


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerProjection:
    """Synapses with integer weights; a weight ``w`` counts ``w << exponent``; ``delay`` is in whole steps."""

    source: str
    target: str
    synapses: Synapses
    exponent: int = 0
    delay: int = 0

    def __post_init__(self) -> None:
        if self.synapses.weight.dtype != np.int8:
            raise NetworkError(f"integer weights are int8, found {self.synapses.weight.dtype} ({self.source})")
        if not 0 <= self.exponent <= 15:
            raise NetworkError(f"a weight exponent lies in 0..15, found {self.exponent} ({self.source})")

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the target of a source with ``shape``."""
        return self.synapses.output_shape(shape)


Population = TypeVar("Population", FloatPopulation, IntegerPopulation)
Projection = TypeVar("Projection", FloatProjection, IntegerProjection)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Network(Generic[Population, Projection]):
    """Populations and projections that fit together, run for ``steps`` steps per sample."""

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    steps: int
    kind: ClassVar[str]

    def __post_init__(self) -> None:
        names = [population.name for population in self.populations]
        if len(set(names)) != len(names):
            raise NetworkError(f"two populations share a name among {', '.join(names)}")
        if len({id(projection) for projection in self.projections}) != len(self.projections):
            raise NetworkError("a projection stands twice in the network; make a second one of the same synapses")
        if self.steps < 1:
            raise NetworkError(f"a sample takes at least one step, found {self.steps}")
        for projection in self.projections:
            self._check_projection(projection)
        for population in self.populations:
            self._check_population(population)
        self.ordered()

    def _check_projection(self, projection: Projection) -> None:
        label = f"projection {projection.source} -> {projection.target}"
        if projection.delay < 0:
            raise NetworkError(f"{label}: the delay is {projection.delay}; it must not be negative")
        try:
            found = projection.output_shape(self.population(projection.source).shape)
        except NetworkError as error:
            raise NetworkError(f"{label}: {error}") from None
        expected = self.population(projection.target).shape
        if math.prod(found) != math.prod(expected) or (len(found) == len(expected) and found != expected):
            raise NetworkError(f"{label}: gives shape {found}, the target has {expected}")

    def _check_population(self, population: Population) -> None:
        if not re.fullmatch(NAME, population.name):
            raise NetworkError(f"population {population.name!r}: a name holds letters, digits, '_', '-' and '.' only")
        if not population.shape or min(population.shape) < 1:
            raise NetworkError(f"population {population.name}: shape {population.shape} holds no neuron")
        heard = any(projection.target == population.name for projection in self.projections)
        if heard == isinstance(population.neuron, Source):
            state = "is a source but has" if heard else "has no"
            raise NetworkError(f"population {population.name} {state} incoming projections")
        for name, value in _arrays(population.neuron).items():
            if not _fits(value.shape, population.shape):
                raise NetworkError(
                    f"population {population.name}: {name} of shape {value.shape} does not fit {population.shape}"
                )

    def population(self, name: str) -> Population:
        """Return the population called ``name``."""
        for population in self.populations:
            if population.name == name:
                return population
        raise NetworkError(f"no population {name!r}; there are {', '.join(p.name for p in self.populations)}")

    def incoming(self, name: str) -> tuple[Projection, ...]:
        """Return the projections into ``name``."""
        return tuple(projection for projection in self.projections if projection.target == name)

    def outgoing(self, name: str) -> tuple[Projection, ...]:
        """Return the projections out of ``name``."""
        return tuple(projection for projection in self.projections if projection.source == name)

    def label(self, projection: Projection) -> str:
        """Return a name of its own for a projection: 'a_to_b', and 'a_to_b:2' for a second one."""
        same = [p for p in self.outgoing(projection.source) if p.target == projection.target]
        number = next(index for index, p in enumerate(same, 1) if p is projection)
        return f"{projection.source}_to_{projection.target}" + (f":{number}" if number > 1 else "")

    @cached_property
    def source(self) -> Population:
        """The one input population."""
        sources = [population for population in self.populations if isinstance(population.neuron, Source)]
        if len(sources) != 1:
            raise NetworkError(f"a network has one source population, found {len(sources)}")
        return sources[0]

    @cached_property
    def neurons(self) -> tuple[Population, ...]:
        """All populations but the source, each after those it hears without delay."""
        return tuple(p for p in self.ordered() if not isinstance(p.neuron, Source))

    @cached_property
    def spiking(self) -> tuple[Population, ...]:
        """The populations that can fire."""
        return tuple(p for p in self.neurons if _threshold(p.neuron) is not None)

    @cached_property
    def silent(self) -> tuple[Population, ...]:
        """The populations that integrate and never fire."""
        return tuple(p for p in self.neurons if _threshold(p.neuron) is None)

    @cached_property
    def readout(self) -> Population:
        """The one population that no other one hears; it may fire."""
        heard = {projection.source for projection in self.projections if projection.source != projection.target}
        last = [population for population in self.neurons if population.name not in heard]
        if len(last) != 1:
            raise NetworkError(f"a network has one readout population, found {[p.name for p in last]}")
        return last[0]

    def ordered(self) -> tuple[Population, ...]:
        """Return the populations, each after the sources of its projections without delay."""
        placed: dict[str, Population] = {}
        waiting = list(self.populations)
        while waiting:
            ready = [p for p in waiting if self._instant_sources(p.name) <= placed.keys()]
            if not ready:
                raise NetworkError(
                    f"populations {', '.join(p.name for p in waiting)} form a loop without delay; "
                    "give one projection of the loop a delay of at least 1"
                )
            placed.update((population.name, population) for population in ready)
            waiting = [population for population in waiting if population.name not in placed]
        return tuple(placed.values())

    def _instant_sources(self, name: str) -> set[str]:
        return {projection.source for projection in self.incoming(name) if projection.delay == 0}

    def depths(self) -> dict[str, int]:
        """Return how many steps behind the source each population runs where every projection takes one step.

        That is Loihi and Lava. A projection with a delay of its own has that much less to wait, so a population is
        as deep as its longest path, each projection counted as ``1 - delay``. A loop needs a delay of at least one
        step per projection; one with less raises `NetworkError`.
        """
        depths = {population.name: 0 for population in self.populations}
        for _ in (*self.populations, None):
            found = {p.target: depths[p.source] + 1 - p.delay for p in self._by_reach(depths)}
            deeper = {name: depth for name, depth in found.items() if depth > depths[name]}
            if not deeper:
                return depths
            depths |= deeper
        raise NetworkError(
            f"population {min(deeper)} lies on, or behind, a loop with a shorter delay than it has projections; "
            "Loihi and Lava take one step per projection: give each projection of the loop a delay of 1"
        )

    def _by_reach(self, depths: dict[str, int]) -> list[Projection]:
        """Return the projections, those that reach deepest last."""
        return sorted(self.projections, key=lambda p: depths[p.source] - p.delay)

    def slack(self, projection: Projection, depths: dict[str, int]) -> int:
        """Return how many steps a spike must wait beyond the one that the projection takes."""
        return depths[projection.target] - depths[projection.source] + projection.delay - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class FloatNetwork(_Network[FloatPopulation, FloatProjection]):
    """A network in real numbers, as trained or as read from another framework."""

    populations: tuple[FloatPopulation, ...]
    projections: tuple[FloatProjection, ...]

    kind: ClassVar[str] = "float"


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerNetwork(_Network[IntegerPopulation, IntegerProjection]):
    """A network in Loihi's integers; ``bounds`` prove per population that no register wraps or saturates."""

    populations: tuple[IntegerPopulation, ...]
    projections: tuple[IntegerProjection, ...]

    bounds: dict[str, Bounds] = field(default_factory=dict)
    kind: ClassVar[str] = "integer"

    def __post_init__(self) -> None:
        super().__post_init__()
        for population in self.silent:
            if self.outgoing(population.name):
                raise NetworkError(f"population {population.name} never fires, so no other population can hear it")


Network = FloatNetwork | IntegerNetwork


def _integers(name: str, value: npt.ArrayLike, least: int, most: int) -> Any:
    """Return whole numbers in a register's range, an int for an int, else a read-only int32 array."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or not np.all(array == np.rint(array)):
        raise NetworkError(f"{name} must be whole numbers, found {array.dtype} {array}")
    if array.size and (array.min() < least or array.max() > most):
        raise NetworkError(f"{name} lies in {least}..{most}, found {array.min()} to {array.max()}")
    return int(array) if name == "bias_exponent" else frozen_array(array, np.int32)


def _set(instance: object, **values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(instance, name, value)


def _threshold(neuron: FloatNeuron | IntegerNeuron | Source) -> Array | None:
    return None if isinstance(neuron, Source) else neuron.threshold


def _fits(shape: Shape, target: Shape) -> bool:
    """Return whether a parameter of ``shape`` broadcasts to ``target`` without making it larger."""
    try:
        return np.broadcast_shapes(shape, target) == target
    except ValueError:
        return False


def _arrays(neuron: FloatNeuron | IntegerNeuron | Source) -> dict[str, Array]:
    return {name: value for name, value in vars(neuron).items() if isinstance(value, np.ndarray)}
