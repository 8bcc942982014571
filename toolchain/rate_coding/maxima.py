"""Max pooling as ReLUs, exactly: rates of spikes cannot be compared, differences of rates can.

The largest of x_0 .. x_n, all of them 0 or above, is a sum of ReLUs::

    m_1 = relu(x_1 - x_0);   m_i = relu(x_i - x_0 - m_1 - ... - m_{i-1});   max = x_0 + m_1 + ... + m_n

A window of a x b values takes b - 1 populations along its rows, and a - 1 along its columns of what these give. Pooling
spikes instead (any spike in the window) gives up to the sum of the rates, which grows apart from their maximum.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.specification import (
    Convolution,
    MaxPooling,
    Node,
    Pair,
    Projection,
    Shape,
    Specification,
    pair,
)


def without_max_pooling(ann: ANN) -> ANN:
    """Return a network with the same outputs whose max pooling is done by ReLUs; the same one where there is none."""
    specification = ann.specification
    if not any(isinstance(p.pool(), MaxPooling) for node in specification.nodes for p in node.projections):
        return ann
    rewriting = _Rewriting(shapes=specification.shapes(), taken={node.name for node in specification.nodes})
    for node in specification.nodes:
        projections = tuple(rewriting.replaced(projection) for projection in node.projections)
        rewriting.nodes.append(
            node if projections == node.projections else Node(name=node.name, projections=projections, kind=node.kind)
        )
    changed = Specification(
        input_shape=specification.input_shape,
        mean=specification.mean,
        std=specification.std,
        nodes=tuple(rewriting.nodes),
    )
    dtype = ann.mean.dtype
    model = ANN(changed).to(dtype)
    state = ann.state_dict() | {name: weight.to(dtype) for name, weight in rewriting.state.items()}
    missing = model.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys
    return model.eval()


@dataclass(kw_only=True)
class _Rewriting:
    """The populations so far, the weights of new ones, and the streams of maxima by what they pool."""

    shapes: dict[str, Shape]
    taken: set[str]
    nodes: list[Node] = field(default_factory=list)
    state: dict[str, Tensor] = field(default_factory=dict)
    pooled: dict[tuple[str, MaxPooling], str] = field(default_factory=dict)

    def replaced(self, projection: Projection) -> Projection:
        """Return a projection that takes a stream of maxima instead of pooling."""
        pooling = projection.pool()
        if not isinstance(pooling, MaxPooling):
            return projection
        key = (projection.source, pooling)
        if key not in self.pooled:
            self.pooled[key] = self._maxima(projection.source, pooling)
        return Projection(
            source=self.pooled[key],
            synapses=projection.synapses,
            channels=projection.channels,
            flatten=projection.flatten,
            norm=projection.norm,
        )

    def _maxima(self, source: str, pooling: MaxPooling) -> str:
        """Add the populations of one pooling and return the stream of its maxima."""
        name, channels = self._name(f"{source}_max"), self.shapes[source][0]
        (rows, columns), (down, right) = pair(pooling.kernel), pair(pooling.stride or pooling.kernel)
        top, bottom, left, end = pooling.padding
        along = _Taps(channels, (1, columns), (1, right), (0, 0, left, end))
        whole = _Taps(channels, (rows, columns), (down, right), pooling.padding)
        across = _Taps(channels, (rows, 1), (down, 1), (top, bottom, 0, 0))
        same = _Taps(channels, (1, 1), (1, 1), (0, 0, 0, 0))
        first = [
            self._difference(f"{name}_row{index}", [(source, along, (0, index), (0, 0)), *self._less(name, "row", index, same)])
            for index in range(1, columns)
        ]
        second = [
            self._difference(
                f"{name}_column{index}",
                [
                    (source, whole, (index, 0), (0, 0)),
                    *((each, across, (index, 0), (0, 0)) for each in first),
                    *self._less(name, "column", index, same),
                ],
            )
            for index in range(1, rows)
        ]
        parts = [(source, whole), *((each, across) for each in first), *((each, same) for each in second)]
        self._add(name, "stream", [(each, taps, (0, 0), None) for each, taps in parts])
        return name

    @staticmethod
    def _less(name: str, word: str, index: int, same: "_Taps") -> list[tuple[str, "_Taps", Pair | None, Pair]]:
        return [(f"{name}_{word}{before}", same, None, (0, 0)) for before in range(1, index)]

    def _difference(self, name: str, parts: list[tuple[str, "_Taps", Pair | None, Pair | None]]) -> str:
        self._add(name, "neurons", parts)
        return name

    def _add(self, name: str, kind: str, parts: list[tuple[str, "_Taps", Pair | None, Pair | None]]) -> None:
        projections = []
        for index, (source, taps, plus, minus) in enumerate(parts):
            projections.append(Projection(source=source, synapses=taps.synapses()))
            self.state[f"projections.{name}.{index}.synapses.weight"] = taps.weight(plus, minus)
        self.nodes.append(Node(name=name, projections=tuple(projections), kind=kind))

    def _name(self, name: str) -> str:
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name


@dataclass(frozen=True)
class _Taps:
    """A convolution of each channel that takes single values of a window."""

    channels: int
    kernel: Pair
    stride: Pair
    padding: tuple[int, int, int, int]

    def synapses(self) -> Convolution:
        return Convolution(
            channels=self.channels,
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
            groups=self.channels,
        )

    def weight(self, plus: Pair | None, minus: Pair | None) -> Tensor:
        """Return weights of 1 at ``plus`` and -1 at ``minus``."""
        weight = torch.zeros(self.channels, 1, *self.kernel)
        for place, value in ((plus, 1.0), (minus, -1.0)):
            if place is not None:
                weight[:, :, place[0], place[1]] += value
        return weight
