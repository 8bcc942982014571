"""What every encoder is: a frozen object from images to what the network is given in every step."""

from typing import ClassVar

import torch
from torch import Tensor

from spikeport.toolchain.choices import Choice


class Encoder(Choice, frozen=True, kw_only=True):
    """How an image, or a sample of frames, becomes the input of T steps."""

    TAKES_FRAMES: ClassVar[bool] = False
    """Whether it is given samples of frames (N, T, C, H, W), in place of images (N, C, H, W)."""

    def __call__(self, images: Tensor, steps: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Return pixels (T, N, C, H, W), or (1, N, C, H, W) where every step is the same."""
        raise NotImplementedError
