"""Who wrote a NIR file, by evidence; what its files do not hold is asked, never taken in silence.

1. An origin fits where all rules of `evidence` that stand beside its name in `ORIGINS` hold.
2. What its exporter drops is open, unless the caller tells it: a framework's name tells that its defaults hold.
3. Candidates that give equal neurons are one. One that is left is the dialect; of several, `AmbiguousOrigin` has all.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any

import numpy as np

from spikeport.export.errors import AmbiguousOrigin, FormatError, NetworkError
from spikeport.export.nir_import import evidence as ev
from spikeport.export.nir_import.dialect import AT_THRESHOLD, DIALECTS, NORSE_DT, Dialect, named, told
from spikeport.export.nir_import.evidence import Facts, Rule
from spikeport.export.nir_import.neurons import neuron
from spikeport.export.nir_import.nodes import STATEFUL, Graph

SAYS = (*(field.name for field in fields(Dialect) if field.name not in ("name", "notes")), "normalized")
"""What a caller may tell."""
TITLES = {
    "snntorch": "snnTorch", "norse": "Norse", "spikingjelly": "SpikingJelly", "sinabs": "sinabs", "rockpool": "rockpool",
    "spyx": "spyx", "lava-dl": "lava-dl", "nir": "plain NIR",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One value of a setting that a file does not hold, and what it stands for in the framework's own words."""

    value: Any
    means: str


@dataclass(frozen=True, kw_only=True)
class Open:
    """A setting that a framework's files do not hold: its usual values, the framework's default first."""

    setting: str
    choices: tuple[Choice, ...]
    free: bool = False
    """Whether other values are possible, too."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An origin that fits a file: its rules with the framework's defaults, what speaks for it, and what is open."""

    dialect: Dialect
    evidence: tuple[str, ...]
    open: tuple[Open, ...] = ()

    @property
    def title(self) -> str:
        """The name of the framework as people write it."""
        return TITLES[self.dialect.name]

    def variations(self) -> Iterator[Dialect]:
        """Yield the dialects of all choices, the defaults first."""
        for values in product(*(each.choices for each in self.open)):
            changes = {each.setting: choice.value for each, choice in zip(self.open, values, strict=True)}
            yield changed(self.dialect, changes)

    def asks(self) -> str:
        """Return what its files do not hold, for a sentence."""
        return ", ".join(f"{each.setting} ({_choices(each)})" for each in self.open)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A framework: the rules that its files keep, its dialects for a file, and what its exporter drops."""

    rules: tuple[Rule, ...]
    dialects: Callable[[Facts], list[Dialect]]
    open: Callable[[Facts], list[Open]] = lambda _: []


def changed(dialect: Dialect, changes: dict[str, Any]) -> Dialect:
    """Return ``dialect`` with the fields that ``changes`` set; None is a value here, and 'normalized' stands for gains."""
    rest = {key: value for key, value in changes.items() if key != "normalized"}
    gains = told(dialect.name, {"normalized": changes.get("normalized")})
    return replace(dialect, **gains, **rest)


def candidates(graph: Graph) -> list[Candidate]:
    """Return the origins that fit a file, the likeliest first; plain NIR where no framework does."""
    facts = Facts(graph)
    if "spikeport" in graph.metadata:
        return [Candidate(dialect=DIALECTS["spikeport"], evidence=("it has spikeport's own metadata",))]
    if not facts.neurons:
        return [Candidate(dialect=DIALECTS["nir"], evidence=("it has no neuron whose rules a framework chooses",))]
    found = [each for name, origin in ORIGINS.items() if name != "nir" for each in _fitting(facts, origin)]
    plain = _fitting(facts, ORIGINS["nir"])
    if not found and not plain:
        open_ = tuple(_plain_open(facts))
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
        dialect = replace(_with_step(graph, named(name)), **given)
        return replace(dialect, notes=_taken_over(graph, name, changes))
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
        kinds = {node.kind for node in graph.nodes.values()}
        clauses = [each.dialect.clauses(kinds) for each in found]
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
        f"{wrote}, whose files do not say {only.asks()}: give --dialect {only.dialect.name} for what stands first, with "
        f"--{first} for another, {ways}"
    )


def fingerprint(graph: Graph, dialect: Dialect) -> bytes:
    """Return what tells the neurons of two dialects apart; `FormatError` where a dialect cannot hold the file."""
    parts: list[bytes] = []
    for name, node in graph.nodes.items():
        if node.kind in STATEFUL:
            made = neuron(node, dialect, looped=True), neuron(node, dialect, looped=False)
            parts += [repr([(k, _plain(v)) for k, v in vars(each).items()]).encode() for each in made]
        if node.kind == "Delay":
            parts.append(f"{name} {dialect.dt}".encode())
    return b"".join([*parts, repr((dialect.silent_start, dialect.sends_late)).encode()])


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
    other = {"dt": candidate.dialect.dt / 2, "floor": -1e-3, "v_reset": -1e-3, "tau_syn": 7.0, "most": 1}
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
    defaults = ", ".join(f"{each.setting} {_word(each.choices[0].value)} ({each.choices[0].means})" for each in left)
    return (f"{TITLES[name]}'s defaults, which the file does not hold: {defaults}",) if defaults else ()


def _with_step(graph: Graph, dialect: Dialect) -> Dialect:
    """Return a named dialect with the length of a step that the file's numbers tell, where they do."""
    if dialect.name not in ORIGINS:
        return dialect
    found = ORIGINS[dialect.name].dialects(Facts(graph))
    return found[0] if found else dialect


