"""Max pooling as ReLUs, exactly: rates of spikes cannot be compared, differences of rates can.

The largest of x_0 .. x_n, all of them 0 or above, is a sum of ReLUs::

    m_1 = relu(x_1 - x_0);   m_i = relu(x_i - x_0 - m_1 - ... - m_{i-1});   max = x_0 + m_1 + ... + m_n

A window of a x b values takes b - 1 populations along its rows, and a - 1 along its columns of what these give. Pooling
spikes instead (any spike in the window) gives up to the sum of the rates, which grows apart from their maximum.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.specification import (
    INPUT,
    Borders,
    Convolution,
    MaxPooling,
    Node,
    Pair,
    Projection,
    Shape,
    Specification,
    pair,
)

FIRST = (0, 0)


def without_max_pooling(ann: ANN) -> ANN:
    """Return a network with the same outputs whose max pooling is done by ReLUs; the same one where there is none."""
    old = ann.specification
    work = _Rewriting(shapes=old.shapes(), taken={node.name for node in old.nodes})
    for node in old.nodes:
        projections = tuple(work.replaced(projection) for projection in node.projections)
        work.nodes.append(Node(name=node.name, projections=projections, kind=node.kind))
    if not work.weights:
        return ann
    specification = Specification(input_shape=old.input_shape, mean=old.mean, std=old.std, nodes=tuple(work.nodes))
    changed = ANN(specification).to(ann.mean.dtype)
    found = changed.load_state_dict(ann.state_dict() | work.weights, strict=False)
    assert not found.unexpected_keys
    return changed.eval()


@dataclass(frozen=True)
class _Windows:
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Borders = (0, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Single values of a population's windows: that at ``plus``, less that at ``minus``, channel by channel."""

    source: str
    windows: _Windows = _Windows()
    plus: Pair | None = FIRST
    minus: Pair | None = None

    def projection(self, channels: int) -> Projection:
        """Return the convolution of each channel."""
        kernel, stride, padding = self.windows.kernel, self.windows.stride, self.windows.padding
        synapses = Convolution(channels=channels, kernel=kernel, stride=stride, padding=padding, groups=channels)
        return Projection(source=self.source, synapses=synapses)

    def weight(self, channels: int) -> Tensor:
        """Return its weights: 1, -1 and 0."""
        weight = torch.zeros(channels, 1, *self.windows.kernel)
        for place, value in ((self.plus, 1), (self.minus, -1)):
            if place is not None:
                weight[:, :, place[0], place[1]] += value
        return weight


@dataclass(kw_only=True)
class _Rewriting:
    """The populations so far, the weights of new ones, and the streams of maxima by what they pool."""

    shapes: dict[str, Shape]
    taken: set[str]
    nodes: list[Node] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)
    pooled: dict[tuple[str, MaxPooling], str] = field(default_factory=dict)

    def replaced(self, projection: Projection) -> Projection:
        """Return a projection that takes a stream of maxima instead of pooling."""
        pooling, source = projection.pool(), projection.source
        if not isinstance(pooling, MaxPooling) or source == INPUT:
            return projection
        if (source, pooling) not in self.pooled:
            self.pooled[source, pooling] = self._maxima(source, pooling)
        return Projection(
            source=self.pooled[source, pooling],
            synapses=projection.synapses,
            channels=projection.channels,
            flatten=projection.flatten,
            norm=projection.norm,
        )

    def _maxima(self, source: str, pooling: MaxPooling) -> str:
        """Add the populations of one pooling and return the stream of its maxima."""
        channels, name = self.shapes[source][0], self._name(f"{source}_max")
        (rows, columns), (down, right) = pair(pooling.kernel), pair(pooling.stride or pooling.kernel)
        top, bottom, left, end = pooling.padding
        along = _Windows((1, columns), (1, right), (0, 0, left, end))
        across = _Windows((rows, 1), (down, 1), (top, bottom, 0, 0))
        both = _Windows((rows, columns), (down, right), pooling.padding)
        first: list[str] = []
        for index in range(1, columns):
            parts = [_Part(source=source, windows=along, plus=(0, index), minus=FIRST), *_less(first)]
            first.append(self._add(f"{name}_row{index}", "neurons", parts, channels))
        second: list[str] = []
        for index in range(1, rows):
            sources = [(source, both), *((each, across) for each in first)]
            parts = [_Part(source=each, windows=windows, plus=(index, 0), minus=FIRST) for each, windows in sources]
            second.append(self._add(f"{name}_column{index}", "neurons", [*parts, *_less(second)], channels))
        sums = [_Part(source=source, windows=both), *(_Part(source=each, windows=across) for each in first)]
        return self._add(name, "stream", [*sums, *(_Part(source=each) for each in second)], channels)

    def _add(self, name: str, kind: Literal["neurons", "stream"], parts: list[_Part], channels: int) -> str:
        projections = tuple(part.projection(channels) for part in parts)
        self.nodes.append(Node(name=name, projections=projections, kind=kind))
        for index, part in enumerate(parts):
            self.weights[f"projections.{name}.{index}.synapses.weight"] = part.weight(channels)
        return name

    def _name(self, name: str) -> str:
        """Return a name that no population has."""
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name


def _less(names: list[str]) -> list[_Part]:
    return [_Part(source=name, plus=None, minus=FIRST) for name in names]
