"""The input of a run: graded levels or real numbers, held for all steps or given step by step."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from spikeport.export.errors import StimulusError
from spikeport.export.network import Array, BiasNetwork, FloatNetwork, Network, Shape, Source
from spikeport.export.stimulus.encoders import encoder

LARGEST_IMAGES = 2**33
"""Bytes of all samples of a stimulus."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stimulus:
    """``values`` are (N, *shape), ``held`` over the T ``steps`` (direct coding), or (N, T, *shape).

    ``lengths`` (N,): the steps of each sample, from 1 to T, where they differ. A sample that has ended neither fires
    nor is counted; a potential stays as it was after the sample's last step. ``notes``: what was taken for granted when
    the stimulus was made.
    """

    values: Array
    steps: int
    held: bool
    lengths: Array | None = None
    notes: tuple[str, ...] = ()

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
        lengths = None if self.lengths is None else self.lengths[rows]
        return replace(self, values=self.values[rows], lengths=lengths)

    def first(self, count: int) -> "Stimulus":
        """Return the stimulus with only its first ``count`` samples."""
        return self.part(slice(0, count))

    def require_held(self) -> None:
        """Raise `StimulusError` where the input changes from step to step: a bias is written once per image."""
        if not self.held:
            raise StimulusError(
                "the input is given step by step, (N, T, ...), and a bias is written once per image; expected held "
                "images, (N, ...): give those, or run the network without --input-as bias, on a chip with graded spikes"
            )

    def alive(self, rows: slice, step: int) -> Array | None:
        """Return which of the samples ``rows`` have not ended before ``step``; None where none can have."""
        if self.lengths is None:
            return None
        still: Array = self.lengths[rows] > step
        return still


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What a network takes: samples of ``shape`` over ``steps``, encoded as ``source`` says, or ``real`` numbers.

    ``held``: only samples that stay the same over the steps.
    """

    shape: Shape
    steps: int
    source: Source
    real: bool
    held: bool = False

    @classmethod
    def of(cls, network: Network) -> "Intake":
        """Return what ``network`` takes: a float network real numbers, too."""
        population = network.source
        assert isinstance(population.neuron, Source)
        real, held = isinstance(network, FloatNetwork), isinstance(network, BiasNetwork)
        return cls(shape=population.shape, steps=network.steps, source=population.neuron, real=real, held=held)

    @property
    def timed(self) -> Shape:
        """The shape of a sample that is given step by step."""
        return (self.steps, *self.shape)

    @property
    def pixels(self) -> Shape:
        """The shape of an image; a coding may make several channels of the source of one of its channels."""
        channels = 1 if self.source.coding is None else encoder(self.source.coding.encoder).channels
        if self.shape[0] % channels:
            raise StimulusError(
                f"the source has shape {self.shape}; its encoder makes {channels} channels of each of an image"
            )
        return (self.shape[0] // channels, *self.shape[1:])
