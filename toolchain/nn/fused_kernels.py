"""Kernels of the time loop for a GPU: spikes and gradients, each in one pass over memory.

A program takes ``PLACES`` places (sample, row and column, of windows where spikes are averaged) of ``CHANNELS``
channels through all steps; axis 1 of its blocks are the ``WINDOW`` neurons of a place. Strides are in values, so both
memory layouts are read as they lie. Sums per channel come out for each program; the caller adds them up in float64.
Potentials are those of PyTorch's own operations, bit for bit: no product is fused with a sum (`LAUNCH`).
"""
# ruff: noqa: N803, RET505 - the compiler's constants have capitals, and it leaves out the branches that they exclude

import triton
import triton.language as tl
from triton.language import constexpr

from spikeport.toolchain.nn import noise

FIRST, SECOND = constexpr(noise.FIRST), constexpr(noise.SECOND)
MANTISSA, ONE = constexpr(noise.MANTISSA), constexpr(noise.ONE)
OFFSET, CENTRE = constexpr(noise.OFFSET), constexpr(noise.CENTRE)
P0, P1, P2, P3, P4, P5, P6 = (constexpr(each) for each in noise.PROBIT)
Q0, Q1, Q2, Q3 = (constexpr(each) for each in noise.LOGARITHM)

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
    elif KIND == "probit":
        return first * tl.exp(-32 * second * distance * distance)
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
def gaussian(place: tl.tensor, keys: tl.tensor, step: tl.tensor) -> tl.tensor:
    """Return the Gaussian numbers of `spikeport.toolchain.nn.noise` for the neurons at ``place`` in (N, C, H, W)."""
    x = place.to(tl.uint32) ^ tl.load(keys + 2 * step).to(tl.uint32)
    x = (x ^ (x >> 16)) * FIRST
    x = (x ^ (x >> 15)) + tl.load(keys + 2 * step + 1).to(tl.uint32)
    x = x * SECOND
    x = x ^ (x >> 16)
    t = ((x >> 1).to(tl.int32).to(tl.float32) + 0.5) * 4.656612873077393e-10
    bits = t.to(tl.int32, bitcast=True)
    g = ((bits & MANTISSA) | ONE).to(tl.float32, bitcast=True) - 1.0
    logarithm = Q0 + g * (Q1 + g * (Q2 + g * Q3))
    w = 127.0 - bits.to(tl.float32) * 1.1920928955078125e-07 - g * (1.0 - g) * logarithm
    r = tl.sqrt_rn(w + OFFSET) - CENTRE
    value = (P0 + r * (P1 + r * (P2 + r * (P3 + r * (P4 + r * (P5 + r * P6)))))) * (1.0 - t)
    return tl.where((x & 1) == 0, value, -value)


@triton.jit
def fires(
    before: tl.tensor,
    limit: tl.tensor,
    deviation: tl.tensor,
    place: tl.tensor,
    keys: tl.tensor,
    step: tl.tensor,
    NOISY: constexpr,
    NUMBER: constexpr,
) -> tl.tensor:
    """Return who reaches the threshold, which noise moves."""
    if NOISY:
        return before >= limit + deviation * gaussian(place, keys, step).to(NUMBER)
    else:
        return before >= limit


@triton.jit
def pushed(before: tl.tensor, limit: tl.tensor, margin: tl.tensor, away: tl.tensor) -> tl.tensor:
    """Return the gradient of the penalty by potentials; ``away`` is that of one within the margin."""
    return tl.where(tl.abs(before - limit) < margin, tl.where(before >= limit, -away, away), 0.0)


@triton.jit
def place_of(
    index: tl.tensor,
    inside: tl.tensor,
    channel: tl.tensor,
    channels: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    POOL: constexpr,
) -> tl.tensor:
    """Return places in (N, C, H, W) of neurons of windows; maps are ``rows`` x ``columns``."""
    sample, window = index // (height * width), index % (height * width)
    row = window // width * POOL + inside // POOL
    column = window % width * POOL + inside % POOL
    return ((sample * channels + channel) * rows + row) * columns + column


