"""Who wrote a NIR file, by evidence; what its files do not hold is asked, never taken in silence.

1. An origin fits where all rules of `evidence` that stand beside its name in `frameworks.ORIGINS` hold.
2. What its exporter drops is open, unless the caller tells it: a framework's name tells that its defaults hold.
3. Candidates that give equal neurons are one. One that is left is the dialect; of several, `AmbiguousOrigin` has all.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import partial
from typing import Any

import numpy as np

from spikeport.export.errors import AmbiguousOrigin, FormatError, NetworkError
from spikeport.export.network import FloatNeuron
from spikeport.export.nir_import import evidence as ev
from spikeport.export.nir_import.dialect import DIALECTS, Dialect, named, told
from spikeport.export.nir_import.evidence import Facts, Rule
from spikeport.export.nir_import.frameworks import ORIGINS, TITLES, Candidate, Open, Origin, plain_open, word
from spikeport.export.nir_import.neurons import neuron
from spikeport.export.nir_import.nodes import STATEFUL, Graph, Node, in_node
from spikeport.export.numbers import POSITIVE

SAYS = (*(field.name for field in fields(Dialect) if field.name not in ("name", "notes", "kinds")), "normalized")
"""What a caller may tell."""


def candidates(graph: Graph) -> list[Candidate]:
    """Return the origins that fit a file, the likeliest first; plain NIR where no framework does."""
    facts = Facts(graph)
    if "spikeport" in graph.metadata:
        return [Candidate(dialect=DIALECTS["spikeport"], evidence=("it has spikeport's own metadata",))]
    step = ev.portable_step(facts)
    if step is not None:
        own = replace(DIALECTS["spikeport"], dt=step)
        return [Candidate(dialect=own, evidence=("its neurons are those of spikeport's nir-portable",))]
    if not facts.neurons:
        return [Candidate(dialect=DIALECTS["nir"], evidence=("it has no neuron whose rules a framework chooses",))]
    found = [each for name, origin in ORIGINS.items() if name != "nir" for each in _fitting(facts, origin)]
    plain = _fitting(facts, ORIGINS["nir"])
    if not found and not plain:
        open_ = tuple(plain_open(facts))
        plain = [Candidate(dialect=DIALECTS["nir"], evidence=("no framework's rules fit",), open=open_)]
    return sorted(found, key=lambda each: -_likely(facts, each)) + plain


def dialect_of(graph: Graph, name: str = "auto", *, guess: bool = False, **changes: Any) -> Dialect:
    """Return the rules of a file: those of the framework ``name``, or of the only origin that fits, with ``changes``.

    ``guess``: where several fit, take the likeliest and say so in the notes. Raises `AmbiguousOrigin`.
    """
    unknown = [key for key in changes if key not in SAYS]
    if unknown:
        raise FormatError(f"there is no rule {unknown[0]!r}; there are {', '.join(SAYS)}")
    if name != "auto":
        given = told(name, changes)
        own = named(name) if "dt" in given else _with_step(graph, named(name))
        return replace(own, **given, notes=_taken_over(graph, name, changes))
    given = told("auto", changes)
    found = [_told(each, changes, given) for each in candidates(graph)]
    distinct = _distinct(graph, found)
    if len(distinct) == 1 or (guess and distinct):
        return _noted(distinct[0], found, guessed=len(distinct) > 1)
    if not distinct:
        return replace(found[0].dialect, notes=())
    fitting = [each for each in found if any(dialect in distinct for dialect in each.variations())]
    raise AmbiguousOrigin(question(graph, fitting), fitting)


def question(graph: Graph, found: list[Candidate]) -> str:
    """Return what is not known about a file, what each origin would mean, and the two ways on."""
    ways = "or let 'spikeport identify' find the rules from a recorded input and output"
    if len({each.dialect.name for each in found}) > 1:
        names = " or ".join(dict.fromkeys(each.title for each in found))
        kinds = frozenset(node.kind for node in graph.nodes.values())
        clauses = [replace(each.dialect, kinds=kinds).clauses() for each in found]
        shared = set(clauses[0]).intersection(*clauses[1:])
        own = ["; ".join(each for each in listed if each not in shared) for listed in clauses]
        meant = ". ".join(f"{each.dialect.name}: {words}" for each, words in zip(found, own, strict=True))
        return f"{names} can have written it: give the one with --dialect, {ways}. What each would mean: {meant}"
    only = found[0]
    wrote = f"{only.title} wrote it ({only.evidence[0]})"
    if not only.open:
        steps = ", ".join(f"{each.dialect.dt:g}" for each in found)
        return f"{wrote}, with a dt of {steps}: give --dt, {ways}"
    first = only.open[0].setting.replace("_", "-")
    return (
        f"{wrote}, whose files do not say {only.asks()}: give --dialect {only.dialect.name} for what stands first, "
        f"with --{first} for another, {ways}"
    )


def fingerprint(graph: Graph, dialect: Dialect) -> bytes:
    """Return what tells the neurons of two dialects apart; `FormatError` where a dialect cannot hold the file."""
    made: dict[str, FloatNeuron] = {}
    for name, node in graph.nodes.items():
        if node.kind in STATEFUL:
            made |= {f"{name} {looped}": neuron(node, dialect, looped=looped) for looped in (True, False)}
    delays = any(node.kind == "Delay" for node in graph.nodes.values())
    timing = (dialect.dt if delays else None, dialect.silent_start and ev.has_loop(graph), dialect.sends_late)
    return told_apart(made) + repr(timing).encode()


def told_apart(neurons: Mapping[str, FloatNeuron]) -> bytes:
    """Return bytes that differ where neurons do."""
    parts = [(name, [(key, _plain(value)) for key, value in vars(each).items()]) for name, each in neurons.items()]
    return repr(parts).encode()


def _plain(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    return float(value.flat[0]) if value.size and np.all(value == value.flat[0]) else value.tobytes()


def _fitting(facts: Facts, origin: Origin) -> list[Candidate]:
    if not all(rule(facts) for rule in origin.rules):
        return []
    said = tuple(dict.fromkeys(_words(rule) for rule in origin.rules))
    open_ = tuple(origin.open(facts))
    return [Candidate(dialect=each, evidence=said, open=open_) for each in origin.dialects(facts)]


def _words(rule: Rule) -> str:
    return " ".join((rule.__doc__ or "").split()).rstrip(".")


def _likely(facts: Facts, candidate: Candidate) -> int:
    """Return points for what a framework usually leaves: PyTorch's neurons are 32-bit, SpikingJelly's are 64-bit."""
    types = facts.types("v_threshold")
    name = candidate.dialect.name
    if name in ("spikingjelly", "lava-dl") and types == {"float64"}:
        return 1 if (name == "spikingjelly") == ("float32" in facts.weights) else 0
    return int(types == {"float32"})


def _told(candidate: Candidate, changes: dict[str, Any], given: dict[str, Any]) -> Candidate:
    """Return a candidate with what the caller tells, which is open no more."""
    named_ = {key for key, value in changes.items() if value is not None}
    left = tuple(each for each in candidate.open if each.setting not in named_)
    return replace(candidate, dialect=replace(candidate.dialect, **given), open=left)


def _distinct(graph: Graph, found: list[Candidate]) -> list[Dialect]:
    """Return a dialect for every set of neurons that the candidates give; those that cannot hold the file fall out."""
    made: dict[bytes, Dialect] = {}
    asked = False
    for candidate in found:
        for dialect in candidate.variations():
            try:
                key = fingerprint(graph, dialect)
            except (FormatError, NetworkError):
                continue
            asked = asked or any(each.free and not _fixed(graph, candidate, each) for each in candidate.open)
            made.setdefault(key, dialect)
    distinct = list(made.values())
    return [*distinct, distinct[0]] if asked and len(distinct) == 1 else distinct


def _fixed(graph: Graph, candidate: Candidate, setting: Open) -> bool:
    """Tell whether an open number changes no neuron of this file."""
    other: dict[str, Any] = {
        "dt": candidate.dialect.dt / 2,
        "floor": -1e-3,
        "v_reset": -1e-3,
        "tau_syn": 7.0,
        "most": 1,
    }
    try:
        changed_ = fingerprint(graph, replace(candidate.dialect, **{setting.setting: other[setting.setting]}))
        return changed_ == fingerprint(graph, candidate.dialect)
    except (FormatError, NetworkError):
        return True


def _noted(dialect: Dialect, found: list[Candidate], *, guessed: bool) -> Dialect:
    own = next(each for each in found if each.dialect.name == dialect.name)
    notes = [f"origin: {own.title} ({'; '.join(own.evidence)})"]
    if guessed:
        others = dict.fromkeys(each.title for each in found if each.dialect.name != dialect.name)
        doubt = [f"{' or '.join(others)} can have written it, too"] if others else []
        asked = [f"its files do not say {own.asks()}"] if own.open else []
        notes.append(f"warning: guessed, {'; '.join([*doubt, *asked])}: the spikes may be wrong")
    return replace(dialect, notes=tuple(notes))


def _taken_over(graph: Graph, name: str, changes: dict[str, Any]) -> tuple[str, ...]:
    """Return what the named framework's defaults decided, because neither the file nor the caller does."""
    if name not in ORIGINS:
        return ()
    given = {key for key, value in changes.items() if value is not None}
    left = [each for each in ORIGINS[name].open(Facts(graph)) if each.setting not in given and each.choices]
    steps = [each.dt for each in ORIGINS[name].dialects(Facts(graph))] if "dt" not in given else []
    doubt = (f"dt {steps[0]:g}; {', '.join(f'{dt:g}' for dt in steps[1:])} would fit, too",) if len(steps) > 1 else ()
    first = [(each.setting, each.choices[0]) for each in left]
    defaults = ", ".join(f"{key} {word(one.value)}{f' ({one.means})' if one.means else ''}" for key, one in first)
    return (*doubt, *((f"{TITLES[name]}'s defaults, which the file does not hold: {defaults}",) if defaults else ()))


def _with_step(graph: Graph, dialect: Dialect) -> Dialect:
    """Return a named dialect with the length of a step that the file's numbers tell, where they do."""
    facts = Facts(graph)
    if dialect.name not in ORIGINS:
        return replace(dialect, dt=(dialect.name == "spikeport" and ev.portable_step(facts)) or dialect.dt)
    found = ORIGINS[dialect.name].dialects(facts)
    if not found:
        for name, node in facts.neurons:
            in_node(name, node, partial(node.reals, "r", POSITIVE, infinite=True))
        name, node = facts.neurons[0] if facts.neurons else ("", Node())
        raise FormatError(
            f"node {name!r} ({node.kind}): no dt explains r and tau as {TITLES[dialect.name]} writes them; give dt"
        )
    return found[0]
