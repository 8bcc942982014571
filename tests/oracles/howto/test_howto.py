"""Every page of docs/howto runs from top to bottom, and prints what it shows."""

import re

import numpy as np
import pytest

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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_has_something_that_runs(page):
    found = pages.blocks(page)
    assert any(block.language == "bash" or block.framework or block.language == "python" for block in found)
    fences = len(re.findall(r"^```", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert fences == 2 * len(found)
