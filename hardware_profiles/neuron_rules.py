"""What a chip's neurons do not do: one function per rule, whose docstring is the rule that the user reads.

A profile names under ``[neurons]`` the rules that its chip has, each with its source; a chip whose neurons are programs
has none. A function returns whether a neuron needs what the rule excludes.
"""

from collections.abc import Callable, Iterator

import numpy as np

from spikeport.export.network import FloatNeuron, IntegerNeuron, Network, Source
from spikeport.hardware_profiles.profile import HardwareProfile

Neuron = FloatNeuron | IntegerNeuron
Rule = Callable[[Neuron], bool]


def several_spikes(neuron: Neuron) -> bool:
    """A neuron fires at most once a step; import the network with one spike a step (--most 1), or use more steps."""
    return isinstance(neuron, FloatNeuron) and neuron.threshold is not None and neuron.most != 1


def subtractive_reset(neuron: Neuron) -> bool:
    """A neuron resets to zero, subtraction takes a second compartment; import it with --reset hard, or train it so."""
    return neuron.threshold is not None and neuron.reset_by is not None


def reset_value(neuron: Neuron) -> bool:
    """A neuron resets to zero, not to a value; move the potentials so that the reset is at zero."""
    return neuron.threshold is not None and neuron.reset_by is None and bool(np.any(neuron.reset_to != 0))


def overhang(neuron: Neuron) -> bool:
    """A neuron compares its whole potential with the threshold; import the network with --reset subtract or hard."""
    return isinstance(neuron, FloatNeuron) and neuron.overhang


def floor(neuron: Neuron) -> bool:
    """A neuron's potential has no lower end of the network's choice; train or import the network without a floor."""
    return getattr(neuron, "floor", None) is not None


def refractory(neuron: Neuron) -> bool:
    """A neuron does not rest after a spike; import the network without steps of rest (--reset hard)."""
    return isinstance(neuron, FloatNeuron) and neuron.refractory > 0


def synaptic_current(neuron: Neuron) -> bool:
    """A neuron has no synaptic current that outlasts the step; use neurons without a synaptic time constant."""
    if isinstance(neuron, IntegerNeuron):
        return not neuron.memoryless_current
    return bool(np.any(neuron.decay_current != 1))


def leak(neuron: Neuron) -> bool:
    """A neuron's potential does not decay by a share of itself; use integrate-and-fire neurons without a leak."""
    decay = neuron.decay_v if isinstance(neuron, IntegerNeuron) else neuron.decay_potential
    return bool(np.any(decay != 0))


RULES: tuple[Rule, ...] = (
    *(several_spikes, subtractive_reset, reset_value, overhang),
    *(floor, refractory, synaptic_current, leak),
)


def broken_rules(network: Network, profile: HardwareProfile, weight_bits: int | None = None) -> tuple[str, ...]:
    """Return a sentence per rule of the chip that neurons of ``network`` break, and one for weights that are too wide.

    Populations are named as they stand in ``network``. Empty where the chip runs them all.
    """
    return (*_of_neurons(network, profile), *_of_weights(profile, weight_bits))


def _of_neurons(network: Network, profile: HardwareProfile) -> Iterator[str]:
    for rule in RULES:
        if getattr(profile.neurons, rule.__name__, None) is None:
            continue
        found = [p.name for p in network.neurons if not isinstance(p.neuron, Source) and rule(p.neuron)]
        if found:
            named = f"population{'s' if len(found) > 1 else ''} {', '.join(found)}"
            yield f"{named} ({rule.__name__.replace('_', ' ')}): {rule.__doc__}"


def _of_weights(profile: HardwareProfile, weight_bits: int | None) -> Iterator[str]:
    stored = None if profile.encoding is None else int(profile.encoding.weight.value)
    if weight_bits is not None and stored is not None and weight_bits > stored:
        yield f"weights of {weight_bits} bit: the chip stores up to {stored}; state fewer bits (--weight-bits)"
