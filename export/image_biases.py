"""The biases of the images of a run, as executors take them."""

from spikeport.export import biases
from spikeport.export.fixed_point import Integers
from spikeport.export.network import BiasNetwork, IntegerNetwork
from spikeport.export.stimulus import Stimulus


def values_of(network: IntegerNetwork, stimulus: Stimulus, rows: slice) -> dict[str, Integers]:
    """Return the biases of the samples ``rows`` in units of the potential, (N, *shape), by population that has them.

    Empty where the network takes its input over synapses; `StimulusError` where an input to be written changes from
    step to step.
    """
    if not isinstance(network, BiasNetwork):
        return {}
    stimulus.require_held()
    return {name: found.values for name, found in biases.written(network, stimulus.frame(rows, 0)).items()}
