"""The worker may raise, die, hang, or write garbage: always its own error, never an orphan."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spikeport.export.errors import WorkerError
from spikeport.export.lava.supervisor import Limits, supervise

CHILD = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"


def run(folder, code, *, limits=None, lines=None):
    supervise(
        [sys.executable, "-c", code],
        folder=folder,
        environment={**os.environ, "SPIKEPORT_TEST": str(folder)},
        limits=limits or Limits(silence=20, total=60),
        on_line=(lines if lines is not None else []).append,
    )


def living(folder):
    """Return the processes that carry the folder's name in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            mine = f"SPIKEPORT_TEST={folder}\0".encode() in (process / "environ").read_bytes() + b"\0"
            state = (process / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if mine and state != "Z" and int(process.name) != os.getpid():
            found.append(int(process.name))
    return found


def test_lines_arrive_and_nothing_is_left(tmp_path):
    lines = []
    run(tmp_path, CHILD + "print('{\"done\": 1}', flush=True); print('not json')", lines=lines)
    assert lines == [{"done": 1}, {"text": "not json"}]
    assert living(tmp_path) == []


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise ValueError('weights are odd')", "failed with exit code 1: ValueError: weights are odd"),
        ("import os; os._exit(7)", "failed with exit code 7: it wrote no message"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "was killed by SIGSEGV"),
        ("import sys; sys.stdout.write('x' * 10_000_000); raise OSError(28, 'No space left')", "No space left"),
    ],
)
def test_failure_carries_the_workers_own_error(tmp_path, code, message):
    with pytest.raises(WorkerError, match=message):
        run(tmp_path, CHILD + code)
    assert living(tmp_path) == []


def test_silent_worker_is_ended_within_its_limit(tmp_path):
    started = time.monotonic()
    with pytest.raises(WorkerError, match="no sign of life for 1 s"):
        run(tmp_path, CHILD + "import time; time.sleep(600)", limits=Limits(silence=1, total=60))
    assert time.monotonic() - started < 10
    assert living(tmp_path) == []


def test_worker_that_ignores_the_polite_signal_is_killed(tmp_path):
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    with pytest.raises(WorkerError, match="no sign of life"):
        run(tmp_path, code, limits=Limits(silence=1, total=60))
    assert living(tmp_path) == []


def test_chatty_worker_is_ended_by_the_total_limit(tmp_path):
    code = "import time\nwhile True: print('{}', flush=True); time.sleep(0.05)"
    with pytest.raises(WorkerError, match="ran longer than 1 s"):
        run(tmp_path, code, limits=Limits(silence=20, total=1))
    assert living(tmp_path) == []


BUSY = """
import time
end = time.monotonic() + 4
while time.monotonic() < end: pass
print('{"finished": true}')
"""


def test_silent_worker_that_computes_is_not_ended(tmp_path):
    lines = []
    run(tmp_path, BUSY, limits=Limits(silence=2, total=60), lines=lines)
    assert lines == [{"finished": True}]


def test_silent_worker_whose_child_computes_is_not_ended(tmp_path):
    lines = []
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"
    run(tmp_path, code, limits=Limits(silence=2, total=60), lines=lines)
    assert lines == [{"finished": True}]


def test_stopped_worker_is_ended_within_its_limit_and_its_phase_is_named(tmp_path):
    code = """if True:
        import os, signal
        print('{"phase": "compiling"}', flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
    """
    started = time.monotonic()
    with pytest.raises(
        WorkerError, match=r"no sign of life for 2 s while compiling \(no line, and no processor time\)"
    ):
        run(tmp_path, f"{CHILD}\n{code}", limits=Limits(silence=2, total=60))
    assert time.monotonic() - started < 5
    assert living(tmp_path) == []


def test_stopped_worker_can_still_clean_up(tmp_path):
    """Python's resource tracker frees shared memory only if it ends by itself, so it must be continued first."""
    code = f"""if True:
        import os, signal, sys, time
        def clean(*_):
            open({str(tmp_path / "cleaned")!r}, "w").close()
            sys.exit()
        signal.signal(signal.SIGTERM, clean)
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(600)
    """
    with pytest.raises(WorkerError, match="no sign of life"):
        run(tmp_path, code, limits=Limits(silence=1, total=60))
    assert (tmp_path / "cleaned").exists()


@pytest.mark.slow
def test_traceback_and_silence_do_not_end_a_run_that_goes_on(tmp_path):
    lines = []
    code = "import sys, time; sys.stderr.write('Traceback'); time.sleep(15); print('{\"finished\": true}')"
    run(tmp_path, code, lines=lines)
    assert lines == [{"finished": True}]


def test_interrupted_parent_leaves_no_orphan(tmp_path):
    program = f"""
import os, pathlib, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from spikeport.export.lava.supervisor import Limits, supervise
supervise([sys.executable, '-c', "import time; print('{{}}', flush=True); time.sleep(600)"],
          folder=pathlib.Path({str(tmp_path)!r}), environment=dict(os.environ), limits=Limits(),
          on_line=lambda line: print('running', flush=True))
"""
    environment = {**os.environ, "SPIKEPORT_TEST": str(tmp_path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )
    assert parent.stdout.readline() == b"running\n"
    parent.send_signal(signal.SIGINT)
    parent.communicate(timeout=20)
    assert living(tmp_path) == []


def test_worker_that_closes_its_output_and_stays_is_ended(tmp_path):
    with pytest.raises(WorkerError, match="closed its output but did not end"):
        run(tmp_path, "import os, time; os.close(1); os.close(2); time.sleep(60)")
    assert living(tmp_path) == []


def test_signal_without_a_name_is_a_number(tmp_path):
    with pytest.raises(WorkerError, match="was killed by signal 35"):
        run(tmp_path, "import os; os.kill(os.getpid(), 35)")
