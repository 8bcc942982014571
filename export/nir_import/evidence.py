"""What a NIR file says of the framework that wrote it.

A rule is a function of `Facts`: whether the file is as its docstring says. An origin fits where all of its rules hold
(`spikeport.export.nir_import.origin`). The docstrings are what people read. The rules come from the exporters' source:
snnTorch 0.8 to 1.0, Norse 1.1 and its main branch, SpikingJelly 2.0, sinabs 1.2 to 3.1, rockpool 3.0, spyx 0.1 and 1.0,
and NIR's script for lava-dl. Names of nodes are no evidence: users and tracers choose them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import lambertw

from spikeport.export.network import Array
from spikeport.export.nir_import.dialect import PORTABLE_DT, PORTABLE_FACTOR, SNNTORCH_DT
from spikeport.export.nir_import.neurons import snntorch_07
from spikeport.export.nir_import.nodes import Graph, Node, in_node

WITHIN = 1e-5
"""Relative error of quotients of float32 numbers."""
READ = ("IF", "LIF", "CubaLIF", "I", "LI", "CubaLI")
USUAL_STEPS = (1e-4, 1e-3, 1e-2, 1.0)
"""Lengths of a step that people give SpikingJelly's exporter; the first is its default."""
LONGEST_TAU = 50
"""Steps of a time constant of SpikingJelly: its default is 2."""

Rule = Callable[["Facts"], bool]


@dataclass(frozen=True)
class Facts:
    """A graph's neurons, and their parameters as numbers."""

    graph: Graph

    @cached_property
    def neurons(self) -> list[tuple[str, Node]]:
        """Nodes with time constants or rates."""
        return [(name, node) for name, node in self.graph.nodes.items() if node.kind in READ]

    @cached_property
    def kinds(self) -> set[str]:
        """Types of all nodes."""
        return {node.kind for node in self.graph.nodes.values()}

    def values(self, key: str, *, default: float | None = None) -> Iterator[Array]:
        """Yield a parameter of every neuron that has it, or ``default``."""
        for name, node in self.neurons:
            if key in node.values or default is not None:
                yield in_node(name, node, lambda node=node: node.reals(key, default=default, infinite=True))  # type: ignore[misc]

    def all_equal(self, key: str, value: float, *, default: float | None = None) -> bool:
        """Tell whether a parameter is ``value`` wherever it stands."""
        return all(bool(np.all(found == value)) for found in self.values(key, default=default))

    @cached_property
    def rates(self) -> list[tuple[str, Array, Array]]:
        """Kind, time constant and rate of every pair: tau (tau_mem) and r, tau_syn and w_in; 1 and r of an `IF`."""
        found = []
        for name, node in self.neurons:
            if node.kind in ("IF", "I"):
                found.append((node.kind, np.ones(()), _rate(name, node, "r")))
            else:
                found.append(
                    (
                        node.kind,
                        _tau(name, node, "tau" if node.kind in ("LIF", "LI") else "tau_mem"),
                        _rate(name, node, "r"),
                    )
                )
            if node.kind in ("CubaLIF", "CubaLI"):
                found.append(("current", _tau(name, node, "tau_syn"), _rate(name, node, "w_in")))
        return found

    @cached_property
    def taus(self) -> Array:
        """All finite time constants in one vector."""
        found = [tau.ravel() for kind, tau, _ in self.rates if kind not in ("IF", "I")]
        joined = np.concatenate(found) if found else np.zeros(0)
        finite: Array = joined[np.isfinite(joined)]
        return finite

    def types(self, key: str) -> set[str]:
        """Return the types of numbers that a parameter of the neurons has in the file."""
        arrays = [node.values.get(key) for _, node in self.neurons]
        return {array.dtype.name for array in arrays if isinstance(array, np.ndarray)}

    @cached_property
    def weights(self) -> set[str]:
        """The types of numbers that weights have in the file."""
        arrays = [node.values.get("weight") for node in self.graph.nodes.values()]
        return {array.dtype.name for array in arrays if isinstance(array, np.ndarray)}


def _tau(name: str, node: Node, key: str) -> Array:
    return in_node(name, node, lambda: node.reals(key, infinite=True))


def _rate(name: str, node: Node, key: str) -> Array:
    return in_node(name, node, lambda: node.reals(key, default=1.0 if key == "w_in" else None, infinite=True))


def _close(left: Array, right: Array) -> bool:
    try:
        return bool(np.allclose(left, right, rtol=WITHIN, atol=0))
    except ValueError:
        return False


def tidy(dt: float) -> float:
    """Return a length of a step without the noise of float32."""
    return float(f"{dt:.5g}")


def is_usual(dt: float) -> bool:
    """Tell whether a length of a step is 1, 2 or 5 times a power of ten, as people give them."""
    if not np.isfinite(dt) or dt <= 0:
        return False
    digits = dt / 10.0 ** np.floor(np.log10(dt) + WITHIN)
    return any(abs(digits - each) <= 1e-4 * each for each in (1, 2, 5))


