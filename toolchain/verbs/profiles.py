"""Hardware profiles as text: the list, the constants of one, the rules of its cores."""

from typing import Any

import msgspec
import numpy as np

from spikeport.export import target_rules
from spikeport.hardware_profiles import layer_placement, neuron_rules
from spikeport.hardware_profiles.chip_formats import held
from spikeport.hardware_profiles.evidence import AnyConstant, said
from spikeport.hardware_profiles.limits import RULES, sentence
from spikeport.hardware_profiles.profile import (
    Constant,
    HardwareProfile,
    SignModes,
    Span,
    by_tiles,
    constants,
    load_profile,
    options,
    profile_names,
    sizes,
    spans,
)
from spikeport.hardware_profiles.report.text import table


def profile_list() -> str:
    """Return one line per profile."""
    return "\n".join(f"{name}: {description}" for name, description in descriptions().items())


def descriptions() -> dict[str, str]:
    """Return what every profile describes, by name."""
    return {name: load_profile(name).description for name in profile_names()}


def profile_values(name: str) -> dict[str, Any]:
    """Return a profile as its file says it: every constant with value, unit, class and source, and the rules."""
    profile = load_profile(name)
    values: dict[str, Any] = msgspec.to_builtins(profile)
    return values | {"rules": _rules(profile).splitlines()}


def show_profile(name: str, *, rules: bool = False) -> str:
    """Return every constant of a profile with unit, evidence class and source, or the ``rules`` of its cores."""
    profile = load_profile(name)
    return _rules(profile) if rules else f"{profile.name}: {profile.description}\n\n{_constants(profile)}"


def _rules(profile: HardwareProfile) -> str:
    if profile.layer_cores is not None:
        given = {rule: getattr(profile.layer_cores, rule.__name__, None) for rule in layer_placement.RULES}
        most = {rule: np.max(limit.value) for rule, limit in given.items() if limit is not None}
        lines = [f"{f'{most[r]:,.0f} ' if r in most else ''}{r.__name__}: {r.__doc__}" for r in given]
    else:
        limits = [(rule, getattr(profile.limits, rule.__name__)) for rule in RULES] if profile.limits else []
        lines = [f"{limit.value:,.0f} {rule.__name__}: {sentence(rule)}" for rule, limit in limits if limit]
    named = (*neuron_rules.RULES, *neuron_rules.INPUT_RULES)
    lacks = [(rule, getattr(profile.neurons, rule.__name__)) for rule in named]
    lines += [f"{rule.__name__}: {rule.__doc__} [{lack.evidence}: {lack.source}]" for rule, lack in lacks if lack]
    longest = profile.formats.refractory
    lines += [f"{_value(longest)} rest: {neuron_rules.rest.__doc__} [{longest.evidence}]"] if longest else []
    formats = [(rule, held(profile.formats, rule.__name__)) for rule in target_rules.RULES]
    lines += [f"{_value(each)} {rule.__name__}: {rule.__doc__} [{each.evidence}]" for rule, each in formats if each]
    return "\n".join(lines) or f"{profile.name} has no cores and no rules: it prices operations only"


def _value(entry: Constant | Span | SignModes) -> str:
    if isinstance(entry, Constant):
        return f"{entry.value:,.0f}{' bit' if entry.unit == 'bit' else ''}"
    return " to ".join(f"{end:,}" for end in entry.value) if isinstance(entry, Span) else ", ".join(entry.value)


def _constants(profile: HardwareProfile) -> str:
    rows = [(key, f"{c.value:g}", c.unit, said(c), _source(c)) for key, c in constants(profile).items()]
    rows += [(key, _value(s), s.unit, s.evidence, s.source) for key, s in spans(profile).items()]
    rows += [(k, " ".join(f"{v:g}" for v in s.value), s.unit, s.evidence, s.source) for k, s in sizes(profile).items()]
    for key, each in by_tiles(profile).items():
        value = ", ".join(f"{value:g} from {tiles}" for tiles, value in zip(each.tiles, each.value, strict=True))
        rows.append((key, f"{value} tiles", each.unit, said(each), _source(each)))
    named = {key: o.value if isinstance(o.value, str) else ", ".join(o.value) for key, o in options(profile).items()}
    rows += [(key, named[key], "", o.evidence, o.source) for key, o in options(profile).items()]
    return table(("constant", "value", "unit", "class", "source"), rows, left=(0, 2, 3, 4))


def _source(constant: AnyConstant) -> str:
    return constant.source + ("" if constant.reading is None else f"; we read it as: {constant.reading}")
