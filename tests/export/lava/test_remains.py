"""What a job leaves is removed from outside: processes, memory, half-made semaphores, folder; nothing of others."""

import os
import signal
import subprocess
import sys
import time

import pytest

from spikeport.export.lava import remains

STAND_IN = "import sys, time; print(flush=True); time.sleep(600)"
OWNER = """
import sys, time
from pathlib import Path
from spikeport.export.lava import remains
with remains.kept(Path(sys.argv[1])):
    print(flush=True)
    time.sleep(600)
"""


@pytest.fixture
def start():
    """Start a Python process and wait for its first line."""
    started = []

    def call(code, *arguments):
        command = [sys.executable, "-c", code, *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        started.append(process)
        assert process.stdout.readline() == b"\n"
        return process

    yield call
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_only_workers_on_this_folder_are_ended(start, tmp_path):
    job, other = tmp_path / "job", tmp_path / "job2"
    job.mkdir()
    worker = start(STAND_IN, remains.WORKER, job)
    os.kill(worker.pid, signal.SIGSTOP)
    spared = [start(STAND_IN, remains.WORKER, other), start(STAND_IN, "editor", job)]
    assert remains.processes(job) == [worker.pid]
    remains.remove(job)
    assert worker.wait() == -signal.SIGKILL
    assert not job.exists()
    assert [process.poll() for process in spared] == [None, None]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_guard_removes_the_job_when_its_owner_dies(start, tmp_path, number):
    job = tmp_path / "job"
    job.mkdir()
    worker = start(STAND_IN, remains.WORKER, job)
    owner = start(OWNER, job)
    owner.send_signal(number)
    assert worker.wait(timeout=20) == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while job.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not job.exists()


def test_guard_goes_with_the_block_and_leaves_the_folder(tmp_path):
    (tmp_path / "trace").touch()
    with remains.kept(tmp_path):
        pass
    time.sleep(0.3)
    assert (tmp_path / "trace").exists()


def test_semaphore_that_is_just_being_made_is_freed(start):
    """The C library's name for it says nothing about us, so it is found in the stopped process."""
    names = [f"sem.spikeport-test-{os.getpid()}-{index}" for index in range(3)]
    code = """
import mmap, os, sys, time
held = []
for number, name in enumerate(sys.argv[1:]):
    file = open("/dev/shm/" + name, "w+b")
    file.write(bytes(32)); file.flush()
    if number == 1:
        held.append(mmap.mmap(file.fileno(), 32)); file.close()
    elif number == 0:
        held.append(file)
    else:
        file.close()
print(flush=True)
time.sleep(600)
"""
    process = start(code, *names)
    with remains.unfinished_freed(process.pid):
        process.kill()
    assert [(remains.MEMORY / name).exists() for name in names] == [False, False, True]
    (remains.MEMORY / names[2]).unlink()
    with remains.unfinished_freed(process.pid):
        process.wait()
