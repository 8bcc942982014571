"""What finished stages leave in ``metrics.json``, and whether a later stage may go on from it."""

import json

import msgspec
import numpy as np

from spikeport.export.errors import ArchiveError, RecipeError
from spikeport.export.files import write_text
from spikeport.export.network import IntegerNetwork
from spikeport.toolchain.config import Recipe
from spikeport.toolchain.stages.run import Metrics, Run

ORDER = ("pretrain", "prune", "convert", "finetune", "tune_integers", "lower", "quantize", "export", "check", "report")


class Record(msgspec.Struct):
    """What a stage measured, and the parts of the recipe that it depended on."""

    recipe: Metrics
    results: Metrics


def check_unchanged(run: Run, earlier: list[str]) -> None:
    """Refuse to go on from stages that ran with another recipe."""
    records = _records(run)
    for stage in earlier:
        if stage not in records:
            continue
        now, then = _settings(run.recipe, stage), records[stage].recipe
        changed = [name for name in now if now[name] != then.get(name)]
        if changed:
            raise RecipeError(
                f"[{changed[0]}] of the recipe has changed since stage {stage!r} ran in {run.folder}; "
                f"run it again: --from {stage}"
            )


def _records(run: Run) -> dict[str, Record]:
    path = run.path("metrics.json")
    if not path.is_file():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Record])
    except msgspec.MsgspecError as error:
        raise ArchiveError(f"{path}: damaged ({error}); delete it and run the stages again") from None


def keep(run: Run, stage: str, results: Metrics) -> None:
    """Keep what ``stage`` measured, and forget the stages behind it: they saw older files."""
    names = list(ORDER)
    kept = {name: record for name, record in _records(run).items() if name in names[: names.index(stage)]}
    kept[stage] = Record(_settings(run.recipe, stage), results)
    write_text(run.path("metrics.json"), json.dumps(msgspec.to_builtins(kept), indent=1, allow_nan=False) + "\n")


def _settings(recipe: Recipe, stage: str) -> Metrics:
    """Return the parts of a recipe that a stage depends on beyond the stages before it."""
    names = {
        "pretrain": ("seed", "threads", "steps", "data", "network", "pretrain"),
        "check": (),
        "report": ("hardware",),
    }
    own = names.get(stage, (stage,) if hasattr(recipe, stage) else ())
    whole: Metrics = msgspec.json.decode(msgspec.json.encode(recipe))
    used = {name: whole[name] for name in own}
    return used | {"evaluate": {key: whole["evaluate"][key] for key in ("epsilon", "attack_steps", "images")}}


def results(run: Run, network: IntegerNetwork) -> Metrics:
    """Return what the earlier stages measured, under the keys of the report."""
    records, path = _records(run), run.path("metrics.json")
    missing = [stage for stage in list(ORDER)[:-1] if stage not in records]
    if missing:
        raise ArchiveError(f"{path}: stage {missing[0]!r} has not run; run it first")
    try:
        return _under_keys(run.recipe, {name: record.results for name, record in records.items()}, network)
    except (KeyError, TypeError) as error:
        raise ArchiveError(f"{path}: damaged ({error} is missing or wrong); run the stages again") from None


def _under_keys(recipe: Recipe, metrics: dict[str, Metrics], network: IntegerNetwork) -> Metrics:
    checked, used = metrics["check"], metrics["prune"][recipe.prune.use]
    snn = metrics["finetune"] if recipe.tune_integers is None else metrics["tune_integers"]
    evaluated = {f"{name}_clean": value for name, value in checked["accuracy"].items() if name != "integer"}
    return {
        "accuracy": {
            "ann_clean": metrics["pretrain"]["clean"],
            "ann_robust": metrics["pretrain"]["robust"],
            "ann_sparse_clean": used["clean"],
            "ann_sparse_robust": used["robust"],
            **{f"ann_{name}_clean": each["clean"] for name, each in metrics["prune"].items()},
            **{f"ann_{name}_robust": each["robust"] for name, each in metrics["prune"].items()},
            "snn_converted_clean": metrics["convert"]["clean"],
            "snn_float_clean": snn["clean"],
            "snn_robust": snn["robust"],
            "snn_integer_clean": checked["accuracy"]["integer"],
            "snn_integer_robust": checked["robust"],
            **evaluated,
        },
        "attack": {"name": "PGD", **msgspec.to_builtins(recipe.evaluate)},
        "fidelity": {"lowering": metrics["lower"], **checked["fidelity"]},
        "sparsity": {
            "global": snn["sparsity"],
            "weights": snn["weights"],
            "integer": _integer_sparsity(network),
        },
    }


def _integer_sparsity(network: IntegerNetwork) -> float:
    """Return the share of integer weights that are zero, pooling folded into the kernels."""
    weights = [projection.synapses.weight for projection in network.projections]
    return 1 - sum(int(np.count_nonzero(w)) for w in weights) / sum(w.size for w in weights)
