"""Frames of events: one is the input of each step."""

from torch import Tensor

from spikeport.export.errors import StimulusError
from spikeport.export.network import Source
from spikeport.toolchain.nn.draws import Draws
from spikeport.toolchain.nn.encoders.encoder import Encoder, held


class Frames(Encoder, frozen=True, kw_only=True, tag="frames"):
    """Frame t of a sample (T, C, H, W) is given in step t: event data, whose number of frames is T."""

    TAKES_FRAMES = True

    def __call__(self, images: Tensor, steps: int, *, generator: Draws | None = None) -> Tensor:
        del generator
        if images.ndim != 5 or images.shape[1] != steps:
            raise StimulusError(
                f"the encoder 'frames' is given {tuple(images.shape)}; expected samples of {steps} frames, one a step: "
                f"(N, {steps}, C, H, W)"
            )
        return images.swapaxes(0, 1)

    def source(self, levels: int) -> Source:
        return held(levels)
