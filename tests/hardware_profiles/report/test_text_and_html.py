"""The report's page and text: the same numbers in both, and every reason of a failure."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import msgspec
import numpy as np
import pytest

from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import random_stimulus
from spikeport.hardware_profiles.columns import quantity
from spikeport.hardware_profiles.evidence import LEGEND
from spikeport.hardware_profiles.profile import Constant, Latency, load_profile
from spikeport.hardware_profiles.report import html
from spikeport.hardware_profiles.report.build import report
from spikeport.hardware_profiles.report.sections import Accuracy, AttackedWith
from spikeport.hardware_profiles.what_if import pruned

NETWORK = small_network()
REPORT = report(NETWORK, random_stimulus(NETWORK, 7, 0), ["loihi1", "loihi2"])
RUN = {
    "accuracy": (
        Accuracy(title="dense ANN", stage="dense", clean=0.912, robust=0.823, sparsity=0.0),
        Accuracy(title="<b>integers</b>", stage="check", clean=0.887, robust=0.776, sparsity=0.654),
        Accuracy(title="Lava", stage="check", clean=0.887),
    ),
    "attack": AttackedWith(name="PGD-10", epsilon=8.0, images=500),
    "attacks": (AttackedWith(name="RFGSM", epsilon=16.0, images=20, stage="long", network=0.561, integer=0.445),),
    "sparsity": {"global": 0.9, "integer": 0.91, "weights": 1000},
    "fidelity": {"lava": {"compared": 1234567, "mismatches": 0, "populations": []}},
}
FULL = REPORT.with_run(**RUN)


class Page(HTMLParser):
    """Collects the text and checks that every element is closed."""

    void = frozenset({"meta", "link", "wbr"})

    def __init__(self):
        super().__init__()
        self.open, self.words, self.links, self.anchors = [], [], [], set()

    def handle_starttag(self, tag, attrs):
        self.links += [value for key, value in attrs if key in ("src", "href")]
        self.anchors |= {value for key, value in attrs if tag == "h2" and key == "id"}
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.void:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data.strip())


def page_of(found):
    page = Page()
    page.feed(html.render(found))
    assert page.open == []
    return page


@pytest.mark.parametrize("found", [REPORT, FULL])
def test_page_is_well_formed_and_loads_nothing(found):
    page = page_of(found)
    assert page.links[0] == "data:,"
    assert all(link.startswith("#") for link in page.links[1:])
    assert {link[1:] for link in page.links[1:]} == page.anchors
    assert "Not modelled" in page.words


def test_page_shows_the_documents_numbers():
    words = " ".join(page_of(FULL).words)
    assert "1,234,567" in words
    assert "Exact: every executor gives the same spikes" in words
    for layer in REPORT.operations.layers:
        assert f"{layer.formula:,}" in words
    for layer in REPORT.operations.verification.layers:
        assert f"{layer.simulated:,}" in words
    for placed in REPORT.placement.values():
        assert f"fullest core {placed.max_core_memory_bytes:,} bytes" in words


def test_page_says_what_is_not_exact():
    first = {"sample": 3, "step": 1, "neuron": [2, 0, 1], "expected": 1.0, "found": 0.0}
    populations = [{"population": "conv1", "different": 5, "first": first}]
    found = {"onnx": {"compared": 100, "mismatches": 5, "populations": populations}}
    words = " ".join(page_of(REPORT.with_run(**{**RUN, "fidelity": found})).words)
    assert "Not exact: 5 neuron steps differ." in words
    assert "conv1, sample 3, step 1, neuron 2, 0, 1" in words
    assert "Executors were not compared" in " ".join(page_of(REPORT).words)


def test_names_cannot_inject_markup():
    layer = replace(REPORT.operations.layers[0], source="<script>alert(1)</script>")
    operations = replace(REPORT.operations, layers=(layer, *REPORT.operations.layers[1:]))
    assert "<script>" not in html.render(replace(FULL, operations=operations))


def test_text_holds_the_same_figures():
    shown = FULL.text()
    assert "1,234,567" in shown
    assert "PGD-10, eps 8/255" in shown
    assert "accuracy: not measured" in REPORT.text()
    for name, placed in REPORT.placement.items():
        assert f"{placed.max_core_memory_bytes:,}" in shown
        assert name in shown


ROWS = [
    ("dense ANN", "91.2 %", "82.3 %", "0.0 %"),
    ("<b>integers</b>", "88.7 %", "77.6 %", "65.4 %"),
    ("Lava", "88.7 %"),
    ("RFGSM, eps 16/255", "20", "56.1 %", "44.5 %"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_network_of_a_run_has_a_row_on_page_and_in_text(row):
    assert any(line.split() == " ".join(row).split() for line in FULL.text().splitlines())
    words = [word for word in page_of(FULL).words if word]
    assert any(tuple(words[start : start + len(row)]) == row for start in range(len(words)))


HEADS = {
    "accuracy": r"\n(network|accuracy on held-out images)  ",
    "attacks": r"\nrobust accuracy  ",
    "executors": r"\nexecutor against fast  ",
    "other": r"\nper image +zeros",
    "ratios": r"\nthe other / this network  ",
    "energy": r"\nenergy of a mean image, back to back  ",
}


def test_rows_of_a_run_stand_first_and_those_of_labels_behind_other_networks():
    found = report(NETWORK, random_stimulus(NETWORK, 4, 0), ["loihi1"], relative_to=NETWORK, labels=np.arange(4) % 3)
    for shown, absent in ((found, {"attacks", "executors"}), (found.with_run(**RUN), set())):
        places = {name: match.start() for name, head in HEADS.items() if (match := re.search(head, shown.text()))}
        assert set(HEADS) - set(places) == absent
        own, rest = ["accuracy", "attacks", "executors"], ["other", "ratios"]
        order = ["other", "ratios", "accuracy", "energy"] if absent else [*own, *rest, "energy"]
        assert sorted(places, key=places.get) == order


def test_robust_accuracy_says_the_attack_and_its_epsilon():
    for shown in (FULL.text(), " ".join(page_of(FULL).words)):
        assert "PGD-10, eps 8/255" in shown


def test_the_worst_case_of_a_suite_says_its_errors_and_what_was_run():
    worst = AttackedWith(
        name="worst case of suite paper", epsilon=8.0, images=200, network=0.25, network_error=0.0306, integer=0.2,
        integer_error=0.0283, ran="on the float network FGSM, 19 gradients", warnings=("gradients are masked",),
    )  # fmt: skip
    shown = replace(FULL, attacks=(worst, replace(worst, epsilon=4.0)))
    for text in (shown.text(), " ".join(page_of(shown).words)):
        assert "worst case of suite paper, eps 8/255" in text
        assert "25.0 ± 3.1 %" in text
        assert "20.0 ± 2.8 %" in text
        assert text.count("orst case of suite paper: on the float network FGSM, 19 gradients") == 1
        assert "arning: gradients are masked" in text
    assert "±" not in FULL.text()


def test_reasons_stand_on_page_and_in_text():
    failed = replace(REPORT, network=replace(REPORT.network, proven=False))
    (reason,) = failed.reasons
    assert reason in " ".join(page_of(failed).words)
    assert failed.text().endswith(f"FAILED:\n{reason}")
    assert "Failed." not in page_of(REPORT).words
    assert "FAILED" not in REPORT.text()


def test_a_difference_in_one_layer_is_marked_on_the_page():
    first, second = REPORT.operations.verification.layers
    layer = replace(second, simulated=1)
    verification = replace(REPORT.operations.verification, layers=(first, layer))
    page = page_of(replace(REPORT, operations=replace(REPORT.operations, verification=verification)))
    assert str(layer.difference) in page.words
    assert "Failed." in page.words


def test_what_does_not_fit_is_shown():
    found = report(NETWORK, random_stimulus(NETWORK, 2, 0), ["speck", "cmos45_fp32", "loihi1"])
    assert "cmos45_fp32 has no cores" in found.text()
    assert "speck: not placed. population" in " ".join(page_of(found).words)


def test_operations_stand_beside_their_mode():
    """Eq. 12 fused and in the paper's Eq. 11, in text and on the page."""
    shown, words = REPORT.text(), " ".join(page_of(REPORT).words)
    assert "kind  Eq. 12 fused  Eq. 12 area_ratio\n" in shown
    for layer in REPORT.operations.layers:
        pattern = rf"{layer.source} -> {layer.target} .* {layer.formula:,} +{layer.area_ratio:,.0f}\n"
        assert re.search(pattern, shown)
        assert f"{layer.formula:,.0f} {layer.relay:,.0f} {layer.area_ratio:,.0f}" in words
    modes = ", ".join(f"{mode} {number:,.0f}" for mode, number in REPORT.operations.modes.items())
    assert f"accumulates of a mean image, Eq. 12: {modes}" in shown
    assert modes in words
    assert "Eq. 12 Eq. 12" not in words


