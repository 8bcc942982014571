"""The rows of a what-if table: each variation run, counted in every mode, placed with every strategy and priced."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from spikeport.export.errors import PlacementError
from spikeport.export.network import Array, Network
from spikeport.export.progress import waiting
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import Scores
from spikeport.hardware_profiles.counting import Mode, OperationCounts, count
from spikeport.hardware_profiles.energy import EnergyPerImage, energy
from spikeport.hardware_profiles.host import without_first_layer
from spikeport.hardware_profiles.load import core_loads
from spikeport.hardware_profiles.placement import STRATEGIES, Placement, place
from spikeport.hardware_profiles.profile import HardwareProfile
from spikeport.hardware_profiles.result import Result
from spikeport.hardware_profiles.what_if.variations import Variations


@dataclass(frozen=True, kw_only=True)
class WhatIfRow(Result):
    """One variation on one profile, per image.

    ``accumulates`` are per mode of Eq. 12, ``cores`` per strategy: None where ``refused`` says why it was not placed.
    ``energy`` is that of the placement with fewest cores, as a report has it. ``accuracy`` is the share of the
    ``images`` that are classified rightly, None without labels: fewer steps and more zeros change it.
    """

    derived: ClassVar[tuple[str, ...]] = ("accuracy_error",)

    variation: str
    profile: str
    spikes: float
    accumulates: Mapping[Mode, float]
    cores: Mapping[str, int | None]
    refused: Mapping[str, str]
    energy: EnergyPerImage
    images: int
    accuracy: float | None = None

    @property
    def accuracy_error(self) -> float | None:
        """The standard error of the accuracy, ``sqrt(p (1 - p) / images)``."""
        return None if self.accuracy is None else math.sqrt(self.accuracy * (1 - self.accuracy) / self.images)


def what_if(
    network: Network, stimulus: Stimulus, variations: Variations, *, labels: Array | None = None
) -> tuple[WhatIfRow, ...]:
    """Return a row for the network and for each of the other ``variations``, each on every profile.

    ``labels`` (N,): the classes of the samples, for the accuracy of each variation. Raises the errors of
    `load_profile`, and `StimulusError` where the stimulus has frames of its own for every step and the steps vary.
    """
    profiles = variations.loaded()
    return tuple(
        row
        for name, changed, held in variations.networks(network, stimulus)
        for row in _rows(name, changed, held, *_run(changed, held, labels), profiles, variations.weight_bits)
    )


def _run(network: Network, stimulus: Stimulus, labels: Array | None) -> tuple[OperationCounts, float | None]:
    """Return the counts of a run, and its accuracy where labels are known."""
    scores = Scores(network, len(stimulus))
    counts = count(network, stimulus, verify=0, seen=scores.add)
    return counts, None if labels is None else float((scores.values.argmax(1) == labels).mean())


def _rows(
    name: str,
    network: Network,
    stimulus: Stimulus,
    counts: OperationCounts,
    accuracy: float | None,
    profiles: list[HardwareProfile],
    weight_bits: int | None,
) -> Iterator[WhatIfRow]:
    places = [_places(network, profile, weight_bits) for profile in profiles]
    best = [min(placed.values(), key=lambda each: len(each.cores), default=None) for placed, _ in places]
    with waiting("loads of cores"):
        loads = iter(core_loads(network, stimulus, [each for each in best if each is not None]))
    for profile, (placed, refused), chosen in zip(profiles, places, best, strict=True):
        load = None if chosen is None else next(loads)
        yield WhatIfRow(
            variation=name,
            profile=profile.name,
            spikes=counts.total_spikes / counts.images,
            accumulates=counts.modes,
            cores={s: len(placed[s].cores) if s in placed else None for s in _strategies(profile)},
            refused=refused,
            energy=without_first_layer(network, energy(counts, profile, placement=chosen, load=load)),
            images=counts.images,
            accuracy=accuracy,
        )


def _strategies(profile: HardwareProfile) -> tuple[str, ...]:
    return ("layers",) if profile.layer_cores is not None else STRATEGIES


def _places(
    network: Network, profile: HardwareProfile, weight_bits: int | None
) -> tuple[dict[str, Placement], dict[str, str]]:
    placed, refused = {}, {}
    for strategy in _strategies(profile):
        try:
            with waiting(f"placing on {profile.name}, {strategy}"):
                placed[strategy] = place(network, profile, strategy, weight_bits=weight_bits)
        except PlacementError as error:
            refused[strategy] = str(error)
    return placed, refused
