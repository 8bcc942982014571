"""NIR nodes with a state -> `FloatNeuron`, by the rules of a dialect.

Per step, with x the sum that arrives (parameters as in the file; a = dt / tau, or 1 - exp(-1 / tau))::

    IF, I    v = v + g x                                 g = r dt, or 1
    LIF, LI  v = v + a (v_leak - v) + g x                g = r dt / tau (r a with exponential decays), 1, a or 1 - a
    CubaLIF  i = i - a_syn i + g_syn x;   v = v + a_mem (v_leak - v) + g i

A step keeps exp(-dt / tau) as PyTorch computes it: in 32 bits, by the reciprocal of tau. Linear gains gather in
``gain``. A reset that subtracts in the next step, ``v' = k v + x - theta``, is one that subtracts ``theta / k`` at
once. snnTorch with reset_delay=False ('settle') subtracts at once, yet still lowers the comparison of the next step
where the potential was left above the threshold.
"""

import numpy as np

from spikeport.export.errors import FormatError
from spikeport.export.network import Array, FloatNeuron
from spikeport.export.nir_import.dialect import Dialect
from spikeport.export.nir_import.nodes import Node
from spikeport.export.numbers import POSITIVE

SNAP, SNAP_WITHIN = 4096, 4e-7
"""Float32 rounds by 6e-8 of a number; quotients of a few such numbers differ by less than ``SNAP_WITHIN``."""


def neuron(node: Node, dialect: Dialect, *, looped: bool) -> FloatNeuron:
    """Return the neuron of a node; ``looped``: its spikes come back to it over a recurrent connection."""
    if node.kind == "Threshold":
        threshold = node.reals("threshold")
        return FloatNeuron(threshold=threshold, decay_potential=np.array(1.0), inclusive=dialect.inclusive)
    decay, gain, keep_current = _rates(node, dialect)
    leak = node.reals("v_leak", default=0.0)
    if node.kind in ("I", "LI", "CubaLI"):
        return FloatNeuron(
            threshold=None, bias=decay * leak, decay_potential=decay, decay_current=1 - keep_current, gain=gain
        )
    threshold, reset_to = node.reals("v_threshold"), node.reals("v_reset", default=0.0)
    if dialect.v_reset is not None:
        reset_to = np.array(dialect.v_reset)
    reset = _reset(node, dialect, looped=looped)
    starts = {"zero": np.zeros(()), "v_reset": reset_to, "v_leak": reset_to if node.kind == "IF" else leak}
    zero = _zero(threshold, reset_to if node.kind == "IF" else leak) if reset in ("hard", "none") else np.zeros(())
    return FloatNeuron(
        threshold=threshold - zero,
        bias=decay * (leak - zero),
        gain=gain,
        decay_potential=decay,
        decay_current=1 - keep_current,
        inclusive=dialect.inclusive,
        reset_to=np.zeros(()) if reset == "pause" else reset_to - zero,
        reset_by=_subtracted(reset, threshold, decay),
        most=dialect.most,
        floor=_floor(dialect, threshold, zero),
        start=starts[dialect.start] - zero,
        refractory=int(reset == "pause"),
        overhang=reset == "settle",
    )


def shifted(node: Node) -> bool:
    """Tell whether potentials of a node that was read count from where it rests, as a threshold below zero needs."""
    return "v_threshold" in node.values and bool(np.any(node.reals("v_threshold") <= 0))


def _zero(threshold: Array, rest: Array) -> Array:
    """Return the potential that counts as zero: the file's, or that of rest where it alone lies below all thresholds.

    Models in millivolts rest at -65 and fire at -50. No spike depends on the zero: threshold, rest, reset, start and
    floor move together.
    """
    return rest if np.any(threshold <= 0) and np.all(rest < threshold) else np.zeros(())


