"""What a report knows of the layers: weights and fan-outs counted by hand, accuracy, and the float network beside."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from spikeport.export.errors import NetworkError
from spikeport.export.executors import fast
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import Coding
from spikeport.export.stimulus import random_stimulus
from spikeport.export.trace import scores
from spikeport.hardware_profiles.output.csv_text import csv_text
from spikeport.hardware_profiles.report import comparison as comparisons
from spikeport.hardware_profiles.report import html
from spikeport.hardware_profiles.report.build import report
from spikeport.hardware_profiles.report.layers import bits_of
from spikeport.hardware_profiles.report.result import Report
from spikeport.hardware_profiles.what_if import Variations, what_if
from spikeport.hardware_profiles.what_if.result import WhatIf
from tests.hardware_profiles.counting.test_parts import bits, network
from tests.hardware_profiles.float_networks import as_float

MADE = small_network()
NETWORK = replace(
    MADE, populations=(replace(MADE.source, neuron=replace(MADE.source.neuron, unit=1.0)), *MADE.populations[1:])
)
STIMULUS = random_stimulus(NETWORK, 8, 0)
CLASSES = scores(fast.steps(NETWORK, STIMULUS), NETWORK, 8).argmax(1)
LABELS = np.where(np.arange(8) < 6, CLASSES, (CLASSES + 1) % 3)
"""Six of eight are right."""
FLOAT = as_float(NETWORK)
REPORT = report(NETWORK, STIMULUS, ["loihi1", "cmos45_fp32"], labels=LABELS, float_network=FLOAT)
SVG = "{http://www.w3.org/2000/svg}"


def test_accuracy_is_that_of_the_labels_with_its_error():
    (row,) = REPORT.accuracy
    assert (row.title, row.stage, row.clean, row.images) == ("integers", None, 0.75, 8)
    assert row.error == pytest.approx((0.75 * 0.25 / 8) ** 0.5)
    assert "integers  75.0 ± 15.3 %" in REPORT.text()
    assert "75.0 ± 15.3 %" in html.render(REPORT)
    assert REPORT.to_dict()["accuracy"][0]["error"] == row.error
    assert report(NETWORK, STIMULUS, ["loihi1"]).accuracy is None


def test_accuracy_of_a_float_network_is_its_own():
    found = report(FLOAT, STIMULUS, ["loihi1"], labels=LABELS)
    assert [(row.title, row.clean) for row in found.accuracy] == [("float network", 0.75)]


def test_layers_are_counted_from_the_weights():
    """A 3x3 kernel, stride 2, padding 1 over 6x5; true borders, without the zeros of the kernel."""
    first, second = REPORT.layers
    kernel, dense = (each.synapses.weight for each in NETWORK.projections)
    fan_out = np.zeros((6, 5), int)
    for row in range(3):
        for column in range(3):
            for y, x in np.ndindex(3, 3):
                at = 2 * y + row - 1, 2 * x + column - 1
                if 0 <= at[0] < 6 and 0 <= at[1] < 5:
                    fan_out[at] += np.count_nonzero(kernel[:, 0, row, column])
    assert (first.source, first.target, first.kind, first.weights) == ("input", "conv1", "convolution", 36)
    assert first.synapses == fan_out.sum()
    assert (first.fan_out_mean, first.fan_out_max) == (fan_out.mean(), fan_out.max())
    assert first.density == fan_out.sum() / (30 * 36)
    assert second.zeros == (dense == 0).mean()
    assert (second.kind, second.bits) == ("dense", 8)
    assert list(first.memory) == ["loihi1"]
    assert report(FLOAT, STIMULUS, ["loihi1"]).layers[0].bits is None


def test_projections_of_the_same_populations_are_told_apart_in_tables_and_figures_too():
    coded = network((8, 1, 2), bits(1), coding=Coding(encoder="phase_bits"))
    found = report(coded, random_stimulus(coded, 2, 0), ["loihi1"], verify=0)
    for table in (each for each in found.tables() if each.name in {"layers", "operations"}):
        assert [row[0] for row in table.rows] == [f"input (bit {2**bit}) -> readout" for bit in range(7, -1, -1)]
    (operations,) = (each.svg for each in found.figures() if each.name == "operations")
    assert "input (bit 128) → readout" in operations


def test_a_sum_that_lacks_a_part_is_a_lower_bound_in_the_table_and_on_the_page_alike():
    (energy,) = (each for each in REPORT.tables() if each.name == "energy")
    assert [row[1].least for row in energy.rows] == [bool(each.missing) for each in REPORT.energy.values()]


@pytest.mark.parametrize(
    ("weights", "bits"), [((0,), 1), ((-1,), 1), ((1,), 2), ((-2, 1), 2), ((127,), 8), ((-128,), 8)]
)
def test_bits_are_those_of_twos_complement(weights, bits):
    least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    assert all(least <= each <= most for each in weights)
    assert bits_of(np.array(weights, np.int8)) == bits


def test_layers_are_compared_on_the_first_images_and_it_is_said(monkeypatch):
    assert REPORT.comparison.images == 8
    monkeypatch.setattr(comparisons, "MOST_IMAGES", 3)
    found = report(NETWORK, STIMULUS, ["cmos45_fp32"], float_network=FLOAT)
    assert found.comparison.images == 3
    assert "class changed: 0.0 ± 0.0 % of the first 3 images" in found.text()
    assert "3 images, means with standard errors" in html.render(found)


def test_a_large_network_is_compared_on_fewer_images(monkeypatch):
    """A step of the kernel is 36 weights at 9 positions, of the readout 108 weights."""
    for work, images in ((4 * (36 * 9 + 108) * 5, 5), (4 * (36 * 9 + 108) * 6 - 1, 5), (1, 1)):
        monkeypatch.setattr(comparisons, "MOST_WORK", work)
        assert report(NETWORK, STIMULUS, ["cmos45_fp32"], float_network=FLOAT).comparison.images == images


def test_a_float_network_alone_or_of_other_integers_is_refused():
    with pytest.raises(NetworkError, match="a float network is reported; expected integers to compare"):
        report(FLOAT, STIMULUS, ["loihi1"], float_network=FLOAT)
    with pytest.raises(NetworkError, match="the integers: runs 4 steps, the float network 5"):
        report(NETWORK, STIMULUS, ["loihi1"], float_network=replace(FLOAT, steps=5))


def test_everything_survives_the_file():
    assert Report.from_dict(json.loads(json.dumps(REPORT.to_dict()))) == REPORT


def test_tables_have_the_figures_of_the_document():
    tables = {each.name: each for each in REPORT.tables()}
    assert list(tables) == [
        *("accuracy", "layers", "spikes", "operations", "counts", "comparison", "energy", "times", "placement"),
        *("traffic", "cores_loihi1", "constants"),
    ]
    sums = {row[0]: row[1] for row in tables["energy"].rows}
    assert sums["loihi1"].value == REPORT.energy["loihi1"].sum_of_known
    assert sums["cmos45_fp32"].least  # it knows nothing of neuron updates
    first = tables["operations"].on("paper").rows[1]
    layer = REPORT.operations.layers[1]
    assert first[2:5] == [layer.formula / 8, layer.relay / 8, layer.area_ratio / 8]
    assert "loihi1,1.6" not in csv_text(tables["accuracy"])
    assert len(tables["cores_loihi1"].rows) == REPORT.placement["loihi1"].cores
    for each in tables.values():
        assert all(len(row) == len(each.columns) for row in each.rows)


def test_every_figure_is_an_svg_of_its_own():
    found = {each.name: ET.fromstring(each.svg) for each in REPORT.figures()}
    assert list(found) == ["rates", "operations", "energy", "cores_loihi1", "changed_spikes", "potential_error"]
    for root in found.values():
        assert root.tag == f"{SVG}svg"
        assert root.find(f"{SVG}title").text
    shown = [each.text for each in found["energy"].iter(f"{SVG}text")]
    assert any(each.startswith("≥ ") for each in shown)  # cmos45_fp32 lacks parts
    assert "not published, of no known length" in shown


def test_what_if_says_the_accuracy_that_is_left():
    found = WhatIf(what_if(NETWORK, STIMULUS, Variations(profiles=("loihi1",), sparsities=(1.0,)), labels=LABELS))
    silent = float((LABELS == 0).mean())
    assert [row.accuracy for row in found] == [0.75, silent]
    assert found[0].accuracy_error == pytest.approx((0.75 * 0.25 / 8) ** 0.5)
    assert re.search(r"as it is, loihi1 +75\.0 ± 15\.3 %  ", found.text())
    (table,) = found.tables()
    assert [column.title for column in table.columns][:3] == ["variation", "profile", "accuracy"]
    (figure,) = found.figures()
    root = ET.fromstring(figure.svg)
    assert sum(each.get("class") == "open" for each in root.iter(f"{SVG}circle")) == 3  # two and the legend's
    bare = WhatIf(what_if(NETWORK, STIMULUS, Variations(profiles=("loihi1",), sparsities=(1.0,))))
    assert bare.figures() == ()
    assert "accuracy" not in bare.text()
    assert bare.to_dict()["rows"][0]["accuracy"] is None
