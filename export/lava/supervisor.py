"""Own a worker process from start to end: signs of life, time limits, its own error, and nothing left behind."""

import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from spikeport.export.errors import WorkerError
from spikeport.export.lava.remains import unfinished_freed
from spikeport.export.lava.vitals import Pulse

POLL_SECONDS = 0.2
GRACE_SECONDS = 5.0
TAIL_BYTES = 20_000
Line = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds: without a sign of life (a line, or processor time), and in all."""

    silence: float = 180.0
    total: float = 24 * 3600.0


def supervise(
    command: Sequence[str],
    *,
    folder: Path,
    environment: dict[str, str],
    limits: Limits,
    on_line: Callable[[Line], None],
) -> None:
    """Run ``command`` in ``folder`` and hand every JSON line of its output to ``on_line``.

    `WorkerError` carries the worker's own last error where it fails, dies, or gives no sign of life within the limits,
    and the last ``phase`` that one of its lines named. The worker leads a process group that is gone when this function
    returns or raises, whatever the reason.
    """
    log = folder / "worker.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
        try:
            _follow(process, log, limits, on_line)
        finally:
            _end_group(process)


def _follow(process: "subprocess.Popen[bytes]", log: Path, limits: Limits, on_line: Callable[[Line], None]) -> None:
    assert process.stdout is not None
    lines: queue.Queue[bytes | None] = queue.Queue()
    threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
    started, pulse = time.monotonic(), Pulse(process.pid, limits.silence)
    phase, ended = "", False
    while True:
        try:
            line = lines.get(timeout=POLL_SECONDS)
        except queue.Empty:
            if ended:
                break  # a process of its own still holds the pipe open; what the worker wrote has been read
        else:
            if line is None:
                break
            pulse.beat()
            fields = _parsed(line)
            phase = str(fields.get("phase", phase))
            on_line(fields)
        _check_alive(process, log, limits, pulse.silence(), time.monotonic() - started, phase)
        ended = process.poll() == 0
    try:
        code = process.wait(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        raise WorkerError(f"the worker closed its output but did not end: {_last_error(log)}") from None
    if code:
        raise WorkerError(f"the worker {_ending(code)}: {_last_error(log)}")


def _read(stream: IO[bytes], lines: "queue.Queue[bytes | None]") -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _parsed(line: bytes) -> Line:
    try:
        fields = json.loads(line)
    except ValueError:
        fields = None
    return fields if isinstance(fields, dict) else {"text": line.decode(errors="replace").rstrip()}


def _check_alive(
    process: "subprocess.Popen[bytes]", log: Path, limits: Limits, silent: float, elapsed: float, phase: str
) -> None:
    place = f" while {phase}" if phase else ""
    if process.poll() not in (None, 0):
        raise WorkerError(f"the worker {_ending(process.returncode)}{place}: {_last_error(log)}")
    if silent > limits.silence:
        raise WorkerError(
            f"the worker gave no sign of life for {limits.silence:g} s{place} (no line, and no processor time); "
            f"ended it: {_last_error(log)}"
        )
    if elapsed > limits.total:
        raise WorkerError(f"the worker ran longer than {limits.total:g} s{place}; ended it: {_last_error(log)}")


def _ending(code: int) -> str:
    if code >= 0:
        return f"failed with exit code {code}"
    names = {each.value: each.name for each in signal.Signals}
    return f"was killed by {names.get(-code, f'signal {-code}')}"


def _tail(log: Path) -> str:
    data = log.read_bytes()[-TAIL_BYTES:]
    return data.decode(errors="replace")


def _last_error(log: Path) -> str:
    """Return the last line that names an exception, else the last line."""
    lines = [line.strip() for line in _tail(log).splitlines() if line.strip() and "See output above" not in line]
    heads = {line: line.split(":")[0] for line in lines if not line.startswith("raise ")}
    named = [line for line, head in heads.items() if "Error" in head or "Exception" in head]
    return (named or lines or ["it wrote no message"])[-1]


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """Ask the group to end, so that Python frees its shared memory, then make it end; stopped processes continue."""
    for chosen in (signal.SIGTERM, signal.SIGKILL):
        with unfinished_freed(process.pid):
            if not _signal(process.pid, chosen):
                break
        _signal(process.pid, signal.SIGCONT)
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline and _signal(process.pid, 0):
            process.poll()
            time.sleep(0.02)
    if process.stdout is not None:
        process.stdout.close()
    process.wait()


def _signal(group: int, number: int) -> bool:
    """Return whether the group still existed."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True
