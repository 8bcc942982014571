"""Energy per image, split into what is known; never one number alone.

``E = E_AC mean over images of AC`` is Eq. 12 of Schmolli et al., CPAL 2025. It counts synaptic operations only:
neuron updates happen at every step whether or not anything arrives, and outweigh it at high sparsity.
"""

from dataclasses import dataclass

from spikeport.hardware_profiles.counting import OperationCounts
from spikeport.hardware_profiles.latency import LatencyBound
from spikeport.hardware_profiles.load import CoreLoad
from spikeport.hardware_profiles.placement import Placement
from spikeport.hardware_profiles.profile import Constant, HardwareProfile


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A network on the cores of a chip: where it lies, what the cores do, and the time that takes at least."""

    placement: Placement
    load: CoreLoad
    latency: LatencyBound


@dataclass(frozen=True, kw_only=True)
class EnergyPerImage:
    """Joule per image; None where the profile lacks the constant, as ``unknown`` says.

    ``synaptic_operations`` is Eq. 12 in mode fused. ``neuron_updates`` takes neurons that fire as active and all others
    as inactive; ``neuron_updates_all_active`` is the most it can be. The ``first_layer`` runs on the host or on the
    chip. ``static`` power flows for the latency's bound, so it is the least it can be.
    """

    synaptic_operations: float
    neuron_updates: float | None
    neuron_updates_all_active: float | None
    spike_traffic: float | None
    first_layer_host: float | None
    first_layer_chip: float | None
    static: float | None
    unknown: dict[str, str]

    @property
    def known(self) -> float:
        """The sum of the parts that are known, the first layer on the host."""
        parts = (self.neuron_updates, self.spike_traffic, self.first_layer_host, self.static)
        return self.synaptic_operations + sum(part or 0.0 for part in parts)


def eq12(profile: HardwareProfile, counts: OperationCounts, placement: Placement | None, mode: str = "fused") -> float:
    """Return ``E_AC sum of AC`` of a mean image; shared kernels have an E_AC of their own where one is known."""
    shared = placement.shared if placement else frozenset()
    constants = profile.energy
    total = 0.0
    for number, layer in enumerate(counts.layers):
        if not layer.graded:
            own = constants.accumulate_shared if number in shared else None
            total += (own or constants.accumulate).value * layer.accumulates(mode)
    return total / counts.images


def energy(
    profile: HardwareProfile,
    counts: OperationCounts,
    neurons: int,
    placement: Placement | None = None,
    deployed: Deployment | None = None,
) -> EnergyPerImage:
    """Return the energy of a mean image of the counted run, for a network of ``neurons`` neurons."""
    constants, unknown = profile.energy, {}
    updates, fired = neurons * counts.steps, counts.fired / counts.images
    inactive, active = constants.neuron_update_inactive, constants.neuron_update_active
    updated = None
    if inactive is None or active is None:
        unknown["neuron_updates"] = f"{profile.name} gives no energy of a neuron update"
    else:
        updated = (updates - fired) * inactive.value + fired * active.value
    macs = counts.macs / counts.images
    host, chip = constants.multiply_accumulate_host, constants.multiply_accumulate
    if macs and chip is None:
        unknown["first_layer_chip"] = f"{profile.name} gives no energy of a multiply-accumulate"
    if macs and host is None:
        unknown["first_layer_host"] = f"{profile.name} gives no energy of the host"
    return EnergyPerImage(
        synaptic_operations=eq12(profile, counts, placement),
        neuron_updates=updated,
        neuron_updates_all_active=_times(updates, active),
        spike_traffic=_traffic(profile, deployed, unknown),
        first_layer_host=_times(macs, host),
        first_layer_chip=_times(macs, chip),
        static=_static(profile, deployed, unknown),
        unknown=unknown,
    )


def _times(number: float, constant: Constant | None) -> float | None:
    return None if constant is None else number * constant.value


def _traffic(profile: HardwareProfile, deployed: Deployment | None, unknown: dict[str, str]) -> float | None:
    message = profile.energy.message
    if deployed is None or message is None:
        unknown["spike_traffic"] = (
            "no placement" if message is not None else f"{profile.name} gives no message's energy"
        )
        return None
    if deployed.load.off_chip:
        unknown["spike_traffic_between_chips"] = f"{deployed.load.off_chip:,.0f} messages an image leave their chip"
    ways = zip(deployed.load.hops, (profile.energy.hop_vertical, profile.energy.hop_horizontal), strict=True)
    return deployed.load.messages * message.value + sum(hops * each.value for hops, each in ways if each)


def _static(profile: HardwareProfile, deployed: Deployment | None, unknown: dict[str, str]) -> float | None:
    power = profile.energy.static_power
    seconds = deployed.latency.seconds if deployed else None
    if power is None or deployed is None or seconds is None:
        unknown["static"] = f"{profile.name} gives no static power" if power is None else "no latency"
        return None
    return power.value * deployed.placement.chips * seconds
