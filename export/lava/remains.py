"""End a job of Lava from outside: its processes, its shared memory, its folder.

`kept` starts a guard, a process of its own session that waits for the end of its owner. However the owner ends, the
guard kills the job's processes, also stopped ones, and removes what they leave. It imports nothing but the standard
library: ``python -I -S remains.py FOLDER``.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WORKER = "spikeport.export.lava.worker"
MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux shows shared memory
SECONDS = 10.0
"""How long killed processes may take to end."""


@contextmanager
def kept(folder: Path) -> Iterator[None]:
    """Remove the job in ``folder`` when this process dies inside the block; free its shared memory at the end."""
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={},
        start_new_session=True,
    )
    try:
        yield
    finally:
        guard.kill()
        guard.communicate()
        free_memory(folder)


def remove(folder: Path) -> None:
    """Kill the processes of the job in ``folder``, free its shared memory and remove the folder."""
    end_processes(folder)
    free_memory(folder)
    shutil.rmtree(folder, ignore_errors=True)


def end_processes(folder: Path) -> None:
    """Kill the process groups of the job's worker and of what it forked, and wait until they are gone."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        groups = {group for group in map(group_of, processes(folder)) if group}
        if not groups:
            return
        for group in groups:
            with unfinished_freed(group), suppress(OSError):
                os.killpg(group, signal.SIGKILL)
        time.sleep(0.02)


def group_of(process: int) -> int:
    """Return the process group of ``process``; 0 where it has ended."""
    try:
        return os.getpgid(process)
    except ProcessLookupError:
        return 0


@contextmanager
def unfinished_freed(group: int) -> Iterator[None]:
    """Stop the leader of ``group`` before it is ended, then unlink the semaphore that it was just making.

    The C library makes a semaphore under a name of its own, links it and removes the first name; a process that is
    killed in between leaves that one. The worker, the leader, makes all of Lava's semaphores.
    """
    unfinished = _semaphores(group) if _stopped(group) else set()
    yield
    for path in unfinished:
        with suppress(OSError):
            path.unlink()


def _stopped(process: int) -> bool:
    """Stop a process and wait until it stands; False where it has ended."""
    with suppress(OSError):
        os.kill(process, signal.SIGSTOP)
        for _ in range(100):
            state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
            if state in "TZ":
                return state == "T"
            time.sleep(0.001)
    return False


def _semaphores(process: int) -> set[Path]:
    """Return the semaphores that a process has open or mapped under a name that still exists."""
    place = Path(f"/proc/{process}")
    names = [str(each.readlink()) for each in (place / "fd").iterdir()]
    names += [line.split(maxsplit=5)[-1] for line in (place / "maps").read_text().splitlines()]
    return {Path(name) for name in names if name.startswith(f"{MEMORY}/sem.") and not name.endswith("(deleted)")}


def processes(folder: Path) -> list[int]:
    """Return the living processes of this user that run the worker on ``folder``."""
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if _runs(path, folder)]


def _runs(process: Path, folder: Path) -> bool:
    try:
        arguments = (process / "cmdline").read_bytes().split(b"\0")
        owner = process.stat().st_uid
    except OSError:
        return False
    return owner == os.getuid() and WORKER.encode() in arguments and os.fsencode(folder) in arguments


def memory_prefix(folder: Path) -> str:
    """Return how the names of the job's shared memory and semaphores begin; the name of the folder is unique."""
    return f"{folder.name}-"


def free_memory(folder: Path) -> None:
    """Unlink the job's shared memory and semaphores."""
    for kind in ("", "sem."):
        for segment in MEMORY.glob(f"{kind}{memory_prefix(folder)}*"):
            with suppress(OSError):
                segment.unlink()


if __name__ == "__main__":
    sys.stdin.buffer.read()  # ends when the owner does
    remove(Path(sys.argv[1]))
