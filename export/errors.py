"""Every error a caller can act on; each message says what was found, what was expected and what to do.

Names in a message often come from a file that somebody else wrote. `SpikeportError` escapes and cuts its message when
it is made, so neither a terminal nor a log receives control characters, line breaks or marks that turn text around.
"""

from collections.abc import Sequence
from typing import Any

LONGEST_MESSAGE = 1000
"""Characters of a message; the middle of a longer one is left out."""


def one_line(error: BaseException) -> str:
    """Return another library's message on one line, for a sentence of ours."""
    return " ".join(str(error).split())


def printable(text: str, *, keep: str = "") -> str:
    r"""Return ``text`` with every character that cannot be printed as its escape, except those in ``keep``.

    Control characters, line breaks, escape sequences and bidirectional marks become ``\\x1b``, ``\\n``, ``\\u202e``.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in keep else _escape(each) for each in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _cut(text: str) -> str:
    """Return at most `LONGEST_MESSAGE` characters: the start, and the end, where the advice stands."""
    if len(text) <= LONGEST_MESSAGE:
        return text
    start, end = LONGEST_MESSAGE * 3 // 5, LONGEST_MESSAGE * 3 // 10
    return f"{text[:start]} [{len(text) - start - end:,} characters left out] {text[-end:]}"


class SpikeportError(Exception):
    """Base of all errors that spikeport raises on purpose; its message is one printable line."""

    def __init__(self, message: object = "") -> None:
        super().__init__(_cut(printable(str(message))))


class RecipeError(SpikeportError):
    """A recipe has an unknown key, a wrong type or an impossible value.

    ``lines`` has the message and every fault, where several were found at once.
    """

    def __init__(self, message: object = "", faults: Sequence[str] = ()) -> None:
        super().__init__("; ".join((f"{message}: {faults[0]}", *faults[1:])) if faults else message)
        self.lines = tuple(_cut(printable(str(each))) for each in (message, *faults))


class DataError(SpikeportError):
    """A dataset is missing, damaged, or holds other images or labels than expected."""


class TrainingError(SpikeportError):
    """Training cannot start with this input, or diverged."""


class AttackError(SpikeportError):
    """An attack is given what it cannot attack, or left its epsilon ball."""


class NetworkError(SpikeportError):
    """Populations and projections do not fit together."""


class StimulusError(SpikeportError):
    """The input has another shape, type or range than the network expects."""


class OutOfRange(StimulusError):  # noqa: N818 - what it is, not that it is one
    """Numbers of the input lie outside of those that the network takes."""


class InputMissing(StimulusError):  # noqa: N818 - what it is, not that it is one
    """A verb needs samples; ``lines`` say which the network takes, and how they are given."""

    def __init__(self, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.lines = tuple(_cut(printable(each)) for each in lines)


class QuantizationError(SpikeportError):
    """A float network cannot be turned into integers that provably stay in their registers."""


class ArchiveError(SpikeportError):
    """A file is not an archive, or is damaged."""


class OutputError(SpikeportError):
    """A file or folder cannot be written: no space, no permission, something else stands there, another run writes."""


class FormatError(SpikeportError):
    """A format or target cannot express the network."""


class AmbiguousOrigin(FormatError):  # noqa: N818 - what it is, not that it is one
    """Several frameworks, or several settings of one, can have written a file; ``candidates`` are they."""

    def __init__(self, message: object = "", candidates: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.candidates = tuple(candidates)


class ExecutorError(SpikeportError):
    """There is no such executor, or it cannot run this network."""


class LavaError(SpikeportError):
    """The Lava environment is missing or does not work."""


class WorkerError(SpikeportError):
    """The worker process failed, died or hung."""


class ProfileError(SpikeportError):
    """A hardware profile is missing or wrong."""


class PlacementError(SpikeportError):
    """A network does not fit the cores of a chip."""
