"""The rules of a core: one function each, whose docstring is the rule that the user reads."""

from collections.abc import Callable
from dataclasses import dataclass

from spikeport.hardware_profiles.profile import Constant, HardwareProfile


@dataclass(frozen=True, kw_only=True)
class CoreUse:
    """What a block of neurons takes on one core; memory in bytes."""

    neurons: int
    synapses: int
    synaptic_memory: int
    core_memory: int
    input_axons: int
    output_axons: int
    threshold_registers: int = 1
    decay_registers: int = 1
    synapse_registers: int = 1


@dataclass(frozen=True, kw_only=True)
class Utilisation:
    """One resource of one core: used, available (None: no limit published)."""

    resource: str
    used: int
    available: int | None

    @property
    def name(self) -> str:
        """The resource in words, memory with its unit."""
        words = self.resource.replace("_", " ")
        return f"bytes of {words}" if words.endswith("memory") else words

    @property
    def broken(self) -> bool:
        """Whether more is used than there is."""
        return self.available is not None and self.used > self.available


Rule = Callable[[HardwareProfile, CoreUse], Utilisation]


def neurons(profile: HardwareProfile, use: CoreUse) -> Utilisation:
    """A core holds at most as many neurons as it has compartments; make the layer smaller or use more cores."""
    return _use("neurons", use, profile)


def synaptic_memory(profile: HardwareProfile, use: CoreUse) -> Utilisation:
    """The synapse lists of a core's neurons fit its synaptic memory; prune the synapses into them."""
    return _use("synaptic_memory", use, profile)


def core_memory(profile: HardwareProfile, use: CoreUse) -> Utilisation:
    """Synapses, neuron states and axon entries together fit a core's memory; prune the synapses into its neurons."""
    return _use("core_memory", use, profile)


def input_axons(profile: HardwareProfile, use: CoreUse) -> Utilisation:
    """What reaches a core takes an input axon each; prune until fewer sources reach a neuron.

    A source neuron takes one; with shared kernels a source position takes one for all channels that lie on one core.
    """
    return _use("input_axons", use, profile)


def output_axons(profile: HardwareProfile, use: CoreUse) -> Utilisation:
    """A core takes an output axon for every neuron and core that it reaches; prune the next layer.

    With shared kernels all channels of a position on the core leave together, over the slots of a population axon.
    """
    return _use("output_axons", use, profile)


def threshold_registers(profile: HardwareProfile, use: CoreUse) -> Utilisation:
    """Neurons of a core have at most so many different thresholds; round thresholds, or give a layer one."""
    return _use("threshold_registers", use, profile)


def decay_registers(profile: HardwareProfile, use: CoreUse) -> Utilisation:
    """Neurons of a core have at most so many different pairs of decays; give a layer one pair."""
    return _use("decay_registers", use, profile)


def synapse_registers(profile: HardwareProfile, use: CoreUse) -> Utilisation:
    """Projections into a core, each with its own exponent and encoding, have one register each; join projections."""
    return _use("synapse_registers", use, profile)


RULES: tuple[Rule, ...] = (
    *(neurons, synaptic_memory, core_memory, input_axons, output_axons),
    *(threshold_registers, decay_registers, synapse_registers),
)


def first_violation(profile: HardwareProfile, use: CoreUse) -> tuple[Rule, Utilisation] | None:
    """Return the first rule that ``use`` breaks and by what."""
    for rule in RULES:
        utilisation = rule(profile, use)
        if utilisation.broken:
            return rule, utilisation
    return None


def sentence(rule: Rule) -> str:
    """Return the rule in one sentence."""
    return (rule.__doc__ or "").split("\n")[0]


def _use(resource: str, use: CoreUse, profile: HardwareProfile) -> Utilisation:
    limit: Constant | None = getattr(profile.limits, resource) if profile.limits else None
    return Utilisation(
        resource=resource, used=getattr(use, resource), available=None if limit is None else int(limit.value)
    )
