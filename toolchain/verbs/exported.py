"""What `export_network` gives: a file in another format."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikeport.export.shown import Shown


@dataclass(frozen=True, kw_only=True)
class Exported(Shown):
    """A network that was written in another format: where, its size in bytes, and what a reader has to know."""

    out: Path
    format: str
    bytes: int
    note: str = ""

    def text(self) -> str:
        """Return what was written."""
        return f"wrote {self.out} ({self.bytes:,} bytes)" + (f"; {self.note}" if self.note else "")

    def to_dict(self) -> dict[str, Any]:
        """Return path, format, size and the note."""
        return {"out": str(self.out), "format": self.format, "bytes": self.bytes, "note": self.note}
