"""The populations of a specification in the making, and the state of an ANN that goes with them."""

import re
from collections.abc import Iterable
from typing import Literal

import msgspec
import numpy as np
from torch import nn

from spikeport.toolchain.importing.operations import Array
from spikeport.toolchain.importing.values import Step, Term, Value
from spikeport.toolchain.nn.specification import INPUT, READOUT, AveragePooling, Linear, Node, Projection, Shape

Kind = Literal["neurons", "stream", "readout"]
PRUNED = 0.01
"""Share of zeros from which weights count as pruned; trained weights are never exactly zero by chance."""


class Nodes:
    """Populations by name, in order, and the arrays of their projections."""

    def __init__(self) -> None:
        self.terms: dict[str, tuple[Term, ...]] = {}
        self.kinds: dict[str, Kind] = {}
        self.shapes: dict[str, Shape] = {}
        self.flat: set[str] = set()

    def add(self, value: Value, kind: Kind, name: str = "") -> Term:
        """Make a population of a value, and return what it sends."""
        name = name or self._free(value.hint + "_sum" * (kind == "stream"))
        self.terms[name], self.kinds[name], self.shapes[name] = value.terms, kind, value.shape
        if self.is_flat(value.terms[0]):
            self.flat.add(name)
        return Term(source=name)

    def is_flat(self, term: Term) -> bool:
        """Return whether what a term gives has one axis."""
        moved = term.synapses is None and term.pooling is None and term.source in self.flat
        return term.flatten or isinstance(term.synapses, Linear) or moved

    def _free(self, hint: str) -> str:
        """Return a name that a population can have: of letters, digits, '_' and '-', its own, none of torch's."""
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", hint).strip("_")[:80] or "layer"
        name = f"{name}_" if hasattr(nn.ModuleDict, name) or name in (INPUT, READOUT) else name
        number, found = 1, name
        while found in self.terms:
            number += 1
            found = f"{name}_{number}"
        return found

    def is_positive(self, term: Term) -> bool:
        """Return whether nothing that a term gives is below zero: spikes, their averages and sums."""
        if term.synapses is not None or term.norm is not None:
            return False
        kind = self.kinds.get(term.source)
        return kind == "neurons" or (kind == "stream" and all(map(self.is_positive, self.terms[term.source])))

    def parts(self, term: Term) -> list[Term] | None:
        """Return the maps that lie side by side in what a term sends, as neurons send them, or None."""
        if self.kinds.get(term.source) == "neurons":
            return [term] if term.moves_only else None
        first, total = term.channels or (0, None)
        if self.kinds.get(term.source) != "stream" or term.last not in (0, Step.CHANNELS):
            return None
        found: list[Term] = []
        for each in self.terms[term.source]:
            inner = self.parts(each)
            if inner is None or (each.channels is None and len(self.terms[term.source]) > 1):
                return None
            found += [_behind(part, first, total) for part in inner]
        return found

    def finished(self) -> tuple[Node, ...]:
        """Return the populations that the readout needs."""
        needed, kept = {READOUT}, []
        for name in reversed(list(self.terms)):
            if name in needed:
                needed.update(term.source for term in self.terms[name])
                kept.append(name)
        return tuple(self._node(name) for name in reversed(kept))

    def _node(self, name: str) -> Node:
        projections = tuple(self._plain(term) for term in self.terms[name])
        return Node(name=name, kind=self.kinds[name], projections=projections)

    def _plain(self, term: Term) -> Projection:
        """Return the projection of a term, with averages that part a map without rest as one number."""
        projection, pool = term.projection(), term.pooling
        sides = self.shapes[term.source][1:] if term.source in self.shapes else (1, 1)
        if not isinstance(pool, AveragePooling) or not isinstance(pool.kernel, int) or any(pool.padding):
            return projection
        if pool.kernel != pool.stride or any(size % pool.kernel for size in sides):
            return projection
        return msgspec.structs.replace(projection, pooling=pool.kernel)

    def state(self, names: Iterable[str]) -> dict[str, Array]:
        """Return the arrays of the projections into populations, by their names in an ANN; zeros become its masks."""
        state: dict[str, Array] = {}
        for name in names:
            for index, term in enumerate(self.terms[name]):
                prefix = f"projections.{name}.{index}."
                state |= {prefix + key: array for key, array in term.arrays.items()}
        return state


def masks(state: dict[str, Array]) -> dict[str, Array]:
    """Return a mask for all synapses where more than a hundredth of some weights is zero: they were pruned."""
    found = {}
    for name, array in state.items():
        if name.endswith(".synapses.weight") and np.count_nonzero(array) <= (1 - PRUNED) * array.size:
            found[name.removesuffix("weight") + "mask"] = (array != 0).astype(array.dtype)
    return found


def _behind(part: Term, first: int, total: int | None) -> Term:
    """Return a part whose channels lie ``first`` channels further behind."""
    if total is None:
        return part
    inner = (part.channels or (0, 0))[0]
    return Term(source=part.source, pooling=part.pooling, channels=(first + inner, total))
