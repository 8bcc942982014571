"""Kernels of the time loop for a GPU: moments, spikes, gradients, each in one pass over memory.

A program takes ``PLACES`` places (sample, row and column, of windows where spikes are averaged) of ``CHANNELS``
channels through all steps; axis 1 of its blocks are the ``WINDOW`` neurons of a place. Strides are in values, so both
memory layouts are read as they lie. Sums per channel come out for each program; the caller adds them up in float64.
Potentials are those of PyTorch's own operations, bit for bit: no product is fused with a sum (`LAUNCH`).
"""
# ruff: noqa: N803, RET505 - the compiler's constants have capitals, and it leaves out the branches that they exclude

import triton
import triton.language as tl
from triton.language import constexpr

LAUNCH = {"enable_fp_fusion": False, "num_warps": 4}


@triton.jit
def slope(distance: tl.tensor, first: tl.tensor, second: tl.tensor, KIND: constexpr) -> tl.tensor:
    """Return the surrogate gradient ``KIND`` with the parameters of its compiled form."""
    if KIND == "piecewise_linear":
        return tl.maximum(first - tl.abs(distance), 0.0) / second
    elif KIND == "exponential":
        return first * tl.exp(-second * tl.abs(distance))
    elif KIND == "rectangular":
        return tl.where(tl.abs(distance) < first, second, second * 0)
    elif KIND == "arctan":
        return first / (1 + (second * distance) * (second * distance))
    else:
        return first + distance * 0


