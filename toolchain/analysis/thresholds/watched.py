"""What one pass of a spiking network over images shows: potentials near thresholds, and gradients that are zero."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.gradients.gradient import frozen
from spikeport.toolchain.nn.loop import Normal
from spikeport.toolchain.nn.moments import moments_in_force
from spikeport.toolchain.nn.neurons import IntegrateAndFire
from spikeport.toolchain.nn.plain_loop import potentials
from spikeport.toolchain.nn.snn import SNN

INPUT = "input"


@dataclass(kw_only=True)
class Watched:
    """Counts per image, by population.

    ``near`` (N, deltas): neurons and steps with ``|V - V_th| < delta V_th``, V before the reset; ``fired`` (N,): those
    that fire. ``zeros`` (N,): entries of the gradient of the loss that are exactly zero, by what arrives at a
    population (batch norm included) and by the image, of ``entries`` each.
    """

    near: dict[str, Tensor] = field(default_factory=dict)
    fired: dict[str, Tensor] = field(default_factory=dict)
    zeros: dict[str, Tensor] = field(default_factory=dict)
    entries: dict[str, int] = field(default_factory=dict)
    arriving: dict[str, Tensor] = field(default_factory=dict)


def watched(model: SNN, images: Tensor, labels: Tensor, deltas: Sequence[float]) -> Watched:
    """Return what images (N, ...) with labels (N,) show; the loss is the sum of the images' cross-entropies.

    The surrogate gradient is the network's own. What every step gets alike, from a held image, has one gradient: the
    sum over the steps. `AttackError` where the network has no gradient by the pixels.
    """
    found = Watched()
    images = images.detach().requires_grad_()
    with frozen(model), _hooks(model, found, deltas), torch.enable_grad():
        loss = functional.cross_entropy(model(images), labels, reduction="sum")
        if not loss.requires_grad:
            raise AttackError("the network has no gradient by the pixels; expected an encoder that hands it on")
        names = list(found.arriving)
        gradients = torch.autograd.grad(loss, [images, *found.arriving.values()], allow_unused=True)
    for name, gradient, given in zip([INPUT, *names], gradients, [images, *found.arriving.values()], strict=True):
        gradient = torch.zeros_like(given) if gradient is None else gradient  # noqa: PLW2901 - an unused part
        by_image = gradient if name == INPUT else gradient.transpose(0, 1)
        found.zeros[name] = (by_image == 0).flatten(1).sum(1).cpu()
        found.entries[name] = by_image[0].numel()
    found.arriving = {}
    return found


@contextmanager
def _hooks(model: SNN, found: Watched, deltas: Sequence[float]) -> Iterator[None]:
    """Look at what arrives at every population while the block runs."""
    with ExitStack() as held:
        for node in model.neuron_nodes():
            neurons, look = model.neurons_of(node.name), _look(node.name, found, deltas)
            held.callback(neurons.register_forward_pre_hook(look, with_kwargs=True).remove)
        yield


def _look(name: str, found: Watched, deltas: Sequence[float]) -> Any:
    """Return a hook that counts potentials near the threshold and keeps what arrives for its gradient."""

    @torch.no_grad()
    def count(neurons: IntegrateAndFire, given: tuple[Any, ...], options: dict[str, Any]) -> None:
        current, spiking = given
        loop = neurons.loop(spiking)
        near: list[Tensor] = []
        fired: list[Tensor] = []
        for potential in potentials(current, _normal(current, options.get("norm")), loop):
            away = (potential - loop.threshold).abs().flatten(1) / loop.threshold
            near.append(torch.stack([(away < delta).sum(1) for delta in deltas], 1))
            fired.append((potential >= loop.threshold).flatten(1).sum(1))
        found.near[name] = torch.stack(near).sum(0).cpu()
        found.fired[name] = torch.stack(fired).sum(0).cpu()
        found.arriving[name] = current

    return count


def _normal(current: Tensor, norm: nn.BatchNorm2d | None) -> Normal:
    """Return batch norm as the neurons apply it."""
    if norm is None:
        return Normal.none(current)
    return Normal(*moments_in_force(current, norm), norm.weight, norm.bias)
