"""Files that are whole or absent, and folders that one run writes at a time.

A file is written beside its place, synced to the disk, renamed over the old one, and the folder is synced: after a
power cut the old or the new file stands there. What else may stand at a path, and what becomes of it:

- a link: its target is replaced, the link stays; a link to nothing makes its target
- a character device or a pipe (``/dev/null``, ``/dev/stdout``, a FIFO that somebody reads): the bytes go into it
- a file with several names (hard links): refused, because only one name would change
- a folder in place of a file, a file in place of a folder, a folder with files in it: refused
- a block device or a socket: refused
"""

import errno
import fcntl
import io
import json
import math
import os
import re
import resource
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

from spikeport.export.errors import OutputError

DRAFT = ".spikeport-"
"""How the names of folders for drafts begin; they lie beside the file."""
OLD_SECONDS = 60
"""A draft folder of this age that no process holds was left by one that was killed."""
_DESCRIPTOR = re.compile(r"/dev/fd/(\d+)|/proc/(?:self|\d+)/fd/(\d+)")
_STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_cleared: set[Path] = set()
_held: ContextVar[frozenset[str]] = ContextVar("held", default=frozenset())


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, whole or not at all; `OutputError` says what is missing."""
    with atomic(path, size=len(data)) as draft:
        draft.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write plain data as JSON to ``path``, whole or not at all; a number that is not finite becomes null."""
    write_text(path, json.dumps(_finite(values), indent=1, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    """Return plain data with None for every number that JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_arrays(path: Path, arrays: Mapping[str, Any], *, compressed: bool = False) -> None:
    """Write arrays as .npz to ``path``, whole or not at all; the file is made in memory first."""
    made = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(made, **dict(arrays))
    write_bytes(path, made.getvalue())


def check_place(path: Path) -> bool:
    """Raise `OutputError` before long work where no file can go to ``path``; return whether it is a device or pipe."""
    with _explained(path, path.parent):
        return _destination(path, folder=False)[1]


@contextmanager
def atomic(path: Path, *, folder: bool = False, size: int | None = None) -> Iterator[Path]:
    """Yield a draft beside ``path`` that takes its place if the block ends without an error.

    ``folder``: the block makes the draft a folder. ``size``: bytes, for the message where there is no space. Raises
    `OutputError` where something else stands at ``path``, see above, or where space or permission are missing.
    """
    with _explained(path, path.parent, size):
        target, stream = _destination(path, folder=folder)
        place = Path(tempfile.gettempdir()) if stream else target.parent
    with (
        _folders(path, place, size),
        _drafts(path, place, size) as drafts,
        _explained(path, place, size, within=drafts),
    ):
        draft = drafts / path.name
        yield draft
        if stream:
            with _explained(path, None):
                _pour(draft, path)
        else:
            _sync(draft)
            draft.replace(target)
            _sync_folder(target.parent)


@contextmanager
def _folders(path: Path, place: Path, size: int | None) -> Iterator[None]:
    """Make the folders up to ``place``, and remove those that are still empty where the block ends with an error."""
    missing = [folder for folder in (place, *place.parents) if not folder.exists()]
    try:
        with _explained(path, path.parent, size):
            place.mkdir(parents=True, exist_ok=True)
            _clear(place)
        yield
    except BaseException:
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()
        raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other runs from writing the file or folder ``path`` while the block runs.

    The lock is a file ``.NAME.lock`` beside ``path`` (inside it, where the folder around may not be written), locked by
    ``flock``: the kernel releases it when the process ends, however that happens. A second run ends with an
    `OutputError` that names the process. Within one process the same thread may take it again.
    """
    real = os.path.realpath(path)
    if real in _held.get():
        yield
        return
    with _explained(path, path.parent):
        lock, descriptor = _acquired(Path(real), path)
    token = _held.set(_held.get() | {real})
    try:
        yield
    finally:
        _held.reset(token)
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def sentence(error: OSError, path: Path, folder: Path | None = None, size: int | None = None) -> str:
    """Return what is wrong with ``path``, and what is missing in ``folder``, where ``size`` bytes were to go.

    A device or pipe lies in no ``folder``.
    """
    if folder is None and error.errno == errno.ENOSPC:
        return f"{path}: no space left"
    place = _existing(folder or path.parent)
    needed = "" if size is None else f"{size:,} bytes are needed, "
    told = {
        errno.EDQUOT: f"the disk quota of {place} is used up; {needed}free some or write elsewhere",
        errno.EFBIG: f"{needed}this process may write files of {_largest()} (ulimit -f)",
        errno.EACCES: f"no permission to write in {place}",
        errno.EPERM: f"no permission to write in {place}",
        errno.EROFS: f"{place} is read-only",
        errno.ENXIO: "nobody reads from this pipe or device",
        errno.EPIPE: "who read from this pipe has left before everything was written",
    }
    if error.errno == errno.ENOTDIR:
        file = next((each for each in path.parents if each.is_file()), path)
        return f"{path}: {file} is a file; expected a folder"
    if error.errno == errno.ENOSPC:
        free = shutil.disk_usage(place).free
        files = " and perhaps no file entries (df -i)" if size is not None and free > size else ""
        return f"{path}: no space left in {place}: {needed}{free:,} bytes are free{files}; free some or write elsewhere"
    return f"{path}: {told.get(error.errno or 0) or error.strerror or error}"


def _largest() -> str:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return "any size" if limit == resource.RLIM_INFINITY else f"{limit:,} bytes at most"


def _existing(folder: Path) -> Path:
    """Return ``folder``, or the first folder around it that exists."""
    return next((each for each in (folder, *folder.absolute().parents) if each.is_dir()), Path("/"))


@contextmanager
def _explained(
    path: Path, folder: Path | None, size: int | None = None, *, within: Path | None = None
) -> Iterator[None]:
    """Turn errors of the operating system into `OutputError`; of files elsewhere not, where ``within`` is given."""
    try:
        yield
    except OutputError as error:
        if within is None:
            raise
        raise OutputError(str(error).replace(str(within / path.name), str(path))) from None
    except OSError as error:
        names = [str(name) for name in (error.filename, error.filename2) if name]
        if within is not None and names and not any(name.startswith(str(within)) for name in names):
            raise
        raise OutputError(sentence(error, path, folder, size)) from None


def _destination(path: Path, *, folder: bool) -> tuple[Path, bool]:
    """Return the file or folder to replace, behind links, or what is written into as it is (True)."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return Path(os.path.realpath(path)), False
    mode, expected = found.st_mode, "a folder" if folder else "a file"
    if stat.S_ISDIR(mode):
        if not folder:
            raise OutputError(f"{path} is a folder; expected the name of a file to write")
        if any(path.iterdir()):
            raise OutputError(f"{path} is a folder with files in it; expected the name of a new or an empty one")
        return Path(os.path.realpath(path)), False
    if folder or stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        raise OutputError(f"{path} is {_kind(mode)}; expected the name of {expected} to write")
    if not stat.S_ISREG(mode) or _descriptor(path) is not None:
        return path, True
    if found.st_nlink > 1:
        raise OutputError(
            f"{path} has {found.st_nlink} names (hard links), of which only this one would change; remove it first, or "
            "write elsewhere"
        )
    return Path(os.path.realpath(path)), False


def _kind(mode: int) -> str:
    tests = {"a block device": stat.S_ISBLK, "a socket": stat.S_ISSOCK, "a pipe": stat.S_ISFIFO, "a file": stat.S_ISREG}
    return next((kind for kind, test in tests.items() if test(mode)), "a device")


def _descriptor(path: Path) -> int | None:
    """Return the number of an open file of this process that ``path`` names: /dev/stdout, /dev/fd/5."""
    name = os.path.abspath(path)  # noqa: PTH100 - links are not followed
    match = _DESCRIPTOR.fullmatch(name)
    return int(match[1] or match[2]) if match else _STANDARD.get(name)


def _pour(draft: Path, path: Path) -> None:
    """Write a draft into a device or pipe; a pipe without a reader is an error, not a wait."""
    number = _descriptor(path)
    if number is None:
        opened = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        os.set_blocking(opened, True)
    else:
        opened = os.dup(number)
    with open(opened, "wb") as out, draft.open("rb") as file:  # noqa: PTH123 - of a descriptor
        shutil.copyfileobj(file, out)


@contextmanager
def _drafts(path: Path, place: Path, size: int | None) -> Iterator[Path]:
    """Yield a new folder in ``place`` that is held while the block runs, and removed behind it."""
    with _explained(path, place, size):
        folder = Path(tempfile.mkdtemp(prefix=DRAFT, dir=place))
        held = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield folder
    finally:
        os.close(held)
        shutil.rmtree(folder, ignore_errors=True)


def _clear(folder: Path) -> None:
    """Remove the draft folders of processes that were killed; once per folder and process."""
    if folder in _cleared:
        return
    _cleared.add(folder)
    for left in folder.glob(f"{DRAFT}*"):
        with suppress(OSError):
            if left.is_dir() and time.time() - left.stat().st_mtime > OLD_SECONDS and _free(left):
                shutil.rmtree(left, ignore_errors=True)


def _free(folder: Path) -> bool:
    """Return whether no process holds a draft folder; False where the file system cannot tell."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _sync(path: Path) -> None:
    """Bring a file, or a folder with all in it, to the disk."""
    for folder, _, names in os.walk(path):
        for name in names:
            _sync(Path(folder, name))
        _sync_folder(Path(folder))
    if path.is_file():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk; some file systems do that by themselves and refuse."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def _acquired(real: Path, path: Path) -> tuple[Path, int]:
    """Return the lock file with its open descriptor; `OutputError` where another process has it."""
    while True:
        lock, descriptor = _opened(real)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise OutputError(
                f"{path}: another run (process {owner}) writes there; wait until it ends, or write elsewhere"
            ) from None
        except OSError as error:
            sys.stderr.write(f"{path}: no lock against other runs, this file system has none ({error.strerror})\n")
            return lock, descriptor
        if _same(lock, descriptor):
            _sign(lock, descriptor)
            return lock, descriptor
        os.close(descriptor)


def _same(lock: Path, descriptor: int) -> bool:
    """Return whether the lock file still stands; the run before may have removed it since it was opened."""
    try:
        return lock.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def _sign(lock: Path, descriptor: int) -> None:
    """Write this process's number into the lock file."""
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
    except OSError:
        lock.unlink(missing_ok=True)
        os.close(descriptor)
        raise


def _opened(real: Path) -> tuple[Path, int]:
    """Open the lock file beside ``real``, or inside it where only that can be written."""
    flags, lock = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, real.parent / f".{real.name}.lock"
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        return lock, os.open(lock, flags, 0o666)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EROFS) or not real.is_dir():
            raise
        return real / ".lock", os.open(real / ".lock", flags, 0o666)
