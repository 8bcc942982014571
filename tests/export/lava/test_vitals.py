"""Processor time as the sign of life: that of the whole group, living and waited for."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

from spikeport.export.lava.vitals import Pulse, processor_seconds

BURN = "import time\nend = time.process_time() + 0.6\nwhile time.process_time() < end: pass\n"


@contextmanager
def started(code):
    """Yield a process, the first of a group that is gone behind the block, also where a test fails."""
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_group_counts_children_that_live_and_those_that_ended():
    code = f"""
import subprocess, sys, time
burn = {BURN!r}
subprocess.run([sys.executable, "-c", burn])
subprocess.Popen([sys.executable, "-c", burn + "time.sleep(60)"])
time.sleep(60)
"""
    with started(code) as process:
        deadline = time.monotonic() + 120
        while processor_seconds(process.pid) < 1.2 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert processor_seconds(process.pid) >= 1.2


def test_silence_grows_while_nothing_is_computed_and_ends_with_a_line():
    with started("import time; time.sleep(60)") as process:
        time.sleep(2)  # until Python has started, also on a busy machine
        pulse = Pulse(process.pid, limit=0.4)
        time.sleep(0.2)
        pulse.silence()
        time.sleep(0.5)
        assert pulse.silence() >= 0.5
        pulse.beat()
        assert pulse.silence() < 0.5


def test_computing_ends_the_silence():
    with started("while True: pass") as process:
        pulse = Pulse(process.pid, limit=0.4)
        for _ in range(2):
            time.sleep(1)
            end = time.monotonic() + 30  # on a busy machine it may take a while to compute
            while pulse.silence() > 0.2 and time.monotonic() < end:
                time.sleep(0.1)
            assert pulse.silence() < 0.2
