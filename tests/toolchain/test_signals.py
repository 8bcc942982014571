"""A terminal that closes, and a polite end, let the command clean up; nohup stays in force."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import signal, sys, time
if sys.argv[2] == "ignored":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
from spikeport.toolchain import cli
def work(standalone_mode):
    try:
        print("working", flush=True)
        time.sleep(float(sys.argv[3]))
    finally:
        open(sys.argv[1], "w").close()
cli.app = work
cli.main()
"""


def run(path, state, seconds, number):
    command = [sys.executable, "-c", PROGRAM, str(path), state, seconds]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"working\n"
        process.send_signal(number)
        return process.wait(timeout=30)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signal_ends_the_command_after_its_clean_up(tmp_path, number, code):
    assert run(tmp_path / "cleaned", "default", "60", number) == code
    assert (tmp_path / "cleaned").exists()


def test_hangup_that_was_ignored_stays_ignored(tmp_path):
    assert run(tmp_path / "cleaned", "ignored", "1", signal.SIGHUP) == 0