def _choices(setting: Open) -> str:
    listed = ", ".join(
        f"{_word(each.value)}: {each.means}" if each.means else _word(each.value) for each in setting.choices
    )
    return f"{listed}, or another" if setting.free else listed


def _word(value: Any) -> str:
    return {None: "none"}.get(value, f"{value:g}" if isinstance(value, float) else str(value))


# what each framework's exporter drops


def _snntorch_open(facts: Facts) -> list[Open]:
    zero = "pause" if any(node.kind == "CubaLIF" for _, node in facts.neurons) or ev.has_loop(facts.graph) else "hard"
    choices = [
        Choice(value="late", means="reset_mechanism='subtract'"),
        Choice(value="settle", means="'subtract', reset_delay=False"),
        Choice(value=zero, means="'zero'"),
        *([Choice(value="hard", means="'zero', reset_delay=False")] if zero == "pause" else []),
        Choice(value="none", means="'none'"),
    ]
    return [Open(setting="reset", choices=tuple(choices))]


def _norse_open(facts: Facts) -> list[Open]:
    steps = (
        Choice(value=NORSE_DT, means="dt of the cells times dt of to_nir"),
        Choice(value=NORSE_DT**2, means="both 1e-3"),
    )
    fitting = tuple(each for each in steps if np.all(facts.taus >= each.value * 0.999)) or steps[-1:]
    resets = (Choice(value="hard", means="reset_value"), Choice(value="subtract", means="reset_subtract"))
    zero = facts.all_equal("v_reset", 0)
    return [
        Open(setting="dt", choices=fitting, free=True),
        *([Open(setting="reset", choices=resets)] if "LIF" in facts.kinds else []),
        *([Open(setting="v_reset", choices=(Choice(value=None, means="the file's"),), free=True)] if zero else []),
    ]


def _norse_dialects(facts: Facts) -> list[Dialect]:
    """Norse's default divides tau by dt twice: a tau below 0.1 ms can only be that."""
    short = facts.taus.size and facts.taus.max() < NORSE_DT / 10
    return [replace(DIALECTS["norse"], dt=NORSE_DT**2 if short else NORSE_DT)]


