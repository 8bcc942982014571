"""Parts in several processes: the figures of one, and no process that outlives a run."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from torch import nn

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.ensemble import Member
from spikeport.toolchain.attacks.pgd import Pgd
from tests.toolchain.robustness.members import Nan, network
from tests.toolchain.robustness.test_worst_case import found, same


@pytest.mark.slow  # starts processes
@pytest.mark.parametrize("folder", [False, True])
def test_several_processes_give_the_result_of_one(folder, tmp_path):
    several = found(workers=2, folder=tmp_path if folder else None)
    assert same(several, found())
    assert len(list(tmp_path.glob("part-*.npz"))) == 6 * folder


ORPHANS = """
import os, sys
from pathlib import Path
from spikeport.toolchain.robustness.worst_case import worst_case
from tests.toolchain.robustness.members import EPSILON, MEMBERS, Ending, data, network

if __name__ == "__main__":
    worst_case(Ending(network(), Path(sys.argv[1])), MEMBERS, *data(), epsilon=EPSILON, batch_size=8, workers=2)
"""


@pytest.mark.slow  # starts processes
def test_processes_end_with_a_run_that_is_killed(tmp_path):
    """The network of the workers notes their numbers, and kills the one that started them."""
    script, notes = tmp_path / "script.py", tmp_path / "notes"
    script.write_text(ORPHANS)
    notes.mkdir()
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3]), *filter(None, sys.path)])
    }
    done = subprocess.run(
        [sys.executable, str(script), str(notes)], check=False, capture_output=True, text=True, env=environment
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    workers = [int(path.name) for path in notes.iterdir()]
    assert workers
    until = time.monotonic() + 30
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]


@pytest.mark.slow  # starts processes
def test_an_error_in_a_process_ends_all_and_comes_back():
    before = multiprocessing.active_children()
    with pytest.raises(AttackError, match="the model's loss or its gradient by the pixels is NaN"):
        found(members=[Member(name="broken", attack=Pgd(objective=Nan()))], workers=2)
    assert multiprocessing.active_children() == before


class Unknown(nn.Module):
    def __reduce__(self):
        raise TypeError("has a handle of the system")

    def __deepcopy__(self, memo):
        return self

    def forward(self, logits):
        return logits


def test_a_model_that_cannot_be_sent_to_other_processes_is_refused():
    model = network()
    model.append(Unknown())
    with pytest.raises(AttackError, match="cannot be sent to other processes"):
        found(model=model, workers=2)
