"""What every encoder is: a frozen object from images to what the network is given in every step."""

import torch
from torch import Tensor

from spikeport.toolchain.choices import Choice


class Encoder(Choice, frozen=True, kw_only=True):
    """How an image becomes the input of T steps."""

    def __call__(self, images: Tensor, steps: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Return pixels (T, N, C, H, W), or (1, N, C, H, W) where every step is the same, for images (N, C, H, W)."""
        raise NotImplementedError