def test_ratios_say_which_network_is_in_which_mode():
    """Each mode for both networks, and the paper's reading: the dense one by Eq. 11, the sparse one exactly."""
    found = report(pruned(NETWORK, 0.5), random_stimulus(NETWORK, 7, 0), ["loihi1"], relative_to=NETWORK)
    shown, words, ratios = found.text(), " ".join(page_of(found).words), found.relative.energy_ratio
    rows = [(f"both {mode}", ratio) for mode, ratio in ratios.items()]
    rows.append(("the paper's reading: the other area_ratio, this fused", found.relative.energy_ratio_paper))
    assert len({round(ratio, 2) for _, ratio in rows}) > 1
    for name, ratio in rows:
        assert re.search(rf"Eq\. 12, {name} +{ratio:.2f}\n", shown)
        assert f"Eq. 12, {name} {ratio:.2f}" in words


def least(value):
    """Return a constant that its source calls a minimum."""
    return Constant(value=value, unit="s", evidence="published", source="a test", stated_as="minimum")


def test_times_are_called_what_they_are():
    """loihi1 rests on a maximum and on our reading; a chip of published minima alone gives a bound."""
    minima = msgspec.structs.replace(
        load_profile("loihi1"), name="minima", latency=Latency(accumulate=least(1e-6), barrier=least(1e-3))
    )
    found = report(NETWORK, random_stimulus(NETWORK, 2, 0), ["loihi1", minima, "spinnaker2"])
    steps = NETWORK.steps
    shown = found.text()
    assert re.search(rf"\nloihi1 +estimate +[\d.]+ .s\* +{steps + 2} +[\d.]+ .s\* +{steps}  ", shown)
    assert re.search(rf"\nminima +lower bound +>= {steps + 2}\.00 ms +{steps + 2} +>= {steps}\.00 ms +{steps}  ", shown)
    assert re.search(r"\nspinnaker2 +unknown +unknown +- +unknown +- +-\n", shown)
    words = " ".join(page_of(found).words)
    assert f"minima lower bound ≥ {steps + 2}.00 ms" in words
    assert re.search(r"loihi1 estimate [\d.]+ .s\*", words)
    assert "latency.accumulate (published, maximum)" in words
    assert "spinnaker2, time: no constant for neuron updates" in words


