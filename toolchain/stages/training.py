"""Stages that train: dense ANN, pruned ANN, converted SNN, finetuned SNN."""

import copy
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from spikeport.export.files import write_arrays
from spikeport.toolchain import checkpoint
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.config import Finetune, Pretrain, Recipe, Training
from spikeport.toolchain.conversion import convert
from spikeport.toolchain.data.dataset import Dataset, levels, pixels
from spikeport.toolchain.evaluation import accuracy, attacked
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.architectures.architecture import Images
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.specification import Specification
from spikeport.toolchain.objectives.objective import Objective
from spikeport.toolchain.objectives.robust_kl import RobustKl
from spikeport.toolchain.objectives.trades import Trades
from spikeport.toolchain.pruning.hydra import Hydra
from spikeport.toolchain.pruning.lwm import Lwm
from spikeport.toolchain.stages.run import LEVEL, Metrics, Run
from spikeport.toolchain.training.constraints import keep_sparse, sparsity
from spikeport.toolchain.training.settings import Training as Settings
from spikeport.toolchain.training.trainer import fit


def specified(recipe: Recipe, data: Dataset) -> Specification:
    """Return the recipe's network for the images; `RecipeError` where nothing would be left of an image."""
    images = Images(shape=data.train.images.shape[1:], classes=data.classes, mean=data.mean, std=data.std)
    return recipe.network.specification(images)


def pretrain(run: Run) -> Metrics:
    """Train the dense ANN with TRADES."""
    model = ANN(specified(run.recipe, run.data))
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
        steps=run.recipe.steps,
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
    objective = RobustKl(epsilon=settings.epsilon, beta=settings.beta)
    _train(run, snn, settings, objective, list(snn.parameters()), title)


def _measured(run: Run, snn: SNN) -> Metrics:
    """Attack the SNN, keep the attacked images for the integers, and return what the report needs of it."""
    images, labels = run.held_out_tensors()
    attacked = levels(_attack(run, snn))
    write_arrays(run.path("adversarial.npz"), {"images": attacked, "labels": labels.numpy()}, compressed=True)
    return {
        "clean": accuracy(snn, images, labels),
        "robust": accuracy(snn, pixels(attacked), labels),
        "sparsity": sparsity(snn),
        "weights": sum(synapses.weight.numel() for synapses in snn.synapses().values()),
        "thresholds": _thresholds(snn),
    }


def _masks(run: Run, model: ANN, method: str) -> dict[str, Tensor]:
    settings = run.recipe.prune
    learn = partial(_train_ann, run, model, settings.score, title="HYDRA scores")
    pruner = Lwm() if method == "lwm" else Hydra()
    return pruner.masks(model, settings.sparsity, learn, generator=run.generator)


def _train_ann(run: Run, model: ANN, settings: Pretrain, parameters: Any, title: str, **_: Any) -> Metrics:
    attack = Pgd(steps=settings.attack_steps)
    objective = Trades(epsilon=settings.epsilon, attack=attack, regularization=settings.regularization)
    return _train(run, model, settings, objective, parameters, title)


def _train(
    run: Run, model: ANN | SNN, settings: Training, objective: Objective, parameters: Any, title: str
) -> Metrics:
    wanted = Settings(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
    )
    seed = run.generator.initial_seed()
    with TemporaryDirectory(dir=run.folder) as scratch:
        trained = fit(
            model, run.data, objective, wanted, folder=Path(scratch), seed=seed, parameters=parameters, title=title
        )
    return {"best_epoch": trained.best_epoch}


def _attack(run: Run, model: ANN | SNN) -> Tensor:
    settings = run.recipe.evaluate
    return attacked(
        model,
        *run.held_out_tensors(),
        attack=Pgd(steps=settings.attack_steps),
        epsilon=settings.epsilon * LEVEL,
        generator=run.generator,
    ).images


def _robustness(run: Run, model: ANN | SNN) -> Metrics:
    images, labels = run.held_out_tensors()
    return {"clean": accuracy(model, images, labels), "robust": accuracy(model, _attack(run, model), labels)}


def _thresholds(snn: SNN) -> list[float]:
    return [neurons.threshold.item() for neurons in snn.neuron_list()]
