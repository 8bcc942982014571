"""Spikes that synapses keep for the backward pass, kept as bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from spikeport.toolchain.nn.neurons import Spikes


@contextmanager
def packed(spikes: Spikes) -> Iterator[None]:
    """Let what is computed inside keep ``spikes`` as their counts, a byte each.

    Values are counts divided by the size of a window, so unpacking gives the same bits. Other tensors stay as they
    are.
    """
    values, counts, windows = spikes.values, spikes.counts, spikes.pool**2
    if counts is None or not torch.is_grad_enabled():
        yield
        return
    place, size = values.data_ptr(), values.numel()  # the graph keeps the hooks, which must not keep the spikes
    alike = counts.stride() == values.stride()

    def pack(tensor: Tensor) -> Any:
        same = alike and tensor.data_ptr() == place and tensor.numel() == size
        return (counts.as_strided(tensor.shape, tensor.stride()), tensor.dtype) if same else tensor

    def unpack(kept: Any) -> Tensor:
        if isinstance(kept, Tensor):
            return kept
        counted: Tensor = kept[0]
        kind: torch.dtype = kept[1]
        if windows > 1 and kind == torch.get_default_dtype():
            return torch.div(counted, windows)  # one pass: bytes by a whole number are of the default type
        whole: Tensor = counted.to(kind)
        return whole if windows == 1 else whole.div_(windows)

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield
