"""A page for every hardware profile: each constant with unit, evidence and source, and the rules of its cores."""

import inspect
import re
from collections.abc import Iterable, Iterator

import msgspec

from spikeport.export import target_rules
from spikeport.hardware_profiles import layer_placement, limits, neuron_rules
from spikeport.hardware_profiles.profile import TABLES, HardwareProfile, load_profile, profile_names
from spikeport.toolchain.verbs.profiles import profile_values

LEGEND = """Evidence: **published** (by the maker or in a paper), **fitted** (to silicon, or an emulator that its makers
compared with the chip), **scaled** (from another chip), **assumed** (by us). A constant that is absent is unknown,
never zero. [What the rules of a chip mean](../../explanation/chip_rules.md), [how they are used](../../hardware.md).
"""
HEAD = ("| constant | value | unit | evidence | source |", "| --- | --- | --- | --- | --- |")
_RULES = {
    "formats": target_rules.RULES,
    "neurons": (*neuron_rules.RULES, *neuron_rules.INPUT_RULES, neuron_rules.rest),
    "cores": limits.RULES,
    "layers": layer_placement.RULES,
}
LISTED = """# Hardware profiles

Each page is made from the TOML file of the profile. `spikeport profiles show NAME` prints the same constants.

| profile | chip |
| --- | --- |
"""


def pages() -> dict[str, str]:
    """Return every page by its address below docs."""
    loaded = [load_profile(name) for name in profile_names()]
    rows = "".join(f"| [`{each.name}`]({each.name}.md) | {each.description} |\n" for each in loaded)
    made = {f"reference/profiles/{each.name}.md": _page(each) for each in loaded}
    return {"reference/profiles/index.md": LISTED + rows, **made}


def _page(profile: HardwareProfile) -> str:
    parts = [f"# {profile.name}\n\n{profile.description}.\n\n{LEGEND}"]
    for name in (*TABLES, "neurons"):
        table = getattr(profile, name)
        rows = [] if table is None else list(_rows(msgspec.to_builtins(table)))
        if rows:
            head = HEAD if name != "neurons" else ("| its neurons lack | evidence | source |", "| --- | --- | --- |")
            parts.append("\n".join((f"## `[{name}]`", "", *head, *rows, "")))
    return "\n".join((*parts, _rules(profile.name)))


def _rows(table: dict[str, dict[str, object] | None]) -> Iterator[str]:
    for key, entry in table.items():
        if entry is not None:
            lacks = [] if "value" not in entry else [_value(entry), str(entry.get("unit", ""))]
            yield f"| {' | '.join((f'`{key}`', *lacks, _evidence(entry), _source(entry)))} |"


def _value(entry: dict[str, object]) -> str:
    value = entry["value"]
    if isinstance(value, list | tuple) and "tiles" in entry:
        tiles = entry["tiles"]
        assert isinstance(tiles, list | tuple)
        return ", ".join(f"{_number(v)} from {t} tiles" for t, v in zip(tiles, value, strict=True))
    return _list(value) if isinstance(value, list | tuple) else _number(value)


def _list(values: Iterable[object]) -> str:
    """Return the entries, equal neighbours as 'N x value'."""
    return ", ".join(_number(each) for each in values)


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value == int(value) and abs(value) < 2**53 else f"{value:g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _evidence(entry: dict[str, object]) -> str:
    called = entry.get("stated_as")
    return f"{entry['evidence']}, {called}" if called else str(entry["evidence"])


def _source(entry: dict[str, object]) -> str:
    text = re.sub(r"arXiv (\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", str(entry["source"]))
    reading = entry.get("reading")
    return (f"{text}; we read it as: {reading}" if reading else text).replace("|", "\\|")


def _rules(name: str) -> str:
    """Return the rules of the cores, a line each, as `spikeport profiles show NAME --rules` prints them."""
    lines = [f"- {line}" for line in profile_values(name)["rules"]]
    return "\n".join(("## Rules", "", *lines, ""))


def with_rules(text: str) -> str:
    """Return a page with tables of rules, from their functions, in the place of its marks."""
    for name, rules in _RULES.items():
        rows = [f"| `{rule.__name__}` | {_cells(inspect.getdoc(rule) or '')} |" for rule in rules]
        text = text.replace(
            f"<!-- rules: {name} -->", "\n".join(("| rule | requirement | way out |", "| --- | --- | --- |", *rows))
        )
    return text


def _cells(text: str) -> str:
    """Return requirement and way out, which a semicolon parts in the first sentence."""
    first = " ".join(text.partition("\n\n")[0].split())
    requirement, _, way_out = first.partition("; ")
    return f"{requirement} | {way_out.removesuffix('.') or '-'}"
