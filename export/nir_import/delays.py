"""`Delay` nodes of NIR: steps per neuron, and the projections that hold back a part of their sources each.

Where all neurons of a node wait alike, one projection waits. Where they differ, what reads the node gets one projection
per delay, in which the weights of all other sources are zero (`spikeport.export.delay_groups`). A convolution shares
its weights over a channel; where delays differ within one, a relay population per delay fires with the neurons of that
delay alone, and the convolution reads each.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from spikeport.export.delay_groups import by_delay, delays_of_weights, same_in_channels
from spikeport.export.errors import FormatError
from spikeport.export.inputs import Budget
from spikeport.export.network import (
    Array,
    Convolution,
    Dense,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    Normalization,
    Reshape,
    Shape,
    Source,
    Stage,
)
from spikeport.export.nir_import.nodes import STATEFUL, Graph, Node
from spikeport.export.numbers import DELAY, whole
from spikeport.export.passes.expand_max_pooling import ANY

NONE = np.zeros((), np.int64)
WITHIN = 1e-6
"""Relative error of delays in seconds, which float32 holds to 6e-8."""
FEW_STEPS = 1000
"""Up to so many spikes of weight one are fewer than the largest threshold at 8 bits."""
ALMOST_ALL = 4095 / 4096
"""Share of a relay's potential that is forgotten in longer samples: what was not let through must not add up."""


def steps_of(node: Node, shape: Shape, unit: float) -> Array:
    """Return the steps of a `Delay` node, one number or one per neuron; ``unit``: what a step is in the file."""
    waits = node.reals("delay") / unit
    steps = np.rint(waits)
    broken = (np.abs(waits - steps) > WITHIN * steps) | (waits < 0)
    if np.any(broken):
        found = ", ".join(f"{each:.9g}" for each in np.unique(waits[broken])[:3])
        raise FormatError(f"a delay of {found} steps, each of {unit:g}; expected whole numbers of steps")
    for end in (steps.max(), steps.min()):
        whole(end, "delay in steps", DELAY)
    whole_steps = steps.astype(np.int64)
    return np.asarray(whole_steps.flat[0]) if np.ptp(whole_steps) == 0 else whole_steps.reshape(shape)


Made = tuple[str, int, tuple[Stage, ...]]
"""A source, a delay, and the stages behind it."""


@dataclass
class Delays:
    """What holds back the nodes of a graph, and the relay populations that this needs.

    ``into``: the nodes before each node; ``names``: of populations; ``stages``: those of a node behind a shape;
    ``passes_on``: the types of nodes that give on what they get; ``unit``: what a step is in the file; ``steps``: of
    a sample.
    """

    graph: Graph
    into: dict[str, list[str]]
    names: dict[str, str]
    stages: Callable[[str, Shape], tuple[Stage, ...]]
    passes_on: tuple[str, ...]
    unit: float
    steps: int
    shapes: dict[str, Shape] = field(default_factory=dict)
    waits: dict[str, Array] = field(default_factory=dict)
    spiking: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)
    relays: dict[str, tuple[FloatPopulation, FloatProjection]] = field(default_factory=dict)

    def enter(self, name: str, population: FloatPopulation) -> None:
        """Take up a node, each after those before it: the steps that its neurons wait, where they differ, else zero."""
        self.shapes[name] = population.shape
        if _sends_one_spike(population):
            self.spiking.add(name)
        if not self.read:
            self.read = {each for before in self.into.values() for each in before}
        waits = self.waits[self.into[name][0]] if self._hands_on(name) else NONE
        waits = waits.reshape(population.shape) if waits.ndim else waits
        own = self.own(name)
        self.waits[name] = waits + own if own.ndim and name in self.read else waits

    def own(self, name: str) -> Array:
        """Return the steps of a `Delay` node, one number or one per neuron; zero for other nodes."""
        node = self.graph.nodes[name]
        if node.kind != "Delay":
            return NONE
        steps = steps_of(node, self.shapes[name], self.unit)
        shifted = [each for before in self.into[name] for each in self._shifted_by(before)] if steps.any() else []
        if shifted:
            raise FormatError(
                f"it holds back the bias of node {shifted[0]!r}, which would act from step 0; put the delay in front "
                "of that node"
            )
        return steps

    def into_node(self, before: str, name: str) -> list[Made]:
        """Return the sources, delays and stages by which a node hears one before it, one for each of its delays."""
        own, stages, waits = self.own(name), self.stages(name, self.shapes[before]), self.waits[before]
        delay = 0 if own.ndim else int(own)
        if own.ndim and name not in self.read:
            waits = waits + own
        if not waits.ndim or self._hands_on(name):
            return [(self.names[before], delay, stages)]
        if fits(stages, waits) or self._origin(before) not in self.spiking:
            parted = parts(stages, waits, self.graph.budget)
            return [(self.names[before], delay + wait, kept) for wait, kept in parted]
        return [(self._relay(before, int(value)), delay + int(value), stages) for value in np.unique(waits)]

    def _relay(self, before: str, value: int) -> str:
        """Return the population that fires with the neurons of a node that wait ``value`` steps, without waiting.

        The delay stands behind it. In front of it, the paths would differ in length, which takes further relays.
        """
        name = f"{self.names[before]}_delay{value}"
        while name in self.names.values():
            name += "_"
        if name not in self.relays:
            self.graph.budget.take(16 * self.waits[before].size, "a relay population per delay")
            neuron = relay(self.waits[before], value, self.steps)
            projection = FloatProjection(source=self.names[before], target=name, stages=())
            self.relays[name] = FloatPopulation(name=name, shape=self.shapes[before], neuron=neuron), projection
        return name

    def _hands_on(self, name: str) -> bool:
        """Return whether a node gives on to others what one other gives, so that delays add up behind it."""
        return name in self.read and self.graph.nodes[name].kind in self.passes_on and len(self.into[name]) == 1

    def _origin(self, name: str) -> str:
        """Return the node whose output a node gives on."""
        while self._hands_on(name):
            (name,) = self.into[name]
        return name

    def _shifted_by(self, start: str) -> list[str]:
        """Return the nodes without a state, from ``start`` on towards the input, that add a bias."""
        found, waiting, seen = [], [start], {start}
        while waiting:
            name = waiting.pop()
            before = [each for each in self.into[name] if each in self.shapes]
            if self.graph.nodes[name].kind in STATEFUL or not before:
                continue
            stages = self.stages(name, self.shapes[before[0]])
            found += [name] * any(isinstance(stage, Normalization) and bool(stage.shift.any()) for stage in stages)
            waiting += [each for each in before if each not in seen]
            seen.update(before)
        return found


