"""Synaptic operations of a float network while any executor runs it: spikes times the synapses that they cross.

The synapses are those of the folded network (`spikeport.export.passes.folded`), so pooling and normalisation cost what
they cost on hardware. A neuron that fires k times in a step crosses its synapses k times; of the input, and of
potentials that others hear, what is not zero counts once.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from spikeport.export.errors import ExecutorError
from spikeport.export.geometry import Ints, fan_out
from spikeport.export.network import Array, FloatNetwork, Network, Shape
from spikeport.export.passes import folded
from spikeport.export.trace import Step

MOST_SPIKES = 2**31
"""Spikes of a neuron in a step: sums over neurons, steps and synapses stay whole numbers below 2**63."""


@dataclass(frozen=True, eq=False)
class Costed:
    """A float network to ``run`` and to record, and the folded one whose ``synapses`` are counted.

    Both have the same populations: where folding adds or removes some (max pooling, residual paths), the folded network
    runs itself.
    """

    run: FloatNetwork
    synapses: FloatNetwork

    @cached_property
    def fan_outs(self) -> list[Ints]:
        """Non-zero synapses out of every source neuron, per projection of ``synapses``."""
        network = self.synapses
        shapes = [network.population(projection.source).shape for projection in network.projections]
        return [
            fan_out(projection.synapses, shape, projection.output_shape(shape))
            for projection, shape in zip(network.projections, shapes, strict=True)
        ]

    def crossed(self, step: Step) -> Ints:
        """Return the synapses that the spikes of a step crossed, per projection of ``synapses``."""
        sent = sent_by(self.run, step)
        totals = {name: values.sum(axis=0, dtype=np.int64) for name, values in sent.items()}
        pairs = zip(self.synapses.projections, self.fan_outs, strict=True)
        return np.array([int((totals[projection.source] * psi).sum()) for projection, psi in pairs], np.int64)


@lru_cache(maxsize=2)
def costed(network: FloatNetwork) -> Costed:
    """Return ``network`` with its folded synapses; `NetworkError` names the pass where it cannot be folded."""
    synapses = folded(network)
    same = _populations(network) == _populations(synapses)
    return Costed(run=network if same else synapses, synapses=synapses)


def sent_by(network: Network, step: Step) -> dict[str, Array]:
    """Return what every source sends in a step: numbers of spikes, and whether what is graded is not zero."""
    sources = {projection.source for projection in network.projections}
    sent = {network.source.name: step.source != 0}
    sent |= {name: whole_spikes(name, values) for name, values in step.spikes.items()}
    return sent | {name: values != 0 for name, values in step.potentials.items() if name in sources}


def whole_spikes(name: str, values: npt.NDArray[np.generic]) -> Array:
    """Return numbers of spikes as bits or int64; `ExecutorError` where they are no numbers that can be added up."""
    if values.dtype == bool:
        return np.asarray(values)
    numbers = np.asarray(values, np.float64)
    if not np.all(numbers <= MOST_SPIKES):
        raise ExecutorError(
            f"population {name} fires {numbers.max():g} times in a step; expected at most {MOST_SPIKES:,}, so that "
            "spikes can be counted: look at the unit of the input and at the thresholds"
        )
    return numbers.astype(np.int64)


def _populations(network: FloatNetwork) -> tuple[dict[str, Shape], set[str]]:
    return {p.name: p.shape for p in network.populations}, {p.name for p in network.spiking}
