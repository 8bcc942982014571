"""Names for several projections between the same two populations: by the bit they carry, their delay, or a number."""

import math
from collections import Counter
from typing import Any

import numpy as np

from spikeport.export.geometry import AnyProjection
from spikeport.export.network import Convolution, Network, Source
from spikeport.export.stimulus.encoders.phase_bits import CHANNELS

PHASE_BITS = "phase_bits"
"""The encoder whose source has a channel for each bit of a pixel."""


def parts(network: Network) -> list[str]:
    """Return for each projection of a network of folded synapses what tells it from others of the same two populations.

    1. Nothing, for the only one.
    2. 'bit 128' of an input in phase coding, for the synapses of the channels that carry this bit of a pixel's level.
    3. 'delay 3', where all delays between these populations differ.
    4. '2 of 3', in the order of the network.
    """
    pairs = [(each.source, each.target) for each in network.projections]
    several = {pair for pair, number in Counter(pairs).items() if number > 1}
    names = [""] * len(pairs)
    for pair in several:
        places = [place for place, each in enumerate(pairs) if each == pair]
        same = [network.projections[place] for place in places]
        for place, name in zip(places, _names(network, same), strict=True):
            names[place] = name
    return names


def called(source: str, target: str, part: str = "", arrow: str = "->") -> str:
    """Return a projection's name: 'input -> conv1', and 'input (bit 128) -> conv1' of one of several."""
    return f"{source}{f' ({part})' if part else ''} {arrow} {target}"


def _names(network: Network, same: list[AnyProjection]) -> list[str]:
    bits = [_bit(network, each) for each in same]
    if all(bits) and len(set(bits)) == len(same):
        return bits
    delays = {each.delay for each in same}
    if len(delays) == len(same):
        return [f"delay {each.delay}" for each in same]
    return [f"{number} of {len(same)}" for number in range(1, len(same) + 1)]


def _bit(network: Network, projection: AnyProjection) -> str:
    """Return the bit of a phase-coded pixel that a projection carries; nothing where it carries several, or none."""
    source = network.population(projection.source)
    coding = source.neuron.coding if isinstance(source.neuron, Source) else None
    if coding is None or coding.encoder != PHASE_BITS:
        return ""
    carried = {channel * CHANNELS // source.shape[0] for channel in _channels(projection, source.shape)}
    return f"bit {2 ** (CHANNELS - 1 - carried.pop())}" if len(carried) == 1 else ""


def _channels(projection: AnyProjection, shape: tuple[int, ...]) -> list[int]:
    """Return the channels of a source of ``shape`` with synapses that are not zero."""
    weight: Any = projection.synapses.weight
    if isinstance(projection.synapses, Convolution):
        channels = range(shape[0]) if projection.synapses.groups > 1 else np.flatnonzero(weight.any(axis=(0, 2, 3)))
    else:
        channels = np.flatnonzero(weight.any(axis=0)) // math.prod(shape[1:])
    return list(dict.fromkeys(int(channel) for channel in channels))
