"""The time loop of a layer of neurons on the CPU, by compiled loops."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from spikeport.toolchain.nn import kernels
from spikeport.toolchain.nn.loop import Gradients, Loop, Normal
from spikeport.toolchain.nn.surrogates.surrogate import Compiled

_loop_of = functools.cache(kernels.backward)


def forward(current: Tensor, normal: Normal, loop: Loop) -> tuple[Tensor, Tensor]:
    """Return spikes and their counts as `spikeport.toolchain.nn.loop.Loop` defines them."""
    spikes, counts, _ = fire(current, normal, loop)
    return spikes, counts


def fire(current: Tensor, normal: Normal, loop: Loop, rest: Any = None) -> tuple[Tensor, Tensor, Any]:
    """Return spikes, counts and the potentials after the last step; ``rest`` are those before the first one."""
    rows, shape = _rows(current, normal), loop.shape(current)
    spikes, counts = current.new_empty(shape), current.new_empty(shape, dtype=torch.uint8)
    rest = np.zeros(rows.shape[1:], rows.dtype) if rest is None else rest
    settings = (*_neuron(rows, loop), _grid(current, loop))
    out = (each.numpy().reshape(loop.steps, rows.shape[1], -1) for each in (spikes, counts))
    with _blocks() as blocks:
        kernels.fire(rows, _array(normal.scale), _array(normal.shift), *settings, blocks, rest, *out)
    return spikes, counts, rest


def backward(current: Tensor, normal: Normal, loop: Loop, arriving: Tensor) -> Gradients:
    """Return the gradients that `spikeport.toolchain.nn.loop.Gradients` defines."""
    rows = _rows(current, normal)
    given = arriving.contiguous().numpy().reshape(loop.steps, rows.shape[1], -1)
    leaving = torch.zeros_like(current) if len(rows) == 1 else torch.empty_like(current)
    factor = torch.ones_like(normal.scale) if loop.batch else normal.scale
    norm, sums = tuple(_array(each) for each in normal), np.empty((rows.shape[1], 4))
    slope, numbers = _compiled(loop)
    parameters = tuple(rows.dtype.type(number) for number in numbers)
    settings = (*_neuron(rows, loop), _grid(current, loop), parameters)
    with _blocks() as blocks:
        out = leaving.numpy().reshape(rows.shape)
        _loop_of(slope)(rows, norm, _array(factor), *settings, blocks, given, out, sums)
    return _gradients(current, leaving, torch.from_numpy(sums), normal.scale.numel())


def moments(current: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Return sums and sums of squares (steps, channels) in float64 of a current (steps, N, channels, ...)."""
    rows = _array(current).reshape(len(current), current.shape[1] * channels, -1)
    sums, squares = np.empty((2, len(rows), channels))
    with _blocks() as blocks:
        kernels.moments(rows, channels, blocks, sums, squares)
    return torch.from_numpy(sums), torch.from_numpy(squares)


def centre(current: Tensor, normal: Normal, shares: Tensor, leaving: Tensor) -> None:
    """Turn gradients of the normalised current into those of the current, in place."""
    rows = _rows(current, normal)
    norm = (_array(normal.mean), _array(normal.inverse), _array(normal.scale))
    shares = shares.to(current.dtype)
    with _blocks() as blocks:
        kernels.centre(rows, *norm, _array(shares), blocks, leaving.numpy().reshape(rows.shape))


@contextmanager
def _blocks() -> Iterator[int]:
    """Give the number of PyTorch's threads and let no more of numba's take part: those without work spin."""
    threads, before = torch.get_num_threads(), numba.get_num_threads()
    numba.set_num_threads(min(threads, before))
    try:
        yield threads
    finally:
        numba.set_num_threads(before)


def _compiled(loop: Loop) -> Compiled:
    compiled = loop.surrogate.compiled()
    assert compiled is not None
    return compiled


def _gradients(current: Tensor, leaving: Tensor, sums: Tensor, channels: int) -> Gradients:
    by_channel = sums.view(-1, channels, 4).sum(0)
    threshold, tau = by_channel[:, 2:].sum(0)
    shift, scaled = by_channel[:, 0], by_channel[:, 1]
    return Gradients(*(each.to(current.dtype) for each in (leaving, shift, scaled, threshold, tau)))


def _rows(current: Tensor, normal: Normal) -> Any:
    """Return the current as (steps, N x channels, values); a flat one as (steps, N, values) without batch norm."""
    channels = current.shape[2] if current.ndim > 3 else normal.scale.numel()
    return _array(current).reshape(len(current), current.shape[1] * channels, -1)


def _neuron(rows: Any, loop: Loop) -> tuple[Any, Any, bool]:
    return rows.dtype.type(loop.threshold.item()), rows.dtype.type(loop.tau.item()), loop.hard


def _grid(current: Tensor, loop: Loop) -> tuple[int, int]:
    return loop.pool, current.shape[-1]


def _array(tensor: Tensor) -> Any:
    return tensor.detach().contiguous().numpy()
