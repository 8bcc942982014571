"""The ANN: ReLU in the populations of the graph."""

from typing import cast

import torch
from torch import Tensor

from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.nn.specification import INPUT, READOUT


class ANN(Backbone):
    """ReLU network: logits (N, classes)."""

    def forward(self, images: Tensor) -> Tensor:
        values = {INPUT: self.normalized(images)}
        for node in self.specification.nodes:
            total = sum(layer(values[layer.source]) for layer in self.projections_into(node.name))
            values[node.name] = torch.relu(total) if node.kind == "neurons" else cast("Tensor", total)
        return values[READOUT].flatten(1)
