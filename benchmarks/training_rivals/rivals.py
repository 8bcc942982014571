"""VGG with integrate-and-fire neurons in SpikingJelly and snnTorch, each the way its own examples are fastest.

Both compute the first convolution and batch norm once for the held image, and the others for all steps at once.
"""

from typing import Any

import torch
from torch import Tensor, nn


class Rival(nn.Module):
    """The network around a framework's neurons: ``neurons()`` makes a layer of them from (T, N, ...) to spikes."""

    def __init__(
        self, plan: tuple[int | str, ...], head: tuple[int, ...], classes: int, steps: int, neurons: Any
    ) -> None:
        super().__init__()
        self.steps, self.blocks = steps, nn.ModuleList()
        channels, side, pooling = 3, 32, 1
        for entry in plan:
            if entry == "P":
                pooling, side = 2, side // 2
                continue
            conv = nn.Conv2d(channels, int(entry), 3, padding=1, bias=False)
            pool = nn.AvgPool2d(2) if pooling == 2 else nn.Identity()
            self.blocks.append(nn.Sequential(pool, conv, nn.BatchNorm2d(int(entry))))
            channels, pooling = int(entry), 1
        width = channels * side * side
        for features in head:
            self.blocks.append(nn.Sequential(nn.Flatten(), nn.Linear(width, features, bias=False)))
            width = features
        self.neurons = nn.ModuleList(neurons() for _ in self.blocks)
        self.readout = nn.Linear(width, classes, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        values = self.blocks[0](images).unsqueeze(0).repeat(self.steps, 1, 1, 1, 1)
        for index, neurons in enumerate(self.neurons):
            if index:
                values = self.blocks[index](values.flatten(0, 1)).unflatten(0, values.shape[:2])
            values = neurons(values)
        return self.readout(values.flatten(0, 1)).unflatten(0, values.shape[:2]).mean(0)


def spikingjelly_neurons() -> nn.Module:
    """Return SpikingJelly's multi-step neurons in PyTorch, the one back end that it has on a CPU."""
    from spikingjelly.activation_based import neuron, surrogate  # noqa: PLC0415

    return neuron.IFNode(
        v_threshold=1.0, v_reset=0.0, surrogate_function=surrogate.PiecewiseQuadratic(alpha=1.0), step_mode="m"
    )


class SnnTorchNeurons(nn.Module):
    """snnTorch's neurons, a step at a time."""

    def __init__(self) -> None:
        super().__init__()
        import snntorch  # noqa: PLC0415
        from snntorch import surrogate  # noqa: PLC0415

        self.leaky = snntorch.Leaky(
            beta=1.0, threshold=1.0, reset_mechanism="zero", spike_grad=surrogate.triangular(), reset_delay=False
        )

    def forward(self, values: Tensor) -> Tensor:
        potential, spikes = torch.zeros_like(values[0]), []
        for arriving in values:
            spike, potential = self.leaky(arriving, potential)
            spikes.append(spike)
        return torch.stack(spikes)


def reset(model: nn.Module) -> None:
    """Clear SpikingJelly's potentials before the next batch."""
    from spikingjelly.activation_based import functional  # noqa: PLC0415

    functional.reset_net(model)
