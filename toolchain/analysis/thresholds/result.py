"""What was measured at the thresholds of a network: figures, tables, and JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from spikeport.export.errors import ArchiveError, one_line
from spikeport.export.inputs import read_bytes
from spikeport.hardware_profiles.output.figure import Figure, figure
from spikeport.hardware_profiles.output.table import Table
from spikeport.hardware_profiles.result import Result
from spikeport.hardware_profiles.shares import Mean
from spikeport.toolchain.analysis.thresholds import tables
from spikeport.toolchain.analysis.thresholds.figures import Layer, Perturbed, Robust, Rounded
from spikeport.toolchain.analysis.thresholds.picture import picture

SCHEMA = 1
MOST_BYTES = 2**24


@dataclass(frozen=True, kw_only=True)
class Thresholds(Result):
    """What was measured of a network on ``images`` images with T = ``steps``; `text` gives the tables.

    ``data``: a digest of images and labels. ``clean``: accuracy without a perturbation. ``input_zeros``: share of the
    gradient by the image that is exactly zero. ``layers``: the populations from the input on, and ``whole``, all of
    them. ``robust``: worst cases of a suite, empty without one. ``rounded``: empty where neither
    bits nor archives were asked for.
    """

    model: Mapping[str, str]
    data: str
    images: int
    steps: int
    seed: int
    attack_steps: int
    deltas: tuple[float, ...]
    clean: Mean
    input_zeros: Mean
    layers: tuple[Layer, ...]
    whole: Layer
    perturbed: tuple[Perturbed, ...]
    robust: tuple[Robust, ...]
    rounded: tuple[Rounded, ...]

    def text(self) -> str:
        """Return all tables."""
        titled = (f"{each.title}\n{each.text()}" for each in self.tables())
        return "\n\n".join([self._head(), *titled, *tables.refused(self.rounded)])

    def tables(self) -> tuple[Table, ...]:
        """Return all tables, for CSV and LaTeX."""
        found = (
            tables.layers(self.deltas, self.layers, self.whole, self.input_zeros),
            tables.perturbed(self.perturbed, self.attack_steps, self.robust),
        )
        return (*found, tables.rounded(self.rounded), tables.certified(self.rounded)) if self.rounded else found

    def picture(self) -> str:
        """Return the spikes that perturbations and rounding flip as SVG, light and dark."""
        title = f"{self.model['what']}, {self.images} images"
        return picture(title, self.perturbed, self.attack_steps, self.rounded)

    def figures(self) -> tuple[Figure]:
        """Return the picture, for SVG and PDF."""
        return (figure("thresholds", "Spikes that perturbations and rounding flip", self.picture()),)

    def _head(self) -> str:
        return (
            f"{self.model['what']}, {self.images:,} images, seed {self.seed}: accuracy {self.clean.text(1)} %\n"
            "all shares in per cent, with standard errors over images"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, under the keys of thresholds.json."""
        return {"schema": SCHEMA, **super().to_dict()}


def read(path: Path) -> Thresholds:
    """Return what a thresholds.json holds; `ArchiveError` with the file where it is damaged."""
    data = read_bytes(path, ArchiveError, most=MOST_BYTES, expected="thresholds.json")
    try:
        return _of(msgspec.json.decode(data))
    except (msgspec.MsgspecError, RecursionError, KeyError, TypeError, ArchiveError) as error:
        raise ArchiveError(f"{path}: {one_line(error)}; run spikeport analyze thresholds again") from None


def _of(document: Any) -> Thresholds:
    if document["schema"] != SCHEMA:
        raise ArchiveError(f"figures of schema {document['schema']!r}; expected {SCHEMA}")
    return msgspec.convert(document, Thresholds)
