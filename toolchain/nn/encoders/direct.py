"""Direct coding: the image is held."""

from torch import Tensor

from spikeport.export.errors import StimulusError
from spikeport.export.network import Source
from spikeport.toolchain.nn.draws import Draws
from spikeport.toolchain.nn.encoders.encoder import Encoder, held


class Direct(Encoder, frozen=True, kw_only=True, tag="direct"):
    """The pixels are given in every step (Schmolli et al., CPAL 2025, section 2.1)."""

    def __call__(self, images: Tensor, steps: int, *, generator: Draws | None = None) -> Tensor:
        del steps, generator
        if images.ndim != 4:
            raise StimulusError(
                f"the encoder 'direct' is given {tuple(images.shape)}; expected images (N, C, H, W). Frames of events, "
                "(N, T, C, H, W), take the encoder 'frames'"
            )
        return images[None]

    def source(self, levels: int) -> Source:
        return held(levels)
