"""Clean and robust accuracy of PyTorch networks, in batches on the device of the model."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spikeport.export.errors import AttackError
from spikeport.export.progress import Progress
from spikeport.toolchain.attacks.attack import Adversarial, Attack
from spikeport.toolchain.data.dataset import PIXEL_LEVELS
from spikeport.toolchain.nn.draws import numbered

BATCH = 250
SLACK = 1e-4
"""Levels that pixels and epsilons may be off by rounding: in single precision, a level of 255 is known to 2e-5."""


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """Share of images classified rightly, ``clean`` and ``robust`` (under attack), and the attacked ``images``."""

    clean: float
    robust: float
    images: Tensor


def accuracy(model: nn.Module, images: Tensor, labels: Tensor, *, batch_size: int = BATCH, title: str = "") -> float:
    """Return the share of images (N, ...) that the model classifies as ``labels`` (N,), in evaluation mode."""
    return float((predictions(model, images, batch_size, title=title) == labels).double().mean())


@torch.no_grad()
def predictions(model: nn.Module, images: Tensor, batch_size: int = BATCH, *, title: str = "") -> Tensor:
    """Return the predicted class per image, on the CPU."""
    device = device_of(model)
    with evaluating(model):
        parts = [_classes(model, images[rows].to(device), rows) for rows in _batches(len(images), batch_size, title)]
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64)


def attacked(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    attack: Attack,
    epsilon: float,
    generator: torch.Generator,
    batch_size: int = BATCH,
    levels: int | None = None,
    title: str = "",
) -> Adversarial:
    """Return attacked images and the attack's success, on the CPU, for a model in evaluation mode.

    ``levels``: every pixel is a multiple of 1/levels within the ball, as a chip is given it (255: 8 bits); success is
    of these images. ``title`` names the work on the terminal.
    """
    device, found, success = device_of(model), [], []
    with evaluating(model):
        for rows in _batches(len(images), batch_size, title):
            at, expected = images[rows].to(device), labels[rows].to(device)
            moved = attack.perturb(model, at, expected, epsilon=epsilon, generator=generator)
            moved = rounded_inside(moved, at, epsilon, levels) if levels else moved
            found.append(moved.cpu())
            success.append(_classes(model, moved, rows) != expected.cpu())
    if not found:
        return Adversarial(images=images, success=torch.empty(0, dtype=torch.bool))
    return Adversarial(images=torch.cat(found), success=torch.cat(success))


def robustness(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    attack: Attack,
    epsilon: float,
    generator: torch.Generator,
    batch_size: int = BATCH,
    levels: int | None = None,
    title: str = "",
) -> Robustness:
    """Return clean and robust accuracy; see `attacked`."""
    found = attacked(
        model, images, labels, attack=attack, epsilon=epsilon, generator=generator, batch_size=batch_size,
        levels=levels, title=title,
    )  # fmt: skip
    clean = accuracy(model, images, labels, batch_size=batch_size)
    return Robustness(clean=clean, robust=1 - float(found.success.double().mean()), images=found.images)


def rounded_inside(attacked_images: Tensor, images: Tensor, epsilon: float, levels: int = PIXEL_LEVELS) -> Tensor:
    """Return the nearest multiples of 1/levels that lie in the epsilon ball around ``images`` and in [0, 1].

    Rounding alone can leave the ball where epsilon is no whole number of levels. `AttackError` where the ball around a
    pixel that is itself on no level holds none.
    """
    low = torch.ceil((images.double() - epsilon) * levels - SLACK).clamp(min=0)
    high = torch.floor((images.double() + epsilon) * levels + SLACK).clamp(max=levels)
    if bool((low > high).any()):
        raise AttackError(
            f"no multiple of 1/{levels} lies within {epsilon:.4g} of some pixels; give images on such levels, "
            "or a larger epsilon"
        )
    whole = torch.round(attacked_images.double() * levels).clamp(low, high)
    return (whole / levels).to(images.dtype)


def device_of(model: nn.Module) -> torch.device:
    """Return where the model's first parameter or buffer is; the CPU for a model without any."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Hold the model in evaluation mode while the block runs; every layer has its own mode again afterwards."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


@torch.no_grad()
def _classes(model: nn.Module, images: Tensor, rows: slice) -> Tensor:
    """Return the classes of the images ``rows`` of a set, on the CPU; a random network draws what they get there."""
    with numbered(model, range(rows.start, rows.start + len(images))):
        classes: Tensor = model(images).argmax(1).cpu()
    return classes


def _batches(count: int, size: int, title: str) -> Iterator[slice]:
    """Yield the rows of every batch, under a bar with ``title`` where there is one."""
    progress = Progress(title, enabled=bool(title))
    yield from (slice(number * size, (number + 1) * size) for number in progress.track(range(math.ceil(count / size))))