@triton.jit
def block(PLACES: constexpr, WINDOW: constexpr, CHANNELS: constexpr) -> tl.tuple:
    """Return numbers of places, of neurons in a window, and of channels, along three axes."""
    index = (tl.program_id(0) * PLACES + tl.arange(0, PLACES))[:, None, None]
    channel = (tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)).to(tl.int64)[None, None, :]
    return index, tl.arange(0, WINDOW)[None, :, None], channel


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
    keys: tl.tensor,
    settings: tl.tensor,
    spikes: tl.tensor,
    counts: tl.tensor,
    near: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
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
    NOISY: constexpr,
    GUARDED: constexpr,
    POOL: constexpr,
    HARD: constexpr,
    NUMBER: constexpr,
    PLACES: constexpr,
    WINDOW: constexpr,
    CHANNELS: constexpr,
) -> None:
    """Write spikes, averaged over windows of ``POOL`` x ``POOL``, and how many fired in each.

    ``settings`` are sigma, delta and 1 / sqrt(2 pi); ``NOISY`` neurons have ``keys`` of every step. ``GUARDED`` ones
    write into ``near`` (programs) by how much potentials are nearer to the threshold than the margin.
    """
    index, inside, channel = block(PLACES, WINDOW, CHANNELS)
    known = channel < channels
    wanted = (index < count) & known
    alive = wanted & (inside < POOL * POOL)
    _, _, a, b = normal(mean, inverse, weight, bias, channel, known, NORMAL, NUMBER)
    limit, leak = tl.load(threshold).to(NUMBER), tl.load(tau).to(NUMBER)
    here = places(index, height, width, by_sample, by_row * POOL, by_column * POOL) + channel * by_channel
    here += inside // POOL * by_row + inside % POOL * by_column
    there = places(index, height, width, out_sample, out_row, out_column) + channel * out_channel
    deviation, margin = tl.load(settings).to(NUMBER) * limit, tl.load(settings + 1).to(NUMBER) * limit
    neuron = place_of(index, inside, channel, channels, height, width, rows, columns, POOL)
    rest = tl.zeros([PLACES, WINDOW, CHANNELS], NUMBER)
    close = rest
    for step in tl.static_range(STEPS):
        arriving = tl.load(current + here + step * tl.cast(by_step, tl.int64), mask=alive, other=0.0).to(NUMBER)
        before = leak * rest + (a * arriving + b)
        fired = fires(before, limit, deviation, neuron, keys, step, NOISY, NUMBER)
        if GUARDED:
            close += tl.where(alive, tl.maximum(margin - tl.abs(before - limit), 0.0), 0.0)
        rest = tl.where(fired, before * 0 if HARD else before - limit, before)
        number = tl.sum((fired & alive).to(tl.int32), 1, keep_dims=True)
        share = (number.to(tl.float64) / (POOL * POOL)).to(NUMBER)
        place = there + step * tl.cast(out_step, tl.int64)
        tl.store(spikes + place, share.to(spikes.dtype.element_ty), mask=wanted)
        tl.store(counts + place, number.to(tl.uint8), mask=wanted)
    if GUARDED:
        total = tl.sum(tl.sum(tl.sum(close, 2), 1), 0)
        tl.store(near + tl.program_id(0) * tl.num_programs(1) + tl.program_id(1), total)


