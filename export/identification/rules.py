"""Every combination of rules that a file allows, the likeliest first; `identify` tries them against a recording.

Four rounds: what the origins that fit leave open; that at other lengths of a step, where these are open; numbers that
no file holds (floor, v_reset, tau_syn, spikes a step); all combinations of dt, decays, gains, comparison, reset, start,
spikes a step and timing.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from spikeport.export.nir_import.dialect import DIALECTS, RESETS, Dialect
from spikeport.export.nir_import.evidence import Facts
from spikeport.export.nir_import.frameworks import ORIGINS, Candidate, Choice, changed
from spikeport.export.nir_import.nodes import Graph
from spikeport.export.nir_import.origin import candidates

DECADES = range(-6, 1)
"""Powers of ten of dt that are tried, in units of the file's time."""
LONGEST = 2000
"""Steps of the longest time constant for which a dt is tried."""
FLOORS = (-0.1, -0.2, -0.25, -0.5, -0.75, -1.5, -2.0, -3.0, -4.0, -5.0, -10.0, 0.0)
RESET_TO = tuple(sorted({*(k / 8 for k in range(-16, 17)), *(k / 10 for k in range(-20, 21))} - {0.0}, key=abs))
SYNAPTIC = (*(float(k) for k in range(1, 21)), 25.0, 30.0, 40.0, 50.0, 100.0)


def rounds(graph: Graph, given: dict[str, Any], most: int) -> Iterator[tuple[str, Iterator[Dialect]]]:
    """Yield the rounds of rules; ``given``: what the caller tells; ``most``: spikes a step in the recording."""
    fitting = candidates(graph)
    told = [replace(each, dialect=replace(each.dialect, **given)) for each in fitting]
    yield "the origins that fit", _of(told, given)
    yield "other lengths of a step", _of(_at_steps(graph, told), given)
    yield "numbers that no file holds", _numbers(graph, told, given, most)
    yield "all combinations", _combined(graph, given, most)


def _of(found: list[Candidate], given: dict[str, Any]) -> Iterator[Dialect]:
    for candidate in found:
        for dialect in candidate.variations():
            yield replace(dialect, **given)


def _at_steps(graph: Graph, found: list[Candidate]) -> list[Candidate]:
    """Return the candidates whose dt is open, open for all lengths of a step."""
    choices = tuple(Choice(value=dt, means="") for dt in _steps(Facts(graph)))
    return [
        replace(each, open=tuple(replace(o, choices=choices) if o.setting == "dt" else o for o in each.open))
        for each in found
        if any(o.setting == "dt" for o in each.open)
    ]


def _combined(graph: Graph, given: dict[str, Any], most: int) -> Iterator[Dialect]:
    """Yield all combinations whose rules matter for the kinds of neuron in the file."""
    facts = Facts(graph)
    for dialect in DIALECTS.values():
        yield replace(dialect, **given)
    loops = bool(set(graph.edges) & {(end, start) for start, end in graph.edges})
    kinds = facts.kinds
    steps = _steps(facts)
    free: dict[str, tuple[Any, ...]] = {
        "exponential": (False, True) if kinds & {"LIF", "LI", "CubaLIF", "CubaLI"} else (False,),
        "dt": steps,
        "gain": ("file", "leak", "one", "kept") if kinds & {"LIF", "CubaLIF", "CubaLI"} else ("file",),
        "gain_li": (None, "one", "leak", "kept") if "LI" in kinds else (None,),
        "gain_if": ("file", "one") if kinds & {"IF", "I"} else ("file",),
        "gain_current": ("file", "one", "kept") if kinds & {"CubaLIF", "CubaLI"} else ("file",),
        "reset": tuple(RESETS),
        "inclusive": (False, True),
        "most": (1, None) if most < 2 else (None, most),
        "start": _starts(facts),
        "silent_start": (False, True) if loops else (False,),
        "sends_late": (False, True),
    }
    free |= {key: (value,) for key, value in given.items()}
    base = replace(DIALECTS["nir"], **given)
    for values in product(*free.values()):
        yield replace(base, **dict(zip(free, values, strict=True)))


def _steps(facts: Facts) -> tuple[float, ...]:
    """Return lengths of a step: what the origins tell, 1, 2 and 5 times powers of ten, and halves of the least tau."""
    found = {dialect.dt: None for name in ORIGINS for dialect in ORIGINS[name].dialects(facts)}
    found |= {float(f"{digit}e{power}"): None for power in DECADES for digit in (1, 2, 5)}
    taus = facts.taus[facts.taus > 0]
    if taus.size:
        least = float(taus.min())
        found |= {least / 2**power: None for power in range(5)}
        return tuple(dt for dt in found if dt <= least * 1.001 and taus.max() <= LONGEST * dt)
    return tuple(found) if "Delay" in facts.kinds or not facts.all_equal("r", 1) else (1.0,)


def _starts(facts: Facts) -> tuple[str, ...]:
    rests = facts.all_equal("v_leak", 0), facts.all_equal("v_reset", 0)
    return ("zero", *(() if rests[1] else ("v_reset",)), *(() if rests[0] else ("v_leak",)))


def _numbers(graph: Graph, found: list[Candidate], given: dict[str, Any], most: int) -> Iterator[Dialect]:
    """Yield the rules of the origins that fit with other numbers, one of them at a time, at every dt that is open."""
    grids: dict[str, tuple[Any, ...]] = {
        "most": tuple(dict.fromkeys((max(2, most), 2, 3, 4))),
        "floor": FLOORS,
        "v_reset": RESET_TO,
        "tau_syn": SYNAPTIC,
    }
    wide = {id(each.dialect): each for each in _at_steps(graph, found)}
    for candidate in (wide.get(id(each.dialect), each) for each in found):
        free = [each for each in candidate.open if each.free and each.setting in grids and each.setting not in given]
        for setting in (each.setting for each in free):
            rest = tuple(each for each in candidate.open if each.setting != setting)
            for dialect in replace(candidate, open=rest).variations():
                if setting == "v_reset" and dialect.reset != "hard":
                    continue
                for value in grids[setting]:
                    yield replace(changed(dialect, {setting: value}), **given)
