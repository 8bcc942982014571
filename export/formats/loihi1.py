"""Loihi 1's registers as .npz: what the chip, nengo-loihi's emulator and brian2_loihi need to run the network.

``description`` is JSON: ``steps``, ``populations`` with name, shape and ``start``, ``projections`` with their ends, the
shared numbers of their weights, geometry, and the ``delay`` of their synapses beyond the one step that every spike
takes. ``populations/I/...`` are the registers of the neurons (`spikeport.export.loihi1.Neurons`), one number for each;
the input has none. ``projections/I/mantissa`` is a kernel (out, in / groups, height, width) or a matrix (targets,
sources).

Where the host writes a held image as biases (`BiasNetwork`), ``host`` and ``host/I/weight`` are the projections that
it computes: 8-bit weights, each counting ``weight << weight_exponent``. Per image of levels x, the register of a neuron
gets the nearest of ``mantissa << exponent`` to ``64 sum W x + bias`` (`spikeport.export.biases`).

A population runs ``start`` steps behind the input. Its bias must be written in that step, not before: until then it
rests at zero and nothing arrives. The refractory period is 1 step, the limits of the potential are -+(2^23 - 1).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from spikeport.export import loihi1
from spikeport.export.files import write_arrays
from spikeport.export.network import Array, BiasNetwork, Convolution, IntegerNetwork, IntegerProjection

NETWORKS = (IntegerNetwork, BiasNetwork)
NOTE = "docs/formats.md says what its arrays mean and in which step a bias is written"
VERSION = 1


def write(network: IntegerNetwork, path: Path, *, unproven: bool = False) -> None:
    """Write ``network`` as Loihi 1's registers; `FormatError` names what they cannot hold and the way out.

    A network whose registers or sums can wrap or saturate is refused, unless ``unproven`` allows it.
    """
    network = network.with_short_delays()
    loihi1.check(network, unproven=unproven)
    depths = network.depths()
    populations = (network.source, *network.neurons)
    described: dict[str, Any] = {"format": "loihi1", "version": VERSION, "steps": network.steps}
    described["populations"] = [{"name": p.name, "shape": p.shape, "start": depths[p.name]} for p in populations]
    described["projections"], arrays = [], {}
    for index, population in enumerate(populations[1:], start=1):
        for name, values in vars(loihi1.neurons(population)).items():
            arrays[f"populations/{index}/{name}"] = values
    for index, projection in enumerate(network.on_chip):
        told, mantissa = _projection(projection)
        described["projections"].append({**told, "delay": network.slack(projection, depths)})
        arrays[f"projections/{index}/mantissa"] = mantissa
    if isinstance(network, BiasNetwork):
        described["host"] = [{**_ends(each), "weight_exponent": each.exponent} for each in network.host]
        arrays |= {f"host/{index}/weight": each.synapses.weight for index, each in enumerate(network.host)}
    write_arrays(path, {"description": np.array(json.dumps(described)), **arrays}, compressed=True)


def _projection(projection: IntegerProjection) -> tuple[dict[str, Any], Array]:
    weights = loihi1.weights(projection)
    shared = {"weight_exponent": weights.exponent, "weight_bits": weights.bits, "sign_mode": weights.sign_mode}
    return {**_ends(projection), **shared}, weights.mantissa


def _ends(projection: IntegerProjection) -> dict[str, Any]:
    """Return source, target and geometry."""
    synapses, names = projection.synapses, ("stride", "padding", "dilation", "groups")
    told: dict[str, Any] = {"source": projection.source, "target": projection.target}
    return told | ({name: getattr(synapses, name) for name in names} if isinstance(synapses, Convolution) else {})