@triton.jit
def gradients(
    current: tl.tensor,
    mean: tl.tensor,
    inverse: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    threshold: tl.tensor,
    tau: tl.tensor,
    keys: tl.tensor,
    settings: tl.tensor,
    arriving: tl.tensor,
    of_penalty: tl.tensor,
    leaving: tl.tensor,
    sums: tl.tensor,
    parameters: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
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
    NOISY: constexpr,
    GUARDED: constexpr,
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
    ``settings`` and ``keys`` are those of `fire`, ``of_penalty`` the gradient of the penalty by a potential within the
    margin.
    """
    index, inside, channel = block(PLACES, WINDOW, CHANNELS)
    known = channel < channels
    alive = (index < count) & known & (inside < POOL * POOL)
    m, k, a, b = normal(mean, inverse, weight, bias, channel, known, NORMAL, NUMBER)
    limit, leak = tl.load(threshold).to(NUMBER), tl.load(tau).to(NUMBER)
    one, two = tl.load(parameters).to(NUMBER), tl.load(parameters + 1).to(NUMBER)
    deviation, margin = tl.load(settings).to(NUMBER) * limit, tl.load(settings + 1).to(NUMBER) * limit
    neuron = place_of(index, inside, channel, channels, height, width, rows, columns, POOL)
    if NOISY:
        one, two = tl.load(settings + 2).to(NUMBER) / deviation, 1 / (64 * deviation * deviation)
    here = places(index, height, width, by_sample, by_row * POOL, by_column * POOL) + channel * by_channel
    here += inside // POOL * by_row + inside % POOL * by_column
    there = places(index, height, width, in_sample, in_row, in_column) + channel * in_channel
    rest = tl.zeros([PLACES, WINDOW, CHANNELS], NUMBER)
    befores, spikes = (), ()
    for step in tl.static_range(STEPS):
        value = tl.load(current + here + step * tl.cast(by_step, tl.int64), mask=alive, other=0.0).to(NUMBER)
        before = leak * rest + (a * value + b)
        fired = fires(before, limit, deviation, neuron, keys, step, NOISY, NUMBER)
        rest = tl.where(fired, before * 0 if HARD else before - limit, before)
        befores = befores + (before,)  # noqa: RUF005 - the compiler adds tuples
        spikes = spikes + (fired,)  # noqa: RUF005
    later, total, shifts, scales, thresholds, leaks = rest * 0, rest * 0, rest * 0, rest * 0, rest * 0, rest * 0
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
        kept = tl.where(spikes[STEPS - 1 - back], later * 0, later)
        moved = wanted + (kept if HARD else later)
        if GUARDED:
            push = pushed(before, limit, margin, tl.load(of_penalty).to(NUMBER))
            moved += push
            thresholds -= push * before / limit
        shifts += moved
        scales += moved * ((value - m) * k)
        thresholds -= wanted if HARD else wanted + (later - kept)
        if back + 1 < STEPS:
            past = befores[STEPS - 2 - back]
            leaks += moved * tl.where(spikes[STEPS - 2 - back], past * 0 if HARD else past - limit, past)
        later = leak * moved
        leaves = a * moved if SCALED else moved
        if HELD:
            total += leaves
        else:
            tl.store(
                leaving + here + (STEPS - 1 - back) * tl.cast(by_step, tl.int64),
                leaves.to(leaving.dtype.element_ty),
                mask=alive,
            )
    if HELD:
        tl.store(leaving + here, total.to(leaving.dtype.element_ty), mask=alive)
    place = sums + (tl.program_id(0) * 4).to(tl.int64) * channels + channel
    _store(place, channels, known, alive, (shifts, scales, thresholds, leaks))


@triton.jit
def _store(place: tl.tensor, channels: tl.tensor, known: tl.tensor, alive: tl.tensor, values: tl.tuple) -> None:
    """Write four sums over the places and windows of a program, one after the other."""
    for which in tl.static_range(4):
        tl.store(place + which * channels, _by_channel(values[which], alive), mask=known)


@triton.jit
def _by_channel(values: tl.tensor, alive: tl.tensor) -> tl.tensor:
    """Return sums over the places and windows of a program, (1, 1, channels)."""
    return tl.sum(tl.sum(tl.where(alive, values, values * 0), 1, keep_dims=True), 0, keep_dims=True)
