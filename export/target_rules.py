"""What integers a target holds: one function per rule, whose docstring is the rule and the way out.

A rule yields a `Misfit` for every population or projection that breaks it: what was found, what is held. The names of
the rules are those of the fields of `Target`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spikeport.export.bounds import Reached, Register, reached, registers
from spikeport.export.errors import NetworkError
from spikeport.export.network import Array, Bounds, IntegerNetwork, IntegerNeuron, IntegerProjection
from spikeport.export.targets import Range, Target


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """``found`` of ``what`` at ``where``, a population or projection by name, of which a target ``holds`` less.

    Both are a smallest and a largest value. ``why`` says it where numbers do not.
    """

    rule: str
    where: str
    what: str
    found: Range
    holds: Range
    why: str = ""

    @property
    def excess(self) -> int:
        """By how much the worse end is left."""
        return max(self.holds[0] - self.found[0], self.found[1] - self.holds[1])

    def amount(self) -> str:
        """Return what was found, what is held, and by how much it is too much."""
        if self.why:
            return self.why
        found, holds = (f"{least:,}..{most:,}" for least, most in (self.found, self.holds))
        return f"{self.what} {found}, held are {holds}: {self.excess:,} too much"


class Examined:
    """An integer network, and what its registers can hold, which is computed when a rule first asks for it."""

    def __init__(self, network: IntegerNetwork) -> None:
        self.network = network

    @cached_property
    def reached(self) -> Mapping[str, Reached]:
        """What the registers of every population can hold."""
        return reached(self.network)

    @cached_property
    def weights(self) -> list[tuple[str, Range, int]]:
        """Every projection on the chip with its `weight_span`."""
        network = self.network
        return [(f"projection {network.label(p)}", *weight_span(p)) for p in network.on_chip]

    @property
    def bounds(self) -> dict[str, Bounds]:
        """The bounds of every population, which prove the registers in Lava's arithmetic."""
        return {name: each.bounds for name, each in self.reached.items()}

    @property
    def neurons(self) -> Iterator[tuple[str, IntegerNeuron]]:
        """Every population with neurons: its name and its model."""
        return ((p.name, p.neuron) for p in self.network.neurons if isinstance(p.neuron, IntegerNeuron))

    def register(self, name: str, target: Target) -> Iterator[Register]:
        """Yield the registers called ``name``, a population each, that can leave the range of ``target``."""
        for population, neuron in self.neurons:
            found = registers(population, neuron, self.reached[population], target)
            yield from (each for each in found if each.name == name and not each.kept)


Rule = Callable[[Examined, Target], Iterator[Misfit]]


def accumulator(network: Examined, target: Target) -> Iterator[Misfit]:
    """Excitation and inhibition of a step each fit the accumulator; quantize for the chip (--for) or prune synapses."""
    return _registers("accumulator", network.register("the synaptic accumulator", target), "a step can add up")


def current(network: Examined, target: Target) -> Iterator[Misfit]:
    """The synaptic current fits its register; quantize for the chip (--for), or let the current decay faster."""
    return _registers("current", network.register("the synaptic current", target), "it can reach")


def current_with_bias(network: Examined, target: Target) -> Iterator[Misfit]:
    """Synaptic current and bias together fit one register; quantize for the chip (--for), or make biases smaller."""
    return _registers("current_with_bias", network.register("the current with the bias", target), "it can reach")


def potential(network: Examined, target: Target) -> Iterator[Misfit]:
    """The potential fits its register; quantize for the chip (--for), or use fewer steps or smaller biases."""
    return _registers("potential", network.register("the potential", target), "it can reach")


def threshold(network: Examined, target: Target) -> Iterator[Misfit]:
    """Thresholds fit their register; quantize for the chip (--for), or scale weights and thresholds."""
    return _registers("threshold", network.register("the threshold", target), "it is")


def bias_mantissa(network: Examined, target: Target) -> Iterator[Misfit]:
    """Mantissas of biases fit their bits; quantize for the chip (--for), or make biases smaller."""
    values = ((name, _least_mantissas(neuron, target)) for name, neuron in network.neurons)
    return _numbers("bias_mantissa", values, target.bias_mantissa)


def bias_exponent(network: Examined, target: Target) -> Iterator[Misfit]:
    """Exponents of biases fit their bits; quantize for the chip (--for), or make biases smaller."""
    values = ((name, np.asarray(neuron.bias_exponent)) for name, neuron in network.neurons)
    return _numbers("bias_exponent", values, target.bias_exponent)


def decay_current(network: Examined, target: Target) -> Iterator[Misfit]:
    """The current's decay, in 1/4096 a step, is one that the chip has; train or import it with such a time constant."""
    return _numbers("decay_current", ((name, n.decay_u) for name, n in network.neurons), target.decay_current)


def decay_potential(network: Examined, target: Target) -> Iterator[Misfit]:
    """The potential's decay, in 1/4096 a step, is one that the chip has; train or import it with such a leak."""
    return _numbers("decay_potential", ((name, n.decay_v) for name, n in network.neurons), target.decay_potential)


