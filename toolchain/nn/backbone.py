"""The graph of a specification as layers: pixel normalisation and projections, the same for ANN and SNN."""

from typing import Self, cast

import torch
from torch import Tensor, nn

from spikeport.toolchain.nn.layers import ProjectionLayer, Synapses
from spikeport.toolchain.nn.specification import INPUT, Node, Projection, Shape, Specification


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
