"""Record networks of SpikingJelly: the .nir files of its own exporter and the spikes of its own simulation.

Usage: python record_spikingjelly.py OUTDIR

0.0.0.0.14 has no exporter; that of the repository's 0.0.0.0.15 needs nir 1.0.6 or 1.0.7, and knows no CUBALIF.
"""

import sys
from collections import OrderedDict
from importlib.metadata import version
from pathlib import Path

import torch
from common import BATCH, IN, PLANES, SIDE, STEPS, Draw, Recording, convnet, mlp, record, run
from loguru import logger
from spikingjelly.activation_based import functional, layer, neuron
from spikingjelly.activation_based.nir_exchange.to_nir import export_to_nir


def main(outdir: Path) -> None:
    """Record every network."""
    logger.remove()
    release = version("spikingjelly")
    names = NETWORKS if release >= "2" else OLDER
    for name in names:
        model = NETWORKS[name]
        record(outdir, f"spikingjelly_{name}", lambda draw, name=name, model=model: build(draw, name, **model))
    if names is OLDER:
        return
    conv = NETWORKS["conv_lif_grid"]
    record(outdir, "spikingjelly_gzip_conv_lif_grid", lambda draw: build(draw, "conv", **conv), compression="gzip")


def build(
    draw: Draw, name: str, *, model: str, dt: float | None = None, bias: bool = False, **options: object
) -> Recording:
    """Build, export and run one network; ``dt`` None leaves the exporter's default of 1e-4."""

    def cell(*_shape: int) -> torch.nn.Module:
        return make_neuron(draw, model, **options)

    is_conv = name.startswith("conv")
    pool = torch.nn.AvgPool2d(2) if "pool" in name else None
    layers = convnet(draw, cell, bias=bias, pool=pool) if is_conv else mlp(draw, cell, bias=bias)
    numbers = {str(i): module for i, module in enumerate(layers.values())}
    net = torch.nn.Sequential(OrderedDict(layers if is_conv else numbers))
    inputs = draw.inputs(*((PLANES, SIDE, SIDE) if is_conv else (IN,)))
    given = {} if dt is None else {"dt": dt}
    graph = export_to_nir(many_steps(net, name), sample(inputs, name), **given)
    functional.set_step_mode(net, "s")
    functional.reset_net(net)
    watched = {f"_{k}" if k.isdigit() else k: m for k, m in net.named_children() if isinstance(m, neuron.BaseNode)}
    meta = {
        "framework": "spikingjelly",
        "version": version("spikingjelly"),
        "model": model,
        "reset": "v_reset",
        "dt": 1e-4 if dt is None else dt,
        "options": options,
        "not_in_file": [],
    }
    return Recording(graph=graph, inputs=inputs, layers=run(net, watched, inputs), meta=meta)


def many_steps(net: torch.nn.Sequential, name: str) -> torch.nn.Sequential:
    """Return the network, or for '..._multistep' the same with SpikingJelly's own layers over (T, N, ...)."""
    if "multistep" not in name:
        return net
    twins = OrderedDict((key, twin(module)) for key, module in net.named_children())
    return torch.nn.Sequential(twins)


def twin(module: torch.nn.Module) -> torch.nn.Module:
    """Return SpikingJelly's multi-step form of a layer, with the same weights."""
    if isinstance(module, torch.nn.Linear):
        other = layer.Linear(module.in_features, module.out_features, bias=module.bias is not None, step_mode="m")
        other.load_state_dict(module.state_dict())
        return other
    module.step_mode = "m"
    return module


def sample(inputs: object, name: str) -> torch.Tensor:
    """Return zeros in the form the exported network takes."""
    lead = (STEPS, BATCH) if "multistep" in name else (1,)
    return torch.zeros(*lead, *inputs.shape[2:])


def make_neuron(draw: Draw, model: str, *, v_reset: float = 0.0, decay_input: bool = True) -> torch.nn.Module:
    """Return one layer; a layer has one threshold and one time constant, the exporter writes them out per neuron."""
    common = {"v_threshold": draw.vector(0.5, 1.5).item(), "v_reset": v_reset}
    if model == "IF":
        return neuron.IFNode(**common)
    if model == "CUBALIF":
        decays = {"c_decay": 0.5, "v_decay": 0.5} if draw.grid else {"c_decay": 0.37, "v_decay": 0.81}
        return neuron.CUBALIFNode(**decays, **common)
    tau = 2.0 if draw.grid else draw.vector(1.5, 5.0).item()
    cls = neuron.ParametricLIFNode if model == "PLIF" else neuron.LIFNode
    key = "init_tau" if model == "PLIF" else "tau"
    return cls(**{key: tau}, decay_input=decay_input, **common)


NETWORKS: dict[str, dict[str, object]] = {
    "mlp_if_float": {"model": "IF", "bias": True},
    "mlp_if_grid": {"model": "IF"},
    "mlp_if_vreset_grid_real": {"model": "IF", "v_reset": -0.25},
    "mlp_if_millisecond_grid": {"model": "IF", "dt": 1e-3},
    "mlp_lif_float": {"model": "LIF", "bias": True},
    "mlp_lif_grid": {"model": "LIF"},
    "mlp_lif_vreset_grid": {"model": "LIF", "v_reset": 0.25, "bias": True},
    "mlp_lif_multistep_grid": {"model": "LIF"},
    "mlp_lif_unit_float": {"model": "LIF", "dt": 1.0},
    "mlp_lif_nodecay_float_real": {"model": "LIF", "decay_input": False, "bias": True},
    "mlp_lif_nodecay_grid": {"model": "LIF", "decay_input": False},
    "mlp_lif_nodecay_vreset_grid_real": {"model": "LIF", "decay_input": False, "v_reset": -0.5},
    "mlp_plif_float": {"model": "PLIF"},
    "mlp_plif_grid": {"model": "PLIF", "bias": True},
    "mlp_cuba_float": {"model": "CUBALIF", "bias": True},
    "mlp_cuba_grid": {"model": "CUBALIF"},
    "mlp_cuba_vreset_grid_real": {"model": "CUBALIF", "v_reset": -0.25},
    "mlp_cuba_millisecond_float": {"model": "CUBALIF", "dt": 1e-3},
    "conv_if_grid": {"model": "IF"},
    "conv_if_float": {"model": "IF", "bias": True},
    "conv_avgpool_if_grid": {"model": "IF"},
    "conv_lif_grid": {"model": "LIF", "bias": True},
    "conv_avgpool_lif_nodecay_grid": {"model": "LIF", "decay_input": False},
    "conv_cuba_grid_real": {"model": "CUBALIF"},
}

OLDER = (
    "mlp_if_float", "mlp_if_vreset_grid_real", "mlp_lif_float", "mlp_lif_multistep_grid", "mlp_lif_nodecay_grid",
    "mlp_plif_float", "conv_if_grid", "conv_avgpool_lif_nodecay_grid",
)  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
