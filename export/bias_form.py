"""A network with a held graded input as one whose first neurons get biases, and what the rounding of these changes."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from spikeport.export import biases
from spikeport.export.bounds import prove
from spikeport.export.executors import fast
from spikeport.export.network import BiasNetwork, IntegerNetwork
from spikeport.export.shown import Shown
from spikeport.export.stimulus import Stimulus

BATCH = 100


@dataclass(frozen=True, kw_only=True)
class Rounding(Shown):
    """What the bias registers cannot say, over all images of a run.

    ``drives``: neurons that get a bias, times images. ``rounded``: those whose drive is no mantissa times a power of
    two; ``beyond`` (among them): those larger than the largest bias, `biases.LARGEST`, which they get. ``error``: the
    largest difference, in units of the potential (64 are one of synaptic activation). ``spikes``: neuron steps of the
    populations that get biases and can fire; ``changed``: those in which the graded input gives another spike.
    """

    drives: int
    rounded: int
    beyond: int
    error: int
    spikes: int
    changed: int

    def text(self) -> str:
        """Return the counts in words; a drive beyond the register is a warning."""
        share = 100 * self.rounded / self.drives
        text = (
            f"input as biases: {self.rounded:,} of {self.drives:,} drives ({share:.1f} %) are not exact in the "
            f"register, largest error {self.error:,} units of the potential; {self.changed:,} of {self.spikes:,} "
            "spikes of the neurons that get them differ from the graded input's"
        )
        if not self.beyond:
            return text
        most = f"{biases.LARGEST:,}"
        return f"{text}\nwarning: {self.beyond:,} drives lie beyond the largest bias, {most}, and were set to it"

    def to_dict(self) -> dict[str, Any]:
        """Return the counts."""
        return asdict(self)


def as_bias(network: IntegerNetwork) -> BiasNetwork:
    """Return ``network`` with its input written as biases, and the proof of the registers made anew.

    Where every drive is exact (`spikeport.export.biases`), spikes and potentials stay as they are. Raises
    `NetworkError` where a bias is something else: a projection from the input with a delay, or into neurons whose
    synaptic current has memory.
    """
    if isinstance(network, BiasNetwork):
        return network
    parts = {"populations": network.populations, "projections": network.projections, "steps": network.steps}
    made = BiasNetwork(**parts)  # type: ignore[arg-type]
    return replace(made, bounds=prove(made))


def as_graded(network: BiasNetwork) -> IntegerNetwork:
    """Return the network whose input goes over synapses, with the proof of the registers made anew."""
    made = IntegerNetwork(populations=network.populations, projections=network.projections, steps=network.steps)
    return replace(made, bounds=prove(made))


def measured(network: BiasNetwork, stimulus: Stimulus) -> Rounding:
    """Return what rounding does on ``stimulus``: every drive is compared with its register, and both forms are run."""
    stimulus.require_held()
    counts = np.zeros(3, np.int64)
    error = 0
    for rows in stimulus.batches(biases.batch_size(network)):
        for drive in biases.drives(network, stimulus.frame(rows, 0)).values():
            off = np.abs(biases.nearest(drive).values - drive)
            clipped = np.count_nonzero(np.abs(drive) > biases.LARGEST)
            counts += np.array([drive.size, np.count_nonzero(off), clipped])
            error = max(error, int(off.max(initial=0)))
    drives, rounded, beyond = (int(count) for count in counts)
    spikes, changed = _changed(network, stimulus)
    return Rounding(drives=drives, rounded=rounded, beyond=beyond, error=error, spikes=spikes, changed=changed)


def _changed(network: BiasNetwork, stimulus: Stimulus) -> tuple[int, int]:
    """Return the neuron steps of the populations that get biases and fire, and those that differ in the graded form."""
    names = [population.name for population in network.biased if population in network.spiking]
    if not names:
        return 0, 0
    part = _up_to(network, names)
    runs = [fast.steps(each, stimulus, batch=BATCH, keep=names) for each in (part, as_graded(part))]
    compared = changed = 0
    for ours, theirs in zip(*runs, strict=True):
        for name in names:
            values = ours.spikes[name]
            alive = values.size if ours.alive is None else int(ours.alive.sum()) * values[0].size
            compared, changed = compared + alive, changed + int(np.count_nonzero(values != theirs.spikes[name]))
    return compared, changed


def _up_to(network: BiasNetwork, names: Iterable[str]) -> BiasNetwork:
    """Return the part of a network that ``names`` depend on."""
    needed, waiting = {network.source.name}, list(names)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [projection.source for projection in network.incoming(name)]
    projections = tuple(projection for projection in network.projections if projection.target in needed)
    populations = tuple(population for population in network.populations if population.name in needed)
    return replace(network, populations=populations, projections=projections, bounds={})
