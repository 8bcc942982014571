"""Which cores send to which: messages between the cores of a placement where every neuron fires once."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.sparse import csr_array

from spikeport.hardware_profiles.encoding import Counts
from spikeport.hardware_profiles.placement.block_fan_out import BlockFanOut
from spikeport.hardware_profiles.placement.cuts import Cut


def core_of_neurons(cut: Cut, cores: Counts) -> Counts:
    """Return the core of every neuron (channels, rows, columns) of a population whose blocks lie on ``cores``."""
    found = np.zeros((cut.channels[0][-1], cut.rows[-1], cut.columns[-1]), np.int64)
    for (channels, rows, columns), core in zip(cut.blocks, cores, strict=True):
        found[slice(*channels), slice(*rows), slice(*columns)] = core
    return found


def messages(
    fan_outs: Sequence[BlockFanOut], cuts: Mapping[str, Cut], core_of: Mapping[str, Counts], cores: int
) -> csr_array:
    """Return how many messages go from core to core, (cores, cores), if every neuron fires once.

    ``core_of`` are the cores of every population's blocks. The input's messages are the host's and not among them.
    """
    homes = {name: core_of_neurons(cut, core_of[name]) for name, cut in cuts.items()}
    starts, ends, numbers = [], [], []
    for fan_out in fan_outs:
        source, target = fan_out.projection.source, fan_out.projection.target
        if source not in homes:
            continue
        firsts = cuts[target].firsts
        for first, (patch, counts) in zip(firsts, fan_out.blocks(cuts[target]), strict=False):
            home = homes[source][(slice(None), *fan_out.sources(patch))]
            for part, used in enumerate(counts > 0):
                sent = np.bincount(home[used], minlength=1)
                (senders,) = np.nonzero(sent)
                starts.append(senders)
                ends.append(np.full(len(senders), core_of[target][first + part]))
                numbers.append(sent[senders])
    joined = [np.concatenate(each) if each else np.zeros(0, np.int64) for each in (numbers, starts, ends)]
    return csr_array((joined[0].astype(np.float64), (joined[1], joined[2])), shape=(cores, cores))
