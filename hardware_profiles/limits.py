"""The rules of a core: one function each, whose docstring is the rule that the user reads."""

from collections.abc import Callable
from dataclasses import dataclass

from hardware_profiles.profile import Constant, HardwareProfile


@dataclass(frozen=True, kw_only=True)
class CoreUse:
    """What a group of neurons takes on one core; memory in bytes."""

    neurons: int
    synapses: int
    synaptic_memory: int
    core_memory: int
    input_axons: int
    output_axons: int


@dataclass(frozen=True, kw_only=True)
class Utilisation:
    """One resource of one core: used, available (None: no limit published)."""

    resource: str
    used: int
    available: int | None


Rule = Callable[[HardwareProfile, CoreUse], Utilisation]


def neurons(profile: HardwareProfile, use: CoreUse) -> Utilisation:
    """A core holds at most as many neurons as it has compartments; make the layer smaller or use more cores."""
    return _use("neurons", use.neurons, profile.limits.neurons)


def synaptic_memory(profile: HardwareProfile, use: CoreUse) -> Utilisation:
    """The synapse lists of a core's neurons fit its synaptic memory; prune more."""
    return _use("synaptic_memory", use.synaptic_memory, profile.limits.synaptic_memory)


def core_memory(profile: HardwareProfile, use: CoreUse) -> Utilisation:
    """Synapses, neuron states and axon entries together fit a core's memory; prune more."""
    return _use("core_memory", use.core_memory, profile.limits.core_memory)


def input_axons(profile: HardwareProfile, use: CoreUse) -> Utilisation:
    """Every distinct source neuron that reaches a core takes one of its input axons; prune more."""
    return _use("input_axons", use.input_axons, profile.limits.input_axons)


def output_axons(profile: HardwareProfile, use: CoreUse) -> Utilisation:
    """Every pair of a core's neuron and a core it reaches takes one output axon; prune the next layer more."""
    return _use("output_axons", use.output_axons, profile.limits.output_axons)


RULES: tuple[Rule, ...] = (neurons, synaptic_memory, core_memory, input_axons, output_axons)


def first_violation(profile: HardwareProfile, use: CoreUse) -> tuple[Rule, Utilisation] | None:
    """Return the first rule that ``use`` breaks and by what."""
    for rule in RULES:
        found = rule(profile, use)
        if found.available is not None and found.used > found.available:
            return rule, found
    return None


def _use(resource: str, used: int, limit: Constant | None) -> Utilisation:
    return Utilisation(resource=resource, used=used, available=None if limit is None else int(limit.value))
