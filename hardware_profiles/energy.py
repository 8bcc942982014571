"""Energy per image, split into what is known; never one number alone.

``E = E_AC mean over images of AC`` is Eq. 12 of Schmolli et al., CPAL 2025. It counts synaptic operations only:
neuron updates happen at every step whether or not anything arrives, and outweigh it at high sparsity.

A host computes the first layer of a held image once; a chip that has no such host multiplies in every step. Static
power flows while the chip runs: images back to back take ``interval`` seconds each, one alone takes its ``latency``.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from spikeport.export.errors import ProfileError
from spikeport.hardware_profiles.columns import table
from spikeport.hardware_profiles.counting import MODES, Mode, OperationCounts
from spikeport.hardware_profiles.evidence import LEGEND, AnyConstant, assumed, mark, marked, scaled
from spikeport.hardware_profiles.latency import ImageTime, latency
from spikeport.hardware_profiles.load import CoreLoad
from spikeport.hardware_profiles.output.table import Cell, Column, Number
from spikeport.hardware_profiles.placement import Placement
from spikeport.hardware_profiles.profile import Constant, HardwareProfile
from spikeport.hardware_profiles.result import Result

PARTS = {
    "synaptic_operations": "synaptic operations, Eq. 12 fused",
    "neuron_updates": "neuron updates",
    "spike_traffic": "spike traffic",
    "first_layer_host": "first layer on the host",
    "first_layer_chip": "first layer on the chip, every step",
    "static": "static, images back to back",
    "static_alone": "static, one image alone",
    "sum_of_known": "sum of what is known",
}
"""The parts of the energy, and how a table calls them."""
SUMMED = ("synaptic_operations", "neuron_updates", "spike_traffic", "first_layer_host", "static")
"""What ``sum_of_known`` adds up."""


@dataclass(frozen=True, kw_only=True)
class EnergyPerImage(Result):
    """Joule per image; None where the profile lacks the constant, as ``unknown`` says.

    ``synaptic_operations`` is Eq. 12 in mode fused, ``eq12`` in every mode. ``neuron_updates`` takes neurons that fire
    as active and all others as inactive; ``neuron_updates_all_active`` is the most it can be. ``spike_traffic`` is
    messages and hops. The first layer runs on the host, where a held image is computed once (``first_layer_host``), or
    on the chip in every step (``first_layer_chip``). ``static`` power flows for the
    interval of images back to back, ``static_alone`` for the latency of one alone. ``sum_of_known`` leaves out what is
    unknown, and takes the first layer on the host and images back to back. ``included`` are parts that the profile's
    energy per accumulate holds already. ``assumed`` and ``scaled`` are, by part, the constants that are assumed (or
    read by us as something that their source does not say), and those that come from another chip. ``missing`` are the
    parts that ``sum_of_known`` lacks, for which the sum is a lower bound.
    """

    derived: ClassVar[tuple[str, ...]] = ("missing",)

    synaptic_operations: float
    neuron_updates: float | None
    neuron_updates_all_active: float | None
    spike_traffic: float | None
    first_layer_host: float | None
    first_layer_chip: float | None
    static: float | None
    static_alone: float | None
    unknown: Mapping[str, str]
    included: tuple[str, ...]
    assumed: Mapping[str, tuple[str, ...]]
    scaled: Mapping[str, tuple[str, ...]]
    sum_of_known: float
    eq12: Mapping[Mode, float]

    @property
    def missing(self) -> tuple[str, ...]:
        """The parts of `SUMMED` that are unknown, of which a network without such operations has none."""
        parts = (*SUMMED, "spike_traffic_between_chips")
        return tuple(part for part in parts if part in self.unknown)

    def text(self) -> str:
        """Return a table of the parts with their marks, the constants behind the marks, and why parts are unknown."""
        document = self.to_dict()
        rows = [(title, shown(document, part)) for part, title in PARTS.items()]
        keys = marks_of(document)
        legend = [f"{LEGEND}: {keys}"] if keys else []
        reasons = [f"{name.replace('_', ' ')}: {reason}" for name, reason in self.unknown.items()]
        return "\n".join((table(("energy of a mean image", "estimate"), rows), *legend, *reasons))


def cell(energy: Mapping[str, Any], part: str) -> Cell:
    """Return one part of `EnergyPerImage.to_dict` with its marks; a sum that lacks a part is a lower bound."""
    if _is_in(energy["included"], part):
        return "in Eq. 12"
    if energy[part] is None:
        return "unknown"
    marks = mark(energy["assumed"].get(part, ()), energy["scaled"].get(part, ()))
    return Number(value=energy[part], marks=marks, least=part == "sum_of_known" and bool(energy["missing"]))


def shown(energy: Mapping[str, Any], part: str) -> str:
    """Return a `cell` as text."""
    return Column(title=part, base="J").text(cell(energy, part))


def marks_of(energy: Mapping[str, Any]) -> str:
    """Return the constants behind the marks of `EnergyPerImage.to_dict`, each with its own marks."""
    assumed, scaled = ([key for keys in energy[kind].values() for key in keys] for kind in ("assumed", "scaled"))
    return marked(assumed, scaled)


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
    included = profile.energy.included.value if profile.energy.included else ()
    time = latency(placement, load) if placement and load else None
    unknown = _unknown(counts, profile)
    parts = _parts(counts, profile, load if placement else None, unknown) | _static(profile, placement, time, unknown)
    parts |= dict.fromkeys(part for part in parts if _is_in(included, part))
    eq12 = {mode: synaptic_energy(counts, profile, placement, mode) for mode in MODES}
    used = _used(counts, profile, placement)
    used = {part: keys for part, keys in used.items() if parts.get(part, eq12["fused"]) is not None}
    return EnergyPerImage(
        synaptic_operations=eq12["fused"],
        neuron_updates=parts["neuron_updates"],
        neuron_updates_all_active=parts["neuron_updates_all_active"],
        spike_traffic=parts["spike_traffic"],
        first_layer_host=parts["first_layer_host"],
        first_layer_chip=parts["first_layer_chip"],
        static=parts["static"],
        static_alone=parts["static_alone"],
        unknown={part: why for part, why in unknown.items() if part not in included},
        included=included,
        assumed=_behind(used, assumed, time.assumed if time else ()),
        scaled=_behind(used, scaled, time.scaled if time else ()),
        sum_of_known=eq12["fused"] + sum(parts[part] or 0.0 for part in SUMMED[1:]),
        eq12=eq12,
    )


def _is_in(included: Collection[str], part: str) -> bool:
    """Return whether the energy per accumulate holds a part, in either of its readings."""
    return part.removesuffix("_alone").removesuffix("_all_active") in included


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


def _parts(
    counts: OperationCounts, profile: HardwareProfile, load: CoreLoad | None, unknown: dict[str, str]
) -> dict[str, float | None]:
    constants, images = profile.energy, counts.images
    return {
        "neuron_updates": _updates(counts, constants.neuron_update_inactive, constants.neuron_update_active),
        "neuron_updates_all_active": _times(counts.neurons * counts.steps, constants.neuron_update_active),
        "spike_traffic": _traffic(profile, load, unknown),
        "first_layer_host": _times(counts.first_layer_macs_host / images, constants.multiply_accumulate_host),
        "first_layer_chip": _times(counts.first_layer_macs / images, constants.multiply_accumulate),
    }


def _updates(counts: OperationCounts, inactive: Constant | None, active: Constant | None) -> float | None:
    if inactive is None or active is None:
        return None
    firing = counts.active_steps / counts.images
    return (counts.neurons * counts.steps - firing) * inactive.value + firing * active.value


def _times(number: float, constant: Constant | None) -> float | None:
    """Return the joule of so many operations; none cost nothing, whether the constant is known or not."""
    return 0.0 if not number else None if constant is None else number * constant.value


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
    profile: HardwareProfile, placement: Placement | None, time: ImageTime | None, unknown: dict[str, str]
) -> dict[str, float | None]:
    """Return static energy for the time between images back to back, and for that of an image alone."""
    power = profile.energy.static_power
    if power is None or placement is None or time is None or time.interval is None or time.latency is None:
        why = f"no latency ({time.refused})" if time and time.refused else "no latency"
        unknown["static"] = f"{profile.name} gives no static power" if power is None else why
        return {"static": None, "static_alone": None}
    watt = power.value * placement.chips
    return {"static": watt * time.interval, "static_alone": watt * time.latency}


def _used(
    counts: OperationCounts, profile: HardwareProfile, placement: Placement | None
) -> dict[str, dict[str, AnyConstant]]:
    """Return the profile's constants in every part, as 'energy.key'; the times in static energy apart."""
    shared = placement.shared if placement and profile.energy.accumulate_shared else frozenset()
    own = [number in shared for number, layer in enumerate(counts.layers) if not layer.graded]
    keys = {
        "synaptic_operations": ("accumulate_shared",) * any(own) + ("accumulate",) * (not all(own)),
        "neuron_updates": ("neuron_update_inactive", "neuron_update_active"),
        "neuron_updates_all_active": ("neuron_update_active",),
        "spike_traffic": ("message", "hop_vertical", "hop_horizontal"),
        "first_layer_host": ("multiply_accumulate_host",) if counts.first_layer_macs else (),
        "first_layer_chip": ("multiply_accumulate",) if counts.first_layer_macs else (),
        "static": ("static_power",),
        "static_alone": ("static_power",),
    }
    return {
        part: {f"energy.{key}": each for key in names if (each := getattr(profile.energy, key)) is not None}
        for part, names in keys.items()
    }


def _behind(
    used: Mapping[str, Mapping[str, AnyConstant]],
    kind: Callable[[Mapping[str, AnyConstant]], tuple[str, ...]],
    of_time: tuple[str, ...],
) -> dict[str, tuple[str, ...]]:
    """Return the constants of one kind by part; ``of_time`` are those of the time that static energy takes."""
    found = {part: (*kind(each), *(of_time if part.startswith("static") else ())) for part, each in used.items()}
    found["sum_of_known"] = tuple(dict.fromkeys(key for part in SUMMED for key in found.get(part, ())))
    return {part: keys for part, keys in found.items() if keys}
