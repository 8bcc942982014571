"""The real worker: what dies is noticed at once, and nothing is left when its parent is killed."""

import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from spikeport.export.errors import WorkerError
from spikeport.export.executors import lava, reference
from spikeport.export.lava import environment, job, remains
from spikeport.export.lava.doctor import small_network
from spikeport.export.lava.supervisor import Limits
from spikeport.export.network import (
    Convolution,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.stimulus import random_stimulus
from spikeport.export.trace import record

pytestmark = pytest.mark.lava
NETWORK = small_network()
LONG = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from spikeport.export.executors import lava, reference
from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import random_stimulus
network = small_network()
list(lava.steps(network, random_stimulus(network, 100_000, 0)))
"""


def shared_memory(processes):
    """Return the files of shared memory that ``processes`` hold; other jobs may run on this machine."""
    found = set()
    for process in processes:
        try:
            lines = Path(f"/proc/{process}/maps").read_text().splitlines()
        except OSError:
            continue
        found |= {Path(line[line.index("/dev/shm/") :]) for line in lines if "/dev/shm/" in line}
    return {path for path in found if path.exists()}


def workers(folder):
    """Return the process ids of the Lava worker, and of its children, whose job lies in ``folder``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            if b"spikeport.export.lava.worker" in command and str(folder).encode() in command:
                found.append(int(process.name))
        except OSError:
            continue
    return found


def guards(folder):
    """Return the process ids of the guards of jobs in ``folder``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if remains.__file__.encode() in arguments and any(str(folder).encode() in each for each in arguments):
            found.append(int(process.name))
    return found


def group_lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def started_at(process):
    """Return when a process was started, in ticks since boot; the last ones run Lava's process models."""
    return int(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[19])


def wait_for(condition, seconds=40):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


@pytest.fixture
def folder(tmp_path):
    """A long path: the sockets of Lava's processes, whose names are limited, must not depend on it."""
    return Path(
        tempfile.mkdtemp(prefix="a-folder-with-a-name-of-more-than-one-hundred-characters" + 50 * "-", dir=tmp_path)
    )


@pytest.fixture
def running(folder):
    """A process of its own that runs many samples in Lava, once Lava's processes are up."""
    process = subprocess.Popen([sys.executable, "-c", LONG], env={**os.environ, "TMPDIR": str(folder)})
    assert wait_for(lambda: len(workers(folder)) > 3)
    memory = shared_memory(workers(folder))
    prefixes = [f"{job.name}-" for job in folder.iterdir()]

    def left():
        return {path for path in Path("/dev/shm").iterdir() if path in memory or path.name.startswith(tuple(prefixes))}

    yield process, lambda: workers(folder), left
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGKILL,
        signal.SIGTERM,
        *(pytest.param(n, marks=pytest.mark.slow) for n in (signal.SIGINT, signal.SIGHUP)),
    ],
)
def test_killed_parent_leaves_no_process_no_memory_and_no_folder(running, folder, number):
    process, workers_left, memory_left = running
    process.send_signal(number)
    process.wait()
    assert wait_for(lambda: not workers_left() and not memory_left(), seconds=20)
    assert wait_for(lambda: not list(folder.iterdir()), seconds=5)


SIGNALS = signal.SIGKILL, signal.SIGTERM, signal.SIGINT
WHICH = "worker", "one of its processes", "all, and the resource tracker"
FIRST = list(zip(WHICH, SIGNALS, strict=True))
OTHERS = [case for case in itertools.product(WHICH, SIGNALS) if case not in FIRST]


@pytest.mark.parametrize(("which", "number"), FIRST + [pytest.param(*case, marks=pytest.mark.slow) for case in OTHERS])
def test_stopped_processes_leave_nothing_either(running, folder, which, number):
    process, workers_left, memory_left = running
    in_order = sorted(workers_left(), key=started_at)
    group = os.getpgid(in_order[0])
    assert memory_left()
    if which == "all, and the resource tracker":
        os.killpg(group, signal.SIGSTOP)
    else:
        os.kill(in_order[0 if which == "worker" else -1], signal.SIGSTOP)
    process.send_signal(number)
    process.wait()
    assert wait_for(lambda: not workers_left() and not memory_left(), seconds=20)
    assert wait_for(lambda: not list(folder.iterdir()), seconds=5)
    assert wait_for(lambda: not group_lives(group), seconds=5)


def test_what_a_killed_owner_and_its_killed_guard_left_goes_at_the_next_start(running, folder, monkeypatch):
    process, workers_left, memory_left = running
    for guard in guards(folder):
        os.kill(guard, signal.SIGKILL)
    for worker in workers_left():
        os.kill(worker, signal.SIGSTOP)
    process.kill()
    process.wait()
    time.sleep(1)
    assert len(list(folder.iterdir())) == 1
    assert workers_left()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    list(lava.steps(NETWORK, random_stimulus(NETWORK, 1, 0)))
    assert not workers_left()
    assert not memory_left()
    assert list(folder.iterdir()) == []


def heavy_network(channels=288):
    """Return a network of three convolutions that each take Lava a second or more a step."""
    rng, shape = np.random.default_rng(0), (channels, 8, 8)
    neuron = IntegerNeuron(threshold=np.array(40), bias_mantissa=np.array(7))
    conv = Convolution(weight=rng.integers(-4, 5, (channels, channels, 3, 3)).astype(np.int8), padding=(1, 1))
    names = ("input", "a", "b", "c")
    return IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=shape, neuron=Source(levels=1)),
            *(IntegerPopulation(name=name, shape=shape, neuron=neuron) for name in names[1:]),
        ),
        projections=tuple(IntegerProjection(source=a, target=b, synapses=conv) for a, b in itertools.pairwise(names)),
        steps=2,
    )


