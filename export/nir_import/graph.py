"""A NIR graph -> `FloatNetwork`: neurons become populations, everything between them stages of projections.

Several edges into a node add up. A node without a state is a stream of its own at first; `expand_paths` then joins the
stages along every path. A loop is closed by the edge that leads back; it takes one step, if no `Delay` does.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from spikeport.export.composition import with_few_axes
from spikeport.export.errors import AmbiguousOrigin, FormatError, NetworkError
from spikeport.export.inputs import Budget, room
from spikeport.export.network import (
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    Shape,
    Source,
    Stage,
)
from spikeport.export.network.arrays import broadcasts
from spikeport.export.network.graph import listed
from spikeport.export.nir_import import choice, nested, nodes, sample, stages
from spikeport.export.nir_import.delays import Delays
from spikeport.export.nir_import.dialect import NEURONS as FIRING
from spikeport.export.nir_import.dialect import Dialect, told
from spikeport.export.nir_import.first_step import beside_loops, silenced
from spikeport.export.nir_import.neurons import neuron, shifted
from spikeport.export.nir_import.nodes import STATEFUL, Graph, Node, in_node
from spikeport.export.nir_import.origin import dialect_of
from spikeport.export.nir_import.readouts import leading_to, without_marker
from spikeport.export.nir_import.stages import PASS_ON, beside, channels_first
from spikeport.export.numbers import LEVELS, POSITIVE, STEPS, real, whole
from spikeport.export.passes.expand_paths import expand_paths, unshifted

REPEATED_PER_BYTE = 32
"""Bytes of weights per byte of file beyond `inputs.ROOM`, where several paths share a node's weights."""


def read(
    path: Path,
    *,
    dialect: str = "auto",
    steps: int | None = None,
    levels: int | None = None,
    output: str | None = None,
    unit: float | None = None,
    trusted: bool = False,
    guess: bool = False,
    **changes: Any,
) -> tuple[FloatNetwork, Dialect]:
    """Read a NIR file as a float network, and say in which dialect.

    ``dialect``: a name of `DIALECTS`, or 'auto' for what `identify` left beside the file (`choice`), else for the only
    origin that fits (`origin`; ``guess``: the likeliest). ``changes`` override its fields (``dt``, ``reset``, ``most``,
    ...). ``steps``: T, which NIR does not hold. ``levels``: the input is 0..levels (1: spikes), where one level counts
    ``unit``, 1 / levels if None. ``output``: the Output node that is meant, where there are several. A ``trusted`` file
    is one that this program has just written. Raises `FormatError` with the file and the node, `AmbiguousOrigin` with
    the origins that fit.
    """
    graph = nodes.read(path, trusted=trusted)
    try:
        rules = _rules(path, graph, dialect, guess=guess, changes=changes)
        builder = Builder(graph, rules, output)
        network = builder.network(steps=steps, levels=levels, unit=unit)
        Budget(room(path.stat().st_size, REPEATED_PER_BYTE)).take(_repeated(network), "the weights of all paths")
    except AmbiguousOrigin as error:
        Builder(graph, error.candidates[0].dialect, output).check(path, steps=steps, levels=levels)
        raise AmbiguousOrigin(f"{path}: {error}", error.candidates) from None
    except (FormatError, NetworkError) as error:
        raise FormatError(f"{path}: {error}") from None
    kinds = frozenset(node.kind for node in graph.nodes.values())
    return network, replace(rules, kinds=kinds, notes=(*rules.notes, *builder.left_out()))


def _rules(path: Path, graph: Graph, name: str, *, guess: bool, changes: dict[str, Any]) -> Dialect:
    """Return the dialect that was asked for, or that `identify` left beside the file, or that the file tells."""
    left = choice.read(path) if name == "auto" else None
    if left is None:
        return dialect_of(graph, name, guess=guess, **changes)
    return replace(left, **told(left.name, changes))


def _with_few_axes(network: FloatNetwork) -> FloatNetwork:
    shapes = {population.name: population.shape for population in network.populations}
    return replace(
        network,
        projections=tuple(
            replace(p, stages=with_few_axes(p.stages, shapes[p.source], shapes[p.target])) for p in network.projections
        ),
    )


def _repeated(network: FloatNetwork) -> int:
    """Return the bytes of all stages, counted for every path, as an archive holds them."""
    made = [stage for projection in network.projections for stage in projection.stages]
    return sum(value.nbytes for stage in made for value in vars(stage).values() if isinstance(value, np.ndarray))


