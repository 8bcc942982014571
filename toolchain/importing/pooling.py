"""Operations that become pooling or move values: averages, maxima, padding, strides, other axes."""

from dataclasses import replace

import numpy as np

from spikeport.toolchain.importing.building import Building, added, hint, side
from spikeport.toolchain.importing.operations import INPUT, Borders, Operation, Pair, Settings
from spikeport.toolchain.importing.synapses import scaled
from spikeport.toolchain.importing.values import Step, Term, Value
from spikeport.toolchain.importing.windows import adapted, rounded_up
from spikeport.toolchain.nn.specification import AveragePooling, MaxPooling, pair, pooled_shape

NONE = (0, 0, 0, 0)


def average_pooling(building: Building, operation: Operation, value: Value) -> Value:
    """A divisor other than the window's size becomes a factor."""
    value, settings = building.settled(value), operation.settings
    if rounded_up(settings, value.shape) != settings.padding:
        raise building.refused("rounds its size up, so that its last windows are smaller", "ceil_mode=False")
    if any(settings.padding) and not settings.count_padding:
        raise building.refused("leaves its padding out of the averages", "count_include_pad=True, or no padding")
    size = settings.kernel[0] * settings.kernel[1]
    value = _averaged(building, operation, value, settings)
    if settings.divisor in (None, size):
        return value
    factor = np.full(value.shape[0], size / float(settings.divisor or size))
    return scaled(building, operation, value, factor, np.zeros_like(factor))


def _averaged(building: Building, operation: Operation, value: Value, settings: Settings) -> Value:
    if settings.kernel == settings.stride == (1, 1) and not any(settings.padding):
        return value
    if len(value.terms) > 1 or value.terms[0].padding is None:
        value, _ = building.opened(value, Step.POOLING)
    term = value.terms[0]
    padding = added(settings.padding, term.padding or NONE)
    pooling = AveragePooling(kernel=side(settings.kernel), stride=side(settings.stride), padding=padding)
    return building.made(value, replace(term, pooling=pooling), operation)


def max_pooling(building: Building, operation: Operation, value: Value) -> Value:
    """Maxima of what neurons send, of each map where maps lie side by side."""
    value, settings = building.settled(value), operation.settings
    if settings.dilation != (1, 1):
        raise building.refused(f"has windows with a dilation of {settings.dilation}", "dilation=1")
    settings = replace(settings, padding=rounded_up(settings, value.shape), ceil=False)
    if settings.kernel == (1, 1):
        return _averaged(building, operation, value, settings)
    terms = [_largest(term, settings) for term in _sent(building, value, settings)]
    sides = {pooled_shape(term.projection(), building.source_shape(term))[1:] for term in terms}
    if len(sides) > 1 or min(min(sides)) < 1:
        raise building.refused(
            f"nothing is left of maps of {value.shape[1]}x{value.shape[2]}", "less pooling before it"
        )
    shape = (value.shape[0], *sides.pop())
    return replace(value, terms=tuple(terms), shape=shape, parts=len(terms) > 1, hint=hint(operation))


def _sent(building: Building, value: Value, settings: Settings) -> list[Term]:
    """Return the maps of a value as neurons send them, with the zeros around them that it has.

    What is no such map and never below zero gets a population of its own, whose ReLU changes nothing.
    """
    found: list[Term] = []
    for term in value.terms:
        padding = term.padding
        parts = building.nodes.parts(term if padding is None else replace(term, pooling=None))
        zeros = AveragePooling(kernel=1, padding=padding) if padding else None
        found += [replace(part, pooling=zeros or part.pooling) for part in parts or []]
        again = any(part.pooling for part in parts or []) and any(padding or settings.padding)
        if parts is None or again or not value.side_by_side:
            return [_own_population(building, value)]
    return found


def _own_population(building: Building, value: Value) -> Term:
    if not all(building.nodes.is_positive(term) for term in value.terms):
        first = value.terms[0]
        sums = "values of a batch norm" if first.synapses is None else "sums of synapses"
        what = "the image" if first.source == INPUT and first.synapses is None else sums
        raise building.refused(f"takes the largest of {what}, which spikes do not say", "a ReLU directly before it")
    building.notes.append(
        f"{building.place} gets averages, sums or other maxima: a population of its own stands before it"
    )
    return building.nodes.add(value, "neurons")


def _largest(term: Term, settings: Settings) -> Term:
    kernel, stride, padding = settings.kernel, settings.stride, settings.padding
    if term.padding is not None:
        padding = added(padding, term.padding)
    elif term.pooling is not None:
        kernel, stride, padding = _of_windows(term.pooling, settings)
    pooling = MaxPooling(kernel=side(kernel), stride=side(stride), padding=padding)
    return replace(term, pooling=pooling)


def _of_windows(first: AveragePooling | MaxPooling, second: Settings) -> tuple[Pair, Pair, Borders]:
    """Return windows of windows: one max pooling for two in a row."""
    size, step = pair(first.kernel), pair(first.stride or first.kernel)
    rows, columns = (size[axis] + (second.kernel[axis] - 1) * step[axis] for axis in (0, 1))
    return (rows, columns), (step[0] * second.stride[0], step[1] * second.stride[1]), first.padding


def adaptive_pooling(building: Building, operation: Operation, value: Value) -> Value:
    """Pooling to an output size, as windows of one size."""
    value = building.settled(value)
    windows = replace(operation, settings=adapted(operation, value.shape))
    kind = average_pooling if operation.kind == "adaptive_average_pooling" else max_pooling
    return kind(building, windows, value)


def pad(building: Building, operation: Operation, value: Value) -> Value:
    """Zeros around the maps, and before and behind the channels."""
    value, settings = building.settled(value), operation.settings
    if min(*settings.padding, *settings.channels) < 0:
        raise building.refused("cuts values off the map", "zeros around it, or a stride")
    if any(settings.padding):
        value = _averaged(building, operation, value, Settings(padding=settings.padding))
    if not any(settings.channels):
        return value
    return behind(building, value, settings.channels[0], value.shape[0] + sum(settings.channels))


def behind(building: Building, value: Value, first: int, total: int) -> Value:
    """Put the channels of a value behind ``first`` others, among ``total``."""
    if any(term.last > Step.CHANNELS for term in value.terms):
        value = building.stream(value)
    parts = value.side_by_side
    terms = tuple(replace(term, channels=(first + (term.channels or NONE)[0], total)) for term in value.terms)
    return replace(value, terms=terms, shape=(total, *value.shape[1:]), parts=parts)


def stride(building: Building, operation: Operation, value: Value) -> Value:
    """Every n-th row and column: averages over one value."""
    return _averaged(building, operation, building.settled(value), operation.settings)


def flatten(_building: Building, _operation: Operation, value: Value) -> Value:
    """One axis; linear synapses flatten themselves."""
    return replace(value, flat=True)


def permute(building: Building, operation: Operation, value: Value) -> Value:
    """Axes in another order, until they are put back or a linear layer reads them."""
    if value.flat:
        raise building.refused("gets a flat value", "(C, H, W)")
    first, second, third = (value.order[axis] for axis in operation.settings.order)
    return replace(value, order=(first, second, third))
