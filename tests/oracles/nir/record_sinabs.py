"""Record networks of sinabs: the .nir files of its own exporter and the spikes of its own simulation.

Usage: python record_sinabs.py OUTDIR
"""

import math
import sys
from collections import OrderedDict
from contextlib import redirect_stdout
from importlib.metadata import version
from io import StringIO
from pathlib import Path

import sinabs.layers as sl
import torch
from common import BATCH, IN, OUT, PLANES, SIDE, Draw, Recording, convnet, linear, mlp, record, run
from sinabs.activation import MaxSpike, MembraneReset, MultiSpike, SingleSpike
from sinabs.nir import to_nir

SPIKES = {"multi": MultiSpike, "single": SingleSpike, "two": MaxSpike(2)}
MOST = {"single": 1, "two": 2}
HALF = 1 / math.log(2)  # exp(-1 / tau) is a half


def main(outdir: Path) -> None:
    """Record every network."""
    release = version("sinabs")
    names = NETWORKS if release.startswith("3") else OLDER[release[:2]]
    for name in names:
        model = NETWORKS[name]
        record(outdir, f"sinabs_{name}", lambda draw, name=name, model=model: build(draw, name, **model))


def build(draw: Draw, name: str, *, model: str, bias: bool = False, **options: object) -> Recording:
    """Build, export and run one network."""

    def neuron(*shape: int) -> torch.nn.Module:
        return make_neuron(draw, name, shape, model=model, **options)

    is_conv = name.startswith("conv")
    pool = {"sumpool": sl.SumPool2d(2)}.get(name.split("_")[1])
    layers = convnet(draw, neuron, bias=bias, pool=pool) if is_conv else mlp(draw, neuron, bias=bias)
    layers |= readout(draw, norm_input="norm" in name) if "readout" in name else {}
    numbers = {str(i): module for i, module in enumerate(layers.values())}
    net = torch.nn.Sequential(OrderedDict(layers if is_conv else numbers))
    inputs = draw.inputs(*((PLANES, SIDE, SIDE) if is_conv else (IN,)))
    sample = torch.zeros(BATCH, *inputs.shape[2:])
    net(sample)  # the exporter reads the shapes of the states
    graph = to_nir(net, sample)
    if is_conv:
        with redirect_stdout(StringIO()):  # it prints its warnings
            graph.infer_types()  # the exporter leaves Conv2d.input_shape None, which nir.write cannot write
    watched = {key: module for key, module in net.named_children() if isinstance(module, sl.StatefulLayer)}
    facts = told(model, **options) | ({"norm_readout": 1.0} if "readout_norm" in name else {})
    for module in watched.values():
        module.reset_states()
    meta = {
        "framework": "sinabs",
        "version": version("sinabs"),
        "model": model,
        "reset": options.get("reset", "subtract"),
        "dt": None,
        "told": facts,
        "not_in_file": lost(model, **options),
    }
    silent = tuple(key for key, module in watched.items() if isinstance(module, sl.ExpLeakSqueeze))
    return Recording(graph=graph, inputs=inputs, layers=run(net, watched, inputs), meta=meta, readouts=silent)


def readout(draw: Draw, *, norm_input: bool) -> dict[str, torch.nn.Module]:
    """Return a dense layer of 4 neurons that leak and never fire."""
    leak = sl.ExpLeakSqueeze(batch_size=BATCH, tau_mem=torch.full((4,), HALF), norm_input=norm_input)
    return {"fc3": linear(draw, OUT, 4, bias=False), "leak": leak}


def make_neuron(
    draw: Draw,
    name: str,
    shape: tuple[int, ...],
    *,
    model: str,
    reset: str = "subtract",
    spikes: str = "multi",
    **options: object,
) -> torch.nn.Module:
    """Return one layer that takes a step of the batch at a time; 'vec' in the name gives each neuron its constants."""
    size = shape if "vec" in name else ()
    common = {
        "batch_size": BATCH,
        "spike_threshold": draw.vector(0.5, 1.5, *size),
        "spike_fn": SPIKES[spikes],
        **options,
    }
    if reset == "zero":
        common["reset_fn"] = MembraneReset()
    if model == "IAF":
        return sl.IAFSqueeze(**common)
    tau = draw.choice([HALF, HALF / 2] if size else [HALF], *size) if draw.grid else tau_of(draw, size)
    return sl.LIFSqueeze(tau_mem=tau, **common)


