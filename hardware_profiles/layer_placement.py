"""Placement on chips whose cores take a whole layer each and differ in size, as Speck's do.

The rules are those of SynSense's DynapCNN as sinabs 3.1.3 states them; each is a function whose docstring is the rule.
Kernels are dense and shared: zeros take memory like other weights, and groups and dilation are written out with zeros,
since the chip has neither. Which core takes which layer is a matching of a
bipartite graph.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from spikeport.export.errors import PlacementError
from spikeport.export.geometry import Geometry, Grid, geometry_of, pooled
from spikeport.export.network import FloatPopulation, IntegerPopulation, Network, Pair, Source
from spikeport.hardware_profiles.limits import CoreUse
from spikeport.hardware_profiles.profile import HardwareProfile, LayerCores

STRIDES = (1, 2, 4, 8)
POOLS = (1, 2, 4)
AnyPopulation = FloatPopulation | IntegerPopulation


@dataclass(frozen=True, eq=False)
class Layer:
    """A population with its first incoming projection, pooling apart, and how many projections come in and go out."""

    population: AnyPopulation
    geometry: Geometry
    pool: Pair
    incoming: int
    outgoing: int
    graded: bool

    @property
    def kernel_words(self) -> int:
        """C 2^(ceil log2 kx ky + ceil log2 f) words for f kernels over c channels."""
        outputs = len(self.geometry.kernel.weight)
        return self.geometry.source.channels << (_bits(math.prod(self.kernel_sides)) + _bits(outputs))

    @property
    def kernel_sides(self) -> Pair:
        """Rows and columns of the kernel with the zeros between dilated taps."""
        kernel = self.geometry.kernel
        rows, columns = ((n - 1) * d + 1 for n, d in zip(kernel.weight.shape[2:], kernel.dilation, strict=True))
        return rows, columns

    @property
    def neuron_words(self) -> int:
        """F 2^(ceil log2 fx + ceil log2 fy) words for f maps."""
        grid = Grid.of(self.population.shape)
        return grid.channels << (_bits(grid.height) + _bits(grid.width))


Rule = Callable[[Layer, LayerCores], tuple[float, float]]
"""Returns what a layer takes and what there is."""


def one_projection(layer: Layer, _cores: LayerCores) -> tuple[float, float]:
    """A core takes one incoming projection; sums of several paths need another chip."""
    return layer.incoming, 1


def spiking_input(layer: Layer, _cores: LayerCores) -> tuple[float, float]:
    """A core takes spikes, neither grey levels nor the biases of an image; encode the images as spikes."""
    return int(layer.graded), 0


def destinations(layer: Layer, cores: LayerCores) -> tuple[float, float]:
    """A core sends to at most so many others; let fewer layers take this one as their input."""
    return layer.outgoing, cores.destinations.value


def channels(layer: Layer, cores: LayerCores) -> tuple[float, float]:
    """A core has at most so many channels in and out; make the layer narrower."""
    return max(layer.geometry.source.channels, len(layer.geometry.kernel.weight)), cores.channels.value


def side(layer: Layer, cores: LayerCores) -> tuple[float, float]:
    """A map has at most so many rows and columns; crop or pool the input."""
    return max(Grid.of(layer.population.shape).height, Grid.of(layer.population.shape).width), cores.side.value


def kernel_side(layer: Layer, cores: LayerCores) -> tuple[float, float]:
    """A kernel has at most so many rows and columns; dense synapses over a map are a kernel as large as the map."""
    return max(layer.kernel_sides), cores.kernel_side.value


def geometry(layer: Layer, _cores: LayerCores) -> tuple[float, float]:
    """Strides are 1, 2, 4 or 8, pools 1, 2 or 4, without delays; change the convolution."""
    result = layer.geometry.result
    sides = zip(layer.geometry.kernel.stride, (result.height, result.width), strict=True)
    strides = all(stride in STRIDES or outputs == 1 for stride, outputs in sides)
    return int(not strides or layer.geometry.projection.delay > 0), 0


def kernel_words(layer: Layer, cores: LayerCores) -> tuple[float, float]:
    """A core holds c 2^(ceil log2 kx ky + ceil log2 f) words of kernels, zeros too; use fewer channels."""
    return layer.kernel_words, max(cores.kernel_words.value)


def neuron_words(layer: Layer, cores: LayerCores) -> tuple[float, float]:
    """A core holds f 2^(ceil log2 fx + ceil log2 fy) words of potentials; use smaller maps."""
    return layer.neuron_words, max(cores.neuron_words.value)


RULES: tuple[Rule, ...] = (
    *(one_projection, spiking_input, destinations, channels, side, kernel_side, geometry),
    *(kernel_words, neuron_words),
)


def match(network: Network, profile: HardwareProfile) -> list[tuple[int, CoreUse]]:
    """Return the core of every population in order, and what it takes; `PlacementError` names what does not fit."""
    cores = profile.layer_cores
    assert cores is not None
    layers = [_layer(network, population) for population in network.neurons]
    for layer in layers:
        for rule in RULES:
            used, available = rule(layer, cores)
            if used > available:
                raise PlacementError(
                    f"population {layer.population.name} does not fit a core of {profile.name}: {rule.__name__} is "
                    f"{used:,.0f} of {available:,.0f}. {rule.__doc__}"
                )
    sizes = list(zip(cores.kernel_words.value, cores.neuron_words.value, strict=True))
    fits = [[layer.kernel_words <= k and layer.neuron_words <= n for k, n in sizes] for layer in layers]
    chosen = maximum_bipartite_matching(csr_array(np.array(fits, np.int8)), perm_type="column")
    if len(layers) > len(sizes) or (chosen < 0).any():
        raise PlacementError(
            f"{len(layers)} populations do not fit the {len(sizes)} cores of {profile.name}, each taking one: "
            f"{int((chosen >= 0).sum())} find a core large enough. Use fewer or smaller layers"
        )
    return [(int(core), _use(layer)) for core, layer in zip(chosen, layers, strict=True)]


def _layer(network: Network, population: AnyPopulation) -> Layer:
    incoming = network.incoming(population.name)
    whole = geometry_of(network, incoming[0])
    geometry, pool = pooled(whole)
    if not set(pool) <= set(POOLS):
        geometry, pool = whole, (1, 1)
    source = network.population(incoming[0].source).neuron
    return Layer(
        population=population,
        geometry=geometry,
        pool=pool,
        incoming=len(incoming),
        outgoing=sum(projection.source == population.name for projection in network.projections),
        graded=isinstance(source, Source) and source.levels > 1,
    )


def _use(layer: Layer) -> CoreUse:
    kernel, words = layer.kernel_words, layer.neuron_words
    return CoreUse(
        neurons=Grid.of(layer.population.shape).neurons,
        synapses=int(layer.geometry.degrees.sum()) * layer.pool[0] * layer.pool[1],
        synaptic_memory=kernel,
        core_memory=kernel + 2 * words,
        input_axons=0,
        output_axons=layer.outgoing,
    )


def _bits(number: int) -> int:
    """Return ceil log2."""
    return (number - 1).bit_length()
