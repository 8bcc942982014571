"""Who computes the time loop on a device."""

from typing import Any

from torch import Tensor

from spikeport.toolchain.nn import compiled_loop, plain_loop
from spikeport.toolchain.nn.surrogates.surrogate import Surrogate


def loops_on(current: Tensor, surrogate: Surrogate | None = None) -> Any:
    """Return the module whose ``forward``, ``backward``, ``moments`` and ``centre`` take this current.

    Compiled loops run on the CPU, with a surrogate that has a compiled form.
    """
    compiled = surrogate is None or surrogate.compiled() is not None
    return compiled_loop if current.device.type == "cpu" and compiled else plain_loop
