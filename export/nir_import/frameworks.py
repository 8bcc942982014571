"""Origins of NIR files: the rules that a framework's files keep, its dialects for a file, what its exporter drops."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from spikeport.export.nir_import import evidence as ev
from spikeport.export.nir_import.dialect import AT_THRESHOLD, DIALECTS, NORSE_DT, Dialect, told
from spikeport.export.nir_import.evidence import Facts, Rule

TITLES = {
    "snntorch": "snnTorch", "norse": "Norse", "spikingjelly": "SpikingJelly", "sinabs": "sinabs",
    "rockpool": "rockpool", "spyx": "spyx", "lava-dl": "lava-dl", "nir": "plain NIR", "spikeport": "spikeport",
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
    """Return ``dialect`` with the fields that ``changes`` set; None is a value, and 'normalized' stands for gains."""
    rest = {key: value for key, value in changes.items() if key != "normalized"}
    gains = told(dialect.name, {"normalized": changes.get("normalized")})
    return replace(dialect, **gains, **rest)


def _choices(setting: Open) -> str:
    listed = " | ".join(
        f"{word(each.value)}: {each.means}" if each.means else word(each.value) for each in setting.choices
    )
    return f"{listed} | another" if setting.free else listed


def word(value: Any) -> str:
    """Return a value as people write it on the command line."""
    return {None: "none"}.get(value, f"{value:g}" if isinstance(value, float) else str(value))


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


def _sinabs_dialects(facts: Facts) -> list[Dialect]:
    """What sinabs' own from_nir takes: an IF never falls below minus its threshold, a LIF has no floor."""
    floor = AT_THRESHOLD if "IF" in facts.kinds and "LIF" not in facts.kinds else None
    return [replace(DIALECTS["sinabs"], floor=floor)]


def _sinabs_open(facts: Facts) -> list[Open]:
    floors = [
        Choice(value=None, means="min_v_mem=None"),
        Choice(value=-1.0, means="from_model's min_v_mem=-1"),
        Choice(value=AT_THRESHOLD, means="what from_nir gives an IF"),
    ]
    own = _sinabs_dialects(facts)[0].floor
    floors.sort(key=lambda each: each.value != own)
    norms = {"LIF": "norm_input=True", "none": "norm_input=False", "LIF,LI": "", "LI": "of ExpLeak"}
    kinds = {*(facts.kinds & {"LIF", "LI"}), "none"}
    fitting = [each for each in norms if set(each.split(",")) <= kinds]
    first = ["none"] if "LIF" not in kinds else []
    normed = tuple(Choice(value=each, means=norms[each]) for each in dict.fromkeys((*first, *fitting)))
    resets = (Choice(value="subtract", means="MembraneSubtract"), Choice(value="hard", means="MembraneReset"))
    spikes = (Choice(value=None, means="MultiSpike"), Choice(value=1, means="SingleSpike"))
    return [
        Open(setting="most", choices=spikes, free=True),
        Open(setting="reset", choices=resets),
        Open(setting="floor", choices=tuple(floors), free=True),
        *([Open(setting="normalized", choices=normed)] if len(normed) > 1 else []),
        Open(setting="tau_syn", choices=(Choice(value=None, means="no synaptic current"),), free=True),
    ]


def _rockpool_open(_facts: Facts) -> list[Open]:
    spikes = (Choice(value=None, means="max_spikes_per_dt=2**16"), Choice(value=1, means="max_spikes_per_dt=1"))
    return [Open(setting="most", choices=spikes, free=True)]


def plain_open(facts: Facts) -> list[Open]:
    """Return what plain NIR leaves open."""
    resets = (Choice(value="hard", means="NIR's specification"), Choice(value="subtract", means=""))
    starts = tuple(Choice(value=each, means="") for each in ("v_reset", "zero", "v_leak"))
    wanted = Open(setting="dt", choices=(Choice(value=1.0, means="one unit of the file's time"),), free=True)
    return [
        *([] if ev.steps_of_one(facts) else [wanted]),
        *([Open(setting="reset", choices=resets), Open(setting="start", choices=starts)] if ev.fires(facts) else []),
    ]


def _spikingjelly_dialects(facts: Facts) -> list[Dialect]:
    return [replace(DIALECTS["spikingjelly"], dt=dt) for dt in ev.spikingjelly_steps(facts)]


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
        dialects=_sinabs_dialects,
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
        rules=(ev.lava_dl_rates, ev.lava_dl_kinds, ev.starts_at_zero, ev.no_loops),
        dialects=lambda _: [DIALECTS["lava-dl"]],
    ),
    "nir": Origin(
        rules=(ev.steps_of_one, ev.hand_types), dialects=lambda _: [DIALECTS["nir"]], open=plain_open
    ),
}  # fmt: skip
