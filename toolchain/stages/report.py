"""Operations, placement, time and energy of the integers, with what the stages before measured."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta

from spikeport.export import archive
from spikeport.export.errors import ArchiveError, SpikeportError
from spikeport.export.network import IntegerNetwork
from spikeport.export.stimulus import stimulus
from spikeport.export.three_counts import VERIFY
from spikeport.hardware_profiles.profile import load_profile
from spikeport.hardware_profiles.report import build
from spikeport.hardware_profiles.report.result import Report as Costs
from spikeport.hardware_profiles.report.sections import Accuracy, AttackedWith
from spikeport.hardware_profiles.report.write import write
from spikeport.toolchain.choices import tag_of
from spikeport.toolchain.stages.records import Record
from spikeport.toolchain.stages.run import Metrics, Run, attack_name
from spikeport.toolchain.stages.stage import Artefacts, Result, Stage, needs


class Report(Stage, frozen=True, kw_only=True, tag="report"):
    """Counts, places and prices the network on ``profiles``; writes report.json and report.html.

    ``verify``: on how many images operations are counted in all three ways. The layers of the float network that the
    integers were made of stand beside theirs.
    """

    TAKES: ClassVar = ("network", "float_network")
    USES: ClassVar = ("data", "evaluate")
    SEES_RECORDS: ClassVar = True

    profiles: Annotated[tuple[str, ...], Meta(min_length=1)] = ("loihi1", "loihi2")
    verify: Annotated[int, Meta(ge=0, le=10_000_000)] = VERIFY

    def outline(self, available: Mapping[str, str]) -> dict[str, str]:
        needs(available, "network", "a stage 'quantize'")
        return {"report": "file", "page": "file"}

    def faults(self) -> Iterator[tuple[str, str]]:
        for index, name in enumerate(self.profiles):
            try:
                load_profile(name)
            except SpikeportError as error:
                yield f"profiles[{index}]", str(error)

    def run(self, run: Run, source: Artefacts) -> Result:
        network = archive.read_integer(source["network"])
        images, _ = run.held_out()
        beside = archive.read_float(source["float_network"]) if "float_network" in source else None
        result = build.report(
            network,
            stimulus(images, network),
            self.profiles,
            verify=self.verify,
            float_network=beside,
            name=name_of(run),
        )
        write(result.with_run(**measured(run, network)), run.folder)
        made = {"report": run.folder / "report.json", "page": run.folder / "report.html"}
        return Result(artefacts=made, metrics={"passed": result.passed, **_costs(result)})


def name_of(run: Run) -> str:
    """Return what the report calls the network of a run: 'vgg on digits, demo' of one in a folder ``demo``."""
    recipe = run.recipe
    return f"{tag_of(recipe.network)} on {tag_of(recipe.data)}, {run.folder.resolve().parent.name}"


def _costs(result: Costs) -> Metrics:
    """Return what an image costs: accumulates (Eq. 12, fused), and for every profile cores and the known energy."""
    return {
        "accumulates": result.operations.per_image.mean,
        "cores": {name: placement.cores for name, placement in result.placement.items()},
        "joules": {name: energy.sum_of_known for name, energy in result.energy.items()},
    }


def measured(run: Run, network: IntegerNetwork) -> dict[str, Any]:
    """Return what the stages before measured, for `spikeport.hardware_profiles.report.result.Report.with_run`."""
    evaluate = run.recipe.evaluate
    attack = AttackedWith(name=attack_name(evaluate.attack), epsilon=evaluate.epsilon, images=len(run.held_out()[1]))
    try:
        return {
            "accuracy": [row for record in run.records.values() for row in _rows(run, record, network)],
            "attack": attack,
            "attacks": [row for record in run.records.values() if record.stage == "attack" for row in _attacks(record)],
            "fidelity": _fidelity(run.records),
            "sparsity": _sparsity(run.records, network),
        }
    except (KeyError, TypeError) as error:
        raise ArchiveError(f"{run.folder.parent}: a record.json is damaged ({error}); run its stage again") from None


def _rows(run: Run, record: Record, network: IntegerNetwork) -> Iterator[Accuracy]:
    metrics, title, held_out = record.metrics, title_of(run, record.name), len(run.held_out()[1])
    if "clean" in metrics:
        yield Accuracy(
            title=title,
            stage=record.name,
            clean=metrics["clean"],
            robust=metrics.get("robust"),
            sparsity=metrics.get("sparsity"),
            images=held_out,
        )
    if record.stage != "check":
        return
    accuracy, sparsity = metrics["accuracy"], zeros_of(network)
    integers = Accuracy(
        title="integers",
        stage=record.name,
        clean=accuracy["integer"],
        robust=metrics.get("robust"),
        sparsity=sparsity,
        images=held_out,
    )
    yield integers
    if "lava" in accuracy:
        yield replace(integers, title="integers in Lava", clean=accuracy["lava"], robust=None)


def title_of(run: Run, name: str) -> str:
    """Return what the report calls the network of a stage."""
    title = next((stage.title for stage in run.recipe.stages if stage.name == name), None)
    return title or name.replace("_", " ")


def _attacks(record: Record) -> Iterator[AttackedWith]:
    """Yield a row for every epsilon of a stage of attack."""
    for found in record.metrics["epsilons"]:
        yield AttackedWith(
            name=found["attack"],
            epsilon=found["epsilon"],
            images=record.metrics["images"],
            stage=record.name,
            network=found["network"],
            network_error=found.get("network_error"),
            integer=found["integer"],
            integer_error=found.get("integer_error"),
            ran=found.get("ran"),
            warnings=tuple(found.get("warnings", ())),
            gradients=found.get("gradients"),
        )


def _fidelity(records: Mapping[str, Record]) -> dict[str, Any]:
    """Return the comparisons of lowering and of executors, the latest of each."""
    found: dict[str, Any] = {}
    for record in records.values():
        if record.stage == "lower":
            found["lowering"] = record.metrics
        elif record.stage == "check":
            found |= record.metrics["fidelity"]
    return found


def _sparsity(records: Mapping[str, Record], network: IntegerNetwork) -> dict[str, Any]:
    latest = [each.metrics for each in records.values() if "weights" in each.metrics][-1:]
    of_model = {"global": latest[0]["sparsity"], "weights": latest[0]["weights"]} if latest else {}
    return {**of_model, "integer": zeros_of(network)}


def zeros_of(network: IntegerNetwork) -> float:
    """Return the share of integer weights that are zero, pooling folded into the kernels."""
    weights = [projection.synapses.weight for projection in network.projections]
    return 1 - sum(int(np.count_nonzero(w)) for w in weights) / sum(w.size for w in weights)
