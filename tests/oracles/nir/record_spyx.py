"""Record networks of spyx: the .nir files of its own exporter and the spikes of its own simulation.

Usage: python record_spyx.py OUTDIR

A spike of spyx comes out a step after the potential crossed the threshold. `common` needs torch, too.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import jax.numpy as jnp
import nir
import numpy as np
import spyx.nn as snn
from common import CHANNELS, HIDDEN, IN, OUT, PLANES, SIDE, Draw, Recording, record
from flax import nnx
from spyx.nir import to_nir

KINDS = {"if": snn.IF, "lif": snn.LIF, "cuba": snn.CuBaLIF, "psu": snn.PSU_LIF}
RECURRENT = {"rif": snn.RIF, "rlif": snn.RLIF, "rcuba": snn.RCuBaLIF}


def main(outdir: Path) -> None:
    """Record every network."""
    for name, model in NETWORKS.items():
        record(outdir, f"spyx_{name}", lambda draw, name=name, model=model: build(draw, name, **model))


def build(draw: Draw, name: str, *, bias: bool = False, dt: float = 1) -> Recording:
    """Build, export and run one network."""
    kind = name.split("_")[1]
    is_conv = name.startswith("conv")
    layers = convnet(draw, kind) if is_conv else mlp(draw, name, kind, bias=bias)
    net = snn.Sequential(*layers)
    inputs = draw.inputs(*((PLANES, SIDE, SIDE) if is_conv else (IN,)))
    shape = np.array(inputs.shape[2:])
    graph = to_nir(net, {"input": shape}, {"output": np.array([OUT, 1, 1] if is_conv else [OUT])}, dt=dt)
    meta = {
        "framework": "spyx",
        "version": version("spyx"),
        "model": kind,
        "reset": "none" if kind == "psu" else "subtract",
        "dt": dt,
        "not_in_file": ["reset: subtract", "a spike comes out a step after the potential crossed the threshold"],
    }
    return Recording(graph=graph, inputs=inputs, layers=run(layers, inputs, graph), meta=meta)


def run(layers: list[nnx.Module], inputs: np.ndarray, graph: nir.NIRGraph) -> dict[str, np.ndarray]:
    """Feed one step after the other, (N, H, W, C) for images, and keep the spikes as (T, N, C, H, W)."""
    firing = {index: layer for index, layer in enumerate(layers) if hasattr(layer, "initial_state")}
    states = {index: layer.initial_state(inputs.shape[1]) for index, layer in firing.items()}
    seen: dict[str, list[np.ndarray]] = {node_name(index, graph): [] for index in firing}
    for x in inputs:
        values = jnp.asarray(x, dtype=jnp.float32)
        values = jnp.moveaxis(values, 1, -1) if values.ndim == 4 else values
        for index, layer in enumerate(layers):
            if index not in firing:
                values = layer(values)
                continue
            values, states[index] = layer(values, states[index])
            out = np.asarray(values)
            seen[node_name(index, graph)].append(np.moveaxis(out, -1, 1) if out.ndim == 4 else out)
    return {name: np.stack(steps) for name, steps in seen.items()}


def node_name(index: int, graph: nir.NIRGraph) -> str:
    """Return the name of the node that fires for a layer."""
    key = f"layer_{index}"
    if isinstance(graph.nodes.get(key), nir.NIRGraph):
        return f"{key}.{key}.lif"
    return f"{key}_threshold" if f"{key}_threshold" in graph.nodes else key


def mlp(draw: Draw, name: str, kind: str, *, bias: bool) -> list[nnx.Module]:
    """Return the layers of 20-32-10, the first recurrent for the recurrent kinds."""
    plain = kind[1:] if kind in RECURRENT else kind
    hidden = recurrent(draw, kind) if kind in RECURRENT else neuron(draw, name, plain, (HIDDEN,))
    return [
        linear(draw, IN, HIDDEN, bias=bias),
        hidden,
        linear(draw, HIDDEN, OUT, bias=bias),
        neuron(draw, name, plain, (OUT,)),
    ]


def convnet(draw: Draw, kind: str) -> list[nnx.Module]:
    """Return the layers of 2x6x6 -> 4 channels 3x3 -> 10 channels of 1x1: spyx flattens channels last."""
    return [
        conv(draw, PLANES, CHANNELS, 3, "SAME"),
        neuron(draw, "", kind, (SIDE, SIDE, CHANNELS)),
        conv(draw, CHANNELS, OUT, SIDE, "VALID"),
        neuron(draw, "", kind, (1, 1, OUT)),
    ]


def conv(draw: Draw, inputs: int, outputs: int, size: int, padding: str) -> nnx.Module:
    """Return a convolution with drawn weights; without a bias nir cannot write it."""
    layer = nnx.Conv(inputs, outputs, (size, size), padding=padding, rngs=nnx.Rngs(0))
    layer.kernel[...] = jnp.asarray(draw.weight(outputs, inputs, size, size).numpy().transpose(2, 3, 1, 0))
    layer.bias[...] = jnp.asarray(draw.bias(outputs).numpy())
    return layer


def linear(draw: Draw, inputs: int, outputs: int, *, bias: bool) -> nnx.Module:
    """Return a dense layer with drawn weights; spyx keeps them as (inputs, outputs)."""
    layer = nnx.Linear(inputs, outputs, use_bias=bias, rngs=nnx.Rngs(0))
    layer.kernel[...] = jnp.asarray(draw.weight(outputs, inputs).numpy().T)
    if bias:
        layer.bias[...] = jnp.asarray(draw.bias(outputs).numpy())
    return layer


def neuron(draw: Draw, name: str, kind: str, shape: tuple[int, ...]) -> nnx.Module:
    """Return one layer; 'vec' in the name gives each neuron its own decays."""
    threshold = draw.vector(0.5, 1.5).item()
    if kind == "if":
        return snn.IF(shape, threshold=threshold)
    decays = {"beta": decay(draw), **({"alpha": decay(draw)} if kind == "cuba" else {})}
    layer = KINDS[kind](shape, threshold=threshold, rngs=nnx.Rngs(0), **decays)
    if "vec" in name:
        layer.beta = nnx.Param(jnp.asarray((draw.choice([0.25, 0.5], *shape)).numpy()))
    return layer


def recurrent(draw: Draw, kind: str) -> nnx.Module:
    """Return 32 neurons that hear each other a step later."""
    decays = {"beta": decay(draw)} if kind != "rif" else {}
    decays |= {"alpha": decay(draw)} if kind == "rcuba" else {}
    layer = RECURRENT[kind]((HIDDEN,), threshold=draw.vector(0.5, 1.5).item(), rngs=nnx.Rngs(0), **decays)
    layer.recurrent_w[...] = jnp.asarray(draw.weight(HIDDEN, HIDDEN, spread=0.3, mean=0.0).numpy())
    return layer


def decay(draw: Draw) -> float:
    """Return what a neuron keeps in a step; a half on the grid."""
    return 0.5 if draw.grid else draw.vector(0.6, 0.95).item()


NETWORKS: dict[str, dict[str, object]] = {
    "mlp_if_float": {},
    "mlp_if_grid": {},
    "mlp_lif_float": {},
    "mlp_lif_grid": {},
    "mlp_lif_bias_grid_real": {"bias": True},
    "mlp_lif_vec_grid": {},
    "mlp_lif_millisecond_float": {"dt": 1e-3},
    "mlp_cuba_float": {},
    "mlp_cuba_grid": {},
    "mlp_psu_grid": {},
    "conv_if_grid": {},
    "conv_lif_float": {},
    "mlp_rif_grid": {},
    "mlp_rlif_grid": {},
    "mlp_rcuba_float": {},
}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
