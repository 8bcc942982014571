"""What the recorders share: random networks and inputs, the run over time, and the two files of a recording.

A recorder draws a network until every spiking layer fires in 5 to 60 % of its cells, so a name always gives the
same network, in every version of a framework: the random stream depends on the name and the number of the draw only.
Files are called FRAMEWORK_VERSION_NAME.
"""

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nir
import numpy as np
import torch

STEPS = 15
BATCH = 4
DRAWS = 2000
RATES = (0.05, 0.60)
IN, HIDDEN, OUT = 20, 32, 10
PLANES, CHANNELS, SIDE = 2, 4, 6


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One network as its own framework wrote it and ran it."""

    graph: nir.NIRGraph
    inputs: np.ndarray  # (T, N, *shape), as fed
    layers: dict[str, np.ndarray]  # node name -> spikes (T, N, *shape), in order
    meta: dict[str, object]
    readouts: tuple[str, ...] = ()  # layers that never fire: their potential is kept

    def spikes(self) -> dict[str, np.ndarray]:
        """Return the layers that fire."""
        return {key: values for key, values in self.layers.items() if key not in self.readouts}

    def called(self, name: str) -> str:
        """Return the name with the version behind the framework's."""
        framework = str(self.meta["framework"])
        return f"{framework}_{self.meta['version']}_{name.removeprefix(framework + '_')}"


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One draw of random numbers; ``grid`` puts weights, biases and thresholds on multiples of 1/16."""

    rng: np.random.Generator
    grid: bool
    real_input: bool = False

    def weight(self, *shape: int, spread: float = 1.0, mean: float = 0.3) -> torch.Tensor:
        """Weights of a random strength, smaller for a larger fan-in."""
        strength = spread * np.exp(self.rng.uniform(np.log(0.5), np.log(16))) / np.sqrt(np.prod(shape[1:]))
        return self.tensor(np.clip(self.rng.normal(mean, 1, shape) * strength, -8, 8))

    def bias(self, size: int) -> torch.Tensor:
        """Return small biases."""
        return self.tensor(self.rng.normal(0, 0.15, size))

    def vector(self, low: float, high: float, *shape: int) -> torch.Tensor:
        """One value per neuron, between low and high, for thresholds and time constants."""
        return self.tensor(self.rng.uniform(low, high, shape))

    def choice(self, values: list[float], *shape: int) -> torch.Tensor:
        """One of a few values per neuron."""
        return torch.tensor(self.rng.choice(values, shape), dtype=torch.float32)

    def tensor(self, values: np.ndarray) -> torch.Tensor:
        """Values as float32, on the grid if there is one."""
        return torch.tensor(np.round(values * 16) / 16 if self.grid else values, dtype=torch.float32)

    def inputs(self, *shape: int) -> np.ndarray:
        """Return T steps of input: binary with 30 % ones, or real values on multiples of 1/16 or 1/100."""
        if not self.real_input:
            return (self.rng.random((STEPS, BATCH, *shape)) < 0.3).astype(np.uint8)
        unit = 16 if self.grid else 100
        return (self.rng.integers(-unit // 2, 3 * unit // 2, (STEPS, BATCH, *shape)) / unit).astype(np.float32)


Neuron = Callable[..., torch.nn.Module]  # (*shape) -> module


def linear(draw: Draw, inputs: int, outputs: int, *, bias: bool) -> torch.nn.Linear:
    """Return a dense layer with drawn weights."""
    return fill(torch.nn.Linear(inputs, outputs, bias=bias), draw)


def conv(draw: Draw, inputs: int, outputs: int, size: int, *, bias: bool, padding: int = 1) -> torch.nn.Conv2d:
    """Return a convolution with drawn weights."""
    return fill(torch.nn.Conv2d(inputs, outputs, size, padding=padding, bias=bias), draw)


def fill(layer: torch.nn.Module, draw: Draw) -> torch.nn.Module:
    """Replace a layer's weights and biases by drawn ones."""
    layer.weight.data = draw.weight(*layer.weight.shape)
    if layer.bias is not None:
        layer.bias.data = draw.bias(len(layer.bias))
    return layer


def mlp(draw: Draw, neuron: Neuron, *, bias: bool = False, hidden: Neuron | None = None) -> dict[str, torch.nn.Module]:
    """Return the layers of 20-32-10; ``hidden`` replaces the neuron of the first layer."""
    return {
        "fc1": linear(draw, IN, HIDDEN, bias=bias),
        "lif1": (hidden or neuron)(HIDDEN),
        "fc2": linear(draw, HIDDEN, OUT, bias=bias),
        "lif2": neuron(OUT),
    }


