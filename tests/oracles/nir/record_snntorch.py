"""Record networks of snnTorch: the .nir files of its own exporter and the spikes of its own simulation.

Usage: python record_snntorch.py OUTDIR

Until 0.9.1 the exporter knew Linear, Leaky, Synaptic and RSynaptic only and wrote scalars as scalars; 0.7 had
`snntorch.export`, which knew Linear and Leaky; 1.0.0 infers the shapes of convolutions by itself.
"""

import sys
from collections import OrderedDict
from importlib.metadata import version
from pathlib import Path

import snntorch as snn
import torch
from common import IN, PLANES, SIDE, Draw, Recording, convnet, fill, mlp, record, run

try:
    from snntorch.export_nir import export_to_nir
except ImportError:
    from snntorch.export import to_nir as export_to_nir

VERSION = version("snntorch")

RECURRENT = (snn.RLeaky, snn.RSynaptic)
NEURONS = (snn.Leaky, snn.Synaptic, *RECURRENT)
TRUTH = {"subtract": "subtract, a step late", "zero": "zero for the whole next step, input dropped", "none": "none"}


def main(outdir: Path) -> None:
    """Record every network."""
    for name, model in networks(VERSION).items():
        record(outdir, f"snntorch_{name}", lambda draw, name=name, model=model: build(draw, name, **model))
    if VERSION != "1.0.0":
        return
    gzip = NETWORKS["mlp_leaky_vec_sub_grid"]
    record(outdir, "snntorch_gzip_leaky_vec_sub_grid", lambda draw: build(draw, "mlp", **gzip), compression="gzip")


def build(
    draw: Draw,
    name: str,
    *,
    model: str = "Leaky",
    reset: str = "zero",
    vector: bool = False,
    scalar: bool = False,
    bias: bool = False,
    recurrent: str = "",
    **options: object,
) -> Recording:
    """Build, export and run one network of ``model`` neurons."""

    def neuron(*shape: int) -> torch.nn.Module:
        written = () if scalar else shape
        return make_neuron(draw, model, written, vector=vector, reset_mechanism=reset, **options)

    def hidden(size: int) -> torch.nn.Module:
        return make_recurrent(draw, model, size, kind=recurrent, reset_mechanism=reset)

    is_conv = name.startswith("conv")
    pool = torch.nn.AvgPool2d(2) if "pool" in name else None
    if is_conv:
        layers = convnet(draw, neuron, bias=bias, pool=pool)
    else:
        layers = mlp(draw, neuron, bias=bias, hidden=hidden if recurrent else None)
    net = torch.nn.Sequential(OrderedDict(layers) if is_conv else OrderedDict(numbered(layers)))
    inputs = draw.inputs(*((PLANES, SIDE, SIDE) if is_conv else (IN,)))
    given = {"ignore_dims": [0]} if VERSION >= "0.8" else {}  # 1.0.0 refuses without
    lead = (1,) if given else ()
    graph = export_to_nir(net, torch.zeros(*lead, *inputs.shape[2:]), **given)
    if is_conv and VERSION < "1":
        graph.infer_types()  # the exporter leaves Conv2d.input_shape None, which nir.write cannot write
    watched = {node_name(key, m): m for key, m in net.named_children() if isinstance(m, NEURONS)}
    for module in watched.values():
        rest(module)
    meta = {
        "framework": "snntorch",
        "version": VERSION,
        "model": ("R" if recurrent else "") + model,
        "reset": reset,
        "dt": 1e-4,
        "recurrent": recurrent,
        "reset_delay": bool(options.get("reset_delay", True)),
        "not_in_file": lost("Leaky" if model == "Leaky" and not recurrent else "other", reset, **options),
    }
    return Recording(graph=graph, inputs=inputs, layers=run(net, watched, inputs), meta=meta)


def rest(module: torch.nn.Module) -> None:
    """Set the state to what it was before the exporter's trial run."""
    if hasattr(module, "reset_mem"):
        module.reset_mem()
    else:
        module.mem = module.init_leaky()


def make_neuron(
    draw: Draw, model: str, shape: tuple[int, ...], *, vector: bool, beta: float | None = None, **options: object
) -> torch.nn.Module:
    """Return one feed-forward layer; on the grid the decays are dyadic, so that potentials stay on a finer grid.

    From 0.9.4 on the exporter refuses scalars ("type mismatch"), so equal values are written out as one per neuron.
    """
    size = shape if vector else ()
    decays = [0.25, 0.5, 0.75] if vector else [0.5]
    decay = draw.choice(decays, *size) if draw.grid else draw.vector(0.6, 0.95, *size)
    decay = decay if beta is None else torch.tensor(float(beta))
    threshold = draw.vector(0.5, 1.5, *size)
    common = {"beta": decay.expand(shape), "threshold": threshold.expand(shape), "init_hidden": True, **options}
    if model == "Synaptic":
        alpha = draw.choice(decays, *size) if draw.grid else draw.vector(0.3, 0.8, *size)
        return snn.Synaptic(alpha=alpha.expand(shape), **common)
    return snn.Leaky(**common)


