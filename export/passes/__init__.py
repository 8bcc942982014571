"""Passes ``FloatNetwork -> FloatNetwork``, one file each; the spikes are the same before and after."""

from spikeport.export.network import FloatNetwork
from spikeport.export.passes.balance_delays import balance_delays
from spikeport.export.passes.contract import in_order
from spikeport.export.passes.expand_max_pooling import expand_max_pooling
from spikeport.export.passes.expand_paths import expand_paths
from spikeport.export.passes.fold_normalization import fold_normalization
from spikeport.export.passes.fold_synapses import fold_synapses
from spikeport.export.passes.normalize_neurons import normalize_neurons

PASSES = in_order(
    (
        balance_delays,
        expand_max_pooling,
        expand_paths,
        fold_normalization,
        fold_synapses,
        normalize_neurons,
    )
)
"""All passes in an order in which each finds what it requires."""


def folded(network: FloatNetwork) -> FloatNetwork:
    """Return ``network`` with one stage of synapses per projection and paths in balance, as hardware needs it.

    Raises `NetworkError`, which names the pass, for what Loihi's synapses cannot do.
    """
    for each in PASSES:
        network = each(network)
    return network
