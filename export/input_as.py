"""Networks made ready for the kind of input that was asked for (``--input-as``): as it is, as biases, or as spikes."""

from dataclasses import replace

from spikeport.export.bias_form import as_bias
from spikeport.export.errors import NetworkError
from spikeport.export.network import BiasNetwork, FloatNetwork, Network, Source
from spikeport.export.stimulus import Intake
from spikeport.export.stimulus.coding import check_own
from spikeport.export.stimulus.encoders import Encoder, encoder
from spikeport.export.stimulus.encoding import described
from spikeport.export.stimulus.settings import BIAS


def taking(network: Network, input_as: str | None) -> Network:
    """Return ``network`` with the source that ``input_as`` needs: `as_bias`, or spikes of a spike encoder.

    An encoder's spike stands for the full scale of a graded source: in a float network the source becomes one of the
    encoder's levels whose largest is worth as much as before, and no weight changes. Integer weights are for one level
    each, and a spike of full scale would take ``levels`` times as much, so an integer network is refused: the float one
    is quantized for spikes. A network that was trained with an encoder has it already. Raises `NetworkError` with the
    way out, `StimulusError` where it was trained with another one.
    """
    if input_as is None:
        return network
    if input_as == BIAS:
        if isinstance(network, FloatNetwork):
            raise NetworkError("a float network has no bias registers; quantize it, then write its input as biases")
        return as_bias(network)
    source = Intake.of(network).source
    if source.coding is not None:
        check_own(source.coding, input_as)
        return network
    return _spiking(network, encoder(input_as))


def _spiking(network: Network, found: Encoder) -> Network:
    source = Intake.of(network).source
    if isinstance(network, BiasNetwork):
        raise NetworkError(f"the network takes its input as biases; expected one that takes what {found.name} sends")
    if source.levels == found.levels:
        return network
    if not isinstance(network, FloatNetwork):
        raise NetworkError(
            f"the encoder {found.name} sends levels 0..{found.levels}, the integers take {described(source)}; quantize "
            f"the float network for it: spikeport quantize FLOAT --input-as {found.name} --out NETWORK"
        )
    assert found.levels is not None
    other = Source(levels=found.levels, unit=source.levels * source.unit / found.levels)
    populations = [replace(p, neuron=other) if p is network.source else p for p in network.populations]
    return replace(network, populations=tuple(populations))
