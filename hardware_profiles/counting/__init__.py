"""Synaptic operations by the paper's Eq. 12, in three modes; on sampled images by the kernels and event by event, too.

An accumulate operation is one spike over one non-zero synapse, with true borders. By Eq. 12 of Schmolli et al., CPAL
2025, over the steps t and source neurons i::

    AC_l = sum_t sum_i psi_{l,i} s_{l,i,t};        E = E_AC sum_l mean over images of AC_l

Average pooling in front of a convolution splits the meanings of psi:

- ``fused``: a spike inherits the fan-out of the folded kernel, the exact number of synapses that it crosses.
- ``relay``: pooling is apart; every pooled pixel that is not zero in a step costs its own fan-out once.
- ``area_ratio``: Eq. 11, ``psi = (w' h') / (w h) c' k^2`` for all neurons of a layer, times the density of its weights.

The graded input does not spike: its operations are multiply-accumulates, counted for non-zero pixels and kept apart.
Potentials of a float network that others hear are counted alike. A neuron that fires k times in a step counts k times.
"""

from collections.abc import Callable
from dataclasses import replace

from spikeport.export.network import Network
from spikeport.export.stimulus import Stimulus
from spikeport.export.three_counts import VERIFY, is_graded, sampled_images
from spikeport.export.trace import Step
from spikeport.hardware_profiles.counting.counter import Counter, count_batches
from spikeport.hardware_profiles.counting.fan_outs import FanOuts, zero_share
from spikeport.hardware_profiles.counting.results import MODES, LayerCount, Mode, OperationCounts, SpikeCount, Spread
from spikeport.hardware_profiles.counting.run import Batch, Counted, batches, counted, gather

__all__ = [
    "MODES",
    "Batch",
    "Counted",
    "Counter",
    "FanOuts",
    "LayerCount",
    "Mode",
    "OperationCounts",
    "SpikeCount",
    "Spread",
    "batches",
    "count",
    "count_batches",
    "counted",
    "gather",
    "is_graded",
    "zero_share",
]


def count(
    network: Network, stimulus: Stimulus, *, verify: int = VERIFY, seen: Callable[[Step], None] | None = None
) -> OperationCounts:
    """Run ``network`` on ``stimulus`` and count the synaptic operations of every projection, in three modes.

    Eq. 12 of Schmolli et al., CPAL 2025, is computed from the spikes and the fan-outs; of a float network over the
    synapses of its folded form (`spikeport.export.crossings`). On ``verify`` images, evenly from the first to the last,
    operations are counted twice more (`spikeport.export.three_counts`). ``seen`` is given every step of the run. Totals
    are over all N samples of the stimulus, whose values are (N, *shape) or (N, T, *shape). Raises `StimulusError` where
    the stimulus does not fit the network, or one sample's spikes do not fit in memory.
    """
    both = counted(network, stimulus)
    run = batches(both, stimulus, sampled=sampled_images(len(stimulus), verify), seen=seen)
    return replace(count_batches(both.synapses, run), held=stimulus.held)