@pytest.mark.slow
def test_slow_run_is_not_ended_while_it_computes(monkeypatch):
    """Its steps take longer than the limit on silence, and the pipeline drains without the first trace growing."""
    network, lines = heavy_network(), []
    given = random_stimulus(network, 1, 0)
    watched(monkeypatch, lambda line: lines.append({**line, "at": time.monotonic()}))
    steps = record(lava.steps(network, given, limits=Limits(silence=2)))
    expected = record(reference.steps(network, given))
    assert all(np.array_equal(steps[name], values) for name, values in expected.items())
    longest = max(after["at"] - before["at"] for before, after in itertools.pairwise(lines))
    assert longest > 2.5
    assert [phase for phase, _ in itertools.groupby(line.get("phase") for line in lines)][:3] == [
        "building", "compiling", "running"
    ]  # fmt: skip


def test_hung_run_is_ended_within_the_limit(monkeypatch, folder):
    """One stopped process of Lava: the others wait for it and compute nothing."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    stopped = []

    def stop_one(line):
        if line.get("done") and not stopped:
            stopped.append(time.monotonic())
            os.kill(max(workers(folder), key=started_at), signal.SIGSTOP)

    watched(monkeypatch, stop_one)
    with pytest.raises(WorkerError, match=r"no sign of life for 4 s while running \(no line, and no processor time\)"):
        list(lava.steps(NETWORK, random_stimulus(NETWORK, 50_000, 0), limits=Limits(silence=4)))
    assert time.monotonic() - stopped[0] < 12
    assert not workers(folder)
    assert list(folder.iterdir()) == []


BROKEN = {
    "while it is built": "__init__(*_): raise ValueError('no recorder today')",
    "in a step": "append(*_): raise ValueError('no recorder today')",
    "by ending": "append(*_): os._exit(3)",
}


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("when", BROKEN)
def test_process_that_fails_ends_the_run_with_its_error(folder, when, guarded):
    """The other processes, and Python's own shutdown, would wait for it for ever."""
    name, body = BROKEN[when].split("(", 1)
    job.write(NETWORK, random_stimulus(NETWORK, 1, 0), folder, guarded=guarded)
    with (folder / "spikeport" / "export" / "lava" / "processes.py").open("a") as file:
        file.write(f"\ndef fail({body}\n_Appender.{name} = fail\n")
    command = [environment.python(), "-m", remains.WORKER, "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=40, check=False)
    assert done.returncode == 1
    assert ("ended with exit code 3" if when == "by ending" else "ValueError: no recorder today") in done.stderr
    assert wait_for(lambda: not [p for p in processes_in(folder) if p != os.getpid()], seconds=5)
    remains.free_memory(folder)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_worker_of_a_job_folder_leaves_no_process_when_it_is_killed(folder, number):
    """It has neither supervisor nor guard there."""
    job.write(NETWORK, random_stimulus(NETWORK, 50_000, 0), folder)
    command = ["bash", "-c", f"trap - INT; exec {environment.python()} -m {remains.WORKER} ."]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    assert wait_for(lambda: len(processes_in(folder)) > 8)
    memory = shared_memory(processes_in(folder))
    assert memory
    process.send_signal(number)
    try:
        process.wait(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert wait_for(lambda: not processes_in(folder), seconds=10)
    assert wait_for(lambda: not [path for path in memory if path.exists()], seconds=10)


def processes_in(folder):
    """Return the processes whose current folder is ``folder``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found.append(int(process.name))
        except OSError:
            continue
    return found


def watched(monkeypatch, on_line):
    """Call ``on_line`` too for every line of the worker."""
    supervise = lava.supervisor.supervise

    def both(*args, on_line, also=on_line, **options):
        return supervise(*args, **options, on_line=lambda line: (also(line), on_line(line)))

    monkeypatch.setattr(lava.supervisor, "supervise", both)


def test_death_of_a_lava_process_is_noticed_at_once(monkeypatch, folder):
    network, started = small_network(), time.monotonic()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))

    seen = []

    def kill_one(line):
        if line.get("done") and not seen:
            seen.append(True)
            os.kill(max(workers(folder), key=started_at), signal.SIGKILL)

    watched(monkeypatch, kill_one)
    with pytest.raises(WorkerError, match="a process of Lava ended with exit code -9"):
        list(lava.steps(network, random_stimulus(network, 50_000, 0)))
    assert time.monotonic() - started < 60
    assert wait_for(lambda: not workers(folder))


def test_worker_modules_are_enough_for_python_3_10(tmp_path):
    """The job folder holds every module of ours that the worker imports."""
    given = random_stimulus(NETWORK, 2, 0)
    job.write(NETWORK, given, tmp_path)
    interpreter = lava.environment.python()
    command = [str(interpreter), "-m", "spikeport.export.lava.worker", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert np.fromfile(tmp_path / "trace" / "readout", "<i4").size == 2 * NETWORK.steps * 3


FULL = """
import resource
from spikeport.export.errors import WorkerError
from spikeport.export.executors import lava
from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import random_stimulus
network = small_network()
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    list(lava.steps(network, random_stimulus(network, 440, 0)))
except WorkerError as error:
    print("WorkerError:", error)
"""


def test_disk_that_is_full_for_the_trace_is_said_and_nothing_stays(folder):
    """A limit on the size of files stands in for the end of the disk: the recorder's write fails within Lava."""
    done = subprocess.run(
        [sys.executable, "-c", FULL], env={**os.environ, "TMPDIR": str(folder)}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert "WorkerError: " in done.stdout, done.stderr
    assert "File too large" in done.stdout
    assert wait_for(lambda: not workers(folder), seconds=20)
    assert list(folder.iterdir()) == []
