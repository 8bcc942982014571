"""Energy per image, split into what is known; never one number alone.

``E = E_AC mean over images of AC`` is Eq. 12 of Schmolli et al., CPAL 2025. It counts synaptic operations only:
neuron updates happen at every step whether or not anything arrives, and outweigh it at high sparsity.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from spikeport.export.errors import ProfileError
from spikeport.hardware_profiles.columns import joule, table
from spikeport.hardware_profiles.counting import MODES, Mode, OperationCounts
from spikeport.hardware_profiles.latency import latency
from spikeport.hardware_profiles.load import CoreLoad
from spikeport.hardware_profiles.placement import Placement
from spikeport.hardware_profiles.profile import Constant, HardwareProfile
from spikeport.hardware_profiles.result import Result


@dataclass(frozen=True, kw_only=True)
class EnergyPerImage(Result):
    """Joule per image; None where the profile lacks the constant, as ``unknown`` says.

    ``synaptic_operations`` is Eq. 12 in mode fused, ``eq12`` in every mode. ``neuron_updates`` takes neurons that fire
    as active and all others as inactive; ``neuron_updates_all_active`` is the most it can be. The ``first_layer`` runs
    on the host or on the chip. ``static`` power flows for the latency's bound, so it is the least it can be.
    ``sum_of_known`` leaves out what is unknown, and takes the first layer on the host.
    """

    synaptic_operations: float
    neuron_updates: float | None
    neuron_updates_all_active: float | None
    spike_traffic: float | None
    first_layer_host: float | None
    first_layer_chip: float | None
    static: float | None
    unknown: Mapping[str, str]
    sum_of_known: float
    eq12: Mapping[Mode, float]

    def text(self) -> str:
        """Return a table of the parts, and why parts are unknown."""
        parts = {
            "synaptic operations, Eq. 12 fused": self.synaptic_operations,
            "neuron updates": self.neuron_updates,
            "spike traffic": self.spike_traffic,
            "first layer on the host": self.first_layer_host,
            "first layer on the chip": self.first_layer_chip,
            "static": self.static,
            "sum of what is known": self.sum_of_known,
        }
        reasons = [f"{name.replace('_', ' ')}: {reason}" for name, reason in self.unknown.items()]
        rows = [(name, joule(value)) for name, value in parts.items()]
        return "\n".join((table(("energy of a mean image", "uJ"), rows), *reasons))


def energy(
    counts: OperationCounts,
    profile: HardwareProfile,
    *,
    placement: Placement | None = None,
    load: CoreLoad | None = None,
) -> EnergyPerImage:
    """Return the energy of a mean image of the counted run, in joule.

    ``placement`` says which kernels are shared; with the ``load`` of its cores, spike traffic and static energy are
    known too. Raises `ProfileError` where the placement is for another profile.
    """
    if placement is not None and placement.profile != profile:
        raise ProfileError(f"the placement is on {placement.profile.name}; expected one on {profile.name} to price it")
    constants, unknown = profile.energy, _unknown(counts, profile)
    macs = counts.first_layer_macs / counts.images
    eq12 = {mode: synaptic_energy(counts, profile, placement, mode) for mode in MODES}
    updates = _updates(counts, constants.neuron_update_inactive, constants.neuron_update_active)
    traffic = _traffic(profile, load if placement else None, unknown)
    host, static = _times(macs, constants.multiply_accumulate_host), _static(profile, placement, load, unknown)
    return EnergyPerImage(
        synaptic_operations=eq12["fused"],
        neuron_updates=updates,
        neuron_updates_all_active=_times(counts.neurons * counts.steps, constants.neuron_update_active),
        spike_traffic=traffic,
        first_layer_host=host,
        first_layer_chip=_times(macs, constants.multiply_accumulate),
        static=static,
        unknown=unknown,
        sum_of_known=eq12["fused"] + sum(part or 0.0 for part in (updates, traffic, host, static)),
        eq12=eq12,
    )


def synaptic_energy(
    counts: OperationCounts, profile: HardwareProfile, placement: Placement | None = None, mode: Mode = "fused"
) -> float:
    """Return Eq. 12, ``E_AC sum of AC`` of a mean image; shared kernels have their own E_AC where one is known."""
    shared = placement.shared if placement else frozenset()
    constants, total = profile.energy, 0.0
    for number, layer in enumerate(counts.layers):
        if not layer.graded:
            own = constants.accumulate_shared if number in shared else None
            total += (own or constants.accumulate).value * layer.operations(mode)
    return total / counts.images


def _unknown(counts: OperationCounts, profile: HardwareProfile) -> dict[str, str]:
    """Return which parts lack a constant of the profile, and why; traffic and static energy apart."""
    constants, unknown = profile.energy, {}
    if constants.neuron_update_inactive is None or constants.neuron_update_active is None:
        unknown["neuron_updates"] = f"{profile.name} gives no energy of a neuron update"
    if counts.first_layer_macs and constants.multiply_accumulate is None:
        unknown["first_layer_chip"] = f"{profile.name} gives no energy of a multiply-accumulate"
    if counts.first_layer_macs and constants.multiply_accumulate_host is None:
        unknown["first_layer_host"] = f"{profile.name} gives no energy of the host"
    return unknown


def _updates(counts: OperationCounts, inactive: Constant | None, active: Constant | None) -> float | None:
    if inactive is None or active is None:
        return None
    firing = counts.active_steps / counts.images
    return (counts.neurons * counts.steps - firing) * inactive.value + firing * active.value


def _times(number: float, constant: Constant | None) -> float | None:
    return None if constant is None else number * constant.value


def _traffic(profile: HardwareProfile, load: CoreLoad | None, unknown: dict[str, str]) -> float | None:
    message = profile.energy.message
    if message is None:
        unknown["spike_traffic"] = f"{profile.name} gives no energy of a message"
        return None
    if load is None:
        unknown["spike_traffic"] = "no placement"
        return None
    if load.off_chip:
        unknown["spike_traffic_between_chips"] = f"{load.off_chip:,.0f} messages an image leave their chip"
    ways = zip(load.hops, (profile.energy.hop_vertical, profile.energy.hop_horizontal), strict=True)
    return load.messages * message.value + sum(hops * each.value for hops, each in ways if each)


def _static(
    profile: HardwareProfile, placement: Placement | None, load: CoreLoad | None, unknown: dict[str, str]
) -> float | None:
    power = profile.energy.static_power
    seconds = latency(placement, load).seconds if placement and load else None
    if power is None or placement is None or seconds is None:
        unknown["static"] = f"{profile.name} gives no static power" if power is None else "no latency"
        return None
    return power.value * placement.chips * seconds
