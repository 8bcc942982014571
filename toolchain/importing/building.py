"""Values, populations and notes while a specification is built, and what every kind of operation does with them."""

from collections import Counter
from dataclasses import replace

import numpy as np

from spikeport.export.errors import FormatError
from spikeport.toolchain.importing.nodes import Nodes, masks
from spikeport.toolchain.importing.operations import INPUT, Array, Borders, Operation
from spikeport.toolchain.importing.values import IN_ORDER, Step, Term, Value
from spikeport.toolchain.nn.specification import Shape, projected_shape


class Building:
    """Values by the names of operations, the populations that were made, and the notes."""

    def __init__(self, operations: list[Operation], shape: Shape, mean: Array, std: Array, *, flat: bool) -> None:
        self.operations, self.shape, self.mean, self.std = operations, shape, mean, std
        self.nodes = Nodes()
        self.values = {INPUT: Value(terms=(Term(source=INPUT),), shape=shape, hint=INPUT, flat=flat)}
        self.users = Counter(name for operation in operations for name in operation.inputs)
        self.notes: list[str] = []
        self.dropped: list[str] = []
        self.place = ""

    def input(self, name: str) -> Value:
        """Return the value that an operation reads; nothing may stand behind a softmax."""
        if name not in self.values:
            raise FormatError(f"{self.place}: reads {name!r}, which nothing before it gives")
        value = self.values[name]
        if value.ended:
            raise FormatError(
                f"{value.ended}: is not the network's end, {self.place} stands behind it; expected torch.nn.ReLU there"
            )
        return value

    def refused(self, found: str, expected: str) -> FormatError:
        """Return the error for the operation at hand."""
        return FormatError(f"{self.place}: {found}; expected {expected}")

    def shared(self, value: Value) -> Value:
        """Return a value that several operations take: computed once, unless it is what a population sends."""
        simple = len(value.terms) == 1 and value.terms[0].synapses is None and value.terms[0].norm is None
        return value if simple else self.stream(value)

    def stream(self, value: Value) -> Value:
        """Put a value into a population that hands it on."""
        return value.of(self.nodes.add(value, "stream"))

    def opened(self, value: Value, step: Step) -> tuple[Value, Term]:
        """Return the value, and its one term, which can take ``step``."""
        value = value if len(value.terms) == 1 and value.terms[0].last < step else self.stream(value)
        return value, value.terms[0]

    def settled(self, value: Value) -> Value:
        """Return a value whose terms are flat where it is."""
        if value.order != IN_ORDER:
            raise self.refused(
                "gets axes in another order than (C, H, W)", "the axes put back, or a flatten and a linear layer there"
            )
        if not value.flat:
            return value
        if any(term.norm is not None for term in value.terms):
            value = self.stream(value)
        terms = tuple(replace(term, flatten=True) for term in value.terms)
        return replace(value, terms=terms, shape=(int(np.prod(value.shape)), 1, 1), flat=False)

    def flattened(self, value: Value) -> Value:
        """Return a value of one axis."""
        return self.settled(value if all(map(self.nodes.is_flat, value.terms)) else replace(value, flat=True))

    def made(self, value: Value, term: Term, operation: Operation) -> Value:
        """Return the value of a term with another step; refuse windows that do not fit."""
        shape = projected_shape(term.projection(), self.source_shape(term))
        if min(shape) < 1:
            sides = "x".join(map(str, value.shape[1:]))
            raise self.refused(f"nothing is left of maps of {sides}", "smaller windows, or less pooling before it")
        return replace(value.of(term, shape=shape), hint=hint(operation))

    def source_shape(self, term: Term) -> Shape:
        """Return the shape of a term's source."""
        return self.shape if term.source == INPUT else self.nodes.shapes[term.source]

    def check_channels(self, value: Value, count: int) -> None:
        """Refuse arrays per channel of another number of channels."""
        if count != value.shape[0]:
            raise self.refused(f"has {count} channels and gets {value.shape[0]}", "one value for each channel")

    def said(self, state: dict[str, Array]) -> tuple[str, ...]:
        """Return all notes."""
        notes = list(dict.fromkeys(self.notes))
        if self.dropped:
            places = ", ".join(dict.fromkeys(self.dropped))
            notes.append(f"dropout is left out: it does nothing at inference, and finetuning has none ({places})")
        names = Counter(op.parameters for op in self.operations if op.parameters and "weight" in op.arrays)
        notes += [
            f"the weights of {name} are used {count} times: each use gets a copy, and training parts them"
            for name, count in names.items()
            if count > 1
        ]
        zeros = list(masks(state).values())
        if zeros:
            share = 1 - sum(int(np.count_nonzero(each)) for each in zeros) / sum(each.size for each in zeros)
            notes.append(
                f"{share:.1%} of the weights of {len(zeros)} layers are zero: they count as pruned and stay zero"
            )
        return tuple(notes)


def hint(operation: Operation) -> str:
    """Return a name for a population: where the operation's weights are, or the module that it stands in."""
    module = operation.place.partition(" ")[0]
    return operation.parameters or (module if module != "forward" else operation.kind)


def side(sides: tuple[int, ...]) -> int | tuple[int, int]:
    """Return one number for equal sides."""
    rows, columns = sides
    return rows if rows == columns else (rows, columns)


def added(padding: Borders, more: Borders) -> Borders:
    """Return one padding for two."""
    top, bottom, left, right = (a + b for a, b in zip(padding, more, strict=True))
    return (top, bottom, left, right)
