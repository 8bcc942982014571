"""Runs of recipes: what they return, and what they need."""

import shutil
import sys

import pytest

import spikeport
from spikeport.export.errors import SpikeportError
from spikeport.toolchain.verbs import recipes


def test_a_run_returns_its_report(recipe, tiny_run, tmp_path):
    shutil.copytree(tiny_run / "dense", tmp_path / "part" / "dense")
    part = spikeport.run(recipe, tmp_path / "part", to="dense")
    assert part.passed
    assert (part.report, part.ran) == (None, ())
    assert part.text() == f"stages done up to dense; artefacts are in {tmp_path / 'part'}"
    assert set(part.files) == {"model", "adversarial"}
    assert part.to_dict()["metrics"]["dense"]["clean"] == part.metrics["dense"]["clean"]
    shutil.copytree(tiny_run, tmp_path / "whole")
    whole = spikeport.run(recipe, tmp_path / "whole", from_="report")
    assert whole.passed is whole.report.passed is True
    counts = whole.to_dict()["report"]["validation"]["counts"]
    assert counts["passed"]
    assert counts["simulated"] == counts["formula"] > 0
    assert whole.text().startswith(f"{whole.report.text()}\n\nwrote finetune/model.safetensors, quantize/network")


@pytest.mark.parametrize("module", ["torch", "sklearn"])
def test_without_the_extra_a_sentence_names_it(monkeypatch, recipe, tmp_path, module):
    monkeypatch.setitem(sys.modules, module, None)
    for start in (lambda: spikeport.run(recipe, tmp_path / "out"), lambda: recipes.demo(tmp_path / "out")):
        with pytest.raises(SpikeportError, match=rf"needs {module}.*pip install 'spikeport\[train\]'"):
            start()
    assert list(tmp_path.iterdir()) == []
