"""Neurons of a spiking network replaced while an attack differentiates."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from spikeport.export.errors import AttackError
from spikeport.toolchain.nn.backends import loops_on
from spikeport.toolchain.nn.loop import Normal
from spikeport.toolchain.nn.moments import moments_in_force
from spikeport.toolchain.nn.neurons import IntegrateAndFire
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.spiking import Spiking


@contextmanager
def replaced(model: nn.Module, make: Callable[[IntegrateAndFire], nn.Module], name: str) -> Iterator[None]:
    """Let every population compute what ``make`` returns for its neurons, which is called as they are.

    `AttackError` names the gradient, ``name``, where the model is no spiking network.
    """
    if not isinstance(model, SNN):
        raise AttackError(
            f'the gradient {name!r} needs a spiking network, not {type(model).__name__}; use kind = "trained"'
        )
    before = {node.name: model.neurons_of(node.name) for node in model.neuron_nodes()}
    try:
        model.neurons.update({key: make(neurons) for key, neurons in before.items()})
        yield
    finally:
        model.neurons.update(before)


def normal_of(current: Tensor, norm: nn.BatchNorm2d | None) -> Normal:
    """Return batch norm of a current (T, N, C, ...) as scale and shift per channel, constants of the derivative."""
    current = current.detach()
    if norm is None:
        return Normal.none(current)
    weight, bias = (None if each is None else each.detach() for each in (norm.weight, norm.bias))
    return Normal(*moments_in_force(current, norm), weight, bias)


def normalized(current: Tensor, normal: Normal) -> Tensor:
    """Return ``scale I + shift`` per channel, differentiable by the current."""
    scale, shift = (each.view(-1, *(1,) * (current.ndim - 3)) for each in (normal.scale, normal.shift))
    return scale * current + shift


def spikes_of(neurons: IntegrateAndFire, spiking: Spiking, current: Tensor, normal: Normal) -> tuple[Tensor, Tensor]:
    """Return the spikes (T, N, C, ...) that the neurons themselves send, and the same as bytes."""
    loop = neurons.loop(spiking)
    loops: Any = loops_on(current, loop)
    spikes, counts, _ = loops.forward(current.detach(), normal, loop)
    return spikes, counts


def as_computed(neurons: IntegrateAndFire, spiking: Spiking, current: Tensor) -> Tensor:
    """Return a current in a type that the neurons compute in: mixed precision may have another."""
    return current if current.dtype in loops_on(current, neurons.loop(spiking)).DTYPES else current.float()
