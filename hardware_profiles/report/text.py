"""The report as plain text tables."""

from collections.abc import Sequence
from typing import Any

from spikeport.export.bias_form import Rounding
from spikeport.export.three_counts import NOT_VERIFIED, Verification
from spikeport.hardware_profiles import energy, latency
from spikeport.hardware_profiles.columns import joule, percent, seconds, table, times
from spikeport.hardware_profiles.evidence import LEGEND, marked
from spikeport.hardware_profiles.output.table import Table

NOT_EXAMINED = "not examined for masked gradients, which make such a figure too high"
__all__ = [
    "about",
    "attacked",
    "fidelity",
    "joule",
    "percent",
    "relative",
    "render",
    "robust",
    "seconds",
    "share",
    "table",
    "times",
    "verified",
]


def render(
    document: dict[str, Any],
    reasons: Sequence[str],
    verification: Verification | None,
    more: Sequence[Table] = (),
) -> str:
    """Return the main figures of a report's document as text, what was verified, and the ``reasons`` why it failed.

    ``more``: tables that are printed as they are, after the accuracy of a run.
    """
    parts = []
    if "attack" in document:
        parts += _accuracy(document["accuracy"], document["attack"], document["attacks"])
    if "fidelity" in document:
        parts.append(fidelity(document["fidelity"]))
    if "relative" in document:
        parts.append(relative(document["relative"]))
    parts += ["\n".join([each.text(), *each.notes]) for each in more]
    parts += [_operations(document["operations"], document["spikes"]), *verified(verification)]
    parts += [
        *_host(document),
        _cores(document),
        _traffic(document),
        *_times(document["latency"]),
        _energy(document),
        *_marks(document),
        *_stated(document["network"]),
        *_refusals(document),
    ]
    return "\n\n".join([*parts, *_chips(document["chips"]), *_reasons(reasons)])


def fidelity(executors: dict[str, Any]) -> str:
    """Return the comparison of executors as text."""
    rows = [(name, f"{values['compared']:,}", f"{values['mismatches']:,}") for name, values in executors.items()]
    return table(("executor against fast", "neuron steps compared", "different"), rows)


def _accuracy(accuracy: list[dict[str, Any]], attack: dict[str, Any], attacks: list[dict[str, Any]]) -> list[str]:
    rows = [(row["title"], *(share(row[key]) for key in ("clean", "robust", "sparsity"))) for row in accuracy]
    tables = [table(("accuracy on held-out images", "clean", attacked(attack), "zero weights"), rows)]
    if attacks:
        more = [
            (attacked(each), f"{each['images']:,}", robust(each, "network"), robust(each, "integer"))
            for each in attacks
        ]
        tables.append(
            "\n".join([table(("robust accuracy", "images", "float network", "integers"), more), *about(attacks)])
        )
    return tables


def robust(attack: dict[str, Any], network: str) -> str:
    """Return the robust accuracy of the network of this key, with its standard error where that is known."""
    error = attack[f"{network}_error"]
    return share(attack[network]) if error is None else f"{100 * attack[network]:.1f} ± {100 * error:.1f} %"


def about(attacks: list[dict[str, Any]]) -> list[str]:
    """Return what was run where one row stands for several attacks, once each, and how far figures may be believed."""
    ran = [f"{each['name']}: {each['ran']}" for each in attacks if each["ran"]]
    examined = [f"{attacked(each)}: {each['gradients'] or NOT_EXAMINED}" for each in attacks]
    warnings = [f"warning: {sentence}" for each in attacks for sentence in each["warnings"]]
    return [*dict.fromkeys(ran), *examined, *warnings]


def attacked(attack: dict[str, Any]) -> str:
    """Return the attack with its epsilon as a heading."""
    return f"{attack['name']}, eps {attack['epsilon']:g}/255"


def share(value: float | None) -> str:
    """Return a share in percent, nothing where it was not measured."""
    return "" if value is None else percent(value)


def _operations(operations: dict[str, Any], spikes: list[dict[str, Any]]) -> str:
    rates = {layer["population"]: percent(layer["rate"]) for layer in spikes}
    rows = [
        (
            f"{layer['source']} -> {layer['target']}",
            rates.get(layer["source"], "graded" if layer["kind"] == "MAC" else "input"),
            layer["kind"],
            f"{layer['formula']:,}",
            f"{layer['area_ratio']:,.0f}",
        )
        for layer in operations["layers"]
    ]
    header = ("synapses, all images", "spike rate", "kind", "Eq. 12 fused", "Eq. 12 area_ratio")
    means = ", ".join(f"{mode} {number:,.0f}" for mode, number in operations["modes"].items())
    paper = "the paper takes fused for sparse networks and area_ratio, its Eq. 10 and 11, for dense ones"
    return f"{table(header, rows)}\n\naccumulates of a mean image, Eq. 12: {means} ({paper})"


