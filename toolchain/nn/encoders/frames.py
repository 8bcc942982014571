"""Frames of events: one is the input of each step."""

import torch
from torch import Tensor

from spikeport.export.errors import StimulusError
from spikeport.toolchain.nn.encoders.encoder import Encoder


class Frames(Encoder, frozen=True, kw_only=True, tag="frames"):
    """Frame t of a sample (T, C, H, W) is given in step t: event data, whose number of frames is T."""

    TAKES_FRAMES = True

    def __call__(self, images: Tensor, steps: int, *, generator: torch.Generator | None = None) -> Tensor:
        del generator
        if images.ndim != 5 or images.shape[1] != steps:
            raise StimulusError(
                f"the encoder 'frames' is given {tuple(images.shape)}; expected samples of {steps} frames, one a step: "
                f"(N, {steps}, C, H, W)"
            )
        return images.swapaxes(0, 1)
