"""The keys, blocks and neurons of .net files: those that are read, and why others are not."""

from spikeport.export.errors import FormatError
from spikeport.export.hdf5 import Tree

TOP_KEYS = {"layer", "simulation"}
SIMULATION_KEYS = {"Ts", "tSample"}
_DENSE = {"type", "shape", "neuron", "weight", "bias", "delay", "inFeatures", "outFeatures"}
LAYER_KEYS = {
    "input": {"type", "shape", "neuron", "weight", "bias"},
    "flatten": {"type", "shape"},
    "dense": _DENSE,
    "dense_rec": {*_DENSE, "weight_rec"},
    "conv": {
        *("type", "shape", "neuron", "weight", "bias", "delay", "inChannels", "outChannels", "kernelSize"),
        *("stride", "padding", "dilation", "groups"),
    },
}
NEURON_KEYS = {
    *("type", "iDecay", "vDecay", "vThMant", "refDelay", "gradedSpike", "theta", "wgtExp"),
    *("tauRho", "scaleRho"),
}
"""tauRho and scaleRho shape the surrogate gradient; they change no spike."""
NEURONS = ("CUBA", "LOIHI")
_SIGMA_DELTA = (
    "sigma-delta neurons send graded changes of an activation, not spikes. No integer network here holds them: train "
    "the network with slayer.block.cuba, or run it in lava-dl"
)
_RESONATE = "its state is complex; expected CUBA or LOIHI: train the network with slayer.block.cuba"
_ADAPTIVE = "its threshold adapts; expected CUBA or LOIHI: train the network with slayer.block.cuba"
OTHER_NEURONS = {
    "SDNN": _SIGMA_DELTA,
    **dict.fromkeys(("RF", "RF_PHASE", "RF_IZHIKEVICH", "ADRF_PHASE", "ADRF_IZHIKEVICH"), _RESONATE),
    "ALIF": _ADAPTIVE,
}
"""Neurons of lava-dl that no integer network holds, and why."""
_WRITTEN_OUT = "netx does not load it either: write it as a convolution"
OTHER_BLOCKS = {
    "pool": f"{_WRITTEN_OUT} with a group per channel and the pool's weight in every kernel",
    "unpool": f"{_WRITTEN_OUT} or a dense block",
    "convT": "netx does not load it either: write it as a dense block",
    "average": "it computes a mean over spikes and no spikes: leave it out, and compute the mean from the spike counts",
    "concat": "netx does not load it either; a file holds one chain of layers",
    "dense_comp": "its weights are complex: train the network with slayer.block.cuba",
}
"""Blocks of lava-dl that are not read, and what to do instead."""


def check_keys(tree: Tree, known: set[str], where: str) -> None:
    """Refuse a key that nobody reads."""
    for key in tree.values:
        if key not in known:
            reason = _REASONS.get(key, "which is not read")
            raise FormatError(f"{where} has a key {key!r}, {reason}; known are {', '.join(sorted(known))}")


_REASONS = {
    "weight_exp": "a power of two of slayer's batch norm, which netx does not read and which is not read here",
    "messageBits": "the bits of graded spikes, which is not read",
    "sigma_output": "which sigma-delta neurons have, and which is not read",
}


def block_of(tree: Tree, number: int) -> str:
    """Return the type of a layer behind the input; `FormatError` says why another one is not read."""
    if not tree.values:
        raise FormatError(
            f"layer {number} is empty, as slayer writes blocks that it cannot export (KWTA); expected its type, "
            "shape, weight and neuron"
        )
    kind = tree.text("type")
    if kind in OTHER_BLOCKS:
        raise FormatError(f"layer {number} is a {kind!r}; {OTHER_BLOCKS[kind]}")
    if kind not in LAYER_KEYS or kind == "input":
        read = ", ".join(name for name in LAYER_KEYS if name != "input")
        raise FormatError(f"layer {number} is a {kind!r}; expected {read}, or input at the start")
    return kind


def check_neuron(neuron: Tree) -> None:
    """Refuse neurons of another type, and keys that nobody reads."""
    kind = neuron.text("type")
    if kind not in NEURONS:
        reason = OTHER_NEURONS.get(kind, f"expected {' or '.join(NEURONS)}")
        raise FormatError(f"has {kind} neurons; {reason}")
    check_keys(neuron, NEURON_KEYS, "'neuron'")
