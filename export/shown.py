"""Results that show as their text: printed, and as the value of a cell in Jupyter."""

from typing import Any


class Shown:
    """What ``print``, IPython and Jupyter show as its ``text()``; ``repr`` still has every field.

    A class without ``text()`` shows as its ``repr``.
    """

    __slots__ = ()

    def __str__(self) -> str:
        """Return the text."""
        text = getattr(self, "text", None)
        return str(text()) if callable(text) else repr(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - IPython calls it so
        """Show the text in IPython and Jupyter."""
        printer.text("..." if cycle else str(self))
