"""What a trained network would cost otherwise: other steps, more zeros, on another chip, in every mode.

Every row is run again. More zeros means that the smallest weights of each projection become zero, and the spikes are
what the network then does; nothing is trained again, so its accuracy is another question.
"""

from spikeport.hardware_profiles.what_if.rows import WhatIfRow, what_if
from spikeport.hardware_profiles.what_if.text import render
from spikeport.hardware_profiles.what_if.variations import ENCODINGS, Variations, pruned

__all__ = ["ENCODINGS", "Variations", "WhatIfRow", "pruned", "render", "what_if"]
