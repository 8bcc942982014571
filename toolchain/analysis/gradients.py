"""Sparsity of gradients: exact zeros and norm of the gradient by the input of every operation of a network."""

import math
from collections.abc import Sequence
from typing import TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from spikeport.export.errors import AttackError, NetworkError
from spikeport.export.progress import Progress
from spikeport.toolchain.analysis.gradients_figures import KindFigure, Measured, OperationFigure
from spikeport.toolchain.analysis.gradients_result import Gradients
from spikeport.toolchain.analysis.operations import PIXELS, Operations
from spikeport.toolchain.analysis.taps import Taps
from spikeport.toolchain.attacks.inputs import check_labels
from spikeport.toolchain.evaluation import device_of, evaluating
from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.nn.draws import numbered
from spikeport.toolchain.nn.snn import SNN

BATCH = 20
"""Images at a time: every operation keeps its values at all steps."""


def gradients(model: nn.Module, images: Tensor, labels: Tensor, *, title: str = "network") -> Gradients:
    """Return zeros and norms of the gradients of the cross-entropy of each image, by the input of each operation.

    ``images`` (N, C, H, W) in [0, 1], or frames, ``labels`` (N,). The model runs in evaluation mode with its own
    surrogate; a held image is given in every step, so that all operations but the encoder have T of them. The gradient
    by an operation's input is the one that flows through this operation. Raises `NetworkError` where the network has
    no neurons, `AttackError` where there are no images.

    Source: Luu, 'Accuracy-robustness trade off via spiking neural network gradient sparsity trail', Figures 1 and 3.
    """
    if not isinstance(model, Backbone):
        raise NetworkError(
            f"a {type(model).__name__} was given; expected an ANN or SNN of spikeport, whose operations are known: "
            "spikeport.from_torch(model, example).model is one"
        )
    if not model.neuron_nodes():
        raise NetworkError("the network has no neurons; expected one layer of neurons at least: nothing can be sparse")
    if not len(images):
        raise AttackError("there are no images to differentiate at; give some with labels")
    taps = Taps()
    operations = Operations(model, taps)
    with evaluating(model):
        right, device = 0, device_of(model)
        batches = [slice(first, first + BATCH) for first in range(0, len(images), BATCH)]
        for rows in Progress("gradients").track(batches):
            with numbered(model, range(rows.start, min(rows.stop, len(images)))):
                right += _backward(operations, images[rows].to(device, model.mean.dtype), labels[rows].to(device))
    return _result(operations, title, right)


def _backward(operations: Operations, images: Tensor, labels: Tensor) -> int:
    """Differentiate the sum of the losses; each image's is its own. Return how many are classified rightly."""
    logits, first = operations.logits(images)
    check_labels(labels, logits)
    torch.autograd.grad(functional.cross_entropy(logits, labels, reduction="sum"), first, allow_unused=True)
    return int((logits.argmax(1) == labels).sum())


def _result(operations: Operations, title: str, right: int) -> Gradients:
    taps, model = operations.taps, operations.model
    figures = [
        OperationFigure(layer=place.layer, kind=place.kind, values=taps.values[name], **_measured([name], taps))
        for name, place in operations.places.items()
    ]
    names: dict[str, list[str]] = {}
    for name, place in operations.places.items():
        names.setdefault(place.kind, []).append(name)
    images = len(taps.norms(PIXELS))
    return Gradients(
        network=title,
        steps=model.steps if isinstance(model, SNN) else None,
        images=images,
        clean=right / images,
        pixels=Measured(**_measured([PIXELS], taps)),
        kinds=tuple(
            KindFigure(kind=kind, operations=len(each), **_measured(each, taps)) for kind, each in names.items()
        ),
        operations=tuple(figures),
    )


class _Figures(TypedDict):
    zeros: float
    zeros_error: float | None
    norm: float
    norm_error: float | None


def _measured(names: Sequence[str], taps: Taps) -> _Figures:
    """Return the means over images, with standard errors, of the mean over operations."""
    zeros, norms = (torch.stack([of(name) for name in names]).mean(0) for of in (taps.zeros, taps.norms))
    return {
        "zeros": float(zeros.mean()),
        "zeros_error": _error(zeros),
        "norm": float(norms.mean()),
        "norm_error": _error(norms),
    }


def _error(values: Tensor) -> float | None:
    """Return the standard error of the mean of values (N,); nothing is known of it from one."""
    return float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else None
