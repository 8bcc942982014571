"""A spiking network as plain data: populations of neurons and the projections between them.

Terms are PyNN's. Shapes are (channels, height, width) or (features,); batches come before them. Float and integer
networks are different types. Everything is frozen and every array is read-only; passes return new networks.
"""

from spikeport.export.network.arrays import NAME, Array, Pair, Shape, frozen_array
from spikeport.export.network.graph import BiasNetwork, FloatNetwork, IntegerNetwork, Network
from spikeport.export.network.populations import (
    FLOAT_PARAMETERS,
    REGISTERS,
    Bounds,
    Coding,
    FloatNeuron,
    FloatPopulation,
    IntegerNeuron,
    IntegerPopulation,
    Source,
)
from spikeport.export.network.projections import FloatProjection, IntegerProjection
from spikeport.export.network.stages import (
    AveragePooling,
    Convolution,
    Dense,
    MaxPooling,
    Normalization,
    Reshape,
    Stage,
    Synapses,
)

__all__ = [
    "FLOAT_PARAMETERS",
    "NAME",
    "REGISTERS",
    "Array",
    "AveragePooling",
    "BiasNetwork",
    "Bounds",
    "Coding",
    "Convolution",
    "Dense",
    "FloatNetwork",
    "FloatNeuron",
    "FloatPopulation",
    "FloatProjection",
    "IntegerNetwork",
    "IntegerNeuron",
    "IntegerPopulation",
    "IntegerProjection",
    "MaxPooling",
    "Network",
    "Normalization",
    "Pair",
    "Reshape",
    "Shape",
    "Source",
    "Stage",
    "Synapses",
    "frozen_array",
]