def parts(stages: tuple[Stage, ...], waits: Array, budget: Budget) -> Iterator[tuple[int, tuple[Stage, ...]]]:
    """Yield each delay with the stages that let through the sources of this delay alone.

    ``waits`` holds one number per source neuron, and `fits` says that the stages can part them.
    """
    first = stages[0] if stages else None
    values = np.unique(waits)
    if isinstance(first, Dense) or (isinstance(first, Convolution) and same_in_channels(waits)):
        budget.take(len(values) * first.weight.nbytes, f"weights for each of {len(values):,} delays")
        for delay, synapses in by_delay(first, delays_of_weights(first, waits, NONE)):
            yield delay, (synapses, *stages[1:])
        return
    for value in values:
        yield int(value), (*_mask(waits == value, budget), *stages)


def fits(stages: tuple[Stage, ...], waits: Array) -> bool:
    """Return whether stages can part their sources by delay: dense ones do, others where a channel has one delay."""
    return bool(stages and isinstance(stages[0], Dense)) or same_in_channels(waits)


def _mask(kept: Array, budget: Budget) -> tuple[Stage, ...]:
    """Return what lets through some neurons and nothing of the others; the first axis are the channels."""
    if same_in_channels(kept):
        budget.take(16 * len(kept), "a mask of channels per delay")
        channels = kept.reshape(len(kept), -1)[:, 0].astype(np.float64)
        return (Normalization(scale=channels, shift=np.zeros(len(channels))),)
    budget.take(16 * kept.size**2, f"a matrix of {kept.size:,} x {kept.size:,} for delays that differ within a channel")
    matrix = Dense(weight=np.diag(kept.reshape(-1).astype(np.float64)))
    return (matrix,) if kept.ndim == 1 else (matrix, Reshape(shape=kept.shape))


def relay(waits: Array, value: int, steps: int) -> FloatNeuron:
    """Return neurons that fire with their source where it waits ``value`` steps, and never elsewhere.

    One spike of weight one reaches `ANY`; the others never get as many as there are steps. In samples so long that
    this threshold takes too many units in integers, they forget what they got instead.
    """
    if steps <= FEW_STEPS:
        return FloatNeuron(threshold=np.where(waits == value, ANY, steps + ANY))
    return FloatNeuron(threshold=np.where(waits == value, ANY, 3 * ANY), decay_potential=np.array(ALMOST_ALL))


def _sends_one_spike(population: FloatPopulation) -> bool:
    """Return whether a population sends nothing but zeros and ones."""
    neuron = population.neuron
    if isinstance(neuron, Source):
        return neuron.levels == 1 and neuron.unit == 1
    return neuron.threshold is not None and neuron.most == 1
