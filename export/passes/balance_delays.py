"""Balance paths of different length with relay populations."""

from dataclasses import replace

import numpy as np

from spikeport.export.network import FloatNetwork, FloatNeuron, FloatPopulation, FloatProjection, Source
from spikeport.export.passes.contract import BALANCED, NO_STREAMS, ONE_STAGE, network_pass
from spikeport.export.passes.expand_max_pooling import ANY
from spikeport.export.passes.fold_synapses import identity


@network_pass(requires=(NO_STREAMS, ONE_STAGE), guarantees=(BALANCED,))
def balance_delays(network: FloatNetwork) -> FloatNetwork:
    """Return ``network`` with relays wherever a spike would arrive too early on hardware.

    Loihi and Lava take one step per projection. Where two paths meet that differ by k projections:

    1. The shorter one gets k relay populations, one neuron per source neuron, which fire exactly when they get a
       spike (weight one, threshold one half, hard reset). Without hardware delays the spikes are the same.
    2. Projections out of one population share its relays; those with a delay of their own wait without.
    3. Graded input cannot be relayed by spikes; the host sends it later instead.
    """
    depths, added = network.depths(), dict[str, FloatPopulation]()
    projections, chains = [], []
    for projection in network.projections:
        slack = network.slack(projection, depths)
        source = network.population(projection.source)
        if slack > 0 and projection.delay == 0 and not isinstance(source.neuron, Source):
            chain = [f"{source.name}_relay{index}" for index in range(1, slack + 1)]
            for before, name in zip([source.name, *chain], chain, strict=False):
                if name not in added:
                    added[name] = replace(source, name=name, neuron=FloatNeuron(threshold=np.array(ANY)))
                    relay = FloatProjection(source=before, target=name, stages=())
                    chains.append(replace(relay, stages=(identity(source.shape, relay),)))
            projections.append(replace(projection, source=chain[-1]))
        else:
            projections.append(projection)
    return replace(network, populations=(*network.populations, *added.values()), projections=(*projections, *chains))
