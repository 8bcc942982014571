"""lava-dl's HDF5 exchange format, which `lava.lib.dl.netx.hdf5.Network` loads (lava-dl 0.6.0).

One chain of 'conv', 'dense' and 'dense_rec' layers of 'CUBA' neurons with hard reset; a layer has one threshold. The
last may be a readout that never fires, which has the threshold of slayer's Affine block. Weights stand as
``w << exponent`` with an exponent up to 7; dense ones must lie in -256..254, and without a positive one from -255 on,
as Lava clips them there. A bias counts 64 potential units, that is one activation unit. Shapes are (C, H, W); only netx
turns them into Lava's order. The input layer holds the shape alone. A file is read back and compared with the network
before it takes its place.
"""

import io
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spikeport.export import hdf5, netx_reader
from spikeport.export.errors import FormatError, NetworkError
from spikeport.export.files import atomic
from spikeport.export.fixed_point import ACTIVATION_SHIFT, NO_THRESHOLD
from spikeport.export.lava.limits import check
from spikeport.export.network import (
    Array,
    Convolution,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Shape,
    Source,
)
from spikeport.export.netx_reader.layers import AFFINE_THRESHOLD, DENSE_MAX, DENSE_MIN

NETWORKS = (IntegerNetwork,)
EXPONENT_MAX = 7
UNIT = 1 << ACTIVATION_SHIFT


def write(network: IntegerNetwork, path: Path) -> None:
    """Write ``network`` as a .net file; `FormatError` names what netx cannot say and the way out."""
    layers = [{"type": np.array(["input"], "S10"), "shape": np.array(network.source.shape)}]
    before, shape = network.source, network.source.shape
    for population in network.neurons:
        projection, feedback = _only(network, population, before)
        if isinstance(projection.synapses, Dense) and len(shape) > 1:
            layers.append({"type": np.array(["flatten"], "S10"), "shape": np.array([math.prod(shape)])})
        layers.append({**_layer(projection, shape, population), **_recurrent(feedback)})
        before, shape = population, projection.output_shape(shape)
    _check_lava(network)
    data = _file(layers)
    with atomic(path, size=len(data)) as draft:
        draft.write_bytes(data)
        _verify(network, draft)


def _file(layers: list[dict[str, Any]]) -> bytes:
    """Return the file, made in memory: HDF5 does not survive a full disk."""
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        for index, layer in enumerate(layers):
            for key, value in layer.items():
                file[f"layer/{index}/{key}"] = value
    return made.getvalue()


def _check_lava(network: IntegerNetwork) -> None:
    """Refuse what Lava, in which netx runs, would compute otherwise."""
    try:
        check(network)
    except (FormatError, NetworkError) as error:
        raise FormatError(f"netx runs in Lava. {error}") from None


def _verify(network: IntegerNetwork, path: Path) -> None:
    """Read a file of ours back; `FormatError` where it holds another network."""
    assert isinstance(network.source.neuron, Source)
    try:
        tree = hdf5.read(path, kind="netx", trusted=True)
        levels = network.source.neuron.levels
        restored = netx_reader.network(tree, steps=network.steps, rules=netx_reader.DIALECTS["lava"], levels=levels)
        found = _difference(network, restored)
    except (FormatError, NetworkError) as error:
        found = str(error).removeprefix(f"{path}: ")
    if found:
        raise FormatError(f"netx cannot say this network, its file would be read as another one: {found}")


def _difference(network: IntegerNetwork, restored: IntegerNetwork) -> str:
    """Return what differs between two chains, layer by layer, or nothing; a vector may stand for an image."""
    ours, theirs = (each.ordered() for each in (network, restored))
    if [math.prod(p.shape) for p in ours] != [math.prod(p.shape) for p in theirs]:
        return f"shapes {[p.shape for p in ours]} become {[p.shape for p in theirs]}"
    for old, new in zip(ours[1:], theirs[1:], strict=True):
        pairs = zip(
            *(sorted(n.incoming(p.name), key=_is_loop) for n, p in ((network, old), (restored, new))), strict=True
        )
        if _numbers(old) != _numbers(new) or not all(_same_synapses(*pair) for pair in pairs):
            return f"population {old.name} has other numbers"
    return ""


