"""Record networks of SC-NeuroCore: the .nir files of its own exporter and the spikes of its own simulation.

Usage: python record_sc_neurocore.py OUTDIR

Its networks come from NIR graphs (`from_nir`), so a graph is built here, imported, run, and exported again (`to_nir`).
dt and reset_mode are arguments of the import and in no file.
"""

import sys
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import nir
import numpy as np
from common import HIDDEN, IN, OUT, Draw, Recording, record
from sc_neurocore.nir_bridge import from_nir, to_nir


def main(outdir: Path) -> None:
    """Record every network."""
    for name, model in NETWORKS.items():
        record(outdir, f"sc-neurocore_{name}", lambda draw, name=name, model=model: build(draw, name, **model))


def build(
    draw: Draw, name: str, *, dt: float = 1.0, reset: str = "zero", bias: bool = False, **extra: float
) -> Recording:
    """Build, import, run and export one network."""
    kind = name.split("_")[1]
    nodes = {
        "input": nir.Input({"input": np.array([IN])}),
        "fc1": linear(draw, IN, HIDDEN, bias=bias),
        "lif1": neuron(draw, kind, HIDDEN, dt=dt, **extra),
        "fc2": linear(draw, HIDDEN, OUT, bias=bias),
        "lif2": neuron(draw, kind, OUT, dt=dt, **extra),
    }
    if "readout" in name:
        ones = np.ones(4)
        nodes |= {"fc3": linear(draw, OUT, 4, bias=False), "li": nir.LI(tau=2 * dt * ones, r=ones, v_leak=0 * ones)}
    nodes["output"] = nir.Output({"output": np.array([4 if "readout" in name else OUT])})
    names = list(nodes)
    graph = nir.NIRGraph(nodes, list(pairwise(names)))
    inputs = draw.inputs(IN)
    network = from_nir(graph, dt=dt, reset_mode="subtract" if reset == "subtract" else "reset")
    watched = [key for key in names if key.startswith("li")]
    meta = {
        "framework": "sc-neurocore",
        "version": version("sc-neurocore"),
        "model": kind,
        "reset": reset,
        "dt": dt,
        "not_in_file": [f"dt: {dt}", f"reset_mode: {reset}"],
    }
    layers = run(network, watched, inputs)
    return Recording(
        graph=to_nir(network), inputs=inputs, layers=layers, meta=meta, readouts=tuple(k for k in watched if k == "li")
    )


def run(network: object, watched: list[str], inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Feed every sample, one step after the other, and keep what each watched node puts out."""
    seen: dict[str, np.ndarray] = {}
    for sample in range(inputs.shape[1]):
        network.reset()
        for step, x in enumerate(inputs[:, sample]):
            values = follow(network, x.astype(np.float64), watched)
            for key, value in values.items():
                shape = (*inputs.shape[:2], value.size)
                seen.setdefault(key, np.zeros(shape))[step, sample] = value
    return seen


def follow(network: object, x: np.ndarray, watched: list[str]) -> dict[str, np.ndarray]:
    """Run one step with the network's own `step`; its nodes are wrapped to keep their outputs."""
    seen: dict[str, np.ndarray] = {}
    for key in watched:
        node = network.nodes[key]
        forward = type(node).forward

        def keep(value: np.ndarray, key: str = key, node: object = node, forward: object = forward) -> np.ndarray:
            seen[key] = np.array(forward(node, value))
            return seen[key]

        node.forward = keep
    network.step({"input": x})
    for key in watched:
        del network.nodes[key].forward
    return seen


def linear(draw: Draw, inputs: int, outputs: int, *, bias: bool) -> nir.NIRNode:
    """Return a dense node with drawn weights."""
    weight = draw.weight(outputs, inputs).numpy().astype(np.float64)
    return nir.Affine(weight, draw.bias(outputs).numpy().astype(np.float64)) if bias else nir.Linear(weight)


def neuron(draw: Draw, kind: str, size: int, *, dt: float, v_leak: float = 0.0, v_reset: float = 0.0) -> nir.NIRNode:
    """Return one layer with a constant of its own for each neuron, tau of 2 to 8 steps."""
    threshold = draw.vector(0.5, 1.5, size).numpy().astype(np.float64)
    leak, reset, ones = np.full(size, v_leak), np.full(size, v_reset), np.ones(size)

    def tau() -> np.ndarray:
        steps = draw.choice([2.0, 4.0], size) if draw.grid else draw.vector(2, 8, size)
        return steps.numpy().astype(np.float64) * dt

    if kind == "if":
        return nir.IF(r=ones / dt, v_threshold=threshold, v_reset=reset)
    if kind == "lif":
        return nir.LIF(tau=tau(), r=2 * ones, v_leak=leak, v_threshold=threshold, v_reset=reset)
    return nir.CubaLIF(
        tau_mem=tau(), tau_syn=tau(), r=2 * ones, w_in=2 * ones, v_leak=leak, v_threshold=threshold, v_reset=reset
    )


NETWORKS: dict[str, dict[str, object]] = {
    "mlp_if_grid": {"bias": True},
    "mlp_if_sub_grid_real": {"reset": "subtract"},
    "mlp_lif_float": {"bias": True},
    "mlp_lif_grid": {"v_reset": -0.25},
    "mlp_lif_sub_float": {"reset": "subtract"},
    "mlp_lif_leak_grid": {"v_leak": -0.25},
    "mlp_lif_millisecond_float": {"dt": 1e-3, "bias": True},
    "mlp_lif_readout_grid": {},
    "mlp_cuba_float": {},
    "mlp_cuba_grid": {"bias": True},
}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
