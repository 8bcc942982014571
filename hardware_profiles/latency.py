"""A lower bound of the time an image takes: the max-affine bound of Timcheck et al., arXiv 2601.10035.

All cores finish a step before the next begins, so a step takes at least::

    t >= max( N_neurons t_neuron, N_accumulates t_accumulate, N_reads t_read, N_messages t_link, t_barrier )

with N the most of any core in that step; an image takes the sum over its steps. A message reads at least one word. The
MACs of a graded input are left out, as the host may do them. What a profile does not give bounds nothing, and is named.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from spikeport.hardware_profiles.load import CoreLoad
from spikeport.hardware_profiles.placement import Placement
from spikeport.hardware_profiles.result import Result

TERMS = {
    "neuron_update": "neuron updates",
    "accumulate": "accumulates",
    "memory_read": "memory reads",
    "link_message": "messages over a link",
    "barrier": "barrier",
}


@dataclass(frozen=True, kw_only=True)
class LatencyBound(Result):
    """Seconds per image, at least; None where the profile gives no time at all.

    ``shares`` says in which share of the steps a term was the largest; ``unknown`` are the terms without a constant.
    """

    seconds: float | None
    shares: Mapping[str, float]
    unknown: tuple[str, ...]


def latency(placement: Placement, load: CoreLoad) -> LatencyBound:
    """Return the bound for a mean image of the run that ``load`` was counted in, in seconds."""
    times = placement.profile.latency
    if placement.shared and times.accumulate is not None and times.accumulate_shared is not None:
        least = min(times.accumulate, times.accumulate_shared, key=lambda constant: constant.value)
        times = msgspec.structs.replace(times, accumulate=least)
    busiest = {
        "neuron_update": np.full_like(load.busiest_operations, max(core.use.neurons for core in placement.cores)),
        "accumulate": load.busiest_operations,
        "memory_read": load.busiest_messages,
        "link_message": load.busiest_messages,
        "barrier": np.ones_like(load.busiest_operations),
    }
    given = {name: busiest[name] * c.value for name in TERMS if (c := getattr(times, name)) is not None}
    unknown = tuple(TERMS[name] for name in TERMS if name not in given)
    if not given:
        return LatencyBound(seconds=None, shares={}, unknown=unknown)
    terms = np.stack(list(given.values()))
    largest = terms.argmax(axis=0)
    shares = {TERMS[name]: float((largest == number).mean()) for number, name in enumerate(given)}
    seconds = float(terms.max(axis=0).sum(axis=1).mean())
    return LatencyBound(seconds=seconds, shares={n: share for n, share in shares.items() if share}, unknown=unknown)
