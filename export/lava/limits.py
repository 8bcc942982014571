"""What Lava's processes cannot do; shared by the executor and the writer of job folders."""

from spikeport.export.errors import FormatError
from spikeport.export.fixed_point import INT8_MAX
from spikeport.export.network import Convolution, IntegerNetwork, IntegerProjection


def check(network: IntegerNetwork) -> None:
    """Refuse, with a `FormatError` or `NetworkError`, what Lava processes cannot do."""
    network.depths()
    for projection in network.projections:
        _check_projection(projection)


def _check_projection(projection: IntegerProjection) -> None:
    label = f"projection {projection.source} -> {projection.target}"
    if not isinstance(projection.synapses, Convolution):
        return
    synapses = projection.synapses
    largest = max(*synapses.weight.shape[2:], *synapses.stride, *synapses.padding, *synapses.dilation)
    if largest > INT8_MAX:
        raise FormatError(f"{label}: Lava's Conv holds kernel, stride, padding and dilation in 8 bit, found {largest}")
