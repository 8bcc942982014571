"""lava-dl's .net files -> `IntegerNetwork`: every key that changes spikes is read, or refused by its name.

What lava-dl 0.6.0 does, slayer when it trains and netx when it runs in Lava, stands in the modules: `keys` (which keys
and blocks there are), `layers` (weights and neurons), `delays` (two rules of one key), `chain` (projections and proof).
"""

from spikeport.export.netx_reader.chain import left_out, network
from spikeport.export.netx_reader.layers import DIALECTS

__all__ = ["DIALECTS", "left_out", "network"]
