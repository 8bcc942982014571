"""The ANN and the SNN: the same graph, with ReLU or with integrate-and-fire neurons in its populations."""

from typing import Self, cast

import torch
from torch import Tensor, nn

from spikeport.toolchain.nn.layers import ProjectionLayer, Synapses
from spikeport.toolchain.nn.specification import INPUT, READOUT, Node, Projection, Shape, Specification
from spikeport.toolchain.nn.surrogate import piecewise_linear

MINIMUM_THRESHOLD = 0.03


class Backbone(nn.Module):
    """Pixel normalisation and the projections of the graph; images are float (N, C, H, W) in [0, 1]."""

    mean: Tensor
    std: Tensor

    def __init__(self, specification: Specification) -> None:
        super().__init__()
        self.rounding = False
        self.specification = specification
        self.register_buffer("mean", torch.tensor(specification.mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(specification.std).view(-1, 1, 1))
        shapes = specification.shapes()
        self.projections = nn.ModuleDict(
            {
                node.name: nn.ModuleList(
                    ProjectionLayer(projection, shapes[projection.source], self._gains(projection, shapes))
                    for projection in node.projections
                )
                for node in specification.nodes
            }
        )

    def _gains(self, projection: Projection, shapes: dict[str, Shape]) -> Tensor:
        """Return what `normalized` multiplied the channels of the projection's source by."""
        return 1 / self.std.flatten() if projection.source == INPUT else torch.ones(shapes[projection.source][0])

    def normalized(self, images: Tensor) -> Tensor:
        """Return ``(images - mean) / std`` per channel."""
        return (images - self.mean) / self.std

    def projections_into(self, name: str) -> list[ProjectionLayer]:
        """Return the projections that feed a population."""
        return [cast("ProjectionLayer", layer) for layer in cast("nn.ModuleList", self.projections[name])]

    def round_weights(self, bits: int | None) -> None:
        """Let every forward pass round the weights to ``bits`` and keep batch norm's statistics as they are."""
        for node in self.specification.nodes:
            for layer in self.projections_into(node.name):
                layer.bits = bits
        self.rounding = bits is not None

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """Switch to training; while weights are rounded, batch norm stays in evaluation mode."""
        super().train(mode)
        if self.rounding:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def synapses(self) -> dict[str, Synapses]:
        """Return every synaptic layer by the name that its weights have in the state dictionary."""
        return {
            f"projections.{node.name}.{index}.synapses": layer.synapses
            for node in self.specification.nodes
            for index, layer in enumerate(self.projections_into(node.name))
            if layer.synapses is not None
        }

    def neuron_nodes(self) -> list[Node]:
        """Return the populations with neurons, from the input on."""
        return [node for node in self.specification.nodes if node.kind == "neurons"]


class ANN(Backbone):
    """ReLU network: logits (N, classes)."""

    def forward(self, images: Tensor) -> Tensor:
        values = {INPUT: self.normalized(images)}
        for node in self.specification.nodes:
            total = sum(layer(values[layer.source]) for layer in self.projections_into(node.name))
            values[node.name] = torch.relu(total) if node.kind == "neurons" else cast("Tensor", total)
        return values[READOUT]


class IntegrateAndFire(nn.Module):
    """Hard-reset IF neurons with one trainable threshold.

    Schmolli et al., CPAL 2025, Eq. 1 to 3 with tau = 1::

        v(t-) = v(t-1) + I(t);   s(t) = 1[v(t-) >= V_th];   v(t) = v(t-) (1 - s(t))

    ``I`` is (T, N, ...); ``v(0) = 0``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(1.0))
        self.width = 1.0

    def forward(self, current: Tensor) -> Tensor:
        potential, spikes = torch.zeros_like(current[0]), []
        for arriving in current:
            potential = potential + arriving
            fired = piecewise_linear(potential - self.threshold, self.width)
            potential = potential * (1 - fired)
            spikes.append(fired)
        return torch.stack(spikes)

    @torch.no_grad()
    def clamp_threshold(self) -> None:
        """Keep the trained threshold at or above 0.03."""
        self.threshold.clamp_(min=MINIMUM_THRESHOLD)


class SNN(Backbone):
    """Spiking network with direct coding: the normalised image is the current of every step.

    Batch norm is threshold-dependent batch norm as the conversion of Schmolli et al. (section 3.2) uses it:
    statistics run over batch and time of the weighted spikes, the affine parameters come from the ANN.
    The logits are the integrated readout current divided by T: (N, classes).
    """

    def __init__(self, specification: Specification, steps: int) -> None:
        super().__init__(specification)
        self.steps = steps
        self.neurons = nn.ModuleDict({node.name: IntegrateAndFire() for node in self.neuron_nodes()})

    def neuron_list(self) -> list[IntegrateAndFire]:
        """Return the neurons of every population from the input on; streams and the readout have none."""
        return [self.neurons_of(node.name) for node in self.neuron_nodes()]

    def neurons_of(self, name: str) -> IntegrateAndFire:
        """Return the neurons of one population."""
        return cast("IntegrateAndFire", self.neurons[name])

    def currents(self, images: Tensor, name: str) -> Tensor:
        """Return the pre-activations (T, N, ...) of a population; what comes only from the image is (1, N, ...)."""
        values = self._values(images, until=name)
        return self._sum(values, name)

    def spikes(self, images: Tensor) -> dict[str, Tensor]:
        """Return the spikes (T, N, ...) of every population with neurons."""
        values = self._values(images, until=READOUT)
        return {node.name: values[node.name] for node in self.neuron_nodes()}

    def _values(self, images: Tensor, until: str) -> dict[str, Tensor]:
        """Return what every population before ``until`` sends, (T, N, ...); the held image has one step."""
        values = {INPUT: self.normalized(images)[None]}
        for node in self.specification.nodes:
            if node.name == until:
                break
            total = self._sum(values, node.name)
            if node.kind == "neurons":
                total = self.neurons_of(node.name)(total.expand(self.steps, *total.shape[1:]))
            values[node.name] = total
        return values

    def _sum(self, values: dict[str, Tensor], name: str) -> Tensor:
        arriving = [_at_every_step(layer, values[layer.source]) for layer in self.projections_into(name)]
        return cast("Tensor", sum(arriving))

    def forward(self, images: Tensor) -> Tensor:
        return self.currents(images, READOUT).mean(0)


def _at_every_step(layer: ProjectionLayer, values: Tensor) -> Tensor:
    """Apply a layer to all steps at once, so that batch norm sees batch and time."""
    return cast("Tensor", layer(values.flatten(0, 1)).unflatten(0, values.shape[:2]))
