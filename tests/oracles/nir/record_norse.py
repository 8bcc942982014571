"""Record networks of Norse: the .nir files of its own exporter and the spikes of its own simulation.

Usage: python record_norse.py OUTDIR

The exporter came after the release of 1.0.0, whose number the repository kept until 1.1.0. It multiplies time
constants by an argument ``dt`` of 1e-3; later commits by ``time_scaling_factor``, one. The last commits write v_reset,
refuse scalars and convolutions, and give nodes an underscore before their number.
"""

import inspect
import sys
from importlib.metadata import version
from pathlib import Path

import norse.torch as norse
import torch
from common import CHANNELS, IN, OUT, PLANES, SIDE, Draw, Recording, conv, linear, mlp, record, run
from norse.torch.functional.iaf import IAFParameters
from norse.torch.functional.leaky_integrator_box import LIBoxParameters
from norse.torch.functional.lif import LIFParameters
from norse.torch.functional.lif_box import LIFBoxParameters
from norse.torch.functional.reset import reset_subtract, reset_value

RELEASE = version("norse")
SILENT = (norse.LIBoxCell,)
CELLS = (*SILENT, norse.LIFCell, norse.LIFBoxCell, norse.IAFCell)
DEFAULT = {"cell_dt": 1e-3, "dt": 1e-3}  # the cell's and the exporter's default
SECONDS = {"cell_dt": 1e-3, "dt": 1.0}  # tau comes out in seconds
DYADIC = {"cell_dt": 2.0**-10, "dt": 1.0}  # so that dt / tau is exact


def main(outdir: Path) -> None:
    """Record every network."""
    for name in NETWORKS if RELEASE == "1.1.0" else OTHERS[RELEASE]:
        model = NETWORKS[name]
        record(outdir, f"norse_{name}", lambda draw, name=name, model=model: build(draw, name, **model))


def build(
    draw: Draw, name: str, *, times: dict[str, float], batched: bool = False, bias: bool = False, **options: object
) -> Recording:
    """Build, export and run one network."""

    def neuron(*shape: int) -> torch.nn.Module:
        return make_cell(draw, name, shape, dt=times["cell_dt"], **options)

    is_conv = name.startswith("conv")
    layers = convnet(draw, neuron) if is_conv else mlp(draw, neuron, bias=bias)
    layers |= readout(draw, times["cell_dt"]) if "readout" in name else {}
    net = norse.SequentialState(*layers.values())
    inputs = draw.inputs(*((PLANES, SIDE, SIDE) if is_conv else (IN,)))
    sample = torch.zeros(1, *inputs.shape[2:]) if batched else torch.zeros(*inputs.shape[2:])
    graph = norse.to_nir(net, sample, **scaled(times["dt"]))
    if is_conv:
        graph.infer_types()  # the exporter leaves Conv2d.input_shape None, which nir.write cannot write
    state = None

    def step(x: torch.Tensor) -> None:
        nonlocal state
        _, state = net(x, state)

    traced = "_0" in graph.nodes
    watched = {f"_{key}" if traced else key: m for key, m in net.named_children() if isinstance(m, CELLS)}
    meta = {
        "framework": "norse",
        "version": version("norse"),
        "model": type(next(iter(watched.values()))).__name__,
        "reset": options.get("reset", "zero"),
        **(times if scaled(times["dt"]) else {**times, "dt": 1.0}),
        "v_reset": options.get("v_reset", 0.0),
        "sample_has_batch": batched,
        "not_in_file": lost(**options),
    }
    silent = tuple(key for key, module in watched.items() if isinstance(module, SILENT))
    return Recording(graph=graph, inputs=inputs, layers=run(step, watched, inputs), meta=meta, readouts=silent)


def scaled(dt: float) -> dict[str, float]:
    """Return the exporter's argument for the factor of the time constants, where it has one."""
    known = [name for name in inspect.signature(norse.to_nir).parameters if name in ("dt", "time_scaling_factor")]
    return dict.fromkeys(known, dt)


def readout(draw: Draw, dt: float) -> dict[str, torch.nn.Module]:
    """Return a dense layer of 4 neurons that leak and never fire."""
    p = LIBoxParameters(tau_mem_inv=torch.full((4,), 0.5 / dt), v_leak=torch.zeros(4))
    return {"fc3": linear(draw, OUT, 4, bias=True), "li": norse.LIBoxCell(p=p, dt=dt)}


