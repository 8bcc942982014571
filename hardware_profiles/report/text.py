"""The report as plain text: the headline first, then its tables."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spikeport.export.bias_form import Rounding
from spikeport.export.three_counts import NOT_VERIFIED, Verification
from spikeport.hardware_profiles.columns import percent, table
from spikeport.hardware_profiles.evidence import LEGEND, marked
from spikeport.hardware_profiles.output.table import Table
from spikeport.hardware_profiles.report.cost_tables import refused
from spikeport.hardware_profiles.report.headline import Headline, attacked, counted, headline
from spikeport.hardware_profiles.report.tables import tables

if TYPE_CHECKING:
    from spikeport.hardware_profiles.report.result import Report

NOT_EXAMINED = "not examined for masked gradients, which make such a figure too high"
__all__ = ["about", "render", "table"]


def render(report: "Report") -> str:
    """Return the main figures of a report as text, what was verified, and the reasons why it failed."""
    document, found = report.to_dict(), {each.name: each for each in tables(report)}
    operations = document["operations"]
    parts = [
        *_headline(document),
        *_measured(document, found),
        _with(found["energy"]),
        *([_with(found["times"], refused(report.latency))] if "times" in found else []),
        *marks(document),
        _with(found["operations"]),
        _means(operations),
        *_verified(report.operations.verification, found),
        *_host(document),
        *(found[name].text() for name in ("placement", "traffic") if name in found),
        *_stated(document["network"]),
        *_refusals(document),
    ]
    return "\n\n".join([*parts, *_chips(document["chips"]), *_reasons(report.reasons)])


def _with(table: Table, notes: Sequence[str] = ()) -> str:
    return "\n".join((table.text(), *notes))


def _measured(document: dict[str, Any], found: dict[str, Table]) -> list[str]:
    """Return what was measured of the network and of others: the rows of a run first."""
    own, other = ["accuracy", "robust_accuracy"], ["fidelity", "relative", "ratios"]
    names = [*own, *other, "comparison"] if "attack" in document else [*other, *own, "comparison"]
    notes: dict[str, Sequence[str]] = {"robust_accuracy": about(document.get("attacks", ()))}
    notes |= {"comparison": found["comparison"].notes} if "comparison" in found else {}
    return [_with(found[name], notes.get(name, ())) for name in names if name in found]


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


def about(attacks: list[dict[str, Any]]) -> list[str]:
    """Return what was run where one row stands for several attacks, once each, and how far figures may be believed."""
    ran = [f"{each['name']}: {each['ran']}" for each in attacks if each["ran"]]
    examined = [f"{attacked(each)}: {each['gradients'] or NOT_EXAMINED}" for each in attacks]
    warnings = [f"warning: {sentence}" for each in attacks for sentence in each["warnings"]]
    return [*dict.fromkeys(ran), *examined, *warnings]


def marks(document: dict[str, Any]) -> list[str]:
    """Return what the marks mean, and for each profile the constants behind them."""
    lines = []
    for name, each in document["energy"].items():
        time = document["latency"].get(name, {"assumed": (), "scaled": ()})
        kinds = [
            [key for keys in each[kind].values() for key in keys] + list(time[kind]) for kind in ("assumed", "scaled")
        ]
        lines += [f"{name}: {keys}"] if (keys := marked(*kinds)) else []
    return ["\n".join((LEGEND, *lines))] if lines else []


def _means(operations: dict[str, Any]) -> str:
    means = ", ".join(f"{mode} {number:,.0f}" for mode, number in operations["modes"].items())
    paper = (
        "they differ in what a spike in front of average pooling costs; the paper takes fused for sparse networks and "
        "area_ratio, its Eq. 10 and 11, for dense ones"
    )
    return f"accumulates of a mean image, Eq. 12: {means} ({paper})"


def _verified(verification: Verification | None, found: dict[str, Table]) -> list[str]:
    """Return the three counts of every projection on the sampled images, and in a line whether they agree."""
    if verification is None:
        return [NOT_VERIFIED]
    return [*([found["counts"].text()] if verification.kernels else []), verification.text()]


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
