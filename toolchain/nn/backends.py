"""Who computes the time loop on a device."""

from typing import Any

from torch import Tensor

from spikeport.toolchain.nn import compiled_loop, plain_loop


def loops_on(current: Tensor) -> Any:
    """Return the functions ``forward``, ``backward``, ``moments`` and ``centre`` for the device of a tensor."""
    return compiled_loop if current.device.type == "cpu" else plain_loop
