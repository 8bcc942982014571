"""Our time and energy of the cases beside SANA-FE's, with the same constants on the same cores."""

from dataclasses import astuple, dataclass, replace

import numpy as np

from spikeport.export.geometry import Grid, fan_out
from spikeport.export.linear import synaptic_sum
from spikeport.export.network import Array, IntegerNetwork, IntegerProjection, Synapses
from spikeport.export.stimulus import Stimulus
from spikeport.hardware_profiles.counting import OperationCounts, batches, count
from spikeport.hardware_profiles.latency import ImageTime, latency
from spikeport.hardware_profiles.limits import CoreUse
from spikeport.hardware_profiles.load import CoreLoad, core_load
from spikeport.hardware_profiles.placement import Core, Cut, LowerBounds, Placement
from spikeport.hardware_profiles.placement.results import Block
from spikeport.hardware_profiles.profile import HardwareProfile, load_profile
from tests.oracles.hardware.cases import Case, cases
from tests.oracles.hardware.compare import recorded
from tests.oracles.hardware.networks import network_of

PROFILE = "loihi1_silicon_fit"
ACCESS, UPDATE, SPIKE, SEND = 6.0e-9, 3.7e-9, 30.0e-9, 5.1e-9
"""SANA-FE's seconds of a neuron and of a message out; a neuron without potential and input is accessed alone."""


@dataclass(frozen=True, kw_only=True)
class Times:
    """Seconds of one image alone, mean over the images of a case: ours, and SANA-FE's with two of its models."""

    ours: float
    simple: float
    detailed: float

    @property
    def ratios(self) -> dict[str, float]:
        """Ours over SANA-FE's, by its model."""
        return {"simple": self.ours / self.simple, "detailed": self.ours / self.detailed}


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What we say of a case: counts, load and time."""

    counts: OperationCounts
    placement: Placement
    load: CoreLoad
    time: ImageTime


def costs(case: Case, profile: HardwareProfile | None = None) -> Costs:
    """Return our costs of a case with each population on a core of its own, as the recording has it."""
    network = network_of(case)
    stimulus = Stimulus(values=case.frames, steps=network.steps, held=False)
    placement = one_core_each(network, profile or load_profile(PROFILE))
    load = core_load(network, stimulus, placement)
    return Costs(counts=count(network, stimulus), placement=placement, load=load, time=latency(placement, load))


def times() -> dict[str, Times]:
    """Return the times of every case."""
    found = {}
    for case in cases():
        theirs = {
            model: float(np.mean(each)) for model, each in recorded("sanafe")["cases"][case.name]["seconds"].items()
        }
        seconds = costs(case).time.latency
        assert seconds is not None
        found[case.name] = Times(ours=seconds, **theirs)
    return found


def one_core_each(network: IntegerNetwork, profile: HardwareProfile) -> Placement:
    """Return each population on a core of its own: no more than 1,024 neurons, limits of memory and axons left out."""
    grids = {population.name: Grid.of(population.shape) for population in network.neurons}
    assert all(grid.neurons <= 1024 for grid in grids.values())
    use = CoreUse(neurons=0, synapses=0, synaptic_memory=0, core_memory=0, input_axons=0, output_axons=0)
    cores = []
    for name, grid in grids.items():
        channels, rows, columns = ((0, side) for side in astuple(grid))
        whole = Block(population=name, channels=channels, rows=rows, columns=columns)
        cores.append(Core(blocks=(whole,), use=replace(use, neurons=grid.neurons)))
    return Placement(
        profile=profile,
        strategy="unrolled",
        cuts={name: Cut.whole(grid) for name, grid in grids.items()},
        cores=tuple(cores),
        numbers=tuple(range(len(cores))),
        lower_bounds=LowerBounds(neurons=0, memory=0),
    )


def with_neurons_at_rest(case: Case) -> list[float]:
    """Return our seconds of each image alone where a neuron without potential and input is accessed, not updated."""
    network, found = network_of(case), costs(case)
    stimulus = Stimulus(values=case.frames, steps=network.steps, held=False)
    (batch,) = batches(network, stimulus)
    seconds = found.load.times.alone["synapses"].copy()
    inputs = batch.spikes["input"].reshape(len(seconds), network.steps, -1)
    seconds[:, : network.steps] = np.maximum(seconds[:, : network.steps], SEND * inputs.sum(axis=2))
    for name, depth in list(network.depths().items())[1:]:
        (projection,) = network.incoming(name)
        fires = batch.spikes.get(name)
        own = _neuron_seconds(projection, batch.spikes[projection.source], fires, _sends(network, name))
        rows = np.repeat(own[:, -1:], seconds.shape[1], axis=1)
        rows[:, :depth] = ACCESS * np.prod(network.population(name).shape)
        rows[:, depth : depth + network.steps] = own[:, :-1]
        seconds = np.maximum(seconds, rows)
    sync = found.placement.profile.latency.synchronisation.at(-(-(len(case.layers) + 1) // 4))
    return list((seconds + sync).sum(axis=1))


def _sends(network: IntegerNetwork, name: str) -> Array:
    """Return which neurons of a population have a synapse."""
    shape = network.population(name).shape
    ways = [fan_out(p.synapses, shape, p.output_shape(shape)) > 0 for p in network.outgoing(name)]
    return np.any(ways, axis=0) if ways else np.zeros(shape, bool)


def _neuron_seconds(projection: IntegerProjection, arriving: Array, fires: Array | None, sends: Array) -> Array:
    """Return the seconds of a population's core (images, T + 1), the last in the steps after its own."""
    images, steps = arriving.shape[:2]
    ones = replace(projection.synapses, weight=(projection.synapses.weight != 0).astype(np.int8))
    potential = np.zeros((images, *sends.shape), np.int64)
    seconds = np.zeros((images, steps + 1))
    for step in range(steps + 1):
        reached = np.zeros_like(potential) if step == steps else _summed(ones, arriving[:, step], sends.shape)
        updated = (potential != 0) | (reached > 0)
        fired = np.zeros(updated.shape, bool) if fires is None or step == steps else fires[:, step] > 0
        counts = [each.reshape(images, -1).sum(axis=1) for each in (np.ones_like(fired), updated, fired, fired & sends)]
        seconds[:, step] = np.array([ACCESS, UPDATE, SPIKE, SEND]) @ np.array(counts)
        if step < steps:
            potential = potential + _summed(projection.synapses, arriving[:, step], sends.shape)
            potential[fired] = 0
    return seconds


def _summed(synapses: Synapses, spikes: Array, shape: tuple[int, ...]) -> Array:
    return synaptic_sum(synapses, spikes).reshape(len(spikes), *shape)
