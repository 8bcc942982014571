"""Recipes of the first form, a table for each of a fixed row of stages, as recipes of today's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from spikeport.export.errors import RecipeError
from spikeport.export.three_counts import VERIFY
from spikeport.toolchain.nn.architectures.architecture import Architecture, Count
from spikeport.toolchain.tables import Faults, converted, faulty

Epochs = Annotated[int, Meta(ge=0, le=100_000)]
Positive = Annotated[float, Meta(gt=0, le=1e6)]
NotNegative = Annotated[float, Meta(ge=0, le=1e6)]
Levels = Annotated[float, Meta(ge=0, le=255)]
ALPHA = 0.25
"""The random step of RFGSM was a quarter of epsilon."""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of an old recipe."""


class _Data(_Table, frozen=True, kw_only=True):
    name: Literal["digits"] = "digits"


class _Training(_Table, frozen=True, kw_only=True):
    epochs: Epochs
    learning_rate: Positive
    epsilon: Levels
    batch_size: Annotated[int, Meta(ge=2, le=100_000)] = 64
    weight_decay: NotNegative = 1e-4
    shift: Annotated[int, Meta(ge=0, le=1000)] = 0


class _Pretrain(_Training, frozen=True, kw_only=True):
    attack_steps: Count = 10
    regularization: NotNegative = 2.0


class _Prune(_Table, frozen=True, kw_only=True):
    sparsity: Annotated[float, Meta(ge=0, lt=1)]
    score: _Pretrain
    finetune: _Pretrain
    methods: tuple[Literal["lwm", "hydra"], ...] = ("lwm", "hydra")
    use: Literal["lwm", "hydra"] = "hydra"


class _Convert(_Table, frozen=True, kw_only=True):
    batches: Count = 10
    batch_size: Count = 64
    steps: Count = 100
    percentile: Annotated[float, Meta(gt=0, le=100)] = 99.7
    threshold_scale: Annotated[float, Meta(gt=0, le=1)] = 0.3


class _Finetune(_Training, frozen=True, kw_only=True):
    beta: NotNegative = 2.0


class _Evaluate(_Table, frozen=True, kw_only=True):
    epsilon: Levels = 8
    attack_steps: Count = 10
    images: Count | None = None
    executors: tuple[str, ...] = ("lava", "onnx", "nir")


class _Quantize(_Table, frozen=True, kw_only=True):
    weight_bits: Annotated[int, Meta(ge=2, le=8)] = 8
    calibration_images: Annotated[int, Meta(ge=0, le=10_000_000)] = 0
    target: tuple[str, ...] = ()


class _Hardware(_Table, frozen=True, kw_only=True):
    profiles: tuple[str, ...] = ("loihi1", "loihi2")
    verify: Annotated[int, Meta(ge=0, le=10_000_000)] = VERIFY


class _Recipe(_Table, frozen=True, kw_only=True):
    version: Literal[1] = 1
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    threads: Annotated[int, Meta(ge=1, le=1024)] = 2
    data: _Data = _Data()
    network: Architecture
    steps: Count = 8
    pretrain: _Pretrain
    prune: _Prune
    convert: _Convert = _Convert()
    finetune: _Finetune
    tune_integers: _Finetune | None = None
    evaluate: _Evaluate = _Evaluate()
    quantize: _Quantize = _Quantize()
    hardware: _Hardware = _Hardware()


def is_old(table: Mapping[str, Any]) -> bool:
    """Return whether a table is a recipe of the first form."""
    version = table.get("version", 1 if "pretrain" in table and "stages" not in table else None)
    return version == 1 and not isinstance(version, bool)


