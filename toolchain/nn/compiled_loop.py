"""The time loop of a layer of neurons on the CPU, by compiled loops."""

import functools
from typing import Any

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
    settings = (*_neuron(rows, loop), _grid(current, loop), torch.get_num_threads())
    out = (each.numpy().reshape(loop.steps, rows.shape[1], -1) for each in (spikes, counts))
    kernels.fire(rows, _array(normal.scale), _array(normal.shift), *settings, rest, *out)
    return spikes, counts, rest


def backward(current: Tensor, normal: Normal, loop: Loop, arriving: Tensor) -> Gradients:
    """Return the gradients that `spikeport.toolchain.nn.loop.Gradients` defines."""
    rows = _rows(current, normal)
    given = arriving.contiguous().numpy().reshape(loop.steps, rows.shape[1], -1)
    leaving = current.new_zeros(current.shape) if len(rows) == 1 else current.new_empty(current.shape)
    factor = torch.ones_like(normal.scale) if loop.batch else normal.scale
    norm, sums = tuple(_array(each) for each in normal), np.empty((rows.shape[1], 4))
    slope, numbers = _compiled(loop)
    parameters = tuple(rows.dtype.type(number) for number in numbers)
    settings = (*_neuron(rows, loop), _grid(current, loop), parameters, torch.get_num_threads())
    _loop_of(slope)(rows, norm, _array(factor), *settings, given, leaving.numpy().reshape(rows.shape), sums)
    return _gradients(current, leaving, torch.from_numpy(sums), normal.scale.numel())


def moments(current: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Return sums and sums of squares (steps, channels) in float64 of a current (steps, N, channels, ...)."""
    rows = _array(current).reshape(len(current), current.shape[1] * channels, -1)
    sums, squares = np.empty((2, len(rows), channels))
    kernels.moments(rows, channels, torch.get_num_threads(), sums, squares)
    return torch.from_numpy(sums), torch.from_numpy(squares)


def centre(current: Tensor, normal: Normal, shares: Tensor, leaving: Tensor) -> None:
    """Turn gradients of the normalised current into those of the current, in place."""
    rows = _rows(current, normal)
    norm = (_array(normal.mean), _array(normal.inverse), _array(normal.scale))
    shares = shares.to(current.dtype)
    kernels.centre(rows, *norm, _array(shares), torch.get_num_threads(), leaving.numpy().reshape(rows.shape))


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