def _steps(own: dict[str, Any], steps: int | None) -> int:
    if steps is None and "steps" not in own:
        raise FormatError(
            "NIR does not say how many steps a sample takes; give the number of steps: --steps, steps= in Python"
        )
    if steps is None:
        return whole(own["steps"], "steps of the metadata", STEPS)
    return whole(steps, "number of steps", STEPS)


def _source(own: dict[str, Any], levels: int | None, unit: float | None) -> Source:
    if levels is not None:
        whole(levels, "levels", LEVELS)
    if unit is not None:
        real(unit, "unit", POSITIVE)
    if "levels" in own:
        own_unit = real(own.get("unit", 1.0), "unit of the metadata", POSITIVE)
        kept = whole(own["levels"], "levels of the metadata", LEVELS)
        if levels not in {None, kept}:
            raise FormatError(
                f"its metadata say {kept} levels, {levels} are told; expected the same: leave out --levels"
            )
        return Source(levels=kept, unit=own_unit)
    return Source(levels=levels or 1, unit=1 / (levels or 1) if unit is None else unit)


@dataclass
class Builder:
    """A graph read by the rules of a dialect."""

    graph: Graph
    dialect: Dialect
    output: str | None = None

    def network(self, *, steps: int | None, levels: int | None = None, unit: float | None = None) -> FloatNetwork:
        """Return the network without streams."""
        return self._finished(self.plain(steps=steps, levels=levels, unit=unit), self.dialect)

    def plain(self, *, steps: int | None, levels: int | None = None, unit: float | None = None) -> FloatNetwork:
        """Return the network as if nothing were silent in the first step; `spoken` gives it a dialect's neurons."""
        own = self.graph.metadata if self.dialect.name == "spikeport" else {}
        network = _with_few_axes(expand_paths(self._network(_source(own, levels, unit), _steps(own, steps))))
        for marker in self.markers():
            network = without_marker(network, marker)
        return network

    def spoken(self, plain: FloatNetwork, dialect: Dialect) -> FloatNetwork:
        """Return ``plain``, of this builder, with the neurons of another dialect whose projections are the same."""
        named = self.neurons(dialect)
        populations = [replace(each, neuron=named.get(each.name, each.neuron)) for each in plain.populations]
        return self._finished(replace(plain, populations=tuple(populations)), dialect)

    def neurons(self, dialect: Dialect) -> dict[str, FloatNeuron]:
        """Return the neurons of a dialect by population, once the network was made."""
        stateful = (name for name, node in self.graph.nodes.items() if node.kind in STATEFUL)
        return {self.names[name]: self._neuron(name, dialect) for name in stateful}

    def _neuron(self, name: str, dialect: Dialect) -> FloatNeuron:
        node = self.graph.nodes[name]
        made = in_node(name, node, partial(neuron, node, dialect, looped=name in self.looped))
        return _fitted(self.shapes[name], made)[1]

    def _finished(self, network: FloatNetwork, dialect: Dialect) -> FloatNetwork:
        late = {self.names[name] for name in self._late(dialect)}
        looped = {self.names[name] for name in self.looped} if dialect.silent_start else set()
        return silenced(network, late=late, looped=looped)

    def check(self, path: Path, *, steps: int | None, levels: int | None) -> None:
        """Raise what would be wrong with the file in any dialect."""
        try:
            self.network(steps=steps, levels=levels)
        except (FormatError, NetworkError) as error:
            raise FormatError(f"{path}: {error}") from None

    def _late(self, dialect: Dialect) -> set[str]:
        """Return the nodes that send what their potential said a step before: their input waits that step instead."""
        return {name for name, node in self.graph.nodes.items() if dialect.sends_late and node.kind in FIRING}

    def _network(self, source: Source, steps: int) -> FloatNetwork:
        """Return the network with a population per node."""
        self._check_edges()
        self.graph.nodes, self.graph.edges = leading_to(self.graph, self.output)
        self.into: dict[str, list[str]] = {name: [] for name in self.graph.nodes}
        for start, end in self.graph.edges:
            self.into[end].append(start)
        self.order, self.back = self._ordered()
        self.shapes: dict[str, Shape] = {}
        self.names = self._names()
        self.looped = self._looped()
        self.made: dict[tuple[str, Shape], tuple[Stage, ...]] = {}
        unit = 1.0 if self.dialect.name == "spikeport" else self.dialect.dt
        self.delays = Delays(self.graph, self.into, self.names, self._stages, PASS_ON, unit, steps)
        populations = [self._population(name, source) for name in self.order]
        for name, population in zip(self.order, populations, strict=True):
            in_node(name, self.graph.nodes[name], partial(self._enter, name, population))
        projections = [each for name in self.order for each in self._projections(name)]
        relays = self.delays.relays.values()
        return FloatNetwork(
            populations=(*populations, *(population for population, _ in relays)),
            projections=(*projections, *(projection for _, projection in relays)),
            steps=steps,
        )

    def left_out(self) -> Iterator[str]:
        """Say what may be read in another way, once the network is made: axes of the input, and where loops wait."""
        yield from sample.rows_in_front(self.graph, self.order[0])
        yield from (
            f"warning: several ways lead into the loop through {start!r} and {end!r}, so NIR does not say where "
            f"it waits a step: by the order of the file's edges, {end!r} hears {start!r} one step later"
            for start, end in sorted(self.back)
            if self._reached_without(start, end)
        )
        moved = [name for name in self.order if shifted(self.graph.nodes[name])]
        if moved:
            yield (
                f"potentials of {listed(map(repr, moved))} count from where the neurons rest (v_leak; of an IF "
                "v_reset), since their thresholds are not above zero; spikes are the same"
            )

    def _reached_without(self, name: str, other: str) -> bool:
        """Return whether the input leads to a node, the network once made, without passing ``other``."""
        met, waiting = {name, other}, [name]
        while waiting:
            before = [each for each in self.into[waiting.pop()] if each not in met]
            met.update(before)
            waiting += before
        return name != other and self.order[0] in met

    def markers(self) -> list[str]:
        """Return the populations that Output nodes have become, once the network is made."""
        return [self.names[name] for name, node in self.graph.nodes.items() if node.kind == "Output"]

    def _check_edges(self) -> None:
        nodes = self.graph.nodes
        if self.dialect.name == "spyx":
            self.graph.edges = beside_loops(self.graph)
        self.graph.edges = nested.rewired(self.graph)
        self.graph.nodes = nodes = {name: node for name, node in nodes.items() if node.kind != "NIRGraph"}
        for edge in self.graph.edges:
            for end in edge:
                if end not in nodes:
                    like = get_close_matches(end, nodes, 1)
                    meant = f"is {like[0]!r} meant?" if like else f"there are {', '.join(map(repr, list(nodes)[:20]))}"
                    raise FormatError(f"edge {edge[0]} -> {edge[1]}: there is no node {end!r}; {meant}")
        if len(set(self.graph.edges)) != len(self.graph.edges):
            raise FormatError("an edge stands twice")
        reached = {end for _, end in self.graph.edges}
        sources = [name for name, node in nodes.items() if node.kind == "Input" and name not in reached]
        if len(sources) != 1:
            raise FormatError(f"the graph has {len(sources)} inputs {sources[:5]}; expected one")
        lost = [name for name in nodes if name not in reached and name not in sources]
        if lost:
            raise FormatError(f"node {lost[0]!r} is reached by no edge")
        if not self.graph.edges:
            raise FormatError(f"no edge leads from the input {sources[0]!r}; expected a network behind it")

    def _ordered(self) -> tuple[list[str], set[tuple[str, str]]]:
        """Return the nodes in depth-first order from the input, and the edges that lead back.

        A loop that holds a `Delay` of its own waits there, so the edge that closes it needs no step.
        """
        out: dict[str, list[str]] = {name: [] for name in self.graph.nodes}
        for start, end in self.graph.edges:
            out[start].append(end)
        (root,) = [name for name in self.graph.nodes if not self.into[name]]
        done: list[str] = []
        back: set[tuple[str, str]] = set()
        delays = {root: self._is_delay(root)}  # nodes met so far, with the number of `Delay` nodes on the way to each
        finished: set[str] = set()
        stack = [(root, iter(out[root]))]
        while stack:
            name, ahead = stack[-1]
            following = next(ahead, None)
            if following is None:
                finished.add(name)
                done.append(name)
                stack.pop()
            elif following not in delays:
                delays[following] = delays[name] + self._is_delay(following)
                stack.append((following, iter(out[following])))
            elif following not in finished and delays[name] - delays[following] + self._is_delay(following) == 0:
                back.add((name, following))
        lost = [name for name in self.graph.nodes if name not in delays]
        if lost:
            raise FormatError(f"node {lost[0]!r} is not reached from the input")
        return done[::-1], back

    def _is_delay(self, name: str) -> int:
        return int(self.graph.nodes[name].kind == "Delay")

    def _names(self) -> dict[str, str]:
        """Return a name for every node that every format can hold."""
        names: dict[str, str] = {}
        taken: Counter[str] = Counter()
        for name in self.graph.nodes:
            plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
            plain = plain if re.match(r"[A-Za-z0-9_]", plain) else f"_{plain}"
            base = plain
            while taken[plain]:
                taken[base] += 1
                plain = f"{base}_{taken[base]}"
            taken[plain] += 1
            names[name] = plain
        return names

    def _population(self, name: str, source: Source) -> FloatPopulation:
        node = self.graph.nodes[name]
        if not self.into[name]:
            self.shapes[name] = channels_first(in_node(name, node, partial(sample.shape_of, self.graph, name)))
            return FloatPopulation(name=self.names[name], shape=self.shapes[name], neuron=source)
        before = [self.shapes[each] for each in self.into[name] if each in self.shapes]
        if not before:
            raise FormatError(f"node {name!r} is only reached over a loop")
        self.shapes[name], cell = in_node(name, node, partial(self._cell, name, node, before[0]))
        return FloatPopulation(name=self.names[name], shape=self.shapes[name], neuron=cell)

    def _cell(self, name: str, node: Node, shape: Shape) -> tuple[Shape, FloatNeuron]:
        """Return the shape and the neuron of a node behind a source of ``shape``."""
        for stage in self._stages(name, shape):
            shape = stage.output_shape(shape)
        if node.kind not in STATEFUL:
            return shape, FloatNeuron(threshold=None, decay_potential=np.array(1.0))
        fitted = _fitted(shape, neuron(node, self.dialect, looped=name in self.looped))
        _check_parameters(node, fitted[0])
        return fitted

    def _looped(self) -> set[str]:
        """Return the nodes whose output comes back to them."""
        number = {name: index for index, name in enumerate(self.graph.nodes)}
        ends = np.array([(number[start], number[end]) for start, end in self.graph.edges])
        graph = coo_array((np.ones(len(ends)), tuple(ends.T)), shape=(len(number),) * 2)
        _, groups = connected_components(graph, directed=True, connection="strong")
        sizes = np.bincount(groups)
        loops = {start for start, end in self.graph.edges if start == end}
        return loops | {name for name, index in number.items() if sizes[groups[index]] > 1}

    def _enter(self, name: str, population: FloatPopulation) -> None:
        if self.graph.nodes[name].kind == "Delay":
            _check_parameters(self.graph.nodes[name], population.shape)
        self.delays.enter(name, population)

    def _projections(self, name: str) -> list[FloatProjection]:
        node, made, late = self.graph.nodes[name], list[FloatProjection](), self._late(self.dialect)
        for before in self.into[name]:
            back = int((before, name) in self.back or name in late)
            for source, delay, kept in in_node(name, node, partial(self.delays.into_node, before, name)):
                projection = FloatProjection(source=source, target=self.names[name], stages=kept, delay=delay + back)
                made.append(replace(projection, stages=unshifted(projection)) if made else projection)
        return made

    def _stages(self, name: str, shape: Shape) -> tuple[Stage, ...]:
        """Return the stages of a node behind a source of ``shape``, made once."""
        key = (name, shape)
        if key not in self.made:
            self.made[key] = stages.of_node(self.graph.nodes[name], shape, self.graph.budget)
        return self.made[key]


def _fitted(shape: Shape, cell: FloatNeuron) -> tuple[Shape, FloatNeuron]:
    """Return shape and neuron that fit: parameters may be flat where we are not, or give a flat layer its shape."""
    arrays = {name: value for name, value in vars(cell).items() if isinstance(value, np.ndarray) and value.ndim}
    largest = max((value.shape for value in arrays.values()), key=math.prod, default=shape)
    own = beside(largest, shape)
    if math.prod(own) == math.prod(shape) and not broadcasts(own, shape):
        shape = own
    changed: dict[str, Any] = {name: value.reshape(beside(value.shape, shape)) for name, value in arrays.items()}
    return shape, replace(cell, **changed)


def _check_parameters(node: Node, shape: Shape) -> None:
    """Refuse parameters, used or not, that are neither one number nor as many as there are neurons."""
    for key, value in node.values.items():
        own = beside(value.shape, shape) if isinstance(value, np.ndarray) else ()
        if math.prod(own) != math.prod(shape) and not broadcasts(own, shape):
            raise FormatError(f"{key} has shape {value.shape}; expected one number, or {shape}")
