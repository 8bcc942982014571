"""What a backward pass brings to places of a network: exact zeros and norms of gradients, image by image."""

import torch
from torch import Tensor


class Taps:
    """Zeros and norms of the gradients at named places, for batches of images one after the other.

    The gradient at a place is the one that flows back from there alone: other uses of the same tensor add nothing.
    """

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self._zeros: dict[str, list[Tensor]] = {}
        self._norms: dict[str, list[Tensor]] = {}

    def at(self, name: str, x: Tensor, *, steps: int, count: int) -> Tensor:
        """Return ``x`` to compute on with; its gradient is watched.

        ``x`` holds ``count`` images at ``steps`` steps, the steps outside. A gradient that never comes is all zeros.
        """
        self.values[name] = x.numel() // count
        zeros, norms = (each.setdefault(name, []) for each in (self._zeros, self._norms))
        place = len(zeros)
        zeros.append(torch.full((count,), x.numel() / count, dtype=torch.float64))
        norms.append(torch.zeros(count, dtype=torch.float64))

        def keep(gradient: Tensor) -> None:
            rows = gradient.detach().reshape(steps, count, -1)
            zeros[place] = (rows == 0).sum((0, 2)).double().cpu()
            norms[place] = rows.double().square().sum((0, 2)).sqrt().cpu()

        tapped = x.view_as(x)
        tapped.register_hook(keep)  # type: ignore[no-untyped-call]
        return tapped

    def zeros(self, name: str) -> Tensor:
        """Return the share of exact zeros (N,) in the gradient of each image."""
        return torch.cat(self._zeros[name]) / self.values[name]

    def norms(self, name: str) -> Tensor:
        """Return the l2 norm (N,) of the gradient of each image, over all steps."""
        return torch.cat(self._norms[name])
