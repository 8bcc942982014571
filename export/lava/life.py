"""The life of the worker: the lines it writes, and a thread that watches the traces and Lava's processes.

Imports nothing of Lava. Lava forks its processes while the thread runs, so the thread takes no lock that they would
inherit: lines go to the descriptor, not through ``sys.stdout``.
"""

import ctypes
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from multiprocessing import shared_memory
from pathlib import Path
from typing import Any, NoReturn

BEAT_SECONDS = 2.0
PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""


def say(**fields: Any) -> None:
    """Write one JSON line for the supervisor."""
    os.write(1, json.dumps(fields).encode() + b"\n")


class Watch(threading.Thread):
    """Tell the phase and how far the traces have grown; end the worker when one of Lava's processes has ended.

    ``rows`` gives the bytes per step of every trace file, ``steps`` how many steps each will hold, ``actors`` Lava's
    processes once they are started; those that it starts are watched from the next beat on.
    """

    def __init__(self, rows: dict[Path, int], steps: int) -> None:
        super().__init__(daemon=True)
        self.rows, self.steps, self.shown = rows, steps, 0
        self.phase, self.children = "", set[multiprocessing.process.BaseProcess]()
        self.actors: Sequence[multiprocessing.process.BaseProcess] = ()
        self.over = threading.Event()

    def enter(self, phase: str) -> None:
        """Begin a phase: 'building', 'compiling', 'running', 'draining' or 'ending'."""
        self.phase = phase
        say(phase=phase, done=self.shown, total=self.steps)

    def finish(self) -> None:
        """Begin the last phase: all steps are recorded, and Lava's processes may end."""
        self.over.set()
        self.shown = self.steps
        self.enter("ending")

    def run(self) -> None:
        """Beat until the worker ends; a fault of this thread ends the worker too."""
        try:
            while not self.over.wait(BEAT_SECONDS):
                self.beat()
        except Exception:  # noqa: BLE001 - whatever it is: without this thread a failed process goes unseen
            fail(traceback.format_exc())

    def beat(self) -> None:
        """Write a line where a trace has grown, and look after Lava's processes."""
        steps = [self._recorded(path) for path in self.rows]
        done = sum(steps) // len(steps)
        if self.phase == "running" and max(steps) == self.steps > done:
            self.enter("draining")
        if done > self.shown:
            self.shown = done
            say(phase=self.phase, done=done, total=self.steps)
        self._check_children()

    def _recorded(self, path: Path) -> int:
        return path.stat().st_size // self.rows[path] if path.is_file() else 0

    def _check_children(self) -> None:
        """End at once when a process has ended: the others would wait for it."""
        self.children |= set(multiprocessing.active_children())
        for child in (*self.children, *self.actors):
            if _has_ended(child) and not self.over.is_set():
                fail(error_of(child))


def _has_ended(child: multiprocessing.process.BaseProcess) -> bool:
    try:
        return child.exitcode is not None
    except ValueError:  # Lava has noticed the end, joined and closed it, and is about to raise
        return False


def error_of(child: multiprocessing.process.BaseProcess) -> str:
    """Return the traceback of a process that ended: one of Lava hands it over and ends with code 0."""
    raised: tuple[Exception, str] | None = getattr(child, "exception", None)
    return raised[1] if raised else f"RuntimeError: a process of Lava ended with exit code {child.exitcode}\n"


def fail(message: str) -> NoReturn:
    """Write ``message`` and end at once with Lava's processes: Python's own shutdown would wait for them for ever."""
    sys.stderr.write(message)
    sys.stderr.flush()
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(1)


def end_with_this_process() -> None:
    """Let Linux kill the processes that are forked from now on when this one dies, also by kill -9 and Ctrl-C."""
    worker = os.getpid()
    signal.signal(signal.SIGINT, lambda *_: fail("interrupted\n") if os.getpid() == worker else os._exit(1))
    control = ctypes.CDLL(None).prctl

    forking = {"process": worker}

    def follow() -> None:
        control(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != forking["process"]:  # it died before Linux was told
            os._exit(1)

    os.register_at_fork(before=lambda: forking.update(process=os.getpid()), after_in_child=follow)


def name_memory(prefix: str) -> None:
    """Begin the names of all shared memory and semaphores made from now on with ``prefix``: others can free them."""
    full = f"/{prefix}"
    _settings()["semprefix"] = full.rstrip("-")
    vars(shared_memory).update(_SHM_NAME_PREFIX=full, _SHM_SAFE_NAME_LENGTH=len(full) + 8)


def keep_sockets_here() -> None:
    """Put sockets into the current folder by a relative path: a full one may exceed the 107 bytes that Linux takes."""
    _settings()["tempdir"] = "."


def _settings() -> dict[str, Any]:
    """Return the settings of multiprocessing that forked processes inherit; Python 3.10 has no other way to them."""
    settings: dict[str, Any] = vars(multiprocessing.current_process())["_config"]
    return settings


def leave() -> None:
    """End without Lava's own shutdown, which can take minutes and fail where there are hundreds of processes.

    Python's resource tracker is spared: it frees the shared memory when it is the last one left, and ends.
    """
    while kill_group():
        time.sleep(0.1)
    os._exit(0)


def kill_group() -> int:
    """Kill the other processes of the group, but for the resource tracker; return how many there were."""
    killed = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            ours = os.getpgid(int(process.name)) == os.getpgid(0) and int(process.name) != os.getpid()
            state = (process / "stat").read_text().rsplit(")", 1)[1].split()[0]
            if ours and state != "Z" and b"resource_tracker" not in (process / "cmdline").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)
                killed += 1
        except OSError:
            continue
    return killed
