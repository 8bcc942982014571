"""IBM's DVS Gestures as tonic unpacks them: user01_led/0.npy, where 0 is the label and an event is a row."""

import re
from pathlib import Path

import numpy as np

from spikeport.export.errors import StimulusError
from spikeport.export.network import Array
from spikeport.export.stimulus.events import Events, events_of

COLUMNS = ("x", "y", "p", "t")
"""Of an array (events, 4); ``t`` is in milliseconds."""


def is_layout(paths: list[Path], groups: list[Path]) -> bool:
    """Return whether folders are users under a light, and files are called by their labels."""
    users = all(re.fullmatch(r"user\d{1,4}_\w+", group.name, re.ASCII) for group in groups)
    return bool(groups) and users and all(re.fullmatch(r"\d{1,6}", path.stem, re.ASCII) for path in paths)


def label(path: Path) -> Array:
    """Return the label that a file is called by."""
    return np.array(int(path.stem))


def recording(path: Path, values: Array) -> Events:
    """Return the event list of an array (events, 4)."""
    if values.ndim != 2 or values.shape[1] != len(COLUMNS):
        raise StimulusError(f"{path}: an array of shape {values.shape}; expected (events, 4), as in DVS Gestures")
    columns = dict(zip(COLUMNS, values.T, strict=True))
    return events_of({**columns, "t": columns["t"] * 1000})
