"""psi of one projection in every mode of Eq. 12."""

import numpy as np
import numpy.typing as npt

from spikeport.export.geometry import AnyProjection, fan_out, geometry_of, pooled
from spikeport.export.network import Array, Convolution, Network, Shape, Synapses
from spikeport.export.three_counts import is_graded

Counts = npt.NDArray[np.int64]


class FanOuts:
    """psi of one projection.

    ``fused`` is per source neuron, (C, H, W) or (features,); ``relay`` per pooled pixel, with windows of ``window``
    source pixels; ``area_ratio`` is one number for all source neurons.
    """

    def __init__(self, network: Network, projection: AnyProjection) -> None:
        source = network.population(projection.source)
        self.projection = projection
        self.graded = is_graded(network, projection)
        self.fused = fan_out(projection.synapses, source.shape, projection.output_shape(source.shape))
        geometry, self.window = pooled(geometry_of(network, projection))
        self.relay = self.fused
        if self.window != (1, 1):
            shape = (geometry.source.channels, geometry.source.height, geometry.source.width)
            self.relay = fan_out(geometry.kernel, shape, geometry.kernel.output_shape(shape))
        self.area_ratio = _area_ratio(projection.synapses, geometry.weight, source.shape)

    def relay_operations(self, spikes: Array, fused: int) -> int:
        """Return the accumulates of pooled pixels that are not zero; ``fused`` where nothing is pooled.

        ``spikes`` are (N, T, *source).
        """
        if self.window == (1, 1):
            return fused
        rows, columns = self.window
        images, steps, channels, height, width = spikes.shape
        windows = spikes.reshape(images * steps, channels, height // rows, rows, width // columns, columns)
        active = windows.any(axis=(3, 5)).sum(axis=0, dtype=np.int64)
        return int((active * self.relay).sum())


def _area_ratio(synapses: Synapses, weight: Array, source: Shape) -> float:
    """Return Eq. 10 for dense synapses and Eq. 11 for convolutions, times the density of the unfolded ``weight``."""
    density = np.count_nonzero(weight) / weight.size
    if not isinstance(synapses, Convolution):
        return float(len(synapses.weight) * density)
    _, height, width = synapses.output_shape(source)
    outputs = len(weight) / synapses.groups
    kernel = weight.shape[2] * weight.shape[3]
    return float(height * width / (source[1] * source[2]) * outputs * kernel * density)


def zero_share(network: Network) -> float:
    """Return the share of weights that are zero, kernels with folded pooling as they are."""
    weights = [projection.synapses.weight for projection in network.projections]
    return 1 - sum(int(np.count_nonzero(weight)) for weight in weights) / sum(weight.size for weight in weights)
