"""What an operation's result is while a specification is built: a sum of projections that are not finished yet."""

from dataclasses import dataclass, field, replace
from enum import IntEnum

from spikeport.toolchain.importing.operations import Array, Pair
from spikeport.toolchain.nn.specification import (
    AveragePooling,
    BatchNorm,
    Borders,
    Convolution,
    Linear,
    MaxPooling,
    Projection,
    Shape,
    pair,
)

IN_ORDER = (0, 1, 2)


class Step(IntEnum):
    """The steps of a projection in their order; a term takes those behind its last one."""

    POOLING = 1
    SYNAPSES = 2
    CHANNELS = 3
    FLATTEN = 4
    NORM = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Term:
    """One projection so far, with the arrays of its synapses and of its batch norm by their names in a state."""

    source: str
    pooling: AveragePooling | MaxPooling | None = None
    synapses: Convolution | Linear | None = None
    channels: Pair | None = None
    flatten: bool = False
    norm: BatchNorm | None = None
    arrays: dict[str, Array] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """The last step that it has; 0 for what its source sends."""
        taken = {
            Step.POOLING: self.pooling is not None,
            Step.SYNAPSES: self.synapses is not None,
            Step.CHANNELS: self.channels is not None,
            Step.FLATTEN: self.flatten,
            Step.NORM: self.norm is not None,
        }
        return max((step for step, has in taken.items() if has), default=0)

    @property
    def padding(self) -> Borders | None:
        """The zeros that it puts around its source and no more, or None."""
        pool = self.pooling
        if self.last != Step.POOLING or not isinstance(pool, AveragePooling):
            return None
        return pool.padding if pair(pool.kernel) == pair(pool.stride or pool.kernel) == (1, 1) else None

    @property
    def moves_only(self) -> bool:
        """Whether it computes nothing: values of its source, perhaps at other places."""
        return self.synapses is None and self.norm is None and not isinstance(self.pooling, AveragePooling)

    def projection(self) -> Projection:
        """Return the finished projection."""
        return Projection(
            source=self.source,
            pooling=1 if self.pooling is None else self.pooling,
            synapses=self.synapses,
            channels=self.channels,
            flatten=self.flatten,
            norm=False if self.norm is None else self.norm,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Value:
    """The sum of ``terms``, of ``shape``; ``hint`` names a population of it.

    ``flat``: to be taken as one axis in C order of its axes in ``order``, which no term does yet. ``parts``: the terms
    are maps side by side, so that no two add up at one place. ``ended`` is the place of the softmax behind it.
    """

    terms: tuple[Term, ...]
    shape: Shape
    hint: str
    flat: bool = False
    order: tuple[int, int, int] = IN_ORDER
    parts: bool = False
    ended: str = ""

    @property
    def side_by_side(self) -> bool:
        """Whether the terms never add up."""
        return self.parts or len(self.terms) == 1

    def of(self, *terms: Term, shape: Shape | None = None) -> "Value":
        """Return the value of other terms, which add up unless there is one."""
        return replace(self, terms=terms, shape=shape or self.shape, parts=False)
