"""Every page of docs/howto runs from top to bottom, and prints what it shows."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

from spikeport.export.lava import environment
from tests.oracles.howto import environments, pages

pytestmark = [pytest.mark.oracle, pytest.mark.slow]
PAGES = sorted(pages.HOWTO.glob("*.md"))
OWN, FLOAT = "own.npz", "float.npz"


def needs_of(page):
    """Skip where a framework of a page is missing."""
    for framework in pages.frameworks(page):
        if why := environments.missing(framework):
            pytest.skip(why)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_runs_and_prints_what_it_shows(page, tmp_path):
    needs_of(page)
    pages.play(page, tmp_path)
    if (tmp_path / OWN).exists():
        same_spikes(tmp_path)


def same_spikes(folder):
    """The float network gives the framework's own spikes: of every sample and class the same number.

    Potentials of a readout agree within single precision.
    """
    with np.load(folder / OWN) as own, np.load(folder / FLOAT) as ours:
        scores = ours["scores"]
        if "potentials" in own:
            potentials = own["potentials"][:, -1]
            assert np.abs(scores - potentials).max() < 1e-4 * np.abs(potentials).max()
            return
        spikes = own["spikes"]
    assert 0.01 < spikes.mean() < 0.9
    assert np.array_equal(spikes.sum(axis=0 if spikes.shape[1] == len(scores) else 1), scores)


@pytest.mark.lava
def test_trace_of_the_job_for_another_machine_is_equal(tmp_path):
    pages.play(pages.HOWTO / "remote_lava.md", tmp_path)
    worker = [str(environment.python()), "-m", "spikeport.export.lava.worker", "."]
    run = {"cwd": tmp_path / "job", "env": dict(os.environ, PYTHONPATH=""), "capture_output": True}
    subprocess.run(worker, check=True, **run)
    ours = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(pages.ROOT / "src")}}
    found = subprocess.run(
        [sys.executable, "-P", "compare.py"], **ours, check=True, capture_output=True, text=True
    ).stdout
    assert found.splitlines() == ["hidden 2560 compared, 0 different", "readout 400 compared, 0 different"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_has_something_that_runs(page):
    found = pages.blocks(page)
    assert any(block.language == "bash" or block.framework or block.language == "python" for block in found)
    fences = len(re.findall(r"^```", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert fences == 2 * len(found)