@triton.jit
def places(
    index: tl.tensor, height: tl.tensor, width: tl.tensor, by_sample: tl.tensor, by_row: tl.tensor, by_column: tl.tensor
) -> tl.tensor:
    """Return where places begin in memory; ``index`` counts them by sample, row and column."""
    sample, place = (index // (height * width)).to(tl.int64), index % (height * width)
    return sample * by_sample + (place // width).to(tl.int64) * by_row + (place % width).to(tl.int64) * by_column


@triton.jit
def normal(
    mean: tl.tensor,
    inverse: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    channel: tl.tensor,
    known: tl.tensor,
    NORMAL: constexpr,
    NUMBER: constexpr,
) -> tl.tensor:
    """Return mean, inverse, scale and shift of channels; without batch norm they change nothing."""
    zero = channel.to(NUMBER) * 0
    if NORMAL:
        m = tl.load(mean + channel, mask=known, other=0.0).to(NUMBER)
        k = tl.load(inverse + channel, mask=known, other=0.0).to(NUMBER)
        a = tl.load(weight + channel, mask=known, other=0.0).to(NUMBER) * k
        b = tl.load(bias + channel, mask=known, other=0.0).to(NUMBER) - m * a
        return m, k, a, b
    else:
        return zero, zero + 1, zero + 1, zero


@triton.jit
def fire(
    current: tl.tensor,
    mean: tl.tensor,
    inverse: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    threshold: tl.tensor,
    tau: tl.tensor,
    spikes: tl.tensor,
    counts: tl.tensor,
    count: tl.tensor,
    channels: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    by_step: tl.tensor,
    by_sample: tl.tensor,
    by_channel: tl.tensor,
    by_row: tl.tensor,
    by_column: tl.tensor,
    out_step: tl.tensor,
    out_sample: tl.tensor,
    out_channel: tl.tensor,
    out_row: tl.tensor,
    out_column: tl.tensor,
    STEPS: constexpr,
    NORMAL: constexpr,
    POOL: constexpr,
    HARD: constexpr,
    NUMBER: constexpr,
    PLACES: constexpr,
    WINDOW: constexpr,
    CHANNELS: constexpr,
) -> None:
    """Write spikes, averaged over windows of ``POOL`` x ``POOL``, and how many fired in each."""
    index = (tl.program_id(0) * PLACES + tl.arange(0, PLACES))[:, None, None]
    inside = tl.arange(0, WINDOW)[None, :, None]
    channel = (tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)).to(tl.int64)[None, None, :]
    known = channel < channels
    wanted = (index < count) & known
    alive = wanted & (inside < POOL * POOL)
    _, _, a, b = normal(mean, inverse, weight, bias, channel, known, NORMAL, NUMBER)
    limit, leak = tl.load(threshold).to(NUMBER), tl.load(tau).to(NUMBER)
    here = places(index, height, width, by_sample, by_row * POOL, by_column * POOL)
    here += channel * by_channel + inside // POOL * by_row + inside % POOL * by_column
    there = places(index, height, width, out_sample, out_row, out_column) + channel * out_channel
    rest = tl.zeros([PLACES, WINDOW, CHANNELS], NUMBER)
    for step in tl.static_range(STEPS):
        arriving = tl.load(current + here + step * tl.cast(by_step, tl.int64), mask=alive, other=0.0).to(NUMBER)
        before = leak * rest + (a * arriving + b)
        fired = before >= limit
        rest = tl.where(fired, before * 0 if HARD else before - limit, before)
        number = tl.sum((fired & alive).to(tl.int32), 1, keep_dims=True)
        share = (number.to(tl.float64) / (POOL * POOL)).to(NUMBER)
        place = there + step * tl.cast(out_step, tl.int64)
        tl.store(spikes + place, share.to(spikes.dtype.element_ty), mask=wanted)
        tl.store(counts + place, number.to(tl.uint8), mask=wanted)


@triton.jit
def gradients(
    current: tl.tensor,
    mean: tl.tensor,
    inverse: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    threshold: tl.tensor,
    tau: tl.tensor,
    arriving: tl.tensor,
    leaving: tl.tensor,
    sums: tl.tensor,
    parameters: tl.tensor,
    count: tl.tensor,
    channels: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    by_step: tl.tensor,
    by_sample: tl.tensor,
    by_channel: tl.tensor,
    by_row: tl.tensor,
    by_column: tl.tensor,
    in_step: tl.tensor,
    in_sample: tl.tensor,
    in_channel: tl.tensor,
    in_row: tl.tensor,
    in_column: tl.tensor,
    STEPS: constexpr,
    HELD: constexpr,
    SCALED: constexpr,
    KIND: constexpr,
    NORMAL: constexpr,
    POOL: constexpr,
    HARD: constexpr,
    NUMBER: constexpr,
    PLACES: constexpr,
    WINDOW: constexpr,
    CHANNELS: constexpr,
) -> None:
    """Recompute the potentials, then go back through time; the reset is differentiated as well.

    ``sums`` (programs, 4, channels) are those of `spikeport.toolchain.nn.loop.Gradients`: shift, scaled, threshold,
    tau. ``leaving`` is laid out as the current is; with ``SCALED`` it is multiplied by the channel's scale.
    """
    index = (tl.program_id(0) * PLACES + tl.arange(0, PLACES))[:, None, None]
    inside = tl.arange(0, WINDOW)[None, :, None]
    channel = (tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)).to(tl.int64)[None, None, :]
    known = channel < channels
    alive = (index < count) & known & (inside < POOL * POOL)
    m, k, a, b = normal(mean, inverse, weight, bias, channel, known, NORMAL, NUMBER)
    limit, leak = tl.load(threshold).to(NUMBER), tl.load(tau).to(NUMBER)
    one, two = tl.load(parameters).to(NUMBER), tl.load(parameters + 1).to(NUMBER)
    here = places(index, height, width, by_sample, by_row * POOL, by_column * POOL)
    here += channel * by_channel + inside // POOL * by_row + inside % POOL * by_column
    there = places(index, height, width, in_sample, in_row, in_column) + channel * in_channel
    rest = tl.zeros([PLACES, WINDOW, CHANNELS], NUMBER)
    befores = ()
    for step in tl.static_range(STEPS):
        value = tl.load(current + here + step * tl.cast(by_step, tl.int64), mask=alive, other=0.0).to(NUMBER)
        before = leak * rest + (a * value + b)
        rest = tl.where(before >= limit, before * 0 if HARD else before - limit, before)
        befores = befores + (before,)  # noqa: RUF005 - the compiler adds tuples
    later = rest * 0
    total, shifts, scales, thresholds, leaks = later, later, later, later, later
    for back in tl.static_range(STEPS):
        before = befores[STEPS - 1 - back]
        value = tl.load(current + here + (STEPS - 1 - back) * tl.cast(by_step, tl.int64), mask=alive, other=0.0).to(
            NUMBER
        )
        given = tl.load(arriving + there + (STEPS - 1 - back) * tl.cast(in_step, tl.int64), mask=alive, other=0.0).to(
            NUMBER
        )
        falls = before if HARD else limit
        wanted = (given / (POOL * POOL) - later * falls) * slope(before - limit, one, two, KIND)
        kept = tl.where(before >= limit, later * 0, later)
        moved = wanted + (kept if HARD else later)
        shifts += moved
        scales += moved * ((value - m) * k)
        thresholds -= wanted if HARD else wanted + (later - kept)
        if back + 1 < STEPS:
            past = befores[STEPS - 2 - back]
            leaks += moved * tl.where(past >= limit, past * 0 if HARD else past - limit, past)
        later = leak * moved
        leaves = a * moved if SCALED else moved
        if HELD:
            total += leaves
        else:
            place = leaving + here + (STEPS - 1 - back) * tl.cast(by_step, tl.int64)
            tl.store(place, leaves.to(leaving.dtype.element_ty), mask=alive)
    if HELD:
        tl.store(leaving + here, total.to(leaving.dtype.element_ty), mask=alive)
    place = sums + (tl.program_id(0) * 4).to(tl.int64) * channels + channel
    tl.store(place, _by_channel(shifts, alive), mask=known)
    tl.store(place + channels, _by_channel(scales, alive), mask=known)
    tl.store(place + 2 * channels, _by_channel(thresholds, alive), mask=known)
    tl.store(place + 3 * channels, _by_channel(leaks, alive), mask=known)


@triton.jit
def _by_channel(values: tl.tensor, alive: tl.tensor) -> tl.tensor:
    """Return sums over the places and windows of a program, (1, 1, channels)."""
    return tl.sum(tl.sum(tl.where(alive, values, values * 0), 1, keep_dims=True), 0, keep_dims=True)


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
