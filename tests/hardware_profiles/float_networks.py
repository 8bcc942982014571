"""Float networks of the same spikes and synapses as integer ones, for the tests of costs."""

from spikeport.export.network import (
    AveragePooling,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    Source,
)
from spikeport.hardware_profiles.counting import FanOuts

BETWEEN = 1 / 128
"""Potentials are multiples of 1/64: a threshold between two of them."""


def as_float(network, *, pools=False):
    """Return the float network of an integer one; with ``pools``, folded pools are average pooling again."""
    populations = tuple(
        FloatPopulation(name=p.name, shape=p.shape, neuron=_neuron(p.neuron)) for p in network.populations
    )
    projections = tuple(
        FloatProjection(source=p.source, target=p.target, delay=p.delay, stages=_stages(network, p, pools=pools))
        for p in network.projections
    )
    return FloatNetwork(populations=populations, projections=projections, steps=network.steps)


def _neuron(neuron):
    if isinstance(neuron, Source):
        return Source(levels=neuron.levels, unit=1.0)
    bias = neuron.bias_mantissa * 2.0**neuron.bias_exponent / 64
    if neuron.threshold is None:
        return FloatNeuron(threshold=None, bias=bias)
    reset_by = None if neuron.reset_by is None else neuron.reset_by * 1.0
    return FloatNeuron(threshold=neuron.threshold + BETWEEN, bias=bias, reset_to=neuron.reset_to, reset_by=reset_by)


def _stages(network, projection, *, pools):
    synapses, window = projection.synapses, FanOuts(network, projection).window
    factor = 2.0**projection.exponent
    if not pools or window == (1, 1):
        return (type(synapses)(**{**vars(synapses), "weight": synapses.weight * factor}),)
    rows, columns = window
    kernel = {
        **vars(synapses),
        "weight": synapses.weight[:, :, ::rows, ::columns] * (factor * rows * columns),
        "stride": (synapses.stride[0] // rows, synapses.stride[1] // columns),
        "padding": (synapses.padding[0] // rows, synapses.padding[1] // columns),
    }
    return (AveragePooling(size=window), type(synapses)(**kernel))
