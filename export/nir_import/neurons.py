"""NIR nodes with a state -> `FloatNeuron`, by the rules of a dialect.

Per step, with x the sum that arrives (parameters as in the file; a = dt / tau, or 1 - exp(-1 / tau))::

    IF       v = v + r dt x
    I        v = v + r dt x, never fires
    LIF, LI  v = v + a (v_leak - v + r x)
    CubaLIF  i = i + a_syn (w_in x - i);   v = v + a_mem (v_leak - v + r i)

Linear gains gather in ``gain``. A reset that subtracts in the next step, ``v' = k v + x - theta``, is one that
subtracts ``theta / k`` at once. SnnTorch with reset_delay=False ('settle') subtracts at once, yet still lowers the
comparison of the next step where the potential was left above the threshold.
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
    return FloatNeuron(
        threshold=threshold,
        bias=decay * leak,
        gain=gain,
        decay_potential=decay,
        decay_current=1 - keep_current,
        inclusive=dialect.inclusive,
        reset_to=np.zeros(()) if reset == "pause" else reset_to,
        reset_by=_subtracted(reset, threshold, decay),
        most=dialect.most,
        floor=None if dialect.floor is None else np.array(dialect.floor),
        start=starts[dialect.start],
        refractory=int(reset == "pause"),
        overhang=reset == "settle",
    )


def _rates(node: Node, dialect: Dialect) -> tuple[Array, Array, Array]:
    """Return decay of the potential, gain of the input, and what the current keeps."""
    forgets = np.zeros(())
    if node.kind in ("IF", "I"):
        return np.zeros(()), np.ones(()) if dialect.unit_gain else snapped(node.reals("r") * dialect.dt), forgets
    if node.kind in ("LIF", "LI"):
        decay = _decay(node, "tau", dialect)
        kept = forgets if dialect.tau_syn is None else np.exp(-1 / np.float64(np.float32(dialect.tau_syn)))
        gain = _gain(node, "r", "tau", decay, dialect)
        return decay, gain if dialect.tau_syn is None else gain * kept, np.asarray(kept)
    decay, forgotten = _decay(node, "tau_mem", dialect), _decay(node, "tau_syn", dialect)
    current = np.ones(()) if dialect.jump else _gain(node, "w_in", "tau_syn", forgotten, dialect)
    return decay, current * _gain(node, "r", "tau_mem", decay, dialect), 1 - forgotten


def _decay(node: Node, tau: str, dialect: Dialect) -> Array:
    taus = node.reals(tau, POSITIVE, infinite=True)
    if dialect.exponential:
        kept: Array = np.exp(-1 / taus.astype(np.float32)).astype(np.float64)
        return 1 - kept
    decay = snapped(dialect.dt / taus)
    if np.any(decay > 1):
        raise FormatError(
            f"{tau} is {np.min(taus):g}, shorter than a step of {dialect.dt:g}; give the dt that the file was made for"
        )
    return decay


def _gain(node: Node, rate: str, tau: str, decay: Array, dialect: Dialect) -> Array:
    """Return ``rate dt / tau``; one where both are infinite, as snnTorch writes what does not leak."""
    if dialect.exponential:
        return decay if dialect.normalized else np.ones(())
    rates, taus = node.reals(rate, infinite=True), node.reals(tau, POSITIVE, infinite=True)
    infinite = np.isinf(rates) & np.isinf(taus)
    if not np.all(np.isfinite(rates) | infinite):
        raise FormatError(f"{rate} holds numbers that are not finite")
    return snapped(np.where(infinite, 1.0, np.where(infinite, 1.0, rates) * dialect.dt / taus))


def _reset(node: Node, dialect: Dialect, *, looped: bool) -> str:
    """SnnTorch's synaptic and recurrent neurons lose the input of the step after a spike when they reset to zero."""
    if dialect.name == "snntorch" and dialect.reset == "hard" and (looped or node.kind == "CubaLIF"):
        return "pause"
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