def one_step(found: list[float]) -> float | None:
    """Return the one length of a step that several numbers tell, if they agree."""
    agree = bool(found) and max(found) - min(found) <= 2 * WITHIN * max(found)
    return tidy(found[0]) if agree else None


# rules of several frameworks


def starts_at_zero(facts: Facts) -> bool:
    """v_leak is 0, and v_reset is 0 or missing."""
    return facts.all_equal("v_leak", 0) and facts.all_equal("v_reset", 0)


def unit_rates(facts: Facts) -> bool:
    """Both r and w_in are 1, or w_in is missing."""
    return facts.all_equal("r", 1) and facts.all_equal("w_in", 1)


def no_loops(facts: Facts) -> bool:
    """No neuron's spikes come back to it."""
    return not has_loop(facts.graph)


def has_loop(graph: Graph) -> bool:
    """Tell whether an edge leads back to its own node, or over one other node."""
    edges = set(graph.edges)
    return any((end, start) in edges for start, end in edges)


def fires(facts: Facts) -> bool:
    """A neuron fires and is reset."""
    return bool(facts.kinds & {"IF", "LIF", "CubaLIF"})


# snnTorch


def snntorch_kinds(facts: Facts) -> bool:
    """snnTorch writes LIF and CubaLIF neurons; of pooling it writes AvgPool2d alone."""  # noqa: D403
    stateful = {node.kind for _, node in facts.neurons}
    return bool(stateful) and stateful <= {"LIF", "CubaLIF"} and not facts.kinds & {"SumPool2d", "Threshold", "Scale"}


def snntorch_rates(facts: Facts) -> bool:
    """Rates r and w_in are tau / 1e-4, infinite where nothing leaks (snnTorch 0.7: r = tau, below 0)."""
    return (bool(facts.neurons) and all(snntorch_07(node) for _, node in facts.neurons)) or all(
        _close(tau, rate * SNNTORCH_DT) for _, tau, rate in facts.rates
    )


# Norse


def norse_kinds(facts: Facts) -> bool:
    """Norse writes IF, LIF, CubaLIF and LI neurons behind Affine and Conv2d; its main branch writes Linear, too."""
    kinds = facts.kinds - {"Input", "Output", "NIRGraph", "Affine", "Conv2d", "IF", "LIF", "CubaLIF", "LI"}
    return not kinds or (kinds <= {"Linear", "Flatten"} and facts.types("r") == {"float32"})


def norse_times(facts: Facts) -> bool:
    """Time constants are seconds times the exporter's dt, below 1."""
    return bool(np.all(facts.taus < 1))


# SpikingJelly


def spikingjelly_kinds(facts: Facts) -> bool:
    """SpikingJelly writes IF, LIF and CubaLIF neurons with a v_reset; it has neither SumPool2d nor a Scale."""
    stateful = {node.kind for _, node in facts.neurons}
    has_reset = all("v_reset" in node.values for _, node in facts.neurons)
    return stateful <= {"IF", "LIF", "CubaLIF"} and has_reset and not facts.kinds & {"SumPool2d", "Scale", "Threshold"}


def spikingjelly_types(facts: Facts) -> bool:
    """Parameters of neurons are 64-bit numbers, one for all neurons of a layer."""
    keys = ("v_threshold", "v_reset", "tau", "tau_mem", "tau_syn")
    alike = all(float(np.ptp(found)) == 0 for key in keys for found in facts.values(key) if np.all(np.isfinite(found)))
    return facts.types("v_threshold") == {"float64"} and alike


def spikingjelly_leak(facts: Facts) -> bool:
    """v_leak of a LIF is its v_reset."""
    lifs = [node for _, node in facts.neurons if node.kind == "LIF"]
    return all(_close(node.reals("v_leak", default=0.0), node.reals("v_reset", default=0.0)) for node in lifs)


def spikingjelly_rates(facts: Facts) -> bool:
    """One dt, 1, 2 or 5 times a power of ten, explains all rates: 1 / dt (IF), tau / dt, or 1 (LIF alone)."""
    return bool(spikingjelly_steps(facts))


def spikingjelly_steps(facts: Facts) -> list[float]:
    """Return the lengths of a step that fit SpikingJelly: the one that a rate tells, else the usual ones."""
    told = []
    for kind, tau, rate in facts.rates:
        if kind == "LIF" and np.all(rate == 1):
            continue
        if not np.all(np.isfinite(tau)) or not np.all(np.isfinite(rate)):
            return []
        told += (tau / rate).ravel().tolist() if np.all(rate > 0) else [np.nan]
    if told:
        dt = one_step(told)
        return [] if dt is None or not is_usual(dt) or np.any(facts.taus < dt * (1 - WITHIN)) else [dt]
    taus = facts.taus
    return [
        dt for dt in USUAL_STEPS if taus.size and dt <= taus.min() * (1 + WITHIN) and taus.max() <= LONGEST_TAU * dt
    ]


# sinabs