def test_figures_with_assumed_or_scaled_constants_are_marked():
    found = report(NETWORK, random_stimulus(NETWORK, 2, 0), ["loihi2", "truenorth", "cmos45_fp32"])
    shown, words = found.text(), " ".join(page_of(found).words)
    updates, total = (
        quantity(getattr(found.energy["loihi2"], part), "J") for part in ("neuron_updates", "sum_of_known")
    )
    assert f" {updates}*~ " in shown
    assert f" {updates}*~ " in words
    assert f" >= {total}*~ " in shown
    assert f" ≥ {total}*~ " in words
    assert shown.count("in Eq. 12") == 3
    assert LEGEND in shown
    assert LEGEND in words
    assert "\nloihi2: energy.neuron_update_inactive*~" in shown
    assert "energy.multiply_accumulate*" in words
    assert "\ncmos45_fp32: energy" not in shown
    assert "we read it as: a neuron that fires in the step" in words
    assert found.to_dict()["energy"]["loihi2"]["assumed"]["first_layer_chip"] == ["energy.multiply_accumulate"]


def test_the_first_layer_says_how_often_the_host_computes_it():
    held = random_stimulus(NETWORK, 2, 0)
    given = replace(held, values=held.values[:, None].repeat(NETWORK.steps, axis=1), held=False)
    for each, often in ((held, "once"), (given, "every step")):
        found = report(NETWORK, each, ["loihi1"])
        assert re.search(rf"first layer: host, {often} +static  not in the sum: first layer on the chip", found.text())
        assert f"first layer: host, {often}" in page_of(found).words
        assert found.to_dict()["operations"]["held"] is each.held


def test_a_robust_accuracy_says_whether_its_gradients_were_examined_and_what_was_found():
    attack = {"epsilon": 8.0, "images": 20, "network": 0.5, "integer": 0.4}
    attacks = (
        AttackedWith(name="PGD-7", **attack),
        AttackedWith(name="PGD-8", gradients="no sign of masked gradients", **attack),
        AttackedWith(name="PGD-9", gradients="signs of masked gradients: unbounded", warnings=("too high",), **attack),
    )
    found = replace(REPORT, **{**RUN, "attacks": attacks})
    for text in (found.text(), html.render(found)):
        assert "PGD-7, eps 8/255: not examined for masked gradients, which make such a figure too high" in text
        assert "PGD-8, eps 8/255: no sign of masked gradients" in text
        assert "PGD-9, eps 8/255: signs of masked gradients: unbounded" in text
    assert "\nwarning: too high" in found.text()
    assert '<p class="bad">Warning: too high.</p>' in html.render(found)


CONSTANTS = {
    "23.6 pJ": {"value": 2.36e-11, "unit": "J"},
    "1.421e-10 J": {"value": 1.421e-10, "unit": "J"},
    "131,072 B": {"value": 131072.0, "unit": "B"},
    "600 ns; 1.00 µs": {"value": [6e-7, 1e-6], "unit": "s"},
    "-4,095; 4,095": {"value": [-4095, 4095], "unit": "1"},
    "dense; sparse": {"value": ["dense", "sparse"]},
}


@pytest.mark.parametrize("shown", CONSTANTS)
def test_a_constant_keeps_its_digits(shown):
    assert html.constant(CONSTANTS[shown]) == shown


def test_a_long_table_folds_and_a_short_one_does_not():
    found = FULL.with_run(**{**RUN, "accuracy": RUN["accuracy"] * 6})
    assert "<summary>accuracy: 18 rows</summary>" in html.render(found)
    assert "<summary>accuracy" not in html.render(FULL)


def test_sections_have_anchors_of_their_own():
    body, found = html.anchored(html.Markup("<h2>Cores</h2><h2>A &amp; <b>b</b></h2><h2>Cores</h2>"))
    assert found == {"cores": "Cores", "a-b": "A & b", "cores-": "Cores"}
    assert '<h2 id="a-b">A &amp; <b>b</b></h2>' in body
