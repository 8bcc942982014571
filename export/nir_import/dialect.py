"""How a framework turns the numbers of a NIR file into steps.

NIR is in continuous time: it does not say the length of a step, whether ``v == threshold`` fires, how a reset
subtracts, or when. The rules were measured: each framework's own spikes come out of its files without a difference
(tests/oracles/nir).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spikeport.export.errors import FormatError
from spikeport.export.network import Array
from spikeport.export.nir_import.nodes import Graph, Node

NEURONS = ("IF", "LIF", "CubaLIF")
RESETS = ("hard", "subtract", "late", "settle", "pause", "none")
SNNTORCH_DT, NORSE_DT = 1e-4, 1e-3


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The rules of one framework; ``dt`` in the file's unit of time.

    ``exponential``: decays are exp(-1 / tau) with tau in steps, else 1 - dt / tau. ``inclusive``: ``v == threshold``
    fires. ``reset``: 'hard' to v_reset; 'subtract' the threshold at once; 'late' in the next step, before the
    comparison; 'settle': at once, but what is left above the threshold counts as late; 'pause': zero for the whole next
    step, whose input is lost; 'none'. ``most`` spikes a step (None: as many as thresholds fit). ``floor``: the
    potential never falls below. ``start``: 'zero', 'v_reset' or 'v_leak'. ``unit_gain``: r of an `IF` is ignored.
    ``jump``: the input of a `CubaLIF` reaches its current with weight one.
    ``normalized``: the input of a `LIF` counts 1 - decay. ``v_reset`` replaces the file's. ``tau_syn`` in steps: a
    synaptic current, ``i = exp(-1 / tau_syn) (i + x)``, before a `LIF` that has none in the file.
    """

    name: str
    dt: float = 1.0
    exponential: bool = False
    inclusive: bool = False
    reset: str = "hard"
    most: int | None = 1
    floor: float | None = None
    start: str = "zero"
    unit_gain: bool = False
    jump: bool = False
    normalized: bool = False
    v_reset: float | None = None
    tau_syn: float | None = None

    def __post_init__(self) -> None:
        if self.reset not in RESETS:
            raise FormatError(f"reset is {self.reset!r}; expected one of {', '.join(RESETS)}")
        if not self.dt > 0 or not np.isfinite(self.dt):
            raise FormatError(f"dt is {self.dt}; expected a positive number")


DIALECTS = {
    "nir": Dialect(name="nir", start="v_reset"),
    "spikeport": Dialect(name="spikeport"),
    "snntorch": Dialect(name="snntorch", dt=SNNTORCH_DT, reset="late"),
    "norse": Dialect(name="norse", dt=NORSE_DT, start="v_leak", unit_gain=True, jump=True),
    "spikingjelly": Dialect(name="spikingjelly", dt=1e-4, inclusive=True, start="v_reset"),
    "sinabs": Dialect(name="sinabs", exponential=True, inclusive=True, reset="subtract", most=None, unit_gain=True),
}


def dialect_of(graph: Graph, name: str = "auto", **changes: object) -> Dialect:
    """Return the dialect called ``name``, or the one that the file's numbers speak for; ``changes`` override it."""
    if name == "auto":
        found = guess(graph)
    elif name in DIALECTS:
        found = with_step(graph, DIALECTS[name])
    else:
        raise FormatError(f"no dialect {name!r}; there are auto, {', '.join(DIALECTS)}")
    given: dict[str, Any] = {key: value for key, value in changes.items() if value is not None}
    return replace(found, **given)


def guess(graph: Graph) -> Dialect:
    """Return the dialect of the framework that most likely wrote the file; the first rule that fits decides.

    1. spikeport's own metadata.
    2. The input node is not called 'input': SpikingJelly.
    3. No neuron has a v_reset: written by nir before 1.0.6, to which sinabs is pinned.
    4. r = tau / 1e-4 everywhere: snnTorch (both infinite where nothing leaks).
    5. No Linear layer, as each has a bias, and r = 1: Norse.
    6. Plain NIR, one step a unit of time.

    Files do not tell a reset by subtraction: sinabs and snnTorch are taken to do it, as they do by default.
    """
    neurons = [node for node in graph.nodes.values() if node.kind in NEURONS]
    inputs = [name for name, node in graph.nodes.items() if node.kind == "Input" and "." not in name]
    if "spikeport" in graph.metadata:
        return DIALECTS["spikeport"]
    if neurons and "input" not in inputs:
        return with_step(graph, DIALECTS["spikingjelly"])
    if neurons and all("v_reset" not in node.values for node in neurons):
        return DIALECTS["sinabs"]
    if neurons and all(_in_steps(node, SNNTORCH_DT) for node in neurons):
        return DIALECTS["snntorch"]
    if neurons and all(node.kind != "Linear" for node in graph.nodes.values()) and all(map(_unit, neurons)):
        return with_step(graph, DIALECTS["norse"])
    return DIALECTS["nir"]


def with_step(graph: Graph, dialect: Dialect) -> Dialect:
    """Return the dialect with the length of a step that the file's numbers tell, where they do.

    SpikingJelly writes 1 / dt as r of an `IF` and tau / dt otherwise, or r = 1, then dt is the power of ten below tau.
    Norse's default divides tau by dt twice: tau below 0.1 ms can only be that.
    """
    neurons = [node for node in graph.nodes.values() if node.kind in NEURONS]
    taus = [np.max(_tau(node)) for node in neurons if node.kind != "IF"]
    if dialect.name == "norse" and taus:
        return replace(dialect, dt=NORSE_DT**2 if max(taus) < NORSE_DT / 10 else NORSE_DT)
    if dialect.name != "spikingjelly" or not neurons:
        return dialect
    rate = float(np.max(neurons[0].array("r")))
    if neurons[0].kind == "IF":
        return replace(dialect, dt=1 / rate)
    tau = float(np.max(_tau(neurons[0])))
    return replace(dialect, dt=float(10.0 ** np.floor(np.log10(tau))) if rate == 1 else tau / rate)


def _tau(node: Node) -> Array:
    return node.array("tau" if "tau" in node.values else "tau_mem")


def _unit(node: Node) -> bool:
    return bool(np.all(node.array("r") == 1))


def _in_steps(node: Node, dt: float) -> bool:
    """Tell whether r is tau in steps of ``dt``."""
    if node.kind == "IF":
        return False
    tau, rate = _tau(node), node.array("r")
    return bool(np.allclose(tau, rate * dt, rtol=1e-5, atol=0))
