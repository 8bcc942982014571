"""Kernels of batch norm for a GPU: moments of a current, running moments, and the gradient through both."""
# ruff: noqa: N803 - the compiler's constants have capitals

import triton
import triton.language as tl
from triton.language import constexpr

from spikeport.toolchain.nn.fused_kernels import normal, places


@triton.jit
def moments(
    current: tl.tensor,
    sums: tl.tensor,
    count: tl.tensor,
    channels: tl.tensor,
    size: tl.tensor,
    by_step: tl.tensor,
    by_sample: tl.tensor,
    by_channel: tl.tensor,
    by_place: tl.tensor,
    TILES: constexpr,
    NUMBER: constexpr,
    PLACES: constexpr,
    CHANNELS: constexpr,
) -> None:
    """Write sums and sums of squares (steps, programs, 2, channels) of ``TILES`` x ``PLACES`` values a channel."""
    channel = (tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)).to(tl.int64)[None, :]
    known, step = channel < channels, tl.program_id(2).to(tl.int64)
    total = tl.zeros([PLACES, CHANNELS], NUMBER)
    squares = total
    for tile in range(TILES):
        index = ((tl.program_id(0) * TILES + tile) * PLACES + tl.arange(0, PLACES))[:, None]
        here = places(index, 1, size, by_sample, 0, by_place) + channel * by_channel + step * by_step
        value = tl.load(current + here, mask=(index < count) & known, other=0.0).to(NUMBER)
        total += value
        squares += value * value
    place = sums + (step * tl.num_programs(0) + tl.program_id(0)) * 2 * channels + channel
    tl.store(place, tl.sum(total, 0, keep_dims=True), mask=known)
    tl.store(place + channels, tl.sum(squares, 0, keep_dims=True), mask=known)


@triton.jit
def settle(
    sums: tl.tensor,
    mean: tl.tensor,
    inverse: tl.tensor,
    running_mean: tl.tensor,
    running_variance: tl.tensor,
    batches: tl.tensor,
    rows: tl.tensor,
    channels: tl.tensor,
    number: tl.tensor,
    EPS: constexpr,
    MOMENTUM: constexpr,
    TILES: constexpr,
    ROWS: constexpr,
    CHANNELS: constexpr,
) -> None:
    """Write the batch's mean and ``1 / sqrt(variance + eps)`` of ``number`` values, and move the running moments."""
    channel = (tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS))[None, :]
    known = channel < channels
    total = tl.zeros([ROWS, CHANNELS], tl.float64)
    squares = total
    for tile in range(TILES):
        row = (tile * ROWS + tl.arange(0, ROWS))[:, None]
        place, there = sums + row.to(tl.int64) * 2 * channels + channel, (row < rows) & known
        total += tl.load(place, mask=there, other=0.0).to(tl.float64)
        squares += tl.load(place + channels, mask=there, other=0.0).to(tl.float64)
    middle = tl.sum(total, 0, keep_dims=True) / number
    variance = tl.maximum(tl.sum(squares, 0, keep_dims=True) / number - middle * middle, 0.0)
    tl.store(mean + channel, middle.to(mean.dtype.element_ty), mask=known)
    tl.store(inverse + channel, (1 / tl.sqrt(variance + EPS)).to(inverse.dtype.element_ty), mask=known)
    before = tl.load(running_mean + channel, mask=known, other=0.0).to(tl.float64)
    moved = before + MOMENTUM * (middle - before)
    tl.store(running_mean + channel, moved.to(running_mean.dtype.element_ty), mask=known)
    before = tl.load(running_variance + channel, mask=known, other=0.0).to(tl.float64)
    unbiased = variance * (number / (tl.cast(number, tl.float64) - 1))
    moved = before + MOMENTUM * (unbiased - before)
    tl.store(running_variance + channel, moved.to(running_variance.dtype.element_ty), mask=known)
    if tl.program_id(0) == 0:
        tl.store(batches, tl.load(batches) + 1)


@triton.jit
def centre(
    current: tl.tensor,
    mean: tl.tensor,
    inverse: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    shift: tl.tensor,
    scaled: tl.tensor,
    leaving: tl.tensor,
    number: tl.tensor,
    count: tl.tensor,
    channels: tl.tensor,
    size: tl.tensor,
    by_step: tl.tensor,
    by_sample: tl.tensor,
    by_channel: tl.tensor,
    by_place: tl.tensor,
    NUMBER: constexpr,
    PLACES: constexpr,
    CHANNELS: constexpr,
) -> None:
    """Turn gradients of the normalised current, of ``number`` values a channel, into the current's, in place."""
    index = (tl.program_id(0) * PLACES + tl.arange(0, PLACES))[:, None]
    channel = (tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)).to(tl.int64)[None, :]
    known = channel < channels
    m, k, a, _ = normal(mean, inverse, weight, bias, channel, known, True, NUMBER)
    g = tl.load(shift + channel, mask=known, other=0.0).to(NUMBER) / number
    x = tl.load(scaled + channel, mask=known, other=0.0).to(NUMBER) / number
    here = places(index, 1, size, by_sample, 0, by_place) + channel * by_channel
    here += tl.program_id(2).to(tl.int64) * by_step
    alive = (index < count) & known
    value = tl.load(current + here, mask=alive, other=0.0).to(NUMBER)
    out = tl.load(leaving + here, mask=alive, other=0.0).to(NUMBER)
    tl.store(leaving + here, (a * (out - g - (value - m) * k * x)).to(leaving.dtype.element_ty), mask=alive)
