"""The proof that no register wraps or saturates: intervals that hold for every input the source allows.

Per neuron, with ``W+`` and ``W-`` the positive and negative weights and ``m`` the largest value of a source neuron
(1 for spikes)::

    a in [W- m, W+ m];   u <- toward_zero(u (4096 - decay_u) / 4096) + 64 a;   v <- decayed(v) + u + bias

taken over the steps of one sample. Where the host writes what the input sends as a bias (`BiasNetwork`), the bias is an
interval, too: rounding is monotone, so its ends are the rounded ends of the drive. A neuron that may fire ends the step
at or below its threshold, or at what its reset leaves, and no neuron below its floor. Every operation is monotone, so
the ends of the intervals are reached or over-estimated, never missed.

A `Target` may have a synaptic accumulator, which takes 64 a: excitation ``64 W+ m`` and inhibition ``64 W- m`` fit it
each alone, so no order of additions leaves it. Where current and bias share a register, so do the ends of their sum.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from spikeport.export import biases
from spikeport.export.fixed_point import (
    ACTIVATION_SHIFT,
    NO_THRESHOLD,
    Integers,
)
from spikeport.export.linear import synaptic_sum
from spikeport.export.network import (
    Array,
    BiasNetwork,
    Bounds,
    FloatPopulation,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.reach import FAR, reach
from spikeport.export.targets import LAVA, Range, Target

WAYS = {
    "bias": "smaller biases",
    "current": "smaller sums of weights",
    "accumulator": "smaller sums of weights",
    "potential": "fewer steps",
    "threshold": "a lower threshold",
}
"""What leaves room in a register, by the last word of its name."""
Incoming = tuple[IntegerProjection, FloatPopulation | IntegerPopulation]
"""A projection and the population that it comes from."""


class Reached(NamedTuple):
    """What a population's registers can hold: ``bounds``, ``sums`` of a step's inhibition and excitation, ``bias``.

    ``sums`` are times 64, as the accumulator takes them, ``bias`` is the least and the most of the neurons; None where
    they were not computed.
    """

    bounds: Bounds
    sums: Range | None = None
    bias: Range | None = None


def prove(network: IntegerNetwork) -> dict[str, Bounds]:
    """Return the bounds of every population with neurons."""
    return {name: each.bounds for name, each in reached(network).items()}


def reached(network: IntegerNetwork) -> dict[str, Reached]:
    """Return what the registers of every population with neurons can hold."""
    written = bias_ends(network)
    found = {}
    for population in network.neurons:
        incoming = [(q, network.population(q.source)) for q in network.incoming_on_chip(population.name)]
        ends = written.get(population.name)
        found[population.name] = population_reach(population, incoming, network.steps, written=ends)
    return found


def drive_ends(network: IntegerNetwork) -> dict[str, tuple[Integers, Integers]]:
    """Return the least and the most that any held input gives each neuron, by population that the host writes to."""
    if not isinstance(network, BiasNetwork):
        return {}
    ends = {}
    for population in network.biased:
        from_input = [(p, network.source) for p in network.host if p.target == population.name]
        low, high = _activation_range(population, from_input)
        own = biases.own_bias(population.neuron)
        ends[population.name] = ((low << ACTIVATION_SHIFT) + own, (high << ACTIVATION_SHIFT) + own)
    return ends


def bias_ends(network: IntegerNetwork) -> dict[str, tuple[Integers, Integers]]:
    """Return the smallest and the largest bias that the host writes for any held input, by population."""
    ends = drive_ends(network).items()
    return {name: (biases.nearest(low).values, biases.nearest(high).values) for name, (low, high) in ends}


@dataclass(frozen=True, kw_only=True)
class Register:
    """The values ``least`` to ``most`` that a register can reach, and the ``range`` that it holds."""

    population: str
    name: str
    least: int
    most: int
    range: tuple[int, int]

    @property
    def kept(self) -> bool:
        """Whether it can neither wrap nor saturate."""
        return self.range[0] <= self.least and self.most <= self.range[1]

    @property
    def way(self) -> str:
        """What leaves more room in it."""
        return WAYS[self.name.split()[-1]]

    def sentence(self) -> str:
        """Return what it can reach, and what it holds."""
        low, high = self.range
        return f"{self.name} of {self.population} can reach {self.least:,}..{self.most:,}; it holds {low:,}..{high:,}"


def registers(name: str, neuron: IntegerNeuron, found: Reached, target: Target = LAVA) -> list[Register]:
    """Return the registers of a population with their reach; one that never fires stays below the largest threshold."""
    bounds, (low, high) = found.bounds, target.potential
    top = high if neuron.threshold is not None else min(high, NO_THRESHOLD << ACTIVATION_SHIFT)
    spans = {
        "the synaptic current": (bounds.u_min, bounds.u_max, target.current),
        "the potential": (bounds.v_min, bounds.v_max, (low, top)),
    }
    if neuron.threshold is not None:
        spans["the threshold"] = (int(neuron.threshold.min()), int(neuron.threshold.max()), target.threshold)
    if target.accumulator is not None and found.sums is not None:
        spans["the synaptic accumulator"] = (*found.sums, target.accumulator)
    if target.current_with_bias is not None and found.bias is not None:
        least, most = bounds.u_min + found.bias[0], bounds.u_max + found.bias[1]
        spans["the current with the bias"] = (least, most, target.current_with_bias)
    return [
        Register(population=name, name=what, least=least, most=most, range=held)
        for what, (least, most, held) in spans.items()
    ]


def unproven(network: IntegerNetwork, target: Target = LAVA) -> list[Register]:
    """Return the registers that can leave the range of ``target`` for some input; the bounds are computed anew."""
    return _leaving(network, reached(network), target)


def proof_sentence(
    network: IntegerNetwork, left: Sequence[Register] | None = None, most: int = 3, target: Target = LAVA
) -> str:
    """Return whether the registers are proven to stay in range, and else the first ``most`` that can leave it.

    ``left``: what `unproven` returned for ``target``, where it has run already.
    """
    left = unproven(network, target) if left is None else left
    if not left:
        return (
            f"no register can wrap or saturate within {network.steps} steps, whatever the input, in {target.sentence}"
        )
    more = f"; and {len(left) - most} more registers" if len(left) > most else ""
    return f"not proven in {target.sentence}: {'; '.join(register.sentence() for register in left[:most])}{more}"


def violation(registers_: Sequence[Register]) -> float:
    """Return the largest use of a register relative to its end; above 1 one could wrap or saturate."""
    return max((use(register) for register in registers_), default=0.0)


def use(register: Register) -> float:
    """Return what a register can reach relative to its ends, infinite where no smaller numbers would help."""
    low, high = register.range
    below = register.least / low if low < 0 else np.inf if register.least < low else 0.0
    return float(max(register.most / high, below))


def is_safe(network: IntegerNetwork, target: Target = LAVA) -> bool:
    """Return whether the bounds, computed anew, keep every register of ``network`` in the range of ``target``."""
    return not unproven(network, target)


def are_kept(network: IntegerNetwork, bounds: Mapping[str, Bounds]) -> bool:
    """Return whether ``bounds`` keep every register of ``network`` in range, in Lava's arithmetic."""
    return not _leaving(network, {name: Reached(each) for name, each in bounds.items()}, LAVA)


