"""Files of archives and folders, of bounded size; nothing is unpacked to the disk, so no path of an archive matters."""

import gzip
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Protocol, cast

from spikeport.export.errors import DataError, one_line
from spikeport.export.inputs import check_regular, read_bytes

MOST = 2**28
"""Bytes that a packed archive may become; those of CIFAR become 186 million."""
BLOCK, PART = 512, 2**20
GZIP = b"\x1f\x8b"
"""How a file begins that is packed by gzip."""
_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)


class Files(Protocol):
    """The files of a folder or an archive, by names with slashes."""

    def names(self) -> Iterable[str]:
        """Return the names of all files."""
        ...

    def read(self, name: str, most: int) -> bytes:
        """Return the bytes of a file of at most ``most`` bytes."""
        ...


class Folder:
    """The files below a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        """Return the names of all files."""
        return [each.relative_to(self.path).as_posix() for each in self.path.rglob("*") if each.is_file()]

    def read(self, name: str, most: int) -> bytes:
        """Return the bytes of a file of at most ``most`` bytes."""
        return read_bytes(self.path / name, DataError, most=most)


class Zip:
    """The files of a zip archive."""

    def __init__(self, path: Path) -> None:
        check_regular(path, DataError)
        self.path = path
        try:
            self.archive = zipfile.ZipFile(path)
        except _FAULTS as error:
            raise DataError(f"{path}: not a zip archive ({one_line(error)})") from None
        self.members = {info.filename: info for info in self.archive.infolist() if not info.is_dir()}

    def names(self) -> list[str]:
        """Return the names of all files."""
        return list(self.members)

    def read(self, name: str, most: int) -> bytes:
        """Return the bytes of a file of at most ``most`` bytes."""
        info = self.members.get(name)
        if info is None:
            raise DataError(f"{self.path}: no {name} inside")
        if info.file_size > most or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(
                f"{self.path}: {name} has {info.file_size:,} bytes or is packed in an unknown way; at most "
                f"{most:,} are read, stored or deflated"
            )
        try:
            with self.archive.open(info) as file:
                return file.read(most + 1)[: info.file_size]
        except _FAULTS as error:
            raise DataError(f"{self.path}: {name} is damaged ({one_line(error)})") from None


class _Counted:
    """A stream of which at most so many bytes are read."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self.file, self.left = file, most

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes."""
        self.left -= size
        if self.left < 0:
            raise DataError("it unpacks to more bytes than expected")
        data = self.file.read(size)
        if len(data) < size:
            raise DataError("it is cut off")
        return data


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a regular file, or what it unpacks to if gzip packed it; what is wrong with it becomes a `DataError`."""
    check_regular(path, DataError)
    try:
        with path.open("rb") as file:
            packed = file.read(2) == GZIP
            file.seek(0)
            yield cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if packed else file
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except _FAULTS as error:
        raise DataError(f"{path}: damaged ({one_line(error)}); download it again") from None


@dataclass(frozen=True)
class _Member:
    """The header of a member of a tar archive."""

    name: str
    size: int
    regular: bool


def members_of_tar(path: Path, wanted: Collection[str]) -> dict[str, bytes]:
    """Return the files of a tar archive, packed by gzip or not, whose last name is ``wanted``.

    At most `MOST` bytes are unpacked.

    Headers are read here: tarfile of Python before 3.11.10 takes time without end for some (CVE-2024-6232), and what
    extended headers say is not needed, as wanted names are short.
    """
    found: dict[str, bytes] = {}
    with opened(path) as file:
        stream = _Counted(file, MOST)
        while member := _header(stream.read(BLOCK)):
            if member.name not in wanted:
                _skip(stream, member.size + -member.size % BLOCK)
                continue
            if not member.regular or member.size > MOST:
                raise DataError(f"{member.name} is a link, a device or larger than {MOST:,} bytes; expected a file")
            if member.name in found:
                raise DataError(f"holds {member.name} twice")
            found[member.name] = stream.read(member.size)
            stream.read(-member.size % BLOCK)
    return found


def _header(block: bytes) -> _Member | None:
    """Return what a header says (POSIX ustar and its kin); None for the empty block behind the last member."""
    if not any(block):
        return None
    checksum = sum(block[:148]) + sum(block[156:]) + 8 * ord(" ")
    if _octal(block[148:156]) != checksum:
        raise DataError("a member's header is damaged; expected a tar archive")
    name = block[:100].split(b"\0")[0].decode("utf-8", "replace")
    return _Member(PurePosixPath(name).name, _octal(block[124:136]), block[156:157] in (b"0", b"\0"))


def _octal(field: bytes) -> int:
    text = field.split(b"\0")[0].strip()
    if not text or text.strip(b"01234567"):
        raise DataError("a member's header holds no octal number; expected a tar archive")
    return int(text, 8)


def _skip(stream: _Counted, size: int) -> None:
    while size:
        size -= len(stream.read(min(size, PART)))
