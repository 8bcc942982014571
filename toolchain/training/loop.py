"""What every training stage shares: shuffled batches, momentum SGD with a cosine schedule, evaluation."""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from spikeport.export.errors import TrainingError
from spikeport.export.progress import Progress

Batch = tuple[Tensor, Tensor]


def divergence(attacked: Tensor, clean: Tensor) -> Tensor:
    """Kullback-Leibler divergence D_KL(softmax(attacked) || softmax(clean)), mean over the batch."""
    attacked, clean = functional.log_softmax(attacked, 1), functional.log_softmax(clean, 1)
    return functional.kl_div(clean, attacked, reduction="batchmean", log_target=True)


def batches(images: Tensor, labels: Tensor, size: int, generator: torch.Generator) -> Iterator[Batch]:
    """Yield shuffled batches; a last batch of one image is left out, as batch norm needs two."""
    order = torch.randperm(len(images), generator=generator)
    for rows in torch.split(order, size):
        if len(rows) > 1:
            yield images[rows], labels[rows]


def shifted(images: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Shift the whole batch by up to ``pixels`` in each direction, zeros move in (random crop after padding)."""
    if pixels == 0:
        return images
    height, width = images.shape[-2:]
    row, column = torch.randint(0, 2 * pixels + 1, (2,), generator=generator).tolist()
    padded = functional.pad(images, (pixels,) * 4)
    return padded[..., row : row + height, column : column + width]


def train(
    parameters: Iterable[nn.Parameter],
    data: tuple[Tensor, Tensor],
    step: Callable[[Tensor, Tensor], Tensor],
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
    shift: int,
    generator: torch.Generator,
    after_update: Callable[[], None],
    progress: Progress,
) -> None:
    """Minimise ``step(images, labels)`` by SGD with momentum 0.9 and cosine annealing."""
    optimizer = torch.optim.SGD(parameters, lr=learning_rate, momentum=0.9, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(epochs, 1))
    for _ in progress.track(range(epochs)):
        for images, labels in batches(*data, batch_size, generator):
            loss = step(shifted(images, shift, generator), labels)
            if not torch.isfinite(loss):
                raise TrainingError(f"{progress.title}: the loss is {loss.item()}; use a smaller learning_rate")
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            after_update()
        schedule.step()


@torch.no_grad()
def predictions(model: nn.Module, images: Tensor, batch_size: int = 250) -> Tensor:
    """Return the predicted class per image, in evaluation mode."""
    model.eval()
    return torch.cat([model(part).argmax(1) for part in torch.split(images, batch_size)])


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of correctly classified images."""
    return float((predictions(model, images) == labels).double().mean())
