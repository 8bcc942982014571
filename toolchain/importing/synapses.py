"""Operations that become synapses and batch norm: convolution, linear, batch norm, factors and shifts."""

from collections.abc import Mapping
from dataclasses import replace

import msgspec
import numpy as np

from spikeport.toolchain.importing.building import Building, added, hint, side
from spikeport.toolchain.importing.operations import INPUT, Array, Operation
from spikeport.toolchain.importing.values import IN_ORDER, Step, Term, Value
from spikeport.toolchain.nn.specification import BatchNorm, Convolution, Linear


def convolution(building: Building, operation: Operation, value: Value) -> Value:
    """Zeros that a padding put around the map become the convolution's own."""
    value, settings = building.settled(value), operation.settings
    weight = operation.arrays["weight"]
    if weight.shape[1] * settings.groups != value.shape[0]:
        raise building.refused(f"reads {weight.shape[1] * settings.groups} channels of {value.shape[0]}", "as many")
    value, term = building.opened(value, Step.SYNAPSES)
    padding = settings.padding
    if term.padding is not None:
        padding, term = added(padding, term.padding), replace(term, pooling=None)
    synapses = Convolution(
        channels=weight.shape[0],
        kernel=side(weight.shape[2:]),
        stride=side(settings.stride),
        padding=padding,
        dilation=side(settings.dilation),
        groups=settings.groups,
        bias="bias" in operation.arrays,
    )
    return building.made(value, replace(term, synapses=synapses, arrays=_named(operation.arrays)), operation)


def linear(building: Building, operation: Operation, value: Value) -> Value:
    """Axes in another order are put into the order of the weights."""
    weight = operation.arrays["weight"]
    if not (value.flat or value.shape[1:] == (1, 1)) or weight.shape[1] != np.prod(value.shape):
        found = f"reads {weight.shape[1]} values of {'x'.join(map(str, value.shape))}"
        raise building.refused(found, "a flatten before it, or a 1x1 convolution instead")
    weight = _in_order(weight, value)
    value, term = building.opened(replace(value, order=IN_ORDER, flat=False), Step.SYNAPSES)
    synapses = Linear(features=len(weight), bias="bias" in operation.arrays)
    arrays = _named({**operation.arrays, "weight": weight})
    return building.made(value, replace(term, synapses=synapses, arrays=arrays), operation)


def _in_order(weight: Array, value: Value) -> Array:
    """Return linear weights for values in C order of (C, H, W)."""
    sides = [value.shape[axis] for axis in value.order]
    back = [value.order.index(axis) + 1 for axis in range(3)]
    return weight.reshape(-1, *sides).transpose(0, *back).reshape(weight.shape)


def _named(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {f"synapses.{name}": array for name, array in arrays.items()}


def batch_norm(building: Building, operation: Operation, value: Value) -> Value:
    """The last step of a projection; one without synapses ends in a stream."""
    value, arrays = building.settled(value), operation.arrays
    building.check_channels(value, len(arrays["mean"]))
    value, term = building.opened(value, Step.NORM)
    settings = operation.settings
    norm = BatchNorm(eps=settings.eps, momentum=settings.momentum, affine="weight" in arrays)
    kept = {
        "norm.weight": arrays.get("weight", np.ones_like(arrays["mean"])),
        "norm.bias": arrays.get("bias", np.zeros_like(arrays["mean"])),
        "norm.running_mean": arrays["mean"],
        "norm.running_var": arrays["variance"],
    }
    named = value.hint if term.synapses is not None else hint(operation)
    return replace(value.of(replace(term, norm=norm, arrays=term.arrays | kept)), hint=named)


def scale(building: Building, operation: Operation, value: Value) -> Value:
    """A factor and a shift join the pixel statistics, the batch norm or the synapses before, or are synapses."""
    factor, shift = (np.asarray(operation.arrays[name]).reshape(-1) for name in ("factor", "shift"))
    if not shift.any() and np.all(factor == 1):
        return value
    first, single = value.terms[0], building.users[INPUT] == building.users[operation.inputs[0]] == 1
    if first.source == INPUT and not first.last and single and np.all(factor > 0) and not value.flat:
        building.check_channels(value, max(factor.size, shift.size, value.shape[0]))
        building.std = building.std / factor
        building.mean = building.mean - shift * building.std
        return value
    value = building.settled(value)
    if max(factor.size, shift.size) > 1:
        building.check_channels(value, max(factor.size, shift.size))
    return scaled(building, operation, value, *(np.broadcast_to(each, value.shape[:1]) for each in (factor, shift)))


def scaled(building: Building, operation: Operation, value: Value, factor: Array, shift: Array) -> Value:
    """Return a settled value times a factor plus a shift, each (C,)."""
    if len(value.terms) == 1 and value.terms[0].norm is not None:
        return value.of(_with_norm_scaled(value.terms[0], factor, shift))
    if len(value.terms) == 1 and value.terms[0].last == Step.SYNAPSES:
        return value.of(_with_synapses_scaled(value.terms[0], factor, shift))
    flat = building.nodes.is_flat(value.terms[0])
    value, term = building.opened(value, Step.SYNAPSES)
    biased, channels = bool(shift.any()), len(factor)
    synapses = Convolution(channels=channels, kernel=1, padding=(0, 0, 0, 0), groups=channels, bias=biased)
    arrays = {"weight": factor.reshape(-1, 1, 1, 1)} | ({"bias": shift} if biased else {})
    term = replace(term, synapses=synapses, flatten=flat, arrays=_named(arrays))
    return replace(value.of(term), hint=hint(operation))


def _with_norm_scaled(term: Term, factor: Array, shift: Array) -> Term:
    assert term.norm is not None
    changed = {
        "norm.weight": term.arrays["norm.weight"] * factor,
        "norm.bias": term.arrays["norm.bias"] * factor + shift,
    }
    return replace(term, norm=msgspec.structs.replace(term.norm, affine=True), arrays=term.arrays | changed)


def _with_synapses_scaled(term: Term, factor: Array, shift: Array) -> Term:
    assert term.synapses is not None
    weight, bias = term.arrays["synapses.weight"], term.arrays.get("synapses.bias", np.zeros_like(factor))
    arrays: dict[str, Array] = {"synapses.weight": weight * factor.reshape(-1, *(1,) * (weight.ndim - 1))}
    biased = term.synapses.bias or bool(shift.any())
    if biased:
        arrays["synapses.bias"] = bias * factor + shift
    return replace(term, synapses=msgspec.structs.replace(term.synapses, bias=biased), arrays=arrays)
