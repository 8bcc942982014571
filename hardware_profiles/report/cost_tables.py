"""The costs of a report as text tables: energy, time, cores and their traffic."""

from collections.abc import Mapping
from typing import Any

from spikeport.hardware_profiles import energy, latency
from spikeport.hardware_profiles.columns import percent, table
from spikeport.hardware_profiles.evidence import LEGEND, marked
from spikeport.hardware_profiles.report.roles import named

Document = Mapping[str, Any]


def cores(document: Document) -> list[str]:
    """Return the cores of every placement, and the traffic between them; nothing where none is placed."""
    placed = {name: each for name, each in document["placement"].items() if "cores" in each}
    return [_cores(document, placed), _traffic(placed)] if placed else []


def _cores(document: Document, placement: Document) -> str:
    helpers = helpers_of(document)
    rows = [
        (
            name,
            placed["strategy"],
            f"{placed['cores']:,}",
            f"{max(placed['lower_bounds'].values()):,}",
            placed["chips"],
            f"{placed['max_core_memory_bytes']:,}",
            f"{placed['bottleneck']} ({populations(placed['per_core'][placed['bottleneck']], helpers)})",
        )
        for name, placed in placement.items()
    ]
    header = (
        "profile",
        "strategy",
        "cores",
        "at least",
        "chips",
        "bytes on fullest core",
        "busiest core",
    )
    return table(header, rows)


def helpers_of(document: Document) -> dict[str, str]:
    """Return what the populations are that only hand spikes on, by name."""
    return {each["name"]: each["role"] for each in document["network"]["populations"] if each["role"]}


def populations(core: Document, helpers: Mapping[str, str]) -> str:
    """Return the names of the populations on a core, ``helpers`` with what they are."""
    return ", ".join(named(block["population"], helpers) for block in core["blocks"])


def _traffic(placement: Document) -> str:
    rows = [
        (
            name,
            f"{placed['cores_with_several_populations']:,}",
            f"{placed['messages']:,.0f}",
            f"{placed['hops']:,.0f}",
            f"{placed['messages_off_chip']:,.0f}",
            f"{placed['messages_from_host']:,.0f}",
            f"{placed['host_axons']:,}",
        )
        for name, placed in placement.items()
    ]
    header = (
        "per image",
        "cores with several populations",
        "messages",
        "hops on chip",
        "between chips",
        "from the host",
        "input axons of the host",
    )
    return table(header, rows)


def times_of(document: Document) -> list[str]:
    """Return the times of an image, and why a network has none."""
    rows = [
        (
            name,
            time["kind"] or "unknown",
            latency.shown(time, "latency"),
            time["latency_steps"] or "-",
            latency.shown(time, "interval"),
            time["interval_steps"] or "-",
            ", ".join(f"{kind} {percent(share)}" for kind, share in time["shares"].items()) or "-",
        )
        for name, time in document.items()
    ]
    refused = [f"{name}, time: {time['refused']}" for name, time in document.items() if time["refused"]]
    header = ("time of an image", "is", "alone", "steps", "back to back", "steps", "takes longest, back to back")
    return ["\n".join((table(header, rows, left=(0, 1, 6)), *refused))] if rows else []


def energies(document: Document) -> str:
    """Return the parts of the energy on every profile, and their sum."""
    parts = {
        "sum_of_known": "sum",
        "synaptic_operations": "synapses, Eq. 12 fused",
        "neuron_updates": "neuron updates",
        "spike_traffic": "spike traffic",
        "first_layer_host": f"first layer: host, {'once' if document['operations']['held'] else 'every step'}",
        "static": "static",
        "first_layer_chip": "not in the sum: first layer on the chip, every step",
    }
    if not document["operations"]["first_layer_macs"]:
        parts = {part: title for part, title in parts.items() if not part.startswith("first_layer")}
    rows = [(name, *(energy.shown(each, part) for part in parts)) for name, each in document["energy"].items()]
    return table(("energy of a mean image, back to back", *parts.values()), rows)


def marks(document: Document) -> list[str]:
    """Return what the marks mean, and for each profile the constants behind them."""
    lines = []
    for name, each in document["energy"].items():
        time = document["latency"].get(name, {"assumed": (), "scaled": ()})
        kinds = [
            [key for keys in each[kind].values() for key in keys] + list(time[kind]) for kind in ("assumed", "scaled")
        ]
        lines += [f"{name}: {keys}"] if (keys := marked(*kinds)) else []
    return ["\n".join((LEGEND, *lines))] if lines else []
