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
        living = processes(folder)
        if not living:
            return
        for process in living:
            with suppress(OSError):
                os.killpg(os.getpgid(process), signal.SIGKILL)
        time.sleep(0.02)


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
    """Return how the names of the job's shared memory begin; the name of the folder is unique."""
    return f"{folder.name}-"


def free_memory(folder: Path) -> None:
    """Unlink the job's shared memory."""
    for segment in MEMORY.glob(f"{memory_prefix(folder)}*"):
        with suppress(OSError):
            segment.unlink()


if __name__ == "__main__":
    sys.stdin.buffer.read()  # ends when the owner does
    remove(Path(sys.argv[1]))
