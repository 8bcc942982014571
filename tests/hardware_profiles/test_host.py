"""The host's part where the input goes in as biases: operations once an image, bytes to write, nothing on the chip."""

from dataclasses import replace

import numpy as np
import pytest

from spikeport.export.bias_form import as_bias
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import IntegerProjection
from spikeport.export.stimulus import random_stimulus, stimulus
from spikeport.hardware_profiles.counting import count
from spikeport.hardware_profiles.host import host_work
from spikeport.hardware_profiles.placement import place
from spikeport.hardware_profiles.report import html
from spikeport.hardware_profiles.report.build import report
from spikeport.hardware_profiles.report.result import Report
from tests.hardware_profiles.networks import limited

NETWORK = small_network()
BIASED = as_bias(NETWORK)
IMAGES = random_stimulus(BIASED, 5, 0)
REPORT = report(BIASED, IMAGES, ["loihi1", "loihi2"])


def test_multiply_accumulates_are_those_of_one_step():
    found, counts = host_work(BIASED, IMAGES), count(BIASED, IMAGES)
    assert found.multiply_accumulates * 5 * BIASED.steps == counts.first_layer_macs
    dark = replace(IMAGES, values=np.zeros_like(IMAGES.values))
    assert host_work(BIASED, dark).multiply_accumulates == 0


def test_each_neuron_that_gets_a_bias_is_written_two_bytes():
    neurons = int(np.prod(BIASED.population("conv1").shape))
    found = host_work(BIASED, IMAGES)
    assert (found.neurons, found.bytes_per_neuron, found.bytes) == (neurons, 2, 2 * neurons)


def test_populations_with_several_projections_are_written_once():
    first = BIASED.projections[0]
    again = IntegerProjection(source=first.source, target=first.target, synapses=first.synapses)
    twice = replace(BIASED, projections=(*BIASED.projections, again))
    found, once = host_work(twice, IMAGES), host_work(BIASED, IMAGES)
    assert found.bytes == once.bytes
    assert found.multiply_accumulates == 2 * once.multiply_accumulates


def test_a_chip_that_takes_grey_levels_has_no_such_host():
    assert host_work(NETWORK, IMAGES) is None
    plain = report(NETWORK, IMAGES, ["loihi2"])
    assert plain.host is None
    assert "host" not in plain.to_dict()
    assert "First layer on the host" not in html.render(plain)


@pytest.mark.parametrize("name", ["loihi1", "loihi2"])
def test_the_chip_holds_no_synapses_of_the_input(name):
    placed, graded = (place(network, limited(name, neurons=36)) for network in (BIASED, NETWORK))
    first = [core for core in placed.cores if core.populations == ("conv1",)]
    assert first
    assert all(core.use.synapses == core.use.input_axons == core.use.synaptic_memory == 0 for core in first)
    assert any(core.use.synapses for core in graded.cores if core.populations == ("conv1",))
    assert REPORT.energy[name].first_layer_chip == 0
    assert "first_layer_chip" not in REPORT.energy[name].unknown


def test_the_report_says_what_the_host_does_in_json_text_and_page():
    host = REPORT.host
    assert REPORT.to_dict()["host"] == host.to_dict()
    assert Report.from_dict(REPORT.to_dict()).host == host
    text, page = REPORT.text(), html.render(REPORT)
    assert f"{host.multiply_accumulates:,.0f} multiply-accumulates a mean image, once and not at every step" in text
    assert f"{host.bytes:,} bytes to write an image: 2 for each of {host.neurons:,} neurons" in text
    assert host.rounding.text() in text
    assert f"{host.bytes:,} bytes to write an image, 2 for each of {host.neurons:,} neurons" in page
    assert f"{host.rounding.rounded:,} of {host.rounding.drives:,} drives of all images are not exact" in page
    assert (f"{host.rounding.beyond:,} drives lie beyond the largest bias" in page) == (host.rounding.beyond > 0)
    assert REPORT.passed


def test_the_three_counts_agree_on_what_the_chip_adds():
    """The host's projection is not counted by the kernels, which do not run it."""
    found = count(BIASED, IMAGES).verification
    assert found.passed
    assert [(layer.source, layer.target) for layer in found.layers] == [("conv1", "readout")]
    assert found.simulated == found.formula > 0


def test_exact_drives_are_no_warning():
    dark = stimulus(np.zeros_like(IMAGES.values), BIASED)
    assert "drives lie beyond" not in html.render(report(BIASED, dark, ["loihi1"]))
