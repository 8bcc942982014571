"""A recipe as a type: data, network and an ordered list of stages; `spikeport.toolchain.recipes.reader` reads it."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from spikeport.toolchain.attacks.attack import Attack
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.data.dataset import DataSource
from spikeport.toolchain.nn.architectures.architecture import Architecture, Count
from spikeport.toolchain.nn.spiking import Spiking
from spikeport.toolchain.stages.stage import Stage

VERSION = 2
Levels = Annotated[float, Meta(ge=0, le=255)]
"""An epsilon in pixel levels: 8 means 8/255."""


class Evaluate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is measured after every stage with a model, on held-out images: clean accuracy, and under ``attack``.

    ``images``: so many of the held-out images, all without it. ``epsilon`` in pixel levels.
    """

    images: Count | None = None
    epsilon: Levels = 8
    attack: Attack = Pgd(steps=10)


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole run.

    ``threads`` is how many threads PyTorch adds with, whatever the machine has: sums in another order round otherwise,
    and training makes another network of the difference. ``matrix`` makes a sweep of it: values for keys.
    """

    version: Literal[2] = 2
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    threads: Annotated[int, Meta(ge=1, le=1024)] = 2
    data: DataSource
    network: Architecture
    spiking: Spiking = Spiking()
    evaluate: Evaluate = Evaluate()
    stages: Annotated[tuple[Stage, ...], Meta(min_length=1, max_length=1000)]
    matrix: dict[str, Annotated[tuple[Any, ...], Meta(min_length=1)]] = {}
