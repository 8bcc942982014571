"""Record networks with batch norm of snnTorch and SpikingJelly, folded by spikeport before their own NIR export.

Usage: PYTHONPATH=spikeport's src and the framework's folder: python record_folded.py OUTDIR snntorch|spikingjelly

The spikes are those of the network before it was folded; after it, the framework's own simulation must give the same.
"""

import sys
from collections import OrderedDict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from common import PLANES, SIDE, Draw, Recording, convnet, record, run
from torch import nn

from spikeport.toolchain.importing.folding import fold_batch_norm

CHANNELS, OUTPUTS = 4, 10


def norm(draw: Draw, module: nn.Module) -> nn.Module:
    """Return a batch norm whose statistics and parameters are drawn."""
    size = module.num_features
    module.running_mean.copy_(draw.vector(-0.5, 1.0, size))
    module.running_var.copy_(draw.vector(0.2, 3.0, size))
    module.weight.data.copy_(draw.vector(-1.0, 2.0, size))
    module.bias.data.copy_(draw.vector(-0.3, 0.6, size))
    return module


class Own(nn.Module):
    """The layers in a forward function, as users write it."""

    def __init__(self, layers: dict[str, nn.Module]) -> None:
        super().__init__()
        for name, module in layers.items():
            self.add_module(name, module)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One step, or all of them where the layers take them."""
        x = self.lif1(self.bn1(self.conv1(x)))
        return self.lif2(self.bn2(self.fc2(self.flatten(x))))


def with_norms(layers: dict[str, nn.Module], first: nn.Module, second: nn.Module) -> dict[str, nn.Module]:
    """Return the layers of `common.convnet` with a norm behind each layer with weights."""
    places = {"conv1": ("bn1", first), "fc2": ("bn2", second)}
    return {
        name: module
        for key, layer in layers.items()
        for name, module in ((key, layer), *((places[key],) if key in places else ()))
    }


def snntorch_network(draw: Draw, how: str) -> tuple[nn.Module, dict[str, nn.Module]]:
    """Return a network of snnTorch and its neurons."""
    import snntorch as snn

    def leaky(*shape: int) -> nn.Module:
        beta, threshold = draw.vector(0.6, 0.95), draw.vector(0.5, 1.5)
        return snn.Leaky(beta=beta.expand(shape), threshold=threshold.expand(shape), init_hidden=True)

    layers = convnet(draw, leaky, bias="bias" in how)
    layers = with_norms(layers, norm(draw, nn.BatchNorm2d(CHANNELS)), norm(draw, nn.BatchNorm1d(OUTPUTS)))
    net = Own(layers) if "own" in how else nn.Sequential(OrderedDict(layers))
    return net.eval(), {"lif1": net.lif1, "lif2": net.lif2}


def jelly_network(draw: Draw, how: str) -> tuple[nn.Module, dict[str, nn.Module]]:
    """Return a network of SpikingJelly, single-step, and its neurons."""
    from spikingjelly.activation_based import functional, layer, neuron

    def cell(*_shape: int) -> nn.Module:
        return neuron.LIFNode(tau=draw.vector(1.5, 5.0).item(), v_threshold=draw.vector(0.5, 1.5).item(), v_reset=0.0)

    plain = convnet(draw, cell, bias="bias" in how)
    conv, dense = (wrapped(plain[name]) for name in ("conv1", "fc2"))
    if "threshold" in how:
        norms = (
            layer.ThresholdDependentBatchNorm2d(1.0, 1.0, CHANNELS),
            layer.ThresholdDependentBatchNorm1d(1.0, 1.0, OUTPUTS),
        )
    else:
        norms = layer.BatchNorm2d(CHANNELS), layer.BatchNorm1d(OUTPUTS)
    layers = plain | {"conv1": conv, "fc2": dense, "flatten": layer.Flatten()}
    layers = with_norms(layers, *(norm(draw, each) for each in norms))
    net = (Own(layers) if "own" in how else nn.Sequential(OrderedDict(layers))).eval()
    functional.set_step_mode(net, "m" if many_steps(how) else "s")
    return net, {"lif1": net.lif1, "lif2": net.lif2}


def many_steps(how: str) -> bool:
    """Whether the layers take all steps at once; threshold-dependent norm always does."""
    return "multistep" in how or "threshold" in how


def wrapped(module: nn.Module) -> nn.Module:
    """Return SpikingJelly's layer with the weights of PyTorch's."""
    from spikingjelly.activation_based import layer

    bias = module.bias is not None
    if isinstance(module, nn.Linear):
        other = layer.Linear(module.in_features, module.out_features, bias=bias)
    else:
        other = layer.Conv2d(module.in_channels, module.out_channels, 3, padding=1, bias=bias)
    other.load_state_dict(module.state_dict())
    return other


def build_snntorch(draw: Draw, how: str) -> Recording:
    """Run, fold, run again and export a network of snnTorch."""
    from snntorch.export_nir import export_to_nir

    net, neurons = snntorch_network(draw, how)
    inputs, example = draw.inputs(PLANES, SIDE, SIDE), torch.zeros(1, PLANES, SIDE, SIDE)

    def rest() -> None:
        for module in neurons.values():
            module.reset_mem()

    rest()
    before = run(net, neurons, inputs)
    rest()
    folded = fold_batch_norm(net, example if "example" in how else None)
    rest()
    after = run(net, neurons, inputs)
    rest()
    graph = export_to_nir(net, example, ignore_dims=[0])
    meta = {"framework": "snntorch", "version": version("snntorch"), "reset": "subtract", "reset_delay": True}
    return recording(graph, inputs, before, after, meta | {"folded": folded})


def build_spikingjelly(draw: Draw, how: str) -> Recording:
    """Run, fold, run again and export a network of SpikingJelly."""
    from spikingjelly.activation_based import functional
    from spikingjelly.activation_based.nir_exchange.to_nir import export_to_nir

    net, neurons = jelly_network(draw, how)
    inputs, many = draw.inputs(PLANES, SIDE, SIDE), many_steps(how)
    given = torch.tensor(inputs, dtype=torch.float32)
    example = given if many else given[0]

    def spikes() -> dict[str, np.ndarray]:
        functional.reset_net(net)
        seen = run(net, neurons, given[None].numpy() if many else inputs)
        functional.reset_net(net)
        return {name: values[0] if many else values for name, values in seen.items()}

    before = spikes()
    folded = fold_batch_norm(net, example if "example" in how else None)
    after = spikes()
    graph = export_to_nir(net, example)
    functional.reset_net(net)
    meta = {"framework": "spikingjelly", "version": version("spikingjelly"), "reset": "v_reset", "dt": 1e-4}
    return recording(graph, inputs, before, after, meta | {"folded": folded})


def jelly_containers() -> tuple[nn.Module, torch.Tensor]:
    """Return layers that SpikingJelly's containers run over time, which its NIR exporter does not take."""
    from spikingjelly.activation_based import layer

    draw = Draw(rng=np.random.default_rng(0), grid=False)
    first, second = norm(draw, nn.BatchNorm2d(CHANNELS)), norm(draw, nn.BatchNorm2d(CHANNELS))
    together = layer.SeqToANNContainer(nn.Conv2d(PLANES, CHANNELS, 3, bias=False), first)
    each = layer.MultiStepContainer(nn.Conv2d(CHANNELS, CHANNELS, 1), second)
    either = layer.StepModeContainer(False, "m", nn.Conv2d(CHANNELS, 2, 3), norm(draw, nn.BatchNorm2d(2)))
    return nn.Sequential(together, nn.ReLU(), each, either), torch.randn(5, 3, PLANES, SIDE, SIDE)