def weight_exponent(network: Examined, target: Target) -> Iterator[Misfit]:
    """Weights with their exponent are ones that a synapse holds; quantize for the chip (--for), or scale them down."""
    least, most = target.exponent
    for where, (low, high), shift in network.weights:
        if shift < least and (low or high):
            span, why = (
                (shift, shift),
                f"its weights are whole multiples of 2^{shift} only; held are those of 2^{least}",
            )
            yield Misfit(rule="weight_exponent", where=where, what="", found=span, holds=(least, most), why=why)
            continue
        step = min(shift, most)
        found, holds = (low >> step, high >> step), (-1 << (target.weight_bits - 1), target.largest_weight >> most)
        if not (holds[0] <= found[0] and found[1] <= holds[1]):
            what = f"in steps of 2^{step} its weights are"
            yield Misfit(rule="weight_exponent", where=where, what=what, found=found, holds=holds)


def sign_modes(network: Examined, target: Target) -> Iterator[Misfit]:
    """A projection's signs are ones that its lists can hold; part it into an excitatory and an inhibitory one."""
    for where, (least, most), _ in network.weights:
        fitting = {"mixed"} | ({"excitatory"} if least >= 0 else set()) | ({"inhibitory"} if most <= 0 else set())
        if not fitting & set(target.sign_modes):
            held = ", ".join(target.sign_modes) or "none"
            mode = min(fitting)
            yield Misfit(
                rule="sign_modes",
                where=where,
                what="weights",
                found=(least, most),
                holds=(0, 0),
                why=f"its weights are {mode}; held are {held}",
            )


def delay(network: Examined, target: Target) -> Iterator[Misfit]:
    """A spike waits at most so many steps in a synapse; shorten the delay, or put a population of relays between."""
    if target.delay is None:
        return
    short = network.network.with_short_delays()
    try:
        depths = short.depths()
    except NetworkError as error:
        name = short.source.name
        yield Misfit(rule="delay", where=f"population {name}", what="", found=(0, 0), holds=(0, 0), why=str(error))
        return
    for projection, stated in zip(short.on_chip, network.network.on_chip, strict=True):
        waits = short.slack(projection, depths)
        if waits > target.delay:
            where = f"projection {network.network.label(stated)}"
            found, holds = (waits, waits), (0, target.delay)
            yield Misfit(rule="delay", where=where, what="its spikes wait", found=found, holds=holds)


RULES: tuple[Rule, ...] = (
    *(accumulator, current, current_with_bias, potential, threshold),
    *(bias_mantissa, bias_exponent, decay_current, decay_potential),
    *(weight_exponent, sign_modes, delay),
)


def misfits(network: IntegerNetwork, target: Target) -> list[Misfit]:
    """Return what ``target`` does not hold of ``network``, rule by rule; the bounds are computed anew."""
    examined = Examined(network)
    return [misfit for rule in RULES for misfit in rule(examined, target)]


def sentence(misfit: Misfit, target: Target) -> str:
    """Return a misfit as one sentence: where, the rule, by how much, and the way out."""
    (rule,) = (each for each in RULES if each.__name__ == misfit.rule)
    return f"{misfit.where} ({misfit.rule.replace('_', ' ')} of {target.name}): {misfit.amount()}. {rule.__doc__}"


def weight_span(projection: IntegerProjection) -> tuple[Range, int]:
    """Return the smallest and largest weight in activation units, and the power of two that divides all weights."""
    weight = projection.synapses.weight
    least, most = int(weight.min(initial=0)), int(weight.max(initial=0))
    bits = int(np.bitwise_or.reduce(weight, axis=None)) & 0xFF if weight.size else 0
    trailing = (bits & -bits).bit_length() - 1 if bits else 0
    return (least << projection.exponent, most << projection.exponent), trailing + projection.exponent


def _registers(rule: str, found: Iterable[Register], what: str) -> Iterator[Misfit]:
    for register in found:
        where, span = f"population {register.population}", (register.least, register.most)
        yield Misfit(rule=rule, where=where, what=what, found=span, holds=register.range)


def _least_mantissas(neuron: IntegerNeuron, target: Target) -> Array:
    """Return the mantissas, those that are too large halved as long as they are even and a larger exponent is left."""
    mantissa, (low, high) = neuron.bias_mantissa.astype(np.int64), target.bias_mantissa
    for _ in range(neuron.bias_exponent, target.bias_exponent[1]):
        halved = ((mantissa < low) | (mantissa > high)) & (mantissa % 2 == 0)
        mantissa = np.where(halved, mantissa >> 1, mantissa)
    return mantissa


def _numbers(rule: str, values: Iterable[tuple[str, Array]], holds: Range) -> Iterator[Misfit]:
    for name, value in values:
        found = (int(value.min()), int(value.max()))
        if not (holds[0] <= found[0] and found[1] <= holds[1]):
            yield Misfit(rule=rule, where=f"population {name}", what="it is", found=found, holds=holds)
