"""The tutorials run: in a short form in every test run, in full among the slow tests."""

import importlib.util
import os
import re
import runpy
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "tutorials"
TUTORIALS = sorted(FOLDER.glob("*.py"))
NAMES = ("cost_on_seven_chips", "fidelity_in_ci", "how_robust", "robust_sparse_snn", "snntorch_to_loihi")
CELL = re.compile(r"^# %%(.*)\n", re.MULTILINE)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs a tutorial in a folder of its own and returns its names."""
    if importlib.util.find_spec("matplotlib") is None and not os.environ.get("CI"):
        pytest.skip("matplotlib, with which tutorials draw, is not installed: pip install 'spikeport[dev]'")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)

    def run(name, *, fast):
        monkeypatch.setenv("SPIKEPORT_FAST", "1" if fast else "0")
        made = runpy.run_path(str(FOLDER / f"{name}.py"))
        if "plt" in made:
            assert made["plt"].get_fignums()
            made["plt"].close("all")
        return made

    return run


def cells(path):
    """Return the cells of a script in percent format: what stands behind its mark, and its text."""
    _, *parts = CELL.split(path.read_text(encoding="utf-8"))
    return list(zip(parts[::2], parts[1::2], strict=True))


def test_these_are_all_tutorials():
    assert [path.stem for path in TUTORIALS] == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_step_is_explained_in_a_few_sentences_before_its_code(name):
    found = cells(FOLDER / f"{name}.py")
    assert found[0][1].startswith("# # ")
    steps = [(text, following) for (_, text), (following, _) in pairwise(found) if text.startswith("# ## ")]
    assert len(steps) >= 4
    for text, following in steps:
        assert not following.startswith(" [markdown]"), f"no code behind: {text}"
        assert 2 <= len(re.findall(r"[.:;?](?:\s|$)", text)) <= 8, text


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_that_draws_says_in_words_what_is_drawn(name):
    for following, text in cells(FOLDER / f"{name}.py"):
        assert ("plt.show()" in text) == bool(re.fullmatch(r' alt="[A-Z][^"]{20,}"', following)), text


@pytest.mark.parametrize("name", NAMES)
def test_the_short_form_runs(name, run, capsys):
    run(name, fast=True)
    assert capsys.readouterr().out


def test_the_file_beside_the_tutorial_is_snntorchs():
    with zipfile.ZipFile(FOLDER / "files" / "snntorch_conv.zip") as kept:
        assert kept.namelist() == ["conv.nir", "x.npz", "y.npz"]


@pytest.mark.slow
def test_the_single_attack_is_masked_and_the_suite_is_not(run):
    examined = run("how_robust", fast=False)["examined"]
    for name in "AB":
        assert "black box" in examined[name, "one PGD"].summary()
        assert examined[name, "suite"].passed, examined[name, "suite"].text()
    assert examined["A", "suite"].robust < 0.2 < examined["A", "one PGD"].robust


@pytest.mark.slow
def test_the_sparse_network_from_scratch_is_robust(run):
    made = run("robust_sparse_snn", fast=False)
    figures = made["figures"]
    assert figures["undefended"]["robust"] < 0.2
    assert figures["finetuned"]["robust"] > 0.6
    assert figures["finetuned"]["sparsity"] == pytest.approx(0.9, abs=0.001)
    assert made["simulation"].accuracy > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cost_on_seven_chips", "fidelity_in_ci", "snntorch_to_loihi"])
def test_the_whole_form_runs(name, run):
    run(name, fast=False)
