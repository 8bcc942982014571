"""Float network to integers, with a proof that no register overflows.

A population has one ``scale`` k, the activation units per float unit. With graded input of unit ``g`` (1 for spikes)
and exponent ``e`` of a projection::

    W = round(w g k / 2^e) in int8;     bias = round(64 k b) as mantissa << exponent
    threshold = ceil(k V) - 1           where every potential is a multiple of 64 and the rule is v >= V
    threshold = round(k V)              otherwise; k is chosen so that k V is whole
    reset_to, reset_by, floor = round(k ...)

The first form is exact: ``v >= V`` equals ``64 k v > 64 (ceil(k V) - 1)`` on multiples of 64. k is the largest that
uses all weight bits of the projection with the smallest weights, and is made smaller until the bounds hold. Weights
that are whole multiples of a common grid (already integers, ternary, ...) stay so: k is a whole number of grid steps,
and no spike changes. With a bias or a leak, potentials meet thresholds between the multiples, and a tie may be lost.

Weights, biases, decays, thresholds, delays and every register keep to the formats of a `Target`.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from spikeport.export.bounds import Register, population_reach, registers, use
from spikeport.export.errors import QuantizationError
from spikeport.export.fixed_point import ACTIVATION_SHIFT, bias_registers
from spikeport.export.network import (
    REGISTERS,
    Array,
    Bounds,
    Convolution,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
    Synapses,
)
from spikeport.export.quantize_checks import check_decays, check_kept, check_neurons, check_threshold
from spikeport.export.target_rules import misfits, sentence
from spikeport.export.targets import LAVA, WEIGHT_BITS, WEIGHT_EXPONENT_MAX, Target

ACTIVATION_UNIT = 1 << ACTIVATION_SHIFT
DECAY_UNITY = 4096
ATTEMPTS = 200
MOST_EXCESS = 2.0
"""By so much at most a trial makes the scale smaller; a proof ends where a register is left by more."""
CLOSE = 1.01
"""How near the largest scale that fits is looked for, where no format says by how much one is too large."""
THRESHOLD_UNITS, MOST_DOUBLINGS = 64, 8
"""A threshold of fewer units is rounded too coarsely; weights of few bits get an exponent instead."""
SAMPLE = 1000
"""Weights that are looked at first: mostly they show at once that there is no grid."""
PART = 2**18
"""Weights that are worked on at a time."""
ROUNDING = 1 + 1e-9
"""Numbers that differ by less come from rounding in float64."""


class Quantized(NamedTuple):
    """A population in integers, its incoming projections, and the bounds that prove it."""

    population: IntegerPopulation
    projections: tuple[IntegerProjection, ...]
    bounds: Bounds


class _Trial(NamedTuple):
    """A population at one scale: ``excess`` is the largest use of a register, ``worst`` that register.

    ``done`` is None where weights or biases have no exponent, as ``why`` says.
    """

    done: Quantized | None
    excess: float
    worst: Register | None = None
    why: str = ""

    @property
    def fits(self) -> bool:
        """Whether every format holds it."""
        return self.done is not None and self.excess <= 1

    def too_large(self, target: Target) -> str:
        """Return why no larger scale than the next one below this trial's is taken, and the way out."""
        if not (self.why or self.worst):
            return "; use larger weights there, or smaller biases"
        way = "smaller biases" if self.worst is None else self.worst.way
        return f": at a larger scale, {self.reason(target)}; use {way}, or larger weights there"

    def reason(self, target: Target) -> str:
        """Return the rule that no scale satisfies, and by how much."""
        if self.worst is None:
            return f"{self.why} in {target.name}"
        return f"in {target.name}, {self.worst.sentence()}"


