"""What a front end hands to the builder: a network as operations in order, each with its place in the user's model.

A front end (PyTorch, ONNX) writes one `Operation` for every operation that it knows and refuses the others; what a
spiking network can hold of them is decided in `builder.py` alone. Values have the axes (C, H, W); those of 1-D networks
are (C, 1, L) and flat ones (features, 1, 1), so that every pair is (vertical, horizontal).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Pair = tuple[int, int]
Borders = tuple[int, int, int, int]
"""Rows above and below, columns left and right."""

INPUT = "input"
"""The name of the network's one input value, (x - mean) / std of the pixels."""

Kind = Literal[
    "convolution",
    "linear",
    "batch_norm",
    "scale",
    "average_pooling",
    "max_pooling",
    "adaptive_average_pooling",
    "adaptive_max_pooling",
    "pad",
    "stride",
    "flatten",
    "permute",
    "concatenate",
    "add",
    "relu",
    "softmax",
    "dropout",
    "identity",
]
"""What an operation computes; y is its result, x its input.

======================== ============================ =========================================================
kind                     arrays                       settings
======================== ============================ =========================================================
convolution              weight (out, in / groups,    stride, padding, dilation, groups
                         kh, kw), bias (out,) or none
linear                   weight (out, in), bias or    (x is flat; in C order of x's axes)
                         none
batch_norm               mean, variance (C,); weight, eps, momentum (torch's: share of the new value; None: mean
                         bias (C,), both or none      over all batches)
scale                    factor, shift: () or (C,)    y = factor x + shift; multiplication, division, addition
                                                      and subtraction of constants
average_pooling          none                         kernel, stride, padding, ceil, count_padding, divisor
max_pooling              none                         kernel, stride, padding, dilation, ceil
adaptive_average_pooling none                         output (rows, columns)
adaptive_max_pooling     none                         output (rows, columns)
pad                      none                         padding (zeros around the map), channels (zeros before and
                                                      behind the channels)
stride                   none                         stride: y = x[:, :, ::rows, ::columns]
flatten                  none                         (C, H, W) -> (C H W, 1, 1) in C order
permute                  none                         order: y's axis i is x's axis order[i], among (C, H, W)
concatenate              none                         along the channels; inputs in order
add                      none                         the sum of its inputs
relu                     none
softmax                  none                         at the network's end: softmax, log_softmax and the like, which
                                                      keep the order of the classes
dropout                  none                         nothing at inference
identity                 none                         y = x
======================== ============================ =========================================================
"""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything about an operation that is no array; an operation uses what its kind asks for (see `Kind`)."""

    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Borders = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    ceil: bool = False
    count_padding: bool = True
    divisor: int | None = None
    output: Pair = (1, 1)
    channels: Pair = (0, 0)
    order: tuple[int, int, int] = (0, 1, 2)
    eps: float = 1e-5
    momentum: float | None = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class Operation:
    """One operation of a network.

    ``name`` is its own among all operations and names its result; ``inputs`` are the names of earlier operations, or
    `INPUT`. ``place`` is where the user finds it, for messages and notes: 'features.3 (torch.nn.Conv2d)'. ``arrays``
    are in the model's own precision, float32 or float64. ``parameters`` names where the arrays are kept in the user's
    model (the module's name, the initializer); operations with the same one share their weights.
    """

    name: str
    kind: Kind
    inputs: tuple[str, ...]
    place: str
    arrays: Mapping[str, Array] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    parameters: str = ""


def square(padding: Pair) -> Borders:
    """Return equal borders on opposite sides, as torch's ``padding`` says them."""
    rows, columns = padding
    return (rows, rows, columns, columns)
