"""Record networks of rockpool: the .nir files of its own exporter and the spikes of its own simulation.

Usage: python record_rockpool.py OUTDIR
"""

import math
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from common import HIDDEN, IN, OUT, Draw, Recording, record
from rockpool.nn.combinators import Sequential
from rockpool.nn.modules import ExpSynTorch, LIFNeuronTorch, LIFTorch, LinearTorch
from rockpool.nn.modules.torch.nir import to_nir
from rockpool.parameters import Constant

FIRING = (LIFTorch, LIFNeuronTorch)


def main(outdir: Path) -> None:
    """Record every network."""
    for name, model in NETWORKS.items():
        record(outdir, f"rockpool_{name}", lambda draw, name=name, model=model: build(draw, name, **model))


def build(
    draw: Draw, name: str, *, model: type, dt: float = 1e-3, bias: bool = False, most: int | None = None
) -> Recording:
    """Build, export and run one network."""
    hidden, last = (neuron(draw, name, size, model=model, dt=dt, most=most) for size in (HIDDEN, OUT))
    layers = [linear(draw, IN, HIDDEN, bias=bias), hidden, linear(draw, HIDDEN, OUT, bias=bias), last]
    if "readout" in name:
        layers += [linear(draw, OUT, 4, bias=False), ExpSynTorch(4, tau=Constant(half(dt)), dt=dt)]
    net = Sequential(*layers)
    inputs = draw.inputs(IN)
    graph = to_nir(net)
    net.reset_state()
    with torch.no_grad():
        _, _, records = net(torch.tensor(inputs, dtype=torch.float32).swapaxes(0, 1), record=True)
    names = [f"{index}_{type(layer).__name__}" for index, layer in enumerate(layers)]
    kept = {key: records[f"{key}_output"] for key in names if "Linear" not in key}
    meta = {
        "framework": "rockpool",
        "version": version("rockpool"),
        "model": model.__name__,
        "reset": "subtract",
        "dt": dt,
        "told": {"most": most} if most else {},
        "not_in_file": ["reset: subtract", f"max_spikes_per_dt: {most}"],
    }
    spikes = {key: np.array(values.swapaxes(0, 1)) for key, values in kept.items()}
    return Recording(
        graph=graph, inputs=inputs, layers=spikes, meta=meta, readouts=tuple(k for k in kept if "ExpSyn" in k)
    )


def linear(draw: Draw, inputs: int, outputs: int, *, bias: bool) -> torch.nn.Module:
    """Return a dense layer with drawn weights; rockpool keeps them as (inputs, outputs)."""
    layer = LinearTorch((inputs, outputs), has_bias=bias)
    layer.weight.data = draw.weight(outputs, inputs).T.contiguous()
    if bias:
        layer.bias.data = draw.bias(outputs)
    return layer


def half(dt: float) -> torch.Tensor:
    """Return the time constant after which a half is left of a step's input."""
    return torch.tensor(dt / math.log(2))


def neuron(draw: Draw, name: str, size: int, *, model: type, dt: float, most: int | None) -> torch.nn.Module:
    """Return one layer; 'vec' in the name gives each neuron its own constants."""
    shape = (size,) if "vec" in name else ()

    def tau() -> torch.Tensor:
        return half(dt) * draw.choice([1.0, 0.5], *shape) if draw.grid else dt * draw.vector(2, 12, *shape)

    options = {"tau_mem": tau(), "threshold": draw.vector(0.5, 1.5, *shape), "dt": dt, "bias": Constant(0.0)}
    if most is not None:
        options["max_spikes_per_dt"] = torch.tensor(float(most))
    if model is LIFTorch:
        options["tau_syn"] = tau()
    return model(size, **options)


NETWORKS: dict[str, dict[str, object]] = {
    "mlp_lif_float": {"model": LIFTorch},
    "mlp_lif_grid": {"model": LIFTorch, "bias": True},
    "mlp_lif_vec_float_real": {"model": LIFTorch, "bias": True},
    "mlp_lif_vec_grid": {"model": LIFTorch},
    "mlp_lif_slow_float": {"model": LIFTorch, "dt": 1e-2},
    "mlp_lif_single_float": {"model": LIFTorch, "most": 1},
    "mlp_lifneuron_float": {"model": LIFNeuronTorch, "bias": True},
    "mlp_lifneuron_grid_real": {"model": LIFNeuronTorch},
    "mlp_lifneuron_vec_float": {"model": LIFNeuronTorch},
    "mlp_lifneuron_single_grid": {"model": LIFNeuronTorch, "most": 1},
    "mlp_lifneuron_readout_grid": {"model": LIFNeuronTorch},
}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
