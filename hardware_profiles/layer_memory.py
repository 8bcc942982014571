"""Synaptic memory of every projection on a placement: the bytes of its lists on all cores."""

import numpy as np

from spikeport.export.network import Network
from spikeport.hardware_profiles.placement import Placement, fan_outs_of
from spikeport.hardware_profiles.placement.block_memory import index_bits
from spikeport.hardware_profiles.placement.block_use import BlockUse
from spikeport.hardware_profiles.placement.results import Block

Incoming = list[int]
"""Bits of the lists of each projection into a block, in the network's order."""


def layer_memory(network: Network, placement: Placement) -> list[int | None]:
    """Return the bytes that each of ``network.projections`` takes in the lists of all cores, None for the host's.

    ``network`` is the one whose synapses were placed (of a float network its folded form). Bits are added up over the
    cores, and rounded up once. On a chip whose cores take whole layers they are the words of the layer's kernel, as in
    `CoreUse`.
    """
    if placement.profile.layer_cores is not None:
        words = {core.blocks[0].population: core.use.synaptic_memory for core in placement.cores}
        return [words[each.target] for each in network.projections]
    bits = _bits(network, placement)
    return [None if each not in bits else -(-bits[each] // 8) for each in map(id, network.projections)]


def _bits(network: Network, placement: Placement) -> dict[int, int]:
    """Return bits by the identity of the projection."""
    fan_outs = fan_outs_of(network, placement.profile, placement.weight_bits)
    blocks = BlockUse(network, placement.profile, fan_outs, placement.strategy)
    found = {id(each.projection): 0 for each in fan_outs}
    kept: dict[tuple[Block, int], Incoming] = {}
    for core in placement.cores:
        for block in core.blocks:
            neurons = core.use.neurons
            key = block, int(index_bits(blocks.encoding, np.array([neurons]))[0])
            if key not in kept:
                place = block.channels, block.rows, block.columns
                kept[key] = [blocks.list_bits(each, *place, neurons) for each in blocks.incoming[block.population]]
            for fan_out, bits in zip(blocks.incoming[block.population], kept[key], strict=True):
                found[id(fan_out.projection)] += bits
    return found
