"""The key ``delay`` of a layer, for which lava-dl has two rules.

slayer: the layer's spikes wait, a number of steps per neuron (or per channel). They are held back *behind* the neurons.
netx in Lava: a dense layer's synapses wait, a number of steps per target, else per source, or one per synapse. Its
input is held back *in front of* the neurons; a convolution's delay is not read there, and slayer's rule is taken.

Without bias both give the same spikes, and so behind the last layer, where no projection stands.
"""

from dataclasses import dataclass

import numpy as np

from spikeport.export.delay_groups import spread
from spikeport.export.errors import FormatError
from spikeport.export.hdf5 import Tree
from spikeport.export.network import Array, Shape, Synapses
from spikeport.export.numbers import DELAY


@dataclass(frozen=True, kw_only=True)
class Delays:
    """Steps by which a layer's ``inputs`` wait (as its weights or one number), and its ``outputs`` (per neuron)."""

    inputs: Array
    outputs: Array


NONE = np.zeros((), np.int64)


def delays_of(tree: Tree, kind: str, synapses: Synapses, shape: Shape, *, outputs_wait: bool) -> Delays:
    """Return the delays of a layer; ``outputs_wait``: by slayer's rule, which convolutions always have."""
    if "delay" not in tree.values:
        return Delays(inputs=NONE, outputs=NONE)
    if kind == "conv" or outputs_wait:
        sizes = tuple(dict.fromkeys((1, shape[0], int(np.prod(shape)))))
        delays = np.array(tree.wholes("delay", DELAY, sizes=sizes), np.int64)
        return Delays(inputs=NONE, outputs=spread(delays, shape))
    inputs = _of_synapses(tree, synapses.weight.shape)
    if kind == "dense_rec" and inputs.any():
        raise FormatError(
            "has a delay, and netx delays the spikes that come back as well, without the exponent of the weights; "
            "slayer does not: read the file with --dialect slayer"
        )
    return Delays(inputs=inputs, outputs=NONE)


def _of_synapses(tree: Tree, shape: Shape) -> Array:
    """Return one number, or the delay of every weight (targets, sources)."""
    value = tree.values["delay"]
    if isinstance(value, np.ndarray) and value.shape == shape:
        flat = type(tree)({"delay": value.reshape(-1)}).wholes("delay", DELAY, sizes=(value.size,))
        return _compact(np.array(flat, np.int64).reshape(shape))
    sizes = tuple(dict.fromkeys((1, *shape)))
    delays = np.array(tree.wholes("delay", DELAY, sizes=sizes), np.int64)
    if delays.size == 1:
        return np.asarray(delays[0])
    column = delays[:, None] if delays.size == shape[0] else delays[None, :]
    return _compact(np.broadcast_to(column, shape))


def _compact(delays: Array) -> Array:
    return np.asarray(delays.flat[0]) if np.ptp(delays) == 0 else delays
