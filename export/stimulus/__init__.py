"""The input of a run: what a stimulus is, how numbers and events become one, and the files that hold them."""

from spikeport.export.stimulus.definition import Intake, Stimulus
from spikeport.export.stimulus.making import random_stimulus, read, stimulus
from spikeport.export.stimulus.settings import InputSettings

__all__ = ["InputSettings", "Intake", "Stimulus", "random_stimulus", "read", "stimulus"]
