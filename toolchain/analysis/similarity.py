"""How alike the inputs are that encoders make of the same images: the mean cosine similarity of every pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from spikeport.export.errors import StimulusError
from spikeport.export.progress import Progress
from spikeport.export.stimulus.coding import generators_of
from spikeport.hardware_profiles.output.drawing import templates
from spikeport.hardware_profiles.output.figure import Figure, figure
from spikeport.hardware_profiles.output.table import Column, Table, words
from spikeport.hardware_profiles.result import Result
from spikeport.toolchain.nn.draws import Draws
from spikeport.toolchain.nn.encoders.encoder import Encoder

BATCH = 250
SIDE, TOP, LABEL = 46, 84, 130
"""Of a square of the picture, above the first, and left of it, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Similarity(Result):
    """Mean cosine similarities (encoders, encoders) over ``images`` images.

    ``by_step``: of the inputs of each step, averaged over the steps. ``summed``: of what the steps add up to.
    """

    encoders: tuple[str, ...]
    images: int
    steps: int
    by_step: tuple[tuple[float, ...], ...]
    summed: tuple[tuple[float, ...], ...]

    def text(self) -> str:
        """Return both tables."""
        return "\n\n".join(
            [
                f"how alike encoders code {self.images:,} images: mean over images, 1 is alike, T = {self.steps} steps",
                *(each.text() for each in self.tables()),
            ]
        )

    def tables(self) -> tuple[Table, ...]:
        """Return both tables, for CSV and LaTeX."""
        return tuple(
            Table(
                name=f"similarity_{name}",
                title=f"Mean cosine similarity {title}, {self.images:,} images",
                columns=[
                    words(f"cosine similarity {title}"),
                    *(Column(title=each, form=".3f") for each in self.encoders),
                ],
                rows=[(name, *row) for name, row in zip(self.encoders, found, strict=True)],
            )
            for name, title, found in (
                ("by_step", "in every step", self.by_step),
                ("summed", f"summed over {self.steps} steps", self.summed),
            )
        )

    def figures(self) -> tuple[Figure]:
        """Return the picture, for SVG and PDF."""
        return (figure("similarity", "Mean cosine similarity of coded images", picture(self)),)


def similarity(encoders: Mapping[str, Encoder], images: Tensor, steps: int, *, seed: int = 0) -> Similarity:
    """Return how alike the inputs of ``encoders``, by name, are for images (N, C, H, W) in [0, 1].

    The cosine is that of all pixels of an image, ``a b / (|a| |b|)``, 0 where one of both is dark everywhere. Two
    encoders draw different numbers, and each one draws twice: the diagonal is that of two draws. Source: Wu et al., ACM
    Multimedia 2024, Figure 2b, which does not say over which steps; both readings are given.
    """
    if len(encoders) < 2 or not len(images):
        raise StimulusError(f"{len(encoders)} encoders and {len(images)} images; expected two and one at least")
    for name, encoder in encoders.items():
        fault = encoder.fault(steps)
        if fault is not None:
            raise StimulusError(f"encoder {name}: {fault}")
    shape = (2, len(encoders), len(encoders))
    sums = torch.zeros(shape, dtype=torch.float64)
    for first in Progress("comparing encoders").track(range(0, len(images), BATCH)):
        part = images[first : first + BATCH]
        one, other = (_coded(encoders, part, steps, first, (seed, draw)) for draw in (0, 1))
        sums += _added(one, other)
    by_step, summed = (sums / len(images)).tolist()
    return Similarity(
        encoders=tuple(encoders),
        images=len(images),
        steps=steps,
        by_step=tuple(map(tuple, by_step)),
        summed=tuple(map(tuple, summed)),
    )


@torch.no_grad()
def _coded(
    encoders: Mapping[str, Encoder], images: Tensor, steps: int, first: int, seeds: tuple[int, int]
) -> list[Tensor]:
    """Return what every encoder sends, (T, N, pixels)."""
    made = []
    for number, encoder in enumerate(encoders.values()):
        seed = (seeds[0] * 2 + seeds[1]) * len(encoders) + number
        draws = Draws(generators_of(seed, range(first, first + len(images))))
        made.append(encoder(images, steps, generator=draws).flatten(2).expand(steps, -1, -1).double())
    return made


def _added(one: Sequence[Tensor], other: Sequence[Tensor]) -> Tensor:
    """Return the cosines (2, encoders, encoders) of two draws, added up over the images."""
    sums = torch.zeros((2, len(one), len(one)), dtype=torch.float64)
    for row, ours in enumerate(one):
        for column, theirs in enumerate(other):
            sums[0, row, column] = functional.cosine_similarity(ours, theirs, dim=2).mean(0).sum()
            sums[1, row, column] = functional.cosine_similarity(ours.sum(0), theirs.sum(0), dim=1).sum()
    return sums


def picture(found: Similarity) -> str:
    """Return both tables as squares, darker the more alike, as one SVG."""
    wide = LABEL + SIDE * len(found.encoders) + 60
    return (
        templates(Path(__file__).parent)
        .get_template("similarity.svg.j2")
        .render(
            found=found,
            panels=(("in every step", 12, found.by_step), ("summed over the steps", 12 + wide, found.summed)),
            width=2 * wide + 24,
            height=TOP + SIDE * len(found.encoders) + 90,
            label=LABEL,
            side=SIDE,
            top=TOP,
        )
    )
