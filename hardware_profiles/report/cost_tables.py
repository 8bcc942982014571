"""The costs of a report as tables: energy, time, cores and their traffic, every core, constants."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from spikeport.hardware_profiles import energy, latency
from spikeport.hardware_profiles.columns import percent
from spikeport.hardware_profiles.evidence import LEGEND
from spikeport.hardware_profiles.latency import ImageTime
from spikeport.hardware_profiles.output.table import (
    MEDIA,
    PAGE,
    PAPER,
    TERMINAL,
    Cell,
    Column,
    Number,
    Table,
    three_digits,
    whole,
    words,
)
from spikeport.hardware_profiles.placement.results import CoreSummary
from spikeport.hardware_profiles.report.roles import Helpers, listed
from spikeport.hardware_profiles.report.sections import PlacementSummary

if TYPE_CHECKING:
    from spikeport.hardware_profiles.report.result import Report


SIDES = ("channels", "rows", "columns")
"""What a block of a core is cut by."""
ON_PAGE = ("neurons", "synaptic_memory", "input_axons", "output_axons")
"""Resources of cores that the page has room for; the fullest is named beside them."""


def cost_tables(report: "Report") -> Iterator[Table]:
    """Yield the tables of the costs that have rows."""
    helpers = report.network.helpers
    yield _energy(report)
    if report.latency:
        yield _times(report.latency)
    if report.placement:
        yield _placement(report.placement, helpers)
        yield _traffic(report.placement)
    yield from (_cores(name, placed, helpers) for name, placed in report.placement.items())
    yield _constants(report)


def _energy(report: "Report") -> Table:
    """Return the parts of the energy on every profile; where there is no first layer, papers alone have its columns."""
    held, layered = report.operations.held, report.operations.first_layer_macs
    first = MEDIA if layered else PAPER
    alone = "not in the sum: first layer on the chip, every step"
    columns = {
        "sum_of_known": _joule("sum, images back to back", said="sum"),
        "synaptic_operations": _joule("synapses, Eq. 12 fused"),
        "neuron_updates": _joule("neuron updates"),
        "spike_traffic": _joule("spike traffic"),
        "first_layer_host": _joule(f"first layer: host, {'once' if held else 'every step'}", media=first),
        "static": _joule("static, images back to back", said="static"),
        "static_alone": _joule("not in the sum: static, one image alone", media=PAGE | PAPER),
        "first_layer_chip": _joule(alone, media=first),
    }
    return Table(
        name="energy",
        title="Energy of a mean image, part by part",
        columns=[words("profile", said="energy of a mean image, back to back"), *columns.values()],
        rows=[[name, *(_part(each.to_dict(), part) for part in columns)] for name, each in report.energy.items()],
        notes=[LEGEND, "in Eq. 12: the profile's energy of an accumulate holds that part already"],
    )


def _joule(title: str, **more: Any) -> Column:
    return three_digits(title, "µJ", 1e6, base="J", **more)


def _part(found: Mapping[str, Any], part: str) -> Cell:
    """Return a part of the energy; beside that of neuron updates stands the most it can be."""
    cell, most = energy.cell(found, part), found["neuron_updates_all_active"]
    if part != "neuron_updates" or most is None or not isinstance(cell, Number):
        return cell
    return replace(cell, beside=f"up to {energy.shown(found, 'neuron_updates_all_active')}")


def _times(found: Mapping[str, ImageTime]) -> Table:
    return Table(
        name="times",
        title="Time of a mean image",
        columns=[
            words("profile", said="time of an image"),
            words("is"),
            three_digits("alone", "ms", 1e3, base="s"),
            whole("steps", absent="-"),
            three_digits("back to back", "ms", 1e3, base="s"),
            whole("steps, back to back", said="steps", absent="-"),
            words("takes longest, back to back", absent="-"),
        ],
        rows=[
            [
                name,
                each.kind or "unknown",
                latency.cell(each.to_dict(), "latency"),
                each.latency_steps or None,
                latency.cell(each.to_dict(), "interval"),
                each.interval_steps or None,
                ", ".join(f"{kind} {percent(share)}" for kind, share in each.shares.items()) or None,
            ]
            for name, each in found.items()
        ],
        notes=[LEGEND, *refused(found)],
    )


def refused(found: Mapping[str, ImageTime]) -> list[str]:
    """Return why networks have no time."""
    return [f"{name}, time: {each.refused}" for name, each in found.items() if each.refused]


def _placement(found: Mapping[str, PlacementSummary], helpers: Helpers) -> Table:
    return Table(
        name="placement",
        title="Cores",
        columns=[
            words("profile"),
            Column(title="strategy"),
            whole("cores"),
            whole("cores, at least", said="at least"),
            Column(title="chips", form=""),
            whole("memory of the fullest core", "byte", bare=True, said="bytes on fullest core"),
            Column(title="busiest core"),
        ],
        rows=[
            [
                name,
                each.strategy,
                each.cores,
                max(each.lower_bounds.neurons, each.lower_bounds.memory),
                each.chips,
                each.max_core_memory_bytes,
                f"{each.bottleneck} ({listed(each.per_core[each.bottleneck].blocks, helpers)})",
            ]
            for name, each in found.items()
        ],
    )


def _traffic(found: Mapping[str, PlacementSummary]) -> Table:
    return Table(
        name="traffic",
        title="Traffic of a mean image between cores",
        columns=[
            words("profile", said="per image"),
            *map(whole, ("cores with several populations", "messages", "hops on chip", "between chips")),
            *map(whole, ("from the host", "input axons of the host")),
        ],
        rows=[
            [
                name,
                each.cores_with_several_populations,
                each.messages,
                each.hops,
                each.messages_off_chip,
                each.messages_from_host,
                each.host_axons,
            ]
            for name, each in found.items()
        ],
    )


def _cores(name: str, placed: PlacementSummary, helpers: Helpers) -> Table:
    resources = list(placed.per_core[0].used)
    return Table(
        name=f"cores_{name}",
        title=f"Every core of {name}: what it holds, does and uses",
        columns=[
            whole("core"),
            words("populations"),
            *(words(side, media=PAGE) for side in SIDES),
            whole("operations"),
            whole("operations, largest image"),
            *map(_resource, resources),
            words("fullest"),
        ],
        rows=[
            [
                number,
                listed(core.blocks, helpers),
                *("; ".join(_span(getattr(block, side)) for block in core.blocks) for side in SIDES),
                core.operations,
                core.operations_max,
                *(_used(core, each) for each in resources),
                core.fullest.replace("_", " "),
            ]
            for number, core in enumerate(placed.per_core)
        ],
    )


def _resource(name: str) -> Column:
    title, media = name.replace("_", " "), MEDIA if name in ON_PAGE else TERMINAL | PAPER
    if "memory" not in name:
        return whole(title, media=media)
    return whole(title, "byte", bare=True, said=f"{title}, bytes", media=media)


def _used(core: CoreSummary, resource: str) -> Number:
    """Return how much of a resource a core uses; beside it the share, where a limit is known."""
    share = core.utilisation.get(resource)
    return Number(value=core.used[resource], beside="" if share is None else percent(share))


def _span(part: tuple[int, int]) -> str:
    return f"{part[0]}" if part[1] - part[0] == 1 else f"{part[0]} to {part[1] - 1}"


def _constants(report: "Report") -> Table:
    rows: list[list[Cell]] = []
    for name, profile in report.profiles.items():
        for key, entry in profile.constants.items():
            value = entry["value"]
            shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            rows.append([name, key, shown, entry.get("unit", ""), entry["evidence"], entry["source"]])
    titles = ("profile", "constant", "value", "unit", "evidence", "source")
    return Table(
        name="constants", title="Constants of the profiles", columns=[words(each) for each in titles], rows=rows
    )
