"""What a trained network would cost otherwise: other steps, more zeros, on another chip, in every mode.

Every row is run again. More zeros means that the smallest weights of each projection become zero, and the spikes are
what the network then does; nothing is trained again. Labels give the accuracy that is left.
"""

from spikeport.hardware_profiles.what_if.result import WhatIf
from spikeport.hardware_profiles.what_if.rows import WhatIfRow, what_if
from spikeport.hardware_profiles.what_if.text import render
from spikeport.hardware_profiles.what_if.variations import ENCODINGS, Variations, pruned

__all__ = ["ENCODINGS", "Variations", "WhatIf", "WhatIfRow", "pruned", "render", "what_if"]
