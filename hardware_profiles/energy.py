"""Energy per image, split into what is known; never one number alone.

``E = E_AC mean over images of AC`` is Eq. 12 of Schmolli et al., CPAL 2025. It counts synaptic operations only:
neuron updates happen at every step whether or not anything arrives, and outweigh it at high sparsity.
"""

from dataclasses import dataclass

from hardware_profiles.counting import OperationCounts
from hardware_profiles.profile import HardwareProfile


@dataclass(frozen=True, kw_only=True)
class EnergyPerImage:
    """Joule per image; neuron updates lie between all inactive and all active."""

    accumulates: float
    synaptic_eq12: float
    neuron_updates: int
    neuron_updates_inactive: float
    neuron_updates_active: float
    first_layer_macs: float


def energy(profile: HardwareProfile, counts: OperationCounts, neurons: int) -> EnergyPerImage:
    """Return the energy of a mean image over the counted run for a network of ``neurons`` neurons."""
    updates = neurons * counts.steps
    accumulates = counts.formula / counts.images
    constants = profile.energy
    return EnergyPerImage(
        accumulates=accumulates,
        synaptic_eq12=accumulates * constants.accumulate.value,
        neuron_updates=updates,
        neuron_updates_inactive=updates * constants.neuron_update_inactive.value,
        neuron_updates_active=updates * constants.neuron_update_active.value,
        first_layer_macs=counts.macs / counts.images,
    )
