"""The convolutions and linear layers of a VGG alone, at batch T x B: what no framework saves but by computing less."""

import torch
from torch import Tensor, nn

Layer = tuple[nn.Module, Tensor, Tensor]


class Floor:
    """Bare synapses on inputs of the right shapes, each differentiated by itself with a gradient at hand."""

    def __init__(
        self, plan: tuple[int | str, ...], head: tuple[int, ...], classes: int, count: int, device: str = "cpu"
    ) -> None:
        self.layers: list[Layer] = []
        self.device = device
        channels, side = 3, 32
        for entry in plan:
            if entry == "P":
                side //= 2
                continue
            conv = nn.Conv2d(channels, int(entry), 3, padding=1, bias=False)
            self._add(conv, (count, channels, side, side), (count, int(entry), side, side))
            channels = int(entry)
        width = channels * side * side
        for features in (*head, classes):
            self._add(nn.Linear(width, features, bias=False), (count, width), (count, features))
            width = features

    def _add(self, layer: nn.Module, given: tuple[int, ...], made: tuple[int, ...]) -> None:
        spikes = (torch.rand(given, device=self.device) < 0.15).float()
        self.layers.append((layer.to(self.device), spikes, torch.randn(made, device=self.device)))

    def forward(self) -> None:
        """Compute every layer."""
        with torch.no_grad():
            for layer, given, _ in self.layers:
                layer(given)

    def step(self) -> None:
        """Compute every layer and the gradients of its weights and of its input, but not of the image."""
        for index, (layer, given, gradient) in enumerate(self.layers):
            given.requires_grad_(index > 0)
            made = layer(given)
            torch.autograd.grad(made, [*layer.parameters(), *([given] if index else [])], gradient)

    def attack(self) -> None:
        """Compute every layer and the gradient of its input alone."""
        for layer, given, gradient in self.layers:
            given.requires_grad_()
            torch.autograd.grad(layer(given), given, gradient)
