"""What was measured of the gradients of a network: figures by operation and by kind, as text and as JSON."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from spikeport.hardware_profiles.columns import percent, table
from spikeport.hardware_profiles.result import Result

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Measured(Result):
    """Share of exact ``zeros`` and l2 ``norm`` of gradients: means over images, and their standard errors.

    A norm is that of one image's gradient over all steps. One image alone has no standard error.
    """

    zeros: float
    zeros_error: float | None
    norm: float
    norm_error: float | None

    def share(self) -> str:
        """Return the share of zeros as text."""
        error = "" if self.zeros_error is None else f" ± {100 * self.zeros_error:.2f}"
        return f"{100 * self.zeros:.2f}{error} %"

    def length(self) -> str:
        """Return the norm as text."""
        return f"{self.norm:.3g}" + ("" if self.norm_error is None else f" ± {self.norm_error:.1g}")


@dataclass(frozen=True, kw_only=True)
class OperationFigure(Measured):
    """One operation of ``layer``, a population or a projection; its input has ``values`` values an image."""

    layer: str
    kind: str
    values: int


@dataclass(frozen=True, kw_only=True)
class KindFigure(Measured):
    """The mean over all ``operations`` of a kind, each with the same weight."""

    kind: str
    operations: int


@dataclass(frozen=True, kw_only=True)
class Gradients(Result):
    """Gradients of the cross-entropy by the input of every operation, from the image on.

    ``network``: what it is; ``images``: how many. ``steps``: T of a spiking network, None of an ANN. ``clean``: share
    of the images that are classified rightly. ``pixels``: the gradient by the image, which an attack follows.
    ``operations``: zeros and norm for each, in the order of the network; ``kinds``: means over the operations of a
    kind.
    """

    network: str
    steps: int | None
    images: int
    clean: float
    pixels: Measured
    kinds: tuple[KindFigure, ...]
    operations: tuple[OperationFigure, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, under the keys of gradients.json."""
        return {"schema": SCHEMA, **super().to_dict()}

    def text(self) -> str:
        """Return what was measured, by kind and by operation."""
        return f"{self._head()}\n\n{self._by_kind()}\n\n{self._by_operation()}"

    def title(self) -> str:
        """Return network and images in a line."""
        steps = "" if self.steps is None else f", T = {self.steps}"
        return f"{self.network}{steps}, {self.images:,} images"

    def _head(self) -> str:
        return (
            f"{self.title()} ({percent(self.clean)} classified rightly): gradient of the cross-entropy by the input of "
            "each operation"
        )

    def _by_kind(self) -> str:
        pixels = ("(pixels)", "", self.pixels.share(), self.pixels.length())
        rows = [(each.kind, each.operations, each.share(), each.length()) for each in self.kinds]
        return table(("mean over operations", "operations", "exact zeros", "norm"), [*rows, pixels])

    def _by_operation(self) -> str:
        header = ("operation", "of", "values", "exact zeros", "norm")
        return table(header, list(self._rows()), left=(0, 1))

    def _rows(self) -> Iterator[tuple[str, str, str, str, str]]:
        for each in self.operations:
            yield each.kind, each.layer, f"{each.values:,}", each.share(), each.length()
