"""A NIR file of ours -> the `IntegerNetwork` that it was written from.

The numbers of the file are the network's integers times a power of two per population. The metadata say which one, by
the scale, and what numbers alone do not: exponents, the order of populations, and what a level of the input stands for.
"""

import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spikeport.export.bounds import prove
from spikeport.export.errors import FormatError, NetworkError
from spikeport.export.fixed_point import ACTIVATION_SHIFT
from spikeport.export.network import (
    Array,
    FloatNetwork,
    FloatNeuron,
    FloatProjection,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.nir_import import nodes
from spikeport.export.nir_import.graph import read
from spikeport.export.numbers import POSITIVE, Range, real, whole
from spikeport.export.real_numbers import constant, difference, unit_of, weighted

KEY = "integers"
EXPONENT = Range(least=0, most=15)
PARTS = 2 << ACTIVATION_SHIFT
"""Half units of potential in an activation unit; thresholds stand half a unit off (`real_numbers.compared`)."""


def described(network: IntegerNetwork) -> str:
    """Return what the file of ``network`` keeps beside its numbers, as JSON."""
    neurons = [(p.name, p.neuron) for p in network.populations if isinstance(p.neuron, IntegerNeuron)]
    assert isinstance(network.source.neuron, Source)
    kept = {
        "unit": network.source.neuron.unit,
        "neurons": {name: [neuron.scale, neuron.bias_exponent] for name, neuron in neurons},
        "projections": {network.label(p): [p.exponent, _checksum(p.synapses.weight)] for p in network.projections},
    }
    return json.dumps(kept)


def integers(path: Path) -> IntegerNetwork | None:
    """Return the integers of a file that we wrote, with their proof; None for a file of others.

    Raises `FormatError` where the file's numbers are not those that its metadata speak of.
    """
    kept = nodes.read(path).metadata.get(KEY)
    if kept is None:
        return None
    source, _ = read(path)
    try:
        network = _restored(source, _parsed(kept))
        wrong = difference(network, source)
    except (FormatError, NetworkError) as error:
        wrong = str(error)
    if wrong:
        raise FormatError(
            f"{path}: the numbers are not the integers that the metadata {KEY!r} describe ({wrong}); another program "
            f"has changed the file: remove that entry to read it as real numbers"
        )
    return replace(network, bounds=prove(network))


def _parsed(kept: object) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = json.loads(str(kept))
        found = {"unit": parsed["unit"], **{key: dict(parsed[key]) for key in ("neurons", "projections")}}
    except (ValueError, KeyError, TypeError):
        raise FormatError("they are damaged") from None
    return found


def _restored(network: FloatNetwork, kept: dict[str, Any]) -> IntegerNetwork:
    source = network.source
    assert isinstance(source.neuron, Source)
    encoding = replace(source.neuron, unit=real(kept["unit"], "unit of the input", POSITIVE))
    first = IntegerPopulation(name=source.name, shape=source.shape, neuron=encoding)
    made = {name: _population(network, name, values) for name, values in kept["neurons"].items()}
    waiting = [projection for projection in network.projections if len(weighted(projection)) == 1]
    projections = [_taken(label, values, waiting, made) for label, values in kept["projections"].items()]
    return IntegerNetwork(populations=(first, *made.values()), projections=tuple(projections), steps=network.steps)


def _population(network: FloatNetwork, name: str, values: object) -> IntegerPopulation:
    population = network.population(name)
    neuron = population.neuron
    if not isinstance(values, list) or len(values) != 2 or not isinstance(neuron, FloatNeuron):
        raise FormatError(f"population {name} is damaged")
    scale = real(values[0], f"scale of {name}", POSITIVE)
    exponent = whole(values[1], f"bias exponent of {name}", EXPONENT)
    plain = IntegerNeuron(threshold=None, bias_mantissa=np.zeros(()), bias_exponent=exponent, scale=scale)
    unit = unit_of(plain)
    bias = sum(constant(network, projection) for projection in network.incoming(name)) / unit
    threshold, inclusive = (None, False) if neuron.threshold is None else _threshold(neuron.threshold / unit, name)
    return IntegerPopulation(
        name=name,
        shape=population.shape,
        neuron=replace(
            plain,
            threshold=threshold,
            inclusive=inclusive,
            bias_mantissa=_compact(np.reshape(bias, population.shape) * 2.0 ** (ACTIVATION_SHIFT - exponent)),
            reset_to=_compact(neuron.reset_to / unit),
            decay_v=4096 * _compact(neuron.decay_potential),
        ),
    )


def _threshold(value: Array, name: str) -> tuple[Array, bool]:
    """Return the threshold in activation units, and whether it is below the half unit: ``v >= threshold`` fires."""
    halves = value * PARTS
    for inclusive, off in ((False, -1), (True, 1)):
        if np.all((halves + off) % PARTS == 0):
            return _compact((halves + off) / PARTS), inclusive
    raise FormatError(f"the thresholds of {name} lie between the integers")


def _taken(
    label: str, values: object, waiting: list[FloatProjection], made: dict[str, IntegerPopulation]
) -> IntegerProjection:
    """Take the projection called ``label``: of several between two populations, the one with its weights."""
    if not isinstance(values, list) or len(values) != 2:
        raise FormatError(f"projection {label} is damaged")
    exponent = whole(values[0], f"exponent of {label}", EXPONENT)
    for projection in waiting:
        if f"{projection.source}_to_{projection.target}" == label.partition(":")[0]:
            found = _projection(projection, made[projection.target], exponent)
            if found is not None and _checksum(found.synapses.weight) == values[1]:
                waiting.remove(projection)
                return found
    raise FormatError(f"the weights of {label} are others")


def _checksum(weight: Array) -> int:
    return zlib.crc32(np.ascontiguousarray(weight).tobytes())


def _projection(projection: FloatProjection, target: IntegerPopulation, exponent: int) -> IntegerProjection | None:
    (stage,) = weighted(projection)
    assert isinstance(target.neuron, IntegerNeuron)
    weight = stage.weight / (unit_of(target.neuron) * 2.0**exponent)
    if not np.array_equal(weight, np.clip(np.rint(weight), -128, 127)):
        return None
    return IntegerProjection(
        source=projection.source,
        target=projection.target,
        synapses=replace(stage, weight=weight.astype(np.int8)),
        exponent=exponent,
        delay=projection.delay,
    )


def _compact(value: Array) -> Array:
    """Return one number, or one per channel, where that says the same."""
    if np.all(value == value.flat[0]):
        return np.asarray(value.flat[0])
    if value.ndim == 3 and np.all(value == value[:, :1, :1]):
        return value[:, :1, :1]
    return value
