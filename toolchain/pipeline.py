"""The stages in order, each resumable from the files of the ones before it."""

import copy
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor

from spikeport.export import archive, fidelity
from spikeport.export.errors import ArchiveError, RecipeError
from spikeport.export.executors import executor, fast, floating
from spikeport.export.files import atomic, write_text
from spikeport.export.formats import nir, onnx
from spikeport.export.lava import environment
from spikeport.export.network import IntegerNetwork
from spikeport.export.passes import folded
from spikeport.export.progress import Progress
from spikeport.export.quantize import quantize
from spikeport.export.scale_search import search
from spikeport.export.stimulus import read, stimulus
from spikeport.export.trace import predicted, record
from spikeport.hardware_profiles.profile import load_profile
from spikeport.hardware_profiles.report import build
from spikeport.toolchain import checkpoint
from spikeport.toolchain.config import Finetune, Pretrain, Recipe, Training
from spikeport.toolchain.conversion import convert
from spikeport.toolchain.data import digits
from spikeport.toolchain.data.dataset import Dataset, levels, pixels
from spikeport.toolchain.evaluation import attacked
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.architectures import specify
from spikeport.toolchain.nn.networks import ANN, SNN
from spikeport.toolchain.pruning import hydra, lwm
from spikeport.toolchain.training.loop import accuracy, train
from spikeport.toolchain.training.sparse_finetuning import keep_sparse, robust_loss
from spikeport.toolchain.training.trades import trades

LEVEL = 1 / 255
Metrics = dict[str, Any]