def _sinabs_open(facts: Facts) -> list[Open]:
    floors = (
        Choice(value=None, means="min_v_mem=None"),
        Choice(value=-1.0, means="from_model's min_v_mem=-1"),
        Choice(value=AT_THRESHOLD, means="from_nir's"),
    )
    norms = (Choice(value="LIF", means="norm_input=True"), Choice(value="none", means="norm_input=False"))
    resets = (Choice(value="subtract", means="MembraneSubtract"), Choice(value="hard", means="MembraneReset"))
    spikes = (Choice(value=None, means="MultiSpike"), Choice(value=1, means="SingleSpike"))
    return [
        Open(setting="most", choices=spikes, free=True),
        Open(setting="reset", choices=resets),
        Open(setting="floor", choices=floors, free=True),
        *([Open(setting="normalized", choices=norms)] if "LIF" in facts.kinds else []),
        Open(setting="tau_syn", choices=(Choice(value=None, means="no synaptic current"),), free=True),
    ]


def _rockpool_open(_facts: Facts) -> list[Open]:
    spikes = (Choice(value=None, means="max_spikes_per_dt=2**16"), Choice(value=1, means="max_spikes_per_dt=1"))
    return [Open(setting="most", choices=spikes, free=True)]


def _plain_open(facts: Facts) -> list[Open]:
    resets = (Choice(value="hard", means="NIR's specification"), Choice(value="subtract", means=""))
    starts = tuple(Choice(value=each, means="") for each in ("v_reset", "zero", "v_leak"))
    wanted = Open(setting="dt", choices=(Choice(value=1.0, means="one unit of the file's time"),), free=True)
    return [
        *([] if ev.steps_of_one(facts) else [wanted]),
        *([Open(setting="reset", choices=resets), Open(setting="start", choices=starts)] if ev.fires(facts) else []),
    ]


def _spikingjelly_dialects(facts: Facts) -> list[Dialect]:
    steps = ev.spikingjelly_steps(facts) or [DIALECTS["spikingjelly"].dt]
    return [replace(DIALECTS["spikingjelly"], dt=dt) for dt in steps]


def _one(name: str, step: Callable[[Facts], float | None]) -> Callable[[Facts], list[Dialect]]:
    def dialects(facts: Facts) -> list[Dialect]:
        dt = step(facts)
        return [DIALECTS[name] if dt is None else replace(DIALECTS[name], dt=dt)]

    return dialects


ORIGINS = {
    "snntorch": Origin(
        rules=(ev.snntorch_rates, ev.snntorch_kinds, ev.starts_at_zero),
        dialects=lambda _: [DIALECTS["snntorch"]],
        open=_snntorch_open,
    ),
    "spikingjelly": Origin(
        rules=(ev.spikingjelly_rates, ev.spikingjelly_types, ev.spikingjelly_kinds, ev.spikingjelly_leak, ev.no_loops),
        dialects=_spikingjelly_dialects,
    ),
    "sinabs": Origin(
        rules=(ev.sinabs_kinds, ev.unit_rates, ev.sinabs_times, ev.starts_at_zero, ev.no_loops),
        dialects=lambda _: [DIALECTS["sinabs"]],
        open=_sinabs_open,
    ),
    "norse": Origin(
        rules=(ev.unit_rates, ev.norse_kinds, ev.norse_times), dialects=_norse_dialects, open=_norse_open
    ),
    "rockpool": Origin(
        rules=(ev.rockpool_rates, ev.rockpool_kinds, ev.starts_at_zero),
        dialects=_one("rockpool", ev.rockpool_step),
        open=_rockpool_open,
    ),
    "spyx": Origin(rules=(ev.spyx_rates, ev.spyx_kinds, ev.starts_at_zero), dialects=_one("spyx", ev.spyx_step)),
    "lava-dl": Origin(
        rules=(ev.lava_dl_rates, ev.lava_dl_kinds, ev.starts_at_zero, ev.no_loops), dialects=lambda _: [DIALECTS["lava-dl"]]
    ),
    "nir": Origin(
        rules=(ev.steps_of_one, ev.hand_types), dialects=lambda _: [DIALECTS["nir"]], open=_plain_open
    ),
}  # fmt: skip
