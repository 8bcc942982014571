"""One tiny run of the whole pipeline, shared by the tests that look at its artefacts."""

import fcntl
import os

import pytest

import spikeport
from tests.toolchain.networks import RECIPE


@pytest.fixture(scope="session")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="session")
def tiny_run(recipe, tmp_path_factory):
    """Return the folder of a finished run; tests must not change it. Processes of pytest-xdist share one."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    folder, done = shared / "tiny-run", shared / "tiny-run.done"
    with (shared / "tiny-run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            assert spikeport.run(recipe, folder).passed
            done.touch()
    return folder
