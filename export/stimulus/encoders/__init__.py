"""Spike encoders, one file each: how a pixel in [0, 1] becomes spikes over the steps of a sample.

A file holds ``encode(pixels, steps, generator)``, which returns what the source sends (steps, *shape) for one sample of
pixels (*shape), as whole numbers from 0 to the file's ``LEVELS`` (1: spikes; more: weighted spikes); ``generator`` is
the sample's own, for what is drawn. ``NOTE`` is what it does to a network that was trained with held images.

Files of which ``ANY_NETWORK`` is False are for networks that were trained so (`spikeport.export.network.Coding`). They
may have ``CHANNELS``, how many of the source a channel of pixels becomes, ``SETTINGS``, names of numbers that
``encode`` is given, and ``LEVELS = None``: it returns real numbers in [0, 1], of which the source's levels are the
nearest. A file that draws random numbers has a function ``drawn`` which does it.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from spikeport.export.errors import StimulusError
from spikeport.export.network import Array


class Encode(Protocol):
    """The function of an encoder."""

    def __call__(self, pixels: Array, steps: int, generator: np.random.Generator, **settings: float) -> Array:
        """Return what the source sends, (steps, *shape) or (1, *shape), for pixels (*shape) in [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """An encoder of this folder: its function, the levels that it sends, 0..``levels``, and what to know about it.

    ``levels`` is None where it gives real numbers in [0, 1]. ``channels``: of the source for each of the pixels.
    ``draws``: whether it draws random numbers.
    """

    name: str
    encode: Encode
    levels: int | None
    note: str
    channels: int = 1
    settings: tuple[str, ...] = ()
    any_network: bool = True
    draws: bool = False


def encoder_names() -> list[str]:
    """Return the encoders: the files of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def usable_names() -> list[str]:
    """Return the encoders that code the input of any network."""
    return [name for name in encoder_names() if encoder(name).any_network]


def encoder(name: str) -> Encoder:
    """Return an encoder; `StimulusError` where none has that name."""
    if name not in encoder_names():
        raise StimulusError(f"no spike encoder {name!r}; there are {', '.join(encoder_names())}")
    module = importlib.import_module(f"{__name__}.{name}")
    return Encoder(
        name=name,
        encode=module.encode,
        levels=module.LEVELS,
        note=module.NOTE,
        channels=getattr(module, "CHANNELS", 1),
        settings=getattr(module, "SETTINGS", ()),
        any_network=getattr(module, "ANY_NETWORK", True),
        draws=hasattr(module, "drawn"),
    )