@dataclass
class Run:
    """One run: its recipe, its folder, its data, and the random numbers of the stage at work."""

    recipe: Recipe
    folder: Path
    data: Dataset
    generator: torch.Generator

    def path(self, name: str) -> Path:
        """Return the place of an artefact."""
        return self.folder / name

    def held_out(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return the held-out images (uint8) and labels that the recipe evaluates on."""
        count = self.recipe.evaluate.images
        return self.data.test.images[:count], self.data.test.labels[:count]

    def held_out_tensors(self) -> tuple[Tensor, Tensor]:
        """Return the held-out pixels in [0, 1] and labels."""
        images, labels = self.held_out()
        return pixels(images), torch.from_numpy(labels.copy())


def pretrain(run: Run) -> Metrics:
    """Train the dense ANN with TRADES."""
    specification = specify(
        run.recipe.network,
        classes=run.data.classes,
        input_shape=(run.data.train.images.shape[1:]),
        mean=run.data.mean,
        std=run.data.std,
    )
    model = ANN(specification)
    _train_ann(run, model, run.recipe.pretrain, list(model.parameters()), "pretrain")
    checkpoint.write(model, run.path("ann.safetensors"))
    return _robustness(run, model)


def prune(run: Run) -> Metrics:
    """Prune by every method of the recipe and finetune each sparse ANN."""
    metrics: Metrics = {}
    for method in run.recipe.prune.methods:
        model = checkpoint.read_ann(run.path("ann.safetensors"))
        masks = _masks(run, copy.deepcopy(model), method)
        for name, synapses in model.synapses().items():
            synapses.mask.copy_(masks[name])
        keep_sparse(model)
        _train_ann(run, model, run.recipe.prune.finetune, list(model.parameters()), f"finetune {method}")
        checkpoint.write(model, run.path(f"ann_{method}.safetensors"))
        metrics[method] = {**_robustness(run, model), "sparsity": sparsity(model)}
    return metrics


def convert_network(run: Run) -> Metrics:
    """Turn the sparse ANN into an SNN by Algorithm 1."""
    settings = run.recipe.convert
    ann = checkpoint.read_ann(run.path(f"ann_{run.recipe.prune.use}.safetensors"))
    images = run.data.train.tensors()[0]
    order = torch.randperm(len(images), generator=run.generator)[: settings.batches * settings.batch_size]
    snn = convert(
        ann,
        torch.split(images[order], settings.batch_size),
        steps=run.recipe.network.steps,
        calibration_steps=settings.steps,
        percentile=settings.percentile,
        threshold_scale=settings.threshold_scale,
    )
    checkpoint.write(snn, run.path("snn_converted.safetensors"))
    return {"clean": accuracy(snn, *run.held_out_tensors()), "thresholds": _thresholds(snn)}


def finetune(run: Run) -> Metrics:
    """Finetune the sparse SNN by Eq. 8 under the masks of Eq. 9."""
    settings = run.recipe.finetune
    snn = checkpoint.read_snn(run.path("snn_converted.safetensors"))
    before = sparsity(snn)
    finetune_snn(run, snn, settings, "finetune SNN")
    checkpoint.write(snn, run.path("snn.safetensors"))
    return {"sparsity_before": before, **_measured(run, snn)}


def tune_integers(run: Run) -> Metrics:
    """Finetune the SNN with its weights rounded as the quantizer will, where the recipe asks for it."""
    settings = run.recipe.tune_integers
    if settings is None:
        return {}
    snn = checkpoint.read_snn(run.path("snn.safetensors"))
    snn.round_weights(run.recipe.quantize.weight_bits)
    finetune_snn(run, snn, settings, "tune integers")
    checkpoint.write(snn, run.path("snn_tuned.safetensors"))
    return _measured(run, snn)


def finetune_snn(run: Run, snn: SNN, settings: Finetune, title: str) -> None:
    """Finetune by Eq. 8 under the masks of Eq. 9."""

    def after_update() -> None:
        keep_sparse(snn)
        for neurons in snn.neuron_list():
            neurons.clamp_threshold()

    loss = robust_loss(snn, epsilon=settings.epsilon * LEVEL, beta=settings.beta, generator=run.generator)
    _train(run, settings, list(snn.parameters()), loss, after_update, title)


def _last_snn(run: Run) -> SNN:
    """Return the SNN that goes to hardware."""
    name = "snn" if run.recipe.tune_integers is None else "snn_tuned"
    return checkpoint.read_snn(run.path(f"{name}.safetensors"))


def _measured(run: Run, snn: SNN) -> Metrics:
    """Attack the SNN, keep the attacked images for the integers, and return what the report needs of it."""
    images, labels = run.held_out_tensors()
    attacked = levels(_attack(run, snn))
    with atomic(run.path("adversarial.npz")) as draft:
        np.savez_compressed(draft, images=attacked, labels=labels.numpy())
    return {
        "clean": accuracy(snn, images, labels),
        "robust": accuracy(snn, pixels(attacked), labels),
        "sparsity": sparsity(snn),
        "weights": sum(synapses.weight.numel() for synapses in snn.synapses().values()),
        "thresholds": _thresholds(snn),
    }


def lower_network(run: Run) -> Metrics:
    """Fold the SNN into a float network and compare its spikes with PyTorch's, both in float64."""
    snn = _last_snn(run).double().eval()
    network = folded(lower(snn))
    archive.write(network, run.path("network_float.safetensors"))
    images, _ = run.held_out()
    with torch.no_grad():
        expected = snn.spikes(torch.from_numpy(images.astype(np.float64) / 255))
    found = record(floating.steps(network, stimulus(images, network)))
    pairs = [(spikes.numpy().swapaxes(0, 1).astype(bool), found[n]) for n, spikes in expected.items()]
    different = [int((a.reshape(b.shape) != b).sum()) for a, b in pairs]
    return {"compared": sum(b.size for _, b in pairs), "mismatches": sum(different)}


def quantize_network(run: Run) -> Metrics:
    """Turn the float network into integers with their proof and write the archive."""
    network = archive.read_float(run.path("network_float.safetensors"))
    settings = run.recipe.quantize
    if settings.calibration_images:
        images = stimulus(run.data.train.images[: settings.calibration_images], network)
        integer, clips = search(network, images, weight_bits=settings.weight_bits)
    else:
        integer, clips = quantize(network, weight_bits=settings.weight_bits), {}
    archive.write(integer, run.path("network.safetensors"))
    return {"digest": archive.digest(integer), "clips": clips}


def export_network(run: Run) -> Metrics:
    """Write NIR and ONNX, and the held-out images for the other verbs."""
    network = archive.read_integer(run.path("network.safetensors"))
    nir.write(network, run.path("network.nir"))
    onnx.write(network, run.path("network.onnx"))
    images, labels = run.held_out()
    with atomic(run.path("held_out.npz")) as draft:
        np.savez_compressed(draft, images=images, labels=labels)
    return {name: run.path(name).stat().st_size for name in ("network.safetensors", "network.nir", "network.onnx")}


def check(run: Run) -> Metrics:
    """Compare all executors with the fast one on the held-out images; accuracies come from the same run."""
    network = archive.read_integer(run.path("network.safetensors"))
    images, labels = run.held_out()
    names = list(run.recipe.evaluate.executors)
    fidelities, chosen = fidelity.check(network, stimulus(images, network), names)
    clean = (chosen == labels).mean(axis=1).tolist()
    adversarial, _ = read(run.path("adversarial.npz"), network)
    classes = predicted(network, adversarial, fast.steps)
    return {
        "fidelity": {name: fidelity.summary(found) for name, found in fidelities.items()},
        "accuracy": dict(zip([*fidelities, "integer"], clean, strict=True)),
        "robust": float((classes == labels).mean()),
    }


def report(run: Run) -> Metrics:
    """Count, place and price the network; write report.json and report.html."""
    network = archive.read_integer(run.path("network.safetensors"))
    images, _ = run.held_out()
    document = build.costs(network, stimulus(images, network), list(run.recipe.hardware.profiles))
    document.update(_results(run, network))
    build.write(document, run.folder)
    return {}


STAGES: dict[str, Callable[[Run], Metrics]] = {
    "pretrain": pretrain,
    "prune": prune,
    "convert": convert_network,
    "finetune": finetune,
    "tune_integers": tune_integers,
    "lower": lower_network,
    "quantize": quantize_network,
    "export": export_network,
    "check": check,
    "report": report,
}
DATASETS: dict[str, Callable[[], Dataset]] = {"digits": digits.load}


def execute(recipe: Recipe, folder: Path, *, first: str | None = None, last: str | None = None) -> Path:
    """Run the stages ``first`` to ``last`` (all without them) in ``folder`` and return the folder."""
    names = list(STAGES)
    for stage in (first, last):
        if stage is not None and stage not in names:
            raise RecipeError(f"no stage {stage!r}; there are {', '.join(names)}")
    chosen = names[names.index(first or names[0]) : names.index(last or names[-1]) + 1]
    if not chosen:
        raise RecipeError(f"stage {first!r} comes after stage {last!r}")
    _look_ahead(recipe, chosen)
    run = Run(recipe, folder, DATASETS[recipe.data.name](), torch.Generator())
    _check_unchanged(run, names[: names.index(chosen[0])])
    folder.mkdir(parents=True, exist_ok=True)
    _write_surroundings(run)
    for name in chosen:
        seed = (recipe.seed + 1000 * names.index(name)) % 2**63
        torch.manual_seed(seed)
        run.generator.manual_seed(seed)
        _keep_metrics(run, name, STAGES[name](run))
    return folder


def sparsity(model: ANN | SNN) -> float:
    """Return the share of weights that are exactly zero, over all synaptic layers."""
    weights = [synapses.weight.detach() for synapses in model.synapses().values()]
    zeros = sum(int((weight == 0).sum()) for weight in weights)
    return zeros / sum(weight.numel() for weight in weights)


def _settings(recipe: Recipe, stage: str) -> Metrics:
    """Return the parts of a recipe that a stage depends on beyond the stages before it."""
    names = {"pretrain": ("seed", "data", "network", "pretrain"), "check": (), "report": ("hardware",)}
    own = names.get(stage, (stage,) if hasattr(recipe, stage) else ())
    whole: Metrics = msgspec.json.decode(msgspec.json.encode(recipe))
    used = {name: whole[name] for name in own}
    return used | {"evaluate": {key: whole["evaluate"][key] for key in ("epsilon", "attack_steps", "images")}}


def _check_unchanged(run: Run, earlier: list[str]) -> None:
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


def _look_ahead(recipe: Recipe, chosen: list[str]) -> None:
    """Raise at once what a late stage would raise after minutes of training."""
    if "check" in chosen:
        if not set(recipe.evaluate.executors) - {fidelity.BASE}:
            raise RecipeError("evaluate.executors names nothing to compare with fast")
        for name in recipe.evaluate.executors:
            executor(name)
        if "lava" in recipe.evaluate.executors:
            environment.python()
    if "report" in chosen:
        for name in recipe.hardware.profiles:
            load_profile(name)


def _masks(run: Run, model: ANN, method: str) -> dict[str, Tensor]:
    settings = run.recipe.prune
    if method == "lwm":
        return lwm.masks(model, settings.sparsity)
    return hydra.masks(
        model, settings.sparsity, lambda scores: _train_ann(run, model, settings.score, scores, "HYDRA scores")
    )


def _train_ann(run: Run, model: ANN, settings: Pretrain, parameters: list[Any], title: str) -> None:
    loss = trades(
        model,
        epsilon=settings.epsilon * LEVEL,
        steps=settings.attack_steps,
        regularization=settings.regularization,
        generator=run.generator,
    )
    _train(run, settings, parameters, loss, lambda: keep_sparse(model), title)


def _train(
    run: Run,
    settings: Training,
    parameters: list[Any],
    loss: Callable[[Tensor, Tensor], Tensor],
    after_update: Callable[[], None],
    title: str,
) -> None:
    train(
        parameters,
        run.data.train.tensors(),
        loss,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        shift=settings.shift,
        generator=run.generator,
        after_update=after_update,
        progress=Progress(title),
    )


def _attack(run: Run, model: ANN | SNN) -> Tensor:
    settings = run.recipe.evaluate
    return attacked(
        model,
        *run.held_out_tensors(),
        epsilon=settings.epsilon * LEVEL,
        steps=settings.attack_steps,
        generator=run.generator,
    )


def _robustness(run: Run, model: ANN | SNN) -> Metrics:
    images, labels = run.held_out_tensors()
    return {"clean": accuracy(model, images, labels), "robust": accuracy(model, _attack(run, model), labels)}


def _thresholds(snn: SNN) -> list[float]:
    return [neurons.threshold.item() for neurons in snn.neuron_list()]


def _write_surroundings(run: Run) -> None:
    """Write recipe, versions and seed beside the artefacts."""
    packages = ("spikeport", "torch", "numpy", "onnx", "onnxruntime", "nir", "safetensors")
    surroundings = {
        "recipe": msgspec.to_builtins(run.recipe),
        "versions": {name: metadata.version(name) for name in packages} | {"python": platform.python_version()},
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_text(run.path("run.json"), json.dumps(surroundings, indent=1) + "\n")


class Record(msgspec.Struct):
    """What a stage measured, and the parts of the recipe that it depended on."""

    recipe: Metrics
    results: Metrics


def _records(run: Run) -> dict[str, Record]:
    path = run.path("metrics.json")
    if not path.is_file():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Record])
    except msgspec.MsgspecError as error:
        raise ArchiveError(f"{path}: damaged ({error}); delete it and run the stages again") from None


def _keep_metrics(run: Run, stage: str, results: Metrics) -> None:
    """Keep what ``stage`` measured, and forget the stages behind it: they saw older files."""
    names = list(STAGES)
    kept = {name: record for name, record in _records(run).items() if name in names[: names.index(stage)]}
    kept[stage] = Record(_settings(run.recipe, stage), results)
    write_text(run.path("metrics.json"), json.dumps(msgspec.to_builtins(kept), indent=1, allow_nan=False) + "\n")


def _results(run: Run, network: IntegerNetwork) -> Metrics:
    """Return what the earlier stages measured, under the keys of the report."""
    records, path = _records(run), run.path("metrics.json")
    missing = [stage for stage in list(STAGES)[:-1] if stage not in records]
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
            **{f"ann_{name}_clean": found["clean"] for name, found in metrics["prune"].items()},
            **{f"ann_{name}_robust": found["robust"] for name, found in metrics["prune"].items()},
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