def _numbers(population: IntegerPopulation) -> list[list[int]]:
    """Return threshold, decays and bias of every neuron."""
    neuron = population.neuron
    assert isinstance(neuron, IntegerNeuron)
    bias = neuron.bias_mantissa.astype(np.int64) << neuron.bias_exponent
    threshold = np.array(AFFINE_THRESHOLD) if neuron.threshold is None else neuron.threshold
    values = (threshold, neuron.decay_u, neuron.decay_v, bias)
    return [np.broadcast_to(value, population.shape).ravel().tolist() for value in values]


def _incoming(network: IntegerNetwork, name: str) -> list[IntegerProjection]:
    """Return the projection from the layer before, then the one from the population itself."""
    return sorted(network.incoming(name), key=_is_loop)


def _is_loop(projection: IntegerProjection) -> bool:
    return projection.source == projection.target


def _same_synapses(ours: IntegerProjection, theirs: IntegerProjection) -> bool:
    weights = [each.synapses.weight.astype(np.int64) << each.exponent for each in (ours, theirs)]
    names = ("stride", "padding", "dilation", "groups")
    geometry = [[getattr(each.synapses, name, None) for name in names] for each in (ours, theirs)]
    return geometry[0] == geometry[1] and np.array_equal(weights[0], weights[1])


def read(path: Path, *, steps: int | None, dialect: str = "lava", levels: int | None = None) -> IntegerNetwork:
    """Read a .net file as integers for samples of ``steps`` steps, with the proof computed from them.

    ``dialect``: a key of `netx_reader.DIALECTS`. netx in Lava and slayer since lava-dl 0.4.0 fire where
    ``v > threshold``, older ones where ``v >= threshold``. Neurons of the input layer are left out: their spikes are
    the input (``levels`` 1).
    """
    return read_and_left_out(path, steps=steps, dialect=dialect, levels=levels)[0]


def read_and_left_out(
    path: Path, *, steps: int | None, dialect: str, levels: int | None
) -> tuple[IntegerNetwork, tuple[str, ...]]:
    """Return the network as `read` does, and sentences that say what of the file it does not hold."""
    tree, rules = hdf5.read(path, kind="netx"), netx_reader.DIALECTS[dialect]
    try:
        network = netx_reader.network(tree, steps=steps, rules=rules, levels=levels)
    except (FormatError, NetworkError) as error:
        raise FormatError(f"{path}: {error}") from None
    return network, netx_reader.left_out(tree, rules)


def _only(
    network: IntegerNetwork, population: IntegerPopulation, before: IntegerPopulation
) -> tuple[IntegerProjection, IntegerProjection | None]:
    """Return the projection from the layer before, and that of a recurrent block from itself."""
    incoming = _incoming(network, population.name)
    loops = [each for each in incoming if _is_loop(each) and each.delay == 1]
    if len(incoming) > 1 + len(loops) or len(loops) > 1 or incoming[0].source != before.name or incoming[0].delay:
        sources = ", ".join(projection.source for projection in incoming)
        raise FormatError(
            f"population {population.name} has the sources {sources}; netx holds one chain of layers without "
            "delays: export residual and recurrent networks to NIR, ONNX or a Lava job"
        )
    if loops and not all(isinstance(each.synapses, Dense) for each in incoming):
        raise FormatError(
            f"population {population.name} convolves what it gets or its own spikes; netx has recurrent blocks of "
            "dense layers only: export to NIR, ONNX or a Lava job"
        )
    return incoming[0], loops[0] if loops else None


def _recurrent(feedback: IntegerProjection | None) -> dict[str, Any]:
    """Return what makes a dense layer a recurrent block."""
    if feedback is None:
        return {}
    weight = feedback.synapses.weight.astype(np.int32) << feedback.exponent
    _check_weights(feedback, weight)
    return {"type": np.array(["dense_rec"], "S10"), "weight_rec": weight}


