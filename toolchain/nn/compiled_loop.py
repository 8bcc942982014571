"""The time loop of a layer of neurons on the CPU, by compiled loops."""

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spikeport.toolchain.nn import kernels
from spikeport.toolchain.nn.loop import Fired, Gradients, Loop, Normal
from spikeport.toolchain.nn.surrogates.surrogate import Compiled

_loop_of = functools.cache(kernels.backward)

DTYPES = frozenset({torch.float32, torch.float64})
"""Types of a current that are computed as they are."""


def forward(current: Tensor, normal: Normal, loop: Loop) -> Fired:
    """Return spikes, their counts and the penalty as `spikeport.toolchain.nn.loop` defines them."""
    return fire(current, normal, loop)[0]


def fire(current: Tensor, normal: Normal, loop: Loop, rest: Any = None) -> tuple[Fired, Any]:
    """Return what `forward` does, and the potentials after the last step; ``rest`` are those before the first one."""
    rows, shape = _rows(current, normal), loop.shape(current)
    spikes, counts = current.new_empty(shape), current.new_empty(shape, dtype=torch.uint8)
    rest = np.zeros(rows.shape[1:], rows.dtype) if rest is None else rest
    near = None if loop.margin is None else (_margin(rows, loop), np.empty(rows.shape[1]))
    settings = (*_neuron(rows, loop), _grid(current, loop), _noise(rows, loop), near, torch.get_num_threads())
    out = (each.numpy().reshape(loop.steps, rows.shape[1], -1) for each in (spikes, counts))
    kernels.fire(rows, _array(normal.scale), _array(normal.shift), *settings, rest, *out)
    penalty = None if near is None else near[1].sum() / (loop.steps * rest.size * loop.threshold.item())
    return Fired(spikes, counts, None if penalty is None else current.new_tensor(penalty)), rest


def backward(
    current: Tensor, normal: Normal, loop: Loop, arriving: Tensor, of_penalty: Tensor | None = None
) -> Gradients:
    """Return the gradients that `spikeport.toolchain.nn.loop.Gradients` defines."""
    rows, channels, size = _maps(current, normal, loop.pool)
    given = arriving.contiguous().numpy().reshape(loop.steps, rows.shape[1], -1)
    leaving = current.new_zeros(current.shape) if len(rows) == 1 else current.new_empty(current.shape)
    scale = normal.scale
    factor = torch.ones_like(scale) if loop.batch else scale
    norm = tuple(_array(each) for each in (normal.mean, normal.inverse, factor, scale, normal.shift))
    sums = np.zeros((rows.shape[1], channels, 4))
    slope, numbers = _compiled(loop)
    parameters = tuple(rows.dtype.type(number) for number in numbers)
    near = None if of_penalty is None else _push(rows, loop, of_penalty.item())
    others = (parameters, _noise(rows, loop), near, torch.get_num_threads())
    settings = (size, *_neuron(rows, loop), _grid(current, loop), *others)
    _loop_of(slope)(rows, norm, *settings, given, leaving.numpy().reshape(rows.shape), sums)
    return _gradients(current, leaving, torch.from_numpy(sums), normal.mean.numel())


def moments(current: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Return sums and sums of squares (steps, channels) in float64 of a current (steps, N, channels, ...)."""
    rows = _array(current).reshape(len(current), current.shape[1] * channels, -1)
    sums, squares = np.empty((2, len(rows), channels))
    kernels.moments(rows, channels, torch.get_num_threads(), sums, squares)
    return torch.from_numpy(sums), torch.from_numpy(squares)


def centre(current: Tensor, normal: Normal, found: Gradients) -> None:
    """Turn gradients of the normalised current into those of the current, in place."""
    rows = _rows(current, normal)
    norm = (_array(normal.mean), _array(normal.inverse), _array(normal.scale))
    shares = torch.stack((found.shift, found.scaled)) / (current.numel() // found.shift.numel())
    kernels.centre(
        rows,
        *norm,
        _array(shares.to(current.dtype)),
        torch.get_num_threads(),
        found.current.numpy().reshape(rows.shape),
    )


def _compiled(loop: Loop) -> Compiled:
    compiled = loop.derivative.compiled()
    assert compiled is not None
    return compiled


def _gradients(current: Tensor, leaving: Tensor, sums: Tensor, channels: int) -> Gradients:
    by_channel = sums.view(-1, channels, 4).sum(0)
    threshold, tau = by_channel[:, 2:].sum(0)
    shift, scaled = by_channel[:, 0], by_channel[:, 1]
    return Gradients(*(each.to(current.dtype) for each in (leaving, shift, scaled, threshold, tau)))


def _rows(current: Tensor, normal: Normal) -> Any:
    """Return the current as (steps, N x channels, values); a flat one as (steps, N, values) without batch norm."""
    channels = current.shape[2] if current.ndim > 3 else normal.mean.numel()
    return _array(current).reshape(len(current), current.shape[1] * channels, -1)


def _maps(current: Tensor, normal: Normal, pool: int) -> tuple[Any, int, int]:
    """Return the current as rows, and the number of channels of a row and of values of each.

    Small maps lie in one row, a sample, if windows lie in one map.
    """
    rows, channels = _rows(current, normal), normal.mean.numel()
    small = channels > 1 and rows.shape[2] <= kernels.TILE and (pool == 1 or current.shape[-2] % pool == 0)
    if not small:
        return rows, 1, rows.shape[2]
    return rows.reshape(len(rows), current.shape[1], -1), channels, rows.shape[2]


def _neuron(rows: Any, loop: Loop) -> tuple[Any, Any, bool]:
    return rows.dtype.type(loop.threshold.item()), rows.dtype.type(loop.tau.item()), loop.hard


def _noise(rows: Any, loop: Loop) -> tuple[Any, Any] | None:
    """Return the deviation of the noise in units of the potential, and the keys of the steps."""
    if loop.noise is None:
        return None
    sigma = rows.dtype.type(loop.noise.sigma) * rows.dtype.type(loop.threshold.item())
    return sigma, loop.noise.keys.numpy().astype(np.uint32)


def _margin(rows: Any, loop: Loop) -> Any:
    """Return the margin in units of the potential."""
    return rows.dtype.type(loop.margin) * rows.dtype.type(loop.threshold.item())


def _push(rows: Any, loop: Loop, of_penalty: float) -> tuple[Any, Any, Any]:
    """Return the margin, the gradient of the penalty by a potential within it, and 1 / V_th."""
    inverse = 1 / loop.threshold.item()
    count = loop.steps * rows.shape[1] * rows.shape[2]
    return _margin(rows, loop), rows.dtype.type(of_penalty * inverse / count), rows.dtype.type(inverse)


def _grid(current: Tensor, loop: Loop) -> tuple[int, int]:
    return loop.pool, current.shape[-1]


def _array(tensor: Tensor) -> Any:
    return tensor.detach().contiguous().numpy()