def upgraded(table: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the table of version 2 with the same data, networks, training and deployment.

    Raises `RecipeError` with every fault, under the keys of the old form.
    """
    faults: Faults = []
    old = converted(table, _Recipe, "", faults)
    if not faults and old.prune.use not in old.prune.methods:
        faults.append(("prune.use", f"{old.prune.use!r} is not one of prune.methods"))
    if faults:
        raise faulty(str(path), faults)
    return {
        "version": 2,
        "seed": old.seed,
        "threads": old.threads,
        "data": {"kind": old.data.name, "validation": 0.0, **_augment(old, path)},
        "network": dict(table["network"]),
        "spiking": {"steps": old.steps},
        "evaluate": _evaluate(old.evaluate),
        "stages": [*_trained(old), *_deployed(old)],
    }


def _augment(old: _Recipe, path: Path) -> dict[str, Any]:
    """Return the crop of training images, which is one for all stages now."""
    tables = [old.pretrain, old.prune.score, old.prune.finetune, old.finetune, old.tune_integers]
    shifts = {table.shift for table in tables if table is not None}
    if len(shifts) > 1:
        raise RecipeError(f"{path}: tables have different values of shift; expected one, which data.augment takes now")
    return {"augment": {"crop": crop}} if (crop := shifts.pop()) else {}


def _evaluate(old: _Evaluate) -> dict[str, Any]:
    images = {} if old.images is None else {"images": old.images}
    return {**images, "epsilon": old.epsilon, "attack": {"kind": "pgd", "steps": old.attack_steps}}


def _trained(old: _Recipe) -> list[dict[str, Any]]:
    stages = [{"stage": "train", "name": "dense", "title": "dense ANN", **_trades(old.pretrain)}]
    for index, method in enumerate(old.prune.methods):
        title = f"sparse ANN, {method.upper()}"
        learned = _trades(old.prune.score) if method == "hydra" else {}
        start = {"from": "dense"} if index else {}
        prune = {"stage": "prune", "name": method, **start, "title": f"{title}, before finetuning"}
        stages.append({**prune, "sparsity": old.prune.sparsity, "pruner": {"kind": method}, **learned})
        stages.append({"stage": "train", "name": f"sparse_{method}", "title": title, **_trades(old.prune.finetune)})
    source = {} if old.prune.use == old.prune.methods[-1] else {"from": f"sparse_{old.prune.use}"}
    convert = {"stage": "convert", "name": "convert", **source, "title": "converted SNN"}
    stages.append({**convert, **msgspec.to_builtins(old.convert)})
    stages.append({"stage": "train", "name": "finetune", "title": "sparse SNN", **_robust(old.finetune)})
    if old.tune_integers is not None:
        bits = {"title": "sparse SNN, rounded weights", "weight_bits": old.quantize.weight_bits}
        stages.append({"stage": "train", "name": "tune_integers", **bits, **_robust(old.tune_integers)})
    return stages


def _deployed(old: _Recipe) -> list[dict[str, Any]]:
    quantize, hardware = (msgspec.to_builtins(each) for each in (old.quantize, old.hardware))
    return [
        {"stage": "lower", "name": "lower"},
        {"stage": "quantize", "name": "quantize", **quantize},
        {"stage": "export", "name": "export"},
        {"stage": "check", "name": "check", "executors": list(old.evaluate.executors)},
        {"stage": "report", "name": "report", **hardware},
    ]


def _training(old: _Training) -> dict[str, Any]:
    return {name: getattr(old, name) for name in ("epochs", "learning_rate", "batch_size", "weight_decay")}


def _trades(old: _Pretrain) -> dict[str, Any]:
    attack = {"kind": "pgd", "steps": old.attack_steps}
    objective = {"kind": "trades", "epsilon": old.epsilon, "attack": attack, "regularization": old.regularization}
    return {"training": _training(old), "objective": objective}


def _robust(old: _Finetune) -> dict[str, Any]:
    attack = {"kind": "rfgsm", "alpha": ALPHA}
    objective = {"kind": "robust_kl", "epsilon": old.epsilon, "attack": attack, "beta": old.beta}
    return {"training": _training(old), "objective": objective}
