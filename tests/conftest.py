"""Fixtures that several test files share."""

import importlib
import os
import signal
from pathlib import Path

import pytest

# Before PyTorch is imported. Several processes of tests share the cores: with a thread for each core in each of them
# small networks take four to five times the processor time. Tests of several threads ask for them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # toolchain.cli says why

from hypothesis import HealthCheck, settings

from spikeport.export import isolated, tensors
from spikeport.export.errors import FormatError, LavaError
from spikeport.export.lava import environment
from spikeport.export.scratch import scratch
from tests.strategies import EXAMPLES

settings.register_profile(
    "default",
    deadline=None,
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("default")

# Programs that tests start inherit ignored signals (nohup, a shell's background jobs) but no handler.
for number, handler in ((signal.SIGHUP, lambda *_: None), (signal.SIGINT, signal.default_int_handler)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


@pytest.fixture(autouse=True, scope="session")
def _no_waiting_for_the_disk():
    """Files of tests need not survive a power cut; what is synced, and when, is tested with the calls themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


def read_in_this_process(module, paths, **_):
    """Read files as `isolated.read` does, without the process of its own and its limits."""
    with scratch("spikeport-read-") as folder:
        importlib.import_module(module)._read_here([Path(path).absolute() for path in paths], folder / "out")
        return tensors.read(folder / "out", FormatError)


@pytest.fixture(autouse=True)
def _reading(request, monkeypatch):
    """Start no process to read a file, which takes 0.2 s, but in tests of those processes and in `make test-all`."""
    if not os.environ.get("SPIKEPORT_READ_APART") and request.node.get_closest_marker("apart") is None:
        monkeypatch.setattr(isolated, "read", read_in_this_process)


@pytest.fixture(autouse=True)
def _lava_environment(request):
    """Skip what needs Lava where it is not installed; fail instead where CI says that it must be there."""
    if request.node.get_closest_marker("lava") is None:
        return
    try:
        environment.python()
    except LavaError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


COMPARED = pytest.StashKey[dict]()


@pytest.fixture
def compared(pytestconfig):
    """Return a function that adds neuron steps to the line at the end of the run, by executor."""
    counts = pytestconfig.stash.setdefault(COMPARED, {})

    def add(found):
        for name, fidelity in found.items():
            total, different = counts.get(name, (0, 0))
            counts[name] = (total + fidelity.compared, different + fidelity.mismatches)

    return add


def pytest_sessionfinish(session):
    """Hand what a worker of pytest-xdist has compared to the process that prints it."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["compared"] = session.config.stash.get(COMPARED, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):  # noqa: ARG001 - the names are pytest-xdist's
    counts = node.config.stash.setdefault(COMPARED, {})
    for name, (total, different) in getattr(node, "workeroutput", {}).get("compared", {}).items():
        before = counts.get(name, (0, 0))
        counts[name] = (before[0] + total, before[1] + different)


def pytest_terminal_summary(terminalreporter, config):
    for name, (total, different) in sorted(config.stash.get(COMPARED, {}).items()):
        terminalreporter.write_line(f"{name} against reference: {total:,} neuron steps compared, {different} different")
