"""The SNN: integrate-and-fire neurons in the populations of the graph."""

from typing import cast

from torch import Tensor, nn

from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.nn.layers import ProjectionLayer
from spikeport.toolchain.nn.neurons import IntegrateAndFire
from spikeport.toolchain.nn.specification import INPUT, READOUT, Specification
from spikeport.toolchain.nn.spiking import Spiking


class SNN(Backbone):
    """Spiking network with direct coding: the normalised image is the current of every step.

    Batch norm is threshold-dependent batch norm as the conversion of Schmolli et al. (section 3.2) uses it:
    statistics run over batch and time of the weighted spikes, the affine parameters come from the ANN.
    The logits are the integrated readout current divided by T: (N, classes).
    """

    def __init__(self, specification: Specification, spiking: Spiking) -> None:
        super().__init__(specification)
        self.spiking, self.steps = spiking, spiking.steps
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
