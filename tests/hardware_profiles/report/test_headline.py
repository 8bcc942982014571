"""What text and page say first: name, accuracy, exactness, and for each chip fits or not, energy and time."""

from dataclasses import replace

from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import random_stimulus
from spikeport.hardware_profiles.report import html
from spikeport.hardware_profiles.report.build import report
from spikeport.hardware_profiles.report.headline import headline
from spikeport.hardware_profiles.report.sections import Accuracy, AttackedWith

NETWORK = small_network()
REPORT = report(NETWORK, random_stimulus(NETWORK, 3, 0), ["loihi1", "speck", "cmos45_int8"], name="mine.nir")
PGD = AttackedWith(name="PGD-10", epsilon=8.0, images=500)
RUN = {
    "accuracy": (
        Accuracy(title="dense ANN", stage="dense", clean=0.95, robust=0.9),
        Accuracy(title="integers", stage="check", clean=0.887, robust=0.776),
        Accuracy(title="integers in Lava", stage="check", clean=0.887),
    ),
    "attack": PGD,
    "fidelity": {"lava": {"compared": 100, "mismatches": 0, "populations": []}},
    "sparsity": {"integer": 0.9},
}


def of(found):
    return headline(found.to_dict())


def test_the_name_comes_first_on_the_page_and_in_the_text():
    assert of(REPORT).name == "mine.nir"
    assert REPORT.text().startswith("mine.nir: T = 4, 39 neurons, ")
    assert "<h1>mine.nir</h1>" in html.render(REPORT)
    assert of(replace(REPORT, network=replace(REPORT.network, name=None))).name.startswith("network ")


def test_accuracy_is_that_of_the_integers_and_of_what_attacked_them():
    found = of(REPORT.with_run(**RUN))
    assert (found.clean, found.clean_of, found.robust) == ("88.7 %", "integers", "77.6 %")
    assert found.robust_of == "PGD-10, eps 8/255, 500 images"
    text = REPORT.with_run(**RUN).text()
    assert "accuracy: 88.7 % clean (integers), 77.6 % robust after deployment (PGD-10, eps 8/255, 500 images)" in text


def test_labels_alone_give_a_clean_accuracy():
    row = Accuracy(title="integers", stage="labels", clean=0.9)
    found = of(replace(REPORT, accuracy=(row,)))
    assert (found.clean, found.clean_of, found.robust) == ("90.0 %", "integers", None)
    known = headline({**replace(REPORT, accuracy=(row,)).to_dict(), "accuracy": [{**row.to_dict(), "error": 0.01}]})
    assert known.clean == "90.0 ± 1.0 %"
    assert "90.0 %" in html.render(replace(REPORT, accuracy=(row,)))
    assert "accuracy: 90.0 % clean (integers), robust not measured" in replace(REPORT, accuracy=(row,)).text()


def test_the_worst_case_of_several_attacks_counts_before_one():
    one = replace(PGD, integer=0.7)
    worst = replace(PGD, name="worst case of suite paper", images=20, integer=0.3, integer_error=0.1, ran="all of them")
    found = of(REPORT.with_run(**RUN, attacks=[one, worst]))
    assert (found.robust, found.robust_of) == ("30.0 ± 10.0 %", "worst case of suite paper, eps 8/255, 20 images")
    assert of(REPORT.with_run(**RUN, attacks=[one])).robust == "70.0 %"
    assert of(REPORT.with_run(**RUN, attacks=[PGD])).robust == "77.6 %"


def test_what_is_not_measured_is_said():
    found = of(REPORT)
    assert (found.clean, found.robust) == (None, None)
    assert "accuracy: not measured" in REPORT.text()
    assert "not measured" in html.render(REPORT)


def test_a_difference_is_bad_news():
    wrong = {"lava": {"compared": 100, "mismatches": 7, "populations": []}}
    assert (of(REPORT.with_run(**RUN)).exact.tone, of(REPORT).exact.tone) == ("good", "soft")
    found = of(REPORT.with_run(**{**RUN, "fidelity": wrong}))
    assert (found.exact.sentence, found.exact.tone) == ("Not exact: 7 neuron steps differ.", "bad")


def test_every_chip_says_whether_it_runs_the_network_and_whether_that_fits():
    loihi, speck, prices = of(REPORT).chips
    assert (loihi.runs.tone, loihi.fits.tone) == ("bad", "good")
    assert loihi.runs.sentence == f"no: {len(REPORT.chips['loihi1'].failures)} rules fail"
    assert (speck.runs.sentence, speck.fits.sentence) == ("no: 1 rule fails", "not placed")
    assert (prices.runs.sentence, prices.fits.sentence) == ("no chip", "no cores")


def test_the_energy_says_what_is_in_it_and_what_it_lacks():
    loihi, speck, prices = of(REPORT).chips
    assert "static power" in loihi.parts
    assert "without" not in loihi.parts
    assert speck.parts.startswith("synapses (neuron updates, spike traffic, static power in them) ")
    assert prices.parts.endswith("; without neuron updates, spike traffic, static power")
    assert (loihi.energy[:2], prices.energy[:2]) != (">=", ">=")
    assert prices.energy.startswith(">= ")


def test_hashes_come_last_on_the_page():
    page = html.render(REPORT.with_run(**RUN))
    places = [page.index(each) for each in ("<h1>", "88.7 %", "Exact: ", ">Energy per image", REPORT.network.digest)]
    assert places == sorted(places)
    assert page.index(REPORT.network.digest) > page.index('id="constants"')
