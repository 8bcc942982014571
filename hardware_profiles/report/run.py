"""The one run of a network that a report rests on: operations, loads of cores, layers, classes, chosen samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from spikeport.export.network import Array, FloatNetwork, Network, Source
from spikeport.export.stimulus import Stimulus
from spikeport.export.three_counts import sampled_images
from spikeport.export.trace import Scores
from spikeport.hardware_profiles.counting import Counted, Counter, OperationCounts, batches, zero_share
from spikeport.hardware_profiles.load import CoreLoad, LoadCounter
from spikeport.hardware_profiles.placement import Placement
from spikeport.hardware_profiles.report.layers import LayerSummary, layers
from spikeport.hardware_profiles.report.raster import Raster, Rasters
from spikeport.hardware_profiles.report.sections import Accuracy


@dataclass(frozen=True, kw_only=True, eq=False)
class Performed:
    """What a run gave: ``loads`` of the cores by profile, ``classes`` (N,), ``rasters`` of the chosen samples."""

    counts: OperationCounts
    loads: dict[str, CoreLoad]
    layers: tuple[LayerSummary, ...]
    classes: Array
    rasters: tuple[Raster, ...]


def performed(
    network: Counted, stimulus: Stimulus, placed: Mapping[str, Placement], *, verify: int, chosen: Sequence[int] = ()
) -> Performed:
    """Run a network once; ``verify`` images are counted in all ways, the spikes of the ``chosen`` ones are kept."""
    synapses, scores = network.synapses, Scores(network.run, len(stimulus))
    counter, rasters = Counter(synapses), Rasters(chosen, _drawn(synapses, stimulus))
    loads = {name: LoadCounter(synapses, placement) for name, placement in placed.items()}
    for batch in batches(network, stimulus, sampled=sampled_images(len(stimulus), verify), seen=scores.add):
        counter.add(batch)
        rasters.add(batch)
        for each in loads.values():
            each.add(batch)
    return Performed(
        counts=replace(counter.counts(), held=stimulus.held),
        loads={name: each.load() for name, each in loads.items()},
        layers=layers(synapses, counter.fan_outs, placed),
        classes=scores.values.argmax(1),
        rasters=rasters.rasters(),
    )


def _drawn(network: Network, stimulus: Stimulus) -> list[str]:
    """Return the populations whose spikes a raster shows: those that fire, and an input that is spikes."""
    source = network.source.neuron
    spiking = isinstance(source, Source) and source.levels == 1 and not stimulus.held
    return [network.source.name] * spiking + [each.name for each in network.spiking]


def measured(network: Network, classes: Array, labels: Array, synapses: Network) -> Accuracy:
    """Return the accuracy of a network whose ``classes`` (N,) are held against the labels of its images."""
    return Accuracy(
        title="float network" if isinstance(network, FloatNetwork) else "integers",
        clean=float((classes == labels).mean()),
        images=len(labels),
        sparsity=zero_share(synapses),
    )
