"""Examine the Lava environment; every finding is (what, good, result)."""

from collections.abc import Callable

import numpy as np

from spikeport.export.errors import SpikeportError
from spikeport.export.lava import environment
from spikeport.export.network import (
    Convolution,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    IntegerNetwork,
    Source,
)
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import Stimulus, stimulus

Finding = tuple[str, bool, str]
Compare = Callable[[IntegerNetwork, Stimulus], tuple[int, int]]
"""Run a network in Lava: how many neuron steps differ from the reference, of how many compared."""


def examine(compare: Compare) -> list[Finding]:
    """Return all findings; each later one needs the earlier ones to be good.

    ``compare`` comes from the caller: what runs networks stands above this package.
    """
    looks: tuple[tuple[str, Callable[[], str]], ...] = (
        ("environment", lambda: str(environment.python())),
        ("a small network", lambda: _try_network(compare)),
    )
    findings: list[Finding] = []
    for what, look in looks:
        try:
            findings.append((what, True, look()))
        except SpikeportError as error:
            findings.append((what, False, str(error)))
            break
    if len(findings) == 1:
        findings.append(_base_python())
    return findings


def _base_python() -> Finding:
    """Say whether the environment could be made."""
    try:
        return "Python 3.10 to make one with", True, environment.find_base_python()
    except SpikeportError as error:
        return "Python 3.10 to make one with", False, str(error)


def _try_network(compare: Compare) -> str:
    network, generator = small_network(), np.random.default_rng(0)
    different, compared = compare(network, stimulus(generator.integers(0, 256, (3, 1, 6, 5)), network))
    if different:
        raise SpikeportError(f"{different} of {compared} neuron steps differ from the reference")
    return f"{compared} neuron steps equal to the reference"


def small_network() -> IntegerNetwork:
    """Return a convolution and a readout with fixed random weights."""
    generator = np.random.default_rng(1)
    return quantize(
        FloatNetwork(
            populations=(
                FloatPopulation(name="input", shape=(1, 6, 5), neuron=Source()),
                FloatPopulation(name="conv1", shape=(4, 3, 3), neuron=FloatNeuron(threshold=np.array(1.0))),
                FloatPopulation(name="readout", shape=(3,), neuron=FloatNeuron(threshold=None)),
            ),
            projections=(
                FloatProjection(
                    source="input",
                    target="conv1",
                    stages=(Convolution(weight=generator.normal(size=(4, 1, 3, 3)), stride=(2, 2), padding=(1, 1)),),
                ),
                FloatProjection(
                    source="conv1", target="readout", stages=(Dense(weight=generator.normal(size=(3, 36))),)
                ),
            ),
            steps=4,
        )
    )