def quantize(
    network: FloatNetwork,
    *,
    weight_bits: int = WEIGHT_BITS,
    clips: Mapping[str, float] | None = None,
    target: Target = LAVA,
) -> IntegerNetwork:
    """Return ``network`` in integers; it must have one stage of synapses per projection (`passes.folded`).

    ``weight_bits`` (2..8) includes the sign; two are ternary weights. ``clips`` holds, for populations that have one,
    the share of the largest weight at which weights are cut (`spikeport.export.scale_search` finds them). ``target``:
    the formats that the integers keep to, those of Lava without. Raises `QuantizationError` with the population, the
    rule, by how much it is broken, and the way out, where no scale satisfies the target.
    """
    most = min(WEIGHT_BITS, target.weight_bits)
    if not 2 <= weight_bits <= most:
        name = "Loihi" if target is LAVA else target.name
        raise QuantizationError(f"weight_bits is {weight_bits}; {name} stores 2 to {most} bits")
    source = network.source
    assert isinstance(source.neuron, Source)
    check_neurons(network)
    done = [fitted(network, p, weight_bits, (clips or {}).get(p.name, 1.0), target) for p in network.neurons]
    integer = IntegerNetwork(
        populations=(
            IntegerPopulation(name=source.name, shape=source.shape, neuron=source.neuron),
            *(item.population for item in done),
        ),
        projections=tuple(projection for item in done for projection in item.projections),
        steps=network.steps,
        bounds={item.population.name: item.bounds for item in done},
    )
    if target is not LAVA:
        _check_target(integer, target)
    return integer


def _check_target(network: IntegerNetwork, target: Target) -> None:
    """Refuse what no scale can change: signs and delays; all other rules are looked at once more."""
    for misfit in misfits(network, target):
        raise QuantizationError(sentence(misfit, target))


def fitted(
    network: FloatNetwork, population: FloatPopulation, weight_bits: int, clip: float = 1.0, target: Target = LAVA
) -> Quantized:
    """Return a population in integers that keep to ``target``, its weights cut at ``clip`` times the largest."""
    if not 0 < clip <= 1:
        raise QuantizationError(f"population {population.name}: clip is {clip}; expected above 0, up to 1")
    check_decays(population, target)
    scale = _largest_scale(network, population, weight_bits) / clip
    grid = _grid(network, population, weight_bits) if clip == 1 else None
    if grid is None:
        scale *= _finer(population, scale)
    scale *= _above_least(population, scale, target)
    trial = partial(_trial, network, population, weight_bits, clip, target, grid)
    last, above = _Trial(None, math.inf), scale
    for _ in range(ATTEMPTS):
        found = trial(scale)
        if found.fits:
            best = found if math.isfinite(last.excess) else _between(trial, found, scale, above)
            return _checked(network, population, best, last.too_large(target))
        last = found if math.isfinite(found.excess) or last.worst is None else last
        above = scale
        scale /= max(1.01, min(found.excess, MOST_EXCESS))
    raise QuantizationError(
        f"population {population.name}: no scale keeps its registers in range over {network.steps} steps: even at the "
        f"smallest, {last.reason(target)}; use fewer steps, sparser weights, smaller biases or a higher threshold"
    )


def _trial(
    network: FloatNetwork,
    population: FloatPopulation,
    weight_bits: int,
    clip: float,
    target: Target,
    grid: float | None,
    scale: float,
) -> _Trial:
    """Return the population at the tidy scale at or below ``scale``."""
    return _at_scale(network, population, _tidy(population, scale, grid, target), weight_bits, clip, target)


def _between(trial: Callable[[float], _Trial], found: _Trial, scale: float, above: float) -> _Trial:
    """Return what fits at the largest scale from ``scale``, which fits, to ``above``, at which no format holds it."""
    while above > CLOSE * scale:
        middle = math.sqrt(scale * above)
        other = trial(middle)
        found, scale, above = (other, middle, above) if other.fits else (found, scale, middle)
    return found


def _checked(network: FloatNetwork, population: FloatPopulation, trial: _Trial, too_large: str) -> Quantized:
    """Return what a trial made; `QuantizationError` where rounding leaves too little of the neuron."""
    assert trial.done is not None
    assert isinstance(trial.done.population.neuron, IntegerNeuron)
    lost = _lost(network, trial.done.projections, population)
    check_kept(population, trial.done.population.neuron, lost, too_large)
    return trial.done


def _lost(
    network: FloatNetwork, done: tuple[IntegerProjection, ...], population: FloatPopulation
) -> list[IntegerProjection]:
    """Return the projections whose weights were something and are nothing."""
    pairs = zip(network.incoming(population.name), done, strict=True)
    return [after for before, after in pairs if _peak(network, before) > 0 and not after.synapses.weight.any()]


