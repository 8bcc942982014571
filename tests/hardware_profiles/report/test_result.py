"""One `passed` with its reasons, and the way through JSON and back."""

import json
from dataclasses import replace

import pytest

from spikeport.export.errors import ArchiveError
from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import random_stimulus
from spikeport.hardware_profiles.report.build import report
from spikeport.hardware_profiles.report.result import Report

NETWORK = small_network()
REPORT = report(NETWORK, random_stimulus(NETWORK, 3, 0), ["loihi1", "speck"], relative_to=NETWORK)
RUN = {
    "accuracy": {"ann_clean": 0.9},
    "attack": {"name": "PGD", "attack_steps": 10, "epsilon": 8.0},
    "fidelity": {"lava": {"compared": 100, "mismatches": 0}},
    "sparsity": {"global": 0.9, "integer": 0.91, "weights": 1000},
}


def with_layer(number, **changes):
    layers = list(REPORT.operations.layers)
    layers[number] = replace(layers[number], **changes)
    return replace(REPORT, operations=replace(REPORT.operations, layers=tuple(layers)))


def with_fidelity(**mismatches):
    found = {name: {"compared": 1000, "mismatches": number} for name, number in mismatches.items()}
    return REPORT.with_run(**{**RUN, "fidelity": found})


FAILED = {
    "simulation": (
        with_layer(1, simulated=REPORT.operations.layers[1].formula + 1),
        ["conv1 -> readout: Eq. 12 counts"],
    ),
    "graded input": (with_layer(0, simulated=0), ["input -> conv1: Eq. 12 counts"]),
    "event by event": (
        replace(REPORT, events=replace(REPORT.events, difference=3)),
        ["the projections differ by 3 in all"],
    ),
    "proof": (replace(REPORT, network=replace(REPORT.network, proven=False)), ["The registers are not proven"]),
    "fidelity": (with_fidelity(lava=0, onnx=1), ["onnx: 1 of 1,000 compared neuron steps differ."]),
    "two of them": (
        replace(with_fidelity(lava=2000), network=replace(REPORT.network, proven=False)),
        ["The registers", "lava: 2,000"],
    ),
}


def test_what_agrees_passes():
    assert [REPORT.network.proven, REPORT.events.difference, REPORT.operations.difference] == [True, 0, 0]
    for each in (REPORT, REPORT.with_run(**RUN)):
        assert each.passed
        assert each.reasons == ()


@pytest.mark.parametrize("name", FAILED)
def test_what_differs_fails_with_a_sentence_each(name):
    found, expected = FAILED[name]
    assert not found.passed
    assert len(found.reasons) == len(expected)
    for sentence, part in zip(found.reasons, expected, strict=True):
        assert part in sentence
        assert sentence.endswith(".")


def test_differences_that_cancel_in_the_total_fail():
    first, second = REPORT.operations.layers
    layers = (
        replace(first, graded=False, simulated=first.simulated + 5),
        replace(second, simulated=second.simulated - 5),
    )
    found = replace(REPORT, operations=replace(REPORT.operations, layers=layers))
    assert found.operations.difference == 0
    assert len(found.reasons) == 2


@pytest.mark.parametrize("found", [REPORT, REPORT.with_run(**RUN), *(each for each, _ in FAILED.values())])
def test_json_gives_the_same_report_again(found):
    document = json.loads(json.dumps(found.to_dict()))
    again = Report.from_dict(document)
    assert again.to_dict() == document
    assert again.reasons == found.reasons
    assert again == found


def test_sections_of_a_run_are_absent_without_one():
    assert not {"accuracy", "attack", "fidelity", "sparsity"} & set(REPORT.to_dict())
    assert RUN.items() <= REPORT.with_run(**RUN).to_dict().items()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 1}, "a report of schema 1; expected 3: write it again"),
        ({"schema": None}, "a report of schema None; expected 3"),
        ({"network": 3}, "not a report of schema 3"),
        ({"operations": {}}, "not a report of schema 3"),
        ({"energy": {"loihi1": {}}}, "not a report of schema 3"),
        ({"placement": []}, "not a report of schema 3"),
        ({"placement": {"loihi1": None}}, "not a report of schema 3"),
    ],
)
def test_another_document_is_refused(change, message):
    with pytest.raises(ArchiveError, match=message):
        Report.from_dict(REPORT.to_dict() | change)


@pytest.mark.parametrize("compared", [{}, {"compared": 1}, {"compared": 1, "mismatches": None}, {"mismatches": 0}])
def test_fidelity_without_its_numbers_is_refused(compared):
    message = "fidelity of lava: expected the whole numbers 'compared' and 'mismatches'"
    with pytest.raises(ArchiveError, match=message):
        REPORT.with_run(**{**RUN, "fidelity": {"lava": compared}})
    with pytest.raises(ArchiveError, match=message):
        Report.from_dict(REPORT.to_dict() | {"fidelity": {"lava": compared}})


def test_a_document_without_a_schema_is_refused():
    with pytest.raises(ArchiveError, match="not a report of schema 3"):
        Report.from_dict({})


def test_a_report_is_frozen():
    with pytest.raises(AttributeError):
        REPORT.date = "today"
