"""Hardware profiles as text: the list, the constants of one, the rules of its cores."""

import math
from typing import Any

import msgspec
import numpy as np

from spikeport.export import target_rules
from spikeport.hardware_profiles import layer_placement, neuron_rules
from spikeport.hardware_profiles.chip_formats import held
from spikeport.hardware_profiles.columns import PREFIXES, table
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

MEASURED, COUNT = ("J", "s", "W"), "1"
"""Units that take a prefix, and that of counts."""


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
    return f"{profile.name}: {profile.description}\n\n{_rules(profile) if rules else _constants(profile)}"


def _rules(profile: HardwareProfile) -> str:
    if profile.layer_cores is not None:
        given = {rule: getattr(profile.layer_cores, rule.__name__, None) for rule in layer_placement.RULES}
        most = {rule: np.max(limit.value) for rule, limit in given.items() if limit is not None}
        held_of = {rule: f"{_amount(most[rule], limit.unit)} " for rule, limit in given.items() if limit is not None}
        lines = [f"{held_of.get(rule, '')}{rule.__name__}: {rule.__doc__}" for rule in given]
    else:
        limits = [(rule, getattr(profile.limits, rule.__name__)) for rule in RULES] if profile.limits else []
        lines = [f"{_value(limit)} {rule.__name__}: {sentence(rule)}" for rule, limit in limits if limit]
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
        return _amount(entry.value, entry.unit)
    return " to ".join(f"{end:,}" for end in entry.value) if isinstance(entry, Span) else ", ".join(entry.value)


def _amount(value: float, unit: str) -> str:
    """Return a value in full with its unit, thousands apart, what is measured with a prefix; counts have no unit."""
    exponent = math.floor(math.log10(abs(value))) // 3 * 3 if value and unit in MEASURED else 0
    exponent = exponent if exponent in PREFIXES else 0
    number = float(f"{value / 10.0**exponent:.10g}")
    shown = f"{number:,.0f}" if number.is_integer() else f"{number:,.10g}"
    return shown if unit == COUNT else f"{shown} {PREFIXES[exponent]}{unit}"


def _constants(profile: HardwareProfile) -> str:
    rows = [(key, _amount(c.value, c.unit), said(c), _source(c)) for key, c in constants(profile).items()]
    rows += [(key, _value(each), each.evidence, each.source) for key, each in spans(profile).items()]
    for key, size in sizes(profile).items():
        rows.append((key, " ".join(_amount(value, size.unit) for value in size.value), size.evidence, size.source))
    for key, each in by_tiles(profile).items():
        pairs = zip(each.tiles, each.value, strict=True)
        value = ", ".join(f"{_amount(value, each.unit)} from {tiles}" for tiles, value in pairs)
        rows.append((key, f"{value} tiles", said(each), _source(each)))
    for key, choice in options(profile).items():
        named = choice.value if isinstance(choice.value, str) else ", ".join(choice.value)
        rows.append((key, named, choice.evidence, choice.source))
    return table(("constant", "value", "class", "source"), rows, left=(0, 2, 3))


def _source(constant: AnyConstant) -> str:
    return constant.source + ("" if constant.reading is None else f"; we read it as: {constant.reading}")
