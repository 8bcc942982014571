"""The search for cuts as it was: equal blocks, one population a core, every synapse counted anew for every cut.

It is kept to compare cores and time with; `cores` is its result.
"""

from earlier_placement.block_fan_out import BlockFanOut
from earlier_placement.search import Search
from spikeport.export.network import Network
from spikeport.hardware_profiles.profile import HardwareProfile


def cores(network: Network, profile: HardwareProfile, strategy: str) -> int:
    """Return how many cores a network took; `PlacementError` where it did not fit."""
    fan_outs = tuple(BlockFanOut(network, each) for each in network.projections)
    return sum(cut.size for cut in Search(network, profile, fan_outs, strategy).run().values())