def _leaving(network: IntegerNetwork, found: Mapping[str, Reached], target: Target) -> list[Register]:
    neurons = {p.name: p.neuron for p in network.neurons}
    groups = [registers(name, n, found[name], target) for name, n in neurons.items() if isinstance(n, IntegerNeuron)]
    return [register for group in groups for register in group if not register.kept]


def population_reach(
    population: IntegerPopulation,
    incoming: Sequence[Incoming],
    steps: int,
    *,
    until_far_out: bool = False,
    written: tuple[Integers, Integers] | None = None,
) -> Reached:
    """Return what one population reaches over ``steps`` steps, given its projections with their sources.

    ``until_far_out`` ends the proof once a register is left by a factor of two (`reach`). ``written``: the smallest and
    largest bias of each neuron where the host writes it; the neuron's own, if None.
    """
    neuron = population.neuron
    assert isinstance(neuron, IntegerNeuron)
    low, high = _activation_range(population, incoming)
    bounds = reach(population.shape, low, high, neuron, steps, until_far_out=until_far_out, written=written)
    least, most = (biases.own_bias(neuron),) * 2 if written is None else written
    return Reached(
        bounds=bounds,
        sums=(int(low.min()) << ACTIVATION_SHIFT, int(high.max()) << ACTIVATION_SHIFT),
        bias=(int(least.min()), int(most.max())),
    )


def _activation_range(population: IntegerPopulation, incoming: Sequence[Incoming]) -> tuple[Integers, Integers]:
    low = np.zeros(population.shape, np.int64)
    high = np.zeros(population.shape, np.int64)
    for projection, source in incoming:
        most = source.neuron.levels if isinstance(source.neuron, Source) else 1
        full: Array = np.full((1, *source.shape), most)
        low += _sum_of_part(projection, np.minimum, full).reshape(low.shape)
        high += _sum_of_part(projection, np.maximum, full).reshape(high.shape)
    return low, high


def _sum_of_part(projection: IntegerProjection, part: np.ufunc, full: Array) -> Integers:
    """Return what arrives when every source neuron sends all it can over the negative or the positive weights."""
    synapses = replace(projection.synapses, weight=part(projection.synapses.weight, 0))
    arriving: Integers = np.clip(np.clip(synaptic_sum(synapses, full), -FAR, FAR) << projection.exponent, -FAR, FAR)
    return arriving
