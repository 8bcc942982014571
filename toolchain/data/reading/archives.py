"""Files of archives and folders, of bounded size; nothing is unpacked to the disk, so no path of an archive matters."""

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath
from typing import Protocol

from spikeport.export.errors import DataError, one_line
from spikeport.export.inputs import check_regular, read_bytes

MOST = 2**28
"""Bytes that a packed archive may become; those of CIFAR become 186 million."""
_FAULTS = (
    tarfile.TarError,
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

    def __init__(self, file: gzip.GzipFile, most: int) -> None:
        self.file, self.left = file, most

    def read(self, size: int = -1) -> bytes:
        """Return at most ``size`` bytes."""
        data = self.file.read(self.left + 1 if size < 0 else min(size, self.left + 1))
        self.left -= len(data)
        if self.left < 0:
            raise DataError("it unpacks to more bytes than expected")
        return data


def gunzipped(path: Path, most: int) -> bytes:
    """Return what a gzip file becomes, at most ``most`` bytes."""
    check_regular(path, DataError)
    try:
        with gzip.open(path) as file:
            return _Counted(file, most).read()
    except DataError:
        raise DataError(f"{path}: unpacks to more than {most:,} bytes, which its header does not ask for") from None
    except _FAULTS as error:
        raise DataError(f"{path}: damaged ({one_line(error)})") from None


def members_of_tar(path: Path, wanted: Collection[str]) -> dict[str, bytes]:
    """Return the files of a .tar.gz archive whose last name is ``wanted``; `MOST` bytes are unpacked at most."""
    check_regular(path, DataError)
    found: dict[str, bytes] = {}
    try:
        with (
            gzip.open(path) as stream,
            tarfile.open(None, "r|", _Counted(stream, MOST)) as archive,  # type: ignore[call-overload]  # a stream to read
        ):
            for member in archive:
                name = PurePosixPath(member.name).name
                if name in wanted:
                    found[name] = _member(archive, member, name, found)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except _FAULTS as error:
        raise DataError(f"{path}: damaged ({one_line(error)}); download it again") from None
    return found


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo, name: str, found: dict[str, bytes]) -> bytes:
    if not member.isreg() or member.size > MOST:
        raise DataError(f"{name} is a link, a device or larger than {MOST:,} bytes; expected a file")
    if name in found:
        raise DataError(f"holds {name} twice")
    file = archive.extractfile(member)
    data = b"" if file is None else file.read(member.size)
    if len(data) != member.size:
        raise DataError(f"{name} is cut off; download the archive again")
    return data
