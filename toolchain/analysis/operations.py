"""A network's forward pass one operation at a time: what fused layers compute at once, with a place before each."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from spikeport.toolchain.analysis.taps import Taps
from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.nn.layers import ProjectionLayer
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.specification import INPUT, READOUT, MaxPooling, Node, needed_after

Kind = Literal["convolution", "linear", "batch norm", "max pooling", "average pooling", "neuron", "addition"]
PIXELS = "pixels"


class Place(NamedTuple):
    """An operation: its kind, and the population (neurons, additions) or projection that it belongs to."""

    kind: Kind
    layer: str

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.layer}: {self.kind}"


class Operations:
    """Runs a network's operations one after the other, each at every step, and taps the input of each.

    The logits are those of the network up to the order of additions. Batch norm has its running moments.
    """

    def __init__(self, model: Backbone, taps: Taps) -> None:
        self.model, self.taps = model, taps
        self.places: dict[str, Place] = {}
        self._layout = (1, 1)
        self._needed_after = needed_after(model.specification)

    def logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (N, classes) of images, and the tensor to differentiate by: images, or their spikes.

        Where an encoder passes no gradient on to the images, the spikes that it made are the first place.
        """
        pixels = images.detach().requires_grad_()
        given = self._encoded(self.taps.at(PIXELS, pixels, steps=1, count=len(images)))
        first = pixels if given.requires_grad else given.requires_grad_()
        self._layout = (len(given), len(images))
        values = {INPUT: self.model.normalized(given)}
        for node in self.model.specification.nodes:
            values[node.name] = self._sent(node, values)
            needed = self._needed_after[node.name] | {node.name}
            values = {name: sent for name, sent in values.items() if name in needed}
        return values[READOUT].mean(0).flatten(1), first

    def _encoded(self, images: Tensor) -> Tensor:
        """Return what every step is given, (T, N, C, H, W); an ANN has one step."""
        if not isinstance(self.model, SNN):
            return images[None]
        spiking = self.model.spiking
        encoded = spiking.encoder(images, spiking.steps, generator=self.model.generator)
        return encoded.expand(spiking.steps, *encoded.shape[1:])

    def _sent(self, node: Node, values: dict[str, Tensor]) -> Tensor:
        layers = self.model.projections_into(node.name)
        currents = [self._projected(layer, node.name, values[layer.source]) for layer in layers]
        total = currents[0]
        if len(currents) > 1:
            total = self._at("addition", node.name, torch.stack(currents).sum(0))
        return self._fired(node.name, total) if node.kind == "neurons" else total

    def _fired(self, name: str, current: Tensor) -> Tensor:
        current = self._at("neuron", name, current)
        if not isinstance(self.model, SNN):
            return torch.relu(current)
        spikes: Tensor = self.model.neurons_of(name)(current, self.model.spiking).values
        return spikes

    def _projected(self, layer: ProjectionLayer, target: str, sent: Tensor) -> Tensor:
        name = f"{layer.source} -> {target}"
        if layer.pooling is not None:
            maximum = isinstance(layer.pooling, MaxPooling)
            sent = self._at("max pooling" if maximum else "average pooling", name, sent)
        with self._watched(layer, name):
            current: Tensor = layer.linear(sent.flatten(0, 1)).unflatten(0, sent.shape[:2])  # type: ignore[no-untyped-call]
        if layer.norm is None:
            return current
        normalized: Tensor = layer.norm(self._at("batch norm", name, current).flatten(0, 1))
        return normalized.unflatten(0, sent.shape[:2])  # type: ignore[no-any-return, no-untyped-call]

    @contextmanager
    def _watched(self, layer: ProjectionLayer, name: str) -> Iterator[None]:
        """Tap what the synapses of a projection get, behind the pooling."""
        if layer.synapses is None:
            yield
            return
        kind: Kind = "linear" if layer.synapses.convolution is None else "convolution"
        hook = layer.synapses.register_forward_pre_hook(lambda _, given: (self._at(kind, name, given[0]), *given[1:]))
        try:
            yield
        finally:
            hook.remove()

    def _at(self, kind: Kind, layer: str, x: Tensor) -> Tensor:
        place = Place(kind, layer)
        self.places[place.name] = place
        steps, count = self._layout
        return self.taps.at(place.name, x, steps=steps, count=count)
