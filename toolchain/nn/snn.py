"""The SNN: spiking neurons in the populations of the graph."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import torch
from torch import Tensor, nn

from spikeport.export.stimulus.coding import generators_of
from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.nn.draws import Draws
from spikeport.toolchain.nn.layers import ProjectionLayer
from spikeport.toolchain.nn.neurons import LARGEST_WINDOW, IntegrateAndFire, Spikes
from spikeport.toolchain.nn.packed import packed
from spikeport.toolchain.nn.specification import INPUT, READOUT, Node, Specification, needed_after
from spikeport.toolchain.nn.spiking import Spiking
from spikeport.toolchain.nn.surrogates.surrogate import Surrogate


@dataclass(frozen=True, kw_only=True)
class Guard:
    """C(V) of every population (`spikeport.toolchain.nn.loop`) in each forward pass of a block, differentiable."""

    margin: float
    passes: list[dict[str, Tensor]] = field(default_factory=list)

    def penalty(self) -> Tensor:
        """Return the sum of C(V) over the populations, the mean over the passes."""
        return torch.stack([value for each in self.passes for value in each.values()]).sum() / len(self.passes)


class SNN(Backbone):
    """Spiking network; its encoder says what every step is given: the normalised image, or frame t of (N, T, C, H, W).

    Batch norm is threshold-dependent batch norm as the conversion of Schmolli et al. (section 3.2) uses it:
    statistics run over batch and time of the weighted spikes, the affine parameters come from the ANN.
    The logits are the integrated readout current divided by T: (N, classes). With ``watch_rates``, every forward pass
    leaves the spikes per neuron and step of each population in ``rates``. ``generator`` is what encoders draw from;
    without one they draw anew in every forward pass (`spikeport.toolchain.nn.draws`). Noisy neurons draw from PyTorch's
    own.
    """

    def __init__(self, specification: Specification, spiking: Spiking) -> None:
        super().__init__(specification)
        self.spiking = spiking
        self.neurons = nn.ModuleDict({node.name: IntegrateAndFire(spiking) for node in self.neuron_nodes()})
        self.generator: Draws | None = None
        self.watch_rates = False
        self.rates: dict[str, float] = {}
        self._guard: Guard | None = None
        self._pooled = _pooled(specification)
        self._needed_after = needed_after(specification)

    @property
    def steps(self) -> int:
        """T, the steps of a sample."""
        return self.spiking.steps

    @steps.setter
    def steps(self, steps: int) -> None:
        self.spiking = msgspec.structs.replace(self.spiking, steps=steps)

    @contextmanager
    def surrogate(self, surrogate: Surrogate) -> Iterator[None]:
        """Let forward passes inside use another surrogate gradient; their backward passes may come later."""
        before = self.spiking.surrogate
        self.spiking = msgspec.structs.replace(self.spiking, surrogate=surrogate)
        try:
            yield
        finally:
            self.spiking = msgspec.structs.replace(self.spiking, surrogate=before)

    @contextmanager
    def guard(self, margin: float) -> Iterator[Guard]:
        """Compute C(V) in the forward passes inside that are in training mode; their backward passes may come later."""
        before, self._guard = self._guard, Guard(margin=margin)
        try:
            yield self._guard
        finally:
            self._guard = before

    @property
    def is_random(self) -> bool:
        """Whether the encoder draws random numbers, so that two forward passes differ."""
        return self.spiking.encoder.RANDOM

    @contextmanager
    def drawing(self, draws: Draws) -> Iterator[None]:
        """Let the encoder draw from ``draws`` inside the block."""
        before, self.generator = self.generator, draws
        try:
            yield
        finally:
            self.generator = before

    def numbered(self, numbers: Iterable[int]) -> AbstractContextManager[None]:
        """Let images inside the block draw what they get after deployment, by their numbers and the encoder's seed."""
        return self.drawing(Draws(generators_of(getattr(self.spiking.encoder, "seed", 0), numbers)))

    def neuron_list(self) -> list[IntegrateAndFire]:
        """Return the neurons of every population from the input on; streams and the readout have none."""
        return [self.neurons_of(node.name) for node in self.neuron_nodes()]

    def neurons_of(self, name: str) -> IntegrateAndFire:
        """Return the neurons of one population."""
        return cast("IntegrateAndFire", self.neurons[name])

    def currents(self, images: Tensor, name: str) -> Tensor:
        """Return the pre-activations (T, N, ...) of a population; what comes only from the image is (1, N, ...)."""
        return self._sum(self._values(images, until=name, pooled={}), name)

    def spikes(self, images: Tensor) -> dict[str, Tensor]:
        """Return the spikes (T, N, ...) of every population with neurons."""
        names = {node.name for node in self.neuron_nodes()}
        values = self._values(images, until=READOUT, pooled={}, kept=names)
        return {name: values[name].values for name in values if name in names}

    def outputs(self, images: Tensor) -> Tensor:
        """Return what the readout gets in every step (T, N, classes); the logits are its mean."""
        return self._sum(self._values(images, until=READOUT, pooled=self._pooled), READOUT)

    def forward(self, images: Tensor) -> Tensor:
        return self.outputs(images).mean(0)

    def _values(
        self, images: Tensor, *, until: str, pooled: dict[str, int], kept: AbstractSet[str] = frozenset()
    ) -> dict[str, Spikes]:
        """Return what the populations that ``until`` needs send, and those of ``kept``.

        ``pooled`` are those that send averages of windows. What nothing needs any more is let go.
        """
        images = self.spiking.encoder(images, self.steps, generator=self.generator)
        values = {INPUT: Spikes(self.normalized(images))}
        self.rates = {}
        if self._guard is not None and self.training:
            self._guard.passes.append({})
        for node in self.specification.nodes:
            if node.name == until:
                break
            values[node.name] = self._sent(node, values, pooled.get(node.name, 1))
            values = {name: sent for name, sent in values.items() if name in kept | self._needed_after[node.name]}
        return values

    def _sent(self, node: Node, values: dict[str, Spikes], pool: int) -> Spikes:
        if node.kind != "neurons":
            return Spikes(self._sum(values, node.name))
        layers = self.projections_into(node.name)
        current = _at_every_step(layers[0], values) if len(layers) == 1 else self._sum(values, node.name)
        norm = layers[0].norm if len(layers) == 1 else None
        spikes = self.neurons_of(node.name)(current, self.spiking, norm=norm, pool=pool, **self._in_training())
        if spikes.penalty is not None and self._guard is not None:
            self._guard.passes[-1][node.name] = spikes.penalty
        if self.watch_rates:
            self.rates[node.name] = spikes.rate()
        return cast("Spikes", spikes)

    def _in_training(self) -> dict[str, Any]:
        """Return what neurons are told in training mode alone; those that attacks put in their place know none."""
        if not self.training:
            return {}
        return {} if self._guard is None else {"margin": self._guard.margin}

    def _sum(self, values: dict[str, Spikes], name: str) -> Tensor:
        layers = self.projections_into(name)
        return cast("Tensor", sum(_normalized(layer, _at_every_step(layer, values)) for layer in layers))


