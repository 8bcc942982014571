"""The time loop of a layer of neurons in PyTorch's own operations: other devices than the CPU, and the tests."""

import torch
from torch import Tensor
from torch.nn import functional

from spikeport.toolchain.nn.loop import Fired, Gradients, Loop, Normal
from spikeport.toolchain.nn.noise import gaussian

DTYPES = frozenset({torch.float32, torch.float64})
"""Types of a current that are computed as they are."""


def forward(current: Tensor, normal: Normal, loop: Loop) -> Fired:
    """Return spikes, their counts and the penalty as `spikeport.toolchain.nn.loop` defines them."""
    before, fired = _potentials(current, normal, loop)
    penalty = None if loop.margin is None else torch.stack([_near(each, loop).mean() for each in before]).mean()
    spikes = torch.stack(fired).to(current.dtype)
    if loop.pool == 1:
        return Fired(spikes, spikes.to(torch.uint8), penalty)
    pooled = functional.avg_pool2d(spikes.flatten(0, 1), loop.pool).reshape(loop.shape(current))
    return Fired(pooled, torch.round(pooled * loop.pool**2).to(torch.uint8), penalty)


def backward(
    current: Tensor, normal: Normal, loop: Loop, arriving: Tensor, of_penalty: Tensor | None = None
) -> Gradients:
    """Return the gradients that `spikeport.toolchain.nn.loop.Gradients` defines."""
    before, spikes = _potentials(current, normal, loop)
    given = arriving if loop.pool == 1 else _spread(arriving, loop.pool, before[0])
    later, leaving, surrogate = torch.zeros_like(before[0]), [], loop.derivative
    threshold = tau = current.new_zeros(())
    for step in reversed(range(loop.steps)):
        potential, fired = before[step], spikes[step]
        falls = potential if loop.hard else loop.threshold
        wanted = (given[step] - later * falls) * surrogate.slope(potential - loop.threshold)
        kept = later.masked_fill(fired, 0)
        back = wanted + (kept if loop.hard else later)
        threshold = threshold - wanted.sum() - (0 if loop.hard else (later - kept).sum())
        if of_penalty is not None:
            pushed = _pushed(potential, loop, of_penalty / potential.numel() / loop.steps)
            back = back + pushed
            threshold = threshold - (pushed * potential).sum() / loop.threshold
        tau = tau + (back * _rest(before[step - 1], spikes[step - 1], loop)).sum() if step else tau
        later = loop.tau * back
        leaving.append(back)
    return _gradients(current, normal, loop, torch.stack(leaving[::-1]), threshold, tau)


def moments(current: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Return sums and sums of squares (steps, channels) in the device's widest numbers."""
    wide = current.reshape(*current.shape[:2], channels, -1)
    wide = wide.float() if current.device.type == "mps" else wide.double()
    return wide.sum((1, 3)), wide.square().sum((1, 3))


def centre(current: Tensor, normal: Normal, found: Gradients) -> None:
    """Turn gradients of the normalised current into those of the current, in place."""
    count = current.numel() // found.shift.numel()
    mean, inverse, scale, gradient, product = (
        _channels(each.to(current.dtype), current)
        for each in (normal.mean, normal.inverse, normal.scale, found.shift / count, found.scaled / count)
    )
    found.current.sub_(gradient + (current - mean) * inverse * product).mul_(scale)


def potentials(current: Tensor, normal: Normal, loop: Loop) -> list[Tensor]:
    """Return the potentials before the reset, one (N, C, ...) a step."""
    return _potentials(current, normal, loop)[0]


def _potentials(current: Tensor, normal: Normal, loop: Loop) -> tuple[list[Tensor], list[Tensor]]:
    """Return the potentials before the reset and who fired, one (N, C, ...) each a step."""
    scale, shift = _channels(normal.scale, current), _channels(normal.shift, current)
    rest = torch.zeros_like(current[0])
    before: list[Tensor] = []
    fired: list[Tensor] = []
    for step in range(loop.steps):
        before.append(loop.tau * rest + (scale * current[min(step, len(current) - 1)] + shift))
        fired.append(before[-1] >= _limit(before[-1], step, loop))
        rest = _rest(before[-1], fired[-1], loop)
    return before, fired


def _limit(potential: Tensor, step: int, loop: Loop) -> Tensor:
    """Return the threshold with the noise of a step."""
    if loop.noise is None:
        return loop.threshold
    places = torch.arange(potential.numel(), device=potential.device).view(potential.shape)
    numbers = gaussian(loop.noise.keys[step].to(potential.device), places).to(potential.dtype)
    return loop.threshold + loop.noise.sigma * loop.threshold * numbers


def _near(potential: Tensor, loop: Loop) -> Tensor:
    """Return by how much a potential is nearer to the threshold than the margin, in units of the threshold."""
    assert loop.margin is not None
    distance = (potential - loop.threshold).abs()
    return (loop.margin * loop.threshold - distance).clamp(min=0) / loop.threshold


def _pushed(potential: Tensor, loop: Loop, weight: Tensor) -> Tensor:
    """Return the gradient of the penalty by the potential; ``weight`` is that of a neuron and step."""
    assert loop.margin is not None
    distance, push = potential - loop.threshold, weight / loop.threshold
    away = torch.where(distance >= 0, -push, push)
    return torch.where(distance.abs() < loop.margin * loop.threshold, away, 0)


def _rest(potential: Tensor, fired: Tensor, loop: Loop) -> Tensor:
    """Return the potential after the reset."""
    return potential.masked_fill(fired, 0) if loop.hard else torch.where(fired, potential - loop.threshold, potential)


def _gradients(
    current: Tensor, normal: Normal, loop: Loop, leaving: Tensor, threshold: Tensor, tau: Tensor
) -> Gradients:
    if len(current) == 1:
        leaving = leaving.sum(0, keepdim=True)
    mean, inverse = _channels(normal.mean, current), _channels(normal.inverse, current)
    shift = leaving.reshape(*current.shape[:2], normal.mean.numel(), -1).sum((0, 1, 3))
    scaled = (
        (leaving * ((current - mean) * inverse)).reshape(*current.shape[:2], normal.mean.numel(), -1).sum((0, 1, 3))
    )
    if not loop.batch:
        leaving = leaving * _channels(normal.scale, current)
    return Gradients(leaving, shift, scaled, threshold, tau)


def _spread(arriving: Tensor, pool: int, like: Tensor) -> Tensor:
    """Return the gradient of every spike under average pooling; rows and columns left out get none."""
    whole = (arriving / pool**2).repeat_interleave(pool, -2).repeat_interleave(pool, -1)
    rows, columns = like.shape[-2] - whole.shape[-2], like.shape[-1] - whole.shape[-1]
    return functional.pad(whole, (0, columns, 0, rows))


def _channels(values: Tensor, current: Tensor) -> Tensor:
    """Return values per channel with axes that broadcast to a step's (N, C, ...)."""
    return values.view(-1, *(1,) * (current.ndim - 3))
