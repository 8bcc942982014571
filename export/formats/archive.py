"""spikeport's own archive of a network: with ``--input-as bias``, the network whose input the host writes as biases."""

from pathlib import Path

from spikeport.export import archive
from spikeport.export.network import BiasNetwork, FloatNetwork, IntegerNetwork, Network

NETWORKS = (FloatNetwork, IntegerNetwork, BiasNetwork)


def write(network: Network, path: Path) -> None:
    """Write ``network`` as `spikeport.export.archive` does."""
    archive.write(network, path)
