"""Spikes of chosen samples: rasters of some neurons of every layer, and histograms of the rates of all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spikeport.export.errors import StimulusError
from spikeport.export.network import Array
from spikeport.hardware_profiles.counting import Batch
from spikeport.hardware_profiles.result import Result

MOST_NEURONS, MOST_STEPS, MOST_SAMPLES, BINS = 96, 200, 20, 10
"""Neurons of a layer and steps that a raster shows, samples that are drawn, and bins of a histogram, at most."""


@dataclass(frozen=True, kw_only=True)
class RasterLayer(Result):
    """One population in one sample.

    ``shown``: the neurons in the raster, evenly from the first to the last, numbered in the order of the array;
    ``spikes``: step and place in ``shown`` of each of their spikes, in the first ``steps`` steps. Of all ``neurons``
    over all steps, ``silent`` never fire and ``rates[i]`` fire in more than i and at most i + 1 of so many parts of the
    steps as ``rates`` has; those that fire several times a step stand in the last.
    """

    population: str
    neurons: int
    shown: tuple[int, ...]
    steps: int
    spikes: tuple[tuple[int, int], ...]
    silent: int
    rates: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Raster(Result):
    """The sample number ``image`` over T = ``steps`` steps, layer by layer from the input on."""

    image: int
    steps: int
    layers: tuple[RasterLayer, ...]


def check_chosen(chosen: Sequence[int], samples: int) -> None:
    """Raise `StimulusError` for numbers of samples that are not there, or that are too many to draw."""
    wrong = [number for number in chosen if not 0 <= number < samples]
    if wrong:
        raise StimulusError(f"a raster of sample {wrong[0]} was asked for; expected 0 to {samples - 1}")
    if len(set(chosen)) != len(chosen) or len(chosen) > MOST_SAMPLES:
        raise StimulusError(
            f"rasters of {len(chosen)} samples were asked for; expected each once, and at most {MOST_SAMPLES}"
        )


class Rasters:
    """Folds over the batches of a run and keeps what is drawn of the samples that were asked for."""

    def __init__(self, chosen: Sequence[int], populations: Sequence[str]) -> None:
        self.chosen, self.populations, self.first = chosen, populations, 0
        self.found: dict[int, Raster] = {}

    def add(self, batch: Batch) -> None:
        """Keep what is drawn of a batch."""
        for number in self.chosen:
            if self.first <= number < self.first + batch.images:
                spikes = {name: batch.spikes[name][number - self.first] for name in self.populations}
                self.found[number] = raster(number, spikes)
        self.first += batch.images

    def rasters(self) -> tuple[Raster, ...]:
        """Return the rasters in the order in which they were asked for."""
        return tuple(self.found[number] for number in self.chosen)


def raster(image: int, spikes: dict[str, Array]) -> Raster:
    """Return what is drawn of a sample's spikes, (T, *shape) by population."""
    steps = len(next(iter(spikes.values())))
    return Raster(image=image, steps=steps, layers=tuple(_layer(name, found) for name, found in spikes.items()))


def _layer(name: str, spikes: Array) -> RasterLayer:
    flat = spikes.reshape(len(spikes), -1)
    neurons = flat.shape[1]
    shown = np.unique(np.linspace(0, neurons - 1, min(neurons, MOST_NEURONS)).round().astype(int))
    steps, places = np.nonzero(flat[:MOST_STEPS, shown])
    per_neuron = flat.sum(axis=0, dtype=np.int64)
    bins = min(len(flat), BINS)
    part = np.minimum(-(-per_neuron * bins // len(flat)), bins)
    counts = np.bincount(part, minlength=bins + 1)
    return RasterLayer(
        population=name,
        neurons=neurons,
        shown=tuple(shown.tolist()),
        steps=min(len(flat), MOST_STEPS),
        spikes=tuple(zip(steps.tolist(), places.tolist(), strict=True)),
        silent=int(counts[0]),
        rates=tuple(counts[1:].tolist()),
    )
