"""The time loop of a layer of neurons on a GPU, by kernels that take all steps at once."""

import functools
import math
from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

from spikeport.toolchain.choices import tag_of
from spikeport.toolchain.nn import fused_kernels as kernels
from spikeport.toolchain.nn import fused_moments
from spikeport.toolchain.nn.loop import Fired, Gradients, Loop, Normal
from spikeport.toolchain.nn.surrogates.arctan import Arctan
from spikeport.toolchain.nn.surrogates.exponential import Exponential
from spikeport.toolchain.nn.surrogates.piecewise_linear import PiecewiseLinear
from spikeport.toolchain.nn.surrogates.probit import Probit
from spikeport.toolchain.nn.surrogates.rectangular import Rectangular
from spikeport.toolchain.nn.surrogates.straight_through import StraightThrough
from spikeport.toolchain.nn.surrogates.surrogate import Surrogate

DTYPES = frozenset({torch.float32, torch.float64, torch.bfloat16, torch.float16})
"""Types of a current that are computed as they are; half precision is computed in single."""
MOST_STEPS = 32
"""Steps whose potentials a program keeps at once."""
SURROGATES = (Arctan, Exponential, PiecewiseLinear, Probit, Rectangular, StraightThrough)
NEURONS, CHANNELS, PROGRAMS = 512, 64, 512
"""Neurons of a program, most channels of a block, and programs among which the moments of a layer are parted."""
ROWS, COLUMNS = 64, 16
"""Block of the programs' sums that one program adds up."""


def takes(loop: Loop, current: Tensor) -> bool:
    """Return whether the kernels know a surrogate and hold the potentials of so many steps.

    They leave out the neurons beyond whole windows, which the penalty of guarded ones counts.
    """
    known = loop.noise is not None or type(loop.surrogate) in SURROGATES
    whole = loop.margin is None or all(side % loop.pool == 0 for side in current.shape[3:])
    return known and whole and loop.steps <= MOST_STEPS


def forward(current: Tensor, normal: Normal, loop: Loop) -> Fired:
    """Return spikes, their counts and the penalty as `spikeport.toolchain.nn.loop` defines them."""
    current, grid = laid(current, loop.pool)
    shape = loop.shape(current)
    strides = grid.strides_of(shape)
    spikes = torch.empty_strided(shape, strides, dtype=current.dtype, device=current.device)
    counts = torch.empty_strided(shape, strides, dtype=torch.uint8, device=current.device)
    near = None if loop.margin is None else torch.empty(grid.programs, dtype=grid.number, device=current.device)
    kernels.fire[grid.programs](
        current, *_affine(normal), loop.threshold, loop.tau, *_noise(loop, current.device), spikes, counts,
        loop.threshold if near is None else near, *_sides(current),
        *grid.sizes, *grid.neurons, *_five(strides), **_constants(grid, normal, loop),
    )  # fmt: skip
    if near is None:
        return Fired(spikes, counts)
    penalty = near.sum(dtype=torch.float64) / (_count(current, loop) * loop.threshold)
    return Fired(spikes, counts, penalty.to(grid.number))


def backward(
    current: Tensor, normal: Normal, loop: Loop, arriving: Tensor, of_penalty: Tensor | None = None
) -> Gradients:
    """Return the gradients that `spikeport.toolchain.nn.loop.Gradients` defines."""
    current, grid = laid(current, loop.pool)
    leaving = torch.empty_like(current) if grid.whole else torch.zeros_like(current)
    sums = torch.empty((grid.programs[0], 4, grid.sizes[1]), dtype=grid.number, device=current.device)
    push = loop.threshold if of_penalty is None else of_penalty / (_count(current, loop) * loop.threshold)
    guarded = {"GUARDED": of_penalty is not None}
    kernels.gradients[grid.programs](
        current, *_affine(normal), loop.threshold, loop.tau, *_noise(loop, current.device), arriving, push, leaving,
        sums, _parameters(loop.surrogate, current.device), *_sides(current), *grid.sizes, *grid.neurons,
        *_five(arriving.stride()), HELD=len(current) == 1, SCALED=not loop.batch, KIND=_kind(loop),
        **_constants(grid, normal, loop) | guarded,
    )  # fmt: skip
    wide = sums.sum(0, dtype=torch.float64)
    if normal.mean.numel() == 1:
        wide = wide.sum(1, keepdim=True)
    shift, scaled, _, _ = wide.to(grid.number).unbind()
    threshold, tau = wide[2:].sum(1).to(grid.number).unbind()
    return Gradients(leaving, shift, scaled, threshold, tau)


