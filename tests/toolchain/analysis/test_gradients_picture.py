"""The picture of gradients: well-formed, a row an operation, bars as long as the figures say."""

import xml.etree.ElementTree as ET

import pytest

from spikeport.toolchain.analysis.gradients_figures import KindFigure, Measured, OperationFigure
from spikeport.toolchain.analysis.gradients_picture import NAMES, WIDTH, Norms
from spikeport.toolchain.analysis.gradients_result import Gradients

SVG = "{http://www.w3.org/2000/svg}"


def figures(zeros, norm):
    return {"zeros": zeros, "zeros_error": 0.01, "norm": norm, "norm_error": norm / 10}


FOUND = Gradients(
    network="SNN <a & b>",
    steps=4,
    images=20,
    clean=0.5,
    pixels=Measured(**figures(0.25, 1.0)),
    kinds=(KindFigure(kind="neuron", operations=2, **figures(0.75, 0.01)),),
    operations=(
        OperationFigure(kind="neuron", layer="a", values=4, **figures(1.0, 0.0)),
        OperationFigure(kind="neuron", layer="x" * 90, values=4, **figures(0.5, 100.0)),
    ),
)


def test_bars_are_as_long_as_the_figures():
    drawn = ET.fromstring(FOUND.picture())
    bars = [each for each in drawn.iter(f"{SVG}rect") if each.get("class") in ("pale", "fill0")]
    zeros = [float(each.get("width")) for each in bars if float(each.get("x")) == NAMES]
    norms = [float(each.get("width")) for each in bars if float(each.get("x")) != NAMES]
    assert zeros == [pytest.approx(WIDTH * share, abs=0.1) for share in (0.75, 0.25, 1.0, 0.5)]
    assert norms == [pytest.approx(WIDTH * share, abs=0.1) for share in (0.0, 0.5, 0.0, 1.0)]
    ends = [float(end) for each in drawn.iter(f"{SVG}path") for end in each.get("d")[1:].split(" ")[0].split("H")]
    assert all(NAMES <= end <= float(drawn.get("width")) for end in ends)


def test_names_are_escaped_and_long_ones_cut_but_whole_in_the_title():
    drawn = ET.fromstring(FOUND.picture())
    texts = ["".join(each.itertext()) for each in drawn.iter(f"{SVG}text")]
    assert any("SNN <a & b>" in text for text in texts)
    assert max(len(text) for text in texts if "xxx" in text) == 50
    assert any("x" * 90 in "".join(each.itertext()) for each in drawn.iter(f"{SVG}title"))


@pytest.mark.parametrize(("smallest", "largest"), [(1.0, 1.0), (1e-30, 1e3), (0.0, 0.0)])
def test_the_axis_of_norms_has_ten_marks_at_most_and_holds_every_norm(smallest, largest):
    axis = Norms.of([Measured(**figures(0, norm)) for norm in (smallest, largest)])
    assert axis.first < axis.last
    assert 2 <= len(axis.ticks()) <= 11
    assert axis.x(smallest) <= axis.x(largest) <= axis.x(10.0**axis.last)
