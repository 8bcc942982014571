"""Operations that join values, end populations or compute nothing: additions, concatenation, ReLU, the end."""

from dataclasses import replace
from itertools import accumulate

from spikeport.toolchain.importing.building import Building, hint
from spikeport.toolchain.importing.operations import INPUT, Operation
from spikeport.toolchain.importing.pooling import behind
from spikeport.toolchain.importing.values import IN_ORDER, Value
from spikeport.toolchain.nn.specification import READOUT


def add(building: Building, operation: Operation, *inputs: Value) -> Value:
    """Several projections into one population."""
    settled = _alike(building, inputs)
    if len({value.shape for value in settled}) > 1:
        raise building.refused(f"adds {_shapes(settled)}", "values of one shape")
    terms = tuple(term for value in settled for term in value.terms)
    return Value(terms=terms, shape=settled[0].shape, hint=hint(operation))


def concatenate(building: Building, operation: Operation, *inputs: Value) -> Value:
    """Maps side by side."""
    settled = _alike(building, inputs)
    if len({value.shape[1:] for value in settled}) > 1:
        raise building.refused(f"joins {_shapes(settled)}", "maps of one height and width")
    total = sum(value.shape[0] for value in settled)
    firsts = accumulate((value.shape[0] for value in settled), initial=0)
    placed = [behind(building, value, first, total) for value, first in zip(settled, firsts, strict=False)]
    terms = tuple(term for value in placed for term in value.terms)
    parts = all(value.parts for value in placed)
    return Value(terms=terms, shape=(total, *settled[0].shape[1:]), hint=hint(operation), parts=parts)


def _alike(building: Building, inputs: tuple[Value, ...]) -> list[Value]:
    """Return settled values, all of one axis where one of them is."""
    settled = [building.settled(value) for value in inputs]
    if any(building.nodes.is_flat(term) for value in settled for term in value.terms):
        settled = [building.flattened(value) for value in settled]
    return settled


def _shapes(inputs: list[Value]) -> str:
    return " and ".join("x".join(map(str, value.shape)) for value in inputs)


def relu(building: Building, operation: Operation, value: Value) -> Value:
    """The end of a population; spikes that were only moved stay what they are."""
    if _is_sent(building, value):
        return value
    named = value.hint if value.hint != INPUT else hint(operation)
    term = building.nodes.add(replace(value, hint=named), "neurons")
    return replace(value.of(term), hint=named)


def _is_sent(building: Building, value: Value) -> bool:
    """Return whether a value is what neurons send, perhaps at other places."""
    return value.side_by_side and all(
        term.moves_only and building.nodes.kinds.get(term.source) == "neurons" for term in value.terms
    )


def softmax(_building: Building, operation: Operation, value: Value) -> Value:
    """An end of the network that keeps the order of the classes."""
    return replace(value, ended=operation.place)


def dropout(building: Building, operation: Operation, value: Value) -> Value:
    """Nothing at inference."""
    building.dropped.append(operation.place)
    return value


def identity(_building: Building, _operation: Operation, value: Value) -> Value:
    """Nothing."""
    return value


def end(building: Building, value: Value) -> None:
    """Make the readout."""
    if value.ended:
        building.notes.append(
            f"{value.ended} at the end is left out: the readout gives what it would get, in the same order of classes"
        )
    if not value.flat and value.shape[1:] != (1, 1):
        sides = "x".join(map(str, value.shape[1:]))
        raise building.refused(f"ends the network in {value.shape[0]} maps of {sides}", "one number for each class")
    if _is_sent(building, value) and all(term.pooling is None for term in value.terms):
        raise building.refused(
            "ends the network in a ReLU, where outputs below zero become 0 and classes tie",
            "a linear layer, a convolution or a pooling as the last layer: take that ReLU away",
        )
    value = building.flattened(replace(value, order=IN_ORDER) if value.shape[1:] == (1, 1) else value)
    building.nodes.add(value, "readout", READOUT)
