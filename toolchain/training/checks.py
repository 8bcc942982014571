"""What is looked at before a training starts, so that bad input costs no minutes."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from spikeport.export.errors import TrainingError
from spikeport.toolchain.choices import tag_of
from spikeport.toolchain.data.checks import label_fault
from spikeport.toolchain.data.dataset import Dataset, Split
from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.specification import READOUT
from spikeport.toolchain.nn.spiking import Spiking
from spikeport.toolchain.objectives.attacked import AttackedObjective
from spikeport.toolchain.objectives.objective import Objective
from spikeport.toolchain.training.settings import Training

WHOLE = 1e-6
"""How far a number of images may be from a whole one, for the rounding of a ratio."""


def check(
    model: nn.Module, data: Dataset, objective: Objective, settings: Training, parameters: Sequence[nn.Parameter]
) -> None:
    """Raise `TrainingError` for data, a network or settings that cannot be trained together."""
    if not parameters:
        raise TrainingError("nothing to train: the network has no parameter that requires a gradient")
    for name in ("train", "validation"):
        check_split(getattr(data, name), data.classes, f"{data.name}, {name} split")
    if data.extra is not None:
        check_split(data.extra, data.classes, f"{data.name}, extra images")
    _check_network(model, data)
    fault = spiking_fault(objective, "snn" if isinstance(model, SNN) else "ann")
    if fault is not None:
        raise TrainingError(fault)
    check_settings(data, objective, settings)


def check_split(split: Split, classes: int, where: str) -> None:
    """Raise `TrainingError` where images or labels have a wrong shape, type or range; an empty split is right."""
    images, labels = split.images, split.labels
    fault = label_fault(labels)
    if fault is not None:
        raise TrainingError(f"{where}: the labels are {fault}")
    if len(labels) != len(images):
        raise TrainingError(f"{where}: there are {len(labels):,} labels for {len(images):,} images; expected one each")
    if images.ndim not in {4, 5}:
        raise TrainingError(f"{where}: images are {images.shape}; expected (N, C, H, W) or frames (N, T, C, H, W)")
    if images.dtype not in (np.uint8, np.float32):
        raise TrainingError(f"{where}: images are {images.dtype}; expected uint8 levels, or float32 in [0, 1]")
    if not len(images):
        return
    if images.dtype == np.float32 and not (images.min() >= 0 and images.max() <= 1):
        raise TrainingError(f"{where}: images reach from {images.min():.4g} to {images.max():.4g}; expected [0, 1]")
    if labels.min() < 0 or labels.max() >= classes:
        raise TrainingError(f"{where}: labels reach from {labels.min()} to {labels.max()}; expected 0 to {classes - 1}")


def _check_network(model: nn.Module, data: Dataset) -> None:
    if isinstance(model, SNN) and model.steps < 1:
        raise TrainingError(f"the spiking network has T = {model.steps} steps; expected 1 at least")
    if not isinstance(model, Backbone):
        return
    fault = time_fault(model.spiking if isinstance(model, SNN) else None, data.frames)
    if fault is not None:
        raise TrainingError(f"{data.name}: {fault}")
    shape, expected = tuple(data.train.images.shape[-3:]), tuple(model.specification.input_shape)
    if len(data.train.images) and shape != expected:
        raise TrainingError(f"{data.name}: images are {shape} (C, H, W); the network takes {expected}")
    outputs = model.specification.shapes()[READOUT][0]
    if outputs != data.classes:
        raise TrainingError(f"{data.name} has {data.classes} classes; the network's readout has {outputs} outputs")


def spiking_fault(objective: Objective, model: str) -> str | None:
    """Return why an objective cannot train an 'ann' or 'snn'."""
    if model == "snn" or not objective.SPIKING:
        return None
    kind, task = tag_of(objective), tag_of(objective.base())
    instead = f"use kind = {task!r} here, and {kind} where an SNN is trained" if task != kind else "train an SNN"
    return f"objective {kind!r} needs potentials, and an ANN has none; {instead}"


def time_fault(spiking: Spiking | None, frames: int | None) -> str | None:
    """Return why samples of ``frames`` frames (None: images) do not suit an SNN's settings (None: an ANN)."""
    if spiking is None:
        return (
            None
            if frames is None
            else f'a sample is {frames} frames, which an ANN cannot take; train an SNN: model = "snn"'
        )
    encoder = spiking.encoder
    if frames is None:
        return (
            f"its images are held, and the encoder {tag_of(encoder)!r} takes frames" if encoder.TAKES_FRAMES else None
        )
    if not encoder.TAKES_FRAMES:
        return (
            f"a sample is {frames} frames, and the encoder {tag_of(encoder)!r} takes images; "
            f'set spiking = {{ steps = {frames}, encoder = {{ kind = "frames" }} }}'
        )
    return (
        f"a sample is {frames} frames, and T = {spiking.steps}; set steps = {frames}"
        if spiking.steps != frames
        else None
    )


def check_settings(data: Dataset, objective: Objective, settings: Training) -> None:
    """Raise `TrainingError` where settings contradict each other, the data or the objective."""
    count, pieces = len(data.train.images), settings.processes * settings.accumulate
    if count == 0:
        raise TrainingError(f"{data.name}: the training split is empty; expected {settings.batch_size} images at least")
    own = settings.batch_size - _extras(data, settings)
    if own > count:
        of = f", {own} of them of the training split" if own < settings.batch_size else ""
        raise TrainingError(
            f"batch_size is {settings.batch_size}{of}; {data.name} has {count} images to train on; use a smaller batch"
        )
    if settings.batch_size % pieces:
        raise TrainingError(
            f"batch_size {settings.batch_size} does not divide into {settings.processes} processes times "
            f"{settings.accumulate} parts; use a multiple of {pieces}"
        )
    if 0 < settings.epochs <= settings.warmup:
        raise TrainingError(f"warmup is {settings.warmup} epochs of {settings.epochs}; expected fewer")
    if settings.best == "robust" and not isinstance(objective.base(), AttackedObjective):
        raise TrainingError('best = "robust" needs an objective with an attack; use best = "clean"')
    if settings.best == "robust" and not len(data.validation.images):
        raise TrainingError('best = "robust" needs a validation split; set data.validation, or use best = "clean"')


def _extras(data: Dataset, settings: Training) -> int:
    """Return how many images of a batch are extra ones; `TrainingError` where the ratio gives no whole number."""
    if data.extra is None or not settings.extra:
        return 0
    size, wanted = settings.batch_size, data.ratio * settings.batch_size
    extras = data.extras(size)
    if abs(wanted - extras) > WHOLE or not 0 < extras < size:
        nearest = min(max(extras, 1), size - 1)
        raise TrainingError(
            f"data.extra.ratio {data.ratio:g} of batch_size {size} is {wanted:g} images; expected 1 to {size - 1}, a "
            f"whole number: use another batch_size, or ratio = {nearest / size!r}, which is {nearest} images"
        )
    return extras


def check_device(device: str, settings: Training) -> None:
    """Raise `TrainingError` where a device cannot do what the settings ask for."""
    if settings.precision == "16" and device == "cpu":
        raise TrainingError('precision = "16" needs a GPU; use "bf16" or "32" on the CPU')
    if settings.processes > 1 and device == "mps":
        raise TrainingError(f"processes = {settings.processes}: mps is one device; use 1")
    if settings.processes > 1 and device == "cuda" and settings.processes > torch.cuda.device_count():
        raise TrainingError(
            f"processes = {settings.processes}: there are {torch.cuda.device_count()} GPUs; use as many"
        )
