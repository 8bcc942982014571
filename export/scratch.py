"""Temporary folders that outlive no process: what a killed one left behind is removed at the next start.

A folder belongs to the process that made it. While it lives it holds a lock on the file ``owner`` in the folder, which
names its process id and start time; the kernel releases the lock when the process ends, however it ends.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

OWNER = "owner"


@contextmanager
def scratch(prefix: str, *, discard: Callable[[Path], object] | None = None) -> Iterator[Path]:
    """Make a temporary folder ``prefix*`` that is removed at the end; first clear those of dead processes.

    Only folders of this user with the same prefix are cleared, and only where the owner no longer lives. ``discard`` is
    called with each of them before it is removed, for what its owner left outside of it.
    """
    clear(prefix, discard=discard)
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(os.close, _locked(folder))
        yield folder


def clear(prefix: str, *, discard: Callable[[Path], object] | None = None) -> None:
    """Remove the folders ``prefix*`` of this user in the temporary folder whose owner process is dead."""
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError):
            lock = _abandoned(folder)
            if lock is not None:
                if discard is not None:
                    discard(folder)
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def _locked(folder: Path) -> int:
    """Return the descriptor of a locked ``owner`` file, which gets its name only once it is locked."""
    draft = folder / f"{OWNER}.draft"
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    os.write(descriptor, f"process {os.getpid()}, folder made at {started}\n".encode())
    with suppress(OSError):  # a file system without locks: `clear` cannot take one either, and leaves the folder
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    draft.rename(folder / OWNER)
    return descriptor


def _abandoned(folder: Path) -> int | None:
    """Return a descriptor that holds the dead owner's lock; None where the folder is another user's or in use."""
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        return None
    descriptor = os.open(folder / OWNER, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