def make_recurrent(draw: Draw, model: str, size: int, *, kind: str, reset_mechanism: str) -> torch.nn.Module:
    """Return one layer whose spikes come back a step later: dense with bias, or each neuron to itself."""
    options = {"beta": 0.5 if draw.grid else 0.83, "init_hidden": True, "reset_mechanism": reset_mechanism}
    if model == "Synaptic":
        options["alpha"] = 0.5 if draw.grid else 0.61
    cls = snn.RSynaptic if model == "Synaptic" else snn.RLeaky
    if kind == "own":
        return cls(all_to_all=False, V=draw.vector(-1, 1, size), learn_recurrent=True, **options)
    layer = cls(linear_features=size, **options)
    fill(layer.recurrent, draw)
    return layer


def numbered(layers: dict[str, torch.nn.Module]) -> dict[str, torch.nn.Module]:
    """Name the layers as a plain torch.nn.Sequential does."""
    return {str(i): layer for i, layer in enumerate(layers.values())}


def node_name(key: str, module: torch.nn.Module) -> str:
    """Return the node's name in the file: the exporter flattens the graph of a recurrent layer."""
    return f"{key}.lif" if isinstance(module, RECURRENT) else key


def lost(model: str, reset: str, **options: object) -> list[str]:
    """Say what the exporter does not write: all but Leaky's reset to zero, which is what v_reset = 0 says."""
    facts = [] if (model, reset) == ("Leaky", "zero") else [f"reset: {TRUTH[reset]}"]
    return facts + [f"{key}: {value}" for key, value in options.items() if key != "beta"]


SUB = {"reset": "subtract"}
SYN = {"model": "Synaptic"}
NETWORKS: dict[str, dict[str, object]] = {
    "mlp_leaky_zero_float": {"bias": True},
    "mlp_leaky_zero_grid": {"bias": True},
    "mlp_leaky_sub_float": {"bias": True, **SUB},
    "mlp_leaky_sub_grid": SUB,
    "mlp_leaky_sub_grid_real": SUB,
    "mlp_leaky_none_float": {"reset": "none"},
    "mlp_leaky_vec_zero_float_real": {"vector": True, "bias": True},
    "mlp_leaky_vec_sub_grid": {"vector": True, **SUB},
    "mlp_leaky_nodelay_sub_grid": {"reset_delay": False, **SUB},
    "mlp_leaky_nodelay_zero_grid": {"reset_delay": False},
    "mlp_if_zero_grid": {"beta": 1.0},
    "mlp_if_sub_grid": {"beta": 1.0, **SUB},
    "mlp_if_vec_zero_float_real": {"beta": 1.0, "vector": True},
    "mlp_synaptic_zero_float": SYN,
    "mlp_synaptic_zero_grid": {"bias": True, **SYN},
    "mlp_synaptic_sub_float_real": {**SYN, **SUB},
    "mlp_synaptic_vec_sub_grid": {"vector": True, **SYN, **SUB},
    "conv_leaky_zero_float": {"bias": True},
    "conv_leaky_sub_grid": SUB,
    "conv_leaky_vec_zero_grid_real": {"vector": True},
    "conv_avgpool_leaky_sub_grid": SUB,
    "conv_synaptic_zero_grid": SYN,
    "mlp_rleaky_sub_float": {"recurrent": "dense", **SUB},
    "mlp_rleaky_zero_grid": {"recurrent": "dense"},
    "mlp_rleaky_own_sub_grid": {"recurrent": "own", **SUB},
    "mlp_rsynaptic_sub_grid": {"recurrent": "dense", **SYN, **SUB},
    "mlp_rsynaptic_zero_float": {"recurrent": "dense", **SYN},
    "mlp_rsynaptic_own_zero_grid": {"recurrent": "own", **SYN},
}

SCALARS: dict[str, dict[str, object]] = {
    "mlp_leaky_scalar_sub_float": {"scalar": True, "bias": True, **SUB},
    "mlp_leaky_scalar_zero_grid": {"scalar": True},
    "mlp_synaptic_scalar_sub_grid": {"scalar": True, **SYN, **SUB},
}
OLDER = {
    "0.7": ("mlp_leaky_scalar_sub_float", "mlp_leaky_scalar_zero_grid"),
    "0.8": (
        "mlp_leaky_sub_float", "mlp_synaptic_sub_float_real", "mlp_rsynaptic_sub_grid",
        "mlp_leaky_scalar_zero_grid",
    ),
    "0.9.1": (
        "mlp_leaky_zero_float", "mlp_leaky_sub_grid", "mlp_leaky_vec_zero_float_real", "mlp_leaky_none_float",
        "mlp_synaptic_zero_grid", "mlp_synaptic_vec_sub_grid", "mlp_rsynaptic_own_zero_grid",
        "mlp_rsynaptic_zero_float", *SCALARS,
    ),
    "0.9.4": (
        "mlp_leaky_zero_grid", "mlp_leaky_sub_float", "mlp_leaky_vec_sub_grid", "mlp_leaky_none_float",
        "mlp_synaptic_zero_float", "mlp_synaptic_sub_float_real", "mlp_rsynaptic_sub_grid",
        "mlp_rsynaptic_own_zero_grid", "conv_leaky_zero_float", "conv_avgpool_leaky_sub_grid",
        "conv_synaptic_zero_grid",
    ),
}  # fmt: skip


def networks(release: str) -> dict[str, dict[str, object]]:
    """Return what a version's exporter can write."""
    older = next((names for start, names in OLDER.items() if release.startswith(start)), tuple(NETWORKS))
    return {name: (NETWORKS | SCALARS)[name] for name in older}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
