"""Projections: the synapses from one population to another."""

from dataclasses import dataclass

import numpy as np

from spikeport.export.errors import NetworkError
from spikeport.export.network.arrays import Shape
from spikeport.export.network.stages import Convolution, Dense, Stage, Synapses
from spikeport.export.numbers import DELAY, whole


@dataclass(frozen=True, kw_only=True, eq=False)
class FloatProjection:
    """Linear ``stages`` from the population ``source`` to ``target``, by name, applied in order.

    Passes fold them into one synapse stage.

    A ``delay`` waits in front of them, and what came before the first step is zero.
    """

    source: str
    target: str
    stages: tuple[Stage, ...]
    delay: int = 0

    def __post_init__(self) -> None:
        whole(self.delay, f"delay of projection {self.source} -> {self.target}", DELAY, error=NetworkError)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape after all stages."""
        for stage in self.stages:
            shape = stage.output_shape(shape)
        return shape

    @property
    def synapses(self) -> Synapses:
        """The one stage of a projection whose synapses are folded; `NetworkError` where it has other stages."""
        if len(self.stages) != 1 or not isinstance(self.stages[0], Convolution | Dense):
            kinds = ", ".join(type(stage).__name__ for stage in self.stages) or "none"
            raise NetworkError(
                f"projection {self.source} -> {self.target} has the stages {kinds}; expected one convolution or dense "
                "stage: fold the network with spikeport.export.passes.folded"
            )
        return self.stages[0]


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerProjection:
    """``synapses`` with int8 weights from the population ``source`` to ``target``, by name.

    A weight ``w`` counts ``w << exponent`` activation units; ``delay`` is in whole steps.
    """

    source: str
    target: str
    synapses: Synapses
    exponent: int = 0
    delay: int = 0

    def __post_init__(self) -> None:
        whole(self.delay, f"delay of projection {self.source} -> {self.target}", DELAY, error=NetworkError)
        if self.synapses.weight.dtype != np.int8:
            raise NetworkError(f"integer weights are int8, found {self.synapses.weight.dtype} ({self.source})")
        if not 0 <= self.exponent <= 15:
            raise NetworkError(f"a weight exponent lies in 0..15, found {self.exponent} ({self.source})")

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the target of a source with ``shape``."""
        return self.synapses.output_shape(shape)
