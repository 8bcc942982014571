"""Record a small network's spikes in Lava: run with spikeport's Python where the Lava environment is installed.

Usage, from the project's root: ``python -m tests.oracles.golden.network_in_lava``. Writes network.safetensors and
network.npz (input and trace) beside this file.
"""

from pathlib import Path

import numpy as np

from spikeport.export import archive
from spikeport.export.executors import lava
from spikeport.export.network import (
    AveragePooling,
    Convolution,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    IntegerNetwork,
    Normalization,
    Source,
)
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record

FOLDER = Path(__file__).parent


def network() -> IntegerNetwork:
    """Return a small VGG form with pixel normalisation, batch norm, pooling and a leaky layer, weights fixed."""
    rng = np.random.default_rng(3)

    def sparse(*shape: int) -> np.ndarray:
        return rng.normal(size=shape) * (rng.random(shape) < 0.4)

    def batch_norm(channels: int) -> Normalization:
        return Normalization(scale=rng.uniform(0.5, 1.5, channels), shift=0.1 * rng.normal(size=channels))

    one = FloatNeuron(threshold=np.array(1.0))
    leaky = FloatNeuron(threshold=np.array(0.8), decay_current=0.4, decay_potential=0.2)
    shapes = {"input": (2, 8, 6), "conv1": (6, 8, 6), "conv2": (8, 4, 3), "dense1": (12,), "readout": (5,)}
    neurons = {"input": Source(), "conv1": one, "conv2": one, "dense1": leaky, "readout": FloatNeuron(threshold=None)}
    pixels = Normalization(scale=np.array([3.0, 2.5]), shift=np.array([-0.9, -0.7]))
    same = {"padding": (1, 1)}
    stages = (
        (pixels, Convolution(weight=sparse(6, 2, 3, 3), **same), batch_norm(6)),
        (AveragePooling(size=(2, 2)), Convolution(weight=sparse(8, 3, 3, 3), groups=2, **same), batch_norm(8)),
        (Dense(weight=sparse(12, 96)),),
        (Dense(weight=sparse(5, 12)),),
    )
    names = list(shapes)
    return quantize(
        folded(
            FloatNetwork(
                populations=tuple(FloatPopulation(name=n, shape=shapes[n], neuron=neurons[n]) for n in names),
                projections=tuple(
                    FloatProjection(source=a, target=b, stages=chain)
                    for a, b, chain in zip(names, names[1:], stages, strict=False)
                ),
                steps=6,
            )
        )
    )


def main() -> None:
    """Run the network in Lava and write archive, input and trace."""
    integer = network()
    images = np.random.default_rng(4).integers(0, 256, (12, 2, 8, 6), dtype=np.uint8)
    trace = record(lava.steps(integer, stimulus(images, integer)))
    archive.write(integer, FOLDER / "network.safetensors")
    np.savez_compressed(FOLDER / "network.npz", images=images, **trace)


if __name__ == "__main__":
    main()
