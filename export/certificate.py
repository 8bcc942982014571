"""How far input or weights may change before any spike of a sample can flip: a certificate from interval bounds.

Suppose that no spike has flipped so far. Then every potential lies in an interval around the one that was run. With
``e`` the size of the change, the interval is ``v -+ e D``, and per neuron and step, before the reset::

    d_u(t) = (1 - decay_u) d_u(t - 1) + A(t);     D(t) = (1 - decay_v) d_v(t - 1) + d_u(t)
    d_v(t) = 0 where the neuron fires and its reset sets the potential, else D(t)

``A(t)`` is by how much, at most, what arrives moves for ``e = 1``: the sum of ``|w|`` over the synapses from the input,
where every value of the input moves by at most ``e`` levels; the sum over all synapses of ``p |s|``, where every weight
that is not zero moves by at most ``e p``, with ``s`` what its source sends. The certificate of a sample is ::

    e* = min over neurons and steps of m(t) / D(t),       m(t) = |v(t) - threshold|

and no change of size below ``e*`` flips a spike of any population at any step.

Proof. Take the first step, and in it the first population in the order of the network, at which a spike flips. All
spikes before are those that were run, so what arrives moves by at most ``e A``: from the input directly, or because of
changed weights on equal spikes. Current and potential are sums of what arrived, scaled by factors in [0, 1]; resets set
both potentials to the same value or subtract the same; a floor and the ends of a register bring two numbers no further
apart. So the potential lies in ``v -+ e D``, on the same side of the threshold: the spike does not flip. With equal
spikes, only populations that the input projects to move where the input changes, so ``e*`` of the input is a minimum
over these alone.

It is the step of `spikeport.export.bounds`, which follows such intervals for any input and any spikes, for the spikes
that were run: there an interval grows by all that may arrive, here by what a change may add.

In integers, ``decay`` rounds towards zero; two numbers that differ by D then differ by at most ``ceil(D (4096 - decay)
/ 4096)``, and ``ceil(e x) <= e ceil(x)`` for a whole ``e``. ``D`` is a whole number, computed exactly, and ``e*`` holds
for whole changes: of levels of the input, of steps of a weight (``p`` is ``2^exponent``). Neurons without a leak round
nothing. A current must not wrap: for any input the registers' proof says so, for changed weights the distance from the
proven current to the end of its register limits ``e*`` as well. In float64, ``m`` is made smaller by 2^-40 of the
largest potential, for rounding; ``p`` is the largest weight of a projection.

A bound of 0 is a neuron that stands exactly at its threshold. The readout's potential may move where no spike flips.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spikeport.export.bounds import prove, unproven
from spikeport.export.errors import NetworkError
from spikeport.export.fixed_point import ACTIVATION_SHIFT, DECAY_SHIFT, STATE_LIMIT
from spikeport.export.linear import apply
from spikeport.export.network import (
    Array,
    BiasNetwork,
    Convolution,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatProjection,
    IntegerNetwork,
    IntegerNeuron,
    IntegerProjection,
    Network,
    Shape,
    Source,
)
from spikeport.export.trace import Step

ROUNDING = 2.0**-40
"""What potentials in float64 are known to, relative to the largest."""
KINDS = ("input", "weights")


def refusal(network: Network) -> str | None:
    """Return why a network has no certificate; None where it has one."""
    if isinstance(network, BiasNetwork):
        return "its input is written as biases, which are rounded; take the network without them"
    if isinstance(network, IntegerNetwork):
        left = unproven(network)
        return f"a register may wrap: {left[0].sentence()}" if left else None
    for population in network.neurons:
        neuron = population.neuron
        if isinstance(neuron, FloatNeuron) and (neuron.most != 1 or neuron.overhang):
            return f"population {population.name} compares its potential with several thresholds"
        if isinstance(neuron, FloatNeuron) and neuron.threshold is None and network.outgoing(population.name):
            return f"population {population.name} sends its potential; fold the network with passes.folded"
    return None


class Certificates:
    """Folds over the steps of an executor that gives `Step.compared` (floating, reference).

    ``input`` and ``weights`` (samples,) are ``e*`` of each sample so far, infinite where nothing can flip: in levels of
    the input, and for a float network as a share of each projection's largest weight, for integers in steps of a
    weight. Changes of integers are whole, so that those up to ``floor(e*)`` are certified.

    A neuron that hears nothing but the input has an ``e*`` of its own, a minimum over its steps alone: its spikes
    depend on no other neuron. ``kept`` (samples, levels) is the share of neurons in these populations, ``first``, whose
    ``e*`` is at least each of the ``levels``, changes of the input.
    """

    def __init__(self, network: Network, samples: int, levels: Sequence[float] = ()) -> None:
        why = refusal(network)
        if why is not None:
            raise NetworkError(f"no certificate: {why}")
        self.network = network
        self.input, self.weights = np.full(samples, np.inf), np.full(samples, np.inf)
        bounds = prove(network) if isinstance(network, IntegerNetwork) else {}
        self._room = {name: STATE_LIMIT - 1 - max(-each.u_min, each.u_max) for name, each in bounds.items()}
        self.levels, self.kept = tuple(levels), np.zeros((samples, len(levels)))
        self.first = [each.name for each in network.spiking if _hears_input_alone(network, each.name)]
        self._least: dict[str, Array] = {}
        self._lines = {id(p): _Line.of(network, p) for p in network.projections}
        self._moved: dict[tuple[str, str], _Moved] = {}
        self._past: deque[Mapping[str, Array]] = deque(maxlen=1 + max(p.delay for p in network.projections))

    def add(self, step: Step) -> None:
        """Take one step of some samples; the first step of a batch starts at rest."""
        if step.step == 0:
            self._past.clear()
            self._moved, self._least = {}, {}
        source = self.network.source.neuron
        assert isinstance(source, Source)
        unit = source.unit if isinstance(self.network, FloatNetwork) and step.source.dtype.kind != "f" else 1
        self._past.appendleft({self.network.source.name: np.abs(step.source) * unit, **step.spikes})
        for population in self.network.spiking:
            for kind in KINDS:
                self._follow(population.name, kind, step)
        if step.step == self.network.steps - 1 and self.first:
            self._count_kept(step)

    def _count_kept(self, step: Step) -> None:
        """Count the neurons that no change of the input flips; one that nothing has reached is among them."""
        never = {name: np.full((len(step.source), *self.network.population(name).shape), np.inf) for name in self.first}
        found = [self._least.get(name, never[name]).reshape(len(step.source), -1) for name in self.first]
        every = np.concatenate(found, axis=1)
        for column, level in enumerate(self.levels):
            self.kept[step.rows, column] = (every >= level).mean(axis=1)

    def _follow(self, name: str, kind: str, step: Step) -> None:
        """Move the interval of a population on by a step, and compare it with the threshold."""
        arriving = self._arriving(name, kind)
        if arriving is None and (name, kind) not in self._moved:
            return
        neuron = self.network.population(name).neuron
        assert not isinstance(neuron, Source)
        spikes, potential = step.spikes[name] > 0, step.compared[name]
        moved = self._moved.setdefault((name, kind), _Moved(neuron, np.zeros(spikes.shape, potential.dtype)))
        moved.advance(np.zeros((), potential.dtype) if arriving is None else arriving)
        each = _quotient(_margin(neuron, potential, spikes), moved.v)
        if kind == "input" and name in self.first:
            self._least[name] = np.minimum(each, self._least.get(name, each))
        found = _least(each)
        if kind == "weights" and name in self._room:
            found = np.minimum(found, _least(_quotient(np.full(spikes.shape, self._room[name]), moved.u)))
        least = self.input if kind == "input" else self.weights
        least[step.rows] = np.minimum(least[step.rows], found)
        moved.reset(spikes)

    def _arriving(self, name: str, kind: str) -> Array | None:
        """Return ``A`` of this step, to be broadcast to (N, *shape); None where nothing changes what arrives."""
        total: Array | None = None
        for projection in self.network.incoming(name):
            if projection.delay >= len(self._past):
                continue
            line = self._lines[id(projection)]
            values = line.from_input if kind == "input" else line.counted(self._past[projection.delay])
            if values is not None:
                total = values if total is None else total + values
        return total


def _margin(neuron: FloatNeuron | IntegerNeuron, potential: Array, spikes: Array) -> Array:
    """Return how far potentials may move towards the threshold so that the spike stays as it is."""
    if isinstance(neuron, IntegerNeuron):
        return np.asarray(np.where(spikes, potential - neuron.level - 1, neuron.level - potential))
    assert neuron.threshold is not None
    distance = np.abs(potential - neuron.threshold) - ROUNDING * np.abs(potential).max(initial=0)
    return np.asarray(np.maximum(distance, 0))


def _quotient(margin: Array, moved: Array) -> Array:
    """Return the change at which each neuron may meet its threshold, infinite where nothing moves it."""
    moved = np.broadcast_to(moved, margin.shape)
    return np.asarray(np.divide(margin, moved, out=np.full(margin.shape, np.inf), where=moved > 0))


def _least(quotient: Array) -> Array:
    """Return the smallest quotient of each sample, (N,)."""
    least: Array = quotient.reshape(len(quotient), -1).min(axis=1, initial=np.inf)
    return least


def _hears_input_alone(network: Network, name: str) -> bool:
    """Return whether all projections into a population come from the input."""
    return all(projection.source == network.source.name for projection in network.incoming(name))


class _Moved:
    """How far current and potential of a population may be from those that were run, per unit of the change."""

    def __init__(self, neuron: FloatNeuron | IntegerNeuron, zeros: Array) -> None:
        self.neuron, self.u, self.v = neuron, zeros, zeros

    def advance(self, arriving: Array) -> None:
        """Add what arrives, before the reset."""
        neuron = self.neuron
        if isinstance(neuron, IntegerNeuron):
            self.u = _decayed_up(self.u, neuron.decay_u) + (arriving << ACTIVATION_SHIFT)
            self.v = _decayed_up(self.v, neuron.decay_v) + self.u
        else:
            self.u = self.u * (1 - neuron.decay_current) + np.abs(neuron.gain) * arriving
            self.v = self.v * (1 - neuron.decay_potential) + self.u

    def reset(self, spikes: Array) -> None:
        """Forget what moved where a spike sets the potential."""
        if self.neuron.reset_by is None:
            self.v = np.where(spikes, np.zeros((), self.v.dtype), self.v)


def _decayed_up(moved: Array, decay: Array) -> Array:
    """Return ``ceil(moved (4096 - decay) / 4096)``, what two numbers that decay may still differ by."""
    product = moved * ((1 << DECAY_SHIFT) - decay.astype(np.int64))
    up: Array = -(-product >> DECAY_SHIFT)
    return up


@dataclass(frozen=True, kw_only=True, eq=False)
class _Line:
    """What a change can add to what arrives over a projection.

    ``from_input``: ``A`` (1, *target) of a changed input, where the projection comes from it. ``ones``: the synapses
    with one for every weight that is not zero; ``factor``: what a change of one moves such a weight by.
    """

    source: str
    ones: Convolution | Dense
    factor: float
    from_input: Array | None
    shape: Shape
    kind: type[np.int64 | np.float64]

    @classmethod
    def of(cls, network: Network, projection: FloatProjection | IntegerProjection) -> "_Line":
        """Return it for a projection of the network."""
        synapses, source = projection.synapses, network.population(projection.source)
        shape, size = network.population(projection.target).shape, np.abs(synapses.weight.astype(np.float64))
        exact = isinstance(projection, IntegerProjection)
        factor = 2.0**projection.exponent if isinstance(projection, IntegerProjection) else float(size.max(initial=0))
        kind: type[np.int64 | np.float64] = np.int64 if exact else np.float64
        moved = None
        if isinstance(source.neuron, Source):
            unit = factor if exact else source.neuron.unit
            total = apply(replace(synapses, weight=size), np.ones((1, *source.shape))) * unit
            moved = total.reshape(1, *shape).astype(kind)
        ones = replace(synapses, weight=(size != 0).astype(np.int8))
        return cls(source=source.name, ones=ones, factor=factor, from_input=moved, shape=shape, kind=kind)

    def counted(self, sent: Mapping[str, Array]) -> Array:
        """Return ``A`` (N, *target) of changed weights where the sources send these values."""
        values = sent[self.source]
        total = apply(self.ones, values).reshape(len(values), *self.shape) * self.factor
        return np.asarray(total.astype(self.kind))
