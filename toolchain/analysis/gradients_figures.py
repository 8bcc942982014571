"""Figures of gradients: exact zeros and norms, of one operation or of a kind."""

from dataclasses import dataclass

from spikeport.hardware_profiles.output.table import Number
from spikeport.hardware_profiles.result import Result


@dataclass(frozen=True, kw_only=True)
class Measured(Result):
    """Share of exact ``zeros`` and l2 ``norm`` of gradients: means over images, and their standard errors.

    A norm is that of one image's gradient over all steps. One image alone has no standard error.
    """

    zeros: float
    zeros_error: float | None
    norm: float
    norm_error: float | None

    def cells(self) -> tuple[Number, Number]:
        """Return both with their errors as cells of a table."""
        return (
            Number(value=self.zeros, error=self.zeros_error),
            Number(value=self.norm, error=self.norm_error),
        )

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
