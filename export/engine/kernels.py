"""Compiled loops of the fast executor (numba, cached on disk); they free Python's lock, so threads run in parallel.

Spikes lie in *planes order* (channels, height, steps, width, samples) or in *events order* (samples, steps, positions,
channels). Three kernels add weights to synaptic sums; which is cheapest depends on the density of weights and spikes:

- `add_planes`: one non-zero weight at a time, over all positions, steps and samples at once (weight-stationary, as in
  Park et al., ICLR 2017). Costs non-zero weights, whether neurons fire or not.
- `add_rows`: one spike at a time, over the weights to all channels of a target position. Costs spikes, zeros included.
- `add_lists`: one spike and one non-zero weight at a time. Costs accumulates, each dearer than in the other two. A list
  holds the weights of a source channel over one tap, or merged over all taps, which costs less where lists are short.
"""

from typing import Any

import numpy as np

from spikeport.export.compiled import compiled as _compiled
from spikeport.export.fixed_point import ACTIVATION_SHIFT, DECAY_SHIFT, POTENTIAL_LIMIT, STATE_LIMIT

TILE = 8192
"""Lanes that `add_planes` keeps in the first cache."""


@_compiled
def pad_planes(
    buffer: Any, spikes: Any, samples: int, delay: int, stride: Any, least: Any, first: int, last: int
) -> None:
    """Copy channels ``first`` to ``last`` of ``spikes`` into ``buffer``, with zeros around them.

    ``spikes`` is (channels, height, steps, width samples), ``buffer`` (channels, phases, rows, steps, columns samples).
    A strided kernel reads every stride-th row and column, so those of one remainder lie together in a phase: row r of
    phase f is source row ``stride (r + least) + f``. Step t is step ``t - delay`` of the source (step 0 of one that is
    held), zero before the first.
    """
    _, height, length, wide = spikes.shape
    _, phases, rows, steps, long = buffer.shape
    to, of = buffer.reshape(-1), spikes.reshape(-1)
    across, width = stride[1], wide // samples
    for channel in range(first, last):
        for lane in range(channel * phases * rows * steps * long, (channel + 1) * phases * rows * steps * long):
            to[lane] = 0
        for phase in range(phases):
            down, right = divmod(phase, across)
            shift = across * least[1] + right
            begin = max(0, -(shift // across))
            end = min(long // samples, (width - shift + across - 1) // across)
            for row in range(rows):
                y = stride[0] * (row + least[0]) + down
                if y < 0 or y >= height:
                    continue
                for step in range(max(0, delay), steps):
                    i = (((channel * phases + phase) * rows + row) * steps + step) * long
                    j = ((channel * height + y) * length + (step - delay if length > 1 else 0)) * wide
                    if across == 1:
                        start = j + shift * samples
                        for lane in range(begin * samples, end * samples):
                            to[i + lane] = of[start + lane]
                    else:
                        for column in range(begin, end):
                            start = j + (across * column + shift) * samples
                            for sample in range(samples):
                                to[i + column * samples + sample] = of[start + sample]


@_compiled
def sum_windows(smaller: Any, place: Any, spikes: Any, samples: int, window: Any) -> None:
    """Sum spikes (channels, height, steps, width samples) over windows (rows, columns) that do not overlap.

    ``place`` says where the sums lie in the flat ``smaller``, see `_line`.
    """
    channels, height, steps, wide = spikes.shape
    small = wide // samples // window[1] * samples
    tall = np.empty(wide, smaller.dtype)
    for channel in range(channels):
        for y in range(height // window[0]):
            begin = _line(place, channel * (height // window[0]) + y, 0)
            for step in range(steps):
                start = begin + step * place[4]
                line, a = smaller[start : start + small], spikes[channel, y * window[0], step]
                if samples == 1 and window[0] == 2 and window[1] == 2:
                    b = spikes[channel, y * 2 + 1, step]
                    for x in range(small):
                        line[x] = a[2 * x] + a[2 * x + 1] + b[2 * x] + b[2 * x + 1]
                    continue
                for lane in range(wide):
                    tall[lane] = a[lane]
                for down in range(1, window[0]):
                    b = spikes[channel, y * window[0] + down, step]
                    for lane in range(wide):
                        tall[lane] += b[lane]
                _join(line, tall, samples, window[1])


@_compiled
def _join(line: Any, tall: Any, samples: int, width: int) -> None:
    """Sum ``width`` columns next to each other."""
    for x in range(len(line) // samples):
        for sample in range(samples):
            line[x * samples + sample] = tall[x * width * samples + sample]
        for across in range(1, width):
            for sample in range(samples):
                line[x * samples + sample] += tall[(x * width + across) * samples + sample]


@_compiled
def add_planes(
    sums: Any, buffer: Any, rows: Any, index: Any, starts: Any, weights: Any, first: int, fresh: bool
) -> None:
    """Add to ``sums[i]`` of target ``first + i``, lane by lane, ``weights[e] buffer[starts[index[e]] + lane]``.

    The entries e of a target are ``rows[target]`` to ``rows[target + 1]``; four are added at a time.
    ``fresh``: whatever is in ``sums`` counts as zero. Weights are numbers as they stand in an array: the compiler then
    multiplies in the width of a sum, and in 64 bits, five times as slow, where a factor is multiplied in here.
    """
    lanes = sums.shape[1]
    for target in range(len(sums)):
        for start in range(0, lanes, TILE):
            size = min(TILE, lanes - start)
            total = sums[target, start : start + size]
            if fresh:
                for lane in range(size):
                    total[lane] = 0
            entry, last = rows[first + target], rows[first + target + 1]
            while entry + 4 <= last:
                i, j = starts[index[entry]] + start, starts[index[entry + 1]] + start
                k, m = starts[index[entry + 2]] + start, starts[index[entry + 3]] + start
                a, b, c, d = buffer[i : i + size], buffer[j : j + size], buffer[k : k + size], buffer[m : m + size]
                p, q = weights[entry], weights[entry + 1]
                r, s = weights[entry + 2], weights[entry + 3]
                for lane in range(size):
                    total[lane] += a[lane] * p + b[lane] * q + c[lane] * r + d[lane] * s
                entry += 4
            while entry < last:
                i, p = starts[index[entry]] + start, weights[entry]
                a = buffer[i : i + size]
                for lane in range(size):
                    total[lane] += a[lane] * p
                entry += 1


@_compiled
def list_events(spikes: Any, channels: Any, starts: Any, lanes: Any) -> None:
    """List what is not zero, position by position, in ``lanes`` of ``spikes`` (lanes, positions, channels).

    The channels of position p in a lane are ``channels[lane, starts[lane, p] : starts[lane, p + 1]]``.
    """
    _, positions, size = spikes.shape
    for lane in lanes:
        count = 0
        for position in range(positions):
            starts[lane, position] = count
            for channel in range(size):
                channels[lane, count] = channel
                count += spikes[lane, position, channel] != 0
        starts[lane, positions] = count


@_compiled
def add_lists(
    sums: Any, lanes: Any, channels: Any, starts: Any, spikes: Any, pairs: Any, positions: Any, targets: Any,
    rows: Any, index: Any, weights: Any, factor: int,
) -> None:  # fmt: skip
    """Add the weights of every event one by one: ``sums[lane, target + index] += factor weight spikes``.

    ``lanes`` are pairs (lane of sums, lane of events). Synapses are grouped by tap, a displacement between positions:
    tap k joins the pairs ``pairs[k]`` to ``pairs[k + 1]``, source position ``positions`` with the offset ``targets`` in
    a lane of ``sums``; the synapses of channel c are row ``k C + c``.
    """
    size = spikes.shape[2]
    for tap in range(len(pairs) - 1):
        for number in range(len(lanes)):
            total, lane = sums[lanes[number, 0]], lanes[number, 1]
            for pair in range(pairs[tap], pairs[tap + 1]):
                position, target = positions[pair], targets[pair]
                for event in range(starts[lane, position], starts[lane, position + 1]):
                    channel = channels[lane, event]
                    row, level = tap * size + channel, spikes[lane, position, channel] * factor
                    for entry in range(rows[row], rows[row + 1]):
                        total[target + index[entry]] += weights[entry] * level


@_compiled
def add_rows(
    sums: Any, lanes: Any, channels: Any, starts: Any, pairs: Any, positions: Any, targets: Any, weights: Any
) -> None:
    """Add the whole row of weights of every spike, four at a time: ``sums[lane, target :] += weights[row]``."""
    taps, _, reach = weights.shape
    for tap in range(taps):
        table = weights[tap]
        for number in range(len(lanes)):
            into, lane = lanes[number]
            for pair in range(pairs[tap], pairs[tap + 1]):
                position, target = positions[pair], targets[pair]
                total = sums[into, target : target + reach]
                event, end = starts[lane, position], starts[lane, position + 1]
                while event + 4 <= end:
                    a, b = table[channels[lane, event]], table[channels[lane, event + 1]]
                    c, d = table[channels[lane, event + 2]], table[channels[lane, event + 3]]
                    for j in range(reach):
                        total[j] += a[j] + b[j] + c[j] + d[j]
                    event += 4
                while event < end:
                    a = table[channels[lane, event]]
                    for j in range(reach):
                        total[j] += a[j]
                    event += 1


@_compiled
def integrate_and_fire(
    sums: Any, v: Any, spikes: Any, place: Any, steps: int, level: Any, bias: Any, after: Any, subtracts: bool,
    active: Any,
) -> None:  # fmt: skip
    """Advance neurons without leak and without memory of their current, whose registers are proven wide enough.

    ``sums`` is (groups, steps or 1, lanes and more), ``v`` (groups, lanes); the lanes of a group and step lie in the
    flat ``spikes`` where ``place`` says, see `_line`.
    Parameters are (groups or 1, lanes or 1) in units of the potential; ``active`` counts spikes per
    neuron: (groups, neurons of a line), or one line for all groups.
    """
    groups, lanes = v.shape
    shared = level.shape[1] == bias.shape[1] == after.shape[1] == 1
    levels, biases, afters = np.empty(lanes, np.int32), np.empty(lanes, np.int32), np.empty(lanes, np.int32)
    counted = np.zeros(lanes, np.uint32)
    for group in range(groups):
        if not shared and (group == 0 or len(level) > 1 or len(bias) > 1 or len(after) > 1):
            _expand(levels, level, group)
            _expand(biases, bias, group)
            _expand(afters, after, group)
        one, two, three = _at(level, group, 0), _at(bias, group, 0), _at(after, group, 0)
        potential, begin = v[group], _line(place, group, 0)
        for step in range(steps):
            start = begin + step * place[4]
            arriving, fired = sums[group, step if sums.shape[1] > 1 else 0], spikes[start : start + lanes]
            if shared and subtracts:
                for lane in range(lanes):
                    value = np.int32(potential[lane] + (np.int32(arriving[lane]) << ACTIVATION_SHIFT) + two)
                    fired[lane] = value > one
                    potential[lane] = value - three if value > one else value
            elif shared:
                for lane in range(lanes):
                    value = np.int32(potential[lane] + (np.int32(arriving[lane]) << ACTIVATION_SHIFT) + two)
                    fired[lane] = value > one
                    potential[lane] = three if value > one else value
            else:
                for lane in range(lanes):
                    value = np.int32(potential[lane] + (np.int32(arriving[lane]) << ACTIVATION_SHIFT) + biases[lane])
                    fires = value > levels[lane]
                    rest = np.int32(value - afters[lane]) if subtracts else afters[lane]
                    fired[lane] = fires
                    potential[lane] = rest if fires else value
            if active is not None:
                for lane in range(lanes):
                    counted[lane] += fired[lane]
        if active is not None:
            _count(active[group if len(active) > 1 else 0], counted)


@_compiled
def leak_and_fire(
    sums: Any, u: Any, v: Any, values: Any, place: Any, steps: int, level: Any, bias: Any, after: Any, decay_u: Any,
    decay_v: Any, floor: Any, subtracts: bool, silent: bool, active: Any,
) -> None:  # fmt: skip
    """Advance any neuron by the definition in `spikeport.export.executors.reference`, wrap and saturation included.

    As `integrate_and_fire`, in 64 bits; ``values`` takes the spikes or, of ``silent`` neurons, the potentials.
    """
    groups, lanes = v.shape
    counted = np.zeros(lanes, np.uint32)
    unity = 1 << DECAY_SHIFT
    for group in range(groups):
        for step in range(steps):
            start, arriving = _line(place, group, step), sums[group, step if sums.shape[1] > 1 else 0]
            for lane in range(lanes):
                current = _toward_zero(u[group, lane] * (unity - _at(decay_u, group, lane)))
                current += np.int64(arriving[lane]) << ACTIVATION_SHIFT
                if current > STATE_LIMIT:
                    current -= 2 * STATE_LIMIT
                if current <= -STATE_LIMIT:
                    current += 2 * STATE_LIMIT
                u[group, lane] = current
                value = _toward_zero(v[group, lane] * (unity - _at(decay_v, group, lane)))
                value = min(max(value + current + _at(bias, group, lane), -POTENTIAL_LIMIT), POTENTIAL_LIMIT)
                fires = not silent and value > _at(level, group, lane)
                if fires:
                    value = value - _at(after, group, lane) if subtracts else _at(after, group, lane)
                value = max(value, _at(floor, group, lane))
                v[group, lane] = value
                values[start + lane] = value if silent else fires
                if active is not None:
                    counted[lane] += fires
        if active is not None:
            _count(active[group if len(active) > 1 else 0], counted)


@_compiled
def _count(active: Any, counted: Any) -> None:
    """Add what neighbouring lanes, the samples of one neuron, counted, and begin anew."""
    each = len(counted) // len(active)
    for neuron in range(len(active)):
        total = 0
        for lane in range(neuron * each, (neuron + 1) * each):
            total += counted[lane]
            counted[lane] = 0
        active[neuron] += total


@_compiled
def _line(place: Any, group: int, step: int) -> Any:
    """Return where a line begins in a flat array; ``place``: start, rows of a channel, strides of all three."""
    start, rows, along_channel, along_row, along_step = place
    return start + group // rows * along_channel + group % rows * along_row + step * along_step


@_compiled
def _toward_zero(product: Any) -> Any:
    return product >> DECAY_SHIFT if product >= 0 else -(-product >> DECAY_SHIFT)


@_compiled
def _at(parameter: Any, group: int, lane: int) -> Any:
    return parameter[group if parameter.shape[0] > 1 else 0, lane if parameter.shape[1] > 1 else 0]


@_compiled
def _expand(row: Any, parameter: Any, group: int) -> None:
    """Fill ``row`` with the parameters of a group."""
    for lane in range(len(row)):
        row[lane] = _at(parameter, group, lane)
