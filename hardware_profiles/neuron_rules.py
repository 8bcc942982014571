"""What a chip's neurons and spikes do not do: one function per rule, whose docstring is the rule and the way out.

A profile names under ``[neurons]`` the rules that its chip has, each with its source; a chip whose neurons are programs
has none. A function returns whether a neuron, or the input, needs what the rule excludes.
"""

from collections.abc import Callable, Iterator
from math import prod

import numpy as np

from spikeport.export.network import (
    REGISTERS,
    FloatNeuron,
    FloatPopulation,
    IntegerNeuron,
    IntegerPopulation,
    Network,
    Source,
)
from spikeport.hardware_profiles.profile import HardwareProfile, Lack
from spikeport.hardware_profiles.verdicts import Failure

Neuron = FloatNeuron | IntegerNeuron
Rule = Callable[[Neuron], bool]
InputRule = Callable[[Source], bool]


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
    """A potential's lower end is zero or the register's; train or import the network without a floor, or with zero."""
    if neuron.floor is None or np.all(neuron.floor == 0):
        return False
    return isinstance(neuron, FloatNeuron) or bool(np.any(neuron.floor > REGISTERS["floor"][0]))


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


def inclusive(neuron: Neuron) -> bool:
    """A neuron fires above its threshold, not at it; quantize from real numbers, which moves the threshold instead."""
    return isinstance(neuron, IntegerNeuron) and neuron.threshold is not None and neuron.inclusive


def graded_input(source: Source) -> bool:
    """A spike carries no number; write images as biases (--input-as bias) or spikes; cut events into shorter steps."""
    return source.levels > 1


def multiply_accumulate(source: Source) -> bool:
    """Synapses add and do not multiply; write an image's sums as biases (--input-as bias); cut events finer."""
    return source.levels > 1


RULES: tuple[Rule, ...] = (
    *(several_spikes, subtractive_reset, reset_value, overhang),
    *(floor, refractory, synaptic_current, leak, inclusive),
)
INPUT_RULES: tuple[InputRule, ...] = (graded_input, multiply_accumulate)


def neuron_failures(network: Network, profile: HardwareProfile) -> Iterator[Failure]:
    """Yield a failure per rule of the chip that neurons or the input of ``network`` break, by name.

    Populations and projections are named as they stand in ``network``.
    """
    for rule in RULES:
        lack = _lack(profile, rule)
        found = [p for p in network.neurons if not isinstance(p.neuron, Source) and rule(p.neuron)]
        if lack is not None and found:
            yield failed(rule, [f"population {p.name}" for p in found], _amount(rule, found), lack)
    yield from _rests(network, profile)
    yield from _of_input(network, profile)


def failed(rule: Callable[..., object], where: list[str], amount: str, lack: Lack | None) -> Failure:
    """Return the failure of a rule whose docstring holds requirement and way out."""
    requirement, _, way_out = (rule.__doc__ or "").partition("; ")
    return Failure(
        rule=rule.__name__,
        where=tuple(where),
        amount=amount,
        requirement=requirement,
        way_out=way_out,
        evidence="" if lack is None else lack.evidence,
        source="" if lack is None else lack.source,
    )


def _lack(profile: HardwareProfile, rule: Callable[..., object]) -> Lack | None:
    lack: Lack | None = getattr(profile.neurons, rule.__name__, None)
    return lack


def _amount(rule: Rule, populations: list[FloatPopulation | IntegerPopulation]) -> str:
    neurons = sum(prod(each.shape) for each in populations)
    more = f", so {neurons:,} compartments more" if rule is subtractive_reset else ""
    return f"{neurons:,} neuron{'s' if neurons > 1 else ''}{more}"


def rest(neuron: Neuron, most: int) -> bool:
    """A neuron rests for at most so many steps after a spike; import the network with a shorter rest."""
    return isinstance(neuron, FloatNeuron) and neuron.refractory > most


def _rests(network: Network, profile: HardwareProfile) -> Iterator[Failure]:
    longest = profile.formats.refractory
    if longest is None:
        return
    most = int(longest.value)
    for population in network.neurons:
        neuron = population.neuron
        if isinstance(neuron, FloatNeuron) and rest(neuron, most):
            lack = Lack(evidence=longest.evidence, source=longest.source)
            amount = f"it rests {neuron.refractory:,} steps, held are {most}: {neuron.refractory - most:,} too many"
            yield failed(rest, [f"population {population.name}"], amount, lack)


def _of_input(network: Network, profile: HardwareProfile) -> Iterator[Failure]:
    """Yield what the chip does not do with the input; what the host computes asks nothing of the chip."""
    source = network.source
    assert isinstance(source.neuron, Source)
    heard = [f"projection {network.label(p)}" for p in network.on_chip if p.source == source.name]  # type: ignore[arg-type]
    named: dict[InputRule, list[str]] = {graded_input: [f"population {source.name}"], multiply_accumulate: heard}
    for rule in INPUT_RULES if heard else ():
        lack = _lack(profile, rule)
        if lack is not None and rule(source.neuron):
            levels = source.neuron.levels
            yield failed(
                rule, named[rule], f"its input has {levels:,} levels; the chip holds 1, {levels - 1:,} fewer", lack
            )
