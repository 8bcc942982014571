"""Record how nengo-loihi counts synaptic memory and axons, and its limits of one Loihi 1 core.

Usage: python record_nengo_loihi.py OUTFILE
"""

import json
import re
import sys
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np
import scipy.sparse
from nengo import Convolution
from nengo.transforms import ChannelShape
from nengo_loihi import block as loihi
from nengo_loihi.builder.discretize import discretize_weights
from nengo_loihi.builder.validate import validate_block
from nengo_loihi.conv import channel_idxs, conv2d_loihi_weights, pixel_idxs
from nengo_loihi.hardware import nxsdk_objects as nxsdk
from nengo_loihi.hardware.allocators import Greedy

WEIGHTS = (0, 1, 2, 3, 7, 63, 64, 65, 100, 127, 128, 129, 500, 1024)
IN, OUT = 60, 40
SIDE, PLANES, FILTERS, KERNEL = 8, 4, 8, 3
NAMES = {
    loihi: ("MAX_COMPARTMENTS", "MAX_IN_AXONS", "MAX_OUT_AXONS", "MAX_SYNAPSE_BITS"),
    nxsdk: ("MAX_COMPARTMENT_CFGS", "MAX_VTH_CFGS", "MAX_SYNAPSE_CFGS"),
    loihi.SynapseConfig: ("INDEX_BITS_MAP", "WEIGHT_BITS_MAP"),
}


def main(outfile: Path) -> None:
    """Write everything to ``outfile``."""
    constants = {name: getattr(home, name) for home, names in NAMES.items() for name in names}
    record = {
        "tool": f"nengo-loihi {version('nengo-loihi')}",
        "constants": constants | {"cores_per_chip": Greedy().cores_per_chip},
        "lists": lists(),
        "weights": weights(),
        "blocks": blocks(),
    }
    text = json.dumps(record, indent=1, default=int)
    text = re.sub(r"(?<=,)\n {3,}", " ", text)  # what lies deeper than two levels shares a line
    outfile.write_text(re.sub(r"\n {3,}|\n  (?=[]}])", "", text) + "\n")


def lists() -> list[dict[str, int]]:
    """Return the bits of one axon's list of synapses for every format; "config" is what the register holds."""
    found = []
    for compression, weight, index in product((0, 3), (1, 4, 7), range(8)):
        config = loihi.SynapseConfig(compression=compression, weight_bits=weight, idx_bits=index, n_synapses=63)
        form = {"compression": compression, "weight_config": weight, "weight_bits": config.real_weight_bits}
        form |= {"index_config": index, "index_bits": config.real_idx_bits}
        found += [form | {"weights": number, "bits": config.bits_per_axon(number)} for number in WEIGHTS]
    return found


def weights() -> list[dict[str, int]]:
    """Return the largest mantissa of every field of weights, of mixed signs (fanout type 1) and of one (2)."""
    found = []
    for weight, sign in product(range(1, 8), (1, 2)):
        config = loihi.SynapseConfig(weight_bits=weight, fanout_type=sign)
        kept = discretize_weights(config, np.arange(256.0), check_result=False)
        largest = len(np.unique(kept)) - 1
        found.append({"weight_bits": config.real_weight_bits, "mixed": int(config.is_mixed), "largest": largest})
    return found


def blocks() -> dict[str, object]:
    """Return what whole layers need; "_indexed" asks for compression 0, which nengo-loihi keeps to convolutions."""
    dense = np.ones((IN, OUT))
    zeros = np.where(np.random.default_rng(0).random((IN, OUT)) < 0.2, dense, 0)
    sparse = scipy.sparse.csr_matrix(zeros)
    found = {"dense": matrix(dense), "dense_zeros": matrix(zeros), "sparse": matrix(sparse)}
    found["sparse_indexed"] = matrix(sparse, compression=0)
    found["conv_valid_strided_pop32"] = convolution("valid", 32, stride=2)
    for padding in ("valid", "same"):
        found[f"conv_{padding}_pop16"] = convolution(padding, 16)
        found[f"conv_{padding}_pop32"] = convolution(padding, 32)
        found[f"conv_{padding}_pop32_channels_first"] = convolution(padding, 32, last=False)
    return found


def matrix(weights: np.ndarray | scipy.sparse.spmatrix, compression: int = 3) -> dict[str, object]:
    """Return what a matrix (in, out) needs."""
    synapse = loihi.Synapse(IN)
    synapse.set_weights(weights)
    synapse.format(compression=compression)
    return measure(synapse, IN, OUT)


def convolution(padding: str, pop_type: int, *, stride: int = 1, last: bool = True) -> dict[str, object]:
    """Return what a convolution needs, its axons as nengo-loihi's builder makes them: one per input pixel."""
    kernel = np.ones((KERNEL, KERNEL, PLANES, FILTERS))
    shape = ChannelShape((SIDE, SIDE, PLANES) if last else (PLANES, SIDE, SIDE), channels_last=last)
    options = {"kernel_size": kernel.shape[:2], "padding": padding, "channels_last": last, "init": kernel}
    transform = Convolution(FILTERS, shape, strides=(stride, stride), **options)
    synapse = loihi.Synapse(SIDE**2)
    synapse.set_population_weights(*conv2d_loihi_weights(transform), pop_type=pop_type)
    return measure(synapse, shape.size, transform.output_shape.size, pixel_idxs(shape), channel_idxs(shape))


def measure(synapse: loihi.Synapse, n_in: int, n_out: int, *maps: np.ndarray) -> dict[str, object]:
    """Connect two valid blocks with ``synapse`` and return what each uses; a list's shape is (planes, targets)."""
    source, target, axon = loihi.LoihiBlock(n_in), loihi.LoihiBlock(n_out), loihi.Axon(synapse.n_axons)
    target.add_synapse(synapse)
    axon.target = synapse
    if maps:
        axon.set_compartment_axon_map(*maps)
    source.add_axon(axon)
    validate_block(source)
    validate_block(target)
    bases, config = synapse.axon_compartment_bases, synapse.synapse_cfg
    return {
        "n_axons": synapse.n_axons,
        "unused_axons": 0 if bases is None else int((bases < 0).sum()),
        "compression": config.compression,
        "weight_bits": config.real_weight_bits,
        "index_bits": config.real_idx_bits,
        "bits": synapse.bits(),
        "pop_type": synapse.pop_type,
        "slots_per_axon": axon.slots_per_axon,
        "source": source.utilization(),
        "target": target.utilization(),
        "list_shapes": [weights.shape for weights in synapse.weights],
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
