"""The worker's lines, the names of its shared memory, and how it ends: without Lava, in processes of their own."""

import json
import subprocess
import sys

import pytest

from spikeport.export.lava import remains

WATCH = """
import multiprocessing, os, sys, time
from pathlib import Path
from spikeport.export.lava import life
multiprocessing.set_start_method("fork")
life.BEAT_SECONDS = 0.05
folder = Path(sys.argv[1])
rows = {folder / "a": 4, folder / "b": 1}
watch = life.Watch(rows, 10)
watch.start()
watch.enter("building")
"""


def run(folder, code):
    done = subprocess.run(
        [sys.executable, "-c", WATCH + code, str(folder)], capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_lines_name_the_phase_and_the_steps_of_all_traces(tmp_path):
    """Ten steps of a and none of b are five of ten; once a is whole, the pipeline drains."""
    code = """
time.sleep(0.2)
watch.enter("running")
(folder / "a").write_bytes(bytes(4 * 6 + 3))
time.sleep(0.3)
(folder / "a").write_bytes(bytes(4 * 10))
(folder / "b").write_bytes(bytes(2))
time.sleep(0.3)
(folder / "b").write_bytes(bytes(10))
time.sleep(0.3)
watch.finish()
"""
    code, lines, _ = run(tmp_path, code)
    assert code == 0
    assert [(line["phase"], line["done"]) for line in lines] == [
        ("building", 0),
        ("running", 0),
        ("running", 3),
        ("draining", 3),
        ("draining", 6),
        ("draining", 10),
        ("ending", 10),
    ]
    assert {line["total"] for line in lines} == {10}


def test_nothing_is_said_while_nothing_grows(tmp_path):
    _, lines, _ = run(tmp_path, "time.sleep(0.5)")
    assert [line["phase"] for line in lines] == ["building"]


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ("os._exit(0)", "RuntimeError: a process of Lava ended with exit code 0"),
        ("os.kill(os.getpid(), 9)", "RuntimeError: a process of Lava ended with exit code -9"),
    ],
)
def test_worker_ends_when_one_of_its_processes_does(tmp_path, ending, expected):
    """The others would wait for it for ever."""
    code = f"""
def end():
    time.sleep(0.3)
    {ending}
multiprocessing.Process(target=end).start()
time.sleep(20)
"""
    code, _, log = run(tmp_path, code)
    assert code == 1
    assert log.strip() == expected


def test_process_that_hands_over_its_error_is_reported_with_it(tmp_path):
    code = """
class Handing(multiprocessing.Process):
    exception = (ValueError("odd"), "Traceback: ValueError: odd")
process = Handing(target=os.getpid)
process.start()
watch.actors = (process,)
time.sleep(20)
"""
    code, _, log = run(tmp_path, code)
    assert (code, log) == (1, "Traceback: ValueError: odd")


def test_process_that_ended_before_the_first_beat_is_seen(tmp_path):
    """Multiprocessing forgets it as soon as another one is started."""
    code = """
process = multiprocessing.Process(target=os.getpid)
process.start()
process.join()
multiprocessing.active_children()
watch.actors = (process,)
time.sleep(20)
"""
    code, _, log = run(tmp_path, code)
    assert (code, log) == (1, "RuntimeError: a process of Lava ended with exit code 0\n")


def test_process_that_lava_has_closed_is_left_to_lava(tmp_path):
    code = """
process = multiprocessing.Process(target=os.getpid)
process.start()
process.join()
process.close()
watch.actors = (process,)
time.sleep(0.4)
"""
    assert run(tmp_path, code)[0] == 0


def test_fault_of_the_watch_ends_the_worker(tmp_path):
    code, _, log = run(tmp_path, "watch.rows[folder / ('a' * 300)] = 1\ntime.sleep(20)")
    assert code == 1
    assert "File name too long" in log


def test_processes_may_end_when_all_is_over(tmp_path):
    code = """
process = multiprocessing.Process(target=time.sleep, args=(0.2,))
process.start()
watch.over.set()
process.join()
time.sleep(0.3)
"""
    assert run(tmp_path, code)[0] == 0


def test_memory_and_semaphores_carry_the_name_of_the_job(tmp_path):
    """What is left of them when everything is killed at once can be told from that of other processes."""
    code = """
life.name_memory("spikeport-test-x1-")
from multiprocessing import shared_memory, resource_tracker
memory = shared_memory.SharedMemory(create=True, size=10)
semaphore = multiprocessing.get_context("spawn").Semaphore()
life.say(phase=memory.name, semaphore=semaphore._semlock.name)
resource_tracker.unregister(memory._name, "shared_memory")
"""
    _, lines, log = run(tmp_path, code)
    assert log == ""
    assert lines[-1]["phase"].startswith("spikeport-test-x1-")
    assert lines[-1]["semaphore"].startswith("/spikeport-test-x1-")
    left = remains.MEMORY / lines[-1]["phase"]
    assert left.exists()
    remains.free_memory(tmp_path / "spikeport-test-x")
    assert left.exists()
    remains.free_memory(tmp_path / "spikeport-test-x1")
    assert not left.exists()


def test_leaving_kills_the_group(tmp_path):
    code = """
os.setpgid(0, 0)
pid = os.fork()
if not pid:
    time.sleep(60)
life.say(phase="", pid=pid)
life.leave()
"""
    code, lines, _ = run(tmp_path, code)
    assert code == 0
    assert not (remains.Path("/proc") / str(lines[-1]["pid"])).exists() or _is_dead(lines[-1]["pid"])


def _is_dead(process):
    return (remains.Path("/proc") / str(process) / "stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
