"""The tables of a report: columns, units and rows of the terminal, the page, CSV and LaTeX alike; costs stand apart."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spikeport.export.three_counts import Verification
from spikeport.hardware_profiles.counting import MODES, OperationCounts
from spikeport.hardware_profiles.counting.parts import called
from spikeport.hardware_profiles.output.table import (
    PAGE,
    PAPER,
    TERMINAL,
    Cell,
    Column,
    Number,
    Table,
    of,
    percent,
    whole,
    words,
)
from spikeport.hardware_profiles.report.comparison import Comparison
from spikeport.hardware_profiles.report.cost_tables import cost_tables
from spikeport.hardware_profiles.report.headline import attacked
from spikeport.hardware_profiles.report.layers import LayerSummary
from spikeport.hardware_profiles.report.roles import Helpers, named
from spikeport.hardware_profiles.report.sections import Accuracy, AttackedWith, Relative

if TYPE_CHECKING:
    from spikeport.hardware_profiles.report.result import Report


def tables(report: "Report") -> Iterator[Table]:
    """Yield every table of a report that has rows: figures of the network, what was compared, and costs."""
    counts, helpers = report.operations, report.network.helpers
    if report.accuracy:
        yield accuracy_table(report.accuracy, report.attack)
    if report.attacks:
        yield _attacks(report.attacks)
    if report.layers:
        yield layers_table(report.layers, helpers)
    yield _rates(report)
    yield _operations(counts, helpers)
    if counts.verification is not None:
        yield _counts(counts, counts.verification, helpers)
    if report.comparison is not None:
        yield comparison_table(report.comparison)
    if report.relative is not None:
        yield from _relative(report.relative)
    if report.fidelity:
        yield _fidelity(report.fidelity)
    yield from cost_tables(report)


def accuracy_table(rows: Sequence[Accuracy], attack: AttackedWith | None) -> Table:
    """Return the accuracy of every network, with the one under the attack of a recipe."""
    run = attack is not None
    robust = [] if attack is None else [percent(attacked(attack.to_dict()), brief=True)]
    images = {each.images for each in rows}
    return Table(
        name="accuracy",
        title=f"Accuracy{_on(images)}, with standard errors, and share of weights that are zero",
        columns=[
            words("network", said="accuracy on held-out images" if run else ""),
            percent("clean", brief=run),
            *robust,
            percent("zero weights"),
        ],
        rows=[
            [
                each.title,
                Number(value=each.clean, error=each.error),
                *[None if each.robust is None else Number(value=each.robust, error=each.robust_error) for _ in robust],
                each.sparsity,
            ]
            for each in rows
        ],
    )


def _on(images: set[int | None]) -> str:
    known = [each for each in images if each is not None]
    return f" on {known[0]:,} images" if len(known) == 1 == len(images) else ""


def _attacks(attacks: Sequence[AttackedWith]) -> Table:
    return Table(
        name="robust_accuracy",
        title="Robust accuracy, with standard errors",
        columns=[
            words("attack", said="robust accuracy"),
            whole("images"),
            percent("float network"),
            percent("integers"),
        ],
        rows=[
            [
                attacked(each.to_dict()),
                each.images,
                _share(each.network, each.network_error),
                _share(each.integer, each.integer_error),
            ]
            for each in attacks
        ],
        notes=[f"{each.name}: {each.ran}" for each in attacks if each.ran],
    )


def _share(value: float | None, error: float | None) -> Cell:
    return None if value is None else Number(value=value, error=error)


def layers_table(rows: Sequence[LayerSummary], helpers: Helpers) -> Table:
    """Return weights, zeros, bits, density, fan-out and memory of every projection."""
    profiles = list(rows[0].memory)
    return Table(
        name="layers",
        title="The layers as they are stored; memory is that of synapses on all cores",
        columns=[
            words("synapses"),
            words("kind"),
            whole("weights"),
            percent("zero"),
            Column(title="bits"),
            whole("not zero, unrolled"),
            percent("density", 2),
            Column(title="fan-out, mean", form=",.1f"),
            whole("largest"),
            *(Column(title=f"memory, {name}", unit="KiB", factor=1 / 1024, form=",.1f") for name in profiles),
        ],
        rows=[
            [
                _projection(each, helpers),
                each.kind,
                each.weights,
                each.zeros,
                "real" if each.bits is None else each.bits,
                each.synapses,
                each.density,
                each.fan_out_mean,
                each.fan_out_max,
                *("host" if (memory := each.memory[name]) is None else memory for name in profiles),
            ]
            for each in rows
        ],
    )


def comparison_table(found: Comparison) -> Table:
    """Return the layers of the float network beside those of the integers."""
    return Table(
        name="comparison",
        title=f"Integers against the float network on {found.images:,} images: rates, changed spikes, potentials",
        columns=[
            words("population"),
            percent("rate, float", 2),
            percent("rate, integers", 2),
            percent("spikes changed", 2),
            Column(title="potential error, thresholds", form=".4f"),
        ],
        rows=[
            [each.population, *map(of, (each.float_rate, each.integer_rate, each.changed, each.potential))]
            for each in found.layers
        ],
        notes=[
            "spikes changed: share of neurons and steps; potential error: mean absolute difference before the reset",
            f"class changed: {percent('').text(of(found.classes))} of the first {found.images:,} images",
        ],
    )


def _rates(report: "Report") -> Table:
    return Table(
        name="spikes",
        title=f"Spikes of a mean image, and rate per neuron and step, T = {report.network.steps}",
        columns=[words("population"), whole("neurons"), whole("spikes"), percent("rate", 2)],
        rows=[
            [named(each.population, report.network.helpers), each.neurons, each.per_image.mean, each.rate]
            for each in report.operations.spikes
        ],
    )


def _projection(layer: Any, helpers: Helpers, part: str | None = None) -> str:
    """Return the name of anything with a source, a target and a part, helper populations named for what they are."""
    return called(named(layer.source, helpers), named(layer.target, helpers), layer.part if part is None else part)


def _operations(counts: OperationCounts, helpers: Helpers) -> Table:
    images = counts.images
    rates = {each.population: each.rate for each in counts.spikes}
    return Table(
        name="operations",
        title="Synaptic operations of a mean image by Eq. 12; MAC: of a graded input",
        columns=[
            words("synapses", said="synapses, all images"),
            percent("spike rate", media=TERMINAL),
            whole("not zero, unrolled", media=PAGE),
            Column(title="kind"),
            *(Column(title=f"Eq. 12 {mode}", form=",.1f", media=PAPER) for mode in MODES),
            whole("mean image, fused", media=PAGE),
            whole("largest image, fused", media=PAGE | PAPER),
            whole("deviation", media=PAGE),
            Column(title="Eq. 12 fused", media=TERMINAL | PAGE),
            Column(title="Eq. 12 relay", media=PAGE),
            whole("Eq. 12 area_ratio", media=TERMINAL | PAGE),
        ],
        rows=[
            [
                _projection(each, helpers),
                rates.get(each.source, "graded" if each.graded else "input"),
                each.synapses,
                each.kind,
                *(each.operations(mode) / images for mode in MODES),
                each.per_image.mean,
                each.per_image.maximum,
                each.per_image.deviation,
                each.formula,
                each.relay,
                each.area_ratio,
            ]
            for each in counts.layers
        ],
    )


def _counts(counts: OperationCounts, found: Verification, helpers: Helpers) -> Table:
    """Return the counts of every projection on the sampled images; a float network has none of kernels."""
    images, kernels = len(found.images), found.kernels
    simulated = [Column(title="simulated"), Column(title="simulated, difference", said="difference")] if kernels else []
    return Table(
        name="counts",
        title="Operations of the sampled images, counted in several ways, which must agree",
        columns=[
            words("synapses", said=f"synapses, {images} image{'s' if images != 1 else ''}"),
            Column(title="Eq. 12 fused"),
            *simulated,
            Column(title="event by event, 1 image" if kernels else "event by event"),
            Column(title="event by event, difference", said="difference"),
        ],
        rows=[
            [
                _projection(each, helpers, part),
                each.formula - each.on_the_way,
                *((each.simulated, each.difference) if kernels else ()),
                each.reference,
                each.reference_difference,
            ]
            for each, part in zip(found.layers, _parts(counts, found), strict=True)
        ],
    )


def _parts(counts: OperationCounts, found: Verification) -> list[str]:
    """Return what tells the verified projections from others of their populations, as the counted ones have it.

    Both are in the order of the network; those of the host are not verified.
    """
    waiting: dict[tuple[str, str], list[str]] = {}
    for layer in counts.layers:
        waiting.setdefault((layer.source, layer.target), []).append(layer.part)
    return [waiting.get((each.source, each.target), [""]).pop(0) for each in found.layers]


def _relative(found: Relative) -> Iterator[Table]:
    """Yield both networks, and ratios as in Table 3 of Schmolli et al., every figure with its mode."""
    yield Table(
        name="relative",
        title="This network and another of the same shape, a mean image",
        columns=[
            words("network", said="per image"),
            percent("zero weights", said="zeros"),
            whole("spikes"),
            whole("Eq. 12 fused"),
            whole("Eq. 12 relay", media=PAGE | PAPER),
            whole("Eq. 12 area_ratio"),
        ],
        rows=[
            [name, found.sparsity[i], found.spikes[i], *(found.accumulates[mode][i] for mode in MODES)]
            for i, name in enumerate(("this network", "the other"))
        ],
    )
    yield Table(
        name="ratios",
        title="Ratios of the two networks: the other's figure over this one's",
        columns=[words("figure", said="the other / this network"), Column(title="ratio", form=".2f", absent="-")],
        rows=[
            ["spikes", found.spikes_ratio],
            *([f"Eq. 12, both {mode}", found.energy_ratio[mode]] for mode in MODES),
            ["Eq. 12, the paper's reading: the other area_ratio, this fused", found.energy_ratio_paper],
        ],
    )


def _fidelity(found: Mapping[str, Mapping[str, Any]]) -> Table:
    return Table(
        name="fidelity",
        title="Executors against the fast one, every neuron and every step",
        columns=[
            words("executor", said="executor against fast"),
            Column(title="neuron steps compared"),
            Column(title="different"),
            words("first difference", media=PAGE),
        ],
        rows=[[name, each["compared"], each["mismatches"], _first(each)] for name, each in found.items()],
    )


def _first(compared: Mapping[str, Any]) -> str:
    """Return where an executor's first difference is."""
    for each in compared.get("populations", ()):
        if each.get("first"):
            first = each["first"]
            neuron = ", ".join(map(str, first["neuron"]))
            return f"{each['population']}, sample {first['sample']}, step {first['step']}, neuron {neuron}"
    return "none"
