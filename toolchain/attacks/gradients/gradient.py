"""What every gradient of an attack is: a frozen object that says how the loss is differentiated by the pixels."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from spikeport.export.errors import AttackError
from spikeport.toolchain.choices import Choice

PerImage = Callable[[Tensor], Tensor]
"""From logits (N, classes) to a loss (N,)."""


class Gradient(Choice, frozen=True, kw_only=True):
    """A way to differentiate: back-propagation through the model as ``applied`` leaves it, or more in a subclass."""

    @property
    def own_forward(self) -> bool:
        """Whether the loss is given the model's own logits; where not, an attack asks the model for its classes."""
        return True

    def applied(self, model: nn.Module) -> AbstractContextManager[None]:
        """Return what holds while the attack differentiates: nothing by itself, an exchanged surrogate for example."""
        del model
        return nullcontext()

    def __call__(self, model: nn.Module, images: Tensor, loss: PerImage) -> tuple[Tensor, Tensor]:
        """Return the gradient of the sum of ``loss`` by the images (N, C, H, W), and the loss (N,) at the images."""
        with self.applied(model), frozen(model):
            images = images.detach().requires_grad_()
            losses = loss(model(images))
            if not losses.requires_grad:
                raise AttackError(
                    f"{type(model).__name__} has no gradient by the pixels; use the "
                    "attack 'square', which needs scores alone, or 'transfer', which differentiates another network"
                )
            (gradient,) = torch.autograd.grad(losses.sum(), images)
        return gradient, losses.detach()


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Differentiate by no parameter of the model while the block runs, so that no gradient of a weight is computed."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_()
