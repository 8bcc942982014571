"""The proof that no register wraps or saturates: intervals that hold for every input the source allows.

Per neuron, with ``W+`` and ``W-`` the positive and negative weights and ``m`` the largest value of a source neuron
(1 for spikes)::

    a in [W- m, W+ m];   u <- toward_zero(u (4096 - decay_u) / 4096) + 64 a;   v <- decayed(v) + u + bias

taken over the steps of one sample; a neuron that may fire ends the step at or below its threshold, or at what its
reset leaves. Every operation is monotone, so the ends of the intervals are reached or over-estimated, never missed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spikeport.export.fixed_point import (
    ACTIVATION_SHIFT,
    NO_THRESHOLD,
    POTENTIAL_LIMIT,
    STATE_LIMIT,
    THRESHOLD_MAX,
    Integers,
    decayed,
)
from spikeport.export.linear import synaptic_sum
from spikeport.export.network import (
    Array,
    Bounds,
    FloatPopulation,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)

FAR = 2**40
"""Far outside every register, and small enough to be multiplied by a decay in 64 bit."""
Incoming = tuple[IntegerProjection, FloatPopulation | IntegerPopulation]
"""A projection and the population that it comes from."""


def prove(network: IntegerNetwork) -> dict[str, Bounds]:
    """Return the bounds of every population with neurons."""
    incoming = {p.name: [(q, network.population(q.source)) for q in network.incoming(p.name)] for p in network.neurons}
    return {p.name: population_bounds(p, incoming[p.name], network.steps) for p in network.neurons}


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


@dataclass
class _Intervals:
    u_low: Integers
    u_high: Integers
    v_low: Integers
    v_high: Integers

    def ends(self) -> tuple[int, int, int, int]:
        """Return the ends over all neurons."""
        return int(self.u_low.min()), int(self.u_high.max()), int(self.v_low.min()), int(self.v_high.max())


def population_bounds(population: IntegerPopulation, incoming: Sequence[Incoming], steps: int) -> Bounds:
    """Return the bounds of one population over ``steps`` steps, given its projections with their sources."""
    neuron = population.neuron
    assert isinstance(neuron, IntegerNeuron)
    low, high = _activation_range(population, incoming)
    zero = np.zeros(population.shape, np.int64)
    now = _Intervals(zero, zero, zero, zero)
    ends: list[tuple[int, int, int, int]] = []
    before = replace(now)
    for step in range(steps):
        _advance(now, low, high, neuron)
        ends.append(now.ends())
        _reset(now, neuron)
        ends.append(now.ends())
        if step and _settled(before, now, neuron):
            now.v_low = _capped(now.v_low + (now.v_low - before.v_low) * (steps - 1 - step))
            ends.append(now.ends())
            break
        before = replace(now)
    u_min, u_max, v_min, v_max = zip(*ends, strict=True)
    return Bounds(u_min=min(0, *u_min), u_max=max(0, *u_max), v_min=min(0, *v_min), v_max=max(0, *v_max))


def _advance(now: _Intervals, low: Integers, high: Integers, neuron: IntegerNeuron) -> None:
    bias = neuron.bias_mantissa.astype(np.int64) << neuron.bias_exponent
    now.u_low = _capped(decayed(now.u_low, neuron.decay_u) + (low << ACTIVATION_SHIFT))
    now.u_high = _capped(decayed(now.u_high, neuron.decay_u) + (high << ACTIVATION_SHIFT))
    now.v_low = _capped(decayed(now.v_low, neuron.decay_v) + now.u_low + bias)
    now.v_high = _capped(decayed(now.v_high, neuron.decay_v) + now.u_high + bias)


def _settled(before: _Intervals, now: _Intervals, neuron: IntegerNeuron) -> bool:
    """Return whether every further step changes the intervals as this one did.

    That is so where currents and upper ends stay, and each lower end stays or, without a leak, falls by the same
    current and bias as before: a reset raises no lower end.
    """
    if any(np.any(getattr(before, name) != getattr(now, name)) for name in ("u_low", "u_high", "v_high")):
        return False
    bias = neuron.bias_mantissa.astype(np.int64) << neuron.bias_exponent
    falls = (now.v_low - before.v_low == now.u_low + bias) & (now.v_low <= before.v_low) & (neuron.decay_v == 0)
    return bool(np.all(falls | (now.v_low == before.v_low)))


def _capped(value: Integers) -> Integers:
    """Keep numbers far outside every register from leaving 64 bit; they stay far outside."""
    return np.clip(value, -FAR, FAR)


def _reset(now: _Intervals, neuron: IntegerNeuron) -> None:
    threshold = neuron.level
    if threshold is None:
        return
    if neuron.reset_by is None:
        lowest = highest = neuron.reset_to.astype(np.int64) << ACTIVATION_SHIFT
    else:
        removed = neuron.reset_by.astype(np.int64) << ACTIVATION_SHIFT
        lowest, highest = threshold + 1 - removed, now.v_high - removed
    fires = now.v_high > threshold
    now.v_low = np.where(fires, np.minimum(now.v_low, lowest), now.v_low)
    now.v_high = np.where(fires, np.maximum(threshold, highest), now.v_high)


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
    return _capped(_capped(synaptic_sum(synapses, full)) << projection.exponent)
