"""What stops a training: a loss or a gradient that is no finite number, with the place where it began."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from spikeport.export.errors import TrainingError
from spikeport.toolchain.attacks.inputs import NaNError

ADVICE = "use a smaller learning_rate, or clip the gradient (clip)"


def check_loss(value: float, model: nn.Module, images: Tensor, place: str) -> None:
    """Raise `TrainingError` with the first layer whose output is no finite number, where the loss is none."""
    if not math.isfinite(value):
        layer = first_not_finite(model, images)
        found = f", first in layer {layer!r}" if layer else ""
        raise _diverged(place, f"the loss is {value}{found}")


@contextmanager
def attacking(model: nn.Module, images: Tensor, place: str) -> Iterator[None]:
    """Turn an attack that met NaN into `TrainingError`: with the layer, or of the gradient where all are finite."""
    try:
        yield
    except NaNError as error:
        if first_not_finite(model, images) is not None:
            check_loss(math.nan, model, images, place)
        raise _diverged(place, f"layers are finite, but {error}") from None


def _diverged(place: str, found: str) -> TrainingError:
    return TrainingError(f"{place}: the training diverged: {found}; {ADVICE}; the last good checkpoint stays")


def check_gradients(model: nn.Module, parameters: Iterable[nn.Parameter], norm: Tensor, place: str) -> None:
    """Raise `TrainingError` with the layer, where the ``norm`` of all gradients is no finite number."""
    if bool(torch.isfinite(norm)):
        return
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    bad = [p for p in parameters if p.grad is not None and not bool(torch.isfinite(p.grad).all())]
    layer = f"of {names.get(id(bad[0]), 'a learned parameter')!r}" if bad else "in all"
    raise _diverged(place, f"the gradient {layer} is not finite")


@torch.no_grad()
def first_not_finite(model: nn.Module, images: Tensor) -> str | None:
    """Return the first innermost module, in order of execution, whose parameters or output are not finite."""
    bad: list[str] = []

    def watching(name: str) -> Any:
        def hook(module: nn.Module, _given: Any, result: Any) -> None:
            own = [*module.parameters(recurse=False), *([result] if isinstance(result, Tensor) else [])]
            if not all(bool(torch.isfinite(tensor).all()) for tensor in own):
                bad.append(name)

        return hook

    leaves = [(name, each) for name, each in model.named_modules() if not list(each.children())]
    handles = [module.register_forward_hook(watching(name)) for name, module in leaves]
    try:
        model(images)
    finally:
        for handle in handles:
            handle.remove()
    return bad[0] if bad else None