def _rates(node: Node, dialect: Dialect) -> tuple[Array, Array, Array]:
    """Return decay of the potential, gain of the input, and what the current keeps."""
    if node.kind in ("CubaLIF", "CubaLI"):
        decay, forgotten = _decay(node, "tau_mem", dialect), _decay(node, "tau_syn", dialect)
        current = _gain(node, dialect.gain_current, ("w_in", "tau_syn"), forgotten, dialect)
        return decay, current * _gain(node, dialect.gain, ("r", "tau_mem"), decay, dialect), 1 - forgotten
    if node.kind in ("IF", "I"):
        decay = np.zeros(())
        gain = np.ones(()) if dialect.gain_if == "one" else snapped(node.reals("r") * dialect.dt)
    elif dialect.name == "snntorch" and snntorch_07(node):
        return 2 + 1 / node.reals("tau"), np.ones(()), np.zeros(())
    else:
        decay = _decay(node, "tau", dialect)
        word = dialect.gain_li if node.kind == "LI" and dialect.gain_li else dialect.gain
        gain = _gain(node, word, ("r", "tau"), decay, dialect)
    if dialect.tau_syn is None or node.kind in ("I", "LI"):
        return decay, gain, np.zeros(())
    kept = np.asarray(np.exp(-1 / np.float64(np.float32(dialect.tau_syn))))
    return decay, gain * kept, kept


def snntorch_07(node: Node) -> bool:
    """Tell whether snnTorch 0.7 wrote a LIF: r = tau = -1 / (1 + beta), which no other tool writes."""
    tau, rate = node.values.get("tau"), node.values.get("r")
    if node.kind != "LIF" or not isinstance(tau, np.ndarray) or not isinstance(rate, np.ndarray):
        return False
    return bool(np.all((tau >= -1) & (tau <= -0.5)) and np.array_equal(tau, rate))


def _decay(node: Node, tau: str, dialect: Dialect) -> Array:
    taus = node.reals(tau, POSITIVE, infinite=True)
    if dialect.exponential:
        kept: Array = np.exp(np.float32(-dialect.dt) * (np.float32(1) / taus.astype(np.float32))).astype(np.float64)
        return 1 - kept
    decay = snapped(dialect.dt / taus)
    if np.any(decay > 1):
        raise FormatError(
            f"{tau} is {np.min(taus):g}, shorter than a step of {dialect.dt:g}; give the dt that the file "
            "was made for: --dt, dt= in Python"
        )
    return decay


def _gain(node: Node, word: str, keys: tuple[str, str], decay: Array, dialect: Dialect) -> Array:
    """Return what one unit of input counts, see `GAINS`; ``keys`` are the names of the rate and of its time constant.

    The file's is ``r dt / tau``, for exponential decays ``r decay``, and one where both are infinite, as snnTorch
    writes what does not leak. A missing w_in is one.
    """
    if word != "file":
        return {"one": np.ones(()), "leak": decay, "kept": 1 - decay}[word]
    rate, tau = keys
    rates = node.reals(rate, default=1.0 if rate == "w_in" else None, infinite=True)
    taus = node.reals(tau, POSITIVE, infinite=True)
    infinite = np.isinf(rates) & np.isinf(taus)
    if not np.all(np.isfinite(rates) | infinite):
        raise FormatError(f"{rate} holds numbers that are not finite")
    finite = np.where(infinite, 1.0, rates)
    return snapped(np.where(infinite, 1.0, finite * decay if dialect.exponential else finite * dialect.dt / taus))


def _floor(dialect: Dialect, threshold: Array, zero: Array) -> Array | None:
    if dialect.floor is None:
        return None
    return (-threshold if isinstance(dialect.floor, str) else np.array(dialect.floor)) - zero


def _reset(node: Node, dialect: Dialect, *, looped: bool) -> str:
    """Return what a spike does to this neuron: only what has a current or a recurrent connection pauses."""
    if dialect.reset == "pause" and not (looped or node.kind == "CubaLIF"):
        return "hard"
    if dialect.name == "spyx" and dialect.reset == "late" and node.kind == "CubaLIF":
        return "subtract"
    return dialect.reset


def _subtracted(reset: str, threshold: Array, decay: Array) -> Array | None:
    if reset in ("hard", "pause"):
        return None
    if reset == "none":
        return np.zeros(())
    if reset in ("subtract", "settle"):
        return threshold
    if np.any(decay == 1):
        raise FormatError("a neuron that keeps nothing cannot subtract in the next step; use reset 'subtract'")
    shared: Array = threshold / (1 - decay)
    return shared


def snapped(value: Array) -> Array:
    """Return the next multiple of 1/4096 where float32 spoils the last digits of what was one.

    The tolerance is relative below one, so no small number becomes zero, and absolute above.
    """
    near = np.round(value * SNAP) / SNAP
    return np.where(np.abs(value - near) < SNAP_WITHIN * np.minimum(1, np.abs(near)), near, value)
