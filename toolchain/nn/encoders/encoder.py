"""What every encoder is: a frozen object from images to what the network is given in every step."""

from typing import Annotated, Any, ClassVar

from msgspec import Meta
from torch import Tensor

from spikeport.export.errors import NetworkError, StimulusError
from spikeport.export.network import Source
from spikeport.toolchain.choices import Choice, tag_of
from spikeport.toolchain.nn.draws import Draws

Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Encoder(Choice, frozen=True, kw_only=True):
    """How an image, or a sample of frames, becomes the input of T steps."""

    TAKES_FRAMES: ClassVar[bool] = False
    """Whether it is given samples of frames (N, T, C, H, W), in place of images (N, C, H, W)."""
    RANDOM: ClassVar[bool] = False
    """Whether it draws random numbers; such an encoder has a ``seed``, of what is drawn where images are numbered."""

    def __call__(self, images: Tensor, steps: int, *, generator: Draws | None = None) -> Tensor:
        """Return pixels (T, N, C, H, W), or (1, N, C, H, W) where every step is the same."""
        raise NotImplementedError

    def fault(self, steps: int) -> str | None:
        """Return why T = ``steps`` do not suit it, None where they do."""
        del steps
        return None

    def source(self, levels: int) -> Source:
        """Return the source of the exported network, for inputs of whole ``levels``; `NetworkError` without one."""
        del levels
        raise NetworkError(
            f"the encoder {tag_of(self)!r} has no exported form: its method 'source' is missing; expected one that "
            "says what the source sends, as in direct.py"
        )


def held(levels: int, **others: Any) -> Source:
    """Return a source of graded levels of 1 / ``levels`` each."""
    return Source(levels=levels, unit=1 / levels, **others)


def check_pixels(encoder: Encoder, images: Tensor) -> None:
    """Raise `StimulusError` unless ``images`` are (N, C, H, W) in [0, 1]."""
    if images.ndim != 4:
        raise StimulusError(
            f"the encoder {tag_of(encoder)!r} is given {tuple(images.shape)}; expected images (N, C, H, W). Frames of "
            "events, (N, T, C, H, W), take the encoder 'frames'"
        )
    if len(images) and not bool((images.amin() >= 0) & (images.amax() <= 1)):
        raise StimulusError(
            f"the encoder {tag_of(encoder)!r} is given pixels from {float(images.amin()):.4g} to "
            f"{float(images.amax()):.4g}; expected 0 to 1"
        )


def straight_through(sent: Tensor, images: Tensor) -> Tensor:
    """Return ``sent`` (T, N, ...), bit for bit, with the derivative of ``images``, which broadcast to it."""
    return sent + (images - images.detach())