def _above_least(population: FloatPopulation, scale: float, target: Target) -> float:
    """Return a power of two, carried by the weights' exponent, that lifts thresholds to the least of the target."""
    assert isinstance(population.neuron, FloatNeuron)
    least = target.threshold[0]
    if population.neuron.threshold is None or least == 0:
        return 1.0
    missing = (least + 1) / (scale * float(population.neuron.threshold.min()))
    return float(2.0 ** max(math.ceil(math.log2(missing)), 0))


def _finer(population: FloatPopulation, scale: float) -> float:
    """Return a power of two, carried by the weights' exponent, that makes thresholds of coarse weights fine enough."""
    assert isinstance(population.neuron, FloatNeuron)
    if population.neuron.threshold is None:
        return 1.0
    missing = THRESHOLD_UNITS / (scale * float(population.neuron.threshold.max()))
    return float(2.0 ** min(max(math.ceil(math.log2(missing)), 0), MOST_DOUBLINGS))


def _largest_scale(network: FloatNetwork, population: FloatPopulation, weight_bits: int) -> float:
    peaks = [_peak(network, p) for p in network.incoming(population.name)]
    smallest = min((peak for peak in peaks if peak > 0), default=1.0)
    return float((2 ** (weight_bits - 1) - 1) / smallest)


def _tidy(population: FloatPopulation, scale: float, grid: float | None, target: Target) -> float:
    """Return the scale at or below ``scale`` at which the weights, or else the largest threshold, are whole."""
    assert isinstance(population.neuron, FloatNeuron)
    if grid is not None and scale * grid * ROUNDING >= 1:
        return math.floor(scale * grid * ROUNDING) / grid
    if population.neuron.threshold is None:
        return scale
    threshold, (least, most) = float(population.neuron.threshold.max()), target.threshold
    return max(least + 1, math.floor(min(scale * threshold * ROUNDING, most))) / threshold


def _grid(network: FloatNetwork, population: FloatPopulation, weight_bits: int) -> float | None:
    """Return the largest g of which all weights into a population are whole multiples, if the bits can hold them."""
    most, incoming = 2 ** (weight_bits - 1) - 1, network.incoming(population.name)
    sample = np.abs(np.concatenate([next(_graded(network, p)).ravel()[:SAMPLE] for p in incoming]))
    if len(np.unique(sample)) > most + 1:
        return None
    smallest = [np.abs(part[part != 0]).min(initial=np.inf) for p in incoming for part in _graded(network, p)]
    least, largest = min(smallest), max(_peak(network, p) for p in incoming)
    for parts in range(1, most + 1 if largest > 0 else 0):
        if largest * (parts / least) > most * ROUNDING:
            return None
        if all(_are_whole(part * (parts / least)) for p in incoming for part in _graded(network, p)):
            return float(least / parts)
    return None


def _are_whole(multiples: Array) -> bool:
    return bool(np.all(np.abs(multiples - np.rint(multiples)) <= (ROUNDING - 1) * np.abs(multiples)))


def _at_scale(
    network: FloatNetwork, population: FloatPopulation, scale: float, weight_bits: int, clip: float, target: Target
) -> _Trial:
    """Return the population at ``scale``; its excess is infinite where a bias or weight does not fit."""
    neuron = population.neuron
    assert isinstance(neuron, FloatNeuron)
    try:
        bias = np.asarray(neuron.bias) * (ACTIVATION_UNIT * scale)
        mantissa, exponent = bias_registers(bias, target.bias_mantissa, target.bias_exponent)
        incoming = network.incoming(population.name)
        projections = tuple(_projection(network, p, scale, weight_bits, clip, target) for p in incoming)
    except OverflowError as error:
        return _Trial(None, math.inf, why=str(error))
    check_threshold(population, scale, target)
    integer = IntegerPopulation(
        name=population.name, shape=population.shape, neuron=_neuron(neuron, scale, mantissa, exponent)
    )
    sources = [(projection, network.population(projection.source)) for projection in projections]
    found = population_reach(integer, sources, network.steps, until_far_out=True)
    assert isinstance(integer.neuron, IntegerNeuron)
    worst = max(registers(population.name, integer.neuron, found, target), key=use)
    return _Trial(Quantized(integer, projections, found.bounds), use(worst), worst)


