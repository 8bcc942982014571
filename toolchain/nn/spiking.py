"""What a spiking network has beyond its specification: steps, neurons, surrogate gradient, encoder."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from spikeport.toolchain.nn.encoders.direct import Direct
from spikeport.toolchain.nn.encoders.encoder import Encoder
from spikeport.toolchain.nn.surrogates.piecewise_linear import PiecewiseLinear
from spikeport.toolchain.nn.surrogates.surrogate import Surrogate


class Spiking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``steps`` is T; ``tau`` the leak of Eq. 1 (1: IF); ``reset`` to 0, or by the threshold."""

    steps: Annotated[int, Meta(ge=1, le=100_000)] = 8
    tau: Annotated[float, Meta(ge=0, le=1)] = 1.0
    reset: Literal["hard", "subtractive"] = "hard"
    train_threshold: bool = True
    train_tau: bool = False
    surrogate: Surrogate = PiecewiseLinear()
    encoder: Encoder = Direct()
