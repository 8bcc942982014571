"""The time of an image: the max-affine model of Timcheck et al., arXiv 2601.10035, with populations staggered.

All cores finish a step of the chip before the next begins, so a step takes, over all cores::

    t = max( neurons, synapses, reads, arriving, leaving, t_barrier ) + t_synchronisation

with the seconds of `spikeport.hardware_profiles.chip_steps`. ``latency`` is the sum over the chip steps of one image
alone, ``interval`` the time from image to image where they run back to back. The MACs of a graded input are left
out, as the host may do them.

It is a lower bound where every constant is published as a minimum, and an estimate otherwise. What a profile does not
give takes no time here, and is named.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from spikeport.export.network import Array
from spikeport.hardware_profiles.chip_steps import StepTimes
from spikeport.hardware_profiles.evidence import AnyConstant, assumed, mark, not_minimum, scaled
from spikeport.hardware_profiles.load import CoreLoad
from spikeport.hardware_profiles.output.table import Cell, Column, Number
from spikeport.hardware_profiles.placement import Placement
from spikeport.hardware_profiles.placement.mesh import CORES_PER_TILE
from spikeport.hardware_profiles.result import Result

STAGES = {
    "neurons": "neuron updates",
    "synapses": "synapses",
    "reads": "memory reads",
    "arriving": "messages over a link",
    "leaving": "messages over a link",
    "barrier": "barrier",
}
"""Kinds of work as they are reported."""
CONSTANTS = {
    "neuron_update": "neuron updates",
    "message_sent": "sending messages",
    "message_received": "receiving messages",
    "accumulate": "accumulates",
    "memory_read": "memory reads",
    "link_message": "messages over a link",
    "barrier": "barrier",
}
"""What takes no time where a profile lacks the constant."""


@dataclass(frozen=True, kw_only=True)
class ImageTime(Result):
    """Seconds of a mean image of a run; None where the profile gives no time, or ``refused`` says why there is none.

    ``latency`` is that of an image alone, in ``latency_steps`` steps of the chip; ``interval`` the time from image to
    image where they run back to back, in ``interval_steps``. ``kind`` is 'lower bound' or 'estimate'; ``not_minimum``
    says for each constant that is no published minimum what it is. ``shares`` says in which share of the steps back to
    back a kind of work took longest. ``unknown`` takes no time here for want of a constant. ``assumed`` and ``scaled``
    are constants in both times.
    """

    derived: ClassVar[tuple[str, ...]] = ("kind",)

    latency: float | None
    interval: float | None
    latency_steps: int
    interval_steps: int
    shares: Mapping[str, float]
    unknown: tuple[str, ...]
    not_minimum: Mapping[str, str]
    assumed: tuple[str, ...]
    scaled: tuple[str, ...]
    refused: str = ""

    @property
    def kind(self) -> Literal["lower bound", "estimate"] | None:
        """What the times are; None where there are none."""
        if self.latency is None:
            return None
        return "estimate" if self.not_minimum else "lower bound"


def cell(time: Mapping[str, Any], key: str) -> Cell:
    """Return 'latency' or 'interval' of `ImageTime.to_dict` with its marks, and whether it is a lower bound."""
    if time[key] is None:
        return "unknown"
    return Number(value=time[key], marks=mark(time["assumed"], time["scaled"]), least=time["kind"] == "lower bound")


def shown(time: Mapping[str, Any], key: str) -> str:
    """Return a `cell` as text."""
    return Column(title=key, base="s").text(cell(time, key))


def latency(placement: Placement, load: CoreLoad) -> ImageTime:
    """Return the times of a mean image of the run that ``load`` was counted in, in seconds."""
    times, given = load.times, placement.profile.latency
    missing = tuple(dict.fromkeys(name for key, name in CONSTANTS.items() if getattr(given, key) is None))
    barrier, synchronisation = given.barrier.value if given.barrier else 0.0, _synchronisation(placement)
    if given.synchronisation is not None:
        missing = tuple(name for name in missing if name != "barrier")
    if times.refused or not (times.alone or barrier or synchronisation):
        return ImageTime(
            latency=None,
            interval=None,
            latency_steps=0,
            interval_steps=0,
            shares={},
            unknown=missing,
            not_minimum={},
            assumed=(),
            scaled=(),
            refused=times.refused,
        )
    alone, _ = slowest(times.alone, (times.images, times.latency_steps), barrier, synchronisation)
    ring, shares = slowest(times.back_to_back, (times.images * times.interval_steps,), barrier, synchronisation)
    constants = _used(placement, times)
    return ImageTime(
        latency=float(alone.sum()) / times.images,
        interval=float(ring.sum()) / times.images,
        latency_steps=times.latency_steps,
        interval_steps=times.interval_steps,
        shares=shares,
        unknown=missing,
        not_minimum=not_minimum(constants),
        assumed=assumed(constants),
        scaled=scaled(constants),
    )


def slowest(
    stages: Mapping[str, Array], shape: tuple[int, ...], barrier: float, synchronisation: float
) -> tuple[Array, dict[str, float]]:
    """Return the seconds of chip steps of ``shape``, and in which share of them a kind of work took longest."""
    terms = {**stages, "barrier": np.full(shape, barrier)}
    stacked = np.stack(list(terms.values()))
    longest = stacked.argmax(axis=0)
    shares: dict[str, float] = {}
    for number, name in enumerate(terms):
        share = float((longest == number).mean())
        if share:
            shares[STAGES[name]] = shares.get(STAGES[name], 0.0) + share
    return stacked.max(axis=0) + synchronisation, shares


def _synchronisation(placement: Placement) -> float:
    """Return the seconds that the tiles in use of the fullest chip take after every step."""
    table = placement.profile.latency.synchronisation
    cores = min(len(placement.cores), placement.cores_per_chip)
    return 0.0 if table is None else table.at(-(-cores // CORES_PER_TILE))


def _used(placement: Placement, times: StepTimes) -> dict[str, AnyConstant]:
    """Return the constants in the times, as 'latency.key'."""
    given = placement.profile.latency
    names = [name for name in given.__struct_fields__ if name in {*times.constants, "barrier", "synchronisation"}]
    return {f"latency.{name}": found for name in names if (found := getattr(given, name)) is not None}