def _neuron(neuron: FloatNeuron, scale: float, mantissa: Array, exponent: int) -> IntegerNeuron:
    decay_u, decay_v = (np.rint(decay * DECAY_UNITY) for decay in (neuron.decay_current, neuron.decay_potential))
    leaks = np.any(decay_u != DECAY_UNITY) or np.any(decay_v != 0)
    on_grid = not leaks and not np.any((mantissa << exponent) % ACTIVATION_UNIT)
    threshold = None if neuron.threshold is None else _threshold(neuron.threshold * scale, neuron.inclusive, on_grid)
    return IntegerNeuron(
        threshold=threshold,
        bias_mantissa=mantissa,
        bias_exponent=exponent,
        decay_u=decay_u,
        decay_v=decay_v,
        reset_to=np.rint(neuron.reset_to * scale),
        reset_by=None if neuron.reset_by is None else np.rint(neuron.reset_by * scale),
        floor=None if neuron.floor is None else _floor(neuron.floor * scale),
        scale=scale,
    )


def _floor(scaled: Array) -> Array:
    """Return the floor in units; one below every potential does nothing, like the smallest that is held."""
    return np.maximum(np.rint(scaled), REGISTERS["floor"][0])


def _threshold(scaled: Array, inclusive: bool, on_grid: bool) -> Array:  # noqa: FBT001 - two facts about one rule
    tidy = np.where(np.abs(scaled - np.rint(scaled)) < 1e-9 * np.abs(scaled), np.rint(scaled), scaled)
    if not on_grid:
        return np.asarray(np.rint(tidy))
    return np.asarray(np.ceil(tidy) - 1 if inclusive else np.floor(tidy))


def _projection(
    network: FloatNetwork, projection: FloatProjection, scale: float, weight_bits: int, clip: float, target: Target
) -> IntegerProjection:
    peak, most = _peak(network, projection) * scale * clip, 2 ** (weight_bits - 1) - 1
    exponent = max(target.exponent[0], 0, math.ceil(math.log2(peak / most) - 1e-9)) if peak > 0 else 0
    if exponent > WEIGHT_EXPONENT_MAX or most << exponent > target.largest_weight:
        raise OverflowError(
            f"weights {projection.source} -> {projection.target} reach {peak:,.0f}, up to {target.largest_weight:,} "
            "are held"
        )
    rounded = np.empty(_synapses(projection).weight.shape, np.int8)
    done = 0
    for part in _graded(network, projection):
        rounded[done : done + len(part)] = np.clip(np.rint(part * scale * 2.0**-exponent), -most, most)
        done += len(part)
    return IntegerProjection(
        source=projection.source,
        target=projection.target,
        synapses=replace(_synapses(projection), weight=rounded),
        exponent=exponent,
        delay=projection.delay,
    )


def _graded(network: FloatNetwork, projection: FloatProjection) -> Iterator[Array]:
    """Yield the weights per level of the source, some targets at a time."""
    weight, unit = _synapses(projection).weight, _unit(network, projection)
    step = max(1, PART * len(weight) // max(1, weight.size))
    return (weight[first : first + step] * unit for first in range(0, max(1, len(weight)), step))


def _peak(network: FloatNetwork, projection: FloatProjection) -> float:
    """Return the largest size of a weight per level of the source; refuse weights that are not finite."""
    weight = _synapses(projection).weight
    peak = float(max(weight.max(), -weight.min())) * _unit(network, projection)
    if not math.isfinite(peak):
        raise QuantizationError(
            f"projection {projection.source} -> {projection.target} has weights that are not finite"
        )
    return peak


def _unit(network: FloatNetwork, projection: FloatProjection) -> float:
    """Return what one level of the source is worth."""
    neuron = network.population(projection.source).neuron
    return neuron.unit if isinstance(neuron, Source) else 1.0


def _synapses(projection: FloatProjection) -> Synapses:
    if len(projection.stages) == 1 and isinstance(projection.stages[0], Convolution | Dense):
        return projection.stages[0]
    kinds = ", ".join(type(stage).__name__ for stage in projection.stages) or "nothing"
    raise QuantizationError(
        f"projection {projection.source} -> {projection.target} holds {kinds}; "
        "expected one convolution or dense stage: run spikeport.export.passes.folded first"
    )
