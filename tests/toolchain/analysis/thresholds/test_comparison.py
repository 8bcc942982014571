"""Networks side by side: means and errors over seeds, one table, one picture, and what is not alike is refused."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from spikeport.export.errors import ArchiveError
from spikeport.hardware_profiles.shares import Mean
from spikeport.toolchain.analysis.thresholds.comparison import Comparison
from spikeport.toolchain.analysis.thresholds.measure import thresholds
from spikeport.toolchain.analysis.thresholds.result import read
from spikeport.toolchain.analysis.thresholds.settings import Measures
from spikeport.toolchain.analysis.thresholds.writing import JSON, write
from tests.toolchain.analysis.thresholds.small import images, small


@cache
def measured(**spiking):
    pixels, labels = images(4)
    measures = Measures(deltas=(0.1,), epsilons=(4, 16), steps=1, bits=(8, 3))
    return thresholds(
        small(**spiking), pixels, labels, measures=measures, told={"what": "SNN", "digest": "0"}, levels=255
    )


def row(text, title):
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {title} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def with_rate(value):
    return replace(measured(), whole=replace(measured().whole, rate=Mean(value=value, error=0.5)))


def test_one_seed_keeps_its_error_and_several_have_theirs():
    seeds = [with_rate(value) for value in (0.1, 0.2, 0.6)]
    text = Comparison(groups={"one": seeds[:1], "three": seeds}).text()
    error = np.std([10, 20, 60], ddof=1) / np.sqrt(3)
    assert row(text, "spikes per neuron and step") == ["10.00 ± 50.00", f"30.00 ± {error:.2f}"]
    assert "| one (1 seed) | three (3 seeds) |" in text
    assert len({line.count("|") for line in text.splitlines()}) == 1


def test_every_figure_is_in_the_table():
    found, text = measured(), Comparison(groups={"a": [measured()]}).text()
    assert row(text, "spikes flipped by 3 bits") == [found.rounded[-1].total.text()]
    assert row(text, "spikes flipped, PGD-1, 16/255") == [found.perturbed[-1].total.text()]
    assert row(text, "accuracy, PGD-1, 16/255") == [found.perturbed[-1].accuracy.text()]
    assert row(text, "neurons of conv1 that nothing within 4/255 flips") == [
        found.rounded[0].certified.neurons[1].text()
    ]
    assert row(text, "certificate of the input, median, in levels") == [
        f"{found.rounded[0].certified.input.median:.3g}"
    ]


def with_archives(*names):
    found = measured()
    return replace(found, rounded=(*found.rounded, *(replace(found.rounded[-1], name=name) for name in names)))


def test_archives_of_one_name_are_compared_and_others_are_said_to_be_left_out():
    groups = {"a": [with_archives("chip", "a.safetensors")], "b": [with_archives("chip"), with_archives("chip", "x")]}
    text = Comparison(groups=groups).text()
    assert row(text, "spikes flipped by chip")[0] == measured().rounded[-1].total.text()
    assert "spikes flipped by a.safetensors" not in text
    assert "not every network has them: a.safetensors, x; " in text
    assert "not every network" not in Comparison(groups={"a": [with_archives("chip")]}).text()


def test_a_curve_a_network_in_three_panels():
    leaky = replace(measured(tau=0.5), steps=3)
    root = ET.fromstring(Comparison(groups={"plain": [measured()], "leaky": [leaky]}).picture())
    lines = [each for each in root.iter() if each.tag.endswith("polyline")]
    assert len(lines) == 6
    assert [len(each.get("points").split()) for each in lines] == [2] * 6


def test_json_gives_the_result_back(tmp_path):
    write(measured(), tmp_path)
    assert read(tmp_path / JSON) == measured()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"data": "other"}, "b: the data have the digest other, of a "),
        ({"deltas": (0.2,)}, r"b: the deltas are 0.2, of a 0.1; expected figures that were measured alike"),
        ({"rounded": ()}, r"b: the bits are none, of a 8 bits, 3 bits"),
        ({"steps": 4}, "b: T is 4, of a 3"),
    ],
)
def test_what_was_measured_otherwise_is_refused(changes, sentence):
    with pytest.raises(ArchiveError, match=sentence):
        Comparison(groups={"a": [measured()], "b": [replace(measured(), **changes)]})


def test_nothing_to_compare_is_refused():
    with pytest.raises(ArchiveError, match="nothing to compare"):
        Comparison(groups={})


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 2}', '{"schema": 1}', "null"])
def test_a_damaged_file_is_named(text, tmp_path):
    path = tmp_path / JSON
    path.write_text(text)
    with pytest.raises(ArchiveError, match=r"thresholds\.json: .*run spikeport analyze thresholds again"):
        read(path)
