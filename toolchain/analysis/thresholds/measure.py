"""Measures a spiking network at its thresholds: nearness, flips under perturbations and rounding, certificates."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from spikeport.export.errors import AttackError
from spikeport.export.network import Array, IntegerNetwork
from spikeport.export.progress import Progress
from spikeport.hardware_profiles.shares import Mean, mean, parts
from spikeport.toolchain.analysis.thresholds.deployed import lowered, rounded
from spikeport.toolchain.analysis.thresholds.figures import Layer, Perturbed, Robust
from spikeport.toolchain.analysis.thresholds.perturbed import KINDS, PGD, flips, moved, spikes
from spikeport.toolchain.analysis.thresholds.result import Thresholds
from spikeport.toolchain.analysis.thresholds.settings import Measures
from spikeport.toolchain.analysis.thresholds.watched import INPUT, watched
from spikeport.toolchain.data.dataset import LEVEL
from spikeport.toolchain.evaluation import BATCH, device_of, evaluating
from spikeport.toolchain.nn.draws import numbered
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.robustness.suites import Suite
from spikeport.toolchain.robustness.worst_case import worst_case
from spikeport.toolchain.training.digests import of_tensors

AT_ONCE = 2**24
"""Spikes of all populations and steps that a batch holds."""
WATCHING, BACKWARD = 6, 3
"""About how many forward passes it takes to watch potentials and gradients, and to go forward and back."""


def thresholds(
    model: SNN,
    images: Tensor,
    labels: Tensor,
    *,
    measures: Measures,
    told: Mapping[str, str],
    integers: Mapping[str, IntegerNetwork] | None = None,
    suite: Suite | None = None,
    seed: int = 0,
    levels: int | None = None,
) -> Thresholds:
    """Measure a network on images (N, ...) in [0, 1] with labels (N,), on its device, in evaluation mode.

    ``told``: what the network is. ``integers``: archives that were made of it, by name. ``suite``: attacks whose worst
    case is the robust accuracy. ``levels``: perturbed pixels are multiples of 1/levels. Raises before anything runs
    where there are fewer than two images, an archive is another network, or the network cannot be lowered or quantized
    as asked.
    """
    if len(images) < 2:
        raise AttackError(f"{len(images)} images were given; expected two or more: shares have errors over images")
    device = device_of(model)
    with evaluating(model):
        networks = lowered(model, measures.bits, integers or {})
        model.to(device)
        seen = _Seen(model, measures, seed=seed, levels=levels)
        seen.expect(len(images))
        for first in range(0, len(images), seen.batch):
            rows = slice(first, first + seen.batch)
            seen.add(images[rows].to(device), labels[rows].to(device), first)
        robust = () if suite is None else tuple(_robust(model, images, labels, suite, measures, seed, levels))
    return Thresholds(
        model=told,
        data=of_tensors({"images": images, "labels": labels}),
        images=len(images),
        steps=model.steps,
        seed=seed,
        attack_steps=measures.steps,
        deltas=tuple(measures.deltas),
        clean=mean(seen.array("right")),
        input_zeros=mean(seen.array("zeros", INPUT) / seen.entries[INPUT]),
        layers=tuple(seen.layer(name) for name in seen.sizes),
        whole=seen.whole(),
        perturbed=tuple(seen.perturbed()),
        robust=robust,
        rounded=() if networks is None else rounded(networks, images, labels, sorted({1, *measures.epsilons})),
    )


def _robust(
    model: SNN, images: Tensor, labels: Tensor, suite: Suite, measures: Measures, seed: int, levels: int | None
) -> Iterator[Robust]:
    """Yield the worst case over a suite of attacks at every epsilon."""
    for epsilon in measures.epsilons:
        title = f"suite {suite.name}, {epsilon:g}/255"
        case = worst_case(
            model, suite.members, images, labels, epsilon=epsilon * LEVEL, seed=seed, levels=levels, title=title
        )
        yield Robust(suite=suite.name, epsilon=epsilon, accuracy=mean(case.standing.numpy()))


class _Seen:
    """Counts per image, batch after batch: ``sizes`` and ``entries`` are what an image has of each population."""

    def __init__(self, model: SNN, measures: Measures, *, seed: int, levels: int | None) -> None:
        self.model, self.measures, self.seed, self.levels = model, measures, seed, levels
        shapes = model.specification.shapes()
        neurons = {node.name: math.prod(shapes[node.name]) for node in model.neuron_nodes()}
        self.sizes = {name: count * model.steps for name, count in neurons.items()}
        self.entries: dict[str, int] = {}
        self.batch = max(1, min(BATCH, AT_ONCE // sum(self.sizes.values())))
        self._kept: dict[tuple[object, ...], list[Array]] = {}

    def expect(self, images: int) -> None:
        """Show the progress of so many images."""
        self._progress, self._done = Progress("images under perturbations"), 0
        self._images, self._each = images, WATCHING + sum(_cost(kind, self.measures) for kind, _ in self._balls())

    def add(self, images: Tensor, labels: Tensor, first: int) -> None:
        """Look at a batch, of which the first image has the number ``first``."""
        found = watched(self.model, images, labels, self.measures.deltas)
        self.entries = found.entries
        for kind, counts in (("near", found.near), ("fired", found.fired), ("zeros", found.zeros)):
            for name, count in counts.items():
                self._keep(count, kind, name)
        numbers = range(first, first + len(images))
        self._keep(self._right(images, labels, numbers), "right")
        self._advance(WATCHING * len(images))
        before = spikes(self.model, images, numbers)
        for kind, epsilon in self._balls():
            self._move(images, labels, numbers, kind, epsilon, before)

    def _move(
        self,
        images: Tensor,
        labels: Tensor,
        numbers: Sequence[int],
        kind: str,
        epsilon: float,
        before: dict[str, Tensor],
    ) -> None:
        """Compare the spikes of moved images with those ``before``."""
        at = moved(
            self.model, images, labels, kind=kind, epsilon=epsilon, steps=self.measures.steps, numbers=numbers,
            seed=self.seed, levels=self.levels,
        )  # fmt: skip
        self._keep(self._right(at, labels, numbers), "right", kind, epsilon)
        for name, count in flips(before, spikes(self.model, at, numbers)).items():
            self._keep(count, "flips", kind, epsilon, name)
        self._advance(_cost(kind, self.measures) * len(images))

    @torch.no_grad()
    def _right(self, images: Tensor, labels: Tensor, numbers: Sequence[int]) -> Tensor:
        with numbered(self.model, numbers):
            right: Tensor = self.model(images).argmax(1) == labels
        return right

    def array(self, *key: object) -> Array:
        """Return what was kept of all images."""
        return np.concatenate(self._kept[key])

    def layer(self, name: str) -> Layer:
        """Return the figures of a population."""
        threshold = float(self.model.neurons_of(name).threshold.detach())
        return self._figures(name, [name], threshold=threshold)

    def whole(self) -> Layer:
        """Return those of all populations together."""
        return self._figures("all", list(self.sizes), threshold=None)

    def perturbed(self) -> Iterator[Perturbed]:
        """Yield what each perturbation flips."""
        for kind, epsilon in self._balls():
            counts = {name: self.array("flips", kind, epsilon, name) for name in self.sizes}
            by_population, total = parts(counts, self.sizes)
            yield Perturbed(
                kind=kind,
                epsilon=epsilon,
                accuracy=mean(self.array("right", kind, epsilon)),
                flips=by_population,
                total=total,
            )

    def _figures(self, title: str, names: Sequence[str], *, threshold: float | None) -> Layer:
        def share(kind: str, sizes: Mapping[str, int], column: int | None = None) -> Mean:
            found = {name: self.array(kind, name) for name in names}
            return parts({name: each if column is None else each[:, column] for name, each in found.items()}, sizes)[1]

        return Layer(
            name=title,
            neurons=sum(self.sizes[name] for name in names) // self.model.steps,
            threshold=threshold,
            rate=share("fired", self.sizes),
            near=tuple(share("near", self.sizes, column) for column in range(len(self.measures.deltas))),
            zeros=share("zeros", self.entries),
        )

    def _balls(self) -> Iterator[tuple[str, float]]:
        yield from ((kind, epsilon) for kind in KINDS for epsilon in self.measures.epsilons)

    def _keep(self, values: Tensor, *key: object) -> None:
        self._kept.setdefault(key, []).append(values.cpu().numpy())

    def _advance(self, work: int) -> None:
        self._done += work
        self._progress.update(self._done // self._each, self._images)


def _cost(kind: str, measures: Measures) -> int:
    """Return about how many forward passes a perturbation of an image takes."""
    return 2 + (BACKWARD * measures.steps if kind == PGD else 0)
