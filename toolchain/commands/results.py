"""How a verb ends: its result is printed and, where `--json` names a file, written; a bad verdict is exit code 1."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from spikeport.toolchain.commands.exits import say

if TYPE_CHECKING:
    from spikeport.toolchain.commands.saving import Saving


class Told(Protocol):
    """A result of a verb."""

    def text(self) -> str:
        """Return it for people."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """What has no type of its own: a text, and the same as plain data."""

    words: str
    values: Mapping[str, Any]

    def text(self) -> str:
        """Return it for people."""
        return self.words

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return dict(self.values)


def tell(
    done: Told, json: Path | None, text: str | None = None, *, wrote: str = "", saved: "Saving | None" = None
) -> None:
    """Print ``done``, or ``text`` in its place, and write it to ``json``, its tables and figures where ``saved`` says.

    ``wrote``: files that were written before.
    """
    if json is not None:
        from spikeport.export.files import write_json

        write_json(json, done.to_dict())
    words = (done.text() if text is None else text) + (f"\n\nwrote {wrote}" if wrote else "")
    say(words + ("" if saved is None else saved.save(done)), passed=passed(done))


def passed(done: Told) -> bool:
    """Return whether a result has no verdict, or a good one."""
    return bool(getattr(done, "passed", True))
