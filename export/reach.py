"""The steps of the proof (`spikeport.export.bounds`), without those that change an interval as the step before did.

Neurons do not depend on each other, so each has its own clock. A step is computed; where its currents stay, and each
end of its potential stays or moves by the same amount as long as it meets no threshold, reset, floor or cap, the neuron
takes all these steps at once. What moves at a constant rate has its extremes at the first and the last of these steps.
A leak is followed step by step until its potential stays.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from spikeport.export.fixed_point import ACTIVATION_SHIFT, STATE_LIMIT, Integers, decayed
from spikeport.export.network import Array, Bounds, IntegerNeuron, Shape

FAR = 2**40
"""Far outside every register, and small enough to be multiplied by a decay in 64 bit."""
PART = 2**16
"""Neurons that are worked on at a time."""
ENOUGH = 2 * STATE_LIMIT + 1
"""An end beyond it is outside of its register by a factor of two."""
Bits = Array


def reach(
    shape: Shape,
    low: Integers,
    high: Integers,
    neuron: IntegerNeuron,
    steps: int,
    *,
    until_far_out: bool = False,
    written: tuple[Integers, Integers] | None = None,
) -> Bounds:
    """Return the ends of current and potential over ``steps`` steps, with activations ``low`` to ``high`` in each.

    ``until_far_out`` ends the proof once a register is left by a factor of two; the bounds then hold for the steps
    before. ``written``: the ends of the biases, in units of the potential, where they are not the neuron's own.
    """
    found = np.zeros(4, np.int64)
    own = neuron.bias_mantissa.astype(np.int64) << neuron.bias_exponent
    for part in _parts(shape, low, high, neuron, written or (own, own)):
        clock = _Clock(part, steps)
        while clock.neurons.low.size:
            found = _widened(found, clock.advance())
            if until_far_out and np.abs(found).max() > ENOUGH:
                break
    u_min, u_max, v_min, v_max = (int(end) for end in found)
    return Bounds(u_min=u_min, u_max=u_max, v_min=v_min, v_max=v_max)


def _widened(found: Integers, ends: Integers) -> Integers:
    least, most = np.minimum(found, ends), np.maximum(found, ends)
    return np.array([least[0], most[1], least[2], most[3]])


@dataclass(frozen=True, kw_only=True)
class _Neurons:
    """Inputs of a step, and the registers of some neurons, each (n,); ``lowest`` and ``set_to`` are what resets do."""

    low: Integers
    high: Integers
    bias_low: Integers
    bias_high: Integers
    decay_u: Integers
    decay_v: Integers
    threshold: Integers
    removed: Integers
    lowest: Integers
    floor: Integers
    u_low: Integers
    u_high: Integers
    v_low: Integers
    v_high: Integers

    def where(self, rows: Bits) -> "_Neurons":
        """Return some of the neurons."""
        return _Neurons(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def _parts(
    shape: Shape, low: Integers, high: Integers, neuron: IntegerNeuron, bias: tuple[Integers, Integers]
) -> Iterator["_Neurons"]:
    """Yield the neurons at rest, `PART` at a time; a threshold or floor beyond every potential stands for none."""
    threshold = np.int64(2 * FAR) if neuron.level is None else np.asarray(neuron.level)
    hard = neuron.reset_by is None
    removed = np.int64(-1) if neuron.reset_by is None else neuron.reset_by.astype(np.int64) << ACTIVATION_SHIFT
    lowest = neuron.reset_to.astype(np.int64) << ACTIVATION_SHIFT if hard else threshold + 1 - removed
    values = {
        "low": low << ACTIVATION_SHIFT,
        "high": high << ACTIVATION_SHIFT,
        "bias_low": bias[0],
        "bias_high": bias[1],
        "decay_u": neuron.decay_u,
        "decay_v": neuron.decay_v,
        "threshold": threshold,
        "removed": removed,
        "lowest": lowest,
        "floor": np.int64(-2 * FAR) if neuron.floor is None else neuron.floor.astype(np.int64) << ACTIVATION_SHIFT,
        **dict.fromkeys(("u_low", "u_high", "v_low", "v_high"), np.int64(0)),
    }
    full = {name: np.broadcast_to(value, shape) for name, value in values.items()}
    for first in range(0, int(np.prod(shape)), PART):
        yield _Neurons(**{name: value.flat[first : first + PART].astype(np.int64) for name, value in full.items()})


class _Clock:
    """Some neurons, and how many steps each has left."""

    def __init__(self, neurons: _Neurons, steps: int) -> None:
        self.neurons, self.left = neurons, np.full(neurons.low.shape, steps)

    def advance(self) -> Integers:
        """Take every neuron on by a step and all that are alike; return the ends that were reached."""
        now = self.neurons
        u_low = _capped(decayed(now.u_low, now.decay_u) + now.low)
        u_high = _capped(decayed(now.u_high, now.decay_u) + now.high)
        a_low = _capped(decayed(now.v_low, now.decay_v) + u_low + now.bias_low)
        a_high = _capped(decayed(now.v_high, now.decay_v) + u_high + now.bias_high)
        r_low, r_high = _reset(now, a_low, a_high)
        v_low, v_high = np.maximum(r_low, now.floor), np.maximum(r_high, now.floor)
        change_low, change_high = v_low - now.v_low, v_high - now.v_high
        alike = _alike(now, a_low, a_high, change_low, change_high)
        alike = np.minimum(alike, _above_floor(now, r_low, change_low))
        alike = np.minimum(alike, _above_floor(now, r_high, change_high))
        alike = np.where((u_low == now.u_low) & (u_high == now.u_high), np.minimum(alike, self.left - 1), 0)
        further_low, further_high = change_low * alike, change_high * alike
        lows = (a_low, v_low, a_low + further_low, v_low + further_low)
        highs = (a_high, v_high, a_high + further_high, v_high + further_high)
        ends = [u_low.min(), u_high.max(), min(each.min() for each in lows), max(each.max() for each in highs)]
        state = {"u_low": u_low, "u_high": u_high, "v_low": lows[-1], "v_high": highs[-1]}
        self.left = self.left - 1 - alike
        self.neurons = _Neurons(**{**vars(now), **state})
        if not self.left.all():
            rows = self.left > 0
            self.neurons, self.left = self.neurons.where(rows), self.left[rows]
        return np.array(ends)


def _reset(now: _Neurons, a_low: Integers, a_high: Integers) -> tuple[Integers, Integers]:
    """Return the ends of the potential after the reset of those that may fire; they may also not have fired."""
    fires, hard = a_high > now.threshold, now.removed < 0
    highest = np.maximum(now.threshold, np.where(hard, now.lowest, a_high - now.removed))
    return np.where(fires, np.minimum(a_low, now.lowest), a_low), np.where(fires, highest, a_high)


def _alike(now: _Neurons, a_low: Integers, a_high: Integers, change_low: Integers, change_high: Integers) -> Integers:
    """Return for how many further steps both ends change as they did in this step, if the currents stay."""
    fires, linear = a_high > now.threshold, now.decay_v == 0
    above = fires & (now.removed >= 0) & (a_high - now.removed >= now.threshold)
    highest_left = np.minimum(a_high - now.threshold - 1, a_high - now.removed - now.threshold)
    high = np.where(above, _steps(highest_left, change_high), _steps(now.threshold - a_high, -change_high))
    high = np.minimum(high, _steps(FAR - np.abs(a_high), -np.abs(change_high)))
    high = np.where(change_high == 0, FAR, np.where(linear & (above | ~fires), high, 0))
    low = _steps(FAR - np.abs(a_low), -np.abs(change_low))
    low = np.where(fires, np.minimum(low, _steps(now.lowest - a_low, -change_low)), low)
    falls = linear & (~fires | (a_low <= now.lowest))
    return np.minimum(high, np.where(change_low == 0, FAR, np.where(falls, low, 0)))


def _above_floor(now: _Neurons, after: Integers, change: Integers) -> Integers:
    """Return for how many further steps an end of the potential stays above the floor, ``after`` the reset."""
    steps: Integers = np.where(after < now.floor, 0, _steps(after - now.floor, change))
    return np.where(change == 0, FAR, steps)


def _steps(margin: Integers, change: Integers) -> Integers:
    """Return for how many steps a ``margin`` that changes by ``change`` a step stays above or at zero."""
    steps: Integers = np.where(change < 0, np.maximum(margin, 0) // np.maximum(-change, 1), FAR)
    return steps


def _capped(value: Integers) -> Integers:
    """Keep numbers far outside every register from leaving 64 bit; they stay far outside."""
    return np.clip(value, -FAR, FAR)
