"""What attacks refuse: images, labels, epsilon and networks, each with one sentence."""

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from spikeport.export.errors import AttackError


class NaNError(AttackError):
    """The attacked network gives NaN, or its gradient by the pixels is NaN."""


BY_MODE = (_BatchNorm, _DropoutNd)
"""Layers that compute something else in training mode."""


def check_input(images: Tensor, labels: Tensor, epsilon: float) -> None:
    """Raise `AttackError` unless ``images`` (N, ...) and ``epsilon`` lie in [0, 1] and there is a label per image."""
    if not 0 <= epsilon <= 1:
        raise AttackError(f"epsilon is {epsilon}; expected 0 to 1 (8/255 is 8 pixel levels)")
    if not images.is_floating_point() or len(images) != len(labels):
        raise AttackError(
            f"found images {images.dtype} {tuple(images.shape)} and labels {tuple(labels.shape)}; expected float "
            "images (N, ...) and labels (N,)"
        )
    if len(images) and not (images.amin() >= 0 and images.amax() <= 1):
        raise AttackError(
            f"images reach from {float(images.amin()):.4g} to {float(images.amax()):.4g}; expected pixels in [0, 1]"
        )


def check_labels(labels: Tensor, scores: Tensor) -> None:
    """Raise `AttackError` unless ``scores`` are (N, classes) and every label is one of the classes."""
    if scores.ndim != 2 or len(scores) != len(labels) or scores.shape[1] < 2:
        raise AttackError(
            f"the network gives scores {tuple(scores.shape)} for {len(labels)} images; expected (N, classes) with two "
            "classes or more"
        )
    if len(labels) and not (labels.amin() >= 0 and labels.amax() < scores.shape[1]):
        raise AttackError(
            f"labels reach from {int(labels.amin())} to {int(labels.amax())}; the network has classes 0 to "
            f"{scores.shape[1] - 1}"
        )


def check_network(model: object, name: str) -> None:
    """Raise `AttackError` unless ``model`` can be differentiated as it is used: a PyTorch network in evaluation mode.

    Batch norm and dropout of a network in training mode mix images of the batch or draw random numbers; layers that
    compute the same in both modes are not looked at.
    """
    if not isinstance(model, nn.Module):
        raise AttackError(
            f"attack {name!r} differentiates the network, and {type(model).__name__} is no PyTorch network; use "
            "'square', which needs scores alone, or 'transfer', which differentiates another network"
        )
    check_mode(model)


def check_mode(model: object) -> None:
    """Raise `AttackError` where a layer of a PyTorch network is in training mode and differs by it."""
    for place, module in model.named_modules() if isinstance(model, nn.Module) else ():
        if module.training and isinstance(module, BY_MODE):
            raise AttackError(
                f"layer {place or 'of the model'} ({type(module).__name__}) is in training mode, where an image's "
                "scores depend on more than the image; call model.eval() first"
            )
