"""What was measured of the gradients of a network: figures by operation and by kind, as text and as JSON."""

from dataclasses import dataclass
from typing import Any

from spikeport.hardware_profiles.columns import percent
from spikeport.hardware_profiles.output.figure import Figure, figure
from spikeport.hardware_profiles.output.table import Column, Table, words
from spikeport.hardware_profiles.output.table import percent as percent_column
from spikeport.hardware_profiles.result import Result
from spikeport.toolchain.analysis.gradients_figures import KindFigure, Measured, OperationFigure
from spikeport.toolchain.analysis.gradients_picture import picture

SCHEMA = 1
MEASURED = (percent_column("exact zeros", 2), Column(title="l2 norm", form=".3g", error_form=".1g"))
"""The columns of what is measured."""


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
        return "\n\n".join([self._head(), *(each.text() for each in self.tables())])

    def tables(self) -> tuple[Table, ...]:
        """Return what was measured by kind and by operation, for CSV and LaTeX."""
        return self._by_kind(), self._by_operation()

    def picture(self) -> str:
        """Return zeros and norms as SVG, light and dark."""
        return picture(self.title(), self.pixels, self.kinds, self.operations)

    def figures(self) -> tuple[Figure]:
        """Return the picture, for SVG and PDF."""
        return (figure("gradients", f"Gradients by the input of every operation: {self.title()}", self.picture()),)

    def title(self) -> str:
        """Return network and images in a line."""
        steps = "" if self.steps is None else f", T = {self.steps}"
        return f"{self.network}{steps}, {self.images:,} images"

    def _head(self) -> str:
        return (
            f"{self.title()} ({percent(self.clean)} classified rightly): gradient of the cross-entropy by the input of "
            "each operation"
        )

    def _by_kind(self) -> Table:
        return Table(
            name="gradients_by_kind",
            title=f"Gradients by the input of operations, means over a kind: {self.title()}",
            columns=[words("mean over operations"), Column(title="operations"), *MEASURED],
            rows=[
                *((each.kind, each.operations, *each.cells()) for each in self.kinds),
                ("(pixels)", None, *self.pixels.cells()),
            ],
        )

    def _by_operation(self) -> Table:
        return Table(
            name="gradients_by_operation",
            title=f"Gradients by the input of every operation: {self.title()}",
            columns=[words("operation"), words("of"), Column(title="values"), *MEASURED],
            rows=[(each.kind, each.layer, each.values, *each.cells()) for each in self.operations],
        )
