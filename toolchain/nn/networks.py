"""The ANN and the SNN: the same blocks, with ReLU or with integrate-and-fire neurons between them."""

from typing import cast

import torch
from torch import Tensor, nn

from toolchain.nn.layers import Block, Synapses, blocks
from toolchain.nn.specification import Specification
from toolchain.nn.surrogate import piecewise_linear

MINIMUM_THRESHOLD = 0.03


class Backbone(nn.Module):
    """Pixel normalisation and blocks; images are float (N, C, H, W) in [0, 1]."""

    mean: Tensor
    std: Tensor

    def __init__(self, specification: Specification) -> None:
        super().__init__()
        self.specification = specification
        self.register_buffer("mean", torch.tensor(specification.mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(specification.std).view(-1, 1, 1))
        self.blocks = blocks(specification)

    def normalized(self, images: Tensor) -> Tensor:
        """Return ``(images - mean) / std`` per channel."""
        return (images - self.mean) / self.std

    def block_list(self) -> list[Block]:
        """Return the blocks from the input to the readout."""
        return [cast("Block", block) for block in self.blocks]

    def synapses(self) -> dict[str, Synapses]:
        """Return every synaptic layer by the name that its weights have in the state dictionary."""
        return {f"blocks.{index}.synapses": block.synapses for index, block in enumerate(self.block_list())}


class ANN(Backbone):
    """ReLU network: logits (N, classes)."""

    def forward(self, images: Tensor) -> Tensor:
        x = self.normalized(images)
        *hidden, readout = self.block_list()
        for block in hidden:
            x = torch.relu(block(x))
        logits: Tensor = readout(x)
        return logits


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
        self.neurons = nn.ModuleList(IntegrateAndFire() for _ in self.block_list()[1:])

    def neuron_list(self) -> list[IntegrateAndFire]:
        """Return the neuron layers from the input on; the readout has none."""
        return [cast("IntegrateAndFire", neurons) for neurons in self.neurons]

    def currents(self, images: Tensor, layer: int) -> Tensor:
        """Return the pre-activations (T, N, ...) of neuron layer ``layer`` (0 is the first)."""
        spikes = self.spikes(images, layers=layer)
        return self._current(spikes[-1] if spikes else None, images, layer)

    def spikes(self, images: Tensor, layers: int | None = None) -> list[Tensor]:
        """Return the spikes (T, N, ...) of the first ``layers`` neuron layers, of all without ``layers``."""
        recorded: list[Tensor] = []
        for index, neurons in enumerate(self.neuron_list()[:layers]):
            recorded.append(neurons(self._current(recorded[-1] if recorded else None, images, index)))
        return recorded

    def _current(self, spikes: Tensor | None, images: Tensor, layer: int) -> Tensor:
        block = self.block_list()[layer]
        if spikes is None:
            held = block(self.normalized(images))
            return cast("Tensor", held).expand(self.steps, *held.shape)
        return cast("Tensor", block(spikes.flatten(0, 1)).unflatten(0, spikes.shape[:2]))

    def forward(self, images: Tensor) -> Tensor:
        return self.currents(images, len(self.neurons)).mean(0)