def make_cell(
    draw: Draw,
    name: str,
    shape: tuple[int, ...],
    *,
    dt: float,
    reset: str = "zero",
    v_leak: float = 0.0,
    v_reset: float = 0.0,
) -> torch.nn.Module:
    """Return one layer; 'vec' in the name gives each neuron its own constants."""
    size = shape if "vec" in name else ()
    threshold = draw.vector(0.25, 1.0, *size)
    if "iaf" in name:
        return norse.IAFCell(p=IAFParameters(v_th=threshold, v_reset=torch.tensor(v_reset)), dt=dt)
    common = {
        "tau_mem_inv": rate(draw, dt, size),
        "v_leak": torch.full(size, v_leak),
        "v_th": threshold,
        "v_reset": torch.full(size, v_reset),
    }
    if "lifbox" in name:
        method = reset_subtract if reset == "subtract" else reset_value
        return norse.LIFBoxCell(p=LIFBoxParameters(**common, reset_method=method), dt=dt)
    return norse.LIFCell(p=LIFParameters(tau_syn_inv=rate(draw, dt, size), **common), dt=dt)


def rate(draw: Draw, dt: float, size: tuple[int, ...]) -> torch.Tensor:
    """Return 1 / tau; on the grid dt / tau is a quarter or a half."""
    return draw.choice([0.25, 0.5] if size else [0.5], *size) / dt if draw.grid else rate_of(draw, size)


def rate_of(draw: Draw, size: tuple[int, ...]) -> torch.Tensor:
    """Return 1 / tau of 2.5 to 10 ms."""
    return draw.vector(100, 400, *size)


def convnet(draw: Draw, neuron: object) -> dict[str, torch.nn.Module]:
    """Return 2x6x6 -> 4 channels 3x3 -> 10 channels of 1x1: the exporter knows no Flatten, and no missing bias."""
    return {
        "conv1": conv(draw, PLANES, CHANNELS, 3, bias=True),
        "lif1": neuron(CHANNELS, SIDE, SIDE),
        "conv2": conv(draw, CHANNELS, OUT, SIDE, bias=True, padding=0),
        "lif2": neuron(OUT, 1, 1),
    }


def lost(*, reset: str = "zero", v_reset: float = 0.0, **_: object) -> list[str]:
    """Say what the exporter does not write."""
    return [f"reset: {reset}"] * (reset != "zero") + [f"v_reset: {v_reset}"] * (v_reset != 0)


NETWORKS: dict[str, dict[str, object]] = {
    "mlp_lifbox_float": {"times": DEFAULT, "batched": True},
    "mlp_lifbox_default_grid": {"times": DEFAULT},
    "mlp_lifbox_seconds_float": {"times": SECONDS, "bias": True},
    "mlp_lifbox_grid": {"times": DYADIC, "bias": True},
    "mlp_lifbox_grid_real": {"times": DYADIC},
    "mlp_lifbox_vec_float_real": {"times": DEFAULT, "bias": True},
    "mlp_lifbox_vec_grid": {"times": DYADIC},
    "mlp_lifbox_leak_float": {"times": DEFAULT, "v_leak": 0.125},
    "mlp_lifbox_leak_vec_grid": {"times": DYADIC, "v_leak": -0.25},
    "mlp_lifbox_vreset_grid": {"times": DYADIC, "v_reset": -0.25},
    "mlp_lifbox_sub_float": {"times": SECONDS, "reset": "subtract"},
    "mlp_lifbox_sub_grid": {"times": DYADIC, "reset": "subtract"},
    "mlp_lif_float": {"times": DEFAULT, "batched": True},
    "mlp_lif_default_grid": {"times": DEFAULT, "bias": True},
    "mlp_lif_grid": {"times": DYADIC},
    "mlp_lif_vec_float_real": {"times": SECONDS},
    "mlp_lif_vec_grid": {"times": DYADIC, "bias": True},
    "mlp_lif_leak_float": {"times": DEFAULT, "v_leak": 0.125},
    "mlp_iaf_float": {"times": DEFAULT, "batched": True, "bias": True},
    "mlp_iaf_grid": {"times": DEFAULT},
    "mlp_iaf_vec_grid_real": {"times": DEFAULT},
    "mlp_iaf_vreset_grid": {"times": DEFAULT, "v_reset": 0.125},
    "conv_iaf_vec_grid": {"times": DEFAULT},
    "conv_iaf_vec_float_real": {"times": DEFAULT},
    "conv_lifbox_vec_float": {"times": DEFAULT},
    "conv_lifbox_vec_grid": {"times": DYADIC},
    "conv_lif_vec_grid": {"times": DYADIC},
    "mlp_lifbox_readout_grid": {"times": DYADIC},
}
SOME = (
    "mlp_lifbox_seconds_float", "mlp_lifbox_grid", "mlp_lifbox_sub_float", "mlp_lif_grid", "mlp_iaf_grid",
    "mlp_lif_vec_float_real", "mlp_lifbox_readout_grid", "conv_iaf_vec_grid", "conv_lif_vec_grid",
)  # fmt: skip
VECTORS = (
    "mlp_lifbox_vec_float_real", "mlp_lifbox_vec_grid", "mlp_lifbox_leak_vec_grid", "mlp_lif_vec_grid",
    "mlp_iaf_vec_grid_real",
)  # fmt: skip
OTHERS = {"1.0.0": SOME, "1.1.0+a66f465": SOME[:4], "1.1.0+065a3b4": VECTORS}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