def tau_of(draw: Draw, size: tuple[int, ...]) -> torch.Tensor:
    """Return time constants of 2 to 12 steps."""
    return draw.vector(2, 12, *size)


def told(model: str, *, spikes: str = "multi", **options: object) -> dict[str, float]:
    """Return the numbers that a reader must be told, because the file does not hold them."""
    facts = {"most": MOST[spikes]} if spikes in MOST else {}
    facts |= {"floor": options["min_v_mem"]} if "min_v_mem" in options else {}
    facts |= {"tau_syn": options["tau_syn"]} if "tau_syn" in options else {}
    return facts | ({"norm_input": 1.0} if model == "LIF" and options.get("norm_input", True) else {})


def lost(model: str, **options: object) -> list[str]:
    """Say what the exporter does not write."""
    facts = ["reset: to zero" if options.get("reset") == "zero" else "reset: subtract"]
    facts += ["spikes: as many a step as thresholds fit"] if options.get("spikes", "multi") == "multi" else []
    return facts + [f"{key}: {value}" for key, value in told(model, **options).items()]


PLAIN = {"model": "LIF", "norm_input": False}
NETWORKS: dict[str, dict[str, object]] = {
    "mlp_iaf_float": {"model": "IAF", "bias": True},
    "mlp_iaf_grid": {"model": "IAF"},
    "mlp_iaf_grid_real": {"model": "IAF", "bias": True},
    "mlp_iaf_vec_float_real": {"model": "IAF"},
    "mlp_iaf_vec_grid": {"model": "IAF"},
    "mlp_iaf_floor_float": {"model": "IAF", "min_v_mem": -1.0},
    "mlp_iaf_floor_grid": {"model": "IAF", "min_v_mem": -0.5, "bias": True},
    "mlp_iaf_single_grid": {"model": "IAF", "spikes": "single"},
    "mlp_iaf_two_grid": {"model": "IAF", "spikes": "two"},
    "mlp_iaf_single_zero_grid": {"model": "IAF", "spikes": "single", "reset": "zero"},
    "mlp_iaf_zero_float": {"model": "IAF", "reset": "zero"},
    "mlp_lif_float": PLAIN,
    "mlp_lif_grid": PLAIN,
    "mlp_lif_grid_real": {"bias": True, **PLAIN},
    "mlp_lif_vec_float": {"bias": True, **PLAIN},
    "mlp_lif_vec_grid": PLAIN,
    "mlp_lif_norm_float": {"model": "LIF"},
    "mlp_lif_norm_grid_real": {"model": "LIF"},
    "mlp_lif_floor_float": {"min_v_mem": -0.25, **PLAIN},
    "mlp_lif_syn_float": {"tau_syn": 3.0, **PLAIN},
    "mlp_lif_single_zero_grid": {"spikes": "single", "reset": "zero", **PLAIN},
    "conv_iaf_float": {"model": "IAF", "bias": True},
    "conv_iaf_grid": {"model": "IAF"},
    "conv_sumpool_iaf_grid": {"model": "IAF"},
    "conv_sumpool_iaf_floor_grid": {"model": "IAF", "min_v_mem": -1.0, "bias": True},
    "conv_lif_vec_float": PLAIN,
    "conv_lif_vec_grid_real": PLAIN,
    "conv_sumpool_lif_vec_grid": PLAIN,
    "mlp_iaf_readout_grid": {"model": "IAF"},
    "mlp_lif_readout_grid": PLAIN,
    "mlp_iaf_readout_norm_grid": {"model": "IAF"},
}
SOME = ("mlp_iaf_grid", "mlp_iaf_single_grid", "mlp_lif_vec_float", "mlp_lif_norm_float", "conv_sumpool_iaf_grid")
OLDER = {
    "1.": (*SOME, "mlp_iaf_floor_float", "mlp_iaf_zero_float", "conv_lif_vec_float"),
    "2.": (*SOME, "mlp_iaf_vec_float_real", "mlp_lif_single_zero_grid", "mlp_lif_floor_float", "mlp_iaf_readout_grid"),
}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