def moments(current: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Return sums and sums of squares (steps, channels) in float64 of a current (steps, N, channels, ...)."""
    values, squares = _sums(current, channels).sum(1, dtype=torch.float64).unbind(1)
    return values, squares


def follow(current: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return the batch's mean and ``1 / sqrt(variance + eps)`` (C), and move the running moments towards them."""
    sums = _sums(current, norm.num_features).flatten(0, 1)
    mean, inverse = torch.empty((2, norm.num_features), dtype=sums.dtype, device=sums.device).unbind()
    fused_moments.settle[(triton.cdiv(norm.num_features, COLUMNS),)](
        sums, mean, inverse, norm.running_mean, norm.running_var, norm.num_batches_tracked,
        len(sums), norm.num_features, current.numel() // norm.num_features,
        EPS=norm.eps, MOMENTUM=norm.momentum, TILES=triton.cdiv(len(sums), ROWS), ROWS=ROWS, CHANNELS=COLUMNS,
    )  # fmt: skip
    return mean, inverse


def centre(current: Tensor, normal: Normal, found: Gradients) -> None:
    """Turn gradients of the normalised current into those of the current, in place."""
    current, grid = laid(current, 1)
    fused_moments.centre[(*grid.programs, len(current))](
        current, *_affine(normal), found.shift, found.scaled, found.current, current.numel() // grid.sizes[1],
        *grid.flat, *grid.by_place, **grid.tile,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Grid:
    """How a current is parted among programs: blocks of places, windows and channels.

    ``sizes``: places, channels, height and width in windows. ``neurons``: strides of step (0 where the current is
    held), sample, channel, row and column. ``last``: channels lie behind the places.
    """

    sizes: tuple[int, int, int, int]
    neurons: tuple[int, ...]
    last: bool
    whole: bool
    window: int
    number: torch.dtype
    tile: dict[str, Any]

    @functools.cached_property
    def programs(self) -> tuple[int, int]:
        """Number of programs along places and channels."""
        return triton.cdiv(self.sizes[0], self.tile["PLACES"]), triton.cdiv(self.sizes[1], self.tile["CHANNELS"])

    @property
    def flat(self) -> tuple[int, int, int]:
        """Return places, channels, and places of a sample."""
        return self.sizes[0], self.sizes[1], self.sizes[2] * self.sizes[3]

    @property
    def by_place(self) -> tuple[int, int, int, int]:
        """Return strides of step, sample, channel and place: rows of a dense current follow each other."""
        step, sample, channel, _, column = self.neurons
        return step, sample, channel, column

    def strides_of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the strides of spikes (T, N, C, H, W) in the current's layout."""
        return _strides(shape, last=self.last)


def laid(current: Tensor, pool: int) -> tuple[Tensor, Grid]:
    """Return a current that fills its memory in one of the two layouts, and how it is parted."""
    found = _grid(current.shape, current.stride(), pool, current.dtype)
    if found is None:
        current = current.contiguous()
        found = _grid(current.shape, current.stride(), pool, current.dtype)
    assert found is not None
    return current, found


@functools.lru_cache(maxsize=4096)
def _grid(shape: tuple[int, ...], strides: tuple[int, ...], pool: int, dtype: torch.dtype) -> Grid | None:
    """Choose blocks whose values lie side by side; None where memory is laid out in another way."""
    last = len(shape) == 5 and _alike(strides, _strides(shape, last=True), shape)
    if not last and not _alike(strides, _strides(shape, last=False), shape):
        return None
    steps, samples, channels, *sides = shape
    height, width = (side // pool for side in (*(1,) * (2 - len(sides)), *sides))
    across = min(triton.next_power_of_2(channels), CHANNELS) if last or height * width == 1 else 1
    window = triton.next_power_of_2(pool**2)
    double = dtype == torch.float64
    step, *others = _five(_strides(shape, last=last))
    return Grid(
        sizes=(samples * height * width, channels, height, width),
        neurons=(0 if steps == 1 else step, *others),
        last=last,
        whole=all(side % pool == 0 for side in sides),
        window=window,
        number=torch.float64 if double else torch.float32,
        tile={
            "NUMBER": tl.float64 if double else tl.float32,
            "PLACES": max(1, NEURONS // (window * across)),
            "CHANNELS": across,
            **kernels.LAUNCH,
        },
    )


def _strides(shape: tuple[int, ...], *, last: bool) -> tuple[int, ...]:
    """Return the strides of a dense (T, N, C, ...), with channels behind the places or before them."""
    order = (0, 1, 3, 4, 2) if last else range(len(shape))
    strides, step = [0] * len(shape), 1
    for axis in reversed(order):
        strides[axis] = step
        step *= shape[axis]
    return tuple(strides)


def _alike(strides: tuple[int, ...], expected: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Return whether strides are the same along all axes that have more than one place."""
    return all(a == b for a, b, size in zip(strides, expected, shape, strict=True) if size > 1)


def _five(strides: tuple[int, ...]) -> tuple[int, ...]:
    """Return strides of (T, N, C, H, W); a flat population has maps of one value."""
    step, sample, channel, *others = strides
    return step, sample, channel, *(0,) * (2 - len(others)), *others


def _sums(current: Tensor, channels: int) -> Tensor:
    """Return sums and sums of squares (steps, programs, 2, channels) of parts of a current."""
    current, grid = laid(current, 1)
    programs = max(1, PROGRAMS // (len(current) * grid.programs[1]))
    tiles = triton.next_power_of_2(triton.cdiv(grid.programs[0], programs))
    programs = triton.cdiv(grid.programs[0], tiles)
    sums = torch.empty((len(current), programs, 2, channels), dtype=grid.number, device=current.device)
    fused_moments.moments[(programs, grid.programs[1], len(current))](
        current, sums, *grid.flat, *grid.by_place, TILES=tiles, **grid.tile
    )
    return sums


def _affine(normal: Normal) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    mean, inverse, weight, bias = normal
    return (
        mean,
        inverse,
        torch.ones_like(mean) if weight is None else weight,
        torch.zeros_like(mean) if bias is None else bias,
    )


def _constants(grid: Grid, normal: Normal, loop: Loop) -> dict[str, Any]:
    per_channel = normal.mean.numel() > 1 or normal.weight is not None
    settings = {"STEPS": loop.steps, "NORMAL": per_channel, "POOL": loop.pool, "HARD": loop.hard}
    kind = {"NOISY": loop.noise is not None, "GUARDED": loop.margin is not None}
    return {**settings, **kind, "WINDOW": grid.window, **grid.tile}


def _kind(loop: Loop) -> str:
    return "probit" if loop.noise is not None else tag_of(loop.surrogate)


def _noise(loop: Loop, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the keys of the steps, and what the kernels know of noise and margin in double precision."""
    sigma = 0.0 if loop.noise is None else loop.noise.sigma
    settings = _settings(sigma, loop.margin or 0.0, device)
    return (settings, settings) if loop.noise is None else (loop.noise.keys.to(device, non_blocking=True), settings)


@functools.lru_cache
def _settings(sigma: float, margin: float, device: torch.device) -> Tensor:
    return torch.tensor([sigma, margin, 1 / math.sqrt(2 * math.pi)], dtype=torch.float64, device=device)


def _sides(current: Tensor) -> tuple[int, int]:
    """Return height and width of the maps; a flat population has maps of one value."""
    height, width = (*current.shape[3:], *(1,) * (5 - current.ndim))
    return height, width


def _count(current: Tensor, loop: Loop) -> int:
    """Return the number of neurons, times samples and steps."""
    return current[0].numel() * loop.steps


@functools.lru_cache
def _parameters(surrogate: Surrogate, device: torch.device) -> Tensor:
    """Return the two parameters of a surrogate's compiled form."""
    compiled = surrogate.compiled() or (None, (0.0,))  # of one without, neurons with noise take nothing
    first, second = (*compiled[1], 0.0)[:2]
    return torch.tensor([first, second], dtype=torch.float64, device=device)
