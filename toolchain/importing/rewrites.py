"""Operations in another order with the same results, so that max pooling gets what neurons send."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spikeport.toolchain.importing.operations import Operation

MAXIMA = ("max_pooling", "adaptive_max_pooling")
MOVES = (*MAXIMA, "flatten", "permute", "dropout", "identity")
"""Operations that keep or drop values and compute none."""


def rearranged(operations: Sequence[Operation], output: str) -> list[Operation]:
    """Return the operations that ``output`` needs, with the same results.

    1. ReLU moves in front of what only moves values: max(ReLU(x)) is ReLU(max(x)), in every bit.
    2. So do a batch norm and a scale whose factors are not negative, where max pooling gets sums of synapses.
    3. Max pooling moves in front of a batch norm and a scale of this kind that get what neurons send.
    Each moves only past an operation whose result nothing else takes.
    """
    found = _needed(operations, output)
    changed = True
    while changed:
        changed = False
        users = Counter(name for operation in found for name in operation.inputs)
        users[output] += 1
        places = {operation.name: index for index, operation in enumerate(found)}
        for index, operation in enumerate(found):
            before = places.get(operation.inputs[0], -1) if len(operation.inputs) == 1 else -1
            if before >= 0 and users[found[before].name] == 1 and _passes(operation, found[before], found, places):
                found[before], found[index] = _swapped(found[before], operation)
                changed = True
                break
    return found


def _needed(operations: Sequence[Operation], output: str) -> list[Operation]:
    needed, kept = {output}, []
    for operation in reversed(operations):
        if operation.name in needed:
            needed.update(operation.inputs)
            kept.append(operation)
    return kept[::-1]


def _passes(operation: Operation, before: Operation, found: list[Operation], places: dict[str, int]) -> bool:
    """Return whether ``operation`` may move in front of ``before``."""
    if operation.kind == "relu":
        return before.kind in MOVES
    if operation.kind in MAXIMA:
        return _rises(before) and _sent(before.inputs[0], found, places)
    return before.kind in MAXIMA and _rises(operation) and not _sent(before.inputs[0], found, places)


def _rises(operation: Operation) -> bool:
    """Return whether larger inputs never give smaller outputs, so that it takes the largest value to the largest."""
    factor = {"batch_norm": "weight", "scale": "factor"}.get(operation.kind)
    return factor is not None and bool(np.all(np.asarray(operation.arrays.get(factor, 1)) >= 0))


def _sent(name: str, found: list[Operation], places: dict[str, int]) -> bool:
    """Return whether a value is what neurons send, perhaps at other places."""
    while name in places:
        operation = found[places[name]]
        if operation.kind == "relu":
            return True
        if operation.kind == "concatenate":
            return all(_sent(each, found, places) for each in operation.inputs)
        if operation.kind not in MOVES:
            return False
        name = operation.inputs[0]
    return False


def _swapped(before: Operation, behind: Operation) -> tuple[Operation, Operation]:
    """Return the two in the other order under the names of their positions, so that others find the result."""
    first = replace(behind, name=before.name, inputs=before.inputs)
    return first, replace(before, name=behind.name, inputs=(before.name,))
