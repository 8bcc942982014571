"""The report as plain text: the headline first, then its tables."""

from collections.abc import Sequence
from typing import Any

from spikeport.export.bias_form import Rounding
from spikeport.export.three_counts import NOT_VERIFIED, Agreement, Verification
from spikeport.hardware_profiles.columns import percent, table, times
from spikeport.hardware_profiles.counting.parts import called
from spikeport.hardware_profiles.output.table import Table
from spikeport.hardware_profiles.report.cost_tables import cores, energies, helpers_of, marks, times_of
from spikeport.hardware_profiles.report.headline import Headline, attacked, counted, headline, robust
from spikeport.hardware_profiles.report.roles import named

NOT_EXAMINED = "not examined for masked gradients, which make such a figure too high"
__all__ = ["about", "fidelity", "parts_of", "relative", "render", "share", "table", "verified"]


def render(
    document: dict[str, Any],
    reasons: Sequence[str],
    verification: Verification | None,
    more: Sequence[Table] = (),
) -> str:
    """Return the main figures of a report's document as text, what was verified, and the ``reasons`` why it failed.

    ``more``: tables that are printed as they are, after the accuracy of a run.
    """
    parts = [*_headline(document)]
    if "attack" in document:
        parts += _accuracy(document["accuracy"], document["attack"], document["attacks"])
    if "fidelity" in document:
        parts.append(fidelity(document["fidelity"]))
    if "relative" in document:
        parts.append(relative(document["relative"]))
    parts += ["\n".join([each.text(), *each.notes]) for each in more]
    parts += [
        energies(document),
        *times_of(document["latency"]),
        *marks(document),
        _operations(document),
        *verified(verification, document["operations"]),
        *_host(document),
        *cores(document),
        *_stated(document["network"]),
        *_refusals(document),
    ]
    return "\n\n".join([*parts, *_chips(document["chips"]), *_reasons(reasons)])


def _headline(document: dict[str, Any]) -> list[str]:
    """Return the network with its accuracy, whether it is exact, and a line for each chip."""
    first, network = headline(document), document["network"]
    size = f"T = {network['steps']:,}, {counted(network['neurons'], 'neuron')}"
    rest = f"{percent(network['sparsity'])} of the weights zero, {counted(document['images']['count'], 'image')}"
    shown = [f"{first.name}: {size}, {rest}", _accuracies(first), first.exact.sentence]
    rows = [(chip.name, chip.runs.sentence, chip.fits.sentence, chip.energy, chip.time) for chip in first.chips]
    header = ("chip", "runs on it", "fits", "energy of a mean image", "time of an image alone")
    contents = [f"{chip.name}: {chip.parts}" for chip in first.chips]
    return ["\n".join(shown), table(header, rows, left=(0, 1, 2)), "\n".join(("in the energy,", *contents))]


def _accuracies(first: Headline) -> str:
    if first.clean is None:
        return f"accuracy: {first.clean_of}"
    robust = "" if first.robust is None else f", {first.robust} robust after deployment ({first.robust_of})"
    return f"accuracy: {first.clean} clean ({first.clean_of}){robust or ', robust not measured'}"


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


def about(attacks: list[dict[str, Any]]) -> list[str]:
    """Return what was run where one row stands for several attacks, once each, and how far figures may be believed."""
    ran = [f"{each['name']}: {each['ran']}" for each in attacks if each["ran"]]
    examined = [f"{attacked(each)}: {each['gradients'] or NOT_EXAMINED}" for each in attacks]
    warnings = [f"warning: {sentence}" for each in attacks for sentence in each["warnings"]]
    return [*dict.fromkeys(ran), *examined, *warnings]


def share(value: float | None) -> str:
    """Return a share in percent, nothing where it was not measured."""
    return "" if value is None else percent(value)


def _operations(document: dict[str, Any]) -> str:
    operations, helpers = document["operations"], helpers_of(document)
    rates = {layer["population"]: percent(layer["rate"]) for layer in document["spikes"]}
    rows = [
        (
            called(named(layer["source"], helpers), named(layer["target"], helpers), layer["part"]),
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


def verified(verification: Verification | None, operations: dict[str, Any]) -> list[str]:
    """Return the three counts of every projection on the sampled images, and in a line whether they agree."""
    if verification is None:
        return [NOT_VERIFIED]
    if not verification.kernels:
        return [verification.text()]
    images, parts = len(verification.images), parts_of(operations["layers"], verification.layers)
    rows = [
        (
            called(layer.source, layer.target, part),
            f"{layer.formula - layer.on_the_way:,}",
            f"{layer.simulated:,}",
            layer.difference,
            f"{layer.reference:,}",
            layer.reference_difference,
        )
        for layer, part in zip(verification.layers, parts, strict=True)
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


def parts_of(layers: Sequence[dict[str, Any]], verified: Sequence[Agreement]) -> list[str]:
    """Return what tells ``verified`` projections from others of their populations, as the counted ``layers`` have it.

    Both are in the order of the network; those of the host are not verified.
    """
    waiting: dict[tuple[str, str], list[str]] = {}
    for layer in layers:
        waiting.setdefault((layer["source"], layer["target"]), []).append(layer["part"])
    return [waiting.get((each.source, each.target), [""]).pop(0) for each in verified]


def _chips(chips: dict[str, dict[str, Any]]) -> list[str]:
    return ["\n".join(chip["lines"]) for chip in chips.values()]


def _reasons(reasons: Sequence[str]) -> list[str]:
    return ["\n".join(("FAILED:", *reasons))] if reasons else []