def verified(verification: Verification | None) -> list[str]:
    """Return the three counts of every projection on the sampled images, and in a line whether they agree."""
    if verification is None:
        return [NOT_VERIFIED]
    if not verification.kernels:
        return [verification.text()]
    images = len(verification.images)
    rows = [
        (
            f"{layer.source} -> {layer.target}",
            f"{layer.formula - layer.on_the_way:,}",
            f"{layer.simulated:,}",
            layer.difference,
            f"{layer.reference:,}",
            layer.reference_difference,
        )
        for layer in verification.layers
    ]
    header = (f"synapses, {images} images" if images > 1 else "synapses, 1 image", "Eq. 12 fused", "simulated")
    return [table((*header, "difference", "event by event, 1 image", "difference"), rows), verification.text()]


def _host(document: dict[str, Any]) -> list[str]:
    """Return what the host does where it writes the input as biases."""
    if "host" not in document:
        return []
    host = document["host"]
    return [
        (
            f"first layer on the host: {host['multiply_accumulates']:,.0f} multiply-accumulates a mean image, once and "
            "not at every step as the table counts them, and "
            f"{host['bytes']:,} bytes to write an image: {host['bytes_per_neuron']} for each of {host['neurons']:,} "
            "neurons (13 bits of mantissa, 3 of exponent)\n"
            f"{Rounding(**host['rounding']).text()}"
        ),
    ]


def relative(section: dict[str, Any]) -> str:
    """Return the comparison with another network as in Table 3 of Schmolli et al., every figure with its mode."""
    rows = [
        (
            name,
            percent(section["sparsity"][i]),
            f"{section['spikes'][i]:,.0f}",
            *(f"{section['accumulates'][mode][i]:,.0f}" for mode in ("fused", "area_ratio")),
        )
        for i, name in enumerate(("this network", "the other"))
    ]
    ratio = section["energy_ratio"]
    ratios = [
        ("spikes", times(section["spikes_ratio"])),
        *((f"Eq. 12, both {mode}", times(ratio[mode])) for mode in ("fused", "relay", "area_ratio")),
        ("Eq. 12, the paper's reading: the other area_ratio, this fused", times(section["energy_ratio_paper"])),
    ]
    header = ("per image", "zeros", "spikes", "Eq. 12 fused", "Eq. 12 area_ratio")
    return f"{table(header, rows)}\n\n{table(('the other / this network', 'ratio'), ratios)}"


def _cores(document: dict[str, Any]) -> str:
    rows = [
        (
            name,
            placed["strategy"],
            f"{placed['cores']:,}",
            f"{max(placed['lower_bounds'].values()):,}",
            placed["chips"],
            f"{placed['max_core_memory_bytes']:,}",
            f"{placed['bottleneck']} ({populations(placed['per_core'][placed['bottleneck']])})",
        )
        for name, placed in document["placement"].items()
        if "cores" in placed
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


def populations(core: dict[str, Any]) -> str:
    """Return the names of the populations on a core."""
    return ", ".join(block["population"] for block in core["blocks"])


def _traffic(document: dict[str, Any]) -> str:
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
        for name, placed in document["placement"].items()
        if "cores" in placed
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


def _times(document: dict[str, Any]) -> list[str]:
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


def _energy(document: dict[str, Any]) -> str:
    parts = {
        "synaptic_operations": "synapses, Eq. 12 fused",
        "neuron_updates": "neuron updates",
        "spike_traffic": "spike traffic",
        "first_layer_host": f"first layer: host, {'once' if document['operations']['held'] else 'every step'}",
        "first_layer_chip": "chip, every step",
        "static": "static",
    }
    rows = [(name, *(energy.shown(each, part) for part in parts)) for name, each in document["energy"].items()]
    return table(("uJ per image, back to back", *parts.values()), rows)


def _marks(document: dict[str, Any]) -> list[str]:
    """Return what the marks mean, and for each profile the constants behind them."""
    lines = []
    for name, each in document["energy"].items():
        time = document["latency"].get(name, {"assumed": (), "scaled": ()})
        kinds = [
            [key for keys in each[kind].values() for key in keys] + list(time[kind]) for kind in ("assumed", "scaled")
        ]
        lines += [f"{name}: {keys}"] if (keys := marked(*kinds)) else []
    return ["\n".join((LEGEND, *lines))] if lines else []


def _refusals(document: dict[str, Any]) -> list[str]:
    return [f"{name}: {placed['refused']}" for name, placed in document["placement"].items() if "refused" in placed]


def _stated(network: dict[str, Any]) -> list[str]:
    """Say what a float network's figures rest on."""
    if network["kind"] != "float":
        return []
    return [
        (
            "float network, as it is: spikes of 64-bit potentials; every weight that is not zero placed with "
            f"{network['weight_bits']} bit. Quantizing can make weights zero and move spikes"
        ),
    ]


def _chips(chips: dict[str, dict[str, Any]]) -> list[str]:
    return ["\n".join(chip["lines"]) for chip in chips.values()]


def _reasons(reasons: Sequence[str]) -> list[str]:
    return ["\n".join(("FAILED:", *reasons))] if reasons else []
