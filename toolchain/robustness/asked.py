"""The model that is attacked, and how often it is asked."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.attack import Scores
from spikeport.toolchain.attacks.ensemble import Member
from spikeport.toolchain.attacks.inputs import check_labels, check_mode
from spikeport.toolchain.nn.draws import Draws, Random, is_random


class Asked(nn.Module):
    """A callable from images to scores as a module."""

    def __init__(self, scores: Scores) -> None:
        super().__init__()
        self.scores = scores

    def forward(self, images: Tensor) -> Tensor:
        return torch.as_tensor(self.scores(images))

    @property
    def is_random(self) -> bool:
        """Whether the callable draws random numbers, as far as it is known."""
        return is_random(self.scores)

    @property
    def generator(self) -> Draws | None:
        """What it draws from at this moment."""
        found = getattr(self.scores, "generator", None)
        return found if isinstance(found, Draws) else None

    def drawing(self, draws: Draws) -> AbstractContextManager[None]:
        """Let the callable draw from ``draws`` inside the block."""
        return self.scores.drawing(draws) if isinstance(self.scores, Random) else nullcontext()

    def numbered(self, numbers: Iterable[int]) -> AbstractContextManager[None]:
        """Let images inside the block have these numbers."""
        return self.scores.numbered(numbers) if isinstance(self.scores, Random) else nullcontext()


class Count:
    """Images that a model was given."""

    def __init__(self) -> None:
        self.images = 0

    def add(self, _module: nn.Module, given: tuple[Any, ...], _made: object) -> None:
        """Count the images of one forward pass."""
        self.images += len(given[0])


@contextmanager
def counted(model: nn.Module) -> Iterator[Count]:
    """Yield the count of images that the model is given while the block runs."""
    count = Count()
    hook = model.register_forward_hook(count.add)
    try:
        yield count
    finally:
        hook.remove()


def as_module(model: nn.Module | Scores) -> nn.Module:
    """Return a module as it is, and any other callable as one."""
    return model if isinstance(model, nn.Module) else Asked(model)


def check_model(model: nn.Module, members: Sequence[Member], image: Tensor, labels: Tensor) -> None:
    """Raise `AttackError` unless the members can attack ``model``, as the scores of one ``image`` (1, ...) show.

    It says where a layer is in training mode, where scores are not (1, classes), where one of all ``labels`` is no
    class, where members need a gradient and there is none, and where it is no network that a member's gradient is for.
    """
    named = type(model.scores if isinstance(model, Asked) else model).__name__
    check_mode(model)
    with torch.no_grad():
        scores = model(image)
    check_labels(torch.zeros_like(labels[:1]), scores)
    check_labels(labels.to(scores.device), scores.expand(len(labels), -1))
    needing = [member for member in members if member.attack.NEEDS_GRADIENT]
    if needing and not has_gradient(model, image):
        names = ", ".join(repr(member.name) for member in needing[:3]) + ", ..." * (len(needing) > 3)
        raise AttackError(
            f"{len(needing)} members ({names}) need the gradient of the scores by the pixels, and {named} has none; "
            "take members that ask for scores alone, such as 'square', or attack the float model"
        )
    for member in needing:
        with member.attack.gradient.applied(model):
            pass


def has_gradient(model: nn.Module, image: Tensor) -> bool:
    """Return whether PyTorch can differentiate the model's scores by the pixels."""
    try:
        with torch.enable_grad():
            scores: Tensor = model(image.detach().clone().requires_grad_())
    except RuntimeError as error:
        if "requires grad" in str(error):  # numpy was asked for the pixels
            return False
        raise
    return scores.requires_grad
