"""lava-dl's HDF5 exchange format, which `lava.lib.dl.netx.hdf5.Network` loads (lava-dl 0.6.0).

One chain of 'conv' and 'dense' layers of 'CUBA' neurons with hard reset; a layer has one threshold. Weights stand as
``w << exponent``; dense ones must lie in -256..254. A bias counts 64 potential units, that is one activation unit.
Shapes are (C, H, W); only netx turns them into Lava's order. The input layer holds the shape alone.
"""

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spikeport.export import hdf5, netx_reader
from spikeport.export.errors import FormatError, NetworkError
from spikeport.export.files import atomic
from spikeport.export.fixed_point import ACTIVATION_SHIFT, NO_THRESHOLD
from spikeport.export.network import (
    Array,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
)

DENSE_MIN, DENSE_MAX = -256, 254
UNIT = 1 << ACTIVATION_SHIFT


def write(network: IntegerNetwork, path: Path) -> None:
    """Write ``network`` as a .net file; `FormatError` names what netx cannot say and the way out."""
    layers = [{"type": np.array(["input"], "S10"), "shape": np.array(network.source.shape)}]
    before = network.source
    for population in network.neurons:
        projection = _only(network, population, before)
        if isinstance(projection.synapses, Dense) and len(before.shape) == 3:
            layers.append({"type": np.array(["flatten"], "S10"), "shape": np.array([math.prod(before.shape)])})
        layers.append(_layer(projection, before, population))
        before = population
    with atomic(path) as draft, h5py.File(draft, "w") as file:
        for index, layer in enumerate(layers):
            for key, value in layer.items():
                file[f"layer/{index}/{key}"] = value


def read(path: Path, *, steps: int | None, inclusive: bool = False, levels: int | None = None) -> IntegerNetwork:
    """Read a .net file as integers for samples of ``steps`` steps, with the proof computed from them.

    Lava fires where ``v > threshold``; slayer, which trains such networks and makes most recordings, fires where
    ``v >= threshold``: ``inclusive``. Neurons of the input layer are left out: their spikes are the input (``levels``
    1).
    """
    tree = hdf5.read(path, kind="netx")
    try:
        return netx_reader.network(tree, steps=steps, inclusive=inclusive, levels=levels)
    except (FormatError, NetworkError) as error:
        raise FormatError(f"{path}: {error}") from None


def _only(network: IntegerNetwork, population: IntegerPopulation, before: IntegerPopulation) -> IntegerProjection:
    incoming = network.incoming(population.name)
    if len(incoming) != 1 or incoming[0].source != before.name or incoming[0].delay:
        raise FormatError(
            f"population {population.name} hears {', '.join(p.source for p in incoming)}; netx holds one chain of "
            "layers without delays: export residual and recurrent networks to NIR, ONNX or a Lava job"
        )
    return incoming[0]


def _layer(projection: IntegerProjection, before: IntegerPopulation, population: IntegerPopulation) -> dict[str, Any]:
    neuron = population.neuron
    assert isinstance(neuron, IntegerNeuron)
    weight = projection.synapses.weight.astype(np.int32) << projection.exponent
    shared = {"shape": np.array(population.shape), **_neuron(population.name, neuron)}
    bias = _bias(population, neuron)
    if bias is not None:
        shared["bias"] = bias
    if isinstance(projection.synapses, Dense):
        if weight.min() < DENSE_MIN or weight.max() > DENSE_MAX:
            raise FormatError(
                f"projection {projection.source} -> {projection.target} has weights {weight.min()}..{weight.max()}; "
                f"netx holds {DENSE_MIN}..{DENSE_MAX} in dense layers: quantize with fewer weight bits"
            )
        sizes = {"inFeatures": math.prod(before.shape), "outFeatures": len(weight)}
        return {"type": np.array(["dense"], "S10"), "weight": weight, **sizes, **shared}
    synapses = projection.synapses
    return {
        "type": np.array(["conv"], "S10"),
        "weight": weight[..., None],
        "inChannels": before.shape[0],
        "outChannels": len(weight),
        "kernelSize": np.array(weight.shape[2:]),
        "stride": np.array(synapses.stride),
        "padding": np.array(synapses.padding),
        "dilation": np.array(synapses.dilation),
        "groups": synapses.groups,
        **shared,
    }


def _neuron(name: str, neuron: IntegerNeuron) -> dict[str, Any]:
    if not neuron.stock:
        raise FormatError(f"population {name} does not reset to zero, or fires at v == threshold; netx cannot say it")
    thresholds = np.unique(NO_THRESHOLD if neuron.threshold is None else neuron.threshold)
    decays = [np.unique(neuron.decay_u), np.unique(neuron.decay_v)]
    if max(map(len, (thresholds, *decays))) > 1:
        raise FormatError(f"population {name} has thresholds or decays of its own per neuron; netx holds one a layer")
    values = {"iDecay": decays[0][0], "vDecay": decays[1][0], "vThMant": thresholds[0], "refDelay": 1}
    numbers = {f"neuron/{key}": int(value) for key, value in values.items()}
    return {"neuron/type": "CUBA", "neuron/gradedSpike": False, **numbers}


def _bias(population: IntegerPopulation, neuron: IntegerNeuron) -> Array | None:
    """Return the bias in activation units: per channel, or per neuron in netx's (W, H, C)."""
    bias = neuron.bias_mantissa.astype(np.int64) << neuron.bias_exponent
    if not bias.any():
        return None
    if np.any(bias % UNIT):
        raise FormatError(
            f"population {population.name} has a bias that is no multiple of {UNIT}; netx holds whole activation "
            "units: export to NIR, ONNX or a Lava job"
        )
    full = np.broadcast_to(bias // UNIT, population.shape)
    if len(population.shape) == 1:
        return full.astype(np.int32)
    return np.ascontiguousarray(full[:, 0, 0] if np.all(full == full[:, :1, :1]) else full.T).astype(np.int32)
