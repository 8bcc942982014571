"""How many weights the quantizer rounded to zero, where that is much."""

import numpy as np

from spikeport.export.network import FloatNetwork, IntegerNetwork

MUCH = 0.2
"""Share of the weights into a population from which on a reader has to know."""


def rounded_away(network: FloatNetwork, integers: IntegerNetwork) -> tuple[str, ...]:
    """Return a sentence for each population of which more than `MUCH` of the weights became zero.

    ``network``: what was quantized, one stage of synapses per projection (`spikeport.export.passes.folded`).
    """
    found = []
    for population in network.neurons:
        before = sum(_nonzero(each.stages[0]) for each in network.incoming(population.name))
        after = sum(_nonzero(each.synapses) for each in integers.incoming(population.name))
        if before - after > MUCH * before:
            found.append(
                f"{population.name}: {before - after:,} of {before:,} weights round to zero beside the largest one; "
                "take more bits, or calibration samples, which choose at what size weights are cut"
            )
    return tuple(found)


def _nonzero(synapses: object) -> int:
    return int(np.count_nonzero(getattr(synapses, "weight")))  # noqa: B009 - stages of a folded network have weights
