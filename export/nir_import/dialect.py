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
from spikeport.export.nir_import.nodes import Graph, Node, in_node
from spikeport.export.numbers import MOST_SPIKES, POSITIVE, REAL, real, whole

NEURONS = ("IF", "LIF", "CubaLIF")
RESETS = ("hard", "subtract", "late", "settle", "pause", "none")
STARTS = ("zero", "v_reset", "v_leak")
SNNTORCH_DT, NORSE_DT = 1e-4, 1e-3


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The rules of one framework.

    ``dt``: length of a step, in the file's unit of time. ``exponential``: decays are exp(-1 / tau) with tau in steps,
    else 1 - dt / tau. ``inclusive``: a neuron spikes at ``v == threshold``, too. ``reset``: what a spike does to the
    potential:

    - 'hard': sets it to v_reset (snnTorch: 'zero'; Norse, SpikingJelly, NIR).
    - 'subtract': takes the threshold off in the same step (sinabs, lava-dl).
    - 'late': takes it off in the next step, before the comparison (snnTorch: 'subtract' with reset_delay=True).
    - 'settle': takes it off in the same step; where the potential is still above the threshold, the comparison of the
      next step is lowered once more (snnTorch: 'subtract' with reset_delay=False).
    - 'pause': holds it at zero for the whole next step, whose input is lost (snnTorch's 'zero' with a synaptic current
      or recurrent connections).
    - 'none': leaves it as it is.

    ``most``: spikes of one neuron in one step (None: as many as thresholds fit, sinabs' multi-spike). ``floor``: the
    least potential (sinabs: min_v_mem). ``start``: the potential before the first step, 'zero', 'v_reset' or 'v_leak'.
    ``unit_gain``: r of an `IF` is not used. ``jump``: the input of a `CubaLIF` is added to its current with weight one.
    ``normalized``: the input of a `LIF` counts 1 - decay (sinabs: norm_input). ``v_reset`` replaces the file's.
    ``tau_syn``, in steps: a synaptic current, ``i = exp(-1 / tau_syn) (i + x)``, before a `LIF` that has none in the
    file.
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
        if self.start not in STARTS:
            raise FormatError(f"start is {self.start!r}; expected one of {', '.join(STARTS)}")
        real(self.dt, "dt", POSITIVE)
        for name, within in (("floor", REAL), ("v_reset", REAL), ("tau_syn", POSITIVE)):
            if getattr(self, name) is not None:
                real(getattr(self, name), name, within)
        if self.most is not None:
            whole(self.most, "most", MOST_SPIKES)


DIALECTS = {
    "nir": Dialect(name="nir", start="v_reset"),
    "spikeport": Dialect(name="spikeport"),
    "snntorch": Dialect(name="snntorch", dt=SNNTORCH_DT, reset="late"),
    "norse": Dialect(name="norse", dt=NORSE_DT, start="v_leak", unit_gain=True, jump=True),
    "spikingjelly": Dialect(name="spikingjelly", dt=1e-4, inclusive=True, start="v_reset"),
    "sinabs": Dialect(name="sinabs", exponential=True, inclusive=True, reset="subtract", most=None, unit_gain=True),
}


def dialect_of(graph: Graph, name: str = "auto", **changes: object) -> Dialect:
    """Return the dialect called ``name``, or the one whose rules the file's numbers fit; ``changes`` override it."""
    if name == "auto":
        dialect = guess(graph)
    elif name in DIALECTS:
        dialect = with_step(graph, DIALECTS[name])
    else:
        raise FormatError(f"no dialect {name!r}; there are auto, {', '.join(DIALECTS)}")
    given: dict[str, Any] = {key: value for key, value in changes.items() if value is not None}
    return replace(dialect, **given)


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
    neurons = _neurons(graph)
    inputs = [name for name, node in graph.nodes.items() if node.kind == "Input" and "." not in name]
    if "spikeport" in graph.metadata:
        return DIALECTS["spikeport"]
    if neurons and "input" not in inputs:
        return with_step(graph, DIALECTS["spikingjelly"])
    if neurons and all("v_reset" not in node.values for _, node in neurons):
        return DIALECTS["sinabs"]
    if neurons and all(_in_steps(*each, SNNTORCH_DT) for each in neurons):
        return DIALECTS["snntorch"]
    without_linear = all(node.kind != "Linear" for node in graph.nodes.values())
    if neurons and without_linear and all(bool(np.all(_rate(*each) == 1)) for each in neurons):
        return with_step(graph, DIALECTS["norse"])
    return DIALECTS["nir"]


def with_step(graph: Graph, dialect: Dialect) -> Dialect:
    """Return the dialect with the length of a step that the file's numbers tell, where they do.

    SpikingJelly writes 1 / dt as r of an `IF` and tau / dt otherwise, or r = 1, then dt is the power of ten below tau.
    Norse's default divides tau by dt twice: tau below 0.1 ms can only be that.
    """
    neurons = _neurons(graph)
    if dialect.name == "norse":
        taus = [float(np.max(_tau(name, node))) for name, node in neurons if node.kind != "IF"]
        short = bool(taus) and max(taus) < NORSE_DT / 10
        return replace(dialect, dt=NORSE_DT**2 if short else NORSE_DT)
    if dialect.name != "spikingjelly" or not neurons:
        return dialect
    name, node = neurons[0]
    rate = float(np.max(in_node(name, node, lambda: node.reals("r", POSITIVE))))
    if node.kind == "IF":
        return replace(dialect, dt=1 / rate)
    tau = float(np.max(_tau(name, node)))
    if not np.isfinite(tau):
        raise FormatError(
            f"node {name!r} ({node.kind}): tau is infinite and does not tell the length of a step; give dt"
        )
    return replace(dialect, dt=float(10.0 ** np.floor(np.log10(tau))) if rate == 1 else tau / rate)


def _neurons(graph: Graph) -> list[tuple[str, Node]]:
    return [(name, node) for name, node in graph.nodes.items() if node.kind in NEURONS]


def _tau(name: str, node: Node) -> Array:
    key = "tau" if "tau" in node.values else "tau_mem"
    return in_node(name, node, lambda: node.reals(key, POSITIVE, infinite=True))


def _rate(name: str, node: Node) -> Array:
    return in_node(name, node, lambda: node.reals("r", infinite=True))


def _in_steps(name: str, node: Node, dt: float) -> bool:
    """Tell whether r is tau in steps of ``dt``."""
    if node.kind == "IF":
        return False
    return bool(np.allclose(_tau(name, node), _rate(name, node) * dt, rtol=1e-5, atol=0))
