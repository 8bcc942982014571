"""The report's document, page and text: the same numbers in all three."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from spikeport.export.errors import NetworkError
from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import random_stimulus
from spikeport.hardware_profiles import what_if
from spikeport.hardware_profiles.counting import batches, count
from spikeport.hardware_profiles.profile import load_profile
from spikeport.hardware_profiles.report import build, html, text

NETWORK = small_network()
DOCUMENT = build.costs(NETWORK, random_stimulus(NETWORK, 7, 0), ["loihi1", "loihi2"])
FULL = {
    **DOCUMENT,
    "accuracy": {
        **{f"{name}_clean": 0.9 for name in ("ann", "ann_sparse", "snn_float", "snn_integer", "lava")},
        **dict.fromkeys(("ann_robust", "ann_sparse_robust", "snn_robust", "snn_integer_robust"), 0.8),
    },
    "attack": {"name": "PGD", "attack_steps": 10, "epsilon": 8.0},
    "sparsity": {"global": 0.9, "integer": 0.91, "weights": 1000},
    "fidelity": {"lava": {"compared": 1234567, "mismatches": 0, "populations": []}},
}


class Page(HTMLParser):
    """Collects the text and checks that every element is closed."""

    void = frozenset({"meta", "link", "rect", "br"})

    def __init__(self):
        super().__init__()
        self.open, self.words, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        self.links += [value for key, value in attrs if key in ("src", "href")]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.void:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data.strip())


def page_of(document):
    page = Page()
    page.feed(html.render(document))
    assert page.open == []
    return page


@pytest.mark.parametrize("document", [DOCUMENT, FULL])
def test_page_is_well_formed_and_loads_nothing(document):
    page = page_of(document)
    assert page.links == ["data:,"]
    assert "Not modelled" in page.words


def test_page_shows_the_documents_numbers():
    words = " ".join(page_of(FULL).words)
    assert "1,234,567" in words
    assert "Exact: every executor gives the same spikes" in words
    for layer in DOCUMENT["operations"]["layers"]:
        assert f"{layer['simulated']:,}" in words
    for placed in DOCUMENT["placement"].values():
        assert f"fullest core {placed['max_core_memory_bytes']:,} bytes" in words


def test_page_says_what_is_not_exact():
    first = {"sample": 3, "step": 1, "neuron": [2, 0, 1], "expected": 1.0, "found": 0.0}
    populations = [{"population": "conv1", "different": 5, "first": first}]
    found = {"onnx": {"compared": 100, "mismatches": 5, "populations": populations}}
    words = " ".join(page_of({**FULL, "fidelity": found}).words)
    assert "Not exact: 5 neuron steps differ." in words
    assert "conv1, sample 3, step 1, neuron 2, 0, 1" in words
    assert "Executors were not compared" in " ".join(page_of(DOCUMENT).words)


def test_names_cannot_inject_markup():
    document = json.loads(json.dumps(FULL))
    document["operations"]["layers"][0]["source"] = "<script>alert(1)</script>"
    assert "<script>" not in html.render(document)


def test_text_holds_the_same_figures():
    shown = text.render(FULL)
    assert "1,234,567" in shown
    assert "PGD-10, eps 8/255" in shown
    assert "accuracy" not in text.render(DOCUMENT)
    for name, placed in DOCUMENT["placement"].items():
        assert f"{placed['max_core_memory_bytes']:,}" in shown
        assert name in shown


def test_document_is_plain_data_with_totals_that_add_up(tmp_path):
    build.write(DOCUMENT, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text()) == DOCUMENT
    operations = DOCUMENT["operations"]
    layers = [layer for layer in operations["layers"] if layer["kind"] == "AC"]
    assert operations["formula"] == sum(layer["formula"] for layer in layers)
    assert operations["simulated"] == sum(layer["simulated"] for layer in layers)
    assert operations["images"] == 7
    for placed in DOCUMENT["placement"].values():
        assert placed["cores"] == len(placed["per_core"])
        key = "core_memory" if placed["per_core"][0]["available"]["core_memory"] else "synaptic_memory"
        assert placed["max_core_memory_bytes"] == max(core["used"][key] for core in placed["per_core"])
        assert sum(core["used"]["neurons"] for core in placed["per_core"]) == DOCUMENT["network"]["neurons"]
        work = sum(core["operations"] for core in placed["per_core"]) * 7
        assert round(work) == operations["formula"]
        assert all(core["used"]["core_memory"] >= core["used"]["synaptic_memory"] for core in placed["per_core"])


def test_energy_is_eq_12_with_the_profiles_constant():
    for name, found in DOCUMENT["energy"].items():
        profile = load_profile(name)
        accumulates = DOCUMENT["operations"]["formula"] / 7
        assert found["synaptic_operations"] == pytest.approx(accumulates * profile.energy.accumulate.value, rel=1e-12)
        constants = DOCUMENT["profiles"][name]["constants"]
        assert constants["energy.accumulate"]["value"] == profile.energy.accumulate.value
        assert DOCUMENT["profiles"][name]["description"] == profile.description


def test_relative_is_the_other_over_this_and_needs_the_same_shape():
    """Table 3 of the paper: the dense network's spikes and energy over the sparse one's."""
    sparse, driven = what_if.pruned(NETWORK, 0.5), random_stimulus(NETWORK, 7, 0)
    found = build.costs(sparse, driven, ["loihi1"], relative_to=NETWORK)["relative"]
    own, other = (count(each, batches(each, driven)) for each in (sparse, NETWORK))
    assert found["energy_ratio"]["fused"] == other.formula / own.formula
    assert found["spikes_ratio"] == other.fired / own.fired
    assert found["sparsity"][0] > found["sparsity"][1]
    spiking = replace(NETWORK.populations[0], neuron=replace(NETWORK.source.neuron, levels=1))
    changed = replace(NETWORK, populations=(spiking, *NETWORK.populations[1:]))
    for different in (changed, replace(NETWORK, steps=NETWORK.steps + 1)):
        with pytest.raises(
            NetworkError, match="other populations, steps or input levels; expected one of the same shape"
        ):
            build.costs(sparse, driven, ["loihi1"], relative_to=different)


def test_what_does_not_fit_stands_in_the_report():
    document = build.costs(NETWORK, random_stimulus(NETWORK, 2, 0), ["speck", "cmos45_fp32", "loihi1"])
    assert "spiking_input is 1 of 0" in document["placement"]["speck"]["refused"]
    assert document["energy"]["speck"]["spike_traffic"] is None
    shown = text.render(document)
    assert "cmos45_fp32 has no cores" in shown
    assert "speck: not placed." in " ".join(page_of(document).words)
