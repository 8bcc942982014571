"""Three counts of synaptic operations on sampled images, which must be equal as integers, projection by projection.

1. Eq. 12 of Schmolli et al., CPAL 2025: spike counts times fan-outs.
2. The compiled kernels of the fast executor, run with every weight that is not zero one
   (`spikeport.export.engine.tally`): only this count is called simulated.
3. The reference's synaptic sums with every weight that is not zero one, event by event, on the first image; there also
   what arrives at each neuron is compared with what arrives in the kernels.

Spikes of the last steps of a sample are still on the way over a projection with a delay when it ends. Eq. 12 counts
them, the other two cannot.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from spikeport.export.errors import StimulusError
from spikeport.export.geometry import AnyProjection, Ints
from spikeport.export.linear import synaptic_sum
from spikeport.export.network import Array, IntegerNetwork, Network, Source
from spikeport.export.shown import Shown
from spikeport.export.trace import Sampled

VERIFY = 4
"""Images on which the three counts are compared, if nothing else is asked for."""
COLUMNS = 7
"""Numbers of one projection on one image, in the order of the fields of `Agreement` from ``formula`` on."""
STEPS = 16
"""Steps whose events are counted at a time."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The counts of one projection on the sampled images.

    ``formula`` is Eq. 12 in mode fused, ``on_the_way`` those of its operations that the sample's end cuts off,
    ``simulated`` what the kernels count: None where no kernels run, as in float networks. ``reference`` counts event by
    event on the first image, on all of a float network, where Eq. 12 gives ``reference_formula`` without what is on
    the way; ``neurons_different`` are the target's neurons at which another number of accumulates arrives in the
    kernels. ``neurons_miscounted`` are the source's neurons, in the blocks of samples that ran together, whose spikes
    the kernels count otherwise than they lie there.
    """

    source: str
    target: str
    graded: bool
    formula: int
    on_the_way: int
    simulated: int | None
    reference_formula: int
    reference: int
    neurons_different: int | None
    neurons_miscounted: int | None
    derived: ClassVar[tuple[str, ...]] = ("difference", "reference_difference")

    @property
    def difference(self) -> int:
        """Eq. 12 minus the simulation; zero where nothing is simulated."""
        return 0 if self.simulated is None else self.formula - self.on_the_way - self.simulated

    @property
    def reference_difference(self) -> int:
        """Eq. 12 minus the reference."""
        return self.reference_formula - self.reference

    @property
    def agrees(self) -> bool:
        """Whether all counts are equal."""
        return not any(self.sentences())

    def sentences(self) -> Iterator[str]:
        """Yield a sentence for each pair of counts that differ."""
        name = f"{self.source} -> {self.target}"
        if self.difference:
            yield (
                f"{name}: Eq. 12 counts {self.formula - self.on_the_way:,} operations on the sampled images and the "
                f"kernels of the simulation {self.simulated:,}; expected equal numbers."
            )
        if self.reference_difference:
            yield (
                f"{name}: Eq. 12 counts {self.reference_formula:,} operations and the reference, event by event, "
                f"{self.reference:,}; expected equal numbers."
            )
        if self.neurons_different:
            yield (
                f"{name}: at {self.neurons_different:,} neurons another number of accumulates arrives in the kernels "
                "of the simulation than in the reference; expected equal numbers at each."
            )
        if self.neurons_miscounted:
            yield (
                f"{name}: of {self.neurons_miscounted:,} source neurons the kernels count other numbers of spikes than "
                "the trace holds; expected equal numbers."
            )


@dataclass(frozen=True, kw_only=True)
class Verification(Shown):
    """The counts of all projections on the sampled ``images``, by their numbers.

    ``kernels``: whether those of the fast executor counted, as they do of integer networks; the operations of a float
    network are counted twice, by Eq. 12 and event by event.
    """

    derived: ClassVar[tuple[str, ...]] = ("mode", "passed", "formula", "simulated", "reference")

    images: tuple[int, ...]
    kernels: bool
    layers: tuple[Agreement, ...]

    @property
    def mode(self) -> str:
        """The mode of all counts."""
        return "fused"

    @property
    def passed(self) -> bool:
        """Whether all counts of all projections are equal."""
        return all(layer.agrees for layer in self.layers)

    @property
    def formula(self) -> int:
        """Accumulates by Eq. 12 in mode fused, without what is on the way when a sample ends."""
        return sum(layer.formula - layer.on_the_way for layer in self.layers if not layer.graded)

    @property
    def simulated(self) -> int | None:
        """Accumulates that the kernels counted."""
        return sum(layer.simulated or 0 for layer in self.layers if not layer.graded) if self.kernels else None

    @property
    def reference(self) -> int:
        """Accumulates that the reference counted event by event, on the first image (all of a float network)."""
        return sum(layer.reference for layer in self.layers if not layer.graded)

    @property
    def reasons(self) -> tuple[str, ...]:
        """A sentence for each pair of counts that differ, with projection and numbers."""
        return tuple(sentence for layer in self.layers for sentence in layer.sentences())

    def text(self) -> str:
        """Return in a few lines what was counted and whether it agrees."""
        start = f"accumulates of {_listed(self.images)}: Eq. 12 fused {self.formula:,}"
        events = sum(abs(layer.reference_difference) for layer in self.layers)
        if not self.kernels:
            return (
                f"{start}, event by event {self.reference:,}, difference {events:,}; no third count: the kernels of "
                "the fast executor take integer networks"
            )
        apart = sum(abs(layer.difference) for layer in self.layers)
        neurons = sum(layer.neurons_different or 0 for layer in self.layers)
        return (
            f"{start}, simulated {self.simulated:,}, difference {apart:,}; event by event on "
            f"{_listed(self.images[:1])}: {self.reference:,}, difference {events:,}, {neurons:,} neurons where another "
            "number arrives"
        )


NOT_VERIFIED = "not verified: operations are Eq. 12, spike counts times fan-outs; no count was compared with it"


def _listed(images: tuple[int, ...]) -> str:
    *before, last = map(str, images)
    return f"images {', '.join(before)} and {last}" if before else f"image {last}"


def sampled_images(images: int, verify: int) -> tuple[int, ...]:
    """Return the numbers of ``verify`` of the ``images``, evenly from the first to the last; none for 0."""
    if verify < 0:
        raise StimulusError(f"{verify} images to verify; expected 0 (none) or more")
    return tuple(sorted({round(number) for number in np.linspace(0, images - 1, min(verify, images))}))


def compared(projections: Sequence[AnyProjection], fan_outs: Sequence[Ints], image: Sampled, *, first: bool) -> Array:
    """Return the numbers of one image, (projections, `COLUMNS`); the reference counts where it is the ``first``."""
    arrived: Sequence[Array | None] = image.arrived or [None] * len(projections)
    rows = [
        _row(projection, psi, image, into, first=first)
        for projection, psi, into in zip(projections, fan_outs, arrived, strict=True)
    ]
    return np.array(rows, np.int64).reshape(len(projections), COLUMNS)


def _row(projection: AnyProjection, psi: Ints, image: Sampled, arrived: Array | None, *, first: bool) -> list[int]:
    spikes, miscounted = image.spikes[projection.source], image.miscounted.get(projection.source, 0)
    steps = len(spikes) if arrived is None else max(0, len(spikes) - projection.delay)
    formula, late = (_formula(psi, part) for part in (spikes, spikes[steps:]))
    row = [formula, late, 0 if arrived is None else int(arrived.sum()), 0, 0, 0, miscounted]
    if first:
        events = by_events(projection, spikes[:steps])
        row[3:5] = formula - late, int(events.sum())
        row[5] = 0 if arrived is None else int(np.count_nonzero(events.ravel() != arrived.ravel()))
    return row


def _formula(psi: Ints, spikes: Array) -> int:
    """Return Eq. 12, the sum over steps and source neurons of psi times spikes."""
    return int((spikes.sum(axis=0, dtype=np.int64).reshape(psi.shape) * psi).sum())


def by_events(projection: AnyProjection, spikes: Array) -> Ints:
    """Return the accumulates that ``spikes`` (T, *source) cause at every neuron: the reference's sums, weights one."""
    synapses = projection.synapses
    ones = replace(synapses, weight=(synapses.weight != 0).astype(np.int8))
    total: Ints = np.zeros(synapses.output_shape(spikes.shape[1:]), np.int64)
    for first in range(0, len(spikes), STEPS):
        total += synaptic_sum(ones, spikes[first : first + STEPS]).sum(axis=0)
    return total


def verification(network: Network, images: Sequence[int], numbers: Sequence[Array]) -> Verification | None:
    """Return the agreement of every projection, given what `compared` found of each of ``images``; None without any."""
    if not images:
        return None
    kernels, total = isinstance(network, IntegerNetwork), np.sum(numbers, axis=0).tolist()
    projections: Sequence[AnyProjection] = network.on_chip
    layers = [
        Agreement(
            source=projection.source,
            target=projection.target,
            graded=is_graded(network, projection),
            formula=row[0],
            on_the_way=row[1],
            simulated=row[2] if kernels else None,
            reference_formula=row[3],
            reference=row[4],
            neurons_different=row[5] if kernels else None,
            neurons_miscounted=row[6] if kernels else None,
        )
        for projection, row in zip(projections, total, strict=True)
    ]
    return Verification(images=tuple(images), layers=tuple(layers), kernels=kernels)


def is_graded(network: Network, projection: AnyProjection) -> bool:
    """Return whether a projection carries grey levels, or potentials, so that it multiplies."""
    source = network.population(projection.source).neuron
    return source.levels > 1 if isinstance(source, Source) else source.threshold is None