def sinabs_kinds(facts: Facts) -> bool:
    """sinabs writes IF, LIF and LI neurons, never CubaLIF; layers have a bias, never Linear; pooling is SumPool2d."""  # noqa: D403
    stateful = {node.kind for _, node in facts.neurons}
    return stateful <= {"IF", "LIF", "LI"} and not facts.kinds & {"Linear", "AvgPool2d", "Scale", "Threshold", "Delay"}


def sinabs_times(facts: Facts) -> bool:
    """Time constants count steps, so they are not far below 1."""
    return bool(np.all(facts.taus > 0.05))


# rockpool


def rockpool_kinds(facts: Facts) -> bool:
    """rockpool writes LIF, CubaLIF and LI neurons between Linear and Affine layers, without convolutions."""  # noqa: D403
    return not facts.kinds - {"Input", "Output", "NIRGraph", "Linear", "Affine", "LIF", "CubaLIF", "LI"}


def rockpool_rates(facts: Facts) -> bool:
    """Rates r are tau exp(-dt / tau) / dt, for one dt of 1, 2 or 5 times a power of ten; w_in is 1 or missing."""
    return facts.all_equal("w_in", 1) and rockpool_step(facts) is not None


def rockpool_step(facts: Facts) -> float | None:
    """Return dt: with x = dt / tau, x exp(x) = 1 / r."""
    found: list[float] = []
    for kind, tau, rate in facts.rates:
        if (
            kind in ("LIF", "LI", "CubaLIF")
            and np.all(np.isfinite(tau))
            and np.all(np.isfinite(rate))
            and np.all(rate > 0)
        ):
            inverse: Any = 1 / rate
            found += (tau * np.real(lambertw(inverse))).ravel().tolist()
    dt = one_step(found)
    return dt if dt is not None and is_usual(dt) else None


# spyx


def spyx_kinds(facts: Facts) -> bool:
    """spyx writes IF, LIF, CubaLIF and LI neurons; its pooling is SumPool2d."""  # noqa: D403
    stateful = {node.kind for _, node in facts.neurons}
    return stateful <= {"IF", "LIF", "CubaLIF", "LI"} and not facts.kinds & {"AvgPool2d", "Scale", "Delay"}


def spyx_rates(facts: Facts) -> bool:
    """Rates r are 1 - dt / tau, for one dt of 1, 2 or 5 times a power of ten, 1 in an IF; w_in is 1 or missing."""
    ifs = all(bool(np.all(rate == 1)) for kind, _, rate in facts.rates if kind == "IF")
    return ifs and facts.all_equal("w_in", 1) and spyx_step(facts) is not None


def spyx_step(facts: Facts) -> float | None:
    """Return dt = (1 - r) tau; 1, the exporter's default, where no neuron tells it."""
    pairs = [(tau, rate) for kind, tau, rate in facts.rates if kind in ("LIF", "CubaLIF")]
    if not pairs:
        return 1.0
    if not all(np.all(np.isfinite(tau)) and np.all((rate >= 0) & (rate < 1)) for tau, rate in pairs):
        return None
    found = [each for tau, rate in pairs for each in ((1 - rate) * tau).ravel().tolist()]
    spread = max(found) - min(found)
    dt = float(f"{float(np.median(found)):.3g}")
    return dt if spread <= 1e-4 * max(found) and is_usual(dt) else None


# lava-dl


def lava_dl_kinds(facts: Facts) -> bool:
    """NIR's script for lava-dl writes CubaLIF neurons with a v_reset, behind Linear, Affine and Conv2d layers."""
    stateful = {node.kind for _, node in facts.neurons}
    others = facts.kinds - {"Input", "Output", "Linear", "Affine", "Conv2d", "Flatten", "CubaLIF"}
    has_reset = all("v_reset" in node.values for _, node in facts.neurons)
    return stateful == {"CubaLIF"} and has_reset and not others


def lava_dl_rates(facts: Facts) -> bool:
    """Rates are tau_mem / 1e-4 and tau_syn / 1e-4, 64-bit numbers, one for all neurons of a layer."""
    alike = all(
        float(np.ptp(found)) == 0
        for key in ("tau_mem", "tau_syn")
        for found in facts.values(key)
        if np.all(np.isfinite(found))
    )
    return alike and facts.types("tau_mem") == {"float64"} and snntorch_rates(facts)


# spikeport's nir-portable


def portable_step(facts: Facts) -> float | None:
    """Return the step of a file of spikeport's nir-portable, whose neurons are LIFs with r = 1 and tau = 2^60 steps."""
    kinds, step = {node.kind for _, node in facts.neurons}, float(np.float32(PORTABLE_DT))
    alike = kinds == {"LIF"} and facts.all_equal("tau", step * PORTABLE_FACTOR) and facts.all_equal("r", 1)
    return step if alike else None


# written by hand


def hand_types(facts: Facts) -> bool:
    """No number of the file has 32 bits, as those of PyTorch and JAX have."""
    keys = ("r", "v_threshold", "tau", "tau_mem")
    return "float32" not in facts.weights.union(*(facts.types(key) for key in keys))


def steps_of_one(facts: Facts) -> bool:
    """Time constants of 1 and more count steps: dt is 1."""
    return bool(np.all(facts.taus >= 1))
