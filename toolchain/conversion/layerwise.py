"""Runs a spiking network layer after layer, batch after batch, some steps at a time, each layer once.

Spikes between layers are kept as bits, the currents of one layer and of streams as floats: within a budget of memory,
beyond it on the disk (`spikeport.toolchain.conversion.kept_values`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from spikeport.export.progress import Progress
from spikeport.toolchain.conversion.kept_values import Kept, Room
from spikeport.toolchain.nn import compiled_loop
from spikeport.toolchain.nn.draws import numbered
from spikeport.toolchain.nn.layers import ProjectionLayer
from spikeport.toolchain.nn.loop import Normal
from spikeport.toolchain.nn.moments import Sums
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.specification import INPUT, Node, needed_after

PART = 2**25
"""Values of a layer that are computed at a time."""

Moments = Callable[[nn.BatchNorm2d, Sums], tuple[Tensor, Tensor]]
"""From batch norm and the sums of a batch to mean and ``1 / sqrt(variance + eps)`` per channel."""


@dataclass(frozen=True, kw_only=True)
class Currents:
    """The currents of a layer for one batch: what is kept, normalised when it is read."""

    kept: Kept
    normal: Normal

    def parts(self, steps: int) -> Iterator[tuple[int, int, Tensor]]:
        """Yield (first step, last step, currents as they are kept), some steps at a time."""
        for first, last in spans(steps, self.kept.shape):
            yield first, last, self.kept.read(first, last, self.kept.dtype)

    def normalized(self, first: int, last: int) -> Tensor:
        """Return the normalised currents of some steps."""
        axes = (1,) * (len(self.kept.shape) - 2)
        values = self.kept.read(first, last, self.kept.dtype)
        return values * self.normal.scale.view(-1, *axes) + self.normal.shift.view(-1, *axes)


@dataclass(frozen=True, kw_only=True)
class Layerwise:
    """A network, its batches of images (N, C, H, W) and T, and where values are kept."""

    snn: SNN
    batches: list[Tensor]
    steps: int
    room: Room
    moments: Moments

    @torch.no_grad()
    def run(self, before_firing: Callable[[Node, list[Currents]], None], title: str) -> None:
        """Compute every layer below the readout; ``before_firing`` sees a population's currents before it fires."""
        nodes = self.snn.specification.nodes
        nodes = nodes[: 1 + max(index for index, node in enumerate(nodes) if node.kind == "neurons")]
        sent = {INPUT: self._inputs()}
        needed = needed_after(self.snn.specification)
        for node in Progress(title).track(nodes):
            layers = self.snn.projections_into(node.name)
            numbers = range(len(self.batches))
            currents = [self._currents(node, [sent[layer.source][number] for layer in layers]) for number in numbers]
            if node.kind == "neurons":
                before_firing(node, currents)
            sent[node.name] = [self._sent(node, each) for each in currents]
            for name in sent.keys() - needed[node.name]:
                for kept in sent.pop(name):
                    kept.free()

    def _inputs(self) -> list[Kept]:
        """Return what the encoder sends for every batch; what is random follows from its seed and the image's place."""
        firsts = np.cumsum([0, *map(len, self.batches)])
        made = []
        for first, batch in zip(firsts, self.batches, strict=False):
            with numbered(self.snn, range(first, first + len(batch))):
                made.append(self._input(batch))
        return made

    def _input(self, images: Tensor) -> Kept:
        encoded = self.snn.spiking.encoder(images, self.steps, generator=self.snn.generator)
        values = self.snn.normalized(encoded.to(self.snn.mean.device, self.snn.mean.dtype))
        kept = self.room.keep(len(values), tuple(values.shape[1:]), values.dtype)
        kept.write(0, values)
        return kept

    def _currents(self, node: Node, sources: list[Kept]) -> Currents:
        """Return the currents of a node: of its only projection, or the sum over several, each normalised."""
        layers = self.snn.projections_into(node.name)
        if len(layers) == 1 and node.kind == "neurons":
            return self._projected(layers[0], sources[0])
        apart = [self._projected(*pair) if pair[0].norm else None for pair in zip(layers, sources, strict=True)]
        total: Kept | None = None
        steps = max(source.steps for source in sources)
        for first, last in spans(steps, self._shape(layers[0], sources[0])):
            values = sum(
                _linear(layer, source, first, last) if each is None else each.normalized(first, last)
                for layer, source, each in zip(layers, sources, apart, strict=True)
            )
            assert isinstance(values, Tensor)
            total = total or self.room.keep(steps, tuple(values.shape[1:]), values.dtype)
            total.write(first, values)
        for each in apart:
            if each is not None:
                each.kept.free()
        assert total is not None
        return Currents(kept=total, normal=Normal.none(self.snn.mean.cpu()))

    def _projected(self, layer: ProjectionLayer, source: Kept) -> Currents:
        """Return the currents of one projection with their batch norm."""
        kept: Kept | None = None
        sums: list[Tensor] = []
        squares: list[Tensor] = []
        for first, last in spans(source.steps, self._shape(layer, source)):
            values = _linear(layer, source, first, last)
            kept = kept or self.room.keep(source.steps, tuple(values.shape[1:]), values.dtype)
            kept.write(first, values)
            if layer.norm is not None:
                found = compiled_loop.moments(values, layer.norm.num_features)
                sums.append(found[0])
                squares.append(found[1])
        assert kept is not None
        if layer.norm is None:
            return Currents(kept=kept, normal=Normal.none(self.snn.mean.cpu()))
        count = source.steps * int(np.prod(kept.shape)) // layer.norm.num_features
        moments = self.moments(layer.norm, Sums(torch.cat(sums), torch.cat(squares), count))
        mean, inverse = (each.to(self.snn.mean) for each in moments)
        normal = (mean, inverse, layer.norm.weight, layer.norm.bias)
        return Currents(kept=kept, normal=Normal(*(each.cpu() for each in normal)))

    def _shape(self, layer: ProjectionLayer, source: Kept) -> tuple[int, ...]:
        return (source.shape[0], *layer.shape)

    def _sent(self, node: Node, currents: Currents) -> Kept:
        """Return what a population sends: spikes as bits, or a stream's sum."""
        if node.kind != "neurons":
            return currents.kept
        kept, rest = self.room.keep(self.steps, currents.kept.shape, torch.bool), None
        for first, last, values in currents.parts(self.steps):
            loop = self.snn.neurons_of(node.name).loop(self.snn.spiking, steps=last - first)
            fired, rest = compiled_loop.fire(values, currents.normal, loop, rest)
            kept.write(first, fired.counts)
        currents.kept.free()
        return kept


def spans(steps: int, shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of as many steps of a layer (N, ...) as make a part."""
    width = max(1, PART // int(np.prod(shape)))
    for first in range(0, steps, width):
        yield first, min(first + width, steps)


def _linear(layer: ProjectionLayer, source: Kept, first: int, last: int) -> Tensor:
    """Return pooling and synapses of some steps, on the network's device, here."""
    values = source.read(first, last, layer.gains.dtype)
    result: Tensor = layer.linear(values.flatten(0, 1).to(layer.gains.device)).cpu().unflatten(0, values.shape[:2])  # type: ignore[no-untyped-call]
    return result
