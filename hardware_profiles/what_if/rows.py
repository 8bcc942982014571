"""The rows of a what-if table: each variation run, counted in every mode, placed with every strategy and priced."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from spikeport.export.errors import PlacementError
from spikeport.export.network import Network
from spikeport.export.progress import waiting
from spikeport.export.stimulus import Stimulus
from spikeport.hardware_profiles.counting import Mode, OperationCounts, count
from spikeport.hardware_profiles.energy import EnergyPerImage, energy
from spikeport.hardware_profiles.placement import STRATEGIES, Placement, place
from spikeport.hardware_profiles.profile import HardwareProfile
from spikeport.hardware_profiles.result import Result
from spikeport.hardware_profiles.what_if.variations import Variations


@dataclass(frozen=True, kw_only=True)
class WhatIfRow(Result):
    """One variation on one profile, per image.

    ``accumulates`` are per mode of Eq. 12, ``cores`` per strategy: None where ``refused`` says why it was not placed.
    ``energy`` is that of the placement with fewest cores, without spike traffic and static energy.
    """

    variation: str
    profile: str
    spikes: float
    accumulates: Mapping[Mode, float]
    cores: Mapping[str, int | None]
    refused: Mapping[str, str]
    energy: EnergyPerImage


def what_if(network: Network, stimulus: Stimulus, variations: Variations) -> tuple[WhatIfRow, ...]:
    """Return a row for the network and for each of the other ``variations``, each on every profile.

    Raises the errors of `load_profile`, and `StimulusError` where the stimulus has frames of its own for every step and
    the steps vary.
    """
    profiles = variations.loaded()
    return tuple(
        row
        for name, changed, held in variations.networks(network, stimulus)
        for row in _rows(name, changed, count(changed, held, verify=0), profiles, variations.weight_bits)
    )


def _rows(
    name: str,
    network: Network,
    counts: OperationCounts,
    profiles: list[HardwareProfile],
    weight_bits: int | None,
) -> Iterator[WhatIfRow]:
    for profile in profiles:
        placed, refused = _places(network, profile, weight_bits)
        best = min(placed.values(), key=lambda placement: len(placement.cores), default=None)
        yield WhatIfRow(
            variation=name,
            profile=profile.name,
            spikes=counts.total_spikes / counts.images,
            accumulates=counts.modes,
            cores={s: len(placed[s].cores) if s in placed else None for s in _strategies(profile)},
            refused=refused,
            energy=energy(counts, profile, placement=best),
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
