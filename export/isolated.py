"""Files of others read by a process of its own, with limits of time and memory, which ends with its parent.

A damaged file can send a library into an endless loop or crash it. The child hands over safetensors.
"""

import ctypes
import math
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from safetensors import SafetensorError

from spikeport.export import children, tensors
from spikeport.export.children import LIBRARIES
from spikeport.export.errors import FormatError, OutputError
from spikeport.export.inputs import room
from spikeport.export.scratch import scratch

SECONDS, BYTES_PER_SECOND = 6, 2**23
"""Computing time for reading a file, and bytes for which a second is added."""
PATIENCE = 4
"""Time of the clock as a multiple of the computing time, for a machine that is busy with other things."""
REFUSED, UNWRITTEN = 3, 4
"""Exit codes of the reading process where the file is at fault, and where its result cannot be written."""
PR_SET_PDEATHSIG = 1
"""Of prctl(2): the signal that this process gets when its parent ends."""
Reader = Callable[[list[Path], Path], None]
"""Reads files and writes what they hold as safetensors; `FormatError` says what is wrong with them."""


def read(
    module: str, paths: Sequence[Path], *, size: int, libraries: Sequence[str] = LIBRARIES, extra: int = 0
) -> tuple[dict[str, str], tensors.Tensors]:
    """Let ``module``, whose `main` is `serve`, read ``paths``, of ``size`` bytes in all, and return what it wrote.

    ``extra``: seconds that its libraries take to load. `FormatError` says what is wrong; the caller names the file.
    """
    seconds = SECONDS + extra + size // BYTES_PER_SECOND
    with scratch("spikeport-read-") as folder:
        out = folder / "tree.safetensors"
        settings = [
            str(out),
            str(room(size)),
            str(seconds),
            str(os.getpid()),
            *(str(path.absolute()) for path in paths),
        ]
        command = children.command(module, settings, libraries=libraries)
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PATIENCE * seconds,
                check=False,
                cwd=folder,
                env=children.environment(),
            )
        except subprocess.TimeoutExpired:
            raise FormatError(f"damaged (reading it did not end within {PATIENCE * seconds} s)") from None
        _check_end(done, seconds, f"{paths[0]} was read, but the temporary folder {folder.parent}")
        return tensors.read(out, FormatError)


def _check_end(done: "subprocess.CompletedProcess[str]", seconds: int, unwritten: str) -> None:
    if done.returncode == UNWRITTEN:
        raise OutputError(
            f"{unwritten} does not take what stands in it "
            f"({done.stderr.strip()}): free some space, or set TMPDIR to another folder"
        )
    if done.returncode == REFUSED:
        raise FormatError(done.stderr.strip())
    if done.returncode == -signal.SIGXCPU:
        raise FormatError(f"damaged (reading it did not end within {seconds} s of computing time)")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise FormatError(f"damaged (reading it ended with code {done.returncode}: {lines[-1]})")


def serve(reader: Reader, arguments: Sequence[str]) -> int:
    """Run ``reader`` under limits, with the ``arguments`` that `read` hands over, and return the exit code."""
    out, (most, seconds, parent) = Path(arguments[0]), map(int, arguments[1:4])
    _limit(most, seconds, parent)
    try:
        reader([Path(each) for each in arguments[4:]], out)
    except FormatError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    except MemoryError:
        sys.stderr.write("reading it takes more memory than a file of its size should need\n")
        return REFUSED
    except (OSError, SafetensorError) as error:
        sys.stderr.write(f"{error}\n")
        return UNWRITTEN
    return 0


def _limit(most: int, seconds: int, parent: int) -> None:
    """Limit this process's memory and computing time, and end it when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(REFUSED)
    memory = _address_space() + 3 * most + 2**27
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    end = math.ceil(time.process_time()) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (end, end + 1))


def _address_space() -> int:
    """Return the bytes of address space that this process takes with its libraries."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    except OSError:
        return 2**32