class Loop(nn.Module):
    """snnTorch's usual forward function: a loop over time that hands the potential on."""

    def __init__(self) -> None:
        super().__init__()
        import snntorch as snn

        draw = Draw(rng=np.random.default_rng(0), grid=False)
        self.conv, self.bn = nn.Conv2d(PLANES, CHANNELS, 3), norm(draw, nn.BatchNorm2d(CHANNELS))
        self.lif = snn.Leaky(beta=0.9, threshold=100.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the potentials of every step."""
        potential, kept = self.lif.init_leaky(), []
        for step in x:
            _, potential = self.lif(self.bn(self.conv(step)), potential)
            kept.append(potential)
        return torch.stack(kept)


def snntorch_loop() -> tuple[nn.Module, torch.Tensor]:
    """Return a network that torch.fx cannot follow."""
    return Loop(), torch.randn(5, 3, PLANES, SIDE, SIDE)


def write_outputs(path: Path, net: nn.Module, example: torch.Tensor) -> None:
    """Write a network's outputs in float64 before it is folded and after, and those in float32 after."""
    net = net.double().eval()
    with torch.no_grad():
        before = net(example.double())
        folded = fold_batch_norm(net, example.double())
        after, single = net(example.double()), net.float()(example)
    np.savez_compressed(path, before=before, after=after, single=single, folded=np.array(list(folded.items())))


OUTPUTS_OF = {"snntorch": snntorch_loop, "spikingjelly": jelly_containers}


def recording(
    graph: object,
    inputs: np.ndarray,
    before: dict[str, np.ndarray],
    after: dict[str, np.ndarray],
    meta: dict[str, object],
) -> Recording:
    """Return what is kept, with the number of spikes that folding changed."""
    changed = sum(int((before[name] != after[name]).sum()) for name in before)
    return Recording(graph=graph, inputs=inputs, layers=before, meta={**meta, "changed": changed, "not_in_file": []})


BUILDERS = {"snntorch": build_snntorch, "spikingjelly": build_spikingjelly}
NETWORKS = {
    "snntorch": ("sequential", "own", "own_bias_example", "sequential_example_real"),
    "spikingjelly": (
        *("sequential", "own_bias", "sequential_multistep_example", "sequential_multistep", "own_example_real"),
        *("threshold", "threshold_own_example"),
    ),
}


def main(outdir: Path, framework: str) -> None:
    """Record every network of one framework."""
    for how in NETWORKS[framework]:
        record(outdir, f"{framework}_folded_{how}", lambda draw, how=how: BUILDERS[framework](draw, how))
    torch.manual_seed(0)
    write_outputs(outdir / f"{framework}_outputs.npz", *OUTPUTS_OF[framework]())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
