"""The settings of a training, as a recipe says them."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Epochs = Annotated[int, Meta(ge=0, le=100_000)]
Positive = Annotated[float, Meta(gt=0, le=1e6)]
NotNegative = Annotated[float, Meta(ge=0, le=1e6)]
Pieces = Annotated[int, Meta(ge=1, le=1024)]


class Training(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a network is trained.

    ``batch_size`` counts the images of one update, whatever ``accumulate`` (parts of a batch, computed one after the
    other) and ``processes`` (parts, computed beside each other) are. ``momentum`` is that of SGD; Adam has
    its usual (0.9, 0.999). ``warmup`` counts epochs over which the learning rate rises from 0, step by step. ``clip``
    bounds the norm of the gradient. ``best`` is the accuracy on the validation split that chooses the best epoch.
    ``extra``: whether batches hold extra images, where ``data.extra`` gives some; ``batch_size`` counts them.
    ``precision`` other than '32' and ``channels_last`` change the rounding; docs/training.md says what they bring.
    """

    epochs: Epochs
    learning_rate: Positive
    batch_size: Annotated[int, Meta(ge=2, le=1_000_000)] = 64
    optimizer: Literal["sgd", "adam"] = "sgd"
    momentum: Annotated[float, Meta(ge=0, lt=1)] = 0.9
    weight_decay: NotNegative = 1e-4
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: Epochs = 0
    clip: Positive | None = None
    accumulate: Pieces = 1
    processes: Pieces = 1
    precision: Literal["32", "bf16", "16"] = "32"
    channels_last: bool = False
    best: Literal["clean", "robust"] = "clean"
    extra: bool = True
