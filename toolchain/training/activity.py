"""How active the layers of a network are: spikes per neuron and step, or the share of ReLUs above zero."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from spikeport.export.errors import TrainingError
from spikeport.toolchain.evaluation import evaluating
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.nn.snn import SNN

Rates = dict[str, float]


@runtime_checkable
class CountsSpikes(Protocol):
    """A network that leaves the ``rates`` of a forward pass while it is told to watch them, and keeps no spikes."""

    watch_rates: bool
    rates: dict[str, float]


@torch.no_grad()
def rates(model: nn.Module, images: Tensor) -> Rates:
    """Return the activity of every population with neurons, 0 to 1, in evaluation mode; of other modules, nothing."""
    if not isinstance(model, ANN | SNN):
        return {}
    with evaluating(model):
        if isinstance(model, SNN):
            return _spike_rates(model, images)
        with _sums(model) as sums:
            model(images)
    return {node.name: float((sums[node.name] > 0).float().mean()) for node in model.neuron_nodes()}


def _spike_rates(model: SNN, images: Tensor) -> Rates:
    """Return spikes per neuron and step."""
    if not isinstance(model, CountsSpikes):
        return {name: float(spikes.mean()) for name, spikes in model.spikes(images).items()}
    model.watch_rates = True
    try:
        model(images)
        return dict(model.rates)
    finally:
        model.watch_rates = False


@contextmanager
def _sums(model: Backbone) -> Iterator[dict[str, Tensor]]:
    """Yield what arrives at every population of an ANN while the block runs."""
    sums: dict[str, Tensor] = {}

    def adding(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_module: nn.Module, _given: tuple[Tensor, ...], result: Tensor) -> None:
            sums[name] = sums[name] + result if name in sums else result

        return hook

    nodes = model.neuron_nodes()
    handles = [
        layer.register_forward_hook(adding(node.name)) for node in nodes for layer in model.projections_into(node.name)
    ]
    try:
        yield sums
    finally:
        for handle in handles:
            handle.remove()


def check_activity(
    model: nn.Module, found: Rates, before: Rates, everything: Iterable[Tensor], epoch: int, title: str
) -> None:
    """Raise `TrainingError` where a layer never fires, or an SNN's always does, ``before`` an epoch and behind it.

    ``found`` is of a sample; only where that is suspicious, all images of ``everything`` are looked at. An epoch may
    wake a silent layer: surrogate gradients pass it.
    """
    spiking = isinstance(model, SNN)
    extremes = {0.0, 1.0} if spiking else {0.0}
    suspects = {name for name, rate in found.items() if rate in extremes and before.get(name, rate) == rate}
    for images in everything if suspects else ():
        seen = rates(model, images)
        suspects = {name for name in suspects if seen[name] == found[name]}
        if not suspects:
            return
    if suspects:
        name = next(name for name in found if name in suspects)
        raise TrainingError(f"{title}: epoch {epoch}: {_sentence(name, spiking=spiking, dead=found[name] == 0)}")


def _sentence(name: str, *, spiking: bool, dead: bool) -> str:
    if dead and spiking:
        return (
            f"no neuron of {name!r} fires on any training image; its threshold is too high, or its weights died: use a "
            "smaller learning_rate, or convert with a smaller threshold_scale"
        )
    if dead:
        return (
            f"no unit of {name!r} is above zero on any training image, so nothing passes it: use a smaller "
            "learning_rate"
        )
    return (
        f"every neuron of {name!r} fires in every step; its threshold is too low: use a smaller learning_rate, or "
        "convert with a larger threshold_scale"
    )