def _at_every_step(layer: ProjectionLayer, values: dict[str, Spikes]) -> Tensor:
    """Apply pooling and synapses of a projection to all steps at once."""
    sent = values[layer.source]
    with packed(sent):
        current = layer.linear(sent.values.flatten(0, 1), pooled=sent.pool > 1)
    return cast("Tensor", current.unflatten(0, sent.values.shape[:2]))  # type: ignore[no-untyped-call]


def _normalized(layer: ProjectionLayer, current: Tensor) -> Tensor:
    """Apply batch norm, if there is one, so that it sees batch and time."""
    if layer.norm is None:
        return current
    return cast("Tensor", layer.norm(current.flatten(0, 1)).unflatten(0, current.shape[:2]))


def _pooled(specification: Specification) -> dict[str, int]:
    """Return the side of the windows, for populations whose spikes all of their targets average in the same ones."""
    sides: dict[str, set[object]] = {}
    for node in specification.nodes:
        for projection in node.projections:
            sides.setdefault(projection.source, set()).add(projection.pooling)
    firing = {node.name for node in specification.nodes if node.kind == "neurons"}
    found = {name: next(iter(each)) for name, each in sides.items() if name in firing and len(each) == 1}
    return {name: side for name, side in found.items() if isinstance(side, int) and 1 < side <= LARGEST_WINDOW}
