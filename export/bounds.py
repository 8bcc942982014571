"""The proof that no register wraps or saturates: intervals that hold for every input the source allows.

Per neuron, with ``W+`` and ``W-`` the positive and negative weights and ``m`` the largest value of a source neuron
(1 for spikes)::

    a in [W- m, W+ m];   u <- toward_zero(u (4096 - decay_u) / 4096) + 64 a;   v <- decayed(v) + u + bias

taken over the steps of one sample. Where the host writes what the input sends as a bias (`BiasNetwork`), the bias is an
interval, too: rounding is monotone, so its ends are the rounded ends of the drive. A neuron that may fire ends the step
at or below its threshold, or at what its reset leaves, and no neuron below its floor. Every operation is monotone, so
the ends of the intervals are reached or over-estimated, never missed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spikeport.export import biases
from spikeport.export.fixed_point import (
    ACTIVATION_SHIFT,
    NO_THRESHOLD,
    POTENTIAL_LIMIT,
    STATE_LIMIT,
    THRESHOLD_MAX,
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

Incoming = tuple[IntegerProjection, FloatPopulation | IntegerPopulation]
"""A projection and the population that it comes from."""


def prove(network: IntegerNetwork) -> dict[str, Bounds]:
    """Return the bounds of every population with neurons."""
    written = bias_ends(network)
    found = {}
    for population in network.neurons:
        incoming = [(q, network.population(q.source)) for q in network.incoming_on_chip(population.name)]
        ends = written.get(population.name)
        found[population.name] = population_bounds(population, incoming, network.steps, written=ends)
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

    def sentence(self) -> str:
        """Return what it can reach, and what it holds."""
        low, high = self.range
        return f"{self.name} of {self.population} can reach {self.least:,}..{self.most:,}; it holds {low:,}..{high:,}"


def registers(name: str, neuron: IntegerNeuron, bounds: Bounds) -> list[Register]:
    """Return the registers of a population with their reach; one that never fires stays below the largest threshold."""
    top = POTENTIAL_LIMIT if neuron.threshold is not None else NO_THRESHOLD << ACTIVATION_SHIFT
    spans = {
        "the synaptic current": (bounds.u_min, bounds.u_max, (1 - STATE_LIMIT, STATE_LIMIT)),
        "the potential": (bounds.v_min, bounds.v_max, (-POTENTIAL_LIMIT, top)),
    }
    if neuron.threshold is not None:
        spans["the threshold"] = (int(neuron.threshold.min()), int(neuron.threshold.max()), (0, THRESHOLD_MAX))
    return [
        Register(population=name, name=what, least=least, most=most, range=held)
        for what, (least, most, held) in spans.items()
    ]


def unproven(network: IntegerNetwork) -> list[Register]:
    """Return the registers that can leave their range for some input; the bounds are computed anew."""
    return _leaving(network, prove(network))


def proof_sentence(network: IntegerNetwork, left: Sequence[Register] | None = None, most: int = 3) -> str:
    """Return whether the registers are proven to stay in range, and else the first ``most`` that can leave it.

    ``left``: what `unproven` returned, where it has run already.
    """
    left = unproven(network) if left is None else left
    if not left:
        return f"no register can wrap or saturate within {network.steps} steps, whatever the input"
    more = f"; and {len(left) - most} more registers" if len(left) > most else ""
    return f"not proven: {'; '.join(register.sentence() for register in left[:most])}{more}"


def violation(neuron: IntegerNeuron, bounds: Bounds) -> float:
    """Return the largest register use relative to its end; above 1 a register could wrap or saturate."""
    uses = [0.0]
    for register in registers("", neuron, bounds):
        low, high = register.range
        below = register.least / low if low else np.inf if register.least < 0 else 0.0
        uses += [register.most / high, below]
    return max(uses)


def is_safe(network: IntegerNetwork) -> bool:
    """Return whether the bounds, computed anew, keep every register of ``network`` in range."""
    return not unproven(network)


def are_kept(network: IntegerNetwork, bounds: Mapping[str, Bounds]) -> bool:
    """Return whether ``bounds`` keep every register of ``network`` in range."""
    return not _leaving(network, bounds)


def _leaving(network: IntegerNetwork, bounds: Mapping[str, Bounds]) -> list[Register]:
    neurons = {p.name: p.neuron for p in network.neurons}
    found = [registers(name, n, bounds[name]) for name, n in neurons.items() if isinstance(n, IntegerNeuron)]
    return [register for group in found for register in group if not register.kept]


def population_bounds(
    population: IntegerPopulation,
    incoming: Sequence[Incoming],
    steps: int,
    *,
    until_far_out: bool = False,
    written: tuple[Integers, Integers] | None = None,
) -> Bounds:
    """Return the bounds of one population over ``steps`` steps, given its projections with their sources.

    ``until_far_out`` ends the proof once a register is left by a factor of two (`reach`). ``written``: the smallest and
    largest bias of each neuron where the host writes it; the neuron's own, if None.
    """
    neuron = population.neuron
    assert isinstance(neuron, IntegerNeuron)
    low, high = _activation_range(population, incoming)
    return reach(population.shape, low, high, neuron, steps, until_far_out=until_far_out, written=written)


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
