"""Networks whose first operation turns levels from 0 to 255 into what they compute with.

Images are pixels from 0 to 1 here. A network that divides them by 255 once more, or takes the mean of levels off them,
computes something else than it was trained for, and no number in it says so.
"""

from collections.abc import Sequence

import numpy as np

from spikeport.export.errors import FormatError
from spikeport.toolchain.importing.operations import INPUT, Operation

LARGEST_FACTOR = 1 / 64
"""A smaller factor makes less than a level of 1/64 of the brightest pixel."""
SMALLEST_SHIFT = 16
"""Means of pixels are below 1; means of levels lie around 128."""


def check_pixels(operations: Sequence[Operation]) -> None:
    """Raise `FormatError` where what the network does first is meant for levels from 0 to 255."""
    for operation in operations:
        if INPUT in operation.inputs and _is_for_levels(operation):
            raise FormatError(
                f"{operation.place}: turns levels from 0 to 255 into smaller numbers; images are pixels from 0 to 1 "
                "here: give std 1/255 (--std 0.00392157), which makes levels of them again, or std 1 where the network "
                "was trained on pixels"
            )


def _is_for_levels(operation: Operation) -> bool:
    arrays = operation.arrays
    if operation.kind == "batch_norm":
        return bool(np.max(np.abs(arrays["mean"])) >= SMALLEST_SHIFT)
    if operation.kind != "scale":
        return False
    factor, shift = np.max(np.abs(arrays["factor"])), np.max(np.abs(arrays["shift"]))
    return bool(0 < factor <= LARGEST_FACTOR or shift >= SMALLEST_SHIFT * max(factor, LARGEST_FACTOR))
