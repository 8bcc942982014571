"""What populations are that a tool added or that only hand spikes on: relays, pooling, constant inputs.

They are told by what they compute, not by their names, so that networks of every framework and format have them named.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from spikeport.export.geometry import AnyProjection
from spikeport.export.network import (
    Array,
    Convolution,
    FloatNeuron,
    FloatPopulation,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Network,
    Source,
)
from spikeport.hardware_profiles.placement.results import Block


def roles(network: Network) -> Mapping[str, str]:
    """Return what the populations of a network of folded synapses are that do no more than the following.

    1. 'constant input': it hears nothing and its bias fires it.
    2. Every neuron hears a window of its own channel over synapses of one weight, from one population: where any spike
       fires it and nothing is left behind, 'relay' for windows of one neuron and 'max pooling' for larger ones; else
       'sum pooling' for larger ones.
    3. 'max pooling' as well where such synapses have weights of both signs: rates pooled by differences.
    """
    found = ((population.name, _role(network, population)) for population in network.neurons)
    return {name: role for name, role in found if role}


Helpers = Mapping[str, str]
"""What populations are that only hand spikes on, by name."""


def named(name: str, helpers: Helpers) -> str:
    """Return a population's name, with what it is where it only hands spikes on: 'conv1_pool (max pooling)'."""
    return f"{name} ({helpers[name]})" if name in helpers else name


def listed(blocks: Iterable[Block], helpers: Helpers) -> str:
    """Return the names of the populations of a core's blocks."""
    return ", ".join(named(block.population, helpers) for block in blocks)


def _role(network: Network, population: FloatPopulation | IntegerPopulation) -> str:
    neuron, incoming = population.neuron, network.incoming(population.name)
    if isinstance(neuron, Source) or neuron.threshold is None:
        return ""
    weights: list[Any] = [projection.synapses.weight for projection in incoming]
    if not any(weight.any() for weight in weights):
        return "constant input" if _fires(neuron, _bias(neuron), 0) else ""
    if not all(_is_window(projection) for projection in incoming):
        return ""
    if any((weight < 0).any() for weight in weights):
        return "max pooling" if any((weight > 0).any() for weight in weights) else ""
    return "" if len(incoming) > 1 or np.any(_bias(neuron)) else _pooling(neuron, incoming[0])


def _pooling(neuron: FloatNeuron | IntegerNeuron, projection: AnyProjection) -> str:
    """Return what a population does with windows of its own channels over synapses of one positive weight."""
    weight = projection.synapses.weight
    single = int(np.count_nonzero(weight.reshape(len(weight), -1), axis=1).max()) == 1
    if _forgets(neuron) and _fires(neuron, np.zeros(()), _weight(projection)):
        return "relay" if single else "max pooling"
    return "" if single else "sum pooling"


def _forgets(neuron: FloatNeuron | IntegerNeuron) -> bool:
    """Return whether nothing is left of a step in which the neuron fired."""
    if isinstance(neuron, IntegerNeuron):
        memoryless = neuron.memoryless_current
    else:
        memoryless = bool(np.all(neuron.decay_current == 1))
    return memoryless and (neuron.keeps_nothing or (neuron.reset_by is None and not np.any(neuron.reset_to)))


def _is_window(projection: AnyProjection) -> bool:
    """Return whether each target hears only its own channel (its own source, of dense synapses), with one weight."""
    weight: Array = projection.synapses.weight
    if len(np.unique(np.abs(weight[weight != 0]))) != 1:
        return False
    if isinstance(projection.synapses, Convolution) and projection.synapses.groups > 1:
        return len(weight) == projection.synapses.groups
    reached: Array = np.any(weight, axis=(2, 3)) if weight.ndim == 4 else weight != 0
    return reached.shape[0] == reached.shape[1] and bool(np.array_equal(reached, np.eye(len(reached), dtype=bool)))


def _weight(projection: AnyProjection) -> float:
    exponent = projection.exponent if isinstance(projection, IntegerProjection) else 0
    return float(np.abs(projection.synapses.weight).max()) * float(2**exponent)


def _bias(neuron: FloatNeuron | IntegerNeuron) -> Array:
    """Return the bias in units of the threshold."""
    if isinstance(neuron, IntegerNeuron):
        return (neuron.bias_mantissa << neuron.bias_exponent) / 64
    return neuron.bias


def _fires(neuron: FloatNeuron | IntegerNeuron, bias: Array, weight: float) -> bool:
    """Return whether a neuron at rest fires with a bias and a spike of ``weight``, some neurons at least."""
    arriving: Any = bias + weight * (neuron.gain if isinstance(neuron, FloatNeuron) else 1)
    return bool(np.any(arriving >= neuron.threshold if neuron.inclusive else arriving > neuron.threshold))
