"""Transfer: images made on another network, whose gradients are at hand."""

from functools import lru_cache
from pathlib import Path
from typing import ClassVar, cast

import torch
from torch import Tensor

from spikeport.export.errors import AttackError
from spikeport.toolchain import checkpoint
from spikeport.toolchain.attacks.attack import Attack, Scores, ball
from spikeport.toolchain.attacks.gradients.trained import Trained
from spikeport.toolchain.attacks.inputs import check_input
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.choices import tag_of
from spikeport.toolchain.importing.models import read_model
from spikeport.toolchain.named_models import is_named, named
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.specification import INPUT

Statistics = float | tuple[float, ...]


class Transfer(Attack, frozen=True, kw_only=True, tag="transfer"):
    """The images of ``attack`` on the network in the file ``network``; the attacked network is never asked.

    ``network``: a checkpoint (.safetensors) of a ReLU or spiking network, or a ReLU network as .onnx or .pt2, whose
    pixels are normalised by ``mean`` and ``std``, a number or one per channel, where it does not do so itself. A
    relative path is looked up in the current folder. In a recipe it may be the name of an earlier stage, whose network
    is taken. ``objective`` goes to ``attack``, which has the gradient.

    Source: Papernot et al., 2016; Szegedy et al., ICLR 2014.
    """

    NEEDS_GRADIENT: ClassVar[bool] = False
    MODELS: ClassVar = ("network",)

    network: str
    attack: Attack = Pgd()
    mean: Statistics | None = None
    std: Statistics | None = None

    def __post_init__(self) -> None:
        if self.gradient != Trained():
            raise AttackError(
                f"'transfer' uses no gradient of its own, found {tag_of(self.gradient)!r}; give it to its 'attack'"
            )

    def perturb(
        self, model: Scores, images: Tensor, labels: Tensor, *, epsilon: float, generator: torch.Generator
    ) -> Tensor:
        del model
        check_input(images, labels, epsilon)
        source = self.source().to(images.device)
        kind = next(source.parameters()).dtype
        attack = self.attack if self.objective is None else self.attack.raising(self.objective)
        try:
            _check_shape(source, images)
            found = attack.perturb(source, images.to(kind), labels, epsilon=epsilon, generator=generator)
        except AttackError as error:
            raise AttackError(f"{self.network}: {error}") from None
        return ball(found.to(images.dtype), images, epsilon)

    def source(self) -> ANN | SNN:
        """Return the other network in evaluation mode; a file is read once, until it changes."""
        if is_named(self.network):
            return cast("ANN | SNN", named(self.network))
        path = Path(self.network)
        if not path.is_file():
            raise AttackError(f"{path}: no such file; 'transfer' makes its images on the network of a checkpoint")
        about = path.stat()
        return _read(path.resolve(), (about.st_mtime_ns, about.st_size), self.mean, self.std)


@lru_cache(maxsize=4)
def _read(path: Path, state: tuple[int, int], mean: Statistics | None, std: Statistics | None) -> ANN | SNN:
    del state
    if path.suffix == ".safetensors" and mean is None and std is None:
        return checkpoint.read(path).eval()
    return read_model(path, mean=mean, std=std).model.eval()


def _check_shape(source: ANN | SNN, images: Tensor) -> None:
    shape = tuple(source.specification.shapes()[INPUT])
    if tuple(images.shape[-3:]) != shape:
        raise AttackError(f"takes images {shape}, found images {tuple(images.shape[-3:])}")