def convnet(
    draw: Draw, neuron: Neuron, *, bias: bool = False, pool: torch.nn.Module | None = None
) -> dict[str, torch.nn.Module]:
    """Return the layers of 2x6x6 -> 4 channels 3x3 -> (2x2 pooling) -> flatten -> 10."""
    side = SIDE // 2 if pool else SIDE
    layers = {
        "conv1": conv(draw, PLANES, CHANNELS, 3, bias=bias),
        "lif1": neuron(CHANNELS, SIDE, SIDE),
        "pool": pool,
        "flatten": torch.nn.Flatten(),
        "fc2": linear(draw, CHANNELS * side * side, OUT, bias=bias),
        "lif2": neuron(OUT),
    }
    return {name: layer for name, layer in layers.items() if layer is not None}


def run(
    step: Callable[[torch.Tensor], object], watched: dict[str, torch.nn.Module], inputs: np.ndarray
) -> dict[str, np.ndarray]:
    """Feed one step after the other and keep what each watched module puts out."""
    seen: dict[str, list[np.ndarray]] = {name: [] for name in watched}

    def watch(name: str, out: torch.Tensor | tuple) -> None:
        seen[name].append((out[0] if isinstance(out, tuple) else out).detach().numpy().copy())

    handles = [
        module.register_forward_hook(lambda _m, _x, out, name=name: watch(name, out))
        for name, module in watched.items()
    ]
    with torch.no_grad():
        for x in inputs:
            step(torch.tensor(x, dtype=torch.float32))
    for handle in handles:
        handle.remove()
    return {name: np.stack(steps) for name, steps in seen.items()}


def record(outdir: Path, name: str, build: Callable[[Draw], Recording], *, compression: str | None = None) -> None:
    """Draw the network called name until it fires well, and write NAME.nir and NAME.npz."""
    for attempt in range(DRAWS):
        rng = np.random.default_rng([zlib.crc32(name.encode()), attempt])
        recording = build(Draw(rng=rng, grid="grid" in name, real_input="real" in name))
        rates = [float((spikes > 0).mean()) for spikes in recording.spikes().values()]
        if all(RATES[0] < rate < RATES[1] for rate in rates) and _fires_over_time(recording):
            called = recording.called(name)
            write(outdir, called, recording, compression)
            sizes = [(outdir / f"{called}{end}").stat().st_size for end in (".nir", ".npz")]
            print(f"{called:46} rates {' '.join(f'{r:.2f}' for r in rates)}  draw {attempt:3}  bytes {sizes}")
            return
    raise RuntimeError(f"{name}: no draw fires between {RATES}")


def _fires_over_time(recording: Recording) -> bool:
    """Tell whether most output neurons both fire and rest: constant outputs would show little."""
    last = list(recording.spikes().values())[-1] > 0
    mixed = last.any(axis=0) & ~last.all(axis=0)
    return bool(mixed.mean() > 0.5)


def write(outdir: Path, name: str, recording: Recording, compression: str | None) -> None:
    """Write the graph with nir.write, and inputs, spikes and meta as a compressed archive."""
    outdir.mkdir(parents=True, exist_ok=True)
    if nir.version >= "1.0.8":
        nir.write(outdir / f"{name}.nir", recording.graph, compression=compression)
    else:
        nir.write(outdir / f"{name}.nir", recording.graph)
    layers = {f"spikes_{key}": spikes.astype(np.uint8) for key, spikes in recording.spikes().items()}
    layers |= {f"potentials_{key}": recording.layers[key].astype(np.float32) for key in recording.readouts}
    for key, spikes in recording.spikes().items():
        if not np.array_equal(spikes, layers[f"spikes_{key}"]):
            raise ValueError(f"{name}: spikes of {key} are not small whole numbers")
    last = layers[f"spikes_{list(recording.spikes())[-1]}"]
    kind = "real" if recording.inputs.dtype == np.float32 else "binary"
    meta = {**recording.meta, "input": kind, "nir": nir.version, "torch": torch.__version__, "dtype": "float32"}
    arrays = {"input": recording.inputs, "spikes": last, "meta": np.array(json.dumps(meta))}
    np.savez_compressed(outdir / f"{name}.npz", **arrays, **layers)
