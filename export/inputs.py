"""Bytes of files that somebody else wrote: regular files alone, of bounded size, read once."""

import os
import stat
from pathlib import Path

from spikeport.export.errors import FormatError, SpikeportError

LARGEST_TEXT = 2**17
"""Bytes of a TOML file."""
LARGEST_FILE = 2**32
"""Bytes of an archive or a checkpoint."""
ROOM, ROOM_PER_BYTE = 2**27, 8
"""Bytes that any file may become in memory, and more for each byte of it: 8 for 8-bit numbers that become 64-bit."""
LARGEST_ROOM = 2**31
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def ending(path: Path) -> str:
    """Return what is wrong with a path whose name tells no kind of file: its ending, or that it is a folder."""
    if path.is_dir():
        return "a folder"
    return f"the name ends in {path.suffix!r}" if path.suffix else "the name has no ending"


def check_regular(path: Path, error: type[SpikeportError], *, expected: str = "a file") -> int:
    """Return the size of a regular file in bytes; ``error`` for whatever else stands at ``path``.

    Pipes, devices and sockets are never opened: reading one may wait or go on for ever.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise error(f"{path}: no such file; expected {expected}") from None
    except (OSError, ValueError) as fault:
        raise error(f"{path}: cannot be read ({_reason(fault)})") from None
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for test, name in _KINDS if test(status.st_mode)), "no regular file")
        raise error(f"{path}: {kind}; expected {expected}")
    return status.st_size


def read_bytes(path: Path, error: type[SpikeportError], *, most: int, expected: str = "a file") -> bytes:
    """Return the bytes of a regular file of at most ``most`` bytes.

    The bytes are a copy: a file that is cut or changed while it is read gives an error of the parser, not a fault of
    mapped memory.
    """
    size = check_regular(path, error, expected=expected)
    if size > most:
        raise error(f"{path}: {size:,} bytes; at most {most:,} are read")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(size)
    except OSError as fault:
        raise error(f"{path}: cannot be read ({_reason(fault)})") from None
    if len(data) < size:
        raise error(f"{path}: became shorter while it was read; write it anew")
    return data


def room(size: int, per_byte: int = ROOM_PER_BYTE) -> int:
    """Return how many bytes a file of ``size`` bytes may become in memory."""
    return min(LARGEST_ROOM, ROOM + per_byte * size)


class Budget:
    """Counts the bytes that are made of a file, before they are made."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0

    def take(self, count: int, what: str) -> None:
        """Add ``count`` bytes for ``what``; `FormatError` where the sum is too large."""
        self.taken += count
        if self.taken > self.most:
            raise FormatError(
                f"{what} would bring what is made of the file to {self.taken:,} bytes of memory; at most {self.most:,} "
                "are made of a file of this size"
            )


def _reason(fault: OSError | ValueError) -> str:
    return str(getattr(fault, "strerror", None) or fault)
