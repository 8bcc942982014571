"""The tables of a report as `Table`: what ``--csv`` and ``--latex`` write."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from spikeport.hardware_profiles.counting import MODES, LayerCount
from spikeport.hardware_profiles.energy import PARTS, EnergyPerImage
from spikeport.hardware_profiles.evidence import LEGEND, mark
from spikeport.hardware_profiles.latency import ImageTime
from spikeport.hardware_profiles.output.table import (
    Cell,
    Column,
    Number,
    Table,
    of,
    percent,
    three_digits,
    whole,
    words,
)
from spikeport.hardware_profiles.report.comparison import Comparison
from spikeport.hardware_profiles.report.layers import LayerSummary
from spikeport.hardware_profiles.report.sections import Accuracy, AttackedWith, PlacementSummary, Relative

if TYPE_CHECKING:
    from spikeport.hardware_profiles.report.result import Report


def tables(report: "Report") -> Iterator[Table]:
    """Yield every table of a report that has rows: figures of the network, of each profile, and what was compared."""
    if report.accuracy:
        yield accuracy_table(report.accuracy, report.attack)
    if report.attacks:
        yield _attacks(report.attacks)
    if report.layers:
        yield layers_table(report.layers)
    yield _rates(report)
    yield _operations(report.operations.layers, report.operations.images)
    if report.comparison is not None:
        yield comparison_table(report.comparison)
    if report.relative is not None:
        yield _relative(report.relative)
    if report.fidelity:
        yield _fidelity(report.fidelity)
    yield _energy(report.energy)
    if report.latency:
        yield _times(report.latency)
    if report.placement:
        yield _placement(report.placement)
    yield from (_cores(name, placed) for name, placed in report.placement.items())
    yield _constants(report)


def accuracy_table(rows: Sequence[Accuracy], attack: AttackedWith | None) -> Table:
    """Return the accuracy of every network, with the one under the attack of a recipe."""
    robust = [] if attack is None else [percent(f"{attack.name}, eps {attack.epsilon:g}/255")]
    images = {each.images for each in rows}
    return Table(
        name="accuracy",
        title=f"Accuracy{_on(images)}, with standard errors, and share of weights that are zero",
        columns=[words("network"), percent("clean"), *robust, percent("zero weights")],
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
        columns=[words("attack"), whole("images"), percent("float network"), percent("integers")],
        rows=[
            [
                f"{each.name}, eps {each.epsilon:g}/255",
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


def layers_table(rows: Sequence[LayerSummary]) -> Table:
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
                each.name,
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
        rows=[[each.population, each.neurons, each.per_image.mean, each.rate] for each in report.operations.spikes],
    )


def _operations(rows: Sequence[LayerCount], images: int) -> Table:
    return Table(
        name="operations",
        title="Synaptic operations of a mean image by Eq. 12; MAC: of a graded input",
        columns=[
            words("synapses"),
            words("kind"),
            *(Column(title=f"Eq. 12 {mode}", form=",.1f") for mode in MODES),
            whole("largest image, fused"),
        ],
        rows=[
            [
                each.name,
                each.kind,
                *(each.operations(mode) / images for mode in MODES),
                each.per_image.maximum,
            ]
            for each in rows
        ],
    )


def _relative(found: Relative) -> Table:
    cells: list[list[Cell]] = [
        [name, found.sparsity[i], found.spikes[i], *(found.accumulates[mode][i] for mode in MODES)]
        for i, name in enumerate(("this network", "the other"))
    ]
    ratios: list[Cell] = ["the other / this network", None, found.spikes_ratio]
    return Table(
        name="relative",
        title="This network and another of the same shape, a mean image; the last row are ratios",
        columns=[
            words("network"),
            percent("zero weights"),
            Column(title="spikes", form=",.2f"),
            *(Column(title=f"Eq. 12 {mode}", form=",.2f") for mode in MODES),
        ],
        rows=[*cells, [*ratios, *(found.energy_ratio[mode] for mode in MODES)]],
    )


def _fidelity(found: Mapping[str, Mapping[str, int]]) -> Table:
    return Table(
        name="fidelity",
        title="Executors against the fast one, every neuron and every step",
        columns=[words("executor"), whole("neuron steps compared"), whole("different")],
        rows=[[name, each["compared"], each["mismatches"]] for name, each in found.items()],
    )


def _energy(found: Mapping[str, EnergyPerImage]) -> Table:
    parts = {part: title for part, title in PARTS.items() if part != "sum_of_known"}
    return Table(
        name="energy",
        title="Energy of a mean image, part by part",
        columns=[words("profile"), *map(_microjoule, parts.values()), _microjoule("sum, images back to back")],
        rows=[
            [name, *(_part(each, part) for part in parts), _part(each, "sum_of_known", least=bool(each.missing))]
            for name, each in found.items()
        ],
        notes=[LEGEND, "in Eq. 12: the profile's energy of an accumulate holds that part already"],
    )


def _microjoule(title: str) -> Column:
    return three_digits(title, "µJ", 1e6)


def _part(energy: EnergyPerImage, part: str, *, least: bool = False) -> Cell:
    if part.removesuffix("_alone") in energy.included:
        return "in Eq. 12"
    value: float | None = getattr(energy, part)
    if value is None:
        return "unknown"
    return Number(value=value, marks=mark(energy.assumed.get(part, ()), energy.scaled.get(part, ())), least=least)


def _times(found: Mapping[str, ImageTime]) -> Table:
    return Table(
        name="times",
        title="Time of a mean image",
        columns=[
            words("profile"),
            words("is"),
            three_digits("alone", "ms", 1e3),
            whole("steps"),
            three_digits("back to back", "ms", 1e3),
            whole("steps, back to back"),
            words("takes longest, back to back"),
        ],
        rows=[
            [
                name,
                each.kind or "unknown",
                _time(each, each.latency),
                each.latency_steps or None,
                _time(each, each.interval),
                each.interval_steps or None,
                ", ".join(f"{kind} {100 * share:.1f} %" for kind, share in each.shares.items()) or None,
            ]
            for name, each in found.items()
        ],
        notes=[LEGEND, *(f"{name}: {each.refused}" for name, each in found.items() if each.refused)],
    )


def _time(time: ImageTime, value: float | None) -> Cell:
    if value is None:
        return "unknown"
    return Number(value=value, marks=mark(time.assumed, time.scaled), least=time.kind == "lower bound")


def _placement(found: Mapping[str, PlacementSummary]) -> Table:
    return Table(
        name="placement",
        title="Cores and traffic of a mean image",
        columns=[
            words("profile"),
            words("strategy"),
            *map(whole, ("cores", "cores, at least", "chips")),
            Column(title="memory of the fullest core", unit="KiB", factor=1 / 1024, form=",.1f"),
            *map(whole, ("messages", "hops on chip", "between chips", "from the host")),
        ],
        rows=[
            [
                name,
                each.strategy,
                each.cores,
                max(each.lower_bounds.neurons, each.lower_bounds.memory),
                each.chips,
                each.max_core_memory_bytes,
                each.messages,
                each.hops,
                each.messages_off_chip,
                each.messages_from_host,
            ]
            for name, each in found.items()
        ],
    )


def _cores(name: str, placed: PlacementSummary) -> Table:
    resources = list(placed.per_core[0].used)
    return Table(
        name=f"cores_{name}",
        title=f"Every core of {name}: what it holds, does and uses",
        columns=[
            whole("core"),
            words("populations"),
            whole("operations"),
            whole("operations, largest image"),
            *(Column(title=each.replace("_", " "), unit="byte" if "memory" in each else "") for each in resources),
            words("fullest"),
        ],
        rows=[
            [
                number,
                ", ".join(block.population for block in core.blocks),
                core.operations,
                core.operations_max,
                *(core.used[each] for each in resources),
                core.fullest.replace("_", " "),
            ]
            for number, core in enumerate(placed.per_core)
        ],
    )


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
