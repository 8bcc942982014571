"""Rasters: every spike of what is shown, histograms of all neurons, caps that are said."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from spikeport.export.errors import StimulusError
from spikeport.export.executors import reference
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import Source
from spikeport.export.stimulus import random_stimulus, stimulus
from spikeport.export.trace import record
from spikeport.hardware_profiles.report import html
from spikeport.hardware_profiles.report.build import report
from spikeport.hardware_profiles.report.figures import raster_svg
from spikeport.hardware_profiles.report.raster import MOST_NEURONS, MOST_STEPS, raster
from spikeport.hardware_profiles.report.result import Report

SVG = "{http://www.w3.org/2000/svg}"
NETWORK = small_network()
STIMULUS = random_stimulus(NETWORK, 45, 0)
REPORT = report(NETWORK, STIMULUS, ["loihi1"], verify=0, rasters=(41, 3))


def test_spikes_are_those_of_the_samples_that_were_asked_for_in_any_batch():
    trace = record(reference.steps(NETWORK, STIMULUS))["conv1"]
    for found, number in zip(REPORT.rasters, (41, 3), strict=True):
        (layer,) = found.layers
        flat = trace[number].reshape(NETWORK.steps, -1)
        assert found.image == number
        assert layer.shown == tuple(range(36))
        assert layer.spikes == tuple(map(tuple, np.argwhere(flat).tolist()))
        assert layer.silent == (flat.sum(0) == 0).sum()
        assert layer.rates == tuple((flat.sum(0) == count).sum() for count in range(1, 5))


def test_a_histogram_has_every_neuron_once():
    """12 steps in 10 bins: k spikes lie in the bin whose upper end is the first that is at least k / 12."""
    spikes = np.zeros((12, 13), np.uint8)
    for neuron in range(13):
        spikes[:neuron, neuron] = 1
    (layer,) = raster(0, {"a": spikes}).layers
    expected = [sum(number / 10 < k / 12 <= (number + 1) / 10 for k in range(1, 13)) for number in range(10)]
    assert (layer.silent, layer.rates) == (1, tuple(expected))
    (several,) = raster(0, {"a": np.full((4, 1), 3)}).layers
    assert several.rates == (0, 0, 0, 1)


def test_large_layers_and_long_samples_are_cut_and_the_picture_says_so():
    spikes = np.random.default_rng(0).integers(0, 2, (250, 1000), np.uint8)
    found = raster(7, {"a": spikes})
    (layer,) = found.layers
    assert len(layer.shown) == MOST_NEURONS
    assert (layer.shown[0], layer.shown[-1], layer.steps) == (0, 999, MOST_STEPS)
    step, place = layer.spikes[100]
    assert spikes[step, layer.shown[place]]
    assert len(layer.spikes) == spikes[:MOST_STEPS, list(layer.shown)].sum()
    assert f"a: 1,000 neurons, {MOST_NEURONS} shown, evenly, first {MOST_STEPS} of 250 steps" in raster_svg(found)


def test_the_picture_has_a_mark_for_every_spike_and_a_bar_for_every_bin():
    (found, _) = REPORT.rasters
    root = ET.fromstring(raster_svg(found))
    (path,) = [each.get("d") for each in root.iter(f"{SVG}path") if each.get("class") == "known"]
    marks = [tuple(map(float, each)) for each in re.findall(r"M([\d.]+) ([\d.]+)", path)]
    assert len(marks) == len(found.layers[0].spikes)
    assert len(set(marks)) == len(marks)
    bars = [each for each in root.iter(f"{SVG}rect") if each.find(f"{SVG}title") is not None]
    heights = [float(each.get("height")) for each in bars]
    counts = (found.layers[0].silent, *found.layers[0].rates)
    assert heights == pytest.approx([max(heights) * count / max(counts) for count in counts], abs=0.02)
    assert raster_svg(found) in html.render(REPORT)


def test_names_of_a_file_are_escaped():
    found = raster_svg(raster(0, {"<script>": np.ones((2, 3), np.uint8)}))
    assert "<script>" not in found
    assert "&lt;script&gt;: 3 neurons" in found


def test_an_input_of_spikes_is_drawn_and_a_held_one_is_not():
    assert [layer.population for layer in REPORT.rasters[0].layers] == ["conv1"]
    spiking = replace(NETWORK.source, neuron=Source(levels=1, unit=1.0))
    network = replace(NETWORK, populations=(spiking, *NETWORK.populations[1:]), bounds={})
    frames = np.random.default_rng(0).integers(0, 2, (2, NETWORK.steps, *spiking.shape), np.uint8)
    found = report(network, stimulus(frames, network), ["loihi1"], verify=0, rasters=(1,))
    layers = found.rasters[0].layers
    assert [layer.population for layer in layers] == ["input", "conv1"]
    assert layers[0].spikes == tuple(map(tuple, np.argwhere(frames[1].reshape(NETWORK.steps, -1)).tolist()))


def test_rasters_survive_the_file():
    document = json.loads(json.dumps(REPORT.to_dict()))
    assert Report.from_dict(document) == REPORT
    assert "rasters" not in report(NETWORK, STIMULUS, ["loihi1"], verify=0).to_dict()


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ((45,), "a raster of sample 45 was asked for; expected 0 to 44"),
        ((-1,), "a raster of sample -1 was asked for; expected 0 to 44"),
        ((1, 1), "rasters of 2 samples were asked for; expected each once, and at most 20"),
        (tuple(range(21)), "rasters of 21 samples were asked for"),
    ],
)
def test_samples_that_are_not_there_are_refused_before_anything_runs(chosen, message):
    with pytest.raises(StimulusError, match=message):
        report(NETWORK, STIMULUS, ["loihi1"], rasters=chosen)