def _layer(projection: IntegerProjection, before: Shape, population: IntegerPopulation) -> dict[str, Any]:
    """Return the layer of a population, behind one that gives spikes of shape ``before`` in the file."""
    neuron, synapses = population.neuron, projection.synapses
    assert isinstance(neuron, IntegerNeuron)
    weight = synapses.weight.astype(np.int32) << projection.exponent
    _check_weights(projection, weight)
    if isinstance(synapses, Convolution) and len(before) != 3:
        raise FormatError(
            f"projection {projection.source} -> {projection.target} convolves what a dense layer gave, which is a "
            "vector in netx: export to NIR, ONNX or a Lava job"
        )
    shape = synapses.output_shape(before)
    shared = {"shape": np.array(shape), **_neuron(population.name, neuron)}
    bias = _bias(population, neuron, shape)
    if bias is not None:
        shared["bias"] = bias
    if isinstance(synapses, Dense):
        sizes = {"inFeatures": math.prod(before), "outFeatures": len(weight)}
        return {"type": np.array(["dense"], "S10"), "weight": weight, **sizes, **shared}
    return {
        "type": np.array(["conv"], "S10"),
        "weight": weight[..., None],
        "inChannels": before[0],
        "outChannels": len(weight),
        "kernelSize": np.array(weight.shape[2:]),
        "stride": np.array(synapses.stride),
        "padding": np.array(synapses.padding),
        "dilation": np.array(synapses.dilation),
        "groups": synapses.groups,
        **shared,
    }


def _check_weights(projection: IntegerProjection, weight: Array) -> None:
    """Refuse weights that netx, Lava or a reader would change."""
    label = f"projection {projection.source} -> {projection.target}"
    least = DENSE_MIN if weight.max() > 0 else -255
    if isinstance(projection.synapses, Dense) and (weight.min() < least or weight.max() > DENSE_MAX):
        held = f"{least}..{DENSE_MAX}" + ("" if weight.max() > 0 else ", where none is positive")
        raise FormatError(
            f"{label} has weights {weight.min()}..{weight.max()}; netx holds {held}, in dense layers: quantize with "
            "fewer weight bits"
        )
    shared = weight >> EXPONENT_MAX
    if projection.exponent > EXPONENT_MAX and (shared.min() < -128 or shared.max() > 127):
        raise FormatError(
            f"{label} has weights of exponent {projection.exponent}; netx holds 8 bits with exponents up to "
            f"{EXPONENT_MAX}: quantize the network again, or export it to NIR, ONNX or a Lava job"
        )


def _neuron(name: str, neuron: IntegerNeuron) -> dict[str, Any]:
    if neuron.floor is not None:
        raise FormatError(
            f"population {name} has a floor of its potential, which netx cannot say: export it to ONNX or a Lava job"
        )
    if not neuron.stock:
        raise FormatError(f"population {name} does not reset to zero, or fires at v == threshold; netx cannot say it")
    thresholds = np.unique(AFFINE_THRESHOLD if neuron.threshold is None else neuron.threshold)
    if thresholds[-1] == NO_THRESHOLD:
        raise FormatError(
            f"population {name} fires above {NO_THRESHOLD:,}; in a netx file that stands for a readout that never "
            "fires: lower the threshold, or export to ONNX or a Lava job"
        )
    decays = [np.unique(neuron.decay_u), np.unique(neuron.decay_v)]
    if max(map(len, (thresholds, *decays))) > 1:
        raise FormatError(f"population {name} has thresholds or decays of its own per neuron; netx holds one a layer")
    values = {"iDecay": decays[0][0], "vDecay": decays[1][0], "vThMant": thresholds[0], "refDelay": 1}
    numbers = {f"neuron/{key}": int(value) for key, value in values.items()}
    return {"neuron/type": "CUBA", "neuron/gradedSpike": False, **numbers}


def _bias(population: IntegerPopulation, neuron: IntegerNeuron, shape: Shape) -> Array | None:
    """Return the bias in activation units: per channel, or per neuron in netx's (W, H, C)."""
    bias = neuron.bias_mantissa.astype(np.int64) << neuron.bias_exponent
    if not bias.any():
        return None
    if np.any(bias % UNIT):
        raise FormatError(
            f"population {population.name} has a bias that is no multiple of {UNIT}; netx holds whole activation "
            "units: export to NIR, ONNX or a Lava job"
        )
    full = np.broadcast_to(bias // UNIT, population.shape).reshape(shape)
    if len(shape) == 1:
        return full.astype(np.int32)
    return np.ascontiguousarray(full[:, 0, 0] if np.all(full == full[:, :1, :1]) else full.T).astype(np.int32)
