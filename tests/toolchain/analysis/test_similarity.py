"""Cosine similarity of coded images: exact cases, bounds, two draws apart, and the command."""

import json

import numpy as np
import pytest
import torch

from spikeport.export.errors import StimulusError
from spikeport.toolchain.analysis.similarity import similarity
from spikeport.toolchain.nn.encoders.direct import Direct
from spikeport.toolchain.nn.encoders.phase import Phase
from spikeport.toolchain.nn.encoders.poisson import Poisson
from spikeport.toolchain.nn.encoders.rsc import Rsc
from spikeport.toolchain.verbs.coding import analyze_coding
from tests.toolchain.invoking import invoke
from tests.toolchain.networks import images


def test_direct_and_phase_bring_the_same_over_a_period():
    found = similarity({"direct": Direct(), "phase": Phase()}, images(20), 8)
    assert np.array(found.summed) == pytest.approx(np.ones((2, 2)), abs=1e-6)
    assert np.array(found.by_step).diagonal() == pytest.approx([1, 1], abs=1e-6)
    assert found.by_step[0][1] < 0.95


def test_poisson_of_half_grey_agrees_with_another_draw_as_often_as_chance_says():
    """cos = |a b| / (|a| |b|) -> x^2 / x = x of two draws, and sqrt(x) against the held image."""
    grey = torch.full((4, 1, 64, 64), 0.49)
    found = similarity({"direct": Direct(), "poisson": Poisson()}, grey, 4)
    assert found.by_step[1][1] == pytest.approx(0.49, abs=0.02)
    assert found.by_step[0][1] == pytest.approx(0.7, abs=0.02)
    assert found.summed[1][1] > found.by_step[1][1] + 0.1


def test_more_noise_is_less_alike_and_results_follow_from_the_seed():
    encoders = {"direct": Direct(), "little": Rsc(sigma=0.1), "much": Rsc(sigma=0.7)}
    first = similarity(encoders, images(300), 8, seed=1)
    assert first.by_step[0][1] > first.by_step[0][2]
    assert similarity(encoders, images(300), 8, seed=1) == first
    assert similarity(encoders, images(300), 8, seed=2) != first


@pytest.fixture
def file(tmp_path):
    np.savez(tmp_path / "x.npz", images=(255 * images(5)).round().byte().numpy())
    return tmp_path / "x.npz"


def test_the_command_writes_table_and_picture(file, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    call = ("analyze", "coding", "--input", file, "--encoder", "direct", "--encoder", "rsc:sigma=0.2", "--out", out)
    code, printed, _ = invoke(monkeypatch, capsys, *call)
    found = analyze_coding(file, encoders=("direct", "rsc:sigma=0.2"))
    assert code == 0
    assert found.text() in printed
    assert json.loads((out / "similarity.json").read_text(encoding="utf-8")) == found.to_dict()
    assert f"{found.by_step[0][1]:.2f}</text>" in (out / "similarity.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"encoders": ("direct",)}, "1 encoders and 5 images; expected two"),
        ({"encoders": ("direct", "rsc:sigma=0")}, r"encoder 'rsc:sigma=0': sigma: expected `float` > 0\.0, found 0"),
        ({"encoders": ("direct", "rate")}, "encoder 'rate': kind: 'rate'; expected direct, frames"),
        ({"encoders": ("direct", "phase"), "steps": 4}, "encoder phase: phase coding sends 8 bits"),
    ],
)
def test_encoders_that_cannot_be_compared_are_refused(file, arguments, message):
    with pytest.raises(StimulusError, match=message):
        analyze_coding(file, **arguments)
