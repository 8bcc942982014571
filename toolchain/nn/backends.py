"""Who computes the time loop on a device."""

import functools
import importlib
import importlib.util
from typing import Any

from torch import Tensor

from spikeport.toolchain.nn import compiled_loop, plain_loop
from spikeport.toolchain.nn.loop import Loop


def loops_on(current: Tensor, loop: Loop | None = None) -> Any:
    """Return the module whose ``forward``, ``backward``, ``moments`` and ``centre`` take this current.

    Compiled loops run on the CPU, with a surrogate that has a compiled form. Fused kernels run on an NVIDIA GPU where
    Triton is installed, with a surrogate of the product's own and up to 32 steps. All others take PyTorch's operations.
    """
    if current.device.type == "cpu":
        compiled = loop is None or loop.noise is not None or loop.surrogate.compiled() is not None
        return compiled_loop if compiled else plain_loop
    fused = _fused() if current.device.type == "cuda" else None
    return fused if fused is not None and (loop is None or fused.takes(loop, current)) else plain_loop


@functools.cache
def _fused() -> Any:
    """Return the kernels for a GPU, or None where Triton is not installed."""
    found = importlib.util.find_spec("triton")
    return None if found is None else importlib.import_module("spikeport.toolchain.nn.fused_loop")
